//! The access token that a request to a protected resource presents (RFC 6750 §2; RFC 9449 §7.1), and the challenges that its
//! refusal owes.

use std::fmt::Write;

use http::header::{self, HeaderMap, HeaderValue};

use crate::protocol::client::Algorithm;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::protocol::scope::Scope;

const AMBIGUOUS: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "token_given_twice", "The access token was presented in more than one way");
const IN_QUERY: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "token_in_query", "An access token does not belong into a URL");
const MALFORMED: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "authorization_malformed", "The Authorization field is malformed");

/// How a token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Bearer,
    /// With a proof for its key.
    Dpop,
    /// In a form.
    Body,
}

/// A token as it was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented<'a> {
    pub token: &'a str,
    pub way: Way,
}

/// Finds the one token: in the Authorization field (RFC 6750 §2.1; RFC 9449 §7.1), or in a form body (RFC 6750 §2.2) where the
/// resource takes one. Never in the URL (§2.3; RFC 9700 §4.3.2). `None` when there is none, and when the scheme is another one.
pub fn presented<'a>(
    headers: &'a HeaderMap,
    query: Option<&str>,
    body: Option<&'a Params>,
) -> Result<Option<Presented<'a>>, OAuthError> {
    if query.is_some_and(names_token) {
        return Err(IN_QUERY);
    }
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let from_header = match fields.next() {
        Some(_) if fields.next().is_some() => return Err(AMBIGUOUS),
        Some(field) => of_field(field.to_str().map_err(|_| MALFORMED)?)?,
        None => None,
    };
    let in_body = body.is_some_and(|params| params.contains("access_token"));
    match (from_header, in_body) {
        (Some(_), true) => Err(AMBIGUOUS),
        (None, true) => {
            let token = body.and_then(|params| params.get("access_token")).ok_or(AMBIGUOUS)?;
            Ok(Some(Presented { token, way: Way::Body }))
        }
        (found, false) => Ok(found),
    }
}

/// Says in the challenges of a refusal where the metadata of the resource is (RFC 9728 §5.1).
pub fn point_to_metadata(headers: &mut HeaderMap, url: &str) {
    for challenge in headers.iter_mut().filter(|(name, _)| *name == header::WWW_AUTHENTICATE).map(|(_, value)| value) {
        let Ok(text) = challenge.to_str() else { continue };
        // Whatever follows the scheme is a parameter; a challenge without any is the scheme alone.
        let separator = if text.contains(' ') { ", " } else { " " };
        if let Ok(pointing) = HeaderValue::try_from(format!("{text}{separator}resource_metadata=\"{url}\"")) {
            *challenge = pointing;
        }
    }
}

/// Writes the challenges of a refusal for the way in which the token came. Those who hold one that is bound to a key must not be
/// asked to send it as a bearer's (RFC 9449 §7.1).
pub fn in_the_way(headers: &mut HeaderMap, way: Way) {
    if way != Way::Dpop {
        return;
    }
    for challenge in headers.iter_mut().filter(|(name, _)| *name == header::WWW_AUTHENTICATE).map(|(_, value)| value) {
        let Some(parameters) = challenge.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")) else { continue };
        if let Ok(of_key) = HeaderValue::try_from(format!("DPoP {parameters}, {}", algorithms())) {
            *challenge = of_key;
        }
    }
}

fn algorithms() -> String {
    format!("algs=\"{}\"", Algorithm::ALL.map(Algorithm::as_str).join(" "))
}

fn of_field(field: &str) -> Result<Option<Presented<'_>>, OAuthError> {
    let (scheme, token) = field.split_once(' ').ok_or(MALFORMED)?;
    let ways = [("bearer", Way::Bearer), ("dpop", Way::Dpop)];
    let Some((_, way)) = ways.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name)) else { return Ok(None) };
    let token = token.trim_matches(' ');
    let is_b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_b64token) {
        return Err(MALFORMED);
    }
    Ok(Some(Presented { token, way }))
}

