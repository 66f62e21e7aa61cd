//! Client ID Metadata Documents: the `client_id` is the URL of the client's registration
//! (draft-ietf-oauth-client-id-metadata-document-03).

use serde_json::{Map, Value};
use url::Url;

use super::client::{ClientAuthMethod, ClientMetadata, GrantType};
use super::dynamic_registration;
use super::error::{ErrorCode, OAuthError};
use super::id::ClientId;
use super::outbound_url;
use super::redirect_uri::RedirectUri;
use super::scope::Scope;
use super::time::Seconds;

/// The longest document, in bytes: the draft's 5 KB, and room for keys.
const MAX_LENGTH: usize = 16 * 1_024;

/// Grants that end with a person who agreed, and tokens that no browser sees.
const GRANTS: [GrantType; 2] = [GrantType::AuthorizationCode, GrantType::RefreshToken];

/// How long a document is good for at least, whatever its server says: nobody shall make this one ask without end.
const LEAST: Seconds = Seconds::minutes(5);

/// And at most: a redirection URI that its owner takes back must not count for long.
const MOST: Seconds = Seconds::hours(24);

/// Where its server says nothing.
const USUAL: Seconds = Seconds::hours(1);

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, description)
}

/// The operator takes no documents from there.
pub const HOST_REFUSED: OAuthError = invalid("client_document_host", "Documents at that host are not taken here");
pub const UNAVAILABLE: OAuthError =
    invalid("client_document_unavailable", "The document at client_id can not be had at the moment");
pub const REFUSED: OAuthError = invalid("client_document_refused", "The document at client_id is not one that is taken here");

/// Why a document is no registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    #[error("has more than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("is not served as JSON")]
    MediaType,
    #[error("is no JSON object")]
    NotAnObject,
    #[error("has another client_id than its URL")]
    OfAnotherClient,
    #[error("holds a secret: everybody can read it")]
    Secret,
    #[error("has a token_endpoint_auth_method that is neither none nor private_key_jwt")]
    AuthMethod,
    #[error("{}", .0.description)]
    Registration(OAuthError),
    #[error("{0}")]
    Metadata(String),
}

/// Whether the identifier looks like the URL of a document. Those that this server makes up never do (§7.1).
pub fn is_url(id: &ClientId) -> bool {
    ["https://", "http://"].iter().any(|scheme| id.as_str().starts_with(scheme))
}

/// The host of the identifier, if it is the URL of a document that may be asked for (§3): https, with a path, without credentials and
/// fragment, written as the URL standard writes it. Of that is the path without dot segments, and that no two identifiers are one URL;
/// nor are two hosts one, of which one has a dot behind it.
pub fn host(id: &ClientId, private_hosts: &[String]) -> Option<String> {
    let url = Url::parse(id.as_str()).ok()?;
    let has_path = id.as_str().splitn(4, '/').nth(3).is_some();
    let is_plain = url.as_str() == id.as_str() && url.fragment().is_none() && has_path;
    outbound_url::target(&url, private_hosts)
        .filter(|_| is_plain)
        .map(|target| target.host.to_string())
        .filter(|host| !host.ends_with('.'))
}

/// Which hosts the operator takes documents from.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Any when empty.
    pub allowed: Vec<String>,
    pub denied: Vec<String>,
}

impl Hosts {
    pub fn take(&self, host: &str) -> bool {
        let among = |listed: &[String]| listed.iter().any(|pattern| fits(pattern, host));
        !among(&self.denied) && (self.allowed.is_empty() || among(&self.allowed))
    }
}

/// `app.example`, or `*.app.example` for all below it.
fn fits(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => pattern == host,
    }
}

/// Whether it may stand in a list of hosts.
pub fn is_host_pattern(pattern: &str) -> bool {
    let host = pattern.strip_prefix("*.").unwrap_or(pattern);
    !host.contains('*') && url::Host::parse(host).is_ok_and(|parsed| parsed.to_string() == host)
}

