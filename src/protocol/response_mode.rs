//! How an authorization response travels (OAuth 2.0 Multiple Response Type Encoding Practices §2.1; Form Post Response
//! Mode §2; JWT Secured Authorization Response Mode §2.3), and what every response carries (RFC 6749 §4.1.2; RFC 9207 §2).

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::client::Algorithm;
use super::error::OAuthError;
use super::id::ClientId;
use super::redirect_uri::RedirectUri;
use super::time::{Seconds, Timestamp};

/// All but the unreserved characters. Spaces become `%20`, never `+`: form decoders and URI decoders then agree on what
/// was meant, so that `state` comes back byte for byte whichever the client uses.
pub(super) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `response_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    Query,
    Fragment,
    FormPost,
    QueryJwt,
    FragmentJwt,
    FormPostJwt,
}

/// The longest that a signed response is good for: what JARM §2.1 recommends at most.
const SIGNED_LIFETIME: Seconds = Seconds::minutes(10);

impl ResponseMode {
    /// `response_modes_supported`. The last one is the default of the response type, signed (JARM §2.3.4): as it stands here for
    /// `code`, and for the others as [`Self::without_query`] makes it.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("query", Self::Query),
        ("fragment", Self::Fragment),
        ("form_post", Self::FormPost),
        ("query.jwt", Self::QueryJwt),
        ("fragment.jwt", Self::FragmentJwt),
        ("form_post.jwt", Self::FormPostJwt),
        ("jwt", Self::QueryJwt),
    ];

    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, mode)| mode)
    }

    /// Whether the response is a JWT.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::QueryJwt | Self::FragmentJwt | Self::FormPostJwt)
    }

    /// The same, as a JWT.
    #[must_use]
    pub const fn signed(self) -> Self {
        match self {
            Self::Query | Self::QueryJwt => Self::QueryJwt,
            Self::Fragment | Self::FragmentJwt => Self::FragmentJwt,
            Self::FormPost | Self::FormPostJwt => Self::FormPostJwt,
        }
    }

    /// For a response type that would have brought tokens, which don't belong into a query.
    #[must_use]
    pub const fn without_query(self) -> Self {
        match self {
            Self::Query => Self::Fragment,
            Self::QueryJwt => Self::FragmentJwt,
            mode => mode,
        }
    }
}

/// Whom a signed response is for, and what it is signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedFor {
    pub client_id: ClientId,
    pub algorithm: Algorithm,
}

/// Where a response goes, be it a success or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseTarget {
    pub redirect_uri: RedirectUri,
    pub response_mode: ResponseMode,
    /// Goes back byte for byte, or not at all.
    pub state: Option<String>,
    /// With a mode that is a JWT.
    pub signed_for: Option<SignedFor>,
    /// Nobody vouched for whoever is there: an error goes there only when its person wants that (RFC 9700 §4.11.2).
    pub by_hand: bool,
}

/// A response to the client, ready to be delivered. Both constructors put `state` and `iss` in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationResponse {
    pub redirect_uri: RedirectUri,
    pub mode: ResponseMode,
    pub params: Vec<(&'static str, String)>,
    pub signed_for: Option<SignedFor>,
    /// See [`ResponseTarget::by_hand`].
    pub by_hand: bool,
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
    /// A success, with what the response type brings (RFC 6749 §4.1.2; OpenID Connect Core §3.2.2.5, §3.3.2.5).
    pub fn success(target: ResponseTarget, given: Vec<(&'static str, String)>, issuer: &str) -> Self {
        Self { by_hand: false, ..Self::new(target, given, issuer) }
    }

    /// A refusal (RFC 6749 §4.1.2.1).
    pub fn error(target: ResponseTarget, error: &OAuthError, issuer: &str) -> Self {
        let mut params = vec![("error", error.code.as_str().to_owned())];
        if !error.description.is_empty() {
            params.push(("error_description", error.description.to_owned()));
        }
        Self::new(target, params, issuer)
    }

    /// With `session_state`, for a client that watches the session (OpenID Connect Session Management 1.0 §2).
    #[must_use]
    pub fn with_session_state(mut self, session_state: Option<String>) -> Self {
        self.params.extend(session_state.map(|state| ("session_state", state)));
        self
    }

    fn new(target: ResponseTarget, mut params: Vec<(&'static str, String)>, issuer: &str) -> Self {
        params.extend(target.state.map(|state| ("state", state)));
        params.push(("iss", issuer.to_owned()));
        let ResponseTarget { redirect_uri, response_mode, signed_for, by_hand, .. } = target;
        Self { redirect_uri, mode: response_mode, params, signed_for, by_hand }
    }

    /// If the mode is a JWT, what goes out is one parameter with all the others in it (JARM §2.1, §2.3), which `sign` makes.
    pub fn signed<E>(
        mut self,
        now: Timestamp,
        sign: impl FnOnce(Algorithm, &Map<String, Value>) -> Result<String, E>,
    ) -> Result<Self, E> {
        let Some(SignedFor { client_id, algorithm }) = self.signed_for.take() else { return Ok(self) };
        let mut claims: Map<String, Value> =
            self.params.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        claims.insert("aud".to_owned(), client_id.as_str().into());
        claims.insert("exp".to_owned(), (now + SIGNED_LIFETIME).as_seconds().into());
        self.params = vec![("response", sign(algorithm, &claims)?)];
        Ok(self)
    }

    pub fn deliver(self) -> Delivery {
        let separator = match self.mode {
            ResponseMode::FormPost | ResponseMode::FormPostJwt => {
                return Delivery::Form { action: self.redirect_uri, fields: self.params };
            }
            ResponseMode::Fragment | ResponseMode::FragmentJwt => '#',
            // A registered query is kept (RFC 6749 §3.1.2).
            ResponseMode::Query | ResponseMode::QueryJwt if self.redirect_uri.as_str().contains('?') => '&',
            ResponseMode::Query | ResponseMode::QueryJwt => '?',
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
        let signed_for = response_mode
            .is_signed()
            .then(|| SignedFor { client_id: ClientId::parse("app").unwrap(), algorithm: Algorithm::ES256 });
        let redirect_uri = RedirectUri::parse(uri).unwrap();
        ResponseTarget { redirect_uri, response_mode, state: state.map(str::to_owned), signed_for, by_hand: false }
    }

    fn success(target: ResponseTarget, code: &str, issuer: &str) -> AuthorizationResponse {
        AuthorizationResponse::success(target, vec![("code", code.to_owned())], issuer)
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
            redirect(success(target, "C0de", ISSUER)),
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
            assert_eq!(redirect(success(target(uri, ResponseMode::Query, None), "c", "i")), expected);
        }
        let target = target("https://app.ex/cb?a=b", ResponseMode::Fragment, None);
        assert_eq!(redirect(success(target, "c", "i")), "https://app.ex/cb?a=b#code=c&iss=i");
    }

    #[test]
    fn a_form_carries_the_raw_values() {
        let state = "\"></form></script><img onerror>\u{2028}";
        let response = success(target("https://app.ex/cb", ResponseMode::FormPost, Some(state)), "c", "i");
        let Delivery::Form { action, fields } = response.deliver() else { panic!("a redirect") };
        assert_eq!(action.as_str(), "https://app.ex/cb");
        assert_eq!(fields, [("code", "c".to_owned()), ("state", state.to_owned()), ("iss", "i".to_owned())]);
    }

    #[test]
    fn a_signed_response_is_one_parameter_that_holds_the_others_and_whom_it_is_for() {
        for (mode, start) in
            [("query.jwt", "https://app.ex/cb?"), ("jwt", "https://app.ex/cb?"), ("fragment.jwt", "https://app.ex/cb#")]
        {
            let target = target("https://app.ex/cb", ResponseMode::parse(mode).unwrap(), Some("s"));
            let response = success(target, "c", ISSUER).signed(Timestamp::from_seconds(1_000), |algorithm, claims| {
                assert_eq!(algorithm, Algorithm::ES256);
                let expected = serde_json::json!({ "code": "c", "state": "s", "iss": ISSUER, "aud": "app", "exp": 1_600 });
                assert_eq!(Value::from(claims.clone()), expected);
                Ok::<_, ()>("h.p.s".to_owned())
            });
            assert_eq!(redirect(response.unwrap()), format!("{start}response=h.p.s"), "{mode}");
        }
        let target = target("https://app.ex/cb", ResponseMode::Query, Some("s"));
        let response = success(target, "c", ISSUER);
        let plain = response.clone().signed(Timestamp::from_seconds(0), |_, _| Err(())).unwrap();
        assert_eq!(plain, response, "nothing is signed that nobody asked for");
    }

    proptest! {
        #[test]
        fn state_comes_back_byte_for_byte(state in "[^\0]{1,300}|[+%2B &=#?]{1,20}", fragment in any::<bool>()) {
            let (mode, separator) = if fragment { (ResponseMode::Fragment, '#') } else { (ResponseMode::Query, '?') };
            let url = redirect(success(target("https://app.ex/cb", mode, Some(&state)), "c", ISSUER));
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
