//! `ostiary key status`, `rotate-master` and `drop-master`: the master keys that open the database.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::audit::{self, Kind};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, instant, printable, table};
use crate::cli::start::Installation;
use crate::keys::master::MasterKey;
use crate::keys::root::{self, Addition, Removal};
use crate::storage::audit::{Actor, Event};
use crate::storage::master_keys;

/// A fingerprint as it is typed.
pub(super) fn fingerprint(text: &str) -> Result<String, &'static str> {
    let text = text.trim().to_ascii_lowercase();
    MasterKey::is_fingerprint(&text)
        .then_some(text)
        .ok_or("not a fingerprint, which has 16 hexadecimal digits: see `ostiary key status`")
}

#[derive(Serialize)]
struct Printed {
    fingerprint: String,
    accepted_since: String,
    /// Whether this configuration names it.
    used_here: bool,
}

pub(super) async fn status(installation: &Installation, output: Output) -> Result<(), Failure> {
    let own = installation.master.fingerprint();
    let accepted = master_keys::list(&mut installation.db.read().await?).await?;
    let printed: Vec<_> = accepted
        .into_iter()
        .map(|key| Printed {
            used_here: key.fingerprint == own,
            fingerprint: key.fingerprint,
            accepted_since: instant(key.created_at),
        })
        .collect();
    output.answer(&printed, |keys| {
        let row = |key: &Printed| {
            let used = if key.used_here { "used here" } else { "" };
            // Whoever can write to the database could have written anything.
            [printable(&key.fingerprint), key.accepted_since.clone(), used.to_owned()]
        };
        table(["master key", "accepted since", ""], &keys.iter().map(row).collect::<Vec<_>>())
    })
}

/// What no rotation takes back in a database of before there was a root.
const WARNING: &str = "\n
This database was made before master keys could be replaced. Whoever has the old key's file and a copy of the database can read it also
after that key was dropped (docs/master-key.md): destroy the file when no backup needs it any more.";

#[derive(Serialize)]
struct Rotated {
    file: PathBuf,
    fingerprint: String,
    previous: String,
    /// `false`: it was accepted before.
    added: bool,
    /// The previous one made the database before there was a root, which therefore consists of it.
    previous_is_root: bool,
}

pub(super) async fn rotate(installation: &Installation, file: &Path, output: Output) -> Result<(), Failure> {
    let new = MasterKey::load_or_create(file).map_err(Failure::unusable)?;
    let (previous, fingerprint) = (installation.master.fingerprint(), new.fingerprint());
    if fingerprint == previous {
        return Err(Failure::usage(format!(
            "{} is the master key that is in use already: name another file, which is made if it does not exist",
            file.display()
        )));
    }
    let event = event(Kind::MasterKeyAdded, &fingerprint, installation);
    let added = root::accept(&installation.db, &installation.master, &new, &event).await.map_err(Failure::unusable)?;
    let previous_is_root = installation.root.consists_of(&installation.master);
    let rotated = Rotated { file: file.to_owned(), fingerprint, previous, added: added == Addition::Added, previous_is_root };
    output.answer(&rotated, |rotated| {
        let Rotated { file, fingerprint, previous, added, previous_is_root } = rotated;
        let was = if *added { "is accepted from now on" } else { "was accepted already" };
        format!(
            "The master key {fingerprint}, in {}, {was}, and so is {previous}.\n\
             Give every node the new one (keys.master_key_file, OSTIARY_MASTER_KEY), restart one after the other, take a backup,\n\
             and then, with the new one: ostiary key drop-master {previous}{}",
            file.display(),
            if *previous_is_root { WARNING } else { "" }
        )
    })
}

#[derive(Serialize)]
struct Dropped {
    fingerprint: String,
}

pub(super) async fn drop(installation: &Installation, fingerprint: &str, output: Output) -> Result<(), Failure> {
    let event = event(Kind::MasterKeyDropped, fingerprint, installation);
    let dropped = root::drop_key(&installation.db, &installation.master, fingerprint, &event).await;
    match dropped.map_err(Failure::unusable)? {
        Removal::Dropped => output.answer(&Dropped { fingerprint: fingerprint.to_owned() }, |dropped| {
            format!("The master key {} opens the database no longer. Backups of before this still need it.", dropped.fingerprint)
        }),
        Removal::Unknown => Err(Failure::not_found(format!(
            "no master key with the fingerprint {fingerprint} is accepted: it was dropped already, or never was (`ostiary key status`)"
        ))),
        Removal::InUse => Err(Failure::conflict(format!(
            "{fingerprint} is the master key that this configuration names: run this with the configuration of the one that is to stay"
        ))),
    }
}

fn event(kind: Kind, fingerprint: &str, installation: &Installation) -> Event {
    let mut event = Event { actor: Actor::CommandLine, ..audit::event(kind, installation.origin()) };
    event.details.insert("fingerprint".to_owned(), fingerprint.into());
    event
}
