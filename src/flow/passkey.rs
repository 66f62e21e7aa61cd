//! Asking for a passkey, and taking the answer: of pages and of REST alike.
//!
//! A question is options for the browser and a sealed challenge that comes back with the answer. Its first answer spends it,
//! right or wrong, in the transaction that writes down what the answer showed.

use serde::Serialize;
use serde_json::Value;
use webauthn_rs_core::proto::UserVerificationPolicy;

use crate::audit::{self, Kind};
use crate::authn::passkey::challenge::{Ceremony, Challenge, Create, LogIn, Prove};
use crate::authn::passkey::{self, Asserted, Assertion, HANDLE, Owner, Refusal, RelyingParty};
use crate::authn::second_factor::Proof;
use crate::flow::admission::admit_owner;
use crate::flow::login::{Checked, Entrance};
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::outbound::mail::{self, Factor, Message};
use crate::protocol::authentication::Method;
use crate::protocol::id::UserId;
use crate::random;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::db::Tx;
use crate::storage::error::Error;
use crate::storage::passkeys::{self, Counter, Owned, Passkey};
use crate::storage::users::{self, User};
use crate::storage::{self, login_failures, profiles};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Where a passkey is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Counterpart<'a> {
    pub state: &'a AppState,
    pub context: &'a RequestContext,
    /// The secret of whoever is asked: the browser's own cookie, or the session's.
    pub holder: &'a str,
}

/// What a browser needs to ask its person for a passkey.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Question {
    /// For `navigator.credentials`, as JSON (WebAuthn Level 3 §5.1.8).
    #[serde(rename = "publicKey")]
    #[schema(value_type = Object)]
    pub options: Value,
    /// Comes back with the answer.
    pub challenge: String,
}

/// What the browser brings back.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub challenge: &'a str,
    /// The credential, as JSON.
    pub credential: &'a str,
}

/// A passkey that was taken.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub owner: User,
    pub method: Method,
}

/// One that was not.
#[derive(Clone, Debug)]
pub struct Refused {
    pub refusal: Refusal,
    /// Of whom it is, if that is known.
    pub user_id: Option<UserId>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, user_id: None }
    }
}

