//! Attacks on redirection URIs, and what must go on working.

use proptest::prelude::*;

use super::*;

const WEB: ApplicationType = ApplicationType::Web;
const NATIVE: ApplicationType = ApplicationType::Native;

fn is_match(registered: &str, presented: &str, application_type: ApplicationType) -> bool {
    matches(&[registered.to_owned()], presented, application_type)
}

#[test]
fn a_registered_uri_matches_itself() {
    for uri in
        ["https://app.ex/cb", "https://app.ex", "https://app.ex/", "https://app.ex:8443/cb?a=b&c=d", "http://localhost:3000/cb"]
    {
        assert!(is_match(uri, uri, WEB), "{uri}");
        assert!(is_match(uri, uri, NATIVE), "{uri}");
    }
}

#[test]
fn nothing_but_the_very_same_characters_matches() {
    let registered = "https://app.ex/cb";
    for presented in [
        "https://app.ex/cb/",
        "https://app.ex/cb/x",
        "https://app.ex/CB",
        "https://app.ex/cb?x",
        "https://app.ex/cb?",
        "https://app.ex/cb#f",
        "https://app.ex/cb#",
        "https://app.ex/cb/../e",
        "https://app.ex/cb/../cb",
        "https://app.ex/./cb",
        "https://app.ex/cb/..;/e",
        "https://app.ex/cb%2f..",
        "https://app.ex/%63b",
        "https://app.ex:443/cb",
        "https://APP.EX/cb",
        "HTTPS://app.ex/cb",
        "https://app.ex./cb",
        "http://app.ex/cb",
        "//app.ex/cb",
        "/cb",
        "https:/app.ex/cb",
        "https:app.ex/cb",
        "https:///app.ex/cb",
        "",
        " https://app.ex/cb",
        "https://app.ex/cb ",
    ] {
        assert!(!is_match(registered, presented, WEB), "{presented}");
        assert!(!is_match(registered, presented, NATIVE), "{presented}");
    }
}

#[test]
fn a_uri_that_two_parsers_may_read_differently_is_refused_even_if_registered() {
    for uri in [
        "https://app.ex@evil",
        "https://a@b@app.ex/cb",
        "https://:@app.ex/cb",
        "https://evil\\@app.ex",
        "https://app.ex\\evil/cb",
        "https://app.ex%25@evil",
        "https://app.ex/\r\ncb",
        "https://app.ex/\tcb",
        "https://app.ex/c b",
        "https://app.ex/\u{0}",
        "https://app\u{ff0e}ex/cb",
        "https://\u{0430}pp.ex/cb",
        "https://%61pp.ex/cb",
        "https://app.ex/cb\"",
        "https://app.ex/<script>",
        "https://app.ex:/cb",
        "https://app.ex:0/cb",
        "https://app.ex:08443/cb",
        "https://app.ex:99999/cb",
        "https://app.ex:+443/cb",
        "https://[::1/cb",
        "https://::1/cb",
        "https:///cb",
        "https://",
        "https://?x",
        "http://127.1/cb",
        "http://0x7f.0.0.1/cb",
        "http://2130706433/cb",
        "http://[0:0:0:0:0:0:0:1]/cb",
        "https://app.ex/cb/%2e%2e/e",
        "com.example.app://user@host/cb",
        "com.example.app://host/a/../b",
    ] {
        assert!(!is_match(uri, uri, NATIVE), "{uri}");
    }
}

#[test]
fn the_punycode_and_the_unicode_spelling_of_a_host_are_different() {
    assert!(is_match("https://xn--bcher-kva.ex/cb", "https://xn--bcher-kva.ex/cb", WEB));
    assert!(!is_match("https://xn--bcher-kva.ex/cb", "https://bücher.ex/cb", WEB));
    assert!(!is_match("https://bücher.ex/cb", "https://bücher.ex/cb", WEB));
}

#[test]
fn a_native_application_may_use_any_port_of_its_loopback_address() {
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        for registered in [format!("http://{host}/cb"), format!("http://{host}:8080/cb")] {
            for presented in [format!("http://{host}:49152/cb"), format!("http://{host}/cb"), format!("http://{host}:1/cb")] {
                assert!(is_match(&registered, &presented, NATIVE), "{registered} {presented}");
            }
        }
    }
}

#[test]
fn the_loopback_exception_is_for_the_port_alone() {
    for presented in [
        "http://localhost:49152/cb",
        "http://[::1]:49152/cb",
        "http://127.0.0.2:49152/cb",
        "https://127.0.0.1:49152/cb",
        "http://127.0.0.1:49152/cb/",
        "http://127.0.0.1:49152/",
        "http://127.0.0.1:49152/cb?x=y",
        "http://127.0.0.1:49152@evil/cb",
        "http://127.0.0.1.evil:49152/cb",
        "http://127.0.0.1:49152:1/cb",
        "http://127.0.0.1:/cb",
    ] {
        assert!(!is_match("http://127.0.0.1/cb", presented, NATIVE), "{presented}");
    }
    assert!(!is_match("https://app.ex/cb", "https://app.ex:49152/cb", NATIVE));
}

