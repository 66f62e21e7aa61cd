//! A login in steps, of pages and of REST alike: whoever proved a factor asks here what comes next.
//!
//! After a first factor that is not enough nothing is stored: what was proved travels sealed ([`Pending`]). Only the last
//! step begins the session, in one transaction with what it rests on.

use secrecy::SecretString;

use super::visitor::Login;
use crate::audit::{self, Kind};
use crate::authn::login::{Completion, Outcome, complete};
use crate::authn::password::HashingError;
use crate::authn::pending::Pending;
use crate::authn::second_factor::{Failure, Proof, Typed};
use crate::authn::session::{self, Begun, FRESH};
use crate::guard::Subject;
use crate::guard::device::Device;
use crate::guard::limit::Action;
use crate::outbound::mail::{self, Message};
use crate::protocol::authentication::{Acr, Enrolled, Factors, Method, Missing, Offer, missing};
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::consents::Consent;
use crate::storage::db::Tx;
use crate::storage::error::Error;
use crate::storage::sessions::{self, Session};
use crate::storage::users::{self, User};
use crate::storage::{factors, recovery_codes};
use crate::telemetry::findings::note;
use crate::telemetry::metrics::LOGINS;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// What a second factor is a part of, by its id.
#[derive(Clone, Copy, Debug)]
pub enum PartOf<'a> {
    /// A login that waits for it.
    Login(&'a str),
    /// The session of somebody who is logged in, and proves more.
    Session(&'a str),
}

impl<'a> PartOf<'a> {
    const fn id(self) -> &'a str {
        match self {
            Self::Login(id) | Self::Session(id) => id,
        }
    }
}

/// Where a login is being made.
#[derive(Clone, Copy, Debug)]
pub struct Entrance<'a> {
    pub state: &'a AppState,
    pub context: &'a RequestContext,
    /// The session that the browser has: it ends, or goes on as the new one if it is of the same person.
    pub former: Option<&'a Session>,
    /// For whose sake: the client of the flow.
    pub client_id: Option<&'a ClientId>,
    /// What is known of the browser or app: who logged in there before.
    pub device: Option<&'a Device>,
}

/// What comes after a factor was proved.
#[derive(Debug)]
pub enum Step {
    /// The login is complete, and its session stored.
    Done(Box<Begun>),
    /// One of these factors must be proved too. Nothing is stored; the caller seals `pending` for its holder.
    Next { pending: Box<Pending>, offer: Offer },
    /// The code was used before, by somebody who was faster: no login. Like a wrong one for whoever sent it.
    Spent,
    /// The password was changed, or the person disabled or logged out, while the factor was checked: nothing happened.
    Ended,
}

/// What a typed code was found to be.
#[derive(Debug)]
pub enum Checked {
    Right(Proof),
    Wrong,
    /// So many were tried that this one was not looked at.
    TooMany,
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
    /// The person wants to stay logged in there.
    pub remember: bool,
}

