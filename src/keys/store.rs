//! The ring's keys in the database: read, made, rotated, forgotten.
//!
//! Keys are made before a transaction, and every change is one conditional statement: however many nodes do the same at the same
//! time, one of them succeeds, and the others read what it did.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::{Mutex, Notify};
use zeroize::Zeroizing;

use super::ring::{KeyRing, KeyState, OwnKey};
use super::root::Root;
use super::rotation::{Policy, Step, due};
use super::seal::Sealer;
use super::signer::{SignerError, generate};
use crate::config::{KeysConfig, TokenConfig};
use crate::protocol::client::Algorithm;
use crate::protocol::id::KeyId;
use crate::protocol::jwk::KeyAlgorithm;
use crate::protocol::time::Timestamp;
use crate::storage;
use crate::storage::audit::{self, Event};
use crate::storage::db::{Change, Db, Tx};
use crate::storage::signing_keys::{self, SigningKey};

/// What the ring needs to take care of its keys.
#[derive(Debug)]
pub struct Custody {
    sealer: Sealer,
    policy: Policy,
    algorithms: Vec<KeyAlgorithm>,
    /// Held from reading the database to exchanging the snapshot, so that an older state never replaces a newer one.
    turn: Mutex<()>,
}

impl Custody {
    pub fn new(root: &Root, keys: &KeysConfig, tokens: &TokenConfig) -> Self {
        let signing = signing_algorithms(keys);
        let wanted = |algorithm: &KeyAlgorithm| algorithm.of_signatures().is_none_or(|algorithm| signing.contains(&algorithm));
        Self {
            sealer: Sealer::new(&root.derive("seal/signing-keys")),
            policy: Policy::new(keys, tokens),
            algorithms: KeyAlgorithm::ALL.into_iter().filter(wanted).collect(),
            turn: Mutex::default(),
        }
    }

    /// The algorithms that there are to be keys for: those of signatures that the configuration asks for, and those that others
    /// encrypt with.
    pub fn algorithms(&self) -> &[KeyAlgorithm] {
        &self.algorithms
    }
}

/// The algorithms that this server signs with: those that the configuration asks for, and two that the defaults of OpenID Connect
/// Registration and of this server need.
pub fn signing_algorithms(keys: &KeysConfig) -> Vec<Algorithm> {
    let required = |algorithm| matches!(algorithm, Algorithm::RS256 | Algorithm::ES256);
    Algorithm::ALL.into_iter().filter(|algorithm| required(*algorithm) || keys.algorithms.contains(algorithm)).collect()
}

/// Why the keys could not be read or changed. Each says what to do, where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Storage(#[from] storage::error::Error),
    #[error(
        "the key {0} in the database does not open with the root key, or was changed: restore the database from a \
         backup"
    )]
    Unopened(KeyId),
    #[error("no key could be made for {}: {source}", algorithm.as_str())]
    Generation { algorithm: KeyAlgorithm, source: SignerError },
    #[error("the thread that made a key was stopped")]
    Stopped,
}

/// When the next key is to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once everybody who keeps the JWKS has had the time to learn of it.
    Known,
    /// At once: the key before it may have been stolen. Who keeps the JWKS refuses the new tokens until they ask again.
    Now,
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The next key is published, and will sign from this time on.
    Published { kid: KeyId, signs_at: Timestamp },
    /// The next key signs.
    Signing { kid: KeyId },
    /// Another node did something at the same moment, and this one nothing. Look, and try again if need be.
    Overtaken,
}

impl KeyRing {
    /// The ring of the database's keys. At the first start it makes them, which takes a second or so.
    pub async fn open(
        db: &Db,
        root: &Root,
        keys: &KeysConfig,
        tokens: &TokenConfig,
        event: &Event,
    ) -> Result<Arc<Self>, KeyError> {
        let ring = Self::empty(Custody::new(root, keys, tokens));
        ring.maintain(db, event).await?;
        Ok(Arc::new(ring))
    }

    /// Reads the keys anew. Those that are known already are not opened and parsed again.
    pub async fn reload(&self, db: &Db) -> Result<(), KeyError> {
        let _turn = self.custody.turn.lock().await;
        let rows = signing_keys::list(&mut db.read().await?).await?;
        let keys = rows.iter().map(|row| Ok((row.state, self.open_key(row)?))).collect::<Result<_, KeyError>>()?;
        self.replace(keys);
        Ok(())
    }

