//! Security headers and content security policies (CSP Level 3; HTML Standard; RFC 6797).
//!
//! A handler names the [`Csp`] of its page and how long it may be kept; `fill_in` adds what every answer owes, and the strictest
//! policy and `no-store` where a handler named none, so that forgetting is safe.

use std::fmt::Write;

use axum::response::{IntoResponseParts, ResponseParts};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::random;

/// A fresh value for one response's `script-src 'nonce-…'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    pub fn random() -> Self {
        Self(random::nonce())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The policy of one response. A type of its own for each kind of page, so that none is put together by hand.
#[derive(Clone, Copy, Debug)]
pub enum Csp<'a> {
    /// A page outside a flow: account, administration, set-up. Without a nonce no script runs.
    Page { nonce: Option<&'a Nonce> },
    /// Login and consent inside a flow. Browsers apply `form-action` to the whole chain of redirects that follows a form, so
    /// the client's origin has to be named: `https://client.example:8443`, or `app-scheme:`.
    Flow { nonce: Option<&'a Nonce>, form_action: &'a str },
    /// The page that posts an authorization response to the client (Form Post Response Mode §2).
    FormPost { nonce: &'a Nonce, action: &'a str },
    /// A page that loads these origins in frames: applications log out there (OpenID Connect Front-Channel Logout 1.0).
    Framing { nonce: &'a Nonce, frames: &'a [String] },
    /// A page that any application loads in a frame, with a script and nothing to see or to press.
    Framed { nonce: &'a Nonce },
    /// The error page: no script, no form.
    Error,
    /// JSON, JWTs and everything that is not meant to be shown.
    Data,
}

const DATA: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const ERROR: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'");

impl Csp<'_> {
    /// The value of the header.
    pub fn to_header(self) -> HeaderValue {
        match self {
            Self::Page { nonce } => page(nonce, None),
            Self::Flow { nonce, form_action } => page(nonce, Some(form_action)),
            Self::FormPost { nonce, action } => header_value(format!(
                "default-src 'none'; script-src 'nonce-{}'; style-src 'self'; form-action {}; base-uri 'none'; frame-ancestors 'none'",
                nonce.as_str(),
                source(action).unwrap_or("'none'"),
            )),
            Self::Framing { nonce, frames } => framing(nonce, frames),
            Self::Framed { nonce } => header_value(format!(
                "default-src 'none'; script-src 'nonce-{}'; base-uri 'none'; form-action 'none'",
                nonce.as_str()
            )),
            Self::Error => ERROR,
            Self::Data => DATA,
        }
    }

    /// A client that opened the login in a pop-up window needs `window.opener` to live on while the flow lasts.
    const fn opener_policy(self) -> HeaderValue {
        match self {
            Self::Flow { .. } | Self::FormPost { .. } => HeaderValue::from_static("unsafe-none"),
            _ => SAME_ORIGIN,
        }
    }
}

impl IntoResponseParts for Csp<'_> {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, std::convert::Infallible> {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, self.to_header());
        response.headers_mut().insert(OPENER_POLICY, self.opener_policy());
        Ok(response)
    }
}

fn framing(nonce: &Nonce, frames: &[String]) -> HeaderValue {
    let mut text = page_text(Some(nonce), None);
    let sources: Vec<&str> = frames.iter().filter_map(|frame| source(frame)).collect();
    if !sources.is_empty() {
        _ = write!(text, "; frame-src {}", sources.join(" "));
    }
    header_value(text)
}

fn page(nonce: Option<&Nonce>, form_action: Option<&str>) -> HeaderValue {
    header_value(page_text(nonce, form_action))
}

fn page_text(nonce: Option<&Nonce>, form_action: Option<&str>) -> String {
    let mut text = "default-src 'none'; ".to_owned();
    match nonce {
        Some(nonce) => _ = write!(text, "script-src 'nonce-{}'; ", nonce.as_str()),
        None => text.push_str("script-src 'none'; "),
    }
    text.push_str(
        "style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; object-src 'none'; \
         frame-ancestors 'none'; form-action 'self'",
    );
    if let Some(source) = form_action.and_then(source) {
        text.push(' ');
        text.push_str(source);
    }
    text.push_str("; require-trusted-types-for 'script'");
    text
}

/// A CSP source made of an origin or a scheme. Whatever could begin another source or another directive is no source.
fn source(text: &str) -> Option<&str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.:/[]_".contains(&byte);
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    (is_scheme && text.bytes().all(allowed) && !matches!(rest, "/" | "//")).then_some(text)
}

fn header_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(DATA)
}

