//! A login: the attempt with a name and a password that most begin with, and what is written when one is complete.

use secrecy::SecretString;

use super::password::{HashingError, Password, PasswordHasher, Verdict};
use super::second_factor::Proof;
use super::session;
use crate::protocol::authentication::Acr;
use crate::protocol::id::SessionId;
use crate::storage::audit::{self, Event};
use crate::storage::db::Tx;
use crate::storage::error::Error;
use crate::storage::login_failures;
use crate::storage::sessions::{Ending, Session};
use crate::storage::users::{self, User, UserStatus};

/// What an attempt came to. The person learns of no difference between the refusals; the audit log does.
#[derive(Debug)]
pub enum Attempt {
    Accepted {
        /// The hash to store in place of the present one, whose parameters are out of date: `users::rehash`.
        rehashed: Option<SecretString>,
    },
    /// `unknown_user`, `user_disabled`, `no_password` or `wrong_password`; or why it was closed.
    Refused { reason: &'static str },
}

/// Whose password is tried.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// The name that was typed, in its canonical form.
    pub name: &'a str,
    pub user: Option<&'a User>,
    /// Why the right password would open nothing.
    pub closed: Option<&'static str>,
}

/// Checks the password of whoever the sign-in name belongs to. One hash is computed whatever the answer is, and one of the kind
/// that is stored even where it opens nothing: so neither the answer nor its time tells whether there is such a person.
pub async fn attempt(hasher: &PasswordHasher, tried: Tried<'_>, password: &Password) -> Result<Attempt, HashingError> {
    let Tried { name, user, closed } = tried;
    let stored = user.and_then(|user| user.password_hash.as_ref());
    let name = user.map_or(name, |user| user.id.as_str());
    let verdict = hasher.verify_of(name, password, stored).await?;
    let reason = match (user, verdict) {
        (None, _) => "unknown_user",
        (Some(user), Verdict::Mismatch) if user.password_hash.is_none() => "no_password",
        // Not even a renewal of the hash tells that it was right.
        (Some(_), _) if closed.is_some() => closed.unwrap_or_default(),
        (Some(_), Verdict::Mismatch) => "wrong_password",
        (Some(user), Verdict::Match { .. }) if user.status != UserStatus::Active => "user_disabled",
        (Some(_), Verdict::Match { needs_rehash }) => {
            let rehashed = if needs_rehash { rehash(hasher, password).await } else { None };
            return Ok(Attempt::Accepted { rehashed });
        }
    };
    Ok(Attempt::Refused { reason })
}

/// A busy server may put the renewal off until the next login.
async fn rehash(hasher: &PasswordHasher, password: &Password) -> Option<SecretString> {
    match hasher.hash(password).await {
        Ok(hash) => Some(hash),
        Err(error) => {
            tracing::warn!(%error, "a password hash with old parameters was not renewed");
            None
        }
    }
}

/// A login whose factors are all there.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'a> {
    /// As they were when the first factor was proved.
    pub user: &'a User,
    /// The session to begin.
    pub session: &'a Session,
    /// The browser's former one. It ends, or goes on as this one.
    pub former: Option<&'a Session>,
    pub ending: Ending,
    /// See [`Attempt::Accepted`].
    pub rehashed: Option<&'a SecretString>,
    /// The factor that completes the login, if it is spent by that.
    pub proof: Option<&'a Proof>,
    pub event: &'a Event,
}

/// What became of a login that was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With this `sid`.
    Begun(SessionId),
    /// The password was changed, or the person disabled, since it was checked; nothing is written.
    ChangedMeanwhile,
    /// The proof was used before; nothing is written.
    Spent,
}