impl Entrance<'_> {
    /// After a right password, or a passkey. Who was refused never gets here; who counts successes does it after
    /// [`Step::Done`].
    pub async fn first(self, proved: FirstFactor) -> Result<Step, Problem> {
        let FirstFactor { user, method, rehashed, carried, remember } = proved;
        let now = self.context.now;
        let factors = carried.and(method, now);
        match Standing::of(self.state, &user).await?.missing(&factors) {
            Missing::Proof(offer) => {
                let user = self.renewed(user, rehashed).await?;
                let mut pending = Pending::new(&user, factors, now);
                pending.remember = remember;
                Ok(Step::Next { pending: Box::new(pending), offer })
            }
            // Whoever has nothing to prove it with goes in, and is led to set it up where it is needed.
            Missing::Enrolment(_) | Missing::Nothing => {
                self.begin(&user, (factors, now), remember, (rehashed.as_ref(), None)).await
            }
        }
    }

    /// A login that waits for a second factor which somebody else than its person asks for.
    pub async fn pending(self, proved: FirstFactor) -> Result<Pending, Problem> {
        let FirstFactor { user, method, rehashed, carried, .. } = proved;
        let user = self.renewed(user, rehashed).await?;
        Ok(Pending::new(&user, carried.and(method, self.context.now), self.context.now))
    }

    /// Checks what was typed as a second factor. It is counted before it is looked at: for what it is a part of, for the account, and
    /// for the sender. The password is not locked by that.
    /// Nobody else uses up what a known device of the person may try.
    pub async fn check(self, user: &User, of: PartOf<'_>, typed: &str, offer: Offer) -> Result<Checked, Problem> {
        let Self { state, context, .. } = self;
        let refused = |reason| {
            if let PartOf::Login(_) = of {
                LOGINS.count("code", reason);
            }
            let (user_id, client_id) = (Some(user.id.clone()), self.client_id.cloned());
            state.refusals.refused(Event { client_id, user_id, ..audit::refused(Kind::SecondFactor, context, reason) });
        };
        let Some(typed) = Typed::parse(typed) else {
            note("code_form", "account", &user.id);
            refused("code_malformed");
            return Ok(Checked::Wrong);
        };
        let action = if typed.method() == Method::Totp { Action::Code } else { Action::RecoveryCode };
        let device = state.guard.known_device(self.device, user, context.now);
        let subject = Subject::new(context.address).account(user.id.as_str()).device(device.as_ref()).session(of.id());
        if !state.guard.admit(action, &subject, context.now).await.is_allowed() {
            refused("too_many_codes");
            return Ok(Checked::TooMany);
        }
        match state.codes().check(&user.id, &typed, offer, context.now).await {
            Ok(Some(proof)) => Ok(Checked::Right(proof)),
            Ok(None) => {
                note("code", "account", &user.id);
                note("code", "kind", format_args!("{:?}", typed.method()));
                refused("wrong_code");
                Ok(Checked::Wrong)
            }
            Err(Failure::Storage(error)) => Err(error.into()),
            Err(Failure::Hashing(HashingError::Overloaded)) => Err(Problem::overloaded()),
            Err(error) => Err(Problem::internal(error)),
        }
    }

    /// After a right second factor. It is spent by the login.
    pub async fn second(self, user: &User, pending: &Pending, proof: &Proof) -> Result<Step, Problem> {
        let factors = pending.factors.clone().and(proof.method, self.context.now);
        // A login is as fresh as its first step.
        self.begin(user, (factors, pending.started_at), pending.remember, (None, Some(proof))).await
    }

    async fn begin(
        self,
        user: &User,
        (factors, auth_time): (Factors, Timestamp),
        remember: bool,
        (rehashed, proof): (Option<&SecretString>, Option<&Proof>),
    ) -> Result<Step, Problem> {
        let Self { state, context, former, client_id, device } = self;
        let is_new = !device.is_some_and(|device| device.has_seen(&user.id));
        let remember = remember && state.config.session.remembered_absolute > 0;
        let device = context.device(remember);
        let mut begun =
            session::begin(&state.tokens, (&user.id, factors), device, context.now, &state.config.session).following(former);
        begun.session.auth_time = auth_time;
        let event = Event { client_id: client_id.cloned(), ..proved(user, Kind::UserLogin, &begun.session, context) };
        let (session, ending) = (&begun.session, state.ending(context.now));
        let completion = Completion { user, session, former, ending, rehashed, proof, event: &event };
        let outcome = state
            .db
            .write(async |tx| {
                let outcome = complete(tx, &completion).await?;
                if !matches!(outcome, Outcome::Begun(_)) {
                    return Ok(outcome);
                }
                if let Some(proof) = proof {
                    tell_of(tx, state, &user.id, proof, context).await?;
                }
                if is_new {
                    mail::notify(tx, &state.outbox, &user.id, seen(&begun.session), context.now).await?;
                }
                if users::take_back_deletion(tx, &user.id).await? {
                    let back = proved(user, Kind::UserDeletionTakenBack, &begun.session, context);
                    crate::storage::audit::insert(tx, &back).await?;
                }
                Ok(outcome)
            })
            .await?;
        let reason = match &outcome {
            Outcome::Begun(id) => {
                begun.session.id = id.clone();
                LOGINS.count(begun.session.factors.way(), "success");
                return Ok(Step::Done(Box::new(begun)));
            }
            Outcome::ChangedMeanwhile => "changed_meanwhile",
            Outcome::Spent => "code_replayed",
        };
        LOGINS.count(begun.session.factors.way(), reason);
        let (user_id, client_id) = (event.user_id, event.client_id);
        state.refusals.refused(Event { client_id, user_id, ..audit::refused(Kind::UserLogin, context, reason) });
        Ok(if outcome == Outcome::Spent { Step::Spent } else { Step::Ended })
    }

    /// Somebody who is logged in proved a factor, to be asked for no more or to reach more. The session goes on under a new
    /// secret.
    pub async fn prove(self, login: &Login, proof: &Proof) -> Result<Step, Problem> {
        let Self { state, context, client_id, .. } = self;
        let mut begun = session::renew(&state.tokens, &login.session, proof.method, context.now);
        let standing = Standing::of(state, &login.user).await?;
        begun.session.auth_time = standing.auth_time(&begun.session, context.now);
        let event = proved(&login.user, Kind::UserReauthenticated, &begun.session, context);
        let event = Event { client_id: client_id.cloned(), ..event };
        let user = &login.user;
        let outcome = state
            .db
            .write(async |tx| {
                if !users::stands(tx, user).await? {
                    return Ok(Outcome::ChangedMeanwhile);
                }
                if !proof.spend(tx, &user.id, context.now).await? {
                    return Ok(Outcome::Spent);
                }
                if !sessions::take_over(tx, &login.session.hash, &begun.session).await? {
                    return Ok(Outcome::ChangedMeanwhile);
                }
                tell_of(tx, state, &user.id, proof, context).await?;
                crate::storage::audit::insert(tx, &event).await?;
                Ok(Outcome::Begun(begun.session.id.clone()))
            })
            .await?;
        Ok(match outcome {
            Outcome::Begun(_) => Step::Done(Box::new(begun)),
            Outcome::ChangedMeanwhile => Step::Ended,
            Outcome::Spent => Step::Spent,
        })
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

/// The event of a proof that counted.
pub fn proved(user: &User, kind: Kind, session: &Session, context: &RequestContext) -> Event {
    Event {
        actor: Actor::User(user.id.clone()),
        user_id: Some(user.id.clone()),
        details: serde_json::Map::from_iter([("amr".to_owned(), session.factors.amr().into())]),
        ..audit::event(kind, context)
    }
}

/// What is told of a login from a browser or app in which the person never logged in before.
fn seen(session: &Session) -> Message {
    Message::NewDevice { device: session.device.clone(), address: session.address.clone(), at: session.created_at }
}

/// A recovery code is used when something was lost, or by somebody who found it: its owner is told.
pub async fn tell_of(tx: &mut Tx, state: &AppState, user: &UserId, proof: &Proof, context: &RequestContext) -> Result<(), Error> {
    if proof.method != Method::RecoveryCode {
        return Ok(());
    }
    let left = u32::try_from(recovery_codes::left(tx, user).await?).unwrap_or_default();
    mail::notify(tx, &state.outbox, user, Message::RecoveryCodeUsed { left }, context.now).await
}

/// Which factors a person has, as far as they can be proved here: where no passkey can be asked for nobody has one.
pub async fn enrolled(state: &AppState, user: &UserId) -> Result<Enrolled, Problem> {
    let enrolled = factors::enrolled(&mut state.db.read().await?, user).await?;
    Ok(usable(state, enrolled))
}

/// Without what nobody can prove here.
fn usable(state: &AppState, enrolled: Enrolled) -> Enrolled {
    Enrolled { passkeys: enrolled.passkeys && state.passkeys.is_some(), ..enrolled }
}

/// What a person could prove, and what every login of theirs has to reach, whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub enrolled: Enrolled,
    /// By their roles, and by what they set up themselves.
    pub required: Vec<Acr>,
}

