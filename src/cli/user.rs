//! `ostiary user`: people.

mod import;
mod invite;

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::failure::Failure;
use super::output::{self, Output, table};
use super::start::Installation;
use crate::account::end_everything;
use crate::api::users::factors::take_away;
use crate::api::users::normal_roles;
use crate::audit::{self, Kind};
use crate::authn::password::PasswordHasher;
use crate::config::Config;
use crate::outbound::mail::Outbox;
use crate::protocol::id::UserId;
use crate::protocol::sign_in_name::SignInName;
use crate::random;
use crate::storage::audit::{Actor, Event, insert as record};
use crate::storage::error::Error as StorageError;
use crate::storage::login_failures;
use crate::storage::page::{MAX_LIMIT, Page};
use crate::storage::users::{self, User, UserFilter, UserStatus};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a person. The password is asked for, or read from standard input.
    #[command(after_help = "\
Examples:
  ostiary user create anna@example.com --role admin
  pwgen 20 1 | ostiary user create anna@example.com --password-stdin")]
    Create {
        /// The name or e-mail address to log in with.
        sign_in_name: String,
        /// A role; may be given several times. 'admin' administers this server.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        #[command(flatten)]
        password: PasswordSource,
        /// Set no password: this person can't log in until they have one.
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
    },
    /// Import people of another system, with the hashes of their passwords (argon2, bcrypt, scrypt, PBKDF2).
    ///
    /// One JSON object a line, with sign_in_name and, as there are, id, password_hash, roles, status and profile. Names that are there already are
    /// left alone, so that an import can be repeated.
    #[command(after_help = "Example:\n  ostiary user import people.jsonl")]
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Invite somebody to register: prints a link that works once, and mails it where mail is on.
    #[command(after_help = "\
Examples:
  ostiary user invite anna@example.com --role editor
  ostiary user invite")]
    Invite {
        /// Whom: nobody else may use the link. Without an address, whoever has it may.
        address: Option<String>,
        /// A role that they get; may be given several times.
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// List people.
    #[command(after_help = "Example:\n  ostiary user list --role admin")]
    List {
        /// Only those with this role.
        #[arg(long)]
        role: Option<String>,
        /// Only those whose sign-in name has this in it.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
    },
    /// Disable a person: they can't log in, their sessions end, their tokens count no longer.
    #[command(after_help = "Example:\n  ostiary user disable anna@example.com")]
    Disable {
        /// Sign-in name or id.
        user: String,
    },
    /// Enable a disabled person again.
    #[command(after_help = "Example:\n  ostiary user enable anna@example.com")]
    Enable {
        /// Sign-in name or id.
        user: String,
    },
    /// Take away a person's second factors: authenticator app, recovery codes, passkeys. Their sessions end, and their tokens
    /// count no longer.
    #[command(after_help = "Example:\n  ostiary user reset-factors anna@example.com")]
    ResetFactors {
        /// Sign-in name or id.
        user: String,
    },
    /// Let a person in again whose password was locked after too many failed logins.
    #[command(after_help = "Example:\n  ostiary user unlock anna@example.com")]
    Unlock {
        /// Sign-in name or id.
        user: String,
    },
    /// Set a new password. The person's sessions end, and their tokens count no longer.
    #[command(after_help = "Example:\n  ostiary user set-password anna@example.com")]
    SetPassword {
        /// Sign-in name or id.
        user: String,
        #[command(flatten)]
        password: PasswordSource,
    },
}

#[derive(Debug, clap::Args)]
pub struct PasswordSource {
    /// Read the password from standard input, up to its end or one line break there.
    #[arg(long)]
    password_stdin: bool,
}

/// A person as this command prints them.
#[derive(Serialize)]
struct Printed {
    id: String,
    sign_in_name: String,
    status: UserStatus,
    roles: Vec<String>,
    has_password: bool,
}

/// What `unlock` says.
#[derive(Serialize)]
struct Unlocked {
    #[serde(flatten)]
    user: Printed,
    was_locked: bool,
}

impl From<&User> for Printed {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.as_str().to_owned(),
            sign_in_name: user.sign_in_name.as_str().to_owned(),
            status: user.status,
            roles: user.roles.clone(),
            has_password: user.password_hash.is_some(),
        }
    }
}

