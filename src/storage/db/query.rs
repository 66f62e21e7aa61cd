//! Statements and rows, the same for both databases.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Postgres, Row};

use super::postgres::{Line, Pending};
use super::sqlite::{self, Parameters};
use super::transaction::{Conn, Link, Tx};
use crate::storage::error::Error;
use crate::storage::value::{Column, Value};
use crate::telemetry::spans;

/// One statement with its parameters. Made by [`Conn::query`].
#[must_use = "a query does nothing until it is executed"]
pub struct Query<'c> {
    statement: Statement<'c>,
    sql: &'static str,
    failure: &'c mut Option<Error>,
}

enum Statement<'c> {
    Sqlite { connection: &'c mut rusqlite::Connection, parameters: Parameters },
    Postgres(Line<'c>, sqlx::query::Query<'static, Postgres, PgArguments>),
}

/// A SELECT whose rows stay as they are until the transaction ends, made by `locking!` or `sharing!`; or a statement that changes them.
#[derive(Clone, Copy, Debug)]
pub struct Locking {
    /// SQLite has one writer at a time, and that is the transaction.
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

/// A [`Locking`] SELECT: its text, in one or more pieces.
macro_rules! locking {
    ($($piece:expr),+ $(,)?) => {
        $crate::storage::db::Locking { sqlite: concat!($($piece),+), postgres: concat!($($piece),+, " FOR NO KEY UPDATE") }
    };
}
pub(in crate::storage) use locking;

/// Like [`locking!`], of rows that several transactions may rest on at once. One that changes such a row itself must not begin so:
/// two of them would wait for each other.
macro_rules! sharing {
    ($($piece:expr),+ $(,)?) => {
        $crate::storage::db::Locking { sqlite: concat!($($piece),+), postgres: concat!($($piece),+, " FOR SHARE") }
    };
}
pub(in crate::storage) use sharing;

impl From<&'static str> for Locking {
    fn from(sql: &'static str) -> Self {
        Self { sqlite: sql, postgres: sql }
    }
}

impl Tx {
    /// Reads rows that nobody changes or deletes before the transaction ends. Where somebody is doing that already it waits,
    /// and reads what they left.
    pub fn lock(&mut self, select: Locking) -> Query<'_> {
        let sql = self.text(select);
        self.query(sql)
    }

    /// Starts a statement whose result nobody needs, and nobody before the end of the transaction but through another statement. On
    /// PostgreSQL it is put off, so that several go there together; an error is then that of a later statement or of the
    /// transaction.
    pub fn put(&mut self, sql: &'static str) -> Put<'_> {
        self.put_off(sql, false)
    }

    /// The same of a statement that must give a row: a SELECT, or one with RETURNING. Where it gives none, everything is undone, and the
    /// transaction's error is [`Error::Unmet`]; on PostgreSQL that may be said at its end only, and not which one it was. A caller
    /// who wants to know looks at what is there then: what made it so was committed when the error is returned.
    pub fn require(&mut self, statement: impl Into<Locking>) -> Put<'_> {
        let sql = self.text(statement.into());
        self.put_off(sql, true)
    }

    fn text(&self, statement: Locking) -> &'static str {
        let is_sqlite = matches!(self.0, Link::Reader(_) | Link::Writer(_));
        if is_sqlite { statement.sqlite } else { statement.postgres }
    }

    fn put_off(&mut self, sql: &'static str, required: bool) -> Put<'_> {
        Put(match &mut self.conn.0 {
            Link::Transaction(lease) => {
                let (line, failure) = lease.parts();
                if line.pending.holds(sql) {
                    Putting::Now(Query::postgres((line, failure), sql), required)
                } else {
                    line.pending.add(sql, required);
                    Putting::Later(line.pending, failure)
                }
            }
            Link::Pooled(lease) => Putting::Now(Query::postgres(lease.parts(), sql), required),
            Link::Reader(lease) => Putting::Now(Query::sqlite(lease.parts(), sql), required),
            Link::Writer(turn) => Putting::Now(Query::sqlite(turn.parts(), sql), required),
        })
    }
}

