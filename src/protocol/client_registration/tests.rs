//! What may be registered and what may not.

mod response_types;
mod security_profile;

use super::*;
use crate::protocol::authorization_request::ServerPolicy;
use crate::protocol::client::AssertionAlgorithm;
use crate::protocol::client::testing::client;
use crate::protocol::token_exchange::ExchangePolicy;

fn policy() -> RegistrationPolicy {
    let known_scope = ServerPolicy::new(&Scope::parse("orders:read").unwrap(), false, "https://id.example").known_scope;
    let api_audience = "https://id.example/api/v1".to_owned();
    RegistrationPolicy {
        known_scope,
        algorithms: vec![Algorithm::RS256, Algorithm::ES256],
        legacy_response_types: true,
        api_audience,
        private_hosts: vec!["localhost:4000".to_owned()],
    }
}

/// `field code` of every problem.
fn problems(change: impl FnOnce(&mut ClientMetadata)) -> Vec<String> {
    let problems = validate(&client(change).metadata, &policy()).err().unwrap_or_default();
    problems.iter().map(|problem| format!("{} {}", problem.field, problem.code)).collect()
}

fn with_redirect_uri(uri: &str) -> Vec<String> {
    problems(|metadata| metadata.redirect_uris = vec![uri.to_owned()])
}

const NONE: [&str; 0] = [];

#[test]
fn a_client_of_the_management_api_names_it_as_an_audience() {
    let scope = |metadata: &mut ClientMetadata| metadata.scope = Scope::parse("openid users:read").unwrap();
    assert_eq!(problems(scope), ["audiences api_missing"]);
}

#[test]
fn an_ordinary_client_is_fine() {
    assert_eq!(problems(|_| {}), NONE);
    assert_eq!(
        problems(|metadata| {
            metadata.scope = Scope::parse("openid orders:read users:read").unwrap();
            metadata.audiences = vec!["https://api.ex/".to_owned(), "https://id.example/api/v1".to_owned()];
            metadata.allowed_origins = vec!["https://app.ex".to_owned(), "http://localhost:3000".to_owned()];
            metadata.logo_uri = Some("https://app.ex/logo.png".to_owned());
            metadata.access_token_lifetime = Some(300);
            metadata.default_max_age = Some(0);
        }),
        NONE
    );
}

#[test]
fn a_service_client_needs_no_redirect_uri() {
    assert_eq!(
        problems(|metadata| {
            metadata.grant_types = vec![GrantType::ClientCredentials];
            metadata.redirect_uris.clear();
        }),
        NONE
    );
    assert_eq!(problems(|metadata| metadata.redirect_uris.clear()), ["redirect_uris required"]);
}

