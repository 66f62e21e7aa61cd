//! What an authorization request gets: a login, a question, a code or a refusal (OpenID Connect Core §3.1.2.2 to §3.1.2.6).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::authentication::{Acr, Enrolled, Factors, Missing, Offer, missing};
use super::authorization_request::AuthorizationRequest;
use super::claims_request::ClaimsRequest;
use super::client::Client;
use super::error::{ErrorCode, OAuthError};
use super::id::UserId;
use super::resource::Reach;
use super::scope::Scope;
use super::time::{Seconds, Timestamp};

/// How far two nodes' clocks may be apart before a login counts as one of the future.
const CLOCK_SKEW: Seconds = Seconds(60);

const LOGIN_REQUIRED: OAuthError = OAuthError::new(ErrorCode::LoginRequired, "login_required", "The person is not logged in");
const REAUTHENTICATION_REQUIRED: OAuthError =
    OAuthError::new(ErrorCode::LoginRequired, "max_age_exceeded", "The login is older than max_age");
const OTHER_USER: OAuthError = OAuthError::new(
    ErrorCode::LoginRequired,
    "other_user_logged_in",
    "The person of id_token_hint or of the sub claim is not logged in",
);
const SUBJECTS_DIFFER: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "subjects_differ", "id_token_hint and the sub claim name different persons");
const CONSENT_REQUIRED: OAuthError =
    OAuthError::new(ErrorCode::ConsentRequired, "consent_required", "The person has not agreed to this request");
const INTERACTION_REQUIRED: OAuthError = OAuthError::new(
    ErrorCode::InteractionRequired,
    "client_identity_not_assured",
    "The person must confirm each request of this kind of client",
);
const STEP_UP_REQUIRED: OAuthError =
    OAuthError::new(ErrorCode::InteractionRequired, "step_up_required", "The person must prove another factor");
const UNMET_AUTHENTICATION_REQUIREMENTS: OAuthError = OAuthError::new(
    ErrorCode::UnmetAuthenticationRequirements,
    "acr_unreachable",
    "None of the acr values that were asked for as essential can be met",
);

/// For the consent page's other button.
pub const ACCESS_DENIED: OAuthError = OAuthError::new(ErrorCode::AccessDenied, "consent_denied", "The person said no");

/// All that the decision depends on beside the request itself.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub now: Timestamp,
    /// When the request first came in, before any login for its sake.
    pub started_at: Timestamp,
    /// The browser's live session, of an active person.
    pub session: Option<SessionFacts<'a>>,
    /// The person chose an account on a page of this very flow.
    pub account_selected: bool,
    /// What the person agreed to before.
    pub remembered: Option<&'a ConsentedScope>,
    /// What the person agreed to on the consent page of this very flow.
    pub consented_now: Option<&'a ConsentedScope>,
    pub client: &'a Client,
}

/// What the decision needs to know of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts<'a> {
    pub user_id: &'a UserId,
    /// The `sub` by which the client knows the person.
    pub subject: &'a str,
    pub auth_time: Timestamp,
    pub factors: &'a Factors,
    /// What its person could prove beyond that.
    pub enrolled: Enrolled,
    /// What every login of its person has to reach: by their roles, and by what they set up.
    pub required: &'a [Acr],
}

/// Scope values, names of single claims, and resources that a person agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentedScope {
    pub scope: Scope,
    /// Claims asked for by the `claims` parameter beyond the scope's own: [`ClaimsRequest::beyond`].
    pub claims: BTreeSet<String>,
    pub reach: Reach,
}

impl ConsentedScope {
    /// All that a request asks for.
    pub fn asked(request: &AuthorizationRequest) -> Self {
        Self { scope: request.scope.clone(), claims: request.claims.beyond(&request.scope), reach: request.reach.clone() }
    }

