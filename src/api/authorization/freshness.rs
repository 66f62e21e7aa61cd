//! Is it still you? What is sensitive is done for somebody alone who proved a factor within the last minutes, and all that every
//! login of theirs has to reach: the rule of the account's pages, told to applications in the words of RFC 9470.

use super::{Caller, Identity};
use crate::api::error::ApiError;
use crate::authn::session::is_fresh;
use crate::flow::login::Standing;
use crate::protocol::access_token::AccessTokenClaims;
use crate::protocol::authentication::{Acr, Missing, missing_to};
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::sessions::Session;
use crate::storage::users::User;
use crate::web::context::RequestContext;

/// How and when the person of a request proved who they are.
#[derive(Clone, Debug)]
pub struct Proved {
    /// The last of their factors.
    at: Option<Timestamp>,
    reached: Vec<Acr>,
}

impl Proved {
    pub(super) fn of_session(session: &Session) -> Self {
        let reached = Acr::ALL.into_iter().filter(|acr| session.factors.satisfies(*acr)).collect();
        Self { at: session.factors.latest(), reached }
    }

    /// `own` is the session that stands for the token's grant. A proof is worth something to the token that was given for it and
    /// to no other one, neither from before nor of a refresh token: whoever found that is not the one who proved anything. To
    /// those the login itself is the last proof.
    pub(super) fn of_token(claims: &AccessTokenClaims, own: Option<&Session>) -> Self {
        let at = match own {
            Some(_) if claims.jti.is_of_proof() => Some(claims.iat),
            Some(session) => Some(session.created_at),
            None => claims.auth_time,
        };
        Self { at, reached: Acr::ALL.into_iter().filter(|acr| acr.is_met_by(&claims.amr)).collect() }
    }

    pub(super) fn reaches(&self, acr: Acr) -> bool {
        self.reached.contains(&acr)
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        is_fresh(self.at, now)
    }
}

impl Caller {
    /// The person, if they proved just now that it is them, and have proved all that their login has to reach, as far as they
    /// could. To be asked before each change that a thief would make.
    pub async fn fresh(&self, state: &AppState, context: &RequestContext) -> Result<&User, ApiError> {
        let user = self.person()?;
        let Identity::Person { proved, .. } = &self.identity else { return Err(ApiError::not_a_person()) };
        let Standing { enrolled, required } = Standing::of(state, user).await?;
        if let Missing::Proof(_) = missing_to(|acr| proved.reaches(acr), enrolled, &required) {
            let wanted = required.into_iter().filter(|acr| !proved.reaches(*acr) && enrolled.offer(*acr).is_some()).max();
            return Err(ApiError::reauthentication_required(wanted));
        }
        if proved.is_fresh(context.now) { Ok(user) } else { Err(ApiError::reauthentication_required(None)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::access_token::TokenId;
    use crate::protocol::authentication::{Factors, Method};
    use crate::protocol::id::GrantId;
    use crate::protocol::time::Seconds;

    const NOON: Timestamp = Timestamp::from_micros(1_800_000_000_500_000);

    fn fresh_after(proved: &Proved, seconds: i64) -> bool {
        proved.is_fresh(NOON + Seconds(seconds))
    }

    #[test]
    fn a_proof_is_fresh_for_five_minutes() {
        let proved = Proved { at: Some(NOON), reached: Vec::new() };
        assert!(fresh_after(&proved, 0) && fresh_after(&proved, 300));
        assert!(!fresh_after(&proved, 301));
        assert!(!fresh_after(&Proved { at: None, reached: Vec::new() }, 0));
    }

    #[test]
    fn a_token_that_was_not_given_for_the_proof_gains_nothing_by_it() {
        let session = session(Factors::of(Method::Password, NOON).and(Method::Totp, NOON + Seconds(60)));
        let grant = GrantId::parse("g").unwrap();
        let token =
            |jti: TokenId, seconds: i64| AccessTokenClaims { jti, ..claims(Timestamp::from_seconds(1_800_000_000 + seconds)) };
        let at = |token: AccessTokenClaims| Proved::of_token(&token, Some(&session)).at;
        for seconds in [0, 59, 60, 61] {
            let ordinary = token(TokenId::of_grant(&grant, "a"), seconds);
            assert_eq!(at(ordinary.clone()), Some(NOON), "before the proof, in its second, or refreshed since");
            assert_eq!(Proved::of_token(&ordinary, None).at, Some(NOON), "what the token says itself");
        }
        let given = token(TokenId::of_proof(&grant, "a"), 60);
        assert_eq!(given.jti.grant(), Some(grant.clone()));
        assert_eq!(at(given), Some(Timestamp::from_seconds(1_800_000_060)));
    }

    #[test]
    fn a_token_reaches_what_it_says_whatever_the_session_reaches_by_now() {
        let session = session(Factors::of(Method::Password, NOON).and(Method::Totp, NOON));
        assert!(Proved::of_session(&session).reaches(Acr::Multi));
        let proved = Proved::of_token(&claims(NOON), Some(&session));
        assert!(proved.reaches(Acr::Single) && !proved.reaches(Acr::Multi));
    }

    fn claims(iat: Timestamp) -> AccessTokenClaims {
        serde_json::from_value(serde_json::json!({
            "iss": "https://id.example", "sub": "ada", "aud": "https://id.example/api/v1", "exp": iat.as_seconds() + 900,
            "iat": iat.as_seconds(), "jti": "a", "client_id": "app", "scope": "account:write", "amr": ["pwd"],
        }))
        .map(|claims| AccessTokenClaims { auth_time: Some(NOON), ..claims })
        .unwrap()
    }

    fn session(factors: Factors) -> Session {
        use crate::authn::session::{Device, begin};
        use crate::keys::hash::TokenHasher;
        use crate::keys::root::Root;
        let config = crate::config::SessionConfig::default();
        let ada = crate::protocol::id::UserId::parse("ada").unwrap();
        begin(&TokenHasher::new(&Root::random()), (&ada, factors), Device::default(), NOON, &config).session
    }
}
