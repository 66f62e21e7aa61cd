//! Statements and rows, the same for both databases.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{PgConnection, Postgres, Row, Sqlite, SqliteConnection};

use super::{Conn, Link};
use crate::storage::error::Error;
use crate::storage::value::{Column, Value};

/// One statement with its parameters. Made by [`Conn::query`].
#[must_use = "a query does nothing until it is executed"]
pub struct Query<'c> {
    statement: Statement<'c>,
    failure: &'c mut Option<Error>,
}

enum Statement<'c> {
    Sqlite(&'c mut SqliteConnection, sqlx::query::Query<'static, Sqlite, SqliteArguments>),
    Postgres(&'c mut PgConnection, sqlx::query::Query<'static, Postgres, PgArguments>),
}

impl Conn {
    /// Starts a statement, which is prepared once a connection. Parameters are `$1`, `$2`, …; each of them must be bound, in
    /// their order: SQLite would take a missing one for NULL.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        let (statement, failure) = match &mut self.0 {
            Link::Reader(lease) => {
                let (connection, failure) = lease.parts();
                (Statement::Sqlite(connection, sqlx::query(sql)), failure)
            }
            Link::Writer(turn) => {
                let (connection, failure) = turn.parts();
                (Statement::Sqlite(connection, sqlx::query(sql)), failure)
            }
            Link::Pooled(connection, failure) => (Statement::Postgres(connection, sqlx::query(sql)), failure),
            Link::Transaction(transaction, failure) => (Statement::Postgres(transaction, sqlx::query(sql)), failure),
        };
        Query { statement, failure }
    }
}

impl Query<'_> {
    /// Binds the next parameter.
    pub fn bind<'v, V: Value<'v>>(self, value: V) -> Self {
        let statement = match self.statement {
            Statement::Sqlite(connection, query) => Statement::Sqlite(connection, query.bind(value)),
            Statement::Postgres(connection, query) => Statement::Postgres(connection, query.bind(value)),
        };
        Self { statement, failure: self.failure }
    }

    /// Runs the statement and tells how many rows it inserted, changed or deleted.
    pub async fn execute(self) -> Result<u64, Error> {
        let result = match self.statement {
            Statement::Sqlite(connection, query) => query.execute(connection).await.map(|done| done.rows_affected()),
            Statement::Postgres(connection, query) => query.execute(connection).await.map(|done| done.rows_affected()),
        };
        remember(self.failure, result)
    }

    /// The first row, if there is one.
    pub async fn fetch_optional<R: Record>(self) -> Result<Option<R>, Error> {
        match self.statement {
            Statement::Sqlite(connection, query) => {
                remember(self.failure, query.fetch_optional(connection).await)?.as_ref().map(R::from_sqlite).transpose()
            }
            Statement::Postgres(connection, query) => {
                remember(self.failure, query.fetch_optional(connection).await)?.as_ref().map(R::from_postgres).transpose()
            }
        }
    }

    /// The first row, of a statement that always gives one.
    pub async fn fetch_one<R: Record>(self) -> Result<R, Error> {
        self.fetch_optional().await?.ok_or_else(|| Error::other("a statement gave no row"))
    }

    /// Every row.
    pub async fn fetch_all<R: Record>(self) -> Result<Vec<R>, Error> {
        match self.statement {
            Statement::Sqlite(connection, query) => {
                remember(self.failure, query.fetch_all(connection).await)?.iter().map(R::from_sqlite).collect()
            }
            Statement::Postgres(connection, query) => {
                remember(self.failure, query.fetch_all(connection).await)?.iter().map(R::from_postgres).collect()
            }
        }
    }
}

/// Keeps a statement's error with its connection: a transaction in which one failed must not be committed, whatever the
/// closure made of the error. (PostgreSQL would answer such a COMMIT with a silent ROLLBACK.)
fn remember<T>(failure: &mut Option<Error>, result: Result<T, sqlx::Error>) -> Result<T, Error> {
    result.map_err(|error| failure.insert(Error::from(error)).clone())
}

/// The columns of one row, read from left to right in the order in which the statement names them.
pub struct Columns<'r> {
    row: AnyRow<'r>,
    next: usize,
}

enum AnyRow<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

impl Columns<'_> {
    /// The next column.
    pub fn read<T: Column>(&mut self) -> Result<T, Error> {
        let index = self.next;
        self.next += 1;
        match self.row {
            AnyRow::Sqlite(row) => row.try_get(index),
            AnyRow::Postgres(row) => row.try_get(index),
        }
        .map_err(Error::from)
    }
}

/// What a row becomes. Records compose: one of a join reads the columns of its parts one after the other.
pub trait Record: Sized {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error>;

    #[doc(hidden)]
    fn from_sqlite(row: &SqliteRow) -> Result<Self, Error> {
        Self::read(&mut Columns { row: AnyRow::Sqlite(row), next: 0 })
    }

    #[doc(hidden)]
    fn from_postgres(row: &PgRow) -> Result<Self, Error> {
        Self::read(&mut Columns { row: AnyRow::Postgres(row), next: 0 })
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)+) => {$(
        impl<$($name: Column),+> Record for ($($name,)+) {
            fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
                Ok(($(columns.read::<$name>()?,)+))
            }
        }
    )+};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
}

impl std::fmt::Debug for Query<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Query")
    }
}

impl std::fmt::Debug for Columns<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Columns")
    }
}