/// Begins the session, in the caller's transaction.
pub async fn complete(tx: &mut Tx, completion: &Completion<'_>) -> Result<Outcome, Error> {
    let Completion { user, session, former, ending, rehashed, proof, event } = *completion;
    if !users::stands(tx, user).await? {
        return Ok(Outcome::ChangedMeanwhile);
    }
    if let Some(proof) = proof
        && !proof.spend(tx, &user.id, event.at).await?
    {
        return Ok(Outcome::Spent);
    }
    let id = session::replace(tx, former, session, ending).await?;
    if let (Some(old), Some(new)) = (&user.password_hash, rehashed) {
        users::rehash(tx, &user.id, old, new).await?;
    }
    if session.factors.satisfies(Acr::PhishingResistant) {
        // Guesses at the password don't close this way in, and whoever comes in by it is the owner.
        login_failures::clear(tx, &user.id).await?;
    }
    audit::insert(tx, event).await?;
    Ok(Outcome::Begun(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PasswordConfig;
    use crate::protocol::id::UserId;
    use crate::protocol::sign_in_name::SignInName;
    use crate::protocol::time::Timestamp;

    fn hasher(iterations: u32) -> PasswordHasher {
        PasswordHasher::new([1; 32], &PasswordConfig { memory_kib: 64, iterations, ..PasswordConfig::default() }).unwrap()
    }

    async fn person(hasher: &PasswordHasher) -> User {
        User {
            id: UserId::parse("ada").unwrap(),
            sign_in_name: SignInName::parse("ada").unwrap(),
            password_hash: Some(hasher.hash(&Password::parse("correct horse").unwrap()).await.unwrap()),
            password_changed_at: None,
            status: UserStatus::Active,
            roles: Vec::new(),
            created_at: Timestamp::from_seconds(0),
            updated_at: Timestamp::from_seconds(0),
            version: 1,
        }
    }

    async fn refusal(hasher: &PasswordHasher, user: Option<&User>, typed: &str) -> &'static str {
        match attempt(hasher, Tried { name: "ada", user, closed: None }, &Password::parse(typed).unwrap()).await.unwrap() {
            Attempt::Refused { reason } => reason,
            Attempt::Accepted { .. } => "accepted",
        }
    }

    #[tokio::test]
    async fn only_the_audit_log_learns_why_somebody_was_refused() {
        let hasher = hasher(1);
        let person = person(&hasher).await;
        assert_eq!(refusal(&hasher, Some(&person), "correct horse").await, "accepted");
        assert_eq!(refusal(&hasher, Some(&person), "wrong horse").await, "wrong_password");
        assert_eq!(refusal(&hasher, None, "correct horse").await, "unknown_user");
        let disabled = User { status: UserStatus::Disabled, ..person.clone() };
        assert_eq!(refusal(&hasher, Some(&disabled), "correct horse").await, "user_disabled");
        assert_eq!(refusal(&hasher, Some(&disabled), "wrong horse").await, "wrong_password");
        let without = User { password_hash: None, ..person };
        assert_eq!(refusal(&hasher, Some(&without), "correct horse").await, "no_password");
    }

    #[tokio::test]
    async fn a_hash_with_old_parameters_is_renewed_at_the_next_login() {
        let person = person(&hasher(1)).await;
        let newer = hasher(2);
        let password = Password::parse("correct horse").unwrap();
        let tried = |user| Tried { name: "ada", user: Some(user), closed: None };
        let Attempt::Accepted { rehashed: Some(rehashed) } = attempt(&newer, tried(&person), &password).await.unwrap() else {
            panic!("not renewed");
        };
        let closed = Tried { closed: Some("password_locked"), ..tried(&person) };
        let refused = attempt(&newer, closed, &password).await.unwrap();
        assert!(matches!(refused, Attempt::Refused { reason: "password_locked" }), "{refused:?}");
        let renewed = User { password_hash: Some(rehashed), ..person.clone() };
        let again = attempt(&newer, tried(&renewed), &password).await.unwrap();
        assert!(matches!(again, Attempt::Accepted { rehashed: None }));
    }

    /// The medians of 41 attempts each: what is refused without a real hash takes as long as what is refused with one.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn no_refusal_is_faster_than_another() {
        let hasher = PasswordHasher::new([1; 32], &PasswordConfig::default()).unwrap();
        let person = person(&hasher).await;
        let without = User { password_hash: None, ..person.clone() };
        let disabled = User { status: UserStatus::Disabled, ..person.clone() };
        let cases = [Some(&person), None, Some(&without), Some(&disabled)];
        let mut times = cases.map(|_| Vec::new());
        for _ in 0..41 {
            for (case, times) in cases.iter().zip(&mut times) {
                let start = std::time::Instant::now();
                refusal(&hasher, *case, "wrong horse").await;
                times.push(start.elapsed().as_micros());
            }
        }
        let medians = times.map(|mut times| {
            times.sort_unstable();
            times[20]
        });
        let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
        assert!(most * 100 <= least * 125, "{medians:?}");
    }
}
