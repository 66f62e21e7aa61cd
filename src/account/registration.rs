//! Registering: nobody exists before the code from the mailbox is right.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::code::{self, Draft, Holder, Letter};
use super::{Complaint, admitted, by, hash, invitation};
use crate::audit::{self, Kind};
use crate::authn::password::{Checked, Password, Strength};
use crate::authn::session::{self, Begun};
use crate::config::{Identifier, RegistrationMode};
use crate::guard::limit::Action;
use crate::guard::{Subject, Verdict};
use crate::outbound::mail::Message;
use crate::protocol::authentication::{Factors, Method};
use crate::protocol::email_address::EmailAddress;
use crate::protocol::id::UserId;
use crate::protocol::profile::Profile;
use crate::protocol::sign_in_name::SignInName;
use crate::random;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::db::Tx;
use crate::storage::email_codes::{self, Purpose};
use crate::storage::error::Error as StorageError;
use crate::storage::invitations::{self, Invitation};
use crate::storage::sessions::{Ending, Session};
use crate::storage::users::{self, User, UserStatus};
use crate::storage::{email_addresses, profiles};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// What somebody typed who wants to register.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Where the configuration asks for one.
    pub sign_in_name: &'a str,
    /// The same.
    pub address: &'a str,
    pub password: &'a SecretString,
    /// The language that they read.
    pub locale: Option<&'a str>,
    /// The token of the link that they came by.
    pub invitation: Option<&'a str>,
    /// A challenge and its solution.
    pub proof: Option<(&'a str, &'a str)>,
    /// The session that the browser has, which ends when the new one begins.
    pub former: Option<&'a Session>,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// A code is on its way, or a notice: show the code with this id.
    Code(String),
    /// There was no address to prove: somebody is registered, and logged in.
    Done(Box<Begun>),
    Refused {
        complaints: Vec<Complaint>,
        strength: Option<Strength>,
    },
    /// Nobody may register, or the invitation is not good any more.
    Closed,
}

/// What lies sealed until the code is right.
#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    sign_in_name: SignInName,
    address: Option<EmailAddress>,
    password_hash: String,
    locale: Option<String>,
    /// Hash of the invitation's token.
    invitation: Option<[u8; 32]>,
}

/// What may be registered with now, and the invitation that a link is. `None`: nothing.
pub async fn door(
    state: &AppState,
    context: &RequestContext,
    token: Option<&str>,
) -> Result<Option<(Identifier, Option<Invitation>)>, Problem> {
    let config = &state.config.registration;
    let invitation = match token {
        Some(token) => invitation::of_link(state, token, context.now).await?,
        None => None,
    };
    let open = match config.mode {
        // A link that is not good is no way in, even where none is needed: what it promised would be missing.
        RegistrationMode::Open => token.is_none() || invitation.is_some(),
        RegistrationMode::Invitation => invitation.is_some(),
        RegistrationMode::Closed => false,
    };
    Ok(open.then_some((config.identifier, invitation)))
}

/// Takes a wish to register. An address that has an account gets the same answer as one that has none, after the same work; its
/// owner is told by mail. A sign-in name that is taken is told: whoever chooses one has to know.
pub async fn begin(state: &AppState, context: &RequestContext, holder: Holder, wish: Wish<'_>) -> Result<Outcome, Problem> {
    let refused = |complaint| Ok(Outcome::Refused { complaints: vec![complaint], strength: None });
    // Where no address is asked for, each sender counts for itself.
    let domain = wish.address.rsplit_once('@').filter(|_| state.config.registration.identifier.has_address());
    let domain = domain.map_or_else(|| context.address.to_string(), |(_, domain)| domain.to_lowercase());
    let subject = Subject::new(context.address).mail_domain(&domain);
    match state.guard.admit(Action::Register, &subject, context.now).await {
        Verdict::Allowed => {}
        Verdict::Refused { .. } => return refused(Complaint::TooMany),
        Verdict::Challenge => {
            let Some(proof) = wish.proof else { return refused(Complaint::Challenge) };
            if !state.guard.redeem(Action::Register, context.address, proof, context.now).await? {
                return refused(Complaint::Challenge);
            }
        }
    }
    let Some((identifier, invitation)) = door(state, context, wish.invitation).await? else { return Ok(Outcome::Closed) };
    let former = wish.former;
    let (name, address, password) = match read(state, identifier, invitation.as_ref(), wish).await {
        Ok(read) => read,
        Err((complaints, strength)) => return Ok(Outcome::Refused { complaints, strength }),
    };
    let password_hash = match hash(state, &password).await? {
        Ok(hash) => hash,
        Err(complaint) => return refused(complaint),
    };
    if identifier.has_name() && users::find_by_login_name(&mut state.db.read().await?, name.as_str()).await?.is_some() {
        return refused(Complaint::NameTaken);
    }
    let pending = Pending {
        sign_in_name: name,
        address: address.clone(),
        password_hash: password_hash.expose_secret().to_owned(),
        locale: wish.locale.map(str::to_owned),
        invitation: invitation.map(|invitation| invitation.hash),
    };
    let Some(address) = address else { return create_at_once(state, context, &pending, former).await };
    send(state, context, holder, &pending, &address).await.map(Outcome::Code)
}