impl Counterpart<'_> {
    /// Any passkey of anybody will do that verifies its user. `None`: there are no passkeys here.
    pub fn ask_anybody(self) -> Result<Option<Question>, Problem> {
        let Some(party) = &self.state.passkeys else { return Ok(None) };
        let (options, state) = party.request(&[], UserVerificationPolicy::Required).map_err(Problem::internal)?;
        self.question(options, LogIn { state }).map(Some)
    }

    /// One of this person's. `None`: they have none.
    pub async fn ask(self, user: &UserId) -> Result<Option<Question>, Problem> {
        let Some(party) = &self.state.passkeys else { return Ok(None) };
        let allowed = passkeys::list(&mut self.state.db.read().await?, user).await?;
        if allowed.is_empty() {
            return Ok(None);
        }
        let (options, state) = party.request(&allowed, UserVerificationPolicy::Preferred).map_err(Problem::internal)?;
        self.question(options, Prove { user_id: user.clone(), state }).map(Some)
    }

    /// For a new one. `None`: there are no passkeys here.
    pub async fn ask_for_new(self, user: &User) -> Result<Option<Question>, Problem> {
        let Some(party) = &self.state.passkeys else { return Ok(None) };
        let new = random::bytes::<HANDLE>();
        let handle = self.state.db.write(async |tx| passkeys::handle(tx, &user.id, &new).await).await?;
        let (existing, profile) = {
            let mut conn = self.state.db.read().await?;
            (passkeys::list(&mut conn, &user.id).await?, profiles::load(&mut conn, &user.id).await?)
        };
        let name = profile.and_then(|(profile, _)| profile.name).filter(|name| !name.trim().is_empty());
        let sign_in_name = user.sign_in_name.as_str();
        let owner = Owner { handle: &handle, sign_in_name, display_name: name.as_deref().unwrap_or(sign_in_name) };
        let (options, state) = party.creation(owner, &existing).map_err(Problem::internal)?;
        self.question(options, Create { user_id: user.id.clone(), state }).map(Some)
    }

    fn question<C: Ceremony>(self, options: Value, ceremony: C) -> Result<Question, Problem> {
        let challenge = Challenge::new(ceremony, self.context.now).seal(&self.state.flows, self.holder);
        Ok(Question { options, challenge: challenge.map_err(Problem::internal)? })
    }

    /// A first factor: whoever the passkey belongs to.
    pub async fn identify(self, answer: Answer<'_>) -> Result<Result<Accepted, Refused>, Problem> {
        let challenge = match self.open::<LogIn>(answer) {
            Ok(challenge) => challenge,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let checked = self.check(answer, None, |party, assertion, owned| {
            // It has to say whose it is: nobody else has (§7.2 step 6).
            assertion.handle().ok_or(Refusal::OTHER_OWNER)?;
            party.asserted(assertion, &challenge.ceremony.state, owned.passkey.clone(), &owned.handle)
        });
        self.settle(&challenge, checked.await?).await
    }

    /// A factor of a person who is known already.
    pub async fn confirm(self, user: &UserId, answer: Answer<'_>) -> Result<Result<Accepted, Refused>, Problem> {
        let challenge = match self.open::<Prove>(answer) {
            Ok(challenge) if challenge.ceremony.user_id == *user => challenge,
            Ok(_) => return Ok(Err(Refusal::CHALLENGE_FOREIGN.into())),
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let checked = self.check(answer, Some(user), |party, assertion, owned| {
            party.asserted(assertion, &challenge.ceremony.state, owned.passkey.clone(), &owned.handle)
        });
        self.settle(&challenge, checked.await?).await
    }

    fn open<C: Ceremony>(self, answer: Answer<'_>) -> Result<Challenge<C>, Refusal> {
        Challenge::open(&self.state.flows, answer.challenge, self.holder, self.context.now)
    }

    async fn check(
        self,
        answer: Answer<'_>,
        expected: Option<&UserId>,
        verify: impl Fn(&RelyingParty, &Assertion, &Owned) -> Result<Asserted, Refusal>,
    ) -> Result<Result<(User, Asserted), Refused>, Problem> {
        let Some(party) = &self.state.passkeys else { return Ok(Err(Refusal::UNKNOWN.into())) };
        let assertion = match Assertion::parse(answer.credential) {
            Ok(assertion) => assertion,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let found = passkeys::by_id(&mut self.state.db.read().await?, assertion.id()).await?;
        let Some(owned) = found.filter(|owned| expected.is_none_or(|user| *user == owned.owner.id)) else {
            return Ok(Err(Refusal::UNKNOWN.into()));
        };
        let verified = verify(party, &assertion, &owned);
        let verified = if owned.owner.is_active() { verified } else { verified.and(Err(Refusal::USER_DISABLED)) };
        let user_id = Some(owned.owner.id.clone());
        Ok(verified.map(|asserted| (owned.owner, asserted)).map_err(|refusal| Refused { refusal, user_id }))
    }

    /// Spends the challenge, and writes down that the passkey was used, if it was right.
    async fn settle<C: Ceremony>(
        self,
        challenge: &Challenge<C>,
        checked: Result<(User, Asserted), Refused>,
    ) -> Result<Result<Accepted, Refused>, Problem> {
        let settled = self.state.db.write(async |tx| {
            if !challenge.spend(tx, self.context.now).await? {
                return Ok(Err(Refusal::CHALLENGE_SPENT));
            }
            let Ok((owner, asserted)) = &checked else { return Ok(Ok(())) };
            let written = self.write_down(tx, &asserted.passkey).await?;
            if C::FORGIVES && written.is_ok() {
                login_failures::clear(tx, &owner.id).await?;
            }
            Ok(written)
        });
        let settled = settled.await?;
        if let (true, Ok(()), Ok((owner, _))) = (C::FORGIVES, &settled, &checked) {
            self.state.guard.forgive(&owner.id).await;
        }
        Ok(checked.and_then(|(owner, asserted)| match settled {
            Ok(()) => Ok(Accepted { owner, method: asserted.method }),
            Err(refusal) => Err(Refused { refusal, user_id: Some(owner.id) }),
        }))
    }

    async fn write_down(self, tx: &mut Tx, passkey: &Passkey) -> Result<Result<(), Refusal>, Error> {
        let Self { state, context, .. } = self;
        match passkeys::used(tx, passkey, context.now).await? {
            None => Ok(Err(Refusal::UNKNOWN)),
            Some(Counter::Sound) => Ok(Ok(())),
            Some(Counter::Fell) => {
                storage::audit::insert(tx, &about(Kind::PasskeySuspicious, context, &passkey.user_id, &passkey.id)).await?;
                let message = Message::PasskeySuspicious { name: passkey.name.clone() };
                mail::notify(tx, &state.outbox, &passkey.user_id, message, context.now).await?;
                Ok(Ok(()))
            }
        }
    }

    /// Takes a new passkey of `user`, whose browser made it, and calls it `name`.
    pub async fn enrol(self, user: &User, answer: Answer<'_>, name: &str) -> Result<Result<Passkey, Refusal>, Problem> {
        let Self { state, context, .. } = self;
        let Some(party) = &state.passkeys else { return Ok(Err(Refusal::UNKNOWN)) };
        let challenge = match self.open::<Create>(answer) {
            Ok(challenge) if challenge.ceremony.user_id == user.id => challenge,
            Ok(_) => return Ok(Err(Refusal::CHALLENGE_FOREIGN)),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let created = party.created(answer.credential, &challenge.ceremony.state, context.now).map(
            |passkey::Created { id, credential, counter }| {
                let (user_id, name) = (user.id.clone(), name.to_owned());
                Passkey { id, user_id, name, credential, counter, created_at: context.now, last_used_at: None }
            },
        );
        if created.is_ok() {
            admit_owner(state, context, &user.id, (Action::AddFactor, Kind::PasskeyAdded)).await?;
        }
        let written = state.db.write(async |tx| {
            if !challenge.spend(tx, context.now).await? {
                return Ok(Err(Refusal::CHALLENGE_SPENT));
            }
            match &created {
                Ok(passkey) => Ok(self.insert(tx, user, passkey).await?.map(|()| passkey.clone())),
                Err(refusal) => Ok(Err(*refusal)),
            }
        });
        Ok(written.await?)
    }

    async fn insert(self, tx: &mut Tx, user: &User, passkey: &Passkey) -> Result<Result<(), Refusal>, Error> {
        let Self { state, context, .. } = self;
        if !users::stands(tx, user).await? {
            return Ok(Err(Refusal::USER_DISABLED));
        }
        if passkeys::count(tx, &user.id).await? >= i64::from(state.config.passkeys.max_per_person) {
            return Ok(Err(Refusal::TOO_MANY));
        }
        match passkeys::insert(tx, passkey).await {
            Err(Error::Conflict) => return Ok(Err(Refusal::TAKEN)),
            inserted => inserted?,
        }
        storage::audit::insert(tx, &about(Kind::PasskeyAdded, context, &user.id, &passkey.id)).await?;
        let what = Factor::Passkey { name: passkey.name.clone() };
        mail::notify(tx, &state.outbox, &user.id, Message::FactorAdded { what }, context.now).await?;
        Ok(Ok(()))
    }
}

impl Entrance<'_> {
    /// Checks a passkey as a factor of somebody who is known already. It counts once: there is nothing left to spend.
    pub async fn check_passkey(self, user: &UserId, holder: &str, answer: Answer<'_>) -> Result<Checked, Problem> {
        let Self { state, context, client_id, .. } = self;
        let refused = |reason| {
            let (user_id, client_id) = (Some(user.clone()), client_id.cloned());
            state.refusals.refused(Event { client_id, user_id, ..audit::refused(Kind::SecondFactor, context, reason) });
        };
        if !state.guard.admit(Action::Passkey, &Subject::new(context.address), context.now).await.is_allowed() {
            refused("rate_limited");
            return Ok(Checked::TooMany);
        }
        match (Counterpart { state, context, holder }).confirm(user, answer).await? {
            Ok(accepted) => Ok(Checked::Right(Proof::spent(accepted.method))),
            Err(Refused { refusal, .. }) => {
                refused(refusal.0);
                Ok(Checked::Wrong)
            }
        }
    }
}

/// Something that its owner did with a passkey.
pub fn about(kind: Kind, context: &RequestContext, owner: &UserId, id: &str) -> Event {
    Event {
        actor: Actor::User(owner.clone()),
        user_id: Some(owner.clone()),
        details: serde_json::Map::from_iter([("passkey".to_owned(), id.into())]),
        ..audit::event(kind, context)
    }
}
