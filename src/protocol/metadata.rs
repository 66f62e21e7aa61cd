//! The server's metadata, made from what it really does (RFC 8414; OpenID Connect Discovery 1.0 §3).
//!
//! Every list here comes from the table that the server itself reads: a grant type, an algorithm or a claim that is not in
//! its table is neither offered nor listed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::authorization_request::Display;
use super::client::{
    Algorithm, AssertionAlgorithm, ClientAuthMethod, ContentEncryption, DeliveryMode, GrantType, KeyManagement,
    RequestObjectAlgorithm, SubjectType,
};
use super::response_mode::ResponseMode;
use super::response_type::ResponseType;
use super::{claims, prompt, scope};

/// Paths of the endpoints, below the issuer. The router and the metadata read the same constants.
pub mod path {
    pub const AUTHORIZATION: &str = "/authorize";
    pub const TOKEN: &str = "/token";
    pub const USERINFO: &str = "/userinfo";
    pub const JWKS: &str = "/jwks";
    pub const INTROSPECTION: &str = "/introspect";
    pub const REVOCATION: &str = "/revoke";
    pub const PUSHED_REQUEST: &str = "/par";
    pub const DEVICE_AUTHORIZATION: &str = "/device_authorization";
    pub const BACKCHANNEL_AUTHENTICATION: &str = "/backchannel-authentication";
    pub const CLIENT_REGISTRATION: &str = "/client-registration";
    pub const END_SESSION: &str = "/end-session";
    pub const CHECK_SESSION: &str = "/check-session";
    /// OpenID Connect Discovery 1.0 §4: appended to the issuer.
    pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
    /// RFC 8414 §3: put between the host and the path of the issuer.
    pub const OAUTH_AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
}

/// What the server of this installation can do, from the tables of the rooms that do it.
#[derive(Clone, Debug)]
pub struct Capabilities<'a> {
    /// Algorithms there is a signing key for.
    pub algorithms: &'a [Algorithm],
    /// The ways in which others can encrypt for this server.
    pub key_managements: &'a [KeyManagement],
    /// Scope values that the operator configured, besides the standard ones and those of the management API.
    pub scopes: Vec<&'a str>,
    /// `acr` values that a login can reach.
    pub acr_values: &'a [&'a str],
    /// Languages of the pages (RFC 5646).
    pub ui_locales: &'a [&'a str],
    /// Anybody may register.
    pub registration: bool,
    /// Every authorization request has to be pushed.
    pub pushed_requests_only: bool,
    /// Applications may register themselves.
    pub client_registration: bool,
    /// Or publish their registration.
    pub client_documents: bool,
    /// Applications may watch the session.
    pub check_session: bool,
    pub grant_types: &'a [GrantType],
    /// Certificates of clients can be seen.
    pub mutual_tls: bool,
    /// The origin at which they are, if that is another than the issuer's.
    pub mutual_tls_origin: Option<&'a str>,
    /// Tokens may come through the browser.
    pub legacy_response_types: bool,
    pub service_documentation: Option<&'a str>,
}

