//! `ostiary key`: the keys that sign, those that others encrypt with, and the master keys that open the database.

mod master;

use std::path::PathBuf;

use serde::Serialize;

use super::failure::Failure;
use super::output::{Output, instant, table};
use super::start::Installation;
use crate::audit::{self, Kind};
use crate::config::Config;
use crate::keys::ring::KeyRing;
use crate::keys::store::{Rotation, When};
use crate::protocol::jwk::KeyAlgorithm;
use crate::storage::audit::{Actor, Event};
use crate::storage::signing_keys::{self, KeyState, SigningKey};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the keys: which are published, which sign, which are retired.
    ///
    /// RSA-OAEP-256 and ECDH-ES are those that others encrypt with: of them, the one that "signs" is in the JWKS.
    #[command(after_help = "Example:\n  ostiary key list")]
    List,
    /// Replace keys before their time.
    ///
    /// The next key is published now, and signs once everybody who keeps the JWKS has had the time to learn of it
    /// (keys.publish_hours). The server does the same by itself every keys.rotation_days.
    #[command(after_help = "\
Examples:
  ostiary key rotate
  ostiary key rotate --algorithm ES256 --now")]
    Rotate {
        /// Which; may be given several times. All otherwise.
        #[arg(long = "algorithm", value_name = "ALGORITHM", value_parser = algorithm)]
        algorithms: Vec<KeyAlgorithm>,
        /// Sign with the next key at once: the present one may have been stolen. An API that keeps the JWKS and does not ask
        /// again for keys that it doesn't know refuses the new tokens until it does.
        #[arg(long)]
        now: bool,
    },
    /// Show which master keys open the database, by their fingerprints, and which of them this configuration names.
    #[command(after_help = "Example:\n  ostiary key status")]
    Status,
    /// Have the database accept another master key beside the present one. Nothing else changes, and nobody is logged out.
    ///
    /// Each node may be started with either key from now on. When all have the new one (keys.master_key_file, OSTIARY_MASTER_KEY),
    /// drop the old one: `ostiary key drop-master`. Doing it again, after it was interrupted too, does no harm.
    #[command(after_help = "Example:\n  ostiary key rotate-master --new-key-file /etc/ostiary/master-2.key")]
    RotateMaster {
        /// The file with the new key, which is made, with mode 0600, if it does not exist.
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
    },
    /// Have the database accept a master key no longer: nothing starts with it any more. What runs goes on.
    ///
    /// The key that this configuration names can't be dropped, and so one always remains.
    #[command(after_help = "Example:\n  ostiary key drop-master e8d08b2e49b9a884")]
    DropMaster {
        /// Which: see `ostiary key status`.
        #[arg(value_parser = master::fingerprint)]
        fingerprint: String,
    },
}

fn algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    let known = KeyAlgorithm::ALL.map(KeyAlgorithm::as_str).join(", ");
    KeyAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or_else(|| format!("not one of {known}"))
}

/// A key as this command prints it.
#[derive(Serialize)]
struct Printed {
    kid: String,
    algorithm: KeyAlgorithm,
    state: KeyState,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<String>,
}

impl From<&SigningKey> for Printed {
    fn from(key: &SigningKey) -> Self {
        Self {
            kid: key.id.as_str().to_owned(),
            algorithm: key.algorithm,
            state: key.state,
            created_at: instant(key.created_at),
            signing_since: key.signing_at.map(instant),
            retired_at: key.retired_at.map(instant),
        }
    }
}

/// What became of one algorithm's keys.
#[derive(Serialize)]
struct Rotated {
    algorithm: KeyAlgorithm,
    kid: String,
    /// `published` or `signing`.
    state: KeyState,
    #[serde(skip_serializing_if = "Option::is_none")]
    signs_at: Option<String>,
}

impl Rotated {
    fn text(&self) -> String {
        let (algorithm, kid) = (self.algorithm.as_str(), &self.kid);
        match &self.signs_at {
            Some(time) => format!("{algorithm}: {kid} is published, and signs from {time} on."),
            None => format!("{algorithm}: {kid} signs."),
        }
    }
}

pub async fn run(command: Command, config: Config, output: Output) -> Result<(), Failure> {
    let installation = match command {
        Command::List | Command::Rotate { .. } => Installation::open(config).await?,
        // Where there is none, none is made: a key that it accepts would be of no use to the one that was meant.
        Command::Status | Command::RotateMaster { .. } | Command::DropMaster { .. } => {
            Installation::open_as_it_is(config).await?
        }
    };
    match command {
        Command::List => {
            let keys = signing_keys::list(&mut installation.db.read().await?).await?;
            output.answer(&keys.iter().map(Printed::from).collect::<Vec<_>>(), |keys| list(keys))
        }
        Command::Rotate { algorithms, now } => {
            let when = if now { When::Now } else { When::Known };
            let rotated = rotate(&installation, algorithms, when).await?;
            output.answer(&rotated, |rotated| rotated.iter().map(Rotated::text).collect::<Vec<_>>().join("\n"))
        }
        Command::Status => master::status(&installation, output).await,
        Command::RotateMaster { new_key_file } => master::rotate(&installation, &new_key_file, output).await,
        Command::DropMaster { fingerprint } => master::drop(&installation, &fingerprint, output).await,
    }
}

fn list(keys: &[Printed]) -> String {
    let row = |key: &Printed| {
        let (state, since) = match key.state {
            KeyState::Published => ("published", Some(&key.created_at)),
            KeyState::Signing => ("signing", key.signing_since.as_ref()),
            KeyState::Retired => ("retired", key.retired_at.as_ref()),
        };
        [key.kid.clone(), key.algorithm.as_str().to_owned(), state.to_owned(), since.cloned().unwrap_or_default()]
    };
    table(["kid", "algorithm", "state", "since"], &keys.iter().map(row).collect::<Vec<_>>())
}

async fn rotate(installation: &Installation, algorithms: Vec<KeyAlgorithm>, when: When) -> Result<Vec<Rotated>, Failure> {
    let event = Event { actor: Actor::CommandLine, ..audit::event(Kind::KeyRotated, installation.origin()) };
    let Installation { config, root, db, .. } = installation;
    let ring = KeyRing::open(db, root, &config.keys, &config.tokens, &event).await.map_err(Failure::unusable)?;
    let held = ring.kept();
    if let Some(missing) = algorithms.iter().find(|algorithm| !held.contains(algorithm)) {
        return Err(Failure::not_found(format!("there is no key for {} (keys.algorithms)", missing.as_str())));
    }
    let wanted = if algorithms.is_empty() { held.to_vec() } else { algorithms };
    let mut rotated = Vec::new();
    for algorithm in wanted {
        let (kid, state, signs_at) = match ring.rotate(db, algorithm, when, &event).await.map_err(Failure::unusable)? {
            Rotation::Published { kid, signs_at } => (kid, KeyState::Published, Some(instant(signs_at))),
            Rotation::Signing { kid } => (kid, KeyState::Signing, None),
            Rotation::Overtaken => {
                return Err(Failure::conflict("the keys were rotated elsewhere at the same moment: look at `ostiary key list`"));
            }
        };
        rotated.push(Rotated { algorithm, kid: kid.as_str().to_owned(), state, signs_at });
    }
    Ok(rotated)
}