/// One statement whose result nobody needs, with its parameters. Made by [`Tx::put`] and [`Tx::require`].
#[must_use = "a statement does nothing until it is run"]
pub struct Put<'c>(Putting<'c>);

#[expect(clippy::large_enum_variant, reason = "it lives for one expression")]
enum Putting<'c> {
    /// Whether it must give a row.
    Now(Query<'c>, bool),
    Later(&'c mut Pending, &'c mut Option<Error>),
}

impl Put<'_> {
    /// Binds the next parameter.
    pub fn bind<'v, V: Value<'v>>(self, value: V) -> Self {
        Self(match self.0 {
            Putting::Now(query, required) => Putting::Now(query.bind(value), required),
            Putting::Later(pending, failure) => {
                // What is not said here is said at the end: a transaction in which something failed is rolled back.
                let _ = remember(failure, pending.bind(value));
                Putting::Later(pending, failure)
            }
        })
    }

    /// Runs the statement, now or before the transaction ends.
    pub async fn run(self) -> Result<(), Error> {
        match self.0 {
            Putting::Now(query, false) => query.execute().await.map(drop),
            Putting::Now(query, true) => query.must_find().await,
            Putting::Later(_, failure) => failure.clone().map_or(Ok(()), Err),
        }
    }
}

impl std::fmt::Debug for Put<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Put")
    }
}

impl Conn {
    /// Starts a statement, which is prepared once a connection. Parameters are `$1`, `$2`, …; each of them must be bound, in
    /// their order.
    pub fn query(&mut self, sql: &'static str) -> Query<'_> {
        match &mut self.0 {
            Link::Reader(lease) => Query::sqlite(lease.parts(), sql),
            Link::Writer(turn) => Query::sqlite(turn.parts(), sql),
            Link::Pooled(lease) | Link::Transaction(lease) => Query::postgres(lease.parts(), sql),
        }
    }
}

impl<'c> Query<'c> {
    fn sqlite((connection, failure): (&'c mut rusqlite::Connection, &'c mut Option<Error>), sql: &'static str) -> Self {
        Self { statement: Statement::Sqlite { connection, parameters: Parameters::default() }, sql, failure }
    }

    fn postgres((line, failure): (Line<'c>, &'c mut Option<Error>), sql: &'static str) -> Self {
        Self { statement: Statement::Postgres(line, sqlx::query(sql)), sql, failure }
    }
}

impl Query<'_> {
    /// Binds the next parameter.
    pub fn bind<'v, V: Value<'v>>(mut self, value: V) -> Self {
        self.statement = match self.statement {
            Statement::Sqlite { connection, mut parameters } => {
                parameters.bind(&value);
                Statement::Sqlite { connection, parameters }
            }
            Statement::Postgres(line, query) => Statement::Postgres(line, query.bind(value)),
        };
        self
    }

    /// Lets PostgreSQL plan the statement for the values that are bound now. A prepared one gets the same plan for all of them after a few times,
    /// made without knowing how few rows a limit lets through: of a large table it reads everything then.
    pub fn unprepared(mut self) -> Self {
        self.statement = match self.statement {
            Statement::Postgres(line, query) => Statement::Postgres(line, query.persistent(false)),
            sqlite @ Statement::Sqlite { .. } => sqlite,
        };
        self
    }

    /// Runs the statement and tells how many rows it inserted, changed or deleted.
    pub async fn execute(self) -> Result<u64, Error> {
        let Self { statement, sql, failure } = self;
        let _span = spans::statement(sql);
        match statement {
            Statement::Sqlite { connection, parameters } => settle(failure, || sqlite::run(connection, sql, parameters)),
            Statement::Postgres(line, query) => remember(failure, line.execute(query).await),
        }
    }