/// The document for `issuer`, one for both specifications: neither forbids the members of the other.
pub fn document(issuer: &str, capabilities: &Capabilities<'_>) -> Value {
    let url = |path: &str| format!("{issuer}{path}");
    let methods: Vec<_> =
        ClientAuthMethod::ALL.into_iter().filter(|method| capabilities.mutual_tls || !method.has_certificate()).collect();
    let authenticated: Vec<_> = methods.iter().copied().filter(|method| *method != ClientAuthMethod::None).collect();
    let standard = scope::STANDARD.into_iter().chain(scope::MANAGEMENT.map(|(value, _)| value));
    let scopes: Vec<_> = standard.chain(capabilities.scopes.iter().copied()).collect();
    let legacy = capabilities.legacy_response_types;
    let grant_types: Vec<_> = capabilities.grant_types.iter().copied().chain(legacy.then_some(GrantType::Implicit)).collect();
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": url(path::AUTHORIZATION),
        "token_endpoint": url(path::TOKEN),
        "userinfo_endpoint": url(path::USERINFO),
        "jwks_uri": url(path::JWKS),
        "introspection_endpoint": url(path::INTROSPECTION),
        "revocation_endpoint": url(path::REVOCATION),
        // RFC 8628 §4.
        "device_authorization_endpoint": url(path::DEVICE_AUTHORIZATION),
        // RFC 9126 §5.
        "pushed_authorization_request_endpoint": url(path::PUSHED_REQUEST),
        "require_pushed_authorization_requests": capabilities.pushed_requests_only,
        "scopes_supported": scopes,
        "response_types_supported": ResponseType::ALL[..if legacy { ResponseType::ALL.len() } else { 1 }],
        "response_modes_supported": ResponseMode::NAMES.map(|(name, _)| name),
        // RFC 9207 §3.
        "authorization_response_iss_parameter_supported": true,
        "grant_types_supported": grant_types,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": AssertionAlgorithm::ALL,
        // Public clients may revoke what is theirs (RFC 7009 §2.1) and introspect nothing (RFC 7662 §2.1).
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": AssertionAlgorithm::ALL,
        "introspection_endpoint_auth_methods_supported": authenticated,
        "introspection_endpoint_auth_signing_alg_values_supported": AssertionAlgorithm::ALL,
        // RFC 8705 §3.3.
        "tls_client_certificate_bound_access_tokens": capabilities.mutual_tls,
        // RFC 9449 §5.1.
        "dpop_signing_alg_values_supported": Algorithm::ALL,
        "subject_types_supported": SubjectType::ALL,
        "id_token_signing_alg_values_supported": capabilities.algorithms,
        "userinfo_signing_alg_values_supported": capabilities.algorithms,
        // RFC 9701 §7.
        "introspection_signing_alg_values_supported": capabilities.algorithms,
        // JARM §4.
        "authorization_signing_alg_values_supported": capabilities.algorithms,
        "acr_values_supported": capabilities.acr_values,
        "claim_types_supported": ["normal"],
        "claims_supported": claims::supported(),
        "claims_parameter_supported": true,
        "prompt_values_supported": prompt::supported(capabilities.registration),
        "display_values_supported": Display::VALUES.map(|(word, _)| word),
        "ui_locales_supported": capabilities.ui_locales,
        // RFC 9101 §10.5; OpenID Connect Discovery §3.
        "request_parameter_supported": true,
        "request_object_signing_alg_values_supported": RequestObjectAlgorithm::ALL,
        "require_signed_request_object": false,
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": true,
    });
    // RP-Initiated Logout §2.1, Front-Channel Logout §3, Back-Channel Logout §2.1.
    document["end_session_endpoint"] = url(path::END_SESSION).into();
    // OpenID Connect CIBA Core 1.0 §4.
    document["backchannel_authentication_endpoint"] = url(path::BACKCHANNEL_AUTHENTICATION).into();
    document["backchannel_token_delivery_modes_supported"] = json!(DeliveryMode::ALL);
    document["backchannel_authentication_request_signing_alg_values_supported"] = json!(Algorithm::ALL);
    document["backchannel_user_code_parameter_supported"] = false.into();
    for channel in ["frontchannel", "backchannel"] {
        document[format!("{channel}_logout_supported")] = true.into();
        document[format!("{channel}_logout_session_supported")] = true.into();
    }
    // Discovery §3, JARM §4, RFC 9701 §7: what this server encrypts, and what others may encrypt for it.
    for what in ["id_token", "userinfo", "authorization", "introspection"] {
        document[format!("{what}_encryption_alg_values_supported")] = json!(KeyManagement::ALL);
        document[format!("{what}_encryption_enc_values_supported")] = json!(ContentEncryption::ALL);
    }
    document["request_object_encryption_alg_values_supported"] = json!(capabilities.key_managements);
    document["request_object_encryption_enc_values_supported"] = json!(ContentEncryption::ALL);
    if let Some(origin) = capabilities.mutual_tls_origin {
        document["mtls_endpoint_aliases"] = aliases(&document, issuer, origin);
    }
    if capabilities.client_registration {
        // RFC 7591 §3.
        document["registration_endpoint"] = url(path::CLIENT_REGISTRATION).into();
    }
    if capabilities.client_documents {
        // Client ID Metadata Document §6.
        document["client_id_metadata_document_supported"] = true.into();
    }
    if capabilities.check_session {
        // Session Management §3.3.
        document["check_session_iframe"] = url(path::CHECK_SESSION).into();
    }
    if let Some(documentation) = capabilities.service_documentation {
        document["service_documentation"] = documentation.into();
    }
    document
}

