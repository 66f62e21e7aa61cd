//! Browser sessions: a random secret in a cookie, its keyed hash in the database.

use secrecy::{ExposeSecret, SecretString};

use crate::config::SessionConfig;
use crate::keys::hash::{TokenHasher, TokenKind};
use crate::protocol::authentication::{Factors, Method};
use crate::protocol::id::{SessionId, UserId};
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::storage::db::{Db, Tx};
use crate::storage::error::Error;
use crate::storage::sessions::{self, Ending, Session};
use crate::storage::users::User;

/// How often at most the last use of a session is written down.
const TOUCH_EVERY: Seconds = Seconds(60);

/// A session that begins, and the secret that only its browser will know.
#[derive(Debug)]
pub struct Begun {
    pub session: Session,
    /// The cookie's value.
    pub secret: SecretString,
}

/// How long ago a factor may have been proved by whoever does something sensitive; factors that were proved within it make one
/// login together.
pub const FRESH: Seconds = Seconds::minutes(5);

/// Whether somebody whose last proof is of this time may do what is sensitive.
pub fn is_fresh(proved: Option<Timestamp>, now: Timestamp) -> bool {
    proved.is_some_and(|at| now <= at + FRESH)
}

impl Begun {
    /// How long the browser keeps the cookie; `None`: until it is closed.
    pub fn cookie_lifetime(&self) -> Option<Seconds> {
        let left = self.session.expires_at.as_seconds() - self.session.last_seen_at.as_seconds();
        self.session.remembered.then_some(Seconds(left))
    }
}

impl Begun {
    /// The same for whoever was logged in there already: the applications that know the session by its `sid` go on knowing it.
    #[must_use]
    pub fn following(mut self, former: Option<&Session>) -> Self {
        if let Some(former) = former.filter(|former| former.user_id == self.session.user_id) {
            self.session.id = former.id.clone();
        }
        self
    }
}

/// What the session list tells of a browser.
#[derive(Clone, Debug, Default)]
pub struct Device {
    pub user_agent: String,
    /// What to call it: [`super::device`].
    pub name: String,
    pub address: String,
    /// Its person wants to stay logged in there.
    pub remembered: bool,
}

/// A session for somebody who has just proved with `factors` who they are. Always a new secret: one that was planted in the
/// browser before the login is worth nothing after it. Nothing is stored yet; see [`replace`].
pub fn begin(
    tokens: &TokenHasher,
    (user_id, factors): (&UserId, Factors),
    device: Device,
    now: Timestamp,
    config: &SessionConfig,
) -> Begun {
    let secret = TokenKind::Session.draw();
    let session = Session {
        id: new_id(),
        hash: tokens.hash(TokenKind::Session, &secret),
        user_id: user_id.clone(),
        auth_time: now,
        factors,
        user_agent: device.user_agent,
        device: device.name,
        name: None,
        remembered: device.remembered,
        address: device.address,
        created_at: now,
        last_seen_at: now,
        expires_at: now + Seconds(if device.remembered { config.remembered_absolute } else { config.absolute }),
    };
    Begun { session, secret: SecretString::from(secret) }
}

/// The same session after its person proved something more: a new secret, so that whoever got hold of the old one gains nothing
/// by it. The `sid` stays, which is no secret and by which applications know it; and its limits do. `auth_time` stays: one more
/// factor is no login.
pub fn renew(tokens: &TokenHasher, session: &Session, method: Method, now: Timestamp) -> Begun {
    let secret = TokenKind::Session.draw();
    let renewed = Session {
        hash: tokens.hash(TokenKind::Session, &secret),
        factors: session.factors.clone().and(method, now),
        last_seen_at: now,
        ..session.clone()
    };
    Begun { session: renewed, secret: SecretString::from(secret) }
}

#[expect(clippy::expect_used, reason = "a UUID is printable ASCII")]
fn new_id() -> SessionId {
    SessionId::parse(random::neighbouring_uuid()).expect("a UUID is a session identifier")
}

/// Stores a session that begins, and says which `sid` it has got. The one that the same browser had before ends; or goes on as
/// this one ([`Begun::following`]). Should another login of that browser have been faster, that one goes on, and this one is
/// another.
pub async fn replace(tx: &mut Tx, former: Option<&Session>, new: &Session, ending: Ending) -> Result<SessionId, Error> {
    let mut new = new.clone();
    match former {
        Some(former) if former.id == new.id => {
            if sessions::take_over(tx, &former.hash, &new).await? {
                return Ok(new.id);
            }
            new.id = new_id();
        }
        Some(former) => {
            sessions::end(tx, &former.id, ending).await?;
        }
        None => {}
    }
    sessions::insert(tx, &new).await?;
    Ok(new.id)
}

/// Finds the live session of a cookie, with its person: not idle for too long, not past its end, the person active. Notes
/// that it was used, at most once a minute.
pub async fn resume(
    db: &Db,
    tokens: &TokenHasher,
    secret: &SecretString,
    now: Timestamp,
    config: &SessionConfig,
) -> Result<Option<(Session, User)>, Error> {
    if !is_well_formed(secret.expose_secret()) {
        return Ok(None);
    }
    let hash = tokens.hash(TokenKind::Session, secret.expose_secret());
    let found = sessions::by_hash(db, &hash, now, Seconds(config.idle)).await?;
    if let Some((session, _)) = &found
        && now >= session.last_seen_at + TOUCH_EVERY
    {
        db.write(async |tx| sessions::touch(tx, &session.id, now).await).await?;
    }
    Ok(found)
}