pub async fn run(command: Command, config: Config, output: Output) -> Result<(), Failure> {
    let installation = Installation::open(config).await?;
    match command {
        Command::Create { sign_in_name, roles, password, no_password } => {
            let source = (!no_password).then_some(password);
            let user = create(&installation, &sign_in_name, roles, source).await?;
            output.answer(&Printed::from(&user), |user| format!("Created {} with the id {}.", user.sign_in_name, user.id))
        }
        Command::Import { file } => import::run(&installation, &file, output).await,
        Command::Invite { address, roles } => Box::pin(invite::run(&installation, address.as_deref(), roles, output)).await,
        Command::List { role, name } => list(&installation, role, name, output).await,
        Command::Disable { user } => {
            let user = set_status(&installation, &user, UserStatus::Disabled).await?;
            output.answer(&Printed::from(&user), |user| {
                format!("{} is disabled. Sessions and tokens have ended.", user.sign_in_name)
            })
        }
        Command::Enable { user } => {
            let user = set_status(&installation, &user, UserStatus::Active).await?;
            output.answer(&Printed::from(&user), |user| format!("{} is enabled.", user.sign_in_name))
        }
        Command::ResetFactors { user } => {
            let user = reset_factors(&installation, &user).await?;
            let text =
                |user: &Printed| format!("{} has no second factor any more. Sessions and tokens have ended.", user.sign_in_name);
            output.answer(&Printed::from(&user), text)
        }
        Command::Unlock { user } => {
            let (user, was_locked) = unlock(&installation, &user).await?;
            output.answer(&Unlocked { user: Printed::from(&user), was_locked }, |unlocked| {
                let name = &unlocked.user.sign_in_name;
                if unlocked.was_locked { format!("{name} may log in again.") } else { format!("{name} was not locked.") }
            })
        }
        Command::SetPassword { user, password } => {
            let user = set_password(&installation, &user, &password).await?;
            let text = |user: &Printed| format!("{} has a new password. Sessions and tokens have ended.", user.sign_in_name);
            output.answer(&Printed::from(&user), text)
        }
    }
}

async fn create(
    installation: &Installation,
    sign_in_name: &str,
    roles: Vec<String>,
    source: Option<PasswordSource>,
) -> Result<User, Failure> {
    let name = SignInName::parse(sign_in_name).map_err(|error| Failure::usage(format!("the sign-in name: {error}")))?;
    let roles = normal_roles(roles).map_err(|_| not_roles())?;
    if users::by_canonical_name(&mut installation.db.read().await?, name.canonical()).await?.is_some() {
        return Err(taken(&name));
    }
    let password_hash = match source {
        Some(source) => Some(hash(installation, &source, &name).await?),
        None => None,
    };
    let origin = installation.origin();
    let user = User {
        id: UserId::parse(random::uuid()).map_err(Failure::failed)?,
        sign_in_name: name.clone(),
        password_changed_at: password_hash.is_some().then_some(origin.at),
        password_hash,
        status: UserStatus::Active,
        roles,
        created_at: origin.at,
        updated_at: origin.at,
        version: 1,
    };
    let event = event(Kind::UserCreated, &user, installation);
    let written = installation.db.write(async |tx| {
        users::insert(tx, &user).await?;
        record(tx, &event).await
    });
    match written.await {
        Err(StorageError::Conflict) => Err(taken(&name)),
        other => other.map(|()| user).map_err(Failure::from),
    }
}

fn not_roles() -> Failure {
    Failure::usage("--role: up to 50 roles of 1 to 64 printable ASCII characters, without space, quotes or backslash")
}

fn taken(name: &SignInName) -> Failure {
    Failure::conflict(format!("there is somebody with the sign-in name {} already", name.as_str()))
}