/// The registration that the document comes to, for [`super::client_registration::validate`]. `allowed` is all the scope that such a
/// client may have.
///
/// One document is there for many servers, so that what this one has no use for is left out; what contradicts the draft is refused.
pub fn registration(
    id: &ClientId,
    (media_type, body): (&str, &[u8]),
    allowed: &Scope,
) -> Result<ClientMetadata, InvalidDocument> {
    if body.len() > MAX_LENGTH {
        return Err(InvalidDocument::TooLong);
    }
    if !is_json(media_type) {
        return Err(InvalidDocument::MediaType);
    }
    let mut members: Map<String, Value> = serde_json::from_slice(body).map_err(|_| InvalidDocument::NotAnObject)?;
    if members.get("client_id").and_then(Value::as_str) != Some(id.as_str()) {
        return Err(InvalidDocument::OfAnotherClient);
    }
    // §4.1
    if ["client_secret", "client_secret_expires_at"].iter().any(|name| members.contains_key(*name)) {
        return Err(InvalidDocument::Secret);
    }
    let method = members.entry("token_endpoint_auth_method").or_insert_with(|| ClientAuthMethod::None.as_str().into());
    if ![ClientAuthMethod::None, ClientAuthMethod::PrivateKeyJwt].iter().any(|known| *method == known.as_str()) {
        return Err(InvalidDocument::AuthMethod);
    }
    keep_known(&mut members, "grant_types", &GRANTS.map(GrantType::as_str));
    keep_known(&mut members, "response_types", &["code"]);
    if !members.contains_key("application_type") && reaches_this_device(&members) {
        members.insert("application_type".to_owned(), "native".into());
    }
    if members.get("client_name").and_then(Value::as_str).is_none_or(str::is_empty) {
        members.insert("client_name".to_owned(), shown_host(id).unwrap_or_default().into());
    }
    dynamic_registration::requested(&Value::Object(members), allowed).map_err(InvalidDocument::Registration)
}

/// What people know the document by: the host, with its port if that is not the usual one.
pub fn shown_host(id: &ClientId) -> Option<String> {
    let url = Url::parse(id.as_str()).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// `application/json`, or a more specific kind (§4).
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.strip_prefix("application/").is_some_and(|kind| kind.ends_with("+json"))
}

/// The values of a list that are known here.
fn keep_known(members: &mut Map<String, Value>, name: &str, known: &[&str]) {
    if let Some(Value::Array(values)) = members.get_mut(name) {
        values.retain(|value| value.as_str().is_none_or(|value| known.contains(&value)));
    }
}

/// Whether it has redirection URIs of a program on the person's own device, whose port nobody knows ahead (RFC 8252 §7.3).
fn reaches_this_device(members: &Map<String, Value>) -> bool {
    let uris = members.get("redirect_uris").and_then(Value::as_array).into_iter().flatten();
    let mut uris = uris.filter_map(Value::as_str).filter_map(|uri| RedirectUri::parse(uri).ok());
    uris.any(|uri| uri.can_be_intercepted())
}

