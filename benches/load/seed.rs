//! A large installation: people, clients, families of refresh tokens, and an audit log that verifies, all through the storage's own
//! functions. `scripts/seed` calls it.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Instant;

use ostiary::cli::start::Installation;
use ostiary::clock::Clock;
use ostiary::config;
use ostiary::jobs::sealer::Sealer;
use ostiary::protocol::client::Client;
use ostiary::protocol::id::{ClientId, GrantId, SessionId, UserId};
use ostiary::protocol::resource::Reach;
use ostiary::protocol::sign_in_name::SignInName;
use ostiary::protocol::time::{Seconds, Timestamp};
use ostiary::random;
use ostiary::storage::audit::chain::{self, Head};
use ostiary::storage::audit::{self, Actor, Event, Outcome};
use ostiary::storage::clients;
use ostiary::storage::consents::{self, Consent};
use ostiary::storage::error::Error as StorageError;
use ostiary::storage::grants::{self, Grant};
use ostiary::storage::refresh_tokens::{self, RefreshToken};
use ostiary::storage::users::{self, User};
use serde_json::Map;

use super::Result;

/// Rows in one transaction.
const BATCH: usize = 2_000;

/// Entries sealed by one statement: a database walks through all their ids for each of them.
const SEALED: usize = 250;

/// Refresh tokens of a family: the last of them works, the ones before were used.
const FAMILY: usize = 4;

/// Tokens that a server makes one after the other and that stand beside each other (`ostiary::keys::hash`).
const NEIGHBOURS: usize = 1_024;

/// Of how many families one has run out, so that there is something to clean up.
const EXPIRED: usize = 10;

/// How long ago: nobody remembers them any more.
const FORGOTTEN: Seconds = Seconds::hours(48);

/// How long the living ones live.
const MONTH: Seconds = Seconds(2_592_000);

/// How many of each.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Size {
    #[arg(long, default_value_t = 1_000_000)]
    people: usize,
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// Refresh tokens, four to a family.
    #[arg(long, default_value_t = 10_000_000)]
    tokens: usize,
    /// Entries of the audit log.
    #[arg(long, default_value_t = 10_000_000)]
    entries: usize,
}

struct Seed {
    installation: Installation,
    user: User,
    client: Client,
    now: Timestamp,
}

/// Fills the installation that the environment describes with copies of this person and this client.
pub async fn sow(person: &str, client: &str, size: Size) -> Result<()> {
    let installation = Installation::open(config::load(None)?).await?;
    let (user, client) = {
        let mut conn = installation.db.read().await?;
        let user = users::by_canonical_name(&mut conn, person).await?.ok_or("there is no such person")?;
        (user, clients::load(&mut conn, &ClientId::parse(client)?).await?.ok_or("there is no such client")?)
    };
    let now = Clock::system().now();
    let seed = Seed { installation, user, client, now };
    seed.clients(size.clients).await?;
    let people = seed.people(size.people, size.clients).await?;
    seed.families(&people, size.clients, size.tokens / FAMILY).await?;
    seed.entries(&people, size.clients, size.entries).await?;
    seed.installation.db.close().await;
    Ok(())
}

fn client_id(number: usize) -> Result<ClientId> {
    Ok(ClientId::parse(format!("seed-{number}"))?)
}

/// Random bytes in ascending order: the one at `place` of so many begins where it would stand in their sorted list. Rows that are
/// written in the order of an index fill it page by page, and the index is that of random ones in the end.
fn ascending<const N: usize>(place: usize, of: usize) -> [u8; N] {
    let mut bytes = random::bytes::<N>();
    let start = u32::try_from((place << 32) / of).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&start.to_be_bytes());
    bytes
}

/// Says how far it is, on one line; where nobody watches, only at the end.
fn told(what: &str, done: usize, of: usize, since: Instant) -> Result<()> {
    let (ended, watched) = (done >= of, io::stderr().is_terminal());
    if ended || watched {
        let (start, end) = (if watched { "\r" } else { "" }, if ended { "\n" } else { "" });
        write!(io::stderr(), "{start}{what}: {done} of {of}, {} s {end}", since.elapsed().as_secs())?;
    }
    Ok(())
}

impl Seed {
    async fn clients(&self, count: usize) -> Result<()> {
        let ids = (0..count).map(client_id).collect::<Result<Vec<_>>>()?;
        let added = self.installation.db.write(async |tx| {
            for id in &ids {
                let copy = Client { id: id.clone(), secrets: Vec::new(), ..self.client.clone() };
                clients::insert(tx, &copy).await?;
            }
            Ok(())
        });
        Ok(added.await?)
    }

    /// People who have the password of the model, and gave their consent to one of the clients.
    async fn people(&self, count: usize, clients: usize) -> Result<Vec<UserId>> {
        let (since, mut ids) = (Instant::now(), Vec::<UserId>::with_capacity(count));
        let scope = self.client.metadata.scope.clone();
        while ids.len() < count {
            let mut batch = Vec::with_capacity(BATCH);
            for number in ids.len()..count.min(ids.len() + BATCH) {
                let id = UserId::parse(uuid::Builder::from_random_bytes(ascending(number, count)).into_uuid().to_string())?;
                let sign_in_name = SignInName::parse(&format!("seed-{number:08}@example.org"))?;
                let consent = Consent {
                    user_id: id.clone(),
                    client_id: client_id(number * clients / count)?,
                    scope: scope.clone(),
                    claims: BTreeSet::new(),
                    agreements: Vec::new(),
                    created_at: self.now,
                    updated_at: self.now,
                };
                batch.push((User { id, sign_in_name, ..self.user.clone() }, consent));
            }
            let added = self.installation.db.write(async |tx| {
                for (user, consent) in &batch {
                    users::insert(tx, user).await?;
                    consents::save(tx, consent).await?;
                }
                Ok::<_, StorageError>(())
            });
            added.await?;
            ids.extend(batch.into_iter().map(|(user, _)| user.id));
            told("people", ids.len(), count, since)?;
        }
        Ok(ids)
    }