/// Where clients with certificates go instead (RFC 8705 §5): to the same paths at another origin.
fn aliases(document: &Value, issuer: &str, origin: &str) -> Value {
    let base = issuer_path(issuer);
    let alias = |path: &str| Value::from(format!("{origin}{base}{path}"));
    let endpoints = document.as_object().into_iter().flatten();
    let own = endpoints.filter_map(|(name, url)| Some((name, url.as_str()?.strip_prefix(issuer)?)));
    own.filter(|(_, path)| OF_CLIENTS.contains(path)).map(|(name, path)| (name.clone(), alias(path))).collect()
}

/// The endpoints that clients call directly.
const OF_CLIENTS: [&str; 7] = [
    path::TOKEN,
    path::USERINFO,
    path::INTROSPECTION,
    path::REVOCATION,
    path::PUSHED_REQUEST,
    path::DEVICE_AUTHORIZATION,
    path::BACKCHANNEL_AUTHENTICATION,
];

/// The document with `authorization_details_types_supported` (RFC 9396 §10); `None` if there are none.
pub fn with_detail_types<'a>(document: &[u8], types: impl Iterator<Item = &'a String>) -> Option<Vec<u8>> {
    let types: BTreeSet<&String> = types.collect();
    if types.is_empty() {
        return None;
    }
    let mut document: Value = serde_json::from_slice(document).ok()?;
    document["authorization_details_types_supported"] = json!(types);
    serde_json::to_vec(&document).ok()
}

/// Every path, from the root of the host, at which the document of `issuer` is looked for.
///
/// Discovery 1.0 §4 appends the well-known path to the issuer; RFC 8414 §3.1 and §5 put it between host and path, under either name.
pub fn locations(issuer: &str) -> Vec<String> {
    let path = issuer_path(issuer);
    let known = [path::OPENID_CONFIGURATION, path::OAUTH_AUTHORIZATION_SERVER];
    if path.is_empty() {
        return known.map(str::to_owned).into();
    }
    known.iter().flat_map(|well_known| [format!("{path}{well_known}"), format!("{well_known}{path}")]).collect()
}

