//! Argon2id (RFC 9106) with a pepper, on a bounded number of threads with a bounded queue.
//!
//! A hash costs tens of megabytes and tens of milliseconds on purpose, so a flood of logins must not choose how many are
//! computed at once: as many as configured run, some wait, and the rest is told at once that the server is busy.

mod buffers;

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use self::buffers::Buffers;
use super::Password;
use super::imitation::Imitation;
use super::imported::ImportedHash;
use crate::config::PasswordConfig;
use crate::random;
use crate::telemetry::metrics::{HASH_OVERLOADS, HASH_TIME, HASH_WAIT};
use crate::telemetry::spans;

const OUTPUT_LENGTH: usize = 32;

/// A stored hash that asks for more memory than this is not computed.
const MAX_STORED_MEMORY_KIB: u32 = 1_048_576;

/// What a password proved to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password. `needs_rehash`: its hash was made with other parameters than those configured now.
    Match {
        needs_rehash: bool,
    },
    Mismatch,
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// Too many are waiting already: answer 503 (`Retry-After`).
    #[error("too many passwords are being checked")]
    Overloaded,
    #[error("the password could not be hashed: {0}")]
    Failed(String),
}

/// Hashes passwords and checks them. One for the whole process; clones share it.
#[derive(Clone)]
pub struct PasswordHasher(Arc<Shared>);

struct Shared {
    pepper: Zeroizing<[u8; 32]>,
    params: Params,
    /// One permit for each hash that is computed.
    running: Arc<Semaphore>,
    /// One permit for each hash that is computed or waits.
    admitted: Arc<Semaphore>,
    /// The permits of `admitted` when nothing is hashed.
    capacity: usize,
    buffers: Arc<Buffers>,
    /// Stands in for the hash of an account that has none. No password matches it.
    dummy: PasswordHash,
    imitation: Imitation,
}

impl PasswordHasher {
    /// `pepper` is a key derived from the root: a stolen database alone does not allow guessing.
    pub fn new(pepper: [u8; 32], config: &PasswordConfig) -> Result<Self, HashingError> {
        let params =
            Params::new(config.memory_kib, config.iterations, config.parallelism, Some(OUTPUT_LENGTH)).map_err(failed)?;
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let concurrent = if config.max_concurrent == 0 { processors() } else { config.max_concurrent };
        let dummy = phc(&params, &random::bytes::<16>(), &random::bytes::<OUTPUT_LENGTH>())?;
        Ok(Self(Arc::new(Shared {
            imitation: Imitation::new(&pepper),
            pepper: Zeroizing::new(pepper),
            params,
            running: Arc::new(Semaphore::new(concurrent)),
            admitted: Arc::new(Semaphore::new(concurrent + config.max_waiting)),
            capacity: concurrent + config.max_waiting,
            buffers: Arc::default(),
            dummy,
        })))
    }

    /// The hash of a new password, as a PHC string.
    pub async fn hash(&self, password: &Password) -> Result<SecretString, HashingError> {
        let password = password.clone();
        self.run(move |shared| {
            let salt = random::bytes::<16>();
            let mut output = Zeroizing::new([0; OUTPUT_LENGTH]);
            shared.compute(&shared.params, &password, &salt, output.as_mut_slice())?;
            Ok(SecretString::from(phc(&shared.params, &salt, output.as_slice())?.to_string()))
        })
        .await
    }

    /// Compares a password with a stored hash. Without one the same work is done and the answer is `Mismatch`, so that the time
    /// tells nothing.
    pub async fn verify(&self, password: &Password, stored: Option<&SecretString>) -> Result<Verdict, HashingError> {
        let stored = stored.and_then(|stored| Stored::parse(stored.expose_secret()));
        self.compare(password, stored.unwrap_or_else(|| Stored::Own(self.0.dummy.clone()))).await
    }

    /// The same where other hashes than ours may be stored. Without one the work is that for the hash of somebody else, always the
    /// same for one `name`: the time doesn't tell who has none.
    pub async fn verify_of(
        &self,
        name: &str,
        password: &Password,
        stored: Option<&SecretString>,
    ) -> Result<Verdict, HashingError> {
        if let Some(stored) = stored.and_then(|stored| Stored::parse(stored.expose_secret())) {
            return self.compare(password, stored).await;
        }
        let stand_in = self.0.imitation.of(name).unwrap_or_else(|| Stored::Own(self.0.dummy.clone()));
        self.compare(password, stand_in).await.map(|_| Verdict::Mismatch)
    }

    pub(super) fn imitation(&self) -> &Imitation {
        &self.0.imitation
    }

    async fn compare(&self, password: &Password, stored: Stored) -> Result<Verdict, HashingError> {
        let password = password.clone();
        self.run(move |shared| match stored {
            Stored::Own(hash) => shared.verify(&password, &hash),
            // Prepared as ours are: other systems may have hashed another spelling of a letter with an accent, and its owner resets it.
            Stored::Imported(hash) if hash.matches(password.as_str().as_bytes()) => Ok(Verdict::Match { needs_rehash: true }),
            Stored::Imported(_) => Ok(Verdict::Mismatch),
        })
        .await
    }

