//! Client authentication as presented (RFC 6749 §2.3; OpenID Connect Core §9). Comparing secrets is the caller's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::client::{Client, ClientAuthMethod};
use super::client_assertion::{self, ASSERTION_TYPE, MALFORMED};
use super::error::{ErrorCode, OAuthError};
use super::id::ClientId;
use super::params::{self, Params};

/// The one answer to every failed authentication, whatever failed: unknown client, wrong secret, wrong method, disabled.
pub(super) const FAILED: &str = "Client authentication failed";

/// No credentials were presented where some are needed.
pub const MISSING: OAuthError =
    OAuthError::new(ErrorCode::InvalidClient, "client_authentication_missing", "Client authentication is required");
/// RFC 8705 §2.
const fn refused(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, reason, FAILED)
}

pub const CERTIFICATE_MISSING: OAuthError = refused("client_certificate_missing");
pub const CERTIFICATE_UNTRUSTED: OAuthError = refused("client_certificate_untrusted");
pub const CERTIFICATE_OF_ANOTHER_SUBJECT: OAuthError = refused("client_certificate_of_another_subject");
pub const CERTIFICATE_EXPIRED: OAuthError = refused("client_certificate_expired");
pub const CERTIFICATE_UNKNOWN: OAuthError = refused("client_certificate_unknown");
pub const UNKNOWN_CLIENT: OAuthError = OAuthError::new(ErrorCode::InvalidClient, "client_unknown", FAILED);
pub const WRONG_SECRET: OAuthError = OAuthError::new(ErrorCode::InvalidClient, "client_secret_wrong", FAILED);
pub const DISABLED_CLIENT: OAuthError = OAuthError::new(ErrorCode::InvalidClient, "client_disabled", FAILED);
const METHOD_NOT_REGISTERED: OAuthError =
    OAuthError::new(ErrorCode::InvalidClient, "client_authentication_method_not_registered", FAILED);
const SCHEME_UNSUPPORTED: OAuthError = OAuthError::new(ErrorCode::InvalidClient, "authorization_scheme_unsupported", FAILED);
const ASSERTION_TYPE_UNSUPPORTED: OAuthError =
    OAuthError::new(ErrorCode::InvalidClient, "client_assertion_type_unsupported", FAILED);

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, description)
}

const TWO_METHODS: OAuthError =
    invalid("client_authentication_twice", "A client must use one authentication method in a request");
const MALFORMED_BASIC: OAuthError =
    invalid("authorization_header_malformed", "The Authorization header is malformed: base64 of two form-encoded words");
const DUPLICATED: OAuthError = invalid("parameter_duplicated", "A parameter was given more than once");
const CLIENT_IDS_DIFFER: OAuthError =
    invalid("client_ids_differ", "client_id in the body is not that of the Authorization header");
const ASSERTED_IDS_DIFFER: OAuthError = invalid("client_ids_differ", "client_id in the body is not that of the assertion");
const ASSERTION_INCOMPLETE: OAuthError =
    invalid("client_assertion_incomplete", "client_assertion and client_assertion_type must be given together");
const CLIENT_ID_MISSING: OAuthError = invalid("client_id_missing", "client_secret was given without client_id");
const IN_QUERY: OAuthError =
    invalid("credentials_in_query", "Credentials must not be sent in the URL: others may have logged them");

/// Parameters that prove something, and must never stand in a URL (RFC 6749 §2.3.1).
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "assertion"];

/// What a request says about its client; nothing of it is verified.
#[derive(Clone, Debug)]
pub enum PresentedCredentials {
    /// Nothing: [`MISSING`] where the client must be known.
    None,
    /// A name alone, as a public client gives it.
    Id(ClientId),
    Secret {
        method: ClientAuthMethod,
        client_id: ClientId,
        secret: SecretString,
    },
    /// A JWT. Whoever reads it may use it until the client does.
    Assertion {
        method: ClientAuthMethod,
        client_id: ClientId,
        assertion: SecretString,
    },
}

impl PresentedCredentials {
    /// Reads every `Authorization` header and the body. More than one method is refused even if one is right.
    pub fn parse(authorization: &[&str], form: &Params) -> Result<Self, OAuthError> {
        if ["client_id", "client_secret", "client_assertion", "client_assertion_type"]
            .into_iter()
            .any(|name| form.duplicated(name))
        {
            return Err(DUPLICATED);
        }
        let secret = form.get("client_secret");
        let is_asserted = form.contains("client_assertion") || form.contains("client_assertion_type");
        if authorization.len() + usize::from(secret.is_some()) + usize::from(is_asserted) > 1 {
            return Err(TWO_METHODS);
        }
        let body_id = form.get("client_id");
        if is_asserted {
            return assertion(form.get("client_assertion"), form.get("client_assertion_type"), body_id);
        }
        if let [header] = authorization {
            return basic(header, body_id);
        }
        match (body_id, secret) {
            (None, None) => Ok(Self::None),
            (None, Some(_)) => Err(CLIENT_ID_MISSING),
            (Some(id), None) => Ok(Self::Id(client_id(id)?)),
            (Some(id), Some(secret)) => {
                Ok(Self::Secret { method: ClientAuthMethod::ClientSecretPost, client_id: client_id(id)?, secret: secret.into() })
            }
        }
    }