/// Sends the code once more, for the same wish. Gives its new id.
pub async fn again(
    state: &AppState,
    context: &RequestContext,
    holder: Holder,
    id: &str,
) -> Result<Result<String, Complaint>, Problem> {
    let refuse = |reason, complaint| {
        state.refusals.refused(audit::refused(Kind::RegistrationRequested, context, reason));
        Ok(Err(complaint))
    };
    let subject = Subject::new(context.address);
    if !admitted(state, Action::RequestMail, &subject, context.now).await {
        return refuse("rate_limited", Complaint::TooMany);
    }
    let claim = holder.claim(id, Purpose::Register, context.now);
    let row = email_codes::load(&mut state.db.read().await?, claim).await?;
    let pending = row.and_then(|row| opened(state, &row));
    match pending.as_ref().and_then(|pending| Some((pending, pending.address.as_ref()?))) {
        Some((pending, address)) => send(state, context, holder, pending, address).await.map(Ok),
        None => refuse("code_unknown", Complaint::Code),
    }
}

/// The address that a code was sent to, for its holder to see what they typed.
pub async fn address_of(state: &AppState, context: &RequestContext, holder: Holder, id: &str) -> Result<Option<String>, Problem> {
    let claim = holder.claim(id, Purpose::Register, context.now);
    let row = email_codes::load(&mut state.db.read().await?, claim).await?;
    Ok(row.and_then(|row| opened(state, &row)).and_then(|pending| pending.address).map(|address| address.as_str().to_owned()))
}

async fn send(
    state: &AppState,
    context: &RequestContext,
    holder: Holder,
    pending: &Pending,
    address: &EmailAddress,
) -> Result<String, Problem> {
    let taken = email_addresses::is_taken(&mut state.db.read().await?, address, None).await?;
    let draft = Draft {
        purpose: Purpose::Register,
        holder,
        user_id: None,
        address,
        locale: pending.locale.as_deref(),
        letter: if taken { Letter::Notice(Message::AccountExists) } else { Letter::Code },
        wish: Some(&serde_json::to_vec(pending).map_err(Problem::internal)?),
        event: audit::event(Kind::RegistrationRequested, context),
    };
    code::send(state, context, &draft).await
}

/// Registers whoever shows the right code, and logs them in. `former` is the session that the browser has.
pub async fn finish(
    state: &AppState,
    context: &RequestContext,
    holder: Holder,
    (id, typed): (&str, &str),
    former: Option<&Session>,
) -> Result<Result<Box<Begun>, Complaint>, Problem> {
    let refuse = |reason| {
        state.refusals.refused(audit::refused(Kind::UserRegistered, context, reason));
        Ok(Err(Complaint::Code))
    };
    let Some(hash) = code::typed(state, context, Purpose::Register, id, typed).await else {
        return Ok(Err(Complaint::TooMany));
    };
    let claim = holder.claim(id, Purpose::Register, context.now);
    let row = email_codes::load(&mut state.db.read().await?, claim).await?;
    let Some(pending) = row.and_then(|row| opened(state, &row)) else { return refuse("code_unknown") };
    let newcomer = Newcomer::new(state, context, &pending)?;
    let created = state
        .db
        .write(async |tx| {
            if !email_codes::spend(tx, claim, &hash).await? {
                return Ok(false);
            }
            newcomer.store(tx, former, state.ending(context.now)).await?;
            Ok(true)
        })
        .await;
    match created {
        Ok(true) => Ok(Ok(Box::new(newcomer.begun))),
        Ok(false) => refuse("code_wrong"),
        // The name or the address was taken, or the invitation used, since the code was sent.
        Err(StorageError::Conflict) => {
            state.db.write(async |tx| email_codes::spend(tx, claim, &hash).await).await?;
            refuse("taken_meanwhile")
        }
        Err(error) => Err(error.into()),
    }
}

async fn create_at_once(
    state: &AppState,
    context: &RequestContext,
    pending: &Pending,
    former: Option<&Session>,
) -> Result<Outcome, Problem> {
    let newcomer = Newcomer::new(state, context, pending)?;
    match state.db.write(async |tx| newcomer.store(tx, former, state.ending(context.now)).await).await {
        Ok(()) => Ok(Outcome::Done(Box::new(newcomer.begun))),
        Err(StorageError::Conflict) => Ok(Outcome::Refused { complaints: vec![Complaint::NameTaken], strength: None }),
        Err(error) => Err(error.into()),
    }
}

