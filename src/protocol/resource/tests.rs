//! Who may have tokens for which API, and what they hold.

use super::*;
use crate::protocol::client::testing::client;

const ISSUER: &str = "https://id.example";
const FILES: &str = "https://files.example/";
const MAIL: &str = "https://mail.example/api";

fn resource(identifier: &str, scopes: &[&str], change: impl FnOnce(&mut ResourceMetadata)) -> Resource {
    let scopes = scopes.iter().map(|value| ((*value).to_owned(), format!("Do {value}"))).collect();
    let mut metadata = ResourceMetadata {
        name: identifier.to_owned(),
        scopes,
        open: false,
        access_token_format: None,
        access_token_signed_response_alg: None,
        access_token_lifetime: None,
        authorization_details_types: BTreeMap::new(),
    };
    change(&mut metadata);
    let at = Timestamp::from_seconds(0);
    Resource {
        id: identifier.to_owned(),
        identifier: identifier.to_owned(),
        metadata,
        created_at: at,
        updated_at: at,
        version: 1,
    }
}

fn resources() -> Resources {
    Resources::new([
        resource(FILES, &["files:read", "files:write"], |_| {}),
        resource(MAIL, &["mail:read"], |metadata| metadata.open = true),
    ])
}

fn app() -> Client {
    client(|metadata| metadata.audiences = vec![FILES.to_owned(), "https://old.example".to_owned()])
}

fn asking(values: &[&str]) -> Params {
    Params::of(values.iter().map(|value| ("resource", Some(*value))))
}

