//! What a verification found.

use serde::{Serialize, Serializer};

use crate::protocol::time::Timestamp;

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// An entry is not as it was sealed.
    Edited,
    /// Entries were taken out.
    Deleted,
    /// An entry was not written by this installation.
    Inserted,
    /// The end is missing, or another one stands in its place.
    CutOff,
    /// A checkpoint was not signed by this installation, or does not follow the one before.
    Forged,
}

impl Fault {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Inserted => "inserted",
            Self::CutOff => "cut_off",
            Self::Forged => "forged",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub fault: Fault,
    /// Of the first entry that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// Of the last, where there may be several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Of an entry that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub what: &'static str,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub intact: bool,
    /// Entries of the chain, the first and the last.
    pub entries: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// Entries that are not sealed yet.
    pub waiting: i64,
    /// When the oldest of them happened.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub waiting_since: Option<Timestamp>,
    pub checkpoints: i64,
    /// Copies of checkpoints that were compared.
    pub copies: i64,
    /// The last entry that a checkpoint vouches for.
    pub vouched_until: i64,
    pub findings: Vec<Finding>,
    /// All, those too that were not kept.
    pub faults: i64,
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn rfc3339<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.and_then(Timestamp::rfc3339).serialize(serializer)
}

pub(super) fn finding(fault: Fault, sequence: Option<i64>, until: Option<i64>, id: Option<&str>, what: &'static str) -> Finding {
    Finding { fault, sequence, until, id: id.map(str::to_owned), what }
}
