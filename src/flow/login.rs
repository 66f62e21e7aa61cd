//! A login in steps, of pages and of REST alike: whoever proved a factor asks here what comes next.
//!
//! After a first factor that is not enough nothing is stored: what was proved travels sealed ([`Pending`]). Only the last
//! step begins the session, in one transaction with what it rests on.

use secrecy::SecretString;

use crate::audit::{self, Kind};
use crate::authn::login::{Completion, complete};
use crate::authn::pending::Pending;
use crate::authn::session::{self, Begun};
use crate::config::AuthenticationConfig;
use crate::protocol::authentication::{Acr, Enrolled, Factors, Method, Missing, Offer, missing};
use crate::protocol::id::{ClientId, SessionId};
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::factors;
use crate::storage::users::User;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Where a login is being made.
#[derive(Clone, Copy, Debug)]
pub struct Entrance<'a> {
    pub state: &'a AppState,
    pub context: &'a RequestContext,
    /// The session that the browser has and that the new one takes the place of.
    pub former: Option<&'a SessionId>,
    /// For whose sake: the client of the flow.
    pub client_id: Option<&'a ClientId>,
}

/// What comes after a factor was proved.
#[derive(Debug)]
pub enum Step {
    /// The login is complete, and its session stored.
    Done(Box<Begun>),
    /// One of these factors must be proved too. Nothing is stored; the caller seals `pending` for its holder.
    Next { pending: Box<Pending>, offer: Offer },
    /// The password was changed, or the person disabled, while the factor was checked: no login. Recorded already.
    Ended,
}

/// What a first factor showed.
#[derive(Debug)]
pub struct FirstFactor {
    /// As they were when it was checked.
    pub user: User,
    /// [`Method::stands_alone`].
    pub method: Method,
    /// See [`crate::authn::login::Attempt::Accepted`].
    pub rehashed: Option<SecretString>,
    /// Second factors of the session that the same person has in this browser, which are young enough for the request at
    /// hand: they need not be proved again.
    pub carried: Factors,
}

impl Entrance<'_> {
    /// After a right password, or a passkey. Who was refused never gets here; who counts successes does it after
    /// [`Step::Done`].
    pub async fn first(self, proved: FirstFactor) -> Result<Step, Problem> {
        let FirstFactor { user, method, rehashed, carried } = proved;
        let now = self.context.now;
        let factors = carried.and(method, now);
        let enrolled = factors::enrolled(&mut self.state.db.read().await?, &user.id).await?;
        match missing(&factors, enrolled, &required(&user, enrolled, &self.state.config.authentication)) {
            Missing::Proof(offer) => {
                let user = self.renewed(user, rehashed).await?;
                Ok(Step::Next { pending: Box::new(Pending::new(&user, factors, now)), offer })
            }
            // Whoever has nothing to prove it with goes in, and is led to set it up where it is needed.
            Missing::Enrolment(_) | Missing::Nothing => self.begin(&user, factors, rehashed.as_ref()).await,
        }
    }

    async fn begin(self, user: &User, factors: Factors, rehashed: Option<&SecretString>) -> Result<Step, Problem> {
        let Self { state, context, former, client_id } = self;
        let (user_agent, address) = (context.user_agent(), context.address.to_string());
        let device = session::Device { user_agent: &user_agent, address: &address };
        let begun = session::begin(&state.tokens, (&user.id, factors), device, context.now, &state.config.session);
        let event = Event {
            actor: Actor::User(user.id.clone()),
            user_id: Some(user.id.clone()),
            client_id: client_id.cloned(),
            details: serde_json::Map::from_iter([("amr".to_owned(), begun.session.factors.amr().into())]),
            ..audit::event(Kind::UserLogin, context)
        };
        let completion = Completion { user, session: &begun.session, former, rehashed, event: &event };
        if state.db.write(async |tx| complete(tx, &completion).await).await? {
            return Ok(Step::Done(Box::new(begun)));
        }
        let (user_id, client_id) = (event.user_id, event.client_id);
        state.refusals.refused(Event { user_id, client_id, ..audit::refused(Kind::UserLogin, context, "changed_meanwhile") });
        Ok(Step::Ended)
    }

    /// A hash with old parameters is replaced before the next factor is asked for: the password is not at hand later.
    async fn renewed(self, mut user: User, rehashed: Option<SecretString>) -> Result<User, Problem> {
        if let (Some(old), Some(new)) = (&user.password_hash, rehashed) {
            let (id, old) = (user.id.clone(), old.clone());
            if self.state.db.write(async |tx| crate::storage::users::rehash(tx, &id, &old, &new).await).await? {
                user.password_hash = Some(new);
            }
        }
        Ok(user)
    }
}

/// What a login of this person has to reach, whoever asks: by their roles, and by what they set up themselves.
pub fn required(user: &User, enrolled: Enrolled, policy: &AuthenticationConfig) -> Vec<Acr> {
    let of_roles = user.roles.iter().filter_map(|role| policy.required_acr_by_role.get(role)).copied();
    of_roles.chain(enrolled.own_requirement()).collect()
}
