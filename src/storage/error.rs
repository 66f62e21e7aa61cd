//! What can go wrong in storage.

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
    /// Anything else: a mistake of ours, or a row that can't be read.
    #[error("storage: {0}")]
    Other(Cause),
}

/// What lies beneath an [`Error`]; for the log, never for the outside.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    #[error("{0}")]
    Database(Arc<sqlx::Error>),
    #[error("{0}")]
    Text(Arc<str>),
}

impl Error {
    pub(super) fn unavailable(text: &str) -> Self {
        Self::Unavailable(Cause::Text(text.into()))
    }

    /// A stored value that doesn't fit its type, or a value that must not be stored.
    pub(super) fn other(text: impl AsRef<str>) -> Self {
        Self::Other(Cause::Text(text.as_ref().into()))
    }

    /// Whether the same transaction, run once more, may well succeed: PostgreSQL gave it up for the sake of another one
    /// (`serialization_failure`, `deadlock_detected`).
    pub(super) fn is_worth_retrying(&self) -> bool {
        let Self::Unavailable(Cause::Database(error)) = self else {
            return false;
        };
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        matches!(code.as_deref(), Some("40001" | "40P01"))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        let unavailable = match &error {
            Sqlx::Database(cause) => match cause.kind() {
                ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation => return Self::Conflict,
                _ => cause.code().is_some_and(|code| is_outage(&code)),
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
        let cause = Cause::Database(Arc::new(error));
        if unavailable { Self::Unavailable(cause) } else { Self::Other(cause) }
    }
}

/// Whether a code says that the database can't work now: a five-character SQLSTATE, or a decimal SQLite result code.
fn is_outage(code: &str) -> bool {
    if code.len() == 5 {
        // Connection, resources, operator intervention (statement_timeout too), system error; no such database, no access.
        let class = matches!(&code[..2], "08" | "53" | "57" | "58" | "28" | "3D");
        // Given up for another transaction, lock not available, read only.
        return class || matches!(code, "40001" | "40P01" | "55P03" | "25006");
    }
    // The primary result code is the low byte: BUSY, LOCKED, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB.
    code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 7 | 8 | 10 | 11 | 13 | 14 | 26))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_told_from_mistakes() {
        for code in ["5", "261", "8", "13", "08006", "57P01", "57014", "53300", "40001", "40P01", "25006"] {
            assert!(is_outage(code), "{code}");
        }
        for code in ["1", "19", "2067", "42601", "23505", "22021"] {
            assert!(!is_outage(code), "{code}");
        }
    }
}
