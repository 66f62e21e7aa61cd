//! Authorization requests that the client pushes before the browser comes (RFC 9126).

use super::error::{ErrorCode, OAuthError};
use super::id::ClientId;
use super::params::Params;
use super::time::Seconds;

/// How long a request may be opened: the time from the answer to the browser's arrival (RFC 9126 §2.2).
pub const LIFETIME: Seconds = Seconds(90);

/// What every `request_uri` of ours begins with; a random reference follows (RFC 9126 §2.2; RFC 6755).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// What is for the endpoint and not for the request (RFC 9126 §2.1).
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, description)
}

/// Whatever is wrong with a reference, whoever brings it learns the same.
const fn unusable(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequestUri, reason, "request_uri is unknown, expired or already used")
}

pub const UNKNOWN: OAuthError = unusable("pushed_request_unknown");
pub const OF_ANOTHER_CLIENT: OAuthError = unusable("pushed_request_of_another_client");
pub const EXPIRED: OAuthError = unusable("pushed_request_expired");
pub const USED: OAuthError = unusable("pushed_request_used");
/// RFC 9126 §4, §5.
pub const REQUIRED: OAuthError = invalid("pushed_request_required", "The authorization request must be pushed first");
const DUPLICATED: OAuthError = invalid("request_uri_duplicated", "request_uri was given more than once");
const REQUEST_URI: OAuthError = invalid("request_uri_pushed", "request_uri can not be pushed");
const CLIENT_ID_DIFFERS: OAuthError = invalid("client_id_differs", "client_id is not that of the authenticated client");

/// The `request_uri` of a reference.
pub fn request_uri(reference: &str) -> String {
    format!("{PREFIX}{reference}")
}

/// The reference that an authorization request brings, if it brings one. An error is a page.
pub fn reference(params: &Params) -> Result<Option<&str>, OAuthError> {
    if params.values("request_uri").any(|uri| uri.starts_with(PREFIX)) && params.duplicated("request_uri") {
        return Err(DUPLICATED);
    }
    Ok(params.get("request_uri").and_then(|uri| uri.strip_prefix(PREFIX)))
}

/// The authorization request in the body that an authenticated client pushed.
pub fn parameters(body: &Params, client: &ClientId) -> Result<Params, OAuthError> {
    if body.contains("request_uri") {
        return Err(REQUEST_URI);
    }
    if body.values("client_id").any(|id| id != client.as_str()) {
        return Err(CLIENT_ID_DIFFERS);
    }
    let of_request = body.iter().filter(|(name, _)| *name != "client_id" && !CREDENTIALS.contains(name));
    let client_id = [("client_id", client.as_str())];
    Ok(Params::of(client_id.into_iter().chain(of_request).map(|(name, value)| (name, Some(value)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::parse(text.as_bytes()).unwrap()
    }

    fn app() -> ClientId {
        ClientId::parse("app").unwrap()
    }

    #[test]
    fn a_reference_is_read_from_our_own_urn_alone() {
        let urn = request_uri("abc");
        assert_eq!(reference(&params(&format!("request_uri={urn}"))), Ok(Some("abc")));
        for other in ["", "request_uri=https://a.example/", "request_uri=urn:ietf:params:oauth:grant-type:abc", "request_uri=abc"]
        {
            assert_eq!(reference(&params(other)), Ok(None), "{other}");
        }
        let twice = params(&format!("request_uri={urn}&request_uri=https://a.example/"));
        assert_eq!(reference(&twice), Err(DUPLICATED), "nobody chooses between two");
    }

    #[test]
    fn what_is_kept_holds_no_credentials_and_always_the_client() {
        let body = params("client_secret=s&client_assertion=a&client_assertion_type=t&scope=openid&resource=a&resource=b");
        let kept = parameters(&body, &app()).unwrap();
        let expected = [("client_id", "app"), ("scope", "openid"), ("resource", "a"), ("resource", "b")];
        assert_eq!(kept.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_body_for_another_client_or_with_a_request_uri_is_refused() {
        assert_eq!(parameters(&params("client_id=other"), &app()), Err(CLIENT_ID_DIFFERS));
        assert_eq!(parameters(&params("client_id=app&request_uri=https://a.example/"), &app()), Err(REQUEST_URI));
        assert!(parameters(&params("client_id=app"), &app()).is_ok());
    }
}