/// How long the document counts before it is asked for anew (§5.2; RFC 9111 §4.2.1, §4.2.3).
pub fn lifetime(cache_control: &str, age: Option<&str>) -> Seconds {
    let directive = |name: &str| {
        cache_control.split(',').find_map(|directive| {
            let (key, value) = directive.split_once('=').unwrap_or((directive, ""));
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    if directive("no-store").is_some() || directive("no-cache").is_some() {
        return LEAST;
    }
    let Some(max_age) = directive("max-age") else { return USUAL };
    let age = age.and_then(|age| age.trim().parse::<i64>().ok()).unwrap_or(0).max(0);
    Seconds(max_age.parse::<i64>().unwrap_or(0).saturating_sub(age).clamp(LEAST.0, MOST.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::client::ApplicationType;
    use super::*;

    const ID: &str = "https://app.example/oauth/client.json";

    fn id(text: &str) -> ClientId {
        ClientId::parse(text).unwrap()
    }

    fn document(more: &Value) -> Value {
        let mut document = json!({ "client_id": ID, "client_name": "Editor", "redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code"] });
        for (name, value) in more.as_object().unwrap() {
            document[name] = value.clone();
        }
        document
    }

    fn read(document: &Value) -> Result<ClientMetadata, InvalidDocument> {
        let allowed = Scope::parse("openid profile offline_access").unwrap();
        registration(&id(ID), ("application/json; charset=utf-8", document.to_string().as_bytes()), &allowed)
    }

    #[test]
    fn an_identifier_is_one_way_to_write_one_https_url_with_a_path() {
        for good in [ID, "https://app.example/", "https://app.example:8443/a?b=c"] {
            assert!(host(&id(good), &[]).is_some(), "{good}");
        }
        for bad in [
            "https://app.example",
            "http://app.example/a",
            "https://app.example:443/a",
            "https://APP.example/a",
            "https://app.example./a",
            "https://app.example/a/../b",
            "https://app.example/./b",
            "https://app.example/a/%2e%2e/b",
            "https://app.example/a#b",
            "https://app.example/a#",
            "https://user@app.example/a",
            "https://127.0.0.1/a",
            "https://[::1]/a",
            "https://app.example:22/a",
            "https:///a",
            "https://app.example?a/b",
            "app",
        ] {
            assert_eq!(host(&id(bad), &[]), None, "{bad}");
        }
        assert!(host(&id("http://localhost:4000/a"), &["localhost:4000".to_owned()]).is_some());
    }

    #[test]
    fn hosts_are_taken_as_the_operator_says() {
        let hosts = |allowed: &[&str], denied: &[&str]| Hosts {
            allowed: allowed.iter().map(ToString::to_string).collect(),
            denied: denied.iter().map(ToString::to_string).collect(),
        };
        assert!(hosts(&[], &[]).take("a.example"));
        assert!(!hosts(&[], &["a.example"]).take("a.example"));
        assert!(hosts(&["*.a.example"], &[]).take("b.a.example"));
        for other in ["a.example", ".a.example", "xa.example", "a.example.evil"] {
            assert!(!hosts(&["*.a.example"], &[]).take(other), "{other}");
        }
        assert!(!hosts(&["*.a.example"], &["b.a.example"]).take("b.a.example"), "what is denied is denied");
        for pattern in ["a.example", "*.a.example", "127.0.0.1"] {
            assert!(is_host_pattern(pattern), "{pattern}");
        }
        for pattern in ["", "*", "*.", "A.example", "a.example:80", "https://a.example", "a.*.example", "a.example/"] {
            assert!(!is_host_pattern(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_document_is_a_registration_by_the_client_itself() {
        let metadata =
            read(&document(&json!({ "first_party": true, "audiences": ["x"], "software_statement": "a.b.c" }))).unwrap();
        assert!(metadata.self_registered && !metadata.first_party && metadata.audiences.is_empty());
        assert_eq!(metadata.token_endpoint_auth_method, ClientAuthMethod::None);
        assert_eq!(metadata.allowed_origins, ["https://app.example"]);
        assert_eq!(read(&document(&json!({ "client_name": "" }))).unwrap().client_name, "app.example");
    }

    #[test]
    fn what_is_meant_for_other_servers_is_left_out() {
        let others = json!({
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "implicit", "refresh_token"],
            "response_types": ["code", "token"], "scope": "openid mcp:tools", "x": [1],
        });
        let metadata = read(&document(&others)).unwrap();
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!(metadata.scope.to_string(), "openid");
    }

    #[test]
    fn a_program_on_the_device_is_a_native_application() {
        let of =
            |uri: &str| read(&document(&json!({ "redirect_uris": ["https://app.example/cb", uri] }))).unwrap().application_type;
        for uri in ["http://127.0.0.1/cb", "http://localhost:3000/cb", "com.example.app:/cb"] {
            assert_eq!(of(uri), ApplicationType::Native, "{uri}");
        }
        assert_eq!(of("https://other.example/cb"), ApplicationType::Web);
        let said = json!({ "redirect_uris": ["http://localhost/cb"], "application_type": "web" });
        assert_eq!(read(&document(&said)).unwrap().application_type, ApplicationType::Web, "what it says itself counts");
    }

    #[test]
    fn what_contradicts_the_draft_is_refused() {
        for (more, invalid) in [
            (json!({ "client_id": "https://app.example/oauth/client.json/" }), InvalidDocument::OfAnotherClient),
            (json!({ "client_id": null }), InvalidDocument::OfAnotherClient),
            (json!({ "client_id": [ID] }), InvalidDocument::OfAnotherClient),
            (json!({ "client_secret": "s" }), InvalidDocument::Secret),
            (json!({ "client_secret_expires_at": 0 }), InvalidDocument::Secret),
            (json!({ "token_endpoint_auth_method": "client_secret_basic" }), InvalidDocument::AuthMethod),
            (json!({ "token_endpoint_auth_method": "client_secret_jwt" }), InvalidDocument::AuthMethod),
            (json!({ "token_endpoint_auth_method": null }), InvalidDocument::AuthMethod),
            (json!({ "x": "y".repeat(MAX_LENGTH) }), InvalidDocument::TooLong),
        ] {
            assert_eq!(read(&document(&more)), Err(invalid), "{}", more.to_string().get(..60).unwrap_or_default());
        }
        assert!(matches!(read(&document(&json!({ "redirect_uris": "x" }))), Err(InvalidDocument::Registration(_))));
        let scope = Scope::default();
        let of = |media_type, body: &[u8]| registration(&id(ID), (media_type, body), &scope);
        assert_eq!(of("text/html", b"{}"), Err(InvalidDocument::MediaType));
        assert_eq!(of("application/json", b"[]"), Err(InvalidDocument::NotAnObject));
        assert_eq!(of("application/vnd.client+json", b"{}"), Err(InvalidDocument::OfAnotherClient), "JSON of a kind");
    }

    #[test]
    fn a_document_is_kept_as_its_server_says_within_bounds() {
        for (fields, age, seconds) in [
            ("", None, 3_600),
            ("public", None, 3_600),
            ("max-age=600", None, 600),
            ("public, Max-Age=\"600\"", None, 600),
            ("max-age=600", Some("200"), 400),
            ("max-age=600", Some("x"), 600),
            ("max-age=600", Some("-1"), 600),
            ("max-age=600", Some("9223372036854775807"), 300),
            ("max-age=1", None, 300),
            ("max-age=x", None, 300),
            ("max-age=31536000", None, 86_400),
            ("max-age=600, no-store", None, 300),
            ("no-cache", None, 300),
        ] {
            assert_eq!(lifetime(fields, age), Seconds(seconds), "{fields} {age:?}");
        }
    }
}
