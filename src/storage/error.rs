//! What can go wrong in storage.

use std::io;
use std::sync::Arc;

use sqlx::error::ErrorKind;

/// Why a read or a write failed.
///
/// Cloneable, because one failed commit is the answer to every caller that was in it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database can't be reached or can't work now: no connection became free in time, it was lost, a statement took
    /// too long, the disk is full, the database is locked or read-only. Outside this is 503 with `Retry-After`.
    #[error("the database is not available: {0}")]
    Unavailable(Cause),
    /// A row clashes with one that is there already, or names one that is gone.
    #[error("conflicts with another row")]
    Conflict,
    /// What the transaction rests on is not there any more: a statement that had to concern a row concerned none
    /// ([`Tx::require`](super::db::Tx::require)).
    #[error("what it rests on is gone")]
    Unmet,
    /// Anything else: a mistake of ours, or a row that can't be read.
    #[error("storage: {0}")]
    Other(Cause),
}

/// What lies beneath an [`Error`]; for the log, never for the outside.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    #[error("{0}")]
    Postgres(Arc<sqlx::Error>),
    #[error("{0}")]
    Sqlite(Arc<rusqlite::Error>),
    #[error("{0}")]
    Text(Arc<str>),
    /// The connection was cut before a transaction began on it.
    #[error("the connection was lost before the transaction began")]
    LostBefore,
}

impl Error {
    pub(super) fn unavailable(text: &str) -> Self {
        Self::Unavailable(Cause::Text(text.into()))
    }

    /// A stored value that doesn't fit its type, or a value that must not be stored.
    pub fn other(text: impl AsRef<str>) -> Self {
        Self::Other(Cause::Text(text.as_ref().into()))
    }

    /// Whether the same transaction, run once more, may well succeed: PostgreSQL gave it up for the sake of another one
    /// (`serialization_failure`, `deadlock_detected`).
    pub(super) fn is_worth_retrying(&self) -> bool {
        matches!(self.sqlstate().as_deref(), Some("40001" | "40P01"))
    }

    /// Whether PostgreSQL takes no writes (`read_only_sql_transaction`).
    pub(super) fn is_read_only(&self) -> bool {
        self.sqlstate().as_deref() == Some("25006")
    }

    /// Whether the connection was cut, by the network, by the end of the server, or by its administrator.
    pub(super) fn is_lost_connection(&self) -> bool {
        match self {
            Self::Unavailable(Cause::Postgres(error)) if matches!(**error, sqlx::Error::Io(_)) => true,
            _ => matches!(self.sqlstate().as_deref(), Some("57P01" | "57P02")),
        }
    }

    /// The same of the statement with which a transaction begins: nothing has happened then.
    pub(super) fn before_anything(self) -> Self {
        if self.is_lost_connection() { Self::Unavailable(Cause::LostBefore) } else { self }
    }

    /// The same of a statement that is a whole transaction: where the system refuses to send, the end of it can't have arrived, and
    /// without that nothing is committed.
    pub(super) fn before_it_was_sent(self) -> Self {
        if let Self::Unavailable(Cause::Postgres(error)) = &self
            && let sqlx::Error::Io(error) = &**error
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return Self::Unavailable(Cause::LostBefore);
        }
        self
    }

    pub(super) fn is_before_anything(&self) -> bool {
        matches!(self, Self::Unavailable(Cause::LostBefore))
    }

    /// Whether PostgreSQL refused to divide by nothing (`division_by_zero`), which in a transaction's statements says that
    /// something they rest on isn't there.
    pub(super) fn is_division_by_zero(&self) -> bool {
        match self {
            Self::Other(Cause::Postgres(error)) => {
                error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("22012")
            }
            _ => false,
        }
    }

    /// Whether it isn't PostgreSQL that said so: what became of the statement is not known then, and the connection of no use.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Unavailable(_)) && self.sqlstate().is_none() || self.is_lost_connection()
    }

    fn sqlstate(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::Unavailable(Cause::Postgres(error)) => error.as_database_error()?.code(),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        let unavailable = match &error {
            Sqlx::Database(cause) => match cause.kind() {
                ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation => return Self::Conflict,
                _ => cause.code().is_some_and(|code| is_outage_of_postgres(&code)),
            },
            Sqlx::Io(_)
            | Sqlx::Tls(_)
            | Sqlx::Protocol(_)
            | Sqlx::PoolTimedOut
            | Sqlx::PoolClosed
            | Sqlx::WorkerCrashed
            | Sqlx::BeginFailed => true,
            _ => false,
        };
        let cause = Cause::Postgres(Arc::new(error));
        if unavailable { Self::Unavailable(cause) } else { Self::Other(cause) }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        let cause = Cause::Sqlite(Arc::new(error));
        match code {
            // A foreign key, a primary key, a unique index.
            Some(787 | 1555 | 2067) => Self::Conflict,
            Some(code) if is_outage_of_sqlite(code) => Self::Unavailable(cause),
            _ => Self::Other(cause),
        }
    }
}

/// Whether an SQLSTATE says that the database can't work now.
fn is_outage_of_postgres(code: &str) -> bool {
    // Connection, resources, operator intervention (statement_timeout too), system error; no such database, no access.
    let class = matches!(code.get(..2), Some("08" | "53" | "57" | "58" | "28" | "3D"));
    // Given up for another transaction, lock not available, read only.
    class || matches!(code, "40001" | "40P01" | "55P03" | "25006")
}

/// The same of a result code of SQLite. The primary code is its low byte: BUSY, LOCKED, NOMEM, READONLY, IOERR, CORRUPT,
/// FULL, CANTOPEN, NOTADB.
fn is_outage_of_sqlite(code: i32) -> bool {
    matches!(code & 0xff, 5 | 6 | 7 | 8 | 10 | 11 | 13 | 14 | 26)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_told_from_mistakes() {
        for code in ["08006", "57P01", "57014", "53300", "40001", "40P01", "25006"] {
            assert!(is_outage_of_postgres(code), "{code}");
        }
        for code in ["42601", "23505", "22021", ""] {
            assert!(!is_outage_of_postgres(code), "{code}");
        }
        for code in [5, 261, 8, 13] {
            assert!(is_outage_of_sqlite(code), "{code}");
        }
        for code in [1, 19, 2067] {
            assert!(!is_outage_of_sqlite(code), "{code}");
        }
    }
}
