//! Token exchange (RFC 8693): who may exchange whose token for what.

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::error::{ErrorCode, OAuthError};
use super::scope::Scope;

/// `urn:ietf:params:oauth:token-type:…` (§3): what may be exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    AccessToken,
    IdToken,
}

pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

impl TokenKind {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            ACCESS_TOKEN => Some(Self::AccessToken),
            ID_TOKEN => Some(Self::IdToken),
            _ => None,
        }
    }
}

/// What a client may exchange, and for what. Without one it may exchange nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangePolicy {
    /// The audiences that it may ask tokens for. Never this server's own APIs.
    pub audiences: Vec<String>,
    /// The audiences that are the client itself: it may exchange the tokens that it was called with there. Those that were given
    /// to it, it always may.
    #[serde(default)]
    pub accepts: Vec<String>,
    /// Where it names no actor, the new token does not name it either. Only for people whose token names it in `may_act`, and who
    /// do not administer this server.
    #[serde(default)]
    pub impersonation: bool,
}

/// Who acts, and who acted before (§4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

impl Actor {
    fn depth(&self) -> usize {
        1 + self.act.as_ref().map_or(0, |before| before.depth())
    }
}

/// Who alone may act for the subject of a token (§4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MayAct {
    pub sub: String,
}

/// The most actors that follow one another.
const MAX_ACTORS: usize = 8;

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, description)
}

const fn refuse(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::UnauthorizedClient, reason, "The client may not exchange this token in this way.")
}

pub const PUBLIC_CLIENT: OAuthError = refuse("exchange_by_public_client");
pub const NO_POLICY: OAuthError = refuse("exchange_without_policy");
pub const SUBJECT_TYPE: OAuthError = invalid("subject_token_type_unsupported", "subject_token_type is not supported.");
pub const SUBJECT_INVALID: OAuthError = invalid("subject_token_invalid", "subject_token is not valid.");
pub const SUBJECT_KEY: OAuthError =
    invalid("subject_token_key_not_proved", "subject_token is bound to a key that was not proved.");
/// What the client asks for of each login that it is told of, and what the roles of the person ask for.
pub const SUBJECT_TOO_WEAK: OAuthError =
    invalid("subject_token_too_weak", "subject_token comes of a login that is not strong enough.");
const SUBJECT_OF_OTHERS: OAuthError = invalid("subject_token_of_others", "subject_token is not valid.");
pub const ACTOR_INCOMPLETE: OAuthError = invalid("actor_token_incomplete", "actor_token and actor_token_type belong together.");
pub const ACTOR_TYPE: OAuthError = invalid("actor_token_type_unsupported", "actor_token_type is not supported.");
pub const ACTOR_INVALID: OAuthError = invalid("actor_token_invalid", "actor_token is not valid.");
pub const ACTOR_KEY: OAuthError = invalid("actor_token_key_not_proved", "actor_token is bound to a key that was not proved.");
pub const REQUESTED_TYPE: OAuthError =
    invalid("requested_token_type_unsupported", "requested_token_type must be that of an access token.");
pub const TOO_LONG: OAuthError = invalid("actor_chain_too_long", "Too many have acted already.");
const OTHER_ACTOR: OAuthError = refuse("actor_not_named_by_may_act");
const WITHOUT_MAY_ACT: OAuthError = refuse("impersonation_without_may_act");
pub const OF_AN_ADMINISTRATOR: OAuthError = refuse("impersonation_of_an_administrator");
const TARGET: OAuthError = OAuthError::new(
    ErrorCode::InvalidTarget,
    "exchange_target_not_allowed",
    "The client may not ask for a token for this target.",
);
const NO_TARGET: OAuthError =
    OAuthError::new(ErrorCode::InvalidTarget, "exchange_target_missing", "audience or resource must say what the token is for.");
const SCOPE: OAuthError = OAuthError::new(
    ErrorCode::InvalidScope,
    "scope_wider_than_subject",
    "The scope exceeds that of the subject or of the client.",
);

/// The token that is exchanged.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The client that it was given to.
    pub client_id: &'a str,
    pub audiences: &'a [String],
    pub scope: &'a Scope,
    pub act: Option<&'a Actor>,
    pub may_act: Option<&'a MayAct>,
}

/// May the client exchange this token at all? It was given to it, or it was called with it.
pub fn accepts(client: &Client, policy: &ExchangePolicy, subject: &Subject<'_>) -> Result<(), OAuthError> {
    let was_called = policy.accepts.iter().any(|own| subject.audiences.contains(own));
    if subject.client_id == client.id.as_str() || was_called { Ok(()) } else { Err(SUBJECT_OF_OTHERS) }
}

/// Who the new token says is acting. `named` is the subject of the actor token; without one it is the client itself, or nobody if
/// it may impersonate: the token looks then as if its person used it.
pub fn actor(
    client: &Client,
    policy: &ExchangePolicy,
    subject: &Subject<'_>,
    named: Option<&str>,
) -> Result<Option<Actor>, OAuthError> {
    let acting = named.unwrap_or(client.id.as_str());
    if subject.may_act.is_some_and(|may_act| may_act.sub != acting) {
        return Err(OTHER_ACTOR);
    }
    if named.is_none() && policy.impersonation {
        // Whoever acted before goes on to be named.
        return if subject.may_act.is_some() { Ok(subject.act.cloned()) } else { Err(WITHOUT_MAY_ACT) };
    }
    let actor = Actor { sub: acting.to_owned(), act: subject.act.cloned().map(Box::new) };
    if actor.depth() > MAX_ACTORS { Err(TOO_LONG) } else { Ok(Some(actor)) }
}