fn set(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

#[test]
fn a35_a_resource_is_an_absolute_uri_that_is_known_and_for_the_client() {
    let (all, app) = (resources(), app());
    for bad in [
        "files",
        "/files",
        "https://files.example/#x",
        "https://files.example/#",
        "",
        &format!("https://a.example/{}", "x".repeat(255)),
    ] {
        if !bad.is_empty() {
            assert_eq!(all.asked(&asking(&[bad]), &app, ISSUER), Err(MALFORMED), "{bad}");
        }
    }
    for unknown in ["https://files.example:8443/", "http://files.example/", "https://files.example/x"] {
        assert_eq!(all.asked(&asking(&[FILES, unknown]), &app, ISSUER), Err(UNKNOWN), "{unknown}");
    }
    let stranger = client(|_| {});
    assert_eq!(all.asked(&asking(&[FILES]), &stranger, ISSUER), Err(NOT_ALLOWED));
    assert_eq!(all.asked(&asking(&[MAIL]), &stranger, ISSUER), Ok(set(&[MAIL])), "it is open");
    for good in [FILES, MAIL, ISSUER, "https://old.example"] {
        assert_eq!(all.asked(&asking(&[good]), &app, ISSUER), Ok(set(&[good])), "{good}");
    }
    assert_eq!(all.asked(&asking(&[]), &app, ISSUER), Ok(set(&[])));
}

#[test]
fn r2_a_token_is_for_what_was_granted_and_no_more() {
    let (all, app, none) = (resources(), app(), asking(&[]));
    let within =
        |granted: &[&str], params: &Params, values: &str| all.within(&set(granted), (params, &app), &scope(values), ISSUER);
    assert_eq!(within(&[FILES, MAIL], &none, "openid"), Ok(set(&[FILES, MAIL])));
    assert_eq!(within(&[FILES, MAIL], &asking(&[MAIL]), "openid"), Ok(set(&[MAIL])));
    assert_eq!(within(&[FILES], &asking(&[MAIL]), "openid"), Err(NOT_GRANTED));
    assert_eq!(within(&[FILES], &asking(&[ISSUER]), "openid"), Ok(set(&[ISSUER])), "userinfo");
    assert_eq!(within(&[FILES], &asking(&[ISSUER]), "files:read"), Err(NOT_GRANTED));
    // Where none was asked for, the client's usual ones were granted.
    assert_eq!(within(&[], &none, "openid"), Ok(set(&[])));
    assert_eq!(within(&[], &asking(&[FILES]), "openid"), Ok(set(&[FILES])));
    assert_eq!(within(&[], &asking(&[MAIL]), "openid"), Err(NOT_GRANTED));
    // What was taken from the client since is not given again.
    let less = client(|_| {});
    assert_eq!(all.within(&set(&[FILES, MAIL]), (&none, &less), &scope("openid"), ISSUER), Ok(set(&[MAIL])));
    assert_eq!(all.within(&set(&[FILES]), (&none, &less), &scope("openid"), ISSUER), Err(NOT_ALLOWED));
}

#[test]
fn a_token_for_an_api_says_nothing_that_concerns_another_one() {
    let (all, app) = (resources(), app());
    let values = scope("openid email offline_access files:read mail:read orders");
    let scope_for = |asked: &[&str]| all.target(&app, &set(asked), &values, ISSUER).scope.to_string();
    assert_eq!(scope_for(&[FILES]), "files:read");
    assert_eq!(scope_for(&[FILES, MAIL]), "files:read mail:read");
    assert_eq!(scope_for(&["https://old.example"]), "orders", "what belongs to no registered one");
    assert_eq!(scope_for(&[ISSUER]), "email offline_access openid orders");
    let usual = all.target(&app, &set(&[]), &values, ISSUER);
    assert_eq!((usual.scope, usual.audience.len()), (values.clone(), 3), "as before");
    assert_eq!(all.target(&app, &set(&[FILES]), &values, ISSUER).audience, [FILES]);
}

#[test]
fn a_resource_decides_what_its_tokens_look_like() {
    let opaque = resource(FILES, &[], |metadata| {
        metadata.access_token_format = Some(AccessTokenFormat::Opaque);
        metadata.access_token_lifetime = Some(60);
    });
    let signed = resource(MAIL, &[], |metadata| {
        metadata.access_token_signed_response_alg = Some(Algorithm::EdDSA);
        metadata.access_token_lifetime = Some(90);
    });
    let all = Resources::new([opaque, signed]);
    let target = |asked: &[&str]| {
        let target = all.target(&app(), &set(asked), &scope("openid"), ISSUER);
        (target.format, target.algorithm, target.lifetime)
    };
    assert_eq!(target(&[]), (AccessTokenFormat::Jwt, Algorithm::ES256, None));
    assert_eq!(target(&[FILES]), (AccessTokenFormat::Opaque, Algorithm::ES256, Some(60)));
    assert_eq!(target(&[MAIL]), (AccessTokenFormat::Jwt, Algorithm::EdDSA, Some(90)));
    assert_eq!(target(&[FILES, MAIL]), (AccessTokenFormat::Opaque, Algorithm::EdDSA, Some(60)));
}

#[test]
fn scopes_of_open_resources_are_for_whoever_asks_for_them() {
    let all = resources();
    assert!(all.open_scope(&set(&[MAIL]), "mail:read"));
    assert!(!all.open_scope(&set(&[]), "mail:read") && !all.open_scope(&set(&[FILES]), "files:read"));
}

#[test]
fn one_uri_in_another_spelling_is_the_same_resource() {
    let all = Resources::new([
        resource("https://mcp.example", &["tools"], |metadata| metadata.open = true),
        resource("https://mcp.example/a", &["tools"], |metadata| metadata.open = true),
    ]);
    let app = app();
    for (written, known) in [
        ("https://mcp.example/", "https://mcp.example"),
        ("HTTPS://MCP.example:443", "https://mcp.example"),
        ("https://MCP.example/a", "https://mcp.example/a"),
        ("https://id.example/", ISSUER),
        ("https://old.example/", "https://old.example"),
    ] {
        assert_eq!(all.asked(&asking(&[written]), &app, ISSUER), Ok(set(&[known])), "{written}");
    }
    for other in [
        "https://mcp.example/A",
        "https://mcp.example/a/",
        "http://mcp.example",
        "https://mcp.example:8443",
        "https://mcp.example/?",
    ] {
        assert_eq!(all.asked(&asking(&[other]), &app, ISSUER), Err(UNKNOWN), "{other}");
    }
    assert_eq!(
        all.asked(&asking(&["https://mcp.example/", "https://mcp.example"]), &app, ISSUER),
        Ok(set(&["https://mcp.example"]))
    );
}
