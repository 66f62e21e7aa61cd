//! ETags and If-Match (RFC 9110 §8.8.3, §13.1.1): nobody overwrites a change they have not seen.

use axum::extract::FromRequestParts;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;

use super::error::ApiError;

/// The ETag of something whose changes are counted.
pub fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What the request's If-Match says. Requests that change or delete must have one: 428 without (RFC 6585 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    Any,
    Tags(Vec<String>),
}

impl IfMatch {
    /// Goes on only if the version that is there is one the caller has seen.
    pub fn check(&self, version: i64) -> Result<(), ApiError> {
        let current = etag(version);
        match self {
            Self::Any => Ok(()),
            Self::Tags(tags) if tags.iter().any(|tag| tag.as_bytes() == current.as_bytes()) => Ok(()),
            Self::Tags(_) => Err(ApiError::precondition_failed()),
        }
    }

    fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut tags = Vec::new();
        for value in headers.get_all(header::IF_MATCH) {
            let text = value.to_str().map_err(|_| ApiError::precondition_failed())?;
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
        }
        match tags.as_slice() {
            [] => Err(ApiError::precondition_required()),
            [any] if any == "*" => Ok(Self::Any),
            // A weak tag never matches (RFC 9110 §13.1.1: strong comparison), which `check` does by comparing whole tags.
            _ => Ok(Self::Tags(tags)),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::read(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn read(values: &[&'static str]) -> Result<IfMatch, ApiError> {
        IfMatch::read(&values.iter().map(|value| (header::IF_MATCH, HeaderValue::from_static(value))).collect())
    }

    fn status(values: &[&'static str], version: i64) -> Option<StatusCode> {
        read(values).and_then(|precondition| precondition.check(version)).err().map(|error| error.status())
    }

    #[test]
    fn only_the_version_that_was_seen_may_be_changed() {
        assert_eq!(status(&["\"3\""], 3), None);
        assert_eq!(status(&["\"1\", \"3\""], 3), None);
        assert_eq!(status(&["\"1\"", "\"3\""], 3), None);
        assert_eq!(status(&["*"], 3), None);
        assert_eq!(status(&["\"2\""], 3), Some(StatusCode::PRECONDITION_FAILED));
        assert_eq!(status(&["W/\"3\""], 3), Some(StatusCode::PRECONDITION_FAILED));
        assert_eq!(status(&["3"], 3), Some(StatusCode::PRECONDITION_FAILED));
        assert_eq!(status(&["\"33\""], 3), Some(StatusCode::PRECONDITION_FAILED));
    }

    #[test]
    fn a_change_without_if_match_is_told_to_send_one() {
        assert_eq!(status(&[], 3), Some(StatusCode::PRECONDITION_REQUIRED));
        assert_eq!(status(&[" , "], 3), Some(StatusCode::PRECONDITION_REQUIRED));
    }
}