impl Standing {
    pub async fn of(state: &AppState, user: &User) -> Result<Self, Problem> {
        let enrolled = enrolled(state, &user.id).await?;
        Ok(Self::with(state, user, enrolled))
    }

    /// The same, and what this person allowed a client.
    pub async fn with_consent(state: &AppState, user: &User, client: &ClientId) -> Result<(Self, Option<Consent>), Problem> {
        let (enrolled, consent) = factors::enrolled_with_consent(&mut state.db.read().await?, &user.id, client).await?;
        Ok((Self::with(state, user, usable(state, enrolled)), consent))
    }

    fn with(state: &AppState, user: &User, enrolled: Enrolled) -> Self {
        let required = state.config.authentication.required_of(&user.roles).chain(enrolled.own_requirement()).collect();
        Self { enrolled, required }
    }

    /// As of when a session counts whose factors some were proved of again. What was proved lately is a login by itself, where
    /// it is all that one of this person needs: as fresh as its first step.
    pub fn auth_time(&self, session: &Session, now: Timestamp) -> Timestamp {
        let recent = session.factors.since(now - FRESH);
        match (self.missing(&recent), recent.earliest()) {
            (Missing::Nothing | Missing::Enrolment(_), Some(earliest)) => earliest.max(session.auth_time),
            _ => session.auth_time,
        }
    }

    /// What a login with these factors lacks.
    pub fn missing(&self, factors: &Factors) -> Missing {
        missing(factors, self.enrolled, &self.required)
    }
}
