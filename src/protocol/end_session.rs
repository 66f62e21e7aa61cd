//! The logout request (OpenID Connect RP-Initiated Logout 1.0 §2, §3).
//!
//! An error is a page: nobody is redirected, and the session stays.

use std::fmt::Write as _;

use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};

use super::authorization_request::{MAX_ID_TOKEN_HINT, MAX_STATE};
use super::client::Client;
use super::error::{ErrorCode, OAuthError};
use super::id::ClientId;
use super::params::Params;
use super::redirect_uri::RedirectUri;
use super::response_mode::ESCAPED;

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, description)
}

const DUPLICATED: OAuthError = invalid("parameter_duplicated", "A parameter was given more than once");
const HINT_TOO_LONG: OAuthError = invalid("id_token_hint_too_long", "id_token_hint is too long");
/// For the caller, who verifies it.
pub const HINT_INVALID: OAuthError = invalid("id_token_hint_invalid", "id_token_hint is not an ID token of this server");
const STATE_INVALID: OAuthError = invalid("state_invalid", "state is longer than 4096 bytes");
const CLIENT_DIFFERS: OAuthError = invalid("client_id_differs", "client_id is not the client that id_token_hint is for");
/// For the caller, who looks clients up: there is none of this name, or it is disabled.
pub const UNKNOWN_CLIENT: OAuthError = invalid("client_unknown", "client_id is unknown");
const NOT_REGISTERED: OAuthError =
    invalid("post_logout_redirect_uri_mismatch", "post_logout_redirect_uri is not one of those registered for this client");

/// The request, before its hint is verified and its client looked up.
#[derive(Clone, Copy, Debug)]
pub struct EndSessionRequest<'a> {
    pub id_token_hint: Option<&'a str>,
    client_id: Option<&'a str>,
    post_logout_redirect_uri: Option<&'a str>,
    state: Option<&'a str>,
}

/// Where the browser goes when it is logged out. It travels sealed through the page that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    uri: RedirectUri,
    /// Goes back byte for byte.
    state: Option<String>,
}

impl<'a> EndSessionRequest<'a> {
    pub fn parse(params: &'a Params) -> Result<Self, OAuthError> {
        if params.first_duplicate().is_some() {
            return Err(DUPLICATED);
        }
        let request = Self {
            id_token_hint: params.get("id_token_hint"),
            client_id: params.get("client_id"),
            post_logout_redirect_uri: params.get("post_logout_redirect_uri"),
            state: params.get("state"),
        };
        if request.id_token_hint.is_some_and(|hint| hint.len() > MAX_ID_TOKEN_HINT) {
            return Err(HINT_TOO_LONG);
        }
        if request.state.is_some_and(|state| state.len() > MAX_STATE) {
            return Err(STATE_INVALID);
        }
        Ok(request)
    }

    /// Who asks: whom the verified hint is for, or who the request says it is. `None`: nobody knows.
    pub fn client_id(&self, hinted: Option<&ClientId>) -> Result<Option<ClientId>, OAuthError> {
        let named = self.client_id.map(ClientId::parse).transpose().map_err(|_| UNKNOWN_CLIENT)?;
        match (named, hinted) {
            (Some(named), Some(hinted)) if named != *hinted => Err(CLIENT_DIFFERS),
            (named, hinted) => Ok(hinted.cloned().or(named)),
        }
    }

    /// Where the browser goes afterwards, if the client is known and asks for it: compared like redirection URIs.
    pub fn destination(&self, client: Option<&Client>) -> Result<Option<Destination>, OAuthError> {
        let Some((client, presented)) = client.zip(self.post_logout_redirect_uri) else { return Ok(None) };
        let metadata = &client.metadata;
        let uri = RedirectUri::registered(&metadata.post_logout_redirect_uris, presented, metadata.application_type);
        let uri = uri.ok_or(NOT_REGISTERED)?;
        Ok(Some(Destination { uri, state: self.state.map(str::to_owned) }))
    }
}

impl Destination {
    /// The URL with `state`.
    pub fn url(&self) -> String {
        let mut url = self.uri.as_str().to_owned();
        let Some(state) = &self.state else { return url };
        let separator = match url.rfind('?') {
            None => "?",
            // A registered query is kept.
            Some(at) if at + 1 < url.len() && !url.ends_with('&') => "&",
            Some(_) => "",
        };
        // Writing to a String can't fail.
        let _ = write!(url, "{separator}state={}", utf8_percent_encode(state, ESCAPED));
        url
    }

