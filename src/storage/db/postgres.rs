//! PostgreSQL: how its connections are opened, and how long an answer is waited for.

mod gather;
mod line;
mod pool;
mod watch;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Executor};

pub(super) use self::gather::Gather;
pub(super) use self::line::{Line, Pending};
pub(super) use self::pool::{Lease, Pool, Purpose};
pub(super) use self::watch::watch;
use crate::config::DatabaseConfig;
use crate::storage::error::Error;

/// The channel of NOTIFY on which the nodes tell each other what they changed.
pub(super) const CHANNEL: &str = "ostiary_changes";

/// What a statement may take longer than the server was told to let it, before the server counts as dead; and all that a question
/// may take which costs the server nothing.
const WAY: Duration = Duration::from_millis(500);

/// Reads the URL, which may hold a password: the error doesn't repeat it.
pub(in crate::storage) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options: PgConnectOptions =
        url.parse().map_err(|_| Error::other("database.url is not a URL of a PostgreSQL database"))?;
    Ok(options.application_name("ostiary").statement_cache_capacity(256).disable_statement_logging())
}

/// The same for a connection that answers requests: what bounds it stands on both sides. The server ends a statement, a wait for
/// a lock, and an idle transaction; and where nothing comes back, because the network or the server died, this side waits no longer
/// either ([`Line`]).
fn bounded(url: &str, config: &DatabaseConfig) -> Result<PgConnectOptions, Error> {
    let statement_timeout = format!("{}s", config.statement_timeout);
    Ok(options(url)?.options([
        ("statement_timeout", statement_timeout.as_str()),
        ("lock_timeout", &statement_timeout),
        ("idle_in_transaction_session_timeout", "30s"),
    ]))
}

/// A new connection is used only if it leads to where writes go: a replica would answer that something isn't revoked which
/// is. A commit that was answered has to last, whatever the server, the role or the database were set to.
async fn must_be_the_primary(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let question = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean, \
         current_setting('synchronous_commit') IN ('off', 'local')";
    let (read_only, forgetful): (bool, bool) = sqlx::query_as(question).persistent(false).fetch_one(&mut *connection).await?;
    if read_only {
        return Err(sqlx::Error::Configuration("PostgreSQL takes no writes: it is a replica, or was made read-only".into()));
    }
    if forgetful {
        connection.execute("SET synchronous_commit = on").await?;
    }
    Ok(())
}

/// Says what of the server's settings lets a crash take back what was answered.
pub(in crate::storage) async fn warn_of_what_does_not_last(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let question = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on' ORDER BY name";
    for (setting,) in sqlx::query_as::<_, (String,)>(question).fetch_all(connection).await? {
        tracing::warn!(
            setting,
            "PostgreSQL may lose what it has confirmed when the machine stops: turn this setting on (see docs/faults.md)"
        );
    }
    Ok(())
}
