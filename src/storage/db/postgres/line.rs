//! Statements on their way to PostgreSQL, and what is waiting to go with them.

use std::fmt::Write;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Executor, Postgres, Type};
use tokio::time::timeout;

use crate::storage::error::Error;
use crate::telemetry::spans;

type Query = sqlx::query::Query<'static, Postgres, PgArguments>;

/// Statements of a transaction whose result nobody waits for. They go to PostgreSQL as one, with the next statement that does have a
/// result, and at the end: each of them would be a way there and back. Where they are all of a transaction, they are it.
#[derive(Debug, Default)]
pub(in crate::storage::db) struct Pending {
    statements: Vec<Statement>,
    arguments: PgArguments,
}

#[derive(Debug)]
struct Statement {
    sql: &'static str,
    /// How many parameters come before its own.
    before: usize,
    /// Whether everything is undone if it gives no row.
    required: bool,
}

impl Pending {
    pub(in crate::storage::db) fn holds(&self, sql: &'static str) -> bool {
        self.statements.iter().any(|held| held.sql == sql)
    }

    pub(in crate::storage::db) fn add(&mut self, sql: &'static str, required: bool) {
        self.statements.push(Statement { sql, before: self.arguments.len(), required });
    }

    /// The next parameter of the last statement.
    pub(in crate::storage::db) fn bind<'v, V>(&mut self, value: V) -> Result<(), Error>
    where
        V: Encode<'v, Postgres> + Type<Postgres>,
    {
        self.arguments.add(value).map_err(|error| Error::from(sqlx::Error::Encode(error)))
    }

    /// All of them as one: `WITH s0 AS (…), s1 AS (…) …`. PostgreSQL checks foreign keys at its end (documentation, 7.8.4 and
    /// "CREATE TABLE"); none of them sees what another one writes. Those that are required come to their end first, in their order:
    /// the rows of each divide, and nothing can't.
    fn take(&mut self) -> Option<(String, PgArguments)> {
        let statements = std::mem::take(&mut self.statements);
        let required: Vec<_> =
            statements.iter().enumerate().filter(|(_, statement)| statement.required).map(|(index, _)| index).collect();
        let (last, others) = match statements.split_last()? {
            (last, others) if required.is_empty() => (Some(last), others),
            _ => (None, statements.as_slice()),
        };
        let mut text = String::with_capacity(1_024);
        for (index, Statement { sql, before, .. }) in others.iter().enumerate() {
            let opening = if index == 0 { "WITH" } else { "," };
            // Nothing can go wrong in memory.
            let _ = write!(text, "{opening} s{index} AS (");
            renumber(&mut text, sql, *before);
            text.push_str(") ");
        }
        if let Some(Statement { sql, before, .. }) = last {
            renumber(&mut text, sql, *before);
        }
        for (position, index) in required.iter().enumerate() {
            let opening = if position == 0 { "SELECT" } else { "," };
            let _ = write!(text, "{opening} 1 / (SELECT count(*) FROM s{index})");
        }
        Some((text, std::mem::take(&mut self.arguments)))
    }
}

/// Writes a statement whose parameters come after `before` others.
fn renumber(text: &mut String, sql: &str, before: usize) {
    let mut pieces = sql.split('$');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        let number = number.parse::<usize>().unwrap_or_default();
        let _ = write!(text, "${}{rest}", number + before);
    }
}

/// A connection for one statement: what was put off goes first, and an answer is waited for only so long.
pub(in crate::storage::db) struct Line<'l> {
    pub(super) connection: &'l mut PgConnection,
    pub(in crate::storage::db) pending: &'l mut Pending,
    /// How long an answer is waited for.
    pub(super) patience: Duration,
    /// Whether a question was sent that has no answer yet.
    pub(super) asking: &'l mut bool,
    pub(super) transaction: &'l mut Transaction,
}

/// What a connection is leased for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    /// Single statements, each by itself.
    None,
    /// A transaction, on which nothing went to PostgreSQL yet that has a result.
    Due,
    /// There is one there, or may be.
    Begun,
}