#[test]
fn a_web_application_has_no_loopback_exception() {
    assert!(is_match("http://127.0.0.1:3000/cb", "http://127.0.0.1:3000/cb", WEB));
    assert!(!is_match("http://127.0.0.1:3000/cb", "http://127.0.0.1:3001/cb", WEB));
}

#[test]
fn a_private_use_scheme_matches_exactly_and_for_native_applications_only() {
    let registered = "com.example.app:/oauth2redirect";
    assert!(is_match(registered, registered, NATIVE));
    assert!(!is_match(registered, registered, WEB));
    for altered in [
        "com.example.app:/oauth2redirect/",
        "com.example.app://oauth2redirect",
        "com.example.apq:/oauth2redirect",
        "COM.example.app:/oauth2redirect",
    ] {
        assert!(!is_match(registered, altered, NATIVE), "{altered}");
    }
}

#[test]
fn no_scheme_that_a_browser_acts_on_is_a_private_use_scheme() {
    for uri in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java.script\t:x",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.ex/1",
        "about:blank",
        "ftp://app.ex/",
        "mailto:a@app.ex",
        "myapp://cb",
        "urn:ietf:wg:oauth:2.0:oob",
        "ws://app.ex/",
        "com.example.app:",
        ".com:x",
        "1.com:x",
    ] {
        assert!(RedirectUri::parse(uri).is_err(), "{uri}");
    }
}

#[test]
fn a_registered_query_must_come_back_as_it_is() {
    let registered = "https://app.ex/cb?a=1&b=2";
    assert!(is_match(registered, registered, WEB));
    for presented in [
        "https://app.ex/cb?b=2&a=1",
        "https://app.ex/cb?a=1&b=2&c=3",
        "https://app.ex/cb?a=1",
        "https://app.ex/cb",
        "https://app.ex/cb?a=1&b=%32",
    ] {
        assert!(!is_match(registered, presented, WEB), "{presented}");
    }
}

#[test]
fn the_form_action_source_is_the_origin_and_nothing_else() {
    for (uri, source) in [
        ("https://app.ex/cb?a=1;script-src,*", "https://app.ex"),
        ("https://app.ex:8443", "https://app.ex:8443"),
        ("http://127.0.0.1:49152/cb", "http://127.0.0.1:49152"),
        ("http://[::1]:49152/cb", "http:"),
        ("com.example.app:/cb;x", "com.example.app:"),
        ("com.example.app://host/cb", "com.example.app:"),
    ] {
        assert_eq!(RedirectUri::parse(uri).unwrap().form_action_source(), source);
    }
}

#[test]
fn a_host_cannot_carry_a_csp_directive() {
    for uri in
        ["https://app.ex;script-src/cb", "https://app.ex,evil/cb", "https://*.app.ex/cb", "https://*/cb", "https://'self'/cb"]
    {
        let source = RedirectUri::parse(uri).map(|uri| uri.form_action_source());
        assert!(source.is_err(), "{source:?}");
    }
}

#[test]
fn only_private_use_schemes_and_loopback_can_be_intercepted() {
    for (uri, expected) in [
        ("https://app.ex/cb", false),
        ("https://127.0.0.1/cb", false),
        ("http://127.0.0.1/cb", true),
        ("http://[::1]/cb", true),
        ("http://localhost:3000/cb", true),
        ("com.example.app:/cb", true),
    ] {
        assert_eq!(RedirectUri::parse(uri).unwrap().can_be_intercepted(), expected, "{uri}");
    }
}

#[test]
fn private_addresses_are_known_in_every_form() {
    for uri in [
        "https://10.0.0.5/",
        "https://172.16.1.1/",
        "https://192.168.1.1/",
        "http://169.254.169.254/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://127.0.0.2/",
        "https://[fc00::1]/",
        "https://[fe80::1]/",
        "https://[::]/",
        "https://[::ffff:a00:1]/",
    ] {
        assert!(RedirectUri::parse(uri).unwrap().has_private_address(), "{uri}");
    }
    for uri in ["https://app.ex/", "https://93.184.216.34/", "http://127.0.0.1/", "http://[::1]/", "https://[2606:4700::1]/"] {
        assert!(!RedirectUri::parse(uri).unwrap().has_private_address(), "{uri}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".*|(https?|com\\.ex)://?[a-z0-9.@:\\[\\]/?#%;,-]{0,40}") {
        if let Ok(uri) = RedirectUri::parse(&text) {
            prop_assert_eq!(uri.as_str(), &text);
            let source = uri.form_action_source();
            prop_assert!(source.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_+~".contains(&byte)), "{}", source);
        }
    }

    #[test]
    fn nothing_matches_but_itself(one in "https://app\\.ex/[a-c./%?=]{0,6}", other in "https://app\\.ex/[a-c./%?=]{0,6}") {
        prop_assert!(one == other || !is_match(&one, &other, NATIVE));
    }
}