#[test]
fn a_dangerous_redirect_uri_is_refused() {
    for (uri, code) in [
        ("https://app.ex/cb#f", "fragment"),
        ("JavaScript:alert(1)", "scheme"),
        ("javascript:alert%281%29", "scheme"),
        ("data:text/html,x", "scheme"),
        ("vbscript:x", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("blob:https://app.ex/1", "scheme"),
        ("https://*.app.ex/cb", "authority"),
        ("https://app.ex/*", "wildcard"),
        ("http://app.ex/cb", "insecure"),
        ("https://user:password@app.ex/cb", "userinfo"),
        ("https://10.0.0.5/cb", "private_address"),
        ("https://192.168.0.1:8443/cb", "private_address"),
        ("http://169.254.169.254/", "insecure"),
        ("https://[fd00::1]/cb", "private_address"),
        ("com.example.app:/cb", "private_use_scheme"),
        ("", "length"),
        ("/cb", "scheme"),
        ("https://app.ex/a/../cb", "not_canonical"),
    ] {
        assert_eq!(with_redirect_uri(uri), [format!("redirect_uris[0] {code}")], "{uri}");
        let after_logout = problems(|metadata| metadata.post_logout_redirect_uris = vec![uri.to_owned()]);
        assert_eq!(after_logout, [format!("post_logout_redirect_uris[0] {code}")], "{uri}");
    }
}

#[test]
fn loopback_and_private_use_schemes_are_fine_where_they_belong() {
    for uri in ["http://localhost:3000/cb", "http://127.0.0.1/cb", "http://[::1]/cb"] {
        assert_eq!(with_redirect_uri(uri), NONE, "{uri}");
    }
    let native = problems(|metadata| {
        metadata.application_type = ApplicationType::Native;
        metadata.token_endpoint_auth_method = ClientAuthMethod::None;
        metadata.redirect_uris = vec!["com.example.app:/cb".to_owned(), "http://127.0.0.1/cb".to_owned()];
    });
    assert_eq!(native, NONE);
}

#[test]
fn a_public_client_has_no_client_credentials() {
    let public = problems(|metadata| {
        metadata.token_endpoint_auth_method = ClientAuthMethod::None;
        metadata.grant_types.push(GrantType::ClientCredentials);
    });
    assert_eq!(public, ["grant_types public_client"]);
}

#[test]
fn grant_types_fit_together() {
    assert_eq!(problems(|metadata| metadata.grant_types.clear()), ["grant_types required"]);
    assert_eq!(problems(|metadata| metadata.grant_types = vec![GrantType::RefreshToken]), ["grant_types refresh_without_code"]);
    assert_eq!(problems(|metadata| metadata.grant_types = vec![GrantType::AuthorizationCode; 2]), ["grant_types duplicate"]);
}

#[test]
fn a_name_cannot_hide_or_reorder_text() {
    for (name, code) in [
        ("", "length"),
        (" ", "length"),
        (" App", "length"),
        (&*"a".repeat(101), "length"),
        ("A\nB", "character"),
        ("A\0B", "character"),
        ("Bank\u{202e}", "character"),
        ("Ba\u{200b}nk", "character"),
    ] {
        assert_eq!(problems(|metadata| name.clone_into(&mut metadata.client_name)), [format!("client_name {code}")], "{name:?}");
    }
    assert_eq!(problems(|metadata| "Café 東京 🚪".clone_into(&mut metadata.client_name)), NONE);
}

#[test]
fn what_the_server_does_not_know_is_refused() {
    assert_eq!(problems(|metadata| metadata.scope = Scope::parse("openid nobody:knows").unwrap()), ["scope unknown"]);
    assert_eq!(
        problems(|metadata| metadata.id_token_signed_response_alg = Algorithm::EdDSA),
        ["id_token_signed_response_alg unsupported"]
    );
}

#[test]
fn an_origin_is_written_as_browsers_write_it() {
    for (origin, code) in [
        ("https://app.ex/", "origin"),
        ("https://app.ex:443", "origin"),
        ("https://APP.ex", "origin"),
        ("https://app.ex/path", "origin"),
        ("https://*.app.ex", "origin"),
        ("null", "origin"),
        ("*", "origin"),
        ("", "origin"),
        ("com.example.app:", "origin"),
        ("file:///", "origin"),
        ("http://app.ex", "insecure"),
    ] {
        let found = problems(|metadata| metadata.allowed_origins = vec![origin.to_owned()]);
        assert_eq!(found, [format!("allowed_origins[0] {code}")], "{origin}");
    }
}

#[test]
fn times_are_in_range() {
    for seconds in [0, -1, 86_401, i64::MAX] {
        let found = problems(|metadata| metadata.access_token_lifetime = Some(seconds));
        assert_eq!(found, ["access_token_lifetime range"], "{seconds}");
    }
    assert_eq!(problems(|metadata| metadata.default_max_age = Some(-1)), ["default_max_age range"]);
}

#[test]
fn pages_about_the_client_are_https() {
    for bad in ["javascript:alert(1)", "http://app.ex/", "data:image/svg+xml,x", "app.ex", "https://u@app.ex/"] {
        assert_eq!(problems(|metadata| metadata.logo_uri = Some(bad.to_owned())), ["logo_uri url"], "{bad}");
        assert_eq!(problems(|metadata| metadata.client_uri = Some(bad.to_owned())), ["client_uri url"], "{bad}");
    }
}

#[test]
fn lists_are_bounded_and_hold_nothing_twice() {
    let many = |count: usize| (0..count).map(|n| format!("https://app.ex/{n}")).collect::<Vec<_>>();
    assert_eq!(problems(|metadata| metadata.redirect_uris = many(50)), NONE);
    assert_eq!(problems(|metadata| metadata.redirect_uris = many(1000)), ["redirect_uris too_many"]);
    assert_eq!(
        problems(|metadata| metadata.redirect_uris = vec!["https://app.ex/cb".to_owned(); 2]),
        ["redirect_uris duplicate"]
    );
    assert_eq!(problems(|metadata| metadata.audiences = vec!["a b".to_owned(), String::new()]).len(), 2);
}

#[test]
fn every_problem_is_told_at_once() {
    let found = problems(|metadata| {
        metadata.client_name.clear();
        metadata.redirect_uris = vec!["https://app.ex/cb".to_owned(), "http://app.ex/".to_owned()];
        metadata.default_max_age = Some(-1);
    });
    assert_eq!(found, ["client_name length", "redirect_uris[1] insecure", "default_max_age range"]);
}

fn key() -> serde_json::Value {
    let coordinate = crate::protocol::jwt::encode(&[1; 32]);
    serde_json::json!({ "kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate })
}

/// A client with this key that authenticates by it.
fn with_key(jwk: &serde_json::Value, change: impl FnOnce(&mut ClientMetadata)) -> Vec<String> {
    problems(|metadata| {
        metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
        metadata.jwks = Some(serde_json::json!({ "keys": [jwk] }));
        change(metadata);
    })
}

#[test]
fn a_client_that_signs_has_its_keys_in_one_place() {
    assert_eq!(with_key(&key(), |_| {}), NONE);
    assert_eq!(with_key(&key(), |metadata| metadata.jwks = None), ["jwks required"]);
    let published = |metadata: &mut ClientMetadata| metadata.jwks_uri = Some("https://app.ex/jwks".to_owned());
    assert_eq!(with_key(&key(), published), ["jwks_uri jwks_too"]);
    assert_eq!(
        with_key(&key(), |metadata| {
            metadata.jwks = None;
            published(metadata);
        }),
        NONE
    );
}

#[test]
fn keys_that_must_not_leave_their_owner_or_sign_nothing_are_refused() {
    let mut private = key();
    private["d"] = serde_json::json!("secret");
    assert_eq!(with_key(&private, |_| {}), ["jwks private_key"]);
    assert_eq!(with_key(&serde_json::json!({ "kty": "oct", "k": "AA" }), |_| {}), ["jwks private_key"]);
    assert_eq!(with_key(&serde_json::json!({ "kty": "EC" }), |_| {}), ["jwks no_key"]);
    assert_eq!(with_key(&serde_json::json!({ "kty": "EC", "crv": "P-256" }), |_| {}), ["jwks malformed_key"]);
    assert_eq!(with_key(&key(), |metadata| metadata.jwks = Some(serde_json::json!([]))), ["jwks set"]);
    let long = serde_json::json!({ "keys": [], "x": "x".repeat(65_536) });
    assert_eq!(with_key(&key(), |metadata| metadata.jwks = Some(long)), ["jwks too_long"]);
}

#[test]
fn the_algorithm_of_assertions_fits_the_method_and_a_key() {
    let with_algorithm =
        |algorithm| move |metadata: &mut ClientMetadata| metadata.token_endpoint_auth_signing_alg = Some(algorithm);
    assert_eq!(with_key(&key(), with_algorithm(AssertionAlgorithm::ES256)), NONE);
    assert_eq!(with_key(&key(), with_algorithm(AssertionAlgorithm::PS256)), ["jwks no_key"]);
    assert_eq!(with_key(&key(), with_algorithm(AssertionAlgorithm::HS256)), ["token_endpoint_auth_signing_alg method"]);
    let by_secret = |algorithm| {
        problems(|metadata| {
            metadata.token_endpoint_auth_method = ClientAuthMethod::ClientSecretJwt;
            metadata.token_endpoint_auth_signing_alg = algorithm;
        })
    };
    assert_eq!(by_secret(None), NONE);
    assert_eq!(by_secret(Some(AssertionAlgorithm::HS256)), NONE);
    assert_eq!(by_secret(Some(AssertionAlgorithm::RS256)), ["token_endpoint_auth_signing_alg method"]);
}

#[test]
fn n5_keys_are_asked_for_at_public_places_alone() {
    let with_uri = |uri: &str| problems(|metadata| metadata.jwks_uri = Some(uri.to_owned()));
    for uri in ["https://app.ex/jwks?a=b", "https://app.ex:8443/jwks", "http://localhost:4000/jwks"] {
        assert_eq!(with_uri(uri), NONE, "{uri}");
    }
    for uri in [
        "http://app.ex/jwks",
        "http://localhost:4001/jwks",
        "https://127.0.0.1/jwks",
        "https://10.0.0.1/jwks",
        "https://169.254.169.254/latest",
        "https://[::1]/jwks",
        "https://[fc00::1]/jwks",
        "https://[fe80::1]/jwks",
        "https://[::ffff:10.0.0.1]/jwks",
        "https://[64:ff9b::a00:1]/jwks",
        "https://100.64.0.1/jwks",
        "https://0.0.0.0/jwks",
        "https://2130706433/jwks",
        "https://0177.0.0.1/jwks",
        "https://app.ex:22/jwks",
        "https://user@app.ex/jwks",
        "https://app.ex/jwks#fragment",
        "file:///etc/passwd",
        "jwks",
    ] {
        assert_eq!(with_uri(uri), ["jwks_uri url"], "{uri}");
    }
    assert_eq!(with_uri(&format!("https://app.ex/{}", "x".repeat(2_048))), ["jwks_uri url"]);
}

#[test]
fn n5_so_are_request_objects() {
    let hash = "A".repeat(43);
    let with_uris =
        |uris: &[&str]| problems(|metadata| metadata.request_uris = uris.iter().map(|uri| (*uri).to_owned()).collect());
    let good = format!("https://app.ex/request.jwt#{hash}");
    assert_eq!(with_uris(&["https://app.ex/request.jwt", &good]), NONE);
    for (uri, problem) in [
        ("https://169.254.169.254/", "request_uris[0] url"),
        ("http://app.ex/", "request_uris[0] url"),
        ("urn:ietf:params:oauth:request_uri:x", "request_uris[0] url"),
        ("https://app.ex/#short", "request_uris[0] hash"),
        (&format!("https://app.ex/#{}", "/".repeat(43)), "request_uris[0] hash"),
        (&format!("https://app.ex/{}", "x".repeat(512)), "request_uris[0] too_long"),
    ] {
        assert_eq!(with_uris(&[uri]), [problem], "{uri}");
    }
    assert_eq!(with_uris(&["https://app.ex/", "https://app.ex/"]), ["request_uris duplicate"]);
}

#[test]
fn a_device_needs_no_redirect_uri_and_may_stay_connected() {
    let device = problems(|metadata| {
        metadata.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
        metadata.redirect_uris.clear();
    });
    assert_eq!(device, NONE);
}

#[test]
fn who_asks_people_elsewhere_can_authenticate_and_says_how_it_learns_of_the_answer() {
    use crate::protocol::client::{Algorithm, DeliveryMode};

    const ENDPOINT: &str = "backchannel_client_notification_endpoint";

    let asking = |change: &dyn Fn(&mut ClientMetadata)| {
        problems(|metadata| {
            metadata.grant_types = vec![GrantType::Ciba, GrantType::RefreshToken];
            metadata.redirect_uris.clear();
            metadata.backchannel_token_delivery_mode = Some(DeliveryMode::Poll);
            change(metadata);
        })
    };
    let ping = |uri: Option<&'static str>| {
        asking(&move |metadata| {
            metadata.backchannel_token_delivery_mode = Some(DeliveryMode::Ping);
            metadata.backchannel_client_notification_endpoint = uri.map(str::to_owned);
        })
    };
    assert_eq!(asking(&|_| ()), NONE);
    assert_eq!(ping(Some("https://app.ex/ping")), NONE);
    assert_eq!(ping(None), [format!("{ENDPOINT} delivery_mode")]);
    for uri in ["http://app.ex/ping", "https://10.0.0.1/ping", "https://app.ex/ping#a", "ping"] {
        assert_eq!(ping(Some(uri)), [format!("{ENDPOINT} url")], "{uri}");
    }
    let public = asking(&|metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::None);
    assert_eq!(public, ["grant_types public_client"]);
    let modeless = asking(&|metadata| metadata.backchannel_token_delivery_mode = None);
    assert_eq!(modeless, ["backchannel_token_delivery_mode grant_type"]);
    let without = asking(&|metadata| metadata.scope = Scope::parse("email").unwrap());
    assert_eq!(without, ["scope openid_missing"]);
    let unsigned = asking(&|metadata| metadata.backchannel_authentication_request_signing_alg = Some(Algorithm::ES256));
    assert_eq!(unsigned, ["jwks required"]);
    let coded = asking(&|metadata| metadata.backchannel_user_code_parameter = true);
    assert_eq!(coded, ["backchannel_user_code_parameter unsupported"]);
    assert!(serde_json::from_value::<DeliveryMode>("push".into()).is_err());
}

#[test]
fn what_a_client_exchanges_is_said_and_is_never_a_token_for_this_server() {
    let exchanging = |audiences: &[&str]| {
        let audiences = audiences.iter().map(|&audience| audience.to_owned()).collect();
        problems(|metadata| {
            metadata.grant_types.push(GrantType::TokenExchange);
            metadata.token_exchange = Some(ExchangePolicy { audiences, accepts: Vec::new(), impersonation: false });
        })
    };
    assert_eq!(exchanging(&["https://api.ex"]), NONE);
    assert_eq!(exchanging(&[]), ["token_exchange.audiences required"]);
    assert_eq!(exchanging(&["with space"]), ["token_exchange.audiences[0] character"]);
    for own in ["https://id.example", "https://id.example/api/v1"] {
        assert_eq!(exchanging(&["https://api.ex", own]), ["token_exchange.audiences own_api"]);
    }
    let without_policy = problems(|metadata| metadata.grant_types.push(GrantType::TokenExchange));
    assert_eq!(without_policy, ["token_exchange grant_type"]);
    let policy = ExchangePolicy { audiences: vec!["https://api.ex".to_owned()], accepts: Vec::new(), impersonation: false };
    assert_eq!(problems(|metadata| metadata.token_exchange = Some(policy.clone())), ["token_exchange grant_type"]);
    let public = problems(|metadata| {
        metadata.token_endpoint_auth_method = ClientAuthMethod::None;
        metadata.grant_types.push(GrantType::TokenExchange);
        metadata.token_exchange = Some(policy);
    });
    assert_eq!(public, ["grant_types public_client"]);
}