async fn list(installation: &Installation, role: Option<String>, name: Option<String>, output: Output) -> Result<(), Failure> {
    let filter = UserFilter { name_contains: name, status: None, role };
    let mut page = Page::first(MAX_LIMIT);
    let mut printed = Vec::new();
    loop {
        let listed = users::list(&mut installation.db.read().await?, &filter, &page).await?;
        printed.extend(listed.items.iter().map(Printed::from));
        match listed.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    output.answer(&printed, |users| {
        let row = |user: &Printed| {
            let status = if user.status == UserStatus::Active { "active" } else { "disabled" };
            [user.id.clone(), user.sign_in_name.clone(), status.to_owned(), user.roles.join(" ")]
        };
        table(["id", "sign-in name", "status", "roles"], &users.iter().map(row).collect::<Vec<_>>())
    })
}

async fn set_status(installation: &Installation, wanted: &str, status: UserStatus) -> Result<User, Failure> {
    let mut user = find(installation, wanted).await?;
    if user.status == status {
        return Ok(user);
    }
    let kind = if status == UserStatus::Disabled { Kind::UserDisabled } else { Kind::UserEnabled };
    let event = event(kind, &user, installation);
    user.status = status;
    user.updated_at = event.at;
    let updated = installation.db.write(async |tx| {
        if !users::update(tx, &user, user.version).await? {
            return Err(StorageError::Conflict);
        }
        if status == UserStatus::Disabled {
            end_everything(tx, &user.id, None, event.at).await?;
        }
        record(tx, &event).await
    });
    updated.await?;
    Ok(user)
}

async fn unlock(installation: &Installation, wanted: &str) -> Result<(User, bool), Failure> {
    let user = find(installation, wanted).await?;
    let event = event(Kind::LockoutReleased, &user, installation);
    let cleared = installation.db.write(async |tx| {
        let was_locked = login_failures::clear(tx, &user.id).await?;
        if was_locked {
            record(tx, &event).await?;
        }
        Ok::<_, StorageError>(was_locked)
    });
    let was_locked = cleared.await?;
    Ok((user, was_locked))
}

async fn set_password(installation: &Installation, wanted: &str, source: &PasswordSource) -> Result<User, Failure> {
    let user = find(installation, wanted).await?;
    let hash = hash(installation, source, &user.sign_in_name).await?;
    let event = event(Kind::UserPasswordChanged, &user, installation);
    let updated = installation.db.write(async |tx| {
        if !users::set_password(tx, &user.id, &hash, event.at).await? {
            return Err(StorageError::Conflict);
        }
        end_everything(tx, &user.id, None, event.at).await?;
        record(tx, &event).await
    });
    updated.await?;
    Ok(User { password_hash: Some(hash), ..user })
}

async fn reset_factors(installation: &Installation, wanted: &str) -> Result<User, Failure> {
    let user = find(installation, wanted).await?;
    let event = event(Kind::FactorsReset, &user, installation);
    let outbox = Outbox::new(&installation.root, &installation.config.mail);
    installation.db.write(async |tx| take_away(tx, &outbox, &user, &event).await).await?;
    Ok(user)
}

/// By sign-in name, else by id.
async fn find(installation: &Installation, wanted: &str) -> Result<User, Failure> {
    let mut conn = installation.db.read().await?;
    if let Some(user) = users::find_by_login_name(&mut conn, wanted).await? {
        return Ok(user);
    }
    let by_id = match UserId::parse(wanted) {
        Ok(id) => users::by_id(&mut conn, &id).await?,
        Err(_) => None,
    };
    by_id.ok_or_else(|| Failure::not_found(format!("there is nobody with the sign-in name or id {wanted}")))
}

async fn hash(installation: &Installation, source: &PasswordSource, name: &SignInName) -> Result<SecretString, Failure> {
    let config = &installation.config.password;
    let typed = output::new_password(source.password_stdin)?;
    let policy = super::password::policy(&installation.config)?;
    let checked = policy.new_password(typed.expose_secret(), name.as_str(), &[]).await;
    let password = checked.map_err(|error| Failure::usage(error.to_string()))?;
    let hasher = PasswordHasher::new(*installation.root.password_pepper(), config).map_err(Failure::failed)?;
    hasher.hash(&password).await.map_err(Failure::failed)
}

fn event(kind: Kind, user: &User, installation: &Installation) -> Event {
    Event { actor: Actor::CommandLine, user_id: Some(user.id.clone()), ..audit::event(kind, installation.origin()) }
}