/// Somebody who is about to be stored.
struct Newcomer<'a> {
    user: User,
    begun: Begun,
    pending: &'a Pending,
    event: Event,
}

impl<'a> Newcomer<'a> {
    fn new(state: &AppState, context: &RequestContext, pending: &'a Pending) -> Result<Self, Problem> {
        let user = User {
            id: UserId::parse(random::uuid()).map_err(Problem::internal)?,
            sign_in_name: pending.sign_in_name.clone(),
            password_hash: Some(pending.password_hash.clone().into()),
            password_changed_at: Some(context.now),
            status: UserStatus::Active,
            roles: Vec::new(),
            created_at: context.now,
            updated_at: context.now,
            version: 1,
        };
        // Whoever has just chosen the password need not type it again.
        let factors = Factors::of(Method::Password, context.now);
        let begun = session::begin(&state.tokens, (&user.id, factors), context.device(false), context.now, &state.config.session);
        Ok(Self { event: by(&user.id, Kind::UserRegistered, context), user, begun, pending })
    }

    async fn store(&self, tx: &mut Tx, former: Option<&Session>, ending: Ending) -> Result<(), StorageError> {
        let (mut user, now) = (self.user.clone(), self.event.at);
        let mut event = self.event.clone();
        if let Some(hash) = &self.pending.invitation {
            let invitation = invitations::by_hash(tx, hash, now).await?.ok_or(StorageError::Conflict)?;
            event.details.insert("invitation_id".to_owned(), invitation.id.into());
            event.details.insert("roles".to_owned(), invitation.roles.clone().into());
            user.roles = invitation.roles;
        }
        users::insert(tx, &user).await?;
        if let Some(hash) = &self.pending.invitation
            && !invitations::accept(tx, hash, &user.id, now).await?
        {
            return Err(StorageError::Conflict);
        }
        if self.pending.locale.is_some() {
            let profile = Profile { locale: self.pending.locale.clone(), ..Profile::default() };
            profiles::save(tx, &user.id, &profile, now).await?;
        }
        if let Some(address) = &self.pending.address {
            email_addresses::save(tx, &user.id, address, true, now).await?;
        }
        session::replace(tx, former, &self.begun.session, ending).await?;
        crate::storage::audit::insert(tx, &event).await
    }
}

fn opened(state: &AppState, row: &email_codes::EmailCode) -> Option<Pending> {
    serde_json::from_slice(&code::open(state, row)?).ok()
}

type Read = (SignInName, Option<EmailAddress>, Password);

/// Name, address and password, or all that is wrong with them.
async fn read(
    state: &AppState,
    identifier: Identifier,
    invitation: Option<&Invitation>,
    wish: Wish<'_>,
) -> Result<Read, (Vec<Complaint>, Option<Strength>)> {
    let mut complaints = Vec::new();
    // An address as a name would be one that nobody proved.
    let name = SignInName::parse(wish.sign_in_name).ok().filter(|name| !name.canonical().contains('@'));
    if identifier.has_name() && name.is_none() {
        complaints.push(Complaint::Name);
    }
    let address = EmailAddress::parse(wish.address).ok();
    // Whoever is invited by an address has to prove it, and can't where none is asked for.
    if !identifier.has_address() && invitation.is_some_and(|invitation| invitation.address.is_some()) {
        complaints.push(Complaint::AddressDomain);
    }
    if identifier.has_address() {
        match &address {
            None => complaints.push(Complaint::Address),
            Some(address) if !is_welcome(state, invitation, address) => complaints.push(Complaint::AddressDomain),
            Some(_) => {}
        }
    }
    let address = address.filter(|_| identifier.has_address());
    let sign_in_name = if identifier.has_name() { name } else { address.clone().map(SignInName::from) };
    let Checked { password, strength } =
        state.password_policy.check(wish.password.expose_secret(), wish.sign_in_name, &[wish.address]).await;
    if let Err(problem) = &password {
        complaints.push(Complaint::Password(*problem));
    }
    match (sign_in_name, password) {
        (Some(name), Ok(password)) if complaints.is_empty() => Ok((name, address, password)),
        _ => Err((complaints, strength)),
    }
}

/// The address that was invited, or one of an allowed domain.
fn is_welcome(state: &AppState, invitation: Option<&Invitation>, address: &EmailAddress) -> bool {
    if let Some(invited) = invitation.and_then(|invitation| invitation.address.as_deref()) {
        return invited == address.canonical();
    }
    let allowed = &state.config.registration.allowed_domains;
    allowed.is_empty() || allowed.iter().any(|domain| is_domain(domain, address))
}

fn is_domain(configured: &str, address: &EmailAddress) -> bool {
    // The configuration was checked: it parses.
    EmailAddress::parse(&format!("a@{configured}")).is_ok_and(|example| example.domain() == address.domain())
}