/// The path of an issuer, without a slash at its end: empty for `https://id.example`, `/tenant` for `https://id.example/tenant`.
pub fn issuer_path(issuer: &str) -> &str {
    let authority = issuer.find("://").map_or(0, |at| at + 3);
    let rest = issuer.get(authority..).unwrap_or_default();
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default().trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example/tenant";

    fn document() -> Value {
        document_with(None)
    }

    fn document_with(mutual_tls_origin: Option<&str>) -> Value {
        super::document(
            ISSUER,
            &Capabilities {
                algorithms: &[Algorithm::RS256, Algorithm::ES256],
                key_managements: &[KeyManagement::RsaOaep256],
                scopes: vec!["files:read"],
                acr_values: &["1"],
                ui_locales: &["en"],
                registration: false,
                pushed_requests_only: false,
                client_registration: false,
                client_documents: false,
                check_session: false,
                grant_types: &[GrantType::AuthorizationCode, GrantType::DeviceCode],
                mutual_tls: mutual_tls_origin.is_some(),
                mutual_tls_origin,
                legacy_response_types: false,
                service_documentation: None,
            },
        )
    }

    #[test]
    fn what_the_specifications_require_is_there() {
        let document = document();
        // Discovery 1.0 §3 REQUIRED and RECOMMENDED; RFC 8414 §2.
        for name in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "userinfo_endpoint",
            "jwks_uri",
            "scopes_supported",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
            "claims_supported",
        ] {
            assert!(document.get(name).is_some_and(|value| !value.is_null()), "{name}");
        }
        assert_eq!(document["issuer"], ISSUER);
        assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256", "ES256"]));
        let grant_types = json!(["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]);
        assert_eq!(document["grant_types_supported"], grant_types);
        assert_eq!(
            document["response_modes_supported"],
            json!(["query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt"])
        );
    }

    #[test]
    fn every_endpoint_lies_below_the_issuer() {
        let document = document();
        let urls = document.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
        let mut count = 0;
        for (name, url) in urls {
            assert!(url.as_str().unwrap().starts_with("https://id.example/tenant/"), "{name}");
            count += 1;
        }
        assert_eq!(count, 10);
    }

    #[test]
    fn clients_with_certificates_are_told_where_to_go() {
        assert!(document().get("mtls_endpoint_aliases").is_none());
        let document = document_with(Some("https://mtls.example:8443"));
        let aliases = document["mtls_endpoint_aliases"].as_object().unwrap();
        assert_eq!(aliases["token_endpoint"], "https://mtls.example:8443/tenant/token");
        assert_eq!(aliases["pushed_authorization_request_endpoint"], "https://mtls.example:8443/tenant/par");
        assert_eq!(aliases.len(), OF_CLIENTS.len());
        for (name, alias) in aliases {
            let path = document[name].as_str().unwrap().strip_prefix("https://id.example").unwrap();
            assert_eq!(alias.as_str().unwrap(), format!("https://mtls.example:8443{path}"), "{name}");
        }
        assert!(!aliases.contains_key("authorization_endpoint") && !aliases.contains_key("jwks_uri"));
    }

    #[test]
    fn what_would_default_to_something_else_is_said() {
        let document = document();
        for (name, value) in [
            ("request_parameter_supported", true),
            ("request_uri_parameter_supported", true),
            ("require_request_uri_registration", true),
            ("claims_parameter_supported", true),
            ("authorization_response_iss_parameter_supported", true),
        ] {
            assert_eq!(document[name], value, "{name}");
        }
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    }

    #[test]
    fn unsigned_tokens_and_anonymous_introspection_are_never_offered() {
        let document = document();
        let methods = json!(["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]);
        assert_eq!(document["introspection_endpoint_auth_methods_supported"], methods);
        let all = json!(["none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]);
        for endpoint in ["token", "revocation"] {
            assert_eq!(document[format!("{endpoint}_endpoint_auth_methods_supported")], all);
        }
        // RFC 8414 §2: the value none must not be used.
        for endpoint in ["token", "revocation", "introspection"] {
            let algorithms = &document[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
            assert_eq!(*algorithms, json!(["HS256", "RS256", "PS256", "ES256", "EdDSA"]));
        }
        assert!(!document["id_token_signing_alg_values_supported"].as_array().unwrap().contains(&json!("none")));
    }

    #[test]
    fn what_can_be_encrypted_is_listed_and_nothing_older() {
        let document = document();
        for what in ["id_token", "userinfo", "authorization", "introspection"] {
            let algs = &document[format!("{what}_encryption_alg_values_supported")];
            assert_eq!(*algs, json!(["RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW"]), "{what}");
            let encs = &document[format!("{what}_encryption_enc_values_supported")];
            assert_eq!(*encs, json!(["A128CBC-HS256", "A128GCM", "A256GCM"]), "{what}");
        }
        assert_eq!(document["request_object_encryption_alg_values_supported"], json!(["RSA-OAEP-256"]));
    }

    #[test]
    fn scopes_of_the_operator_stand_beside_the_standard_ones() {
        let document = document();
        let scopes = document["scopes_supported"].as_array().unwrap();
        for value in ["openid", "offline_access", "users:read", "files:read"] {
            assert!(scopes.contains(&json!(value)), "{value}");
        }
    }

    #[test]
    fn the_document_is_found_in_both_forms_of_an_issuer_with_a_path() {
        assert_eq!(
            locations("https://id.example"),
            ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
        );
        assert_eq!(
            locations(ISSUER),
            [
                "/tenant/.well-known/openid-configuration",
                "/.well-known/openid-configuration/tenant",
                "/tenant/.well-known/oauth-authorization-server",
                "/.well-known/oauth-authorization-server/tenant",
            ]
        );
    }

    #[test]
    fn the_path_of_an_issuer() {
        for (issuer, path) in [
            ("https://id.example", ""),
            ("http://localhost:8080", ""),
            ("https://id.example/a/b", "/a/b"),
            ("https://[::1]:8080/a", "/a"),
        ] {
            assert_eq!(issuer_path(issuer), path, "{issuer}");
        }
    }
}
