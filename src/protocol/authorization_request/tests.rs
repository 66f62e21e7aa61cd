//! The rows of bad and good requests.

use proptest::prelude::*;

use super::*;
use crate::protocol::client::testing::client;
use crate::protocol::client::{ApplicationType, ClientStatus};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A good request, changed: an empty value takes a parameter away.
fn params(changes: &[(&str, &str)]) -> Params {
    let mut pairs = vec![
        ("client_id", "app"),
        ("redirect_uri", "https://app.ex/cb"),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    pairs.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    pairs.extend(changes);
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Params::parse(query.as_bytes()).unwrap()
}

fn policy() -> ServerPolicy {
    ServerPolicy::new(&Scope::parse("orders:read").unwrap(), false, "https://id.example")
}

fn parse_for(client: &Client, changes: &[(&str, &str)]) -> Result<AuthorizationRequest, OAuthError> {
    let params = params(changes);
    let redirect_uri = redirect_uri(&params, client)?;
    AuthorizationRequest::parse(&params, client, &redirect_uri, &policy())
}

fn parse(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, OAuthError> {
    parse_for(&client(|_| {}), changes)
}

fn code_of(changes: &[(&str, &str)]) -> ErrorCode {
    parse(changes).unwrap_err().code
}

fn target(changes: &[(&str, &str)]) -> ResponseTarget {
    response_target(&params(changes), &client(|_| {}), RedirectUri::parse("https://app.ex/cb").unwrap())
}

fn scope_of(request: Result<AuthorizationRequest, OAuthError>) -> String {
    request.unwrap().scope.to_string()
}

#[test]
fn a_client_id_must_be_given_once_and_be_possible() {
    assert_eq!(client_id(&params(&[])).unwrap().as_str(), "app");
    assert_eq!(client_id(&params(&[("client_id", "")])), Err(CLIENT_ID_MISSING));
    assert_eq!(client_id(&params(&[("client_id", "app"), ("client_id", "app")])), Err(CLIENT_ID_DUPLICATED));
    for bad in ["' OR 1=1", "\u{e9}", "a b", &"a".repeat(256)] {
        assert_eq!(client_id(&params(&[("client_id", bad)])), Err(UNKNOWN_CLIENT), "{bad}");
    }
}

#[test]
fn a_redirect_uri_must_be_given_once_and_be_registered() {
    let client = client(|_| {});
    assert_eq!(redirect_uri(&params(&[]), &client).unwrap().as_str(), "https://app.ex/cb");
    assert_eq!(redirect_uri(&params(&[("redirect_uri", "")]), &client), Err(REDIRECT_URI_MISSING));
    let twice = [("redirect_uri", "https://app.ex/cb"), ("redirect_uri", "https://app.ex/cb")];
    assert_eq!(redirect_uri(&params(&twice), &client), Err(REDIRECT_URI_DUPLICATED));
    assert_eq!(redirect_uri(&params(&[("redirect_uri", "https://evil.ex/cb")]), &client), Err(REDIRECT_URI_MISMATCH));
}

#[test]
fn a_bad_redirect_uri_is_found_before_anything_else_is_looked_at() {
    for changes in [("response_type", "bad"), ("scope", "\""), ("registration", "x"), ("state", "")] {
        let result = parse(&[("redirect_uri", "https://evil.ex/cb"), changes]);
        assert_eq!(result, Err(REDIRECT_URI_MISMATCH), "{changes:?}");
    }
}

#[test]
fn a_disabled_client_is_told_like_an_unknown_one() {
    let mut client = client(|_| {});
    client.status = ClientStatus::Disabled;
    let error = enabled(&client).unwrap_err();
    assert_eq!((error.code, error.description), (UNKNOWN_CLIENT.code, UNKNOWN_CLIENT.description));
}

#[test]
fn a_native_client_may_ask_for_another_port() {
    let client = client(|metadata| {
        metadata.application_type = ApplicationType::Native;
        metadata.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()];
    });
    let request = parse_for(&client, &[("redirect_uri", "http://127.0.0.1:49152/cb")]).unwrap();
    assert_eq!(request.redirect_uri.as_str(), "http://127.0.0.1:49152/cb");
}

#[test]
fn a_good_request_is_read() {
    let request = parse(&[
        ("nonce", "n"),
        ("prompt", "login"),
        ("max_age", "60"),
        ("claims", r#"{"id_token":{"email":null}}"#),
        ("id_token_hint", "a.b.c"),
        ("acr_values", "2 1"),
        ("display", "popup"),
        ("ui_locales", "fr-CA fr <en> x_y"),
        ("login_hint", "alice@example.com"),
    ])
    .unwrap();
    assert!(request.is_openid() && request.prompt.login);
    assert_eq!(request.max_age, Some(Seconds(60)));
    assert!(request.claims.id_token.contains_key("email"));
    assert_eq!(request.id_token_hint.as_ref().map(IdTokenHint::as_str), Some("a.b.c"));
    assert_eq!(request.acr_values, ["2", "1"]);
    assert_eq!(request.display, Display::Popup);
    assert_eq!(request.ui_locales, ["fr-CA", "fr"]);
    assert_eq!(request.login_hint.as_deref(), Some("alice@example.com"));
    assert_eq!(request.target(), target(&[]));
}

#[test]
fn the_only_response_type_is_code() {
    assert_eq!(code_of(&[("response_type", "")]), ErrorCode::InvalidRequest);
    for unsupported in ["token", "id_token token", "code code", "code id_token", "none", "CODE", "code ", "x"] {
        assert_eq!(code_of(&[("response_type", unsupported)]), ErrorCode::UnsupportedResponseType, "{unsupported}");
    }
}

#[test]
fn a_client_without_the_grant_is_not_authorized() {
    let client = client(|metadata| metadata.grant_types = vec![GrantType::ClientCredentials]);
    assert_eq!(parse_for(&client, &[]).unwrap_err().code, ErrorCode::UnauthorizedClient);
}

#[test]
fn an_unknown_response_mode_is_refused_by_the_default_one() {
    for bad in ["web_message", "query.jws", "code.jwt", "QUERY", "form post"] {
        assert_eq!(code_of(&[("response_mode", bad)]), ErrorCode::InvalidRequest, "{bad}");
        assert_eq!(target(&[("response_mode", bad)]).response_mode, ResponseMode::Query);
    }
    for (name, mode) in ResponseMode::NAMES {
        assert_eq!(parse(&[("response_mode", name)]).unwrap().response_mode, mode);
        assert_eq!(target(&[("response_mode", name)]).response_mode, mode);
    }
}

#[test]
fn an_error_about_token_types_never_goes_into_the_query() {
    for types in ["token", "id_token token", "code id_token", "code token"] {
        assert_eq!(target(&[("response_type", types)]).response_mode, ResponseMode::Fragment, "{types}");
        let asked = [("response_type", types), ("response_mode", "query")];
        assert_eq!(target(&asked).response_mode, ResponseMode::Fragment, "{types}");
        let signed = [("response_type", types), ("response_mode", "jwt")];
        assert_eq!(target(&signed).response_mode, ResponseMode::FragmentJwt, "{types}");
    }
    let posted = [("response_type", "id_token"), ("response_mode", "form_post")];
    assert_eq!(target(&posted).response_mode, ResponseMode::FormPost);
}

#[test]
fn pkce_is_required_and_s256() {
    for changes in [
        vec![("code_challenge", "")],
        vec![("code_challenge_method", "")],
        vec![("code_challenge_method", "plain")],
        vec![("code_challenge_method", "s256")],
        vec![("code_challenge", "short")],
    ] {
        assert_eq!(code_of(&changes), ErrorCode::InvalidRequest, "{changes:?}");
    }
}

#[test]
fn no_parameter_may_be_given_twice() {
    for (name, value) in [("scope", "openid"), ("nonce", "n"), ("state", "s"), ("code_challenge", CHALLENGE), ("prompt", "login")]
    {
        assert_eq!(parse(&[(name, value), (name, value)]), Err(DUPLICATED), "{name}");
    }
    // RFC 8707 §2: this one may.
    let app = client(|metadata| metadata.audiences = vec!["https://a.ex".to_owned(), "https://b.ex".to_owned()]);
    assert!(parse_for(&app, &[("resource", "https://a.ex"), ("resource", "https://b.ex")]).is_ok());
}

#[test]
fn a_duplicated_state_is_not_returned() {
    assert_eq!(target(&[("state", "a"), ("state", "a")]).state, None);
    assert_eq!(target(&[("nonce", "a"), ("nonce", "a")]).state.as_deref(), Some("s"));
}

#[test]
fn a_malformed_scope_is_refused() {
    for bad in ["openid \"", "openid \\", "openid\temail", "openid \u{e9}"] {
        assert_eq!(code_of(&[("scope", bad)]), ErrorCode::InvalidScope, "{bad}");
    }
    let many = (0..65).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
    assert_eq!(code_of(&[("scope", &many)]), ErrorCode::InvalidScope);
}

#[test]
fn an_unknown_scope_value_is_ignored_and_a_known_one_not_registered_is_refused() {
    assert_eq!(scope_of(parse(&[("scope", "openid nobody:knows")])), "openid");
    for known in ["users:write", "orders:read"] {
        assert_eq!(parse(&[("scope", &format!("openid {known}"))]), Err(SCOPE_NOT_ALLOWED), "{known}");
    }
    let own = client(|metadata| metadata.scope = Scope::parse("openid formerly:configured").unwrap());
    assert_eq!(scope_of(parse_for(&own, &[("scope", "openid formerly:configured")])), "formerly:configured openid");
    assert_eq!(parse(&[("scope", "nobody:knows")]), Err(SCOPE_EMPTY));
}

#[test]
fn an_absent_scope_means_all_that_need_not_be_asked_for() {
    let client = client(|metadata| metadata.scope = Scope::parse("openid offline_access orders:read email").unwrap());
    let request = parse_for(&client, &[("scope", "")]).unwrap();
    assert_eq!(request.scope.to_string(), "email orders:read");
    assert!(!request.is_openid());
}

#[test]
fn offline_access_is_ignored_where_no_refresh_token_could_follow() {
    let asked = [("scope", "openid offline_access")];
    assert_eq!(scope_of(parse(&asked)), "offline_access openid");
    let without = client(|metadata| metadata.grant_types = vec![GrantType::AuthorizationCode]);
    assert_eq!(scope_of(parse_for(&without, &asked)), "openid");
}

#[test]
fn a_long_state_and_nonce_are_kept_and_a_too_long_one_is_refused() {
    let long = "é".repeat(1024);
    let request = parse(&[("state", &long), ("nonce", &long)]).unwrap();
    assert_eq!((request.state.as_deref(), request.nonce.as_deref()), (Some(long.as_str()), Some(long.as_str())));
    for length in [43, 64, 384] {
        let nonce = "n".repeat(length);
        assert_eq!(parse(&[("nonce", &nonce)]).unwrap().nonce, Some(nonce));
    }
    assert!(parse(&[("state", &"s".repeat(4096))]).is_ok());
    assert_eq!(parse(&[("state", &"s".repeat(4097))]), Err(STATE_INVALID));
    assert_eq!(target(&[("state", &"s".repeat(4097))]).state, None);
    assert_eq!(parse(&[("nonce", &"n".repeat(2049))]), Err(NONCE_INVALID));
}

#[test]
fn a_state_that_a_form_would_alter_is_refused_there_and_not_returned() {
    let changes = [("state", "a\nb"), ("response_mode", "form_post")];
    assert_eq!(parse(&changes), Err(STATE_INVALID));
    assert_eq!(target(&changes).state, None);
    assert_eq!(parse(&[("state", "a\nb")]).unwrap().state.as_deref(), Some("a\nb"));
}

#[test]
fn a_contradictory_or_unknown_prompt_is_refused() {
    for bad in ["none login", "none create", "Login"] {
        assert_eq!(parse(&[("prompt", bad)]), Err(PROMPT_INVALID), "{bad}");
    }
    assert_eq!(parse(&[("prompt", "create")]), Err(PROMPT_CREATE), "nobody may register");
}

#[test]
fn max_age_is_a_number_of_seconds() {
    for bad in ["-1", "+1", "abc", "1e30", "1.5", " 1", "99999999999999999999"] {
        assert_eq!(code_of(&[("max_age", bad)]), ErrorCode::InvalidRequest, "{bad}");
    }
    assert_eq!(parse(&[("max_age", "0")]).unwrap().max_age, Some(Seconds(0)));
}

#[test]
fn the_clients_default_max_age_holds_where_the_request_has_none() {
    let client = client(|metadata| metadata.default_max_age = Some(300));
    assert_eq!(parse_for(&client, &[]).unwrap().max_age, Some(Seconds(300)));
    assert_eq!(parse_for(&client, &[("max_age", "10")]).unwrap().max_age, Some(Seconds(10)));
}

#[test]
fn what_is_not_supported_is_never_ignored() {
    for (name, code) in
        [("request_uri", ErrorCode::RequestUriNotSupported), ("registration", ErrorCode::RegistrationNotSupported)]
    {
        assert_eq!(code_of(&[(name, "http://169.254.169.254/")]), code);
    }
}

#[test]
fn bad_claims_are_refused() {
    for bad in ["{", "[]", "1", r#"{"userinfo":1}"#, &"[".repeat(4000), &format!("{{\"a\":\"{}\"}}", "x".repeat(4096))] {
        assert_eq!(parse(&[("claims", bad)]), Err(CLAIMS_INVALID), "{bad:.40}");
    }
}

#[test]
fn a_login_hint_that_is_no_name_is_ignored() {
    assert_eq!(parse(&[("login_hint", &"x".repeat(10_240))]).unwrap().login_hint, None);
    assert_eq!(parse(&[("login_hint", "a\r\nb")]).unwrap().login_hint, None);
    // Kept as it is: escaping is the page's.
    assert_eq!(parse(&[("login_hint", "<script>")]).unwrap().login_hint.as_deref(), Some("<script>"));
}

#[test]
fn a_hint_is_not_shown_in_debug_output_and_does_not_travel() {
    let request = parse(&[("id_token_hint", "secret.id.token")]).unwrap();
    assert!(!format!("{request:?}").contains("secret.id.token"));
    assert!(!serde_json::to_string(&request).unwrap().contains("secret.id.token"));
}

#[test]
fn what_nobody_knows_is_ignored() {
    assert_eq!(parse(&[("foo", "bar"), ("display", "hologram"), ("claims_locales", "x")]), parse(&[]));
}

proptest! {
    #[test]
    fn state_and_nonce_are_kept_as_they_are(state in "[^\0]{1,200}|[+%2B ]{1,20}", nonce in "[^\0]{1,200}") {
        let request = parse(&[("state", &state), ("nonce", &nonce)]).unwrap();
        prop_assert_eq!(request.target().state, Some(state.clone()));
        prop_assert_eq!(request.nonce.as_deref(), Some(nonce.as_str()));
        prop_assert_eq!(target(&[("state", &state)]).state, Some(state));
    }

    #[test]
    fn a_request_travels_unaltered(
        state in "[^\0]{0,40}", prompt in "login|consent|", max_age in "[0-9]{0,9}", locales in "([a-z]{2} ?){0,4}", acr in "[!-~ ]{0,20}",
    ) {
        let request = parse(&[
            ("state", &state), ("prompt", &prompt), ("max_age", &max_age), ("ui_locales", &locales), ("acr_values", &acr),
            ("claims", r#"{"userinfo":{"name":{"essential":true}},"id_token":{"acr":{"values":["1"]}}}"#),
        ]).unwrap();
        let sealed = serde_json::to_vec(&request).unwrap();
        prop_assert_eq!(serde_json::from_slice::<AuthorizationRequest>(&sealed).unwrap(), request);
    }

    #[test]
    fn any_parameters_are_read_or_refused(
        pairs in prop::collection::vec((prop::sample::select(vec![
            "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age", "claims", "id_token_hint",
            "acr_values", "display", "ui_locales", "login_hint", "code_challenge", "code_challenge_method", "redirect_uri",
        ]), "[^\0]{0,30}"), 0..8),
    ) {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let _ = parse(&pairs);
        let _ = target(&pairs);
        let _ = client_id(&params(&pairs));
    }
}
