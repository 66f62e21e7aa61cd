//! How an authorization response travels (OAuth 2.0 Multiple Response Type Encoding Practices §2.1; Form Post Response
//! Mode §2), and what every response carries (RFC 6749 §4.1.2; RFC 9207 §2).

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::error::OAuthError;
use super::redirect_uri::RedirectUri;

/// All but the unreserved characters. Spaces become `%20`, never `+`: form decoders and URI decoders then agree on what
/// was meant, so that `state` comes back byte for byte whichever the client uses.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `response_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

impl ResponseMode {
    /// `response_modes_supported`.
    pub const ALL: [Self; 3] = [Self::Query, Self::Fragment, Self::FormPost];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }
}

/// Where a response goes, be it a success or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseTarget {
    pub redirect_uri: RedirectUri,
    pub response_mode: ResponseMode,
    /// Goes back byte for byte, or not at all.
    pub state: Option<String>,
}

/// A response to the client, ready to be delivered. Both constructors put `state` and `iss` in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationResponse {
    pub redirect_uri: RedirectUri,
    pub mode: ResponseMode,
    pub params: Vec<(&'static str, String)>,
}

/// What the browser is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// 303 to this URL.
    Redirect(String),
    /// 200 with a form that posts the fields, raw as they stand here, to the action.
    Form { action: RedirectUri, fields: Vec<(&'static str, String)> },
}

impl AuthorizationResponse {
    /// A success (RFC 6749 §4.1.2).
    pub fn code(target: ResponseTarget, code: &str, issuer: &str) -> Self {
        Self::new(target, vec![("code", code.to_owned())], issuer)
    }

    /// A refusal (RFC 6749 §4.1.2.1).
    pub fn error(target: ResponseTarget, error: &OAuthError, issuer: &str) -> Self {
        let mut params = vec![("error", error.code.as_str().to_owned())];
        if !error.description.is_empty() {
            params.push(("error_description", error.description.to_owned()));
        }
        Self::new(target, params, issuer)
    }

    fn new(target: ResponseTarget, mut params: Vec<(&'static str, String)>, issuer: &str) -> Self {
        params.extend(target.state.map(|state| ("state", state)));
        params.push(("iss", issuer.to_owned()));
        Self { redirect_uri: target.redirect_uri, mode: target.response_mode, params }
    }

    pub fn deliver(self) -> Delivery {
        let separator = match self.mode {
            ResponseMode::FormPost => return Delivery::Form { action: self.redirect_uri, fields: self.params },
            ResponseMode::Fragment => '#',
            // A registered query is kept (RFC 6749 §3.1.2).
            ResponseMode::Query if self.redirect_uri.as_str().contains('?') => '&',
            ResponseMode::Query => '?',
        };
        let mut url = self.redirect_uri.as_str().to_owned();
        if !(separator == '&' && url.ends_with(['?', '&'])) {
            url.push(separator);
        }
        for (index, (name, value)) in self.params.iter().enumerate() {
            let separator = if index == 0 { "" } else { "&" };
            // Writing to a String can't fail.
            let _ = write!(url, "{separator}{name}={}", utf8_percent_encode(value, ESCAPED));
        }
        Delivery::Redirect(url)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::error::ErrorCode;
    use crate::protocol::params::Params;

    const ISSUER: &str = "https://id.example";
    const ERROR: OAuthError = OAuthError::new(ErrorCode::AccessDenied, "denied", "The person said no");

    fn target(uri: &str, response_mode: ResponseMode, state: Option<&str>) -> ResponseTarget {
        ResponseTarget { redirect_uri: RedirectUri::parse(uri).unwrap(), response_mode, state: state.map(str::to_owned) }
    }

    fn redirect(response: AuthorizationResponse) -> String {
        match response.deliver() {
            Delivery::Redirect(url) => url,
            Delivery::Form { .. } => panic!("a form"),
        }
    }

    #[test]
    fn a_success_carries_code_state_and_iss() {
        let target = target("https://app.ex/cb", ResponseMode::Query, Some("a b+c"));
        assert_eq!(
            redirect(AuthorizationResponse::code(target, "C0de", ISSUER)),
            "https://app.ex/cb?code=C0de&state=a%20b%2Bc&iss=https%3A%2F%2Fid.example",
        );
    }

    #[test]
    fn an_error_carries_state_and_iss() {
        let target = target("https://app.ex/cb", ResponseMode::Fragment, Some("s"));
        assert_eq!(
            redirect(AuthorizationResponse::error(target, &ERROR, ISSUER)),
            "https://app.ex/cb#error=access_denied&error_description=The%20person%20said%20no&state=s&iss=https%3A%2F%2Fid.example",
        );
    }

    #[test]
    fn a_registered_query_is_kept() {
        for (uri, expected) in [
            ("https://app.ex/cb?a=b", "https://app.ex/cb?a=b&code=c&iss=i"),
            ("https://app.ex/cb?", "https://app.ex/cb?code=c&iss=i"),
            ("https://app.ex", "https://app.ex?code=c&iss=i"),
            ("com.example.app:/cb", "com.example.app:/cb?code=c&iss=i"),
        ] {
            assert_eq!(redirect(AuthorizationResponse::code(target(uri, ResponseMode::Query, None), "c", "i")), expected);
        }
        let target = target("https://app.ex/cb?a=b", ResponseMode::Fragment, None);
        assert_eq!(redirect(AuthorizationResponse::code(target, "c", "i")), "https://app.ex/cb?a=b#code=c&iss=i");
    }

    #[test]
    fn a_form_carries_the_raw_values() {
        let state = "\"></form></script><img onerror>\u{2028}";
        let response = AuthorizationResponse::code(target("https://app.ex/cb", ResponseMode::FormPost, Some(state)), "c", "i");
        let Delivery::Form { action, fields } = response.deliver() else { panic!("a redirect") };
        assert_eq!(action.as_str(), "https://app.ex/cb");
        assert_eq!(fields, [("code", "c".to_owned()), ("state", state.to_owned()), ("iss", "i".to_owned())]);
    }

    proptest! {
        #[test]
        fn state_comes_back_byte_for_byte(state in "[^\0]{1,300}|[+%2B &=#?]{1,20}", fragment in any::<bool>()) {
            let (mode, separator) = if fragment { (ResponseMode::Fragment, '#') } else { (ResponseMode::Query, '?') };
            let url = redirect(AuthorizationResponse::code(target("https://app.ex/cb", mode, Some(&state)), "c", ISSUER));
            let (_, answer) = url.split_once(separator).unwrap();
            let params = Params::parse(answer.as_bytes()).unwrap();
            prop_assert_eq!(params.get("state"), Some(state.as_str()));
            prop_assert_eq!(params.get("iss"), Some(ISSUER));
            // A browser's own decoder, which knows no `+`, reads the same.
            let raw = answer.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap();
            let decoded = percent_encoding::percent_decode_str(raw).decode_utf8().unwrap();
            prop_assert_eq!(decoded, state);
        }
    }
}