const FRAME_ANCESTORS: &[u8] = b"frame-ancestors 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Completes the headers of an answer on its way out. `hsts`: the issuer is https.
pub(super) fn fill_in(headers: &mut HeaderMap, hsts: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if hsts {
        let two_years = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, two_years);
    }
    let is_page = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page {
        fill_in_page(headers);
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(DATA);
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
}

fn fill_in_page(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    // A page without a policy gets the strictest; the one that may be framed says so by leaving this out.
    let may_be_framed = headers
        .get(header::CONTENT_SECURITY_POLICY)
        .is_some_and(|policy| !policy.as_bytes().windows(FRAME_ANCESTORS.len()).any(|part| part == FRAME_ANCESTORS));
    if may_be_framed {
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    } else {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(RESOURCE_POLICY, SAME_ORIGIN);
    }
    headers.entry(OPENER_POLICY).or_insert(SAME_ORIGIN);
    headers.insert(
        PERMISSIONS_POLICY,
        HeaderValue::from_static(
            "camera=(), microphone=(), geolocation=(), payment=(), publickey-credentials-get=(self), \
             publickey-credentials-create=(self)",
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_names_the_origin_that_the_redirect_will_reach() {
        let nonce = Nonce("R".into());
        let policy = Csp::Flow { nonce: Some(&nonce), form_action: "https://app.example:8443" }.to_header();
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'nonce-R'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
             worker-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
             form-action 'self' https://app.example:8443; \
             require-trusted-types-for 'script'"
        );
        let policy = Csp::Flow { nonce: None, form_action: "com.example.app:" }.to_header();
        assert!(policy.to_str().unwrap().contains("form-action 'self' com.example.app:;"));
    }

    #[test]
    fn nothing_but_an_origin_or_a_scheme_reaches_the_policy() {
        for action in [
            "https://a.example; script-src *",
            "https://a.example, default-src *",
            "https://a.example *",
            "*",
            "'unsafe-inline'",
            "https://a.example\r\nx: y",
            "https://ä.example",
            "https://a.example/?q",
            "://a",
            "",
        ] {
            let policy = Csp::Flow { nonce: None, form_action: action }.to_header();
            assert!(policy.to_str().unwrap().contains("form-action 'self'; require"), "{action}");
            let nonce = Nonce("R".into());
            let policy = Csp::FormPost { nonce: &nonce, action }.to_header();
            assert!(policy.to_str().unwrap().contains("form-action 'none'; "), "{action}");
        }
    }

    #[test]
    fn a_page_names_the_origins_that_it_loads_in_frames() {
        let nonce = Nonce("R".into());
        let policy = |frames: &[&str]| {
            let frames: Vec<String> = frames.iter().map(|frame| (*frame).to_owned()).collect();
            Csp::Framing { nonce: &nonce, frames: &frames }.to_header().to_str().unwrap().to_owned()
        };
        assert_eq!(policy(&[]), Csp::Page { nonce: Some(&nonce) }.to_header());
        let two = policy(&["https://a.example", "https://b.example:8443", "https://c.example; script-src *"]);
        assert!(two.ends_with("; frame-src https://a.example https://b.example:8443"), "{two}");
    }

    #[test]
    fn the_one_page_that_may_be_framed_says_so() {
        let nonce = Nonce("R".into());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, Csp::Framed { nonce: &nonce }.to_header());
        fill_in(&mut headers, true);
        assert_eq!(
            headers["content-security-policy"],
            "default-src 'none'; script-src 'nonce-R'; base-uri 'none'; form-action 'none'"
        );
        assert!(!headers.contains_key("x-frame-options"));
        let mut forgotten = HeaderMap::new();
        forgotten.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        fill_in(&mut forgotten, true);
        assert_eq!(forgotten["x-frame-options"], "DENY");
    }

    #[test]
    fn an_answer_without_a_policy_gets_the_strictest() {
        let mut headers = HeaderMap::new();
        fill_in(&mut headers, true);
        assert_eq!(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["strict-transport-security"], "max-age=63072000; includeSubDomains");
        assert!(!headers.contains_key("x-frame-options"));
    }

    #[test]
    fn a_page_is_neither_framed_nor_stored_nor_shared() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, Csp::Page { nonce: None }.to_header());
        fill_in(&mut headers, false);
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        assert!(headers["permissions-policy"].to_str().unwrap().starts_with("camera=(), "));
        assert!(headers["content-security-policy"].to_str().unwrap().contains("script-src 'none'; style-src 'self'"));
        assert!(!headers.contains_key("strict-transport-security"));
    }
}