impl Line<'_> {
    pub(in crate::storage::db) async fn execute(mut self, query: Query) -> Result<u64, Error> {
        self.begin().await?;
        let Self { connection, patience, asking, .. } = self;
        Ok(wait(patience, asking, connection.execute(query)).await?.rows_affected())
    }

    pub(in crate::storage::db) async fn first(mut self, query: Query) -> Result<Option<PgRow>, Error> {
        self.begin().await?;
        let Self { connection, patience, asking, .. } = self;
        wait(patience, asking, connection.fetch_optional(query)).await
    }

    pub(in crate::storage::db) async fn all(mut self, query: Query) -> Result<Vec<PgRow>, Error> {
        self.begin().await?;
        let Self { connection, patience, asking, .. } = self;
        wait(patience, asking, connection.fetch_all(query)).await
    }

    /// A statement without parameters, which is not prepared; what was put off stays so.
    pub(super) async fn command(&mut self, sql: &'static str) -> Result<(), Error> {
        wait(self.patience, self.asking, self.connection.execute(sql)).await.map(drop)
    }

    /// What goes before a statement with a result: the beginning of the transaction, and what was put off.
    async fn begin(&mut self) -> Result<(), Error> {
        if *self.transaction == Transaction::Due {
            *self.transaction = Transaction::Begun;
            self.command("BEGIN").await.map_err(Error::before_anything)?;
        }
        self.send_pending().await
    }

    pub(super) async fn send_pending(&mut self) -> Result<(), Error> {
        let statements = self.pending.statements.as_slice();
        if statements.is_empty() {
            return Ok(());
        }
        let has_required = statements.iter().any(|statement| statement.required);
        let _span = spans::statements(statements.iter().map(|statement| statement.sql));
        let Some((text, arguments)) = self.pending.take() else { return Ok(()) };
        // All of it is written in this program.
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        match wait(self.patience, self.asking, self.connection.execute(query)).await {
            Err(error) if has_required && error.is_division_by_zero() => Err(Error::Unmet),
            result => result.map(drop),
        }
    }
}

/// The answer of the server, if it comes in time.
async fn wait<T>(
    patience: Duration,
    asking: &mut bool,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    *asking = true;
    match timeout(patience, answer).await {
        Ok(answer) => {
            *asking = false;
            answer.map_err(Error::from)
        }
        Err(_) => Err(Error::unavailable("PostgreSQL does not answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_wait_become_one() {
        let mut pending = Pending::default();
        assert!(pending.take().is_none());
        for (sql, values) in
            [("INSERT INTO a VALUES ($1, $2)", 2), ("INSERT INTO b VALUES ($1)", 1), ("DELETE FROM c WHERE d = $1", 1)]
        {
            pending.add(sql, false);
            for value in 0..values {
                pending.bind(value).expect("a number is a parameter");
            }
        }
        assert!(pending.holds("INSERT INTO b VALUES ($1)"));
        let (text, arguments) = pending.take().expect("three statements");
        assert_eq!(
            text,
            "WITH s0 AS (INSERT INTO a VALUES ($1, $2)) , s1 AS (INSERT INTO b VALUES ($3)) DELETE FROM c WHERE d = $4"
        );
        assert_eq!(arguments.len(), 4);
        assert!(pending.take().is_none());
    }

    #[test]
    fn what_is_required_divides() {
        let mut pending = Pending::default();
        pending.add("SELECT 1 FROM a WHERE b = $1 FOR SHARE", true);
        pending.bind(1).expect("a number is a parameter");
        pending.add("INSERT INTO c VALUES ($1)", false);
        pending.bind(2).expect("a number is a parameter");
        pending.add("DELETE FROM d RETURNING 1", true);
        let (text, _) = pending.take().expect("three statements");
        assert_eq!(
            text,
            "WITH s0 AS (SELECT 1 FROM a WHERE b = $1 FOR SHARE) , s1 AS (INSERT INTO c VALUES ($2)) , \
             s2 AS (DELETE FROM d RETURNING 1) SELECT 1 / (SELECT count(*) FROM s0), 1 / (SELECT count(*) FROM s2)"
        );
    }
}
