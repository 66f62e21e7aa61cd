//! `ostiary user import`: people of another system, one JSON object a line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::api::users::normal_roles;
use crate::audit::{self, Kind, Origin};
use crate::authn::password::ImportedHash;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, complain};
use crate::cli::start::Installation;
use crate::protocol::id::UserId;
use crate::protocol::profile::Profile;
use crate::protocol::sign_in_name::SignInName;
use crate::random;
use crate::storage::audit::{Actor, Event, insert as record};
use crate::storage::db::Db;
use crate::storage::error::Error as StorageError;
use crate::storage::users::{User, UserStatus};
use crate::storage::{profiles, users};

/// Rows on their way to the database at once: they share its commits.
const AT_ONCE: usize = 32;

/// The most bytes of a line.
const MAX_LINE: u64 = 65_536;

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Kept, so that applications that know the person know them still; a new one otherwise.
    id: Option<UserId>,
    sign_in_name: String,
    /// As the other system stored it.
    password_hash: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    status: Option<UserStatus>,
    profile: Option<Profile>,
}

/// What came of a line.
enum Outcome {
    Created,
    /// The name was there already: imported before, perhaps.
    Present,
}

#[derive(Default, Serialize)]
struct Imported {
    created: u64,
    present: u64,
    #[serde(skip)]
    failed: u64,
}

impl Imported {
    fn count(&mut self, (number, outcome): (u64, Result<Outcome, String>)) {
        match outcome {
            Ok(Outcome::Created) => self.created += 1,
            Ok(Outcome::Present) => self.present += 1,
            Err(problem) => {
                self.failed += 1;
                complain(&Failure::usage(format!("line {number}: {problem}")));
            }
        }
    }
}

/// Imports every line that can be; says of each other one what is wrong with it.
pub async fn run(installation: &Installation, path: &Path, output: Output) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::unusable(format!("{}: {error}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let (mut under_way, mut imported) = (JoinSet::new(), Imported::default());
    let origin = installation.origin();
    for number in 1_u64.. {
        let mut line = Vec::new();
        if file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match read(&line, &origin) {
            Ok((user, profile)) => {
                let (db, event) = (installation.db.clone(), event(&user, origin.clone()));
                under_way.spawn(async move { (number, store(&db, &user, profile.as_ref(), &event).await) });
            }
            Err(problem) => imported.count((number, Err(problem))),
        }
        if under_way.len() >= AT_ONCE
            && let Some(done) = under_way.join_next().await
        {
            imported.count(done.map_err(Failure::failed)?);
        }
    }
    while let Some(done) = under_way.join_next().await {
        imported.count(done.map_err(Failure::failed)?);
    }
    let Imported { created, present, failed } = imported;
    if failed > 0 {
        let sentence = format!("{failed} lines were not imported, {created} people were, {present} were there already");
        return Err(Failure::new(Exit::Failed, sentence));
    }
    output.answer(&imported, |_| format!("Imported {created} people; {present} were there already."))
}

fn read(line: &[u8], origin: &Origin) -> Result<(User, Option<Profile>), String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let sign_in_name = SignInName::parse(&line.sign_in_name).map_err(|error| format!("sign_in_name: {error}"))?;
    let hash = line.password_hash.as_deref().map(ImportedHash::to_stored).transpose();
    let password_hash = hash.map_err(|error| format!("password_hash: {error}"))?;
    let roles = normal_roles(line.roles).map_err(|problem| format!("roles: {problem}"))?;
    let id = match line.id {
        Some(id) => id,
        None => UserId::parse(random::uuid()).map_err(|error| error.to_string())?,
    };
    let user = User {
        id,
        sign_in_name,
        password_changed_at: password_hash.is_some().then_some(origin.at),
        password_hash,
        status: line.status.unwrap_or(UserStatus::Active),
        roles,
        created_at: origin.at,
        updated_at: origin.at,
        version: 1,
    };
    Ok((user, line.profile))
}

async fn store(db: &Db, user: &User, profile: Option<&Profile>, event: &Event) -> Result<Outcome, String> {
    let there = async || {
        let mut conn = db.read().await?;
        users::by_canonical_name(&mut conn, user.sign_in_name.canonical()).await.map(|found| found.is_some())
    };
    if there().await.map_err(|error| error.to_string())? {
        return Ok(Outcome::Present);
    }
    let written = db
        .write(async |tx| {
            users::insert(tx, user).await?;
            if let Some(profile) = profile {
                profiles::save(tx, &user.id, profile, event.at).await?;
            }
            record(tx, event).await
        })
        .await;
    match written {
        Ok(()) => Ok(Outcome::Created),
        Err(StorageError::Conflict) => {
            Err("the id, the verified address or a name that looks like this one is somebody else's".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn event(user: &User, origin: Origin) -> Event {
    let mut event =
        Event { actor: Actor::CommandLine, user_id: Some(user.id.clone()), ..audit::event(Kind::UserCreated, origin) };
    event.details.insert("by".to_owned(), "import".into());
    event
}
