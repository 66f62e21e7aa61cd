//! Second factors that are typed: a code of an authenticator app, or a recovery code.
//!
//! A code is checked first and spent later, in the transaction of what it opens: one conditional update says which of many
//! requests with the same code was first.

use super::password::{HashingError, PasswordHasher};
use super::recovery_code::{self, RecoveryCode};
use super::totp::{self, Secret};
use crate::keys::seal::Sealer;
use crate::protocol::authentication::{Method, Offer};
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;
use crate::storage::db::{Db, Tx};
use crate::storage::error::Error;
use crate::storage::recovery_codes::{self, StoredCode};
use crate::storage::totp_factors;

/// A factor that was found to be right.
#[derive(Debug)]
pub struct Proof {
    pub method: Method,
    spend: Spend,
}

#[derive(Debug)]
enum Spend {
    /// Whoever checked it has seen to it that it counts once.
    Done,
    TotpStep {
        sealed: Vec<u8>,
        step: i64,
    },
    RecoveryCode(StoredCode),
}

impl Proof {
    /// Of a factor that can't be used twice anyway, or that was spent when it was checked.
    pub const fn spent(method: Method) -> Self {
        Self { method, spend: Spend::Done }
    }

    /// `false`: somebody else was first with it, or it counts no longer.
    pub async fn spend(&self, tx: &mut Tx, user: &UserId, now: Timestamp) -> Result<bool, Error> {
        match &self.spend {
            Spend::Done => Ok(true),
            Spend::TotpStep { sealed, step } => totp_factors::take_step(tx, user, sealed, *step, now).await,
            Spend::RecoveryCode(code) => recovery_codes::consume(tx, user, code, now).await,
        }
    }
}

/// What somebody typed, by its shape.
#[derive(Debug)]
pub enum Typed {
    Totp(String),
    RecoveryCode(RecoveryCode),
}

impl Typed {
    /// `None`: neither.
    pub fn parse(text: &str) -> Option<Self> {
        totp::typed_code(text).map(Self::Totp).or_else(|| RecoveryCode::parse(text).map(Self::RecoveryCode))
    }

    pub const fn method(&self) -> Method {
        match self {
            Self::Totp(_) => Method::Totp,
            Self::RecoveryCode(_) => Method::RecoveryCode,
        }
    }
}

/// What checks codes.
#[derive(Clone, Copy, Debug)]
pub struct Codes<'a> {
    pub db: &'a Db,
    /// Seals authenticator secrets.
    pub secrets: &'a Sealer,
    pub hasher: &'a PasswordHasher,
}

/// Why a code could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Storage(#[from] Error),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error("the authenticator secret of a person does not open: the row was moved or changed")]
    Sealed,
}

impl Codes<'_> {
    /// `None`: it is wrong, or of a kind that is not on offer.
    pub async fn check(self, user: &UserId, typed: &Typed, offer: Offer, now: Timestamp) -> Result<Option<Proof>, Failure> {
        if !offer.holds(typed.method()) {
            return Ok(None);
        }
        let spend = match typed {
            Typed::Totp(code) => self.totp_step(user, code, now).await?,
            Typed::RecoveryCode(code) => {
                let stored = recovery_codes::by_selector(&mut self.db.read().await?, user, code.selector()).await?;
                let right = recovery_code::is_right(self.hasher, code, stored.as_ref()).await?;
                stored.filter(|_| right).map(Spend::RecoveryCode)
            }
        };
        Ok(spend.map(|spend| Proof { method: typed.method(), spend }))
    }

    async fn totp_step(self, user: &UserId, code: &str, now: Timestamp) -> Result<Option<Spend>, Failure> {
        let Some(factor) = totp_factors::load(&mut self.db.read().await?, user).await? else { return Ok(None) };
        let secret = Secret::open(self.secrets, &factor.sealed, user).ok_or(Failure::Sealed)?;
        // A step that was taken is wrong already, so that the answer to a replay is that to any wrong code.
        let step = secret.step_of(code, now).filter(|step| *step > factor.last_step);
        Ok(step.map(|step| Spend::TotpStep { sealed: factor.sealed, step }))
    }
}