    /// Reloads whenever the keys change, here or on another node. Spawn it; it doesn't end.
    pub fn follow(self: &Arc<Self>, db: &Db) -> impl Future<Output = ()> + Send + 'static {
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        db.subscribe(move |change| {
            if matches!(change, Change::Keys | Change::Everything) {
                told.notify_one();
            }
        });
        let (ring, db) = (Arc::clone(self), db.clone());
        async move {
            loop {
                changed.notified().await;
                while let Err(error) = ring.reload(&db).await {
                    tracing::warn!(%error, "the signing keys can't be read; those of before stay in use");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Does what is due at `event.at`: makes missing keys, publishes, promotes, forgets. Ends with a reload.
    ///
    /// `event` says who does it and when; its kind and details are filled in.
    pub async fn maintain(&self, db: &Db, event: &Event) -> Result<(), KeyError> {
        // A step may make another one due: a key that was published long ago signs, and its successor is due at once.
        for _ in 0..3 {
            let rows = signing_keys::list(&mut db.read().await?).await?;
            let steps = due(&rows, &self.custody.algorithms, event.at, &self.custody.policy);
            if steps.is_empty() {
                break;
            }
            self.carry_out(db, &rows, steps, event).await?;
        }
        self.reload(db).await
    }

    /// Brings the algorithm's next key into use, or on its way.
    ///
    /// `event` says who does it and when; its kind and details are filled in.
    pub async fn rotate(&self, db: &Db, algorithm: KeyAlgorithm, when: When, event: &Event) -> Result<Rotation, KeyError> {
        let rows = signing_keys::list(&mut db.read().await?).await?;
        let find = |state| rows.iter().find(|row| row.algorithm == algorithm && row.state == state);
        let rotation = match (find(KeyState::Signing), find(KeyState::Published), when) {
            (signing, Some(published), When::Now) | (signing @ None, Some(published), When::Known) => {
                self.promote(db, signing, published, event).await?
            }
            (Some(_), Some(published), When::Known) => {
                Rotation::Published { kid: published.id.clone(), signs_at: self.signs_at(published) }
            }
            (signing, None, When::Now) | (signing @ None, None, When::Known) => {
                let key = self.make(algorithm, KeyState::Signing, event.at).await?;
                self.put_in_use(db, signing, &key, event).await?
            }
            (Some(_), None, When::Known) => {
                let key = self.make(algorithm, KeyState::Published, event.at).await?;
                self.publish(db, &key, event).await?
            }
        };
        self.reload(db).await?;
        Ok(rotation)
    }

    async fn carry_out(&self, db: &Db, rows: &[SigningKey], steps: Vec<Step>, event: &Event) -> Result<(), KeyError> {
        let wanted = steps.iter().filter_map(|step| match step {
            Step::Generate(algorithm, _) => Some(*algorithm),
            _ => None,
        });
        let mut made = generate_all(wanted.collect()).await?;
        for step in steps {
            match step {
                Step::Generate(algorithm, state) => {
                    let Some(pkcs8) = made.remove(&algorithm) else { continue };
                    let key = self.seal(algorithm, state, &pkcs8, event.at)?;
                    match state {
                        KeyState::Signing => self.put_in_use(db, None, &key, event).await?,
                        KeyState::Published | KeyState::Retired => self.publish(db, &key, event).await?,
                    };
                }
                Step::Promote(algorithm, id) => {
                    let signing = rows.iter().find(|row| row.algorithm == algorithm && row.state == KeyState::Signing);
                    if let Some(published) = rows.iter().find(|row| row.id == id) {
                        self.promote(db, signing, published, event).await?;
                    }
                }
                Step::Forget(before) => {
                    let event = described(event, "key.retired", [("retired_before", before.as_seconds().into())]);
                    db.write(async |tx| {
                        let deleted = signing_keys::delete_expired(tx, before).await?;
                        if deleted > 0 { audit::insert(tx, &event).await } else { Ok(()) }
                    })
                    .await?;
                }
            }
        }
        Ok(())
    }

    async fn publish(&self, db: &Db, key: &SigningKey, event: &Event) -> Result<Rotation, KeyError> {
        let event = about(event, "key.created", key);
        let done = db
            .write(async |tx| {
                let done = signing_keys::insert(tx, key).await?;
                if done {
                    audit::insert(tx, &event).await?;
                }
                Ok(done)
            })
            .await?;
        Ok(if done { Rotation::Published { kid: key.id.clone(), signs_at: self.signs_at(key) } } else { Rotation::Overtaken })
    }

    /// Stores a new key that signs at once, in the place of `signing`.
    async fn put_in_use(
        &self,
        db: &Db,
        signing: Option<&SigningKey>,
        key: &SigningKey,
        event: &Event,
    ) -> Result<Rotation, KeyError> {
        let at = event.at;
        let event = about(event, if signing.is_some() { "key.rotated" } else { "key.created" }, key);
        let done = db
            .write(async |tx| {
                if !retire(tx, signing, at).await? {
                    return Ok(false);
                }
                if signing_keys::insert(tx, key).await? {
                    audit::insert(tx, &event).await?;
                    return Ok(true);
                }
                // Another node's key was first. The one that was retired must not stay so: nothing of this is kept.
                if signing.is_some() { Err(storage::error::Error::Conflict) } else { Ok(false) }
            })
            .await;
        in_use(done, &key.id)
    }

    /// Lets a published key sign, in the place of `signing`.
    async fn promote(
        &self,
        db: &Db,
        signing: Option<&SigningKey>,
        published: &SigningKey,
        event: &Event,
    ) -> Result<Rotation, KeyError> {
        let at = event.at;
        let event = about(event, "key.rotated", published);
        let done = db
            .write(async |tx| {
                if !retire(tx, signing, at).await? {
                    return Ok(false);
                }
                if signing_keys::set_state(tx, &published.id, KeyState::Published, KeyState::Signing, at).await? {
                    audit::insert(tx, &event).await?;
                    return Ok(true);
                }
                if signing.is_some() { Err(storage::error::Error::Conflict) } else { Ok(false) }
            })
            .await;
        in_use(done, &published.id)
    }

    fn signs_at(&self, published: &SigningKey) -> Timestamp {
        published.created_at + self.custody.policy.lead
    }

    async fn make(&self, algorithm: KeyAlgorithm, state: KeyState, now: Timestamp) -> Result<SigningKey, KeyError> {
        let mut made = generate_all(vec![algorithm]).await?;
        let pkcs8 = made.remove(&algorithm).ok_or(KeyError::Stopped)?;
        self.seal(algorithm, state, &pkcs8, now)
    }

    fn seal(&self, algorithm: KeyAlgorithm, state: KeyState, pkcs8: &[u8], now: Timestamp) -> Result<SigningKey, KeyError> {
        let unusable = |source| KeyError::Generation { algorithm, source };
        let key = OwnKey::from_pkcs8(algorithm, pkcs8).map_err(unusable)?;
        let id = key.public().kid().clone();
        Ok(SigningKey {
            sealed: self.custody.sealer.seal(pkcs8, &associated_data(&id, algorithm)),
            public_jwk: serde_json::to_value(key.public()).unwrap_or_default(),
            id,
            algorithm,
            state,
            created_at: now,
            signing_at: (state == KeyState::Signing).then_some(now),
            retired_at: None,
        })
    }

    /// Opens a row. Its public half is computed from the private one, and must have the row's id for its thumbprint: nothing that
    /// was written into the table without the root is ever believed.
    fn open_key(&self, row: &SigningKey) -> Result<OwnKey, KeyError> {
        if let Some(known) = self.key(row.id.as_str()).filter(|key| key.public().algorithm() == row.algorithm) {
            return Ok(known);
        }
        let unopened = || KeyError::Unopened(row.id.clone());
        let aad = associated_data(&row.id, row.algorithm);
        let pkcs8 = Zeroizing::new(self.custody.sealer.open(&row.sealed, &aad).ok_or_else(unopened)?);
        let key = OwnKey::from_pkcs8(row.algorithm, &pkcs8).map_err(|_| unopened())?;
        if *key.public().kid() == row.id { Ok(key) } else { Err(unopened()) }
    }
}

/// Retires the key that signs. `false`: another node has done so already.
async fn retire(tx: &mut Tx, signing: Option<&SigningKey>, at: Timestamp) -> Result<bool, storage::error::Error> {
    match signing {
        Some(key) => signing_keys::set_state(tx, &key.id, KeyState::Signing, KeyState::Retired, at).await,
        None => Ok(true),
    }
}

/// What came of bringing the key `kid` into use.
fn in_use(done: Result<bool, storage::error::Error>, kid: &KeyId) -> Result<Rotation, KeyError> {
    match done {
        Ok(true) => Ok(Rotation::Signing { kid: kid.clone() }),
        Ok(false) | Err(storage::error::Error::Conflict) => Ok(Rotation::Overtaken),
        Err(error) => Err(error.into()),
    }
}

/// A sealed key opens in its own row and for its own algorithm only.
fn associated_data(id: &KeyId, algorithm: KeyAlgorithm) -> Vec<u8> {
    format!("signing_keys/{id}/{}", algorithm.as_str()).into_bytes()
}

/// Which pair of keys an algorithm needs: those that decrypt are pairs like those that sign, and no one pair does both.
const fn pair_of(algorithm: KeyAlgorithm) -> Algorithm {
    match algorithm {
        KeyAlgorithm::RS256 | KeyAlgorithm::RsaOaep256 => Algorithm::RS256,
        KeyAlgorithm::PS256 => Algorithm::PS256,
        KeyAlgorithm::ES256 | KeyAlgorithm::EcdhEs => Algorithm::ES256,
        KeyAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

/// A key for each algorithm, all at once, on blocking threads.
async fn generate_all(algorithms: Vec<KeyAlgorithm>) -> Result<BTreeMap<KeyAlgorithm, Zeroizing<Vec<u8>>>, KeyError> {
    let start = |algorithm| (algorithm, tokio::task::spawn_blocking(move || generate(pair_of(algorithm))));
    let threads: Vec<_> = algorithms.into_iter().map(start).collect();
    let mut made = BTreeMap::new();
    for (algorithm, thread) in threads {
        let pkcs8 = thread.await.map_err(|_| KeyError::Stopped)?;
        made.insert(algorithm, pkcs8.map_err(|source| KeyError::Generation { algorithm, source })?);
    }
    Ok(made)
}

fn about(event: &Event, kind: &'static str, key: &SigningKey) -> Event {
    described(event, kind, [("kid", key.id.as_str().into()), ("algorithm", key.algorithm.as_str().into())])
}

fn described<const N: usize>(event: &Event, kind: &'static str, details: [(&str, Value); N]) -> Event {
    let details: Map<_, _> = details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Event { kind, details, ..event.clone() }
}