    pub fn client_id(&self) -> Option<&ClientId> {
        match self {
            Self::None => None,
            Self::Id(client_id) | Self::Secret { client_id, .. } | Self::Assertion { client_id, .. } => Some(client_id),
        }
    }

    /// `token_endpoint_auth_method` of a client that authenticates so.
    pub fn method(&self) -> ClientAuthMethod {
        match self {
            Self::None | Self::Id(_) => ClientAuthMethod::None,
            Self::Secret { method, .. } | Self::Assertion { method, .. } => *method,
        }
    }

    /// A client uses the method it is registered with, and no other (OpenID Connect Core §9): a public client has no secret,
    /// and the name of a confidential one is not enough.
    pub fn check_method(&self, client: &Client) -> Result<(), OAuthError> {
        if self.method() == client.metadata.token_endpoint_auth_method { Ok(()) } else { Err(METHOD_NOT_REGISTERED) }
    }
}

/// The client that a request without `Authorization` says to come from, whatever of it is right.
pub fn claimed_client(form: &Params) -> Option<ClientId> {
    let asserted = || client_assertion::unverified(form.get("client_assertion")?).ok().map(|(subject, _)| subject);
    let id = form.get("client_id").map(str::to_owned).or_else(asserted)?;
    ClientId::parse(id).ok()
}

/// Refuses a request whose URL carries credentials. Other queries of endpoints that read the body are not looked at.
pub fn refuse_credentials_in_query(query: &[u8]) -> Result<(), OAuthError> {
    let named = |params: &Params| CREDENTIALS.into_iter().any(|name| params.contains(name));
    if Params::parse(query).is_ok_and(|params| named(&params)) { Err(IN_QUERY) } else { Ok(()) }
}

/// RFC 6749 §2.3.1: both words are form-encoded (appendix B), joined by a colon, then base64 (RFC 7617 §2).
fn basic(header: &str, body_id: Option<&str>) -> Result<PresentedCredentials, OAuthError> {
    let (scheme, credentials) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(SCHEME_UNSUPPORTED);
    }
    let decoded = STANDARD.decode(credentials.trim_matches(' ')).map_err(|_| MALFORMED_BASIC)?;
    let colon = decoded.iter().position(|byte| *byte == b':').ok_or(MALFORMED_BASIC)?;
    let word = |encoded: &[u8]| match params::decode(encoded) {
        Ok(word) if !word.is_empty() => Ok(word),
        _ => Err(MALFORMED_BASIC),
    };
    let (id, secret) = (word(&decoded[..colon])?, word(&decoded[colon + 1..])?);
    if body_id.is_some_and(|body_id| body_id != id) {
        return Err(CLIENT_IDS_DIFFER);
    }
    Ok(PresentedCredentials::Secret {
        method: ClientAuthMethod::ClientSecretBasic,
        client_id: client_id(&id)?,
        secret: secret.into(),
    })
}

/// The client is the assertion's `sub`; that it says so is not verified here (RFC 7521 §4.2; RFC 7523 §3).
fn assertion(token: Option<&str>, kind: Option<&str>, body_id: Option<&str>) -> Result<PresentedCredentials, OAuthError> {
    let (token, kind) = token.zip(kind).ok_or(ASSERTION_INCOMPLETE)?;
    if kind != ASSERTION_TYPE {
        return Err(ASSERTION_TYPE_UNSUPPORTED);
    }
    let (subject, algorithm) = client_assertion::unverified(token).map_err(|_| MALFORMED)?;
    if body_id.is_some_and(|body_id| body_id != subject) {
        return Err(ASSERTED_IDS_DIFFER);
    }
    // A key that everybody knows must never be taken for a secret: the algorithm decides which of the two this is.
    let is_keyed_hash = algorithm == "HS256";
    let method = if is_keyed_hash { ClientAuthMethod::ClientSecretJwt } else { ClientAuthMethod::PrivateKeyJwt };
    Ok(PresentedCredentials::Assertion { method, client_id: client_id(&subject)?, assertion: token.into() })
}