    /// Whether who agreed to this agreed to the request.
    pub fn covers(&self, request: &AuthorizationRequest) -> bool {
        request.scope.is_subset(&self.scope)
            && request.claims.beyond(&self.scope).is_subset(&self.claims)
            && request.reach.is_within(&self.reach)
    }

    /// What counts another time: details are agreed to each time.
    #[must_use]
    pub fn remembered(&self) -> Self {
        let reach = Reach { authorization_details: Vec::new(), ..self.reach.clone() };
        Self { reach, ..self.clone() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    LogIn {
        reason: LoginReason,
    },
    /// One of these second factors is missing, and nothing else.
    ProveFactor(Offer),
    /// The person has no factor that reaches this, and must set one up.
    EnrolFactor(Acr),
    SelectAccount,
    /// Ask for all of this.
    AskConsent(ConsentedScope),
    /// Answer with a code for this much.
    Issue {
        scope: Scope,
        claims: ClaimsRequest,
        acr: Acr,
    },
    Refuse(OAuthError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginReason {
    NoSession,
    /// `prompt=login`.
    Prompt,
    /// `prompt=create`: an account is to be made.
    Create,
    MaxAge,
    /// Somebody else than the hinted person is logged in.
    OtherUser,
}

/// Decides. Called again after each step that the person took: it never leads in a circle, because a login that began
/// after the request did is not asked for twice, and a factor that was proved is not missing.
pub fn decide(request: &AuthorizationRequest, situation: &Situation<'_>) -> Decision {
    match decide_login(request, situation) {
        Ok(acr) => decide_consent(request, situation, acr),
        Err(decision) => decision,
    }
}

/// The `acr` to tell, of a login that is all that it has to be.
fn decide_login(request: &AuthorizationRequest, situation: &Situation<'_>) -> Result<Acr, Decision> {
    let log_in = |reason, error| Err(if request.prompt.none { Decision::Refuse(error) } else { Decision::LogIn { reason } });

    let essential = essential(request).map_err(Decision::Refuse)?;
    let subject = hinted_subject(request).map_err(Decision::Refuse)?;
    let Some(session) = situation.session else {
        let reason = if request.prompt.create { LoginReason::Create } else { LoginReason::NoSession };
        return log_in(reason, LOGIN_REQUIRED);
    };
    let is_fresh = session.auth_time >= situation.started_at && session.auth_time <= situation.now + CLOCK_SKEW;

    // Whoever has an account after all may log in instead.
    if request.prompt.create && !is_fresh {
        return Err(Decision::LogIn { reason: LoginReason::Create });
    }
    // Never answered about anybody else (OpenID Connect Core §3.1.2.2).
    if subject.is_some_and(|subject| subject != session.subject) {
        return if is_fresh { Err(Decision::Refuse(OTHER_USER)) } else { log_in(LoginReason::OtherUser, OTHER_USER) };
    }
    if request.prompt.login && !is_fresh {
        return Err(Decision::LogIn { reason: LoginReason::Prompt });
    }
    let expired = |max_age| session.auth_time + max_age < situation.now || session.auth_time > situation.now + CLOCK_SKEW;
    if !is_fresh && request.max_age.is_some_and(expired) {
        return log_in(LoginReason::MaxAge, REAUTHENTICATION_REQUIRED);
    }
    let step_up = match missing_factor(request, situation.client, &session, &essential) {
        Missing::Nothing => None,
        Missing::Proof(offer) => Some(Decision::ProveFactor(offer)),
        Missing::Enrolment(acr) => Some(Decision::EnrolFactor(acr)),
    };
    if let Some(step_up) = step_up {
        return Err(if request.prompt.none { Decision::Refuse(STEP_UP_REQUIRED) } else { step_up });
    }
    // Whoever typed a name on the login page has chosen.
    if request.prompt.select_account && !situation.account_selected && !is_fresh {
        return Err(Decision::SelectAccount);
    }
    let voluntary = request.claims.voluntary_acrs();
    let asked = essential.iter().map(|acr| acr.as_str()).chain(request.acr_values.iter().map(String::as_str)).chain(voluntary);
    Ok(session.factors.acr_for(asked))
}

/// The `acr` values one of which must be reached, in the client's order; none if it insists on none. Those that this server
/// doesn't know are left out.
fn essential(request: &AuthorizationRequest) -> Result<Vec<Acr>, OAuthError> {
    let Some(values) = request.claims.essential_acrs() else { return Ok(Vec::new()) };
    let known: Vec<Acr> = values.into_iter().filter_map(Acr::parse).collect();
    if known.is_empty() { Err(UNMET_AUTHENTICATION_REQUIREMENTS) } else { Ok(known) }
}

/// What the session lacks of what its person's roles, the client's registration and the request ask for.
fn missing_factor(request: &AuthorizationRequest, client: &Client, session: &SessionFacts<'_>, essential: &[Acr]) -> Missing {
    let mut required = session.required.to_vec();
    required.extend(client.metadata.required_acr);
    // Of several values that would do, the first that the person can prove; else the first that they could set up.
    let provable = |acr: &Acr| session.enrolled.offer(*acr).is_some();
    if !essential.iter().any(|acr| session.factors.satisfies(*acr)) {
        required.extend(essential.iter().copied().find(provable).or(essential.first().copied()));
    }
    // A wish is worth one proof of what the person has: no enrolment, and no refusal (OpenID Connect Core §3.1.2.1 acr_values,
    // §5.5.1.1).
    let wishes = request.acr_values.iter().map(String::as_str).chain(request.claims.voluntary_acrs());
    let wishes: Vec<Acr> = wishes.filter_map(Acr::parse).collect();
    if !request.prompt.none && !wishes.iter().any(|acr| session.factors.satisfies(*acr)) {
        required.extend(wishes.into_iter().find(provable));
    }
    missing(session.factors, session.enrolled, &required)
}

/// The person that `id_token_hint` or the `sub` claim's value names.
fn hinted_subject(request: &AuthorizationRequest) -> Result<Option<&str>, OAuthError> {
    match (request.id_token_hint_sub.as_deref(), request.claims.subject()) {
        (Some(hint), Some(claim)) if hint != claim => Err(SUBJECTS_DIFFER),
        (hint, claim) => Ok(hint.or(claim)),
    }
}

fn decide_consent(request: &AuthorizationRequest, situation: &Situation<'_>, acr: Acr) -> Decision {
    let asked = ConsentedScope::asked(request);
    if let Some(given) = situation.consented_now {
        // The login itself is not a choice of the page; it stays even if nothing else does.
        let scope = request.scope.filter(|value| value == "openid" || given.scope.contains(value));
        if scope.is_empty() {
            return Decision::Refuse(ACCESS_DENIED);
        }
        let claims = request.claims.limited_to(&scope, &given.claims);
        return Decision::Issue { scope, claims, acr };
    }
    let everything = || Decision::Issue { scope: request.scope.clone(), claims: request.claims.clone(), acr };
    let ask = |error| if request.prompt.none { Decision::Refuse(error) } else { Decision::AskConsent(asked.clone()) };

    if request.prompt.consent {
        return Decision::AskConsent(asked);
    }
    // Anybody can say they are such a client, so that nothing happens behind the person's back (RFC 8252 §8.6): one that gets tokens
    // with the redirect never has to show its secret. And what a client publishes may be another one's by now.
    let is_anybody = situation.client.is_public() || request.response_type.is_legacy();
    if situation.client.is_published() || is_anybody && request.redirect_uri.can_be_intercepted() {
        return ask(INTERACTION_REQUIRED);
    }
    if situation.client.metadata.first_party {
        return everything();
    }
    if situation.remembered.is_some_and(|given| given.covers(request)) { everything() } else { ask(CONSENT_REQUIRED) }
}

#[cfg(test)]
mod tests;