    /// How many hashes are computed or wait at the moment.
    pub fn busy(&self) -> usize {
        self.0.capacity.saturating_sub(self.0.admitted.available_permits())
    }

    /// How many may.
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, HashingError> + Send + 'static,
    ) -> Result<T, HashingError> {
        let admitted = self.0.admitted.clone().try_acquire_owned().map_err(|_| {
            HASH_OVERLOADS.count();
            HashingError::Overloaded
        })?;
        let _span = spans::span("hash password");
        let waiting = HASH_WAIT.timer();
        let running = self.0.running.clone().acquire_owned().await.map_err(failed)?;
        drop(waiting);
        let shared = self.0.clone();
        // The permits go with the work: a request that is given up while its hash is computed still counts until it is done.
        let permits: [OwnedSemaphorePermit; 2] = [admitted, running];
        tokio::task::spawn_blocking(move || {
            let _permits = permits;
            let _time = HASH_TIME.timer();
            let done = work(&shared);
            shared.buffers.watch();
            done
        })
        .await
        .map_err(failed)?
    }
}

impl Shared {
    fn verify(&self, password: &Password, stored: &PasswordHash) -> Result<Verdict, HashingError> {
        let params = Params::try_from(stored).map_err(failed)?;
        let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
            return Ok(Verdict::Mismatch);
        };
        let mut output = Zeroizing::new(vec![0; expected.len()]);
        self.compute(&params, password, salt, &mut output)?;
        // `Output` compares in constant time.
        if Output::new(&output).map_err(failed)? != *expected {
            return Ok(Verdict::Mismatch);
        }
        let current = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost(), params.output_len());
        Ok(Verdict::Match { needs_rehash: current(&params) != current(&self.params) })
    }

    fn compute(&self, params: &Params, password: &Password, salt: &[u8], output: &mut [u8]) -> Result<(), HashingError> {
        let argon2 = Argon2::new_with_secret(self.pepper.as_slice(), Algorithm::Argon2id, Version::V0x13, params.clone())
            .map_err(failed)?;
        let mut buffer = self.buffers.take();
        buffer.resize(params.block_count(), Block::new());
        let result = argon2.hash_password_into_with_memory(password.as_str().as_bytes(), salt, output, &mut buffer);
        if buffer.len() == self.params.block_count() {
            self.buffers.give(buffer);
        }
        result.map_err(failed)
    }
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PasswordHasher").field("params", &self.0.params).finish_non_exhaustive()
    }
}

/// A stored hash that can be checked.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    /// Argon2id, with the pepper.
    Own(PasswordHash),
    /// Of another system, until the next login.
    Imported(ImportedHash),
}

impl Stored {
    pub fn read(stored: &str) -> Option<Self> {
        match ImportedHash::of_stored(stored) {
            Some(imported) => imported.ok().map(Self::Imported),
            None => own(stored).map(Self::Own),
        }
    }

    /// Reads a stored hash that this hasher can check. Anything else counts as no hash, and is an operator's matter.
    fn parse(stored: &str) -> Option<Self> {
        let hash = Self::read(stored);
        if hash.is_none() {
            tracing::error!("a stored password hash can't be read; its owner can't log in with a password");
        }
        hash
    }

    /// A word for what it costs: hashes with the same take the same time.
    pub fn cost(&self) -> String {
        match self {
            Self::Own(hash) => format!("own {} {}", hash.params, hash.hash.as_ref().map_or(0, Output::len)),
            Self::Imported(hash) => hash.cost(),
        }
    }

    /// One that costs as much, and is nobody's.
    pub fn stand_in(&self) -> Self {
        match self {
            Self::Own(hash) => {
                let salt = Salt::new(&random::bytes::<16>()).ok();
                let output = hash.hash.as_ref().and_then(|output| Output::new(&vec![0; output.len()]).ok());
                Self::Own(PasswordHash { salt: salt.or(hash.salt), hash: output, ..hash.clone() })
            }
            Self::Imported(hash) => Self::Imported(hash.stand_in()),
        }
    }
}

fn own(stored: &str) -> Option<PasswordHash> {
    PasswordHash::new(stored).ok().filter(|hash| {
        hash.algorithm == ARGON2ID_IDENT
            && hash.version == Some(Version::V0x13.into())
            && hash.salt.is_some()
            && hash.hash.is_some()
            && Params::try_from(hash).is_ok_and(|params| params.m_cost() <= MAX_STORED_MEMORY_KIB)
    })
}

fn phc(params: &Params, salt: &[u8], output: &[u8]) -> Result<PasswordHash, HashingError> {
    Ok(PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(failed)?,
        salt: Some(Salt::new(salt).map_err(failed)?),
        hash: Some(Output::new(output).map_err(failed)?),
    })
}

fn failed(error: impl fmt::Display) -> HashingError {
    HashingError::Failed(error.to_string())
}

#[cfg(test)]
mod tests;
