//! Many people with the same password and authenticator app, so that logins don't stand in each other's way: a code counts once
//! for a person, and who tries again and again at one account is slowed down.

use std::cell::Cell;

use ostiary::authn::totp::Secret;
use ostiary::cli::start::Installation;
use ostiary::clock::Clock;
use ostiary::config;
use ostiary::keys::seal::Sealer;
use ostiary::protocol::id::UserId;
use ostiary::protocol::sign_in_name::SignInName;
use ostiary::random;
use ostiary::storage::totp_factors::{self, TotpFactor};
use ostiary::storage::users::{self, User};

use super::Result;

/// The secret of everybody's app.
const SECRET: [u8; 20] = *b"12345678901234567890";

/// With an authenticator app, or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    WithApp,
    WithPassword,
}

/// Adds people of both kinds to the installation that the environment describes, with the password of `model`.
pub async fn add(model: &str, count: usize) -> Result<()> {
    let installation = Installation::open(config::load(None)?).await?;
    let sealer = Sealer::new(&installation.root.derive("seal/totp"));
    let model = {
        let mut conn = installation.db.read().await?;
        users::by_canonical_name(&mut conn, model).await?.ok_or("there is no such person")?
    };
    let (secret, mut people) = (secret()?, Vec::new());
    for kind in [Kind::WithApp, Kind::WithPassword] {
        for number in 0..count {
            let id = UserId::parse(random::uuid())?;
            let factor = (kind == Kind::WithApp).then(|| TotpFactor {
                sealed: secret.seal(&sealer, &id),
                user_id: id.clone(),
                last_step: 0,
                created_at: model.created_at,
                last_used_at: None,
            });
            people.push((User { id, sign_in_name: SignInName::parse(&name(kind, number))?, ..model.clone() }, factor));
        }
    }
    let added = installation.db.write(async |tx| {
        for (user, factor) in &people {
            users::insert(tx, user).await?;
            if let Some(factor) = factor {
                totp_factors::save(tx, factor).await?;
            }
        }
        Ok(())
    });
    Ok(added.await?)
}

fn name(kind: Kind, number: usize) -> String {
    match kind {
        Kind::WithApp => format!("person-with-app-{number}"),
        Kind::WithPassword => format!("person-{number}"),
    }
}

fn secret() -> Result<Secret> {
    Ok(Secret::from_bytes(&SECRET).ok_or("not as long as a secret is")?)
}

/// The code that everybody's app shows now.
pub fn code() -> Result<String> {
    Ok(secret()?.code_at(Clock::system().now()))
}

/// Whose turn it is: one after the other, each once before anybody comes again.
#[derive(Debug)]
pub struct Turns {
    kind: Kind,
    count: usize,
    next: Cell<usize>,
}

impl Turns {
    /// From `first` on, so that the runs of a measurement begin with different people.
    pub fn new(kind: Kind, count: usize, first: usize) -> Self {
        Self { kind, count, next: Cell::new(first) }
    }

    pub fn next(&self) -> String {
        let number = self.next.get();
        self.next.set(number + 1);
        name(self.kind, number % self.count)
    }
}
