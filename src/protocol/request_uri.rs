//! Request objects that a client publishes: `request_uri` as a URL (OpenID Connect Core §6.2; RFC 9101 §5.2; OpenID Connect
//! Registration 1.0 §2, `request_uris`).
//!
//! Only a registered URL is ever asked for: whoever sends a browser here must not choose where this server goes.

use sha2::{Digest, Sha256};

use super::client::Client;
use super::error::{ErrorCode, OAuthError};
use super::jwt::encode;

/// The longest `request_uri`, in characters (OpenID Connect Core §6.2).
pub const MAX_LENGTH: usize = 512;

const fn invalid(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequestUri, reason, "No request can be had from the request_uri")
}

/// The client has registered none.
pub const NOT_SUPPORTED: OAuthError =
    OAuthError::new(ErrorCode::RequestUriNotSupported, "request_uri", "request_uri is not supported for this client");
pub const NOT_REGISTERED: OAuthError = invalid("request_uri_not_registered");
pub const UNAVAILABLE: OAuthError = invalid("request_uri_unavailable");
pub const HASH_MISMATCH: OAuthError = invalid("request_uri_hash_mismatch");

/// Whether the client may bring this URL.
///
/// A URL that is registered with a hash is good with that one alone; one without may be presented with the hash of what is
/// there by now.
pub fn registered(client: &Client, presented: &str) -> Result<(), OAuthError> {
    let uris = &client.metadata.request_uris;
    if uris.is_empty() {
        return Err(NOT_SUPPORTED);
    }
    let location = split(presented).0;
    let is_known = presented.len() <= MAX_LENGTH && uris.iter().any(|uri| uri == presented || uri == location);
    if is_known { Ok(()) } else { Err(NOT_REGISTERED) }
}

/// Whether this is what the URL was made for, if it says that.
pub fn fits(uri: &str, content: &[u8]) -> Result<(), OAuthError> {
    match split(uri).1 {
        Some(hash) if hash != encode(&Sha256::digest(content)) => Err(HASH_MISMATCH),
        _ => Ok(()),
    }
}

/// Where it is, and the hash of what is there: SHA-256 in base64url (OpenID Connect Registration 1.0 §2).
pub fn split(uri: &str) -> (&str, Option<&str>) {
    uri.split_once('#').map_or((uri, None), |(location, hash)| (location, Some(hash)))
}

/// Whether the text may be such a hash.
pub fn is_hash(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::testing::client;

    const URI: &str = "https://app.ex/request.jwt";

    #[test]
    fn only_a_registered_url_may_be_asked() {
        let app = client(|metadata| metadata.request_uris = vec![URI.to_owned()]);
        assert_eq!(registered(&app, URI), Ok(()));
        assert_eq!(registered(&app, &format!("{URI}#abc")), Ok(()));
        for other in [
            "https://app.ex/request.jwt/",
            "https://app.ex/request.jwt?x",
            "https://APP.ex/request.jwt",
            "http://169.254.169.254/",
        ] {
            assert_eq!(registered(&app, other), Err(NOT_REGISTERED), "{other}");
        }
        assert_eq!(registered(&app, &format!("{URI}#{}", "x".repeat(512))), Err(NOT_REGISTERED));
        assert_eq!(registered(&client(|_| {}), URI), Err(NOT_SUPPORTED));
    }

    #[test]
    fn a_url_that_is_registered_with_a_hash_is_good_with_that_one_alone() {
        let app = client(|metadata| metadata.request_uris = vec![format!("{URI}#abc")]);
        assert_eq!(registered(&app, &format!("{URI}#abc")), Ok(()));
        for other in [URI.to_owned(), format!("{URI}#abd"), format!("{URI}#")] {
            assert_eq!(registered(&app, &other), Err(NOT_REGISTERED), "{other}");
        }
    }

    #[test]
    fn the_content_has_to_be_that_of_the_hash() {
        let hash = encode(&Sha256::digest(b"object"));
        assert!(is_hash(&hash) && !is_hash("abc"));
        assert_eq!(fits(&format!("{URI}#{hash}"), b"object"), Ok(()));
        assert_eq!(fits(&format!("{URI}#{hash}"), b"another"), Err(HASH_MISMATCH));
        assert_eq!(fits(&format!("{URI}#"), b"object"), Err(HASH_MISMATCH));
        assert_eq!(fits(URI, b"object"), Ok(()));
    }
}