    /// Spoils the transaction where there is no row.
    async fn must_find(self) -> Result<(), Error> {
        let Self { statement, sql, failure } = self;
        let found = Query { statement, sql, failure: &mut *failure }.fetch_optional::<Anything>().await?;
        remember(failure, found.map(drop).ok_or(Error::Unmet))
    }

    /// The first row, if there is one.
    pub async fn fetch_optional<R: Record>(self) -> Result<Option<R>, Error> {
        let Self { statement, sql, failure } = self;
        let _span = spans::statement(sql);
        match statement {
            Statement::Sqlite { connection, parameters } => {
                let read = |row: &rusqlite::Row<'_>| R::read(&mut Columns::sqlite(row));
                settle(failure, || sqlite::first(connection, sql, parameters, read))?.transpose()
            }
            Statement::Postgres(line, query) => {
                let row = remember(failure, line.first(query).await)?;
                row.map(|row| R::read(&mut Columns::postgres(&row))).transpose()
            }
        }
    }

    /// The first row, of a statement that always gives one.
    pub async fn fetch_one<R: Record>(self) -> Result<R, Error> {
        self.fetch_optional().await?.ok_or_else(|| Error::other("a statement gave no row"))
    }

    /// Every row.
    pub async fn fetch_all<R: Record>(self) -> Result<Vec<R>, Error> {
        let Self { statement, sql, failure } = self;
        let _span = spans::statement(sql);
        match statement {
            Statement::Sqlite { connection, parameters } => {
                let read = |row: &rusqlite::Row<'_>| R::read(&mut Columns::sqlite(row));
                settle(failure, || sqlite::all(connection, sql, parameters, read))?.into_iter().collect()
            }
            Statement::Postgres(line, query) => {
                let rows = remember(failure, line.all(query).await)?;
                rows.iter().map(|row| R::read(&mut Columns::postgres(row))).collect()
            }
        }
    }
}

/// Runs a statement of SQLite, unless one before it failed on this connection: SQLite may have undone the whole transaction
/// then, and what came after it would be committed at once.
fn settle<T>(failure: &mut Option<Error>, run: impl FnOnce() -> rusqlite::Result<T>) -> Result<T, Error> {
    match failure {
        Some(error) => Err(error.clone()),
        None => remember(failure, run()),
    }
}

/// Keeps a statement's error with its connection: a transaction in which one failed must not be committed, whatever the
/// closure made of the error. (PostgreSQL would answer such a COMMIT with a silent ROLLBACK, and each statement before it with an error
/// that says nothing: the first one counts, unless the connection no longer answers.)
fn remember<T, E: Into<Error>>(failure: &mut Option<Error>, result: Result<T, E>) -> Result<T, Error> {
    result.map_err(|error| {
        let error = error.into();
        if error.is_silence() {
            *failure = Some(error.clone());
        }
        failure.get_or_insert(error).clone()
    })
}

/// The columns of one row, read from left to right in the order in which the statement names them.
pub struct Columns<'r> {
    row: AnyRow<'r>,
    next: usize,
}

enum AnyRow<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r PgRow),
}

impl<'r> Columns<'r> {
    fn sqlite(row: &'r rusqlite::Row<'r>) -> Self {
        Self { row: AnyRow::Sqlite(row), next: 0 }
    }

    pub(super) fn postgres(row: &'r PgRow) -> Self {
        Self { row: AnyRow::Postgres(row), next: 0 }
    }

    /// The next column.
    pub fn read<T: Column>(&mut self) -> Result<T, Error> {
        let index = self.next;
        self.next += 1;
        match self.row {
            AnyRow::Sqlite(row) => row.get(index).map_err(Error::from),
            AnyRow::Postgres(row) => row.try_get(index).map_err(Error::from),
        }
    }
}

/// What a row becomes. Records compose: one of a join reads the columns of its parts one after the other.
pub trait Record: Sized {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error>;
}

/// A row, whatever is in it.
struct Anything;

impl Record for Anything {
    fn read(_: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self)
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