    /// What a person is shown of it.
    pub fn place(&self) -> String {
        self.uri.destination()
    }

    /// See [`RedirectUri::form_action_source`].
    pub fn form_action_source(&self) -> String {
        self.uri.form_action_source()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::client::testing::client;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::of(pairs.iter().map(|(name, value)| (*name, Some(*value))))
    }

    fn url(registered: &str, state: Option<&str>) -> String {
        Destination { uri: RedirectUri::parse(registered).unwrap(), state: state.map(str::to_owned) }.url()
    }

    #[test]
    fn a_registered_query_is_kept_and_state_is_added() {
        assert_eq!(url("https://app.ex/out", None), "https://app.ex/out");
        assert_eq!(url("https://app.ex/out", Some("a b&c")), "https://app.ex/out?state=a%20b%26c");
        assert_eq!(url("https://app.ex/out?x=1", Some("s")), "https://app.ex/out?x=1&state=s");
        assert_eq!(url("https://app.ex/out?", Some("s")), "https://app.ex/out?state=s");
    }

    #[test]
    fn l1_nothing_but_a_registered_uri_is_gone_to() {
        let client = client(|metadata| metadata.post_logout_redirect_uris = vec!["https://app.ex/out".into()]);
        let to = |uri: &str| {
            let params = params(&[("post_logout_redirect_uri", uri)]);
            EndSessionRequest::parse(&params).unwrap().destination(Some(&client))
        };
        assert!(to("https://app.ex/out").unwrap().is_some());
        for other in [
            "https://app.ex/OUT",
            "https://app.ex:443/out",
            "https://app.ex/out/",
            "https://app.ex/out?a=b",
            "https://app.ex",
            "https://app.ex/cb",
        ] {
            assert_eq!(to(other), Err(NOT_REGISTERED), "{other}");
        }
    }

    #[test]
    fn l2_without_a_client_nobody_is_gone_to() {
        let params = params(&[("post_logout_redirect_uri", "https://app.ex/out")]);
        let request = EndSessionRequest::parse(&params).unwrap();
        assert_eq!(request.client_id(None), Ok(None));
        assert_eq!(request.destination(None), Ok(None));
    }

    #[test]
    fn the_client_is_whom_the_hint_is_for() {
        let (app, other) = (ClientId::parse("app").unwrap(), ClientId::parse("other").unwrap());
        let named = params(&[("client_id", "app")]);
        let named = EndSessionRequest::parse(&named).unwrap();
        assert_eq!(named.client_id(None), Ok(Some(app.clone())));
        assert_eq!(named.client_id(Some(&app)), Ok(Some(app.clone())));
        assert_eq!(named.client_id(Some(&other)), Err(CLIENT_DIFFERS));
        let silent = params(&[]);
        assert_eq!(EndSessionRequest::parse(&silent).unwrap().client_id(Some(&app)), Ok(Some(app)));
    }

    #[test]
    fn what_is_repeated_or_too_long_is_refused() {
        let twice = Params::parse(b"state=a&state=b").unwrap();
        assert_eq!(EndSessionRequest::parse(&twice).unwrap_err(), DUPLICATED);
        let (hint, state) = ("x".repeat(MAX_ID_TOKEN_HINT + 1), "x".repeat(MAX_STATE + 1));
        assert_eq!(EndSessionRequest::parse(&params(&[("id_token_hint", &hint)])).unwrap_err(), HINT_TOO_LONG);
        assert_eq!(EndSessionRequest::parse(&params(&[("state", &state)])).unwrap_err(), STATE_INVALID);
    }

    proptest! {
        #[test]
        fn l9_state_comes_back_byte_for_byte(state in "[^\0]{1,200}|[+%2B &=#?]{1,20}") {
            let url = url("https://app.ex/out?a=b", Some(&state));
            let params = Params::parse(url.split_once('?').unwrap().1.as_bytes()).unwrap();
            prop_assert_eq!(params.get("state"), Some(state.as_str()));
        }
    }
}