/// What the new token is for: everything that was asked for, or the one audience that there is.
pub fn audiences<'a>(policy: &ExchangePolicy, asked: impl Iterator<Item = &'a str>) -> Result<Vec<String>, OAuthError> {
    let mut audiences: Vec<String> = Vec::new();
    for audience in asked {
        if !policy.audiences.iter().any(|allowed| allowed == audience) {
            return Err(TARGET);
        }
        if !audiences.iter().any(|known| known == audience) {
            audiences.push(audience.to_owned());
        }
    }
    match (audiences.is_empty(), policy.audiences.as_slice()) {
        (false, _) => Ok(audiences),
        (true, [only]) => Ok(vec![only.clone()]),
        (true, _) => Err(NO_TARGET),
    }
}

/// What the new token may do: no more than the subject's token and than the client. Neither `openid` nor `offline_access` means
/// anything there: there is no ID token and no refresh token.
pub fn scope(client: &Client, subject: &Subject<'_>, asked: Option<Scope>) -> Result<Scope, OAuthError> {
    let most = subject.scope.intersection(&client.metadata.scope);
    let scope = asked.unwrap_or_else(|| most.clone());
    if !scope.is_subset(&most) {
        return Err(SCOPE);
    }
    Ok(scope.filter(|value| value != "openid" && value != "offline_access"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::testing::client;

    fn policy(impersonation: bool) -> ExchangePolicy {
        ExchangePolicy {
            audiences: vec!["https://a.ex".into(), "https://b.ex".into()],
            accepts: vec!["https://app.ex".into()],
            impersonation,
        }
    }

    fn subject(scope: &Scope) -> Subject<'_> {
        Subject { client_id: "front", audiences: &[], scope, act: None, may_act: None }
    }

    #[test]
    fn a_client_exchanges_what_it_was_given_and_what_it_was_called_with() {
        let (client, scope) = (client(|_| {}), Scope::default());
        assert!(accepts(&client, &policy(false), &Subject { client_id: "app", ..subject(&scope) }).is_ok());
        let called = ["https://other.ex".to_owned(), "https://app.ex".to_owned()];
        assert!(accepts(&client, &policy(false), &Subject { audiences: &called, ..subject(&scope) }).is_ok());
        for audiences in [&called[..1], &[]] {
            assert_eq!(accepts(&client, &policy(false), &Subject { audiences, ..subject(&scope) }), Err(SUBJECT_OF_OTHERS));
        }
    }

    #[test]
    fn actors_follow_one_another_and_not_for_ever() {
        let (client, scope) = (client(|_| {}), Scope::default());
        let first = actor(&client, &policy(false), &subject(&scope), None).unwrap().unwrap();
        assert_eq!(serde_json::to_value(&first).unwrap(), serde_json::json!({ "sub": "app" }));
        let mut last = first;
        for _ in 1..MAX_ACTORS {
            last =
                actor(&client, &policy(false), &Subject { act: Some(&last), ..subject(&scope) }, Some("next")).unwrap().unwrap();
        }
        let next = actor(&client, &policy(false), &Subject { act: Some(&last), ..subject(&scope) }, None);
        assert_eq!(next, Err(TOO_LONG));
    }

    #[test]
    fn may_act_names_the_only_actor_and_is_needed_to_impersonate() {
        let (client, scope) = (client(|_| {}), Scope::default());
        let (own, others) = (MayAct { sub: "app".into() }, MayAct { sub: "other".into() });
        let with = |may_act| Subject { may_act, ..subject(&scope) };
        assert_eq!(actor(&client, &policy(true), &with(Some(&own)), None), Ok(None));
        assert_eq!(actor(&client, &policy(true), &with(None), None), Err(WITHOUT_MAY_ACT));
        for impersonation in [false, true] {
            assert_eq!(actor(&client, &policy(impersonation), &with(Some(&others)), None), Err(OTHER_ACTOR));
            assert!(actor(&client, &policy(impersonation), &with(Some(&others)), Some("other")).unwrap().is_some());
        }
    }

    #[test]
    fn impersonation_keeps_those_who_acted_before() {
        let (client, scope) = (client(|_| {}), Scope::default());
        let (own, before) = (MayAct { sub: "app".into() }, Actor { sub: "before".into(), act: None });
        let subject = Subject { may_act: Some(&own), act: Some(&before), ..subject(&scope) };
        assert_eq!(actor(&client, &policy(true), &subject, None), Ok(Some(before.clone())));
    }

    #[test]
    fn a_target_is_one_of_those_that_are_allowed() {
        let ask = |asked: &[&str]| audiences(&policy(false), asked.iter().copied());
        assert_eq!(ask(&["https://b.ex", "https://b.ex"]), Ok(vec!["https://b.ex".into()]));
        assert_eq!(ask(&["https://a.ex", "https://a.ex/"]), Err(TARGET));
        assert_eq!(ask(&[]), Err(NO_TARGET));
        let only = ExchangePolicy { audiences: vec!["https://a.ex".into()], ..policy(false) };
        assert_eq!(audiences(&only, std::iter::empty()), Ok(vec!["https://a.ex".into()]));
    }

    #[test]
    fn the_scope_is_within_that_of_subject_and_client() {
        let client = client(|_| {});
        let of_subject = Scope::parse("openid email offline_access admin").unwrap();
        let ask = |text: Option<&str>| scope(&client, &subject(&of_subject), text.map(|text| Scope::parse(text).unwrap()));
        assert_eq!(ask(None).unwrap().to_string(), "email");
        assert_eq!(ask(Some("openid")).unwrap().to_string(), "");
        for wider in ["email profile", "admin"] {
            assert_eq!(ask(Some(wider)), Err(SCOPE), "{wider}");
        }
    }
}
