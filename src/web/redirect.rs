//! Redirects: always 303, so that a browser never posts a password on (RFC 9700 §4.12).

use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::{StatusCode, Uri};

use super::error::Problem;

/// Sends the browser to `location` with a GET.
pub fn see_other(location: &str) -> Result<Response, Problem> {
    let location =
        HeaderValue::try_from(location).map_err(|_| Problem::internal("a redirect with characters no header may hold"))?;
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location), no_store]).into_response())
}

/// `return_to`, if it is a path on this server and nothing else: browsers read `//host`, `/\host` and `/%09/host` with the tab
/// decoded as another site.
pub fn local_path(return_to: &str) -> Option<&str> {
    let plain = return_to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_path = return_to.starts_with('/') && !return_to.starts_with("//");
    let parses = return_to.parse::<Uri>().is_ok_and(|uri| uri.authority().is_none() && uri.scheme().is_none());
    (plain && is_path && parses && return_to.len() <= 2_048).then_some(return_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_on_this_server_is_returned_to_and_nothing_else() {
        for path in ["/", "/account", "/account?tab=sessions", "/a//b", "/%09//evil"] {
            assert_eq!(local_path(path), Some(path));
        }
        for elsewhere in
            ["//evil", "/\\evil", "https:evil", "javascript:alert(1)", "\t//evil", "/\t/evil", "", "account", "///evil", "/a\nb"]
        {
            assert_eq!(local_path(elsewhere), None, "{elsewhere:?}");
        }
    }

    #[test]
    fn a_redirect_is_303_and_not_stored() {
        let response = see_other("/account").unwrap();
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()["location"], "/account");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(see_other("/a\r\nset-cookie: x").is_err());
    }
}