/// No client has a name that is not one.
fn client_id(text: &str) -> Result<ClientId, OAuthError> {
    ClientId::parse(text).map_err(|_| UNKNOWN_CLIENT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn form(body: &str) -> Params {
        Params::parse(body.as_bytes()).unwrap()
    }

    fn header(plain: &str) -> String {
        format!("Basic {}", STANDARD.encode(plain))
    }

    fn error(authorization: &[&str], body: &str) -> OAuthError {
        PresentedCredentials::parse(authorization, &form(body)).unwrap_err()
    }

    fn words(presented: &PresentedCredentials) -> (ClientAuthMethod, &str, &str) {
        match presented {
            PresentedCredentials::Secret { method, client_id, secret } => (*method, client_id.as_str(), secret.expose_secret()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_method_is_recognised() {
        let nothing = PresentedCredentials::parse(&[], &form("grant_type=x")).unwrap();
        assert!(matches!(nothing, PresentedCredentials::None));
        let name = PresentedCredentials::parse(&[], &form("client_id=app")).unwrap();
        assert!(matches!(&name, PresentedCredentials::Id(id) if id.as_str() == "app"));
        let post = PresentedCredentials::parse(&[], &form("client_id=app&client_secret=s%2Bt")).unwrap();
        assert_eq!(words(&post), (ClientAuthMethod::ClientSecretPost, "app", "s+t"));
        let basic = PresentedCredentials::parse(&[&header("app:secret")], &form("")).unwrap();
        assert_eq!(words(&basic), (ClientAuthMethod::ClientSecretBasic, "app", "secret"));
    }

    #[test]
    fn more_than_one_method_is_refused_even_if_one_is_right() {
        let basic = header("app:secret");
        for (authorization, body) in [
            (vec![basic.as_str()], "client_id=app&client_secret=secret"),
            (vec![&basic], "client_secret=secret"),
            (vec![&basic], "client_assertion=x&client_assertion_type=y"),
            (vec![&basic], "client_assertion_type=y"),
            (vec![], "client_id=app&client_secret=secret&client_assertion=x"),
            (vec![&basic, &basic], ""),
            (vec!["Bearer x"], "client_id=app&client_secret=secret"),
        ] {
            assert_eq!(error(&authorization, body), TWO_METHODS, "{authorization:?} {body}");
        }
    }

    #[test]
    fn a_malformed_basic_header_is_an_invalid_request() {
        let malformed = |plain: &str| assert_eq!(error(&[&header(plain)], ""), MALFORMED_BASIC, "{plain}");
        for plain in ["app", "app:", ":secret", ":", "", "app:100%", "app:%zz", "app:%00", "app:%FF", "a%:secret"] {
            malformed(plain);
        }
        for raw in ["Basic", "Basic ", "Basic !", "Basic YXBwOnNlY3JldA==!", "Basic YXBwOnNlY3JldA", "Basic \u{e9}"] {
            assert_eq!(error(&[raw], ""), MALFORMED_BASIC, "{raw}");
        }
        assert_eq!(MALFORMED_BASIC.code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn a_foreign_scheme_fails_the_authentication() {
        for scheme in ["Bearer abc", "DPoP abc", "Digest x", ""] {
            assert_eq!(error(&[scheme], "").code, ErrorCode::InvalidClient, "{scheme}");
        }
    }

    fn asserted(header: &str, claims: &str, more: &str) -> Result<PresentedCredentials, OAuthError> {
        let encode = crate::protocol::jwt::encode;
        let token = format!("{}.{}.AA", encode(header.as_bytes()), encode(claims.as_bytes()));
        PresentedCredentials::parse(&[], &form(&format!("client_assertion={token}&client_assertion_type={ASSERTION_TYPE}{more}")))
    }

    #[test]
    fn an_assertion_names_its_client_and_its_algorithm_the_method() {
        for (algorithm, method) in [
            ("HS256", ClientAuthMethod::ClientSecretJwt),
            ("ES256", ClientAuthMethod::PrivateKeyJwt),
            ("none", ClientAuthMethod::PrivateKeyJwt),
            ("HS512", ClientAuthMethod::PrivateKeyJwt),
        ] {
            let presented = asserted(&format!(r#"{{"alg":"{algorithm}"}}"#), r#"{"sub":"app"}"#, "&client_id=app").unwrap();
            assert_eq!((presented.method(), presented.client_id().unwrap().as_str()), (method, "app"), "{algorithm}");
        }
        let (header, claims) = (r#"{"alg":"ES256"}"#, r#"{"sub":"app"}"#);
        assert_eq!(asserted(header, claims, "&client_id=other").unwrap_err(), ASSERTED_IDS_DIFFER);
        for (header, claims) in [
            (r#"{"alg":1}"#, claims),
            ("{}", claims),
            ("x", claims),
            (header, "x"),
            (header, "{}"),
            (header, r#"{"sub":["app"]}"#),
            (header, "[]"),
        ] {
            assert_eq!(asserted(header, claims, "").unwrap_err(), MALFORMED, "{header} {claims}");
        }
        assert_eq!(asserted(header, r#"{"sub":"a b"}"#, "").unwrap_err(), UNKNOWN_CLIENT);
    }

    #[test]
    fn an_assertion_has_its_type() {
        assert_eq!(error(&[], "client_assertion=x&client_assertion_type=y"), ASSERTION_TYPE_UNSUPPORTED);
        assert_eq!(error(&[], "client_assertion=x"), ASSERTION_INCOMPLETE);
        assert_eq!(error(&[], &format!("client_assertion_type={ASSERTION_TYPE}")), ASSERTION_INCOMPLETE);
        for token in ["x", "a.b", "a.b.c.d", "e30.e30."] {
            assert_eq!(error(&[], &format!("client_assertion={token}&client_assertion_type={ASSERTION_TYPE}")), MALFORMED);
        }
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        let lower = header("app:secret").replace("Basic", "bAsIc");
        assert!(PresentedCredentials::parse(&[&lower], &form("")).is_ok());
    }

    #[test]
    fn the_body_may_repeat_the_name_but_not_change_it() {
        let basic = header("app:secret");
        assert!(PresentedCredentials::parse(&[&basic], &form("client_id=app")).is_ok());
        assert_eq!(error(&[&basic], "client_id=other"), CLIENT_IDS_DIFFER);
        assert_eq!(error(&[], "client_id=app&client_id=app"), DUPLICATED);
        assert_eq!(error(&[], "client_id=app&client_secret=a&client_secret=b"), DUPLICATED);
        assert_eq!(error(&[], "client_secret=a"), CLIENT_ID_MISSING);
    }

    #[test]
    fn an_impossible_name_is_told_like_an_unknown_one() {
        for (authorization, body) in [(vec![header("caf%C3%A9:secret")], ""), (vec![], "client_id=a+b&client_secret=x")] {
            let authorization: Vec<_> = authorization.iter().map(String::as_str).collect();
            assert_eq!(error(&authorization, body), UNKNOWN_CLIENT);
        }
        assert_eq!(UNKNOWN_CLIENT.description, WRONG_SECRET.description);
        assert_eq!(UNKNOWN_CLIENT.description, METHOD_NOT_REGISTERED.description);
        assert_eq!(UNKNOWN_CLIENT.description, DISABLED_CLIENT.description);
    }

    #[test]
    fn credentials_in_the_url_are_refused() {
        for query in ["client_secret=x", "a=b&client%5Fsecret=x", "client_assertion=x"] {
            assert_eq!(refuse_credentials_in_query(query.as_bytes()), Err(IN_QUERY), "{query}");
        }
        assert_eq!(refuse_credentials_in_query(b"client_id=app"), Ok(()));
        assert_eq!(refuse_credentials_in_query(b"%"), Ok(()));
    }

    #[test]
    fn only_the_registered_method_is_accepted() {
        use crate::protocol::client::testing::client;

        let none = PresentedCredentials::parse(&[], &form("client_id=app")).unwrap();
        let post = PresentedCredentials::parse(&[], &form("client_id=app&client_secret=s")).unwrap();
        let basic = PresentedCredentials::parse(&[&header("app:s")], &form("")).unwrap();
        for (index, registered) in
            [ClientAuthMethod::None, ClientAuthMethod::ClientSecretPost, ClientAuthMethod::ClientSecretBasic]
                .into_iter()
                .enumerate()
        {
            let client = client(|metadata| metadata.token_endpoint_auth_method = registered);
            for (other, presented) in [&none, &post, &basic].into_iter().enumerate() {
                assert_eq!(presented.check_method(&client).is_ok(), index == other, "{registered:?} {presented:?}");
            }
        }
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let presented = PresentedCredentials::parse(&[&header("app:hunter2")], &form("")).unwrap();
        assert!(!format!("{presented:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(header in ".*|(?i)basic [A-Za-z0-9+/=:% ]{0,60}", body in "[a-z_=&%]{0,40}") {
            if let Ok(form) = Params::parse(body.as_bytes()) {
                let _ = PresentedCredentials::parse(&[&header], &form);
            }
        }

        #[test]
        fn form_encoded_words_arrive_as_they_are(id in "[!-~]{1,40}", secret in "[^\0]{1,40}") {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let header = header(&format!("{}:{}", encode(&id), encode(&secret)));
            let presented = PresentedCredentials::parse(&[&header], &form("")).unwrap();
            prop_assert_eq!(words(&presented), (ClientAuthMethod::ClientSecretBasic, id.as_str(), secret.as_str()));
        }
    }
}