/// What [`TokenKind::draw`] makes, or made in an earlier version: anything else is not worth a query.
fn is_well_formed(secret: &str) -> bool {
    matches!(secret.len(), 43 | 48) && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseConfig;
    use crate::keys::root::Root;
    use crate::protocol::sign_in_name::SignInName;
    use crate::storage::db::DatabaseTarget;
    use crate::storage::users::{self, UserStatus};

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const CONFIG: SessionConfig = SessionConfig {
        idle: 600,
        absolute: 3_600,
        remembered_absolute: 7_200,
        logout_ends_offline_access: false,
        check_session_iframe: false,
    };

    struct House {
        db: Db,
        tokens: TokenHasher,
        user: User,
        _folder: tempfile::TempDir,
    }

    impl House {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let target = DatabaseTarget::Sqlite(folder.path().join("test.db"));
            let db = Db::open(&target, &DatabaseConfig::default()).await.unwrap();
            let user = User {
                id: UserId::parse("ada").unwrap(),
                sign_in_name: SignInName::parse("ada").unwrap(),
                password_hash: None,
                password_changed_at: None,
                status: UserStatus::Active,
                roles: Vec::new(),
                created_at: NOON,
                updated_at: NOON,
                version: 1,
            };
            db.write(async |tx| users::insert(tx, &user).await).await.unwrap();
            Self { db, tokens: TokenHasher::new(&Root::random()), user, _folder: folder }
        }

        async fn log_in(&self, former: Option<&Session>) -> Begun {
            let begun =
                begin(&self.tokens, (&self.user.id, Factors::of(Method::Password, NOON)), Device::default(), NOON, &CONFIG);
            let begun = begun.following(former);
            self.db.write(async |tx| replace(tx, former, &begun.session, Ending::of_everything(NOON)).await).await.unwrap();
            begun
        }

        async fn resumes(&self, secret: &SecretString, seconds: i64) -> bool {
            resume(&self.db, &self.tokens, secret, NOON + Seconds(seconds), &CONFIG).await.unwrap().is_some()
        }
    }

    #[tokio::test]
    async fn each_login_has_a_new_secret_and_the_browsers_old_one_is_worth_nothing() {
        let house = House::new().await;
        let first = house.log_in(None).await;
        let second = house.log_in(Some(&first.session)).await;
        assert_eq!(first.session.id, second.session.id, "applications know it by that");
        assert_ne!(house.log_in(None).await.session.id, first.session.id);
        assert_ne!(first.secret.expose_secret(), second.secret.expose_secret());
        assert!(!house.resumes(&first.secret, 1).await);
        assert!(house.resumes(&second.secret, 1).await);
    }

    #[tokio::test]
    async fn a_proof_gives_the_session_a_new_secret_and_no_more_time() {
        let house = House::new().await;
        let first = house.log_in(None).await;
        let later = NOON + Seconds(60);
        let stepped_up = renew(&house.tokens, &first.session, Method::Totp, later);
        let take_over =
            async || house.db.write(async |tx| sessions::take_over(tx, &first.session.hash, &stepped_up.session).await);
        assert!(take_over().await.await.unwrap());
        assert!(!take_over().await.await.unwrap(), "somebody was faster");
        assert!(!house.resumes(&first.secret, 61).await);
        assert!(house.resumes(&stepped_up.secret, 61).await);
        assert_eq!(stepped_up.session.expires_at, first.session.expires_at);
        assert_eq!((stepped_up.session.auth_time, stepped_up.session.factors.latest()), (NOON, Some(later)));
        assert_eq!(
            renew(&house.tokens, &first.session, Method::Password, later).session.auth_time,
            NOON,
            "one factor is no login"
        );
    }

    #[tokio::test]
    async fn a_session_ends_when_it_is_not_used() {
        let house = House::new().await;
        let begun = house.log_in(None).await;
        assert!(house.resumes(&begun.secret, 599).await);
        assert!(house.resumes(&begun.secret, 1_100).await, "its use 501 seconds before was noted");
        assert!(!house.resumes(&begun.secret, 1_700).await);
    }

    #[tokio::test]
    async fn a_session_ends_at_its_absolute_limit_however_much_it_is_used() {
        let house = House::new().await;
        let begun = house.log_in(None).await;
        for minute in (0..60).step_by(5) {
            assert!(house.resumes(&begun.secret, minute * 60).await, "{minute}");
        }
        assert!(!house.resumes(&begun.secret, 3_600).await);
    }

    #[tokio::test]
    async fn a_disabled_person_has_no_session() {
        let house = House::new().await;
        let begun = house.log_in(None).await;
        let disabled = User { status: UserStatus::Disabled, ..house.user.clone() };
        house.db.write(async |tx| users::update(tx, &disabled, 1).await).await.unwrap();
        assert!(!house.resumes(&begun.secret, 1).await);
    }

    #[tokio::test]
    async fn a_use_is_written_down_once_a_minute_at_most() {
        let house = House::new().await;
        let begun = house.log_in(None).await;
        let seen = async |seconds: i64| {
            house.resumes(&begun.secret, seconds).await;
            let found = sessions::by_hash(&house.db, &begun.session.hash, NOON, Seconds(600)).await.unwrap();
            found.unwrap().0.last_seen_at
        };
        assert_eq!(seen(59).await, NOON);
        assert_eq!(seen(61).await, NOON + Seconds(61));
        assert_eq!(seen(100).await, NOON + Seconds(61));
    }

    #[tokio::test]
    async fn what_is_no_secret_is_no_session() {
        let house = House::new().await;
        for secret in ["", "x", &"a".repeat(43), &"a".repeat(100_000), "' OR 1=1 --"] {
            assert!(!house.resumes(&SecretString::from(secret), 1).await);
        }
    }
}
