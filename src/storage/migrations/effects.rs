//! What a migration does to a database that is in use, read off its text.

use serde::Serialize;

/// Whether the version before can go on beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It only adds: the version before neither sees nor misses anything.
    Expand,
    /// It takes away or narrows what the version before uses: every node runs the new one before.
    Contract,
}

impl Phase {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Contract => "contract",
        }
    }

    /// What the first line of a migration says it is, if it says so.
    pub fn declared(sql: &str) -> Option<Self> {
        let word = sql.lines().next()?.strip_prefix("-- ")?;
        [Self::Expand, Self::Contract].into_iter().find(|phase| phase.as_str() == word.trim_end())
    }
}

/// For how long others that write wait on PostgreSQL. (On SQLite they wait for the whole update; nobody who reads does.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    Nobody,
    /// Until what uses the table now has ended; no row is looked at.
    Moment,
    /// Until every row was read or written.
    Throughout,
}

/// What one statement does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    pub does: String,
    pub waiting: Waiting,
    pub phase: Phase,
}

impl Effect {
    fn new(does: String, waiting: Waiting, phase: Phase) -> Self {
        Self { does, waiting, phase }
    }
}

/// What each statement does, in their order. What is not understood may do anything.
pub fn effects(sql: &str) -> Vec<Effect> {
    let code: Vec<_> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let code = code.join("\n").replace('(', " ( ");
    let mut new = Vec::new();
    code.split(';').filter_map(|statement| effect(statement, &mut new)).collect()
}

/// `new`: the tables that were made in the same migration, which nobody can wait for.
fn effect(statement: &str, new: &mut Vec<String>) -> Option<Effect> {
    use Phase::{Contract, Expand};
    use Waiting::{Moment, Nobody, Throughout};
    let upper = statement.to_ascii_uppercase();
    let words: Vec<_> = upper.split_whitespace().collect();
    let lower = |name: &str| name.to_ascii_lowercase();
    let own = |table: &str, waiting, phase| {
        if new.iter().any(|made| *made == lower(table)) { (Nobody, Expand) } else { (waiting, phase) }
    };
    let (does, (waiting, phase)) = match words.as_slice() {
        [] => return None,
        ["CREATE", "TABLE", table, "(", ..] => {
            new.push(lower(table));
            (format!("makes the table {}", lower(table)), (Nobody, Expand))
        }
        ["CREATE", "INDEX", _, "ON", table, ..] => {
            (format!("makes an index of {}", lower(table)), own(table, Throughout, Expand))
        }
        // The version before may write what it forbids.
        ["CREATE", "UNIQUE", "INDEX", _, "ON", table, ..] => {
            (format!("makes a unique index of {}", lower(table)), own(table, Throughout, Contract))
        }
        ["ALTER", "TABLE", table, "ADD", "COLUMN", column, definition @ ..] => {
            let has = |word| definition.contains(&word);
            let narrow = has("CHECK") || has("UNIQUE") || (has("NOT") && !has("DEFAULT"));
            let (waiting, phase) = if narrow { (Throughout, Contract) } else { (Moment, Expand) };
            (format!("adds the column {} to {}", lower(column), lower(table)), own(table, waiting, phase))
        }
        ["ALTER", "TABLE", table, ..] => (format!("changes the table {}", lower(table)), own(table, Throughout, Contract)),
        ["INSERT", "INTO", table, ..] => (format!("writes rows into {}", lower(table)), own(table, Moment, Expand)),
        ["UPDATE", table, ..] => (format!("changes rows of {}", lower(table)), own(table, Throughout, Expand)),
        ["DELETE", "FROM", table, ..] => (format!("deletes rows of {}", lower(table)), own(table, Throughout, Contract)),
        ["DROP", "TABLE", table, ..] => (format!("takes the table {} away", lower(table)), own(table, Moment, Contract)),
        ["DROP", "INDEX", index, ..] => (format!("takes the index {} away", lower(index)), (Moment, Expand)),
        [first, ..] => (format!("does something else ({first})"), (Throughout, Contract)),
    };
    Some(Effect::new(does, waiting, phase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> (Waiting, Phase) {
        let effects = effects(sql);
        assert_eq!(effects.len(), 1, "{effects:?}");
        (effects[0].waiting, effects[0].phase)
    }

    #[test]
    fn what_only_adds_expands_and_what_takes_away_or_narrows_contracts() {
        use Phase::{Contract, Expand};
        use Waiting::{Moment, Nobody, Throughout};
        for (sql, expected) in [
            ("CREATE TABLE t (a TEXT NOT NULL)", (Nobody, Expand)),
            ("CREATE INDEX i ON t (a)", (Throughout, Expand)),
            ("CREATE UNIQUE INDEX i ON t(a)", (Throughout, Contract)),
            ("ALTER TABLE t ADD COLUMN a TEXT", (Moment, Expand)),
            ("ALTER TABLE t ADD COLUMN a TEXT NOT NULL DEFAULT ''", (Moment, Expand)),
            ("ALTER TABLE t ADD COLUMN a TEXT NOT NULL", (Throughout, Contract)),
            ("ALTER TABLE t ADD COLUMN a BIGINT CHECK (a > 0)", (Throughout, Contract)),
            ("ALTER TABLE t DROP COLUMN a", (Throughout, Contract)),
            ("alter table t rename to u", (Throughout, Contract)),
            ("ALTER TABLE t ALTER COLUMN a TYPE BIGINT", (Throughout, Contract)),
            ("UPDATE t SET a = 1", (Throughout, Expand)),
            ("DELETE FROM t", (Throughout, Contract)),
            ("DROP TABLE t", (Moment, Contract)),
            ("TRUNCATE t", (Throughout, Contract)),
            ("WITH a AS (SELECT 1) DELETE FROM t", (Throughout, Contract)),
        ] {
            assert_eq!(of(sql), expected, "{sql}");
        }
    }

    #[test]
    fn nobody_waits_for_a_table_that_was_not_there_before() {
        let effects = effects("-- DROP TABLE t;\nCREATE TABLE t (a TEXT); -- and\nCREATE UNIQUE INDEX i ON t (a);\n");
        let judged: Vec<_> = effects.iter().map(|effect| (effect.waiting, effect.phase)).collect();
        assert_eq!(judged, [(Waiting::Nobody, Phase::Expand); 2]);
    }

    #[test]
    fn the_first_line_declares_the_phase() {
        assert_eq!(Phase::declared("-- expand\nCREATE TABLE t (a TEXT)"), Some(Phase::Expand));
        assert_eq!(Phase::declared("-- contract\n"), Some(Phase::Contract));
        for other in ["", "-- Who made a token", "-- expands", "--expand", "CREATE TABLE t (a TEXT)\n-- expand"] {
            assert_eq!(Phase::declared(other), None, "{other}");
        }
    }
}