/// `WWW-Authenticate` of a refusal, one for each scheme that would do (RFC 6750 §3; RFC 9449 §7.1, §7.2). `None` is a request without
/// a token: it learns the schemes and nothing else. `scope` is what the resource needs.
pub fn challenges(error: Option<&OAuthError>, way: Way, scope: Option<&Scope>) -> Vec<HeaderValue> {
    let is_dpop = way == Way::Dpop;
    let mut challenge = if is_dpop { "DPoP" } else { "Bearer" }.to_owned();
    challenge.push_str(" realm=\"ostiary\"");
    if let Some(error) = error {
        _ = write!(challenge, ", error=\"{}\", error_description=\"{}\"", error.code.as_str(), error.description);
    }
    if let Some(scope) = scope {
        _ = write!(challenge, ", scope=\"{scope}\"");
    }
    if is_dpop {
        _ = write!(challenge, ", {}", algorithms());
    }
    let also = (!is_dpop && error.is_none_or(|error| error.code == ErrorCode::InvalidToken))
        .then(|| format!("DPoP realm=\"ostiary\", {}", algorithms()));
    [Some(challenge), also].into_iter().flatten().filter_map(|text| HeaderValue::try_from(text).ok()).collect()
}

fn names_token(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[&'static str]) -> HeaderMap {
        fields.iter().map(|field| (header::AUTHORIZATION, HeaderValue::from_static(field))).collect()
    }

    #[test]
    fn the_scheme_is_compared_without_case() {
        for field in ["Bearer abc.def", "bearer abc.def", "BEARER abc.def"] {
            let found = Presented { token: "abc.def", way: Way::Bearer };
            assert_eq!(presented(&headers(&[field]), None, None), Ok(Some(found)));
        }
        for field in ["DPoP abc.def", "dpop abc.def"] {
            let found = Presented { token: "abc.def", way: Way::Dpop };
            assert_eq!(presented(&headers(&[field]), None, None), Ok(Some(found)));
        }
        assert_eq!(presented(&headers(&["Basic abc"]), None, None), Ok(None));
        assert_eq!(presented(&headers(&[]), None, None), Ok(None));
    }

    #[test]
    fn a_token_given_in_two_ways_or_in_the_url_is_refused() {
        let body = Params::parse(b"access_token=abc").unwrap();
        assert_eq!(presented(&headers(&["Bearer abc"]), None, Some(&body)), Err(AMBIGUOUS));
        assert_eq!(presented(&headers(&["Bearer abc", "Bearer abc"]), None, None), Err(AMBIGUOUS));
        assert_eq!(presented(&headers(&[]), Some("access_token=abc"), None), Err(IN_QUERY));
        assert_eq!(presented(&headers(&["Bearer abc"]), Some("a=b&access%5Ftoken=abc"), None), Err(IN_QUERY));
        let twice = Params::parse(b"access_token=abc&access_token=def").unwrap();
        assert_eq!(presented(&headers(&[]), None, Some(&twice)), Err(AMBIGUOUS));
    }

    #[test]
    fn a_token_in_the_body_alone_is_found() {
        let body = Params::parse(b"access_token=abc").unwrap();
        assert_eq!(presented(&headers(&[]), Some("x=y"), Some(&body)), Ok(Some(Presented { token: "abc", way: Way::Body })));
    }

    #[test]
    fn characters_that_no_token_has_are_refused() {
        for field in ["Bearer a b", "Bearer \"abc\"", "Bearer "] {
            assert_eq!(presented(&headers(&[field]), None, None), Err(MALFORMED), "{field}");
        }
    }

    #[test]
    fn a_challenge_says_where_the_metadata_is() {
        for (challenge, pointing) in [
            ("Bearer", "Bearer resource_metadata=\"u\""),
            ("Bearer realm=\"x\", error=\"y\"", "Bearer realm=\"x\", error=\"y\", resource_metadata=\"u\""),
        ] {
            let mut headers = HeaderMap::from_iter([(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))]);
            point_to_metadata(&mut headers, "u");
            assert_eq!(headers[header::WWW_AUTHENTICATE], pointing);
        }
    }
}