    async fn families(&self, people: &[UserId], clients: usize, count: usize) -> Result<()> {
        let since = Instant::now();
        for first in (0..count).step_by(BATCH / FAMILY) {
            let last = count.min(first + BATCH / FAMILY);
            let batch = (first..last).map(|number| self.family(people, clients, (number, count))).collect::<Result<Vec<_>>>()?;
            let added = self.installation.db.write(async |tx| {
                for (grant, tokens) in &batch {
                    grants::insert(tx, grant).await?;
                    for token in tokens {
                        refresh_tokens::insert(tx, token).await?;
                    }
                }
                Ok::<_, StorageError>(())
            });
            added.await?;
            told("families of refresh tokens", last, count, since)?;
        }
        Ok(())
    }

    fn family(&self, people: &[UserId], clients: usize, (number, count): (usize, usize)) -> Result<(Grant, Vec<RefreshToken>)> {
        let expires_at = if number.is_multiple_of(EXPIRED) { self.now - FORGOTTEN } else { self.now + MONTH };
        let grant = Grant {
            id: GrantId::parse(random::neighbouring_uuid())?,
            client_id: client_id(number * clients / count)?,
            user_id: people[number % people.len()].clone(),
            session_id: SessionId::parse(random::neighbouring_uuid())?,
            own_session: false,
            scope: self.client.metadata.scope.clone(),
            claims: None,
            reach: Reach::default(),
            auth_time: self.now,
            amr: vec!["pwd".to_owned()],
            acr: "urn:ostiary:acr:password".to_owned(),
            created_at: self.now,
            expires_at,
            revoked_at: None,
            confirmation: None,
        };
        // Each was made when its predecessor was used: with those of other families, which it stands beside.
        let when = |place: usize| (place * count + number) / NEIGHBOURS * NEIGHBOURS;
        let hashes: Vec<[u8; 32]> = (0..FAMILY).map(|place| ascending(when(place), count * FAMILY)).collect();
        let tokens = hashes.iter().enumerate().map(|(place, hash)| {
            let successor = hashes.get(place + 1).copied();
            RefreshToken {
                hash: *hash,
                grant_id: grant.id.clone(),
                access_token_id: random::neighbouring_uuid(),
                created_at: self.now,
                expires_at,
                used_at: successor.map(|_| self.now),
                successor,
                retries: 0,
                dead: false,
            }
        });
        let tokens = tokens.collect();
        Ok((grant, tokens))
    }

    /// Entries as a token request writes them, sealed as the sealer does, but in the transaction that writes them.
    async fn entries(&self, people: &[UserId], clients: usize, count: usize) -> Result<()> {
        let (since, installation) = (Instant::now(), &self.installation);
        let evidence = Arc::clone(&installation.evidence);
        let mut sealer = Sealer::new(&installation.db, &installation.clock, Arc::clone(&evidence), &installation.config.audit);
        sealer.round().await?;
        for first in (0..count).step_by(BATCH) {
            let last = count.min(first + BATCH);
            let batch = (first..last).map(|number| self.entry(people, clients, (number, count))).collect::<Result<Vec<_>>>()?;
            let added = installation.db.write(async |tx| {
                for event in &batch {
                    audit::insert(tx, event).await?;
                }
                let mut head = chain::head(tx).await?.unwrap_or(Head::BEGINNING);
                for rows in chain::pending(tx, i64::MAX).await?.chunks(SEALED) {
                    let (mut next, mut seals) = (head, Vec::with_capacity(rows.len()));
                    for row in rows {
                        let sequence = next.sequence + 1;
                        next = Head { sequence, seal: evidence.seal(&next.seal, sequence, row) };
                        seals.push(next.seal);
                    }
                    if !chain::append(tx, head, next, rows, &seals).await? {
                        return Ok(false);
                    }
                    head = next;
                }
                Ok(true)
            });
            if !added.await? {
                return Err("somebody else seals the audit log: stop the server while this runs".into());
            }
            told("entries of the audit log", last, count, since)?;
        }
        Ok(sealer.finish().await.map(drop)?)
    }

    fn entry(&self, people: &[UserId], clients: usize, (number, count): (usize, usize)) -> Result<Event> {
        let user = people[number % people.len()].clone();
        Ok(Event {
            at: self.now,
            kind: "token.issued",
            outcome: Outcome::Success,
            reason: None,
            actor: Actor::User(user.clone()),
            client_id: Some(client_id(number * clients / count)?),
            user_id: Some(user),
            address: Some("192.0.2.1".to_owned()),
            trace_id: random::neighbouring_uuid().replace('-', ""),
            count: 1,
            details: Map::new(),
        })
    }
}
