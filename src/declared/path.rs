//! Where something stands in a document, and what is wrong there.

use std::fmt;

use crate::protocol::printable::printable;

/// The names that lead to a place: `clients`, `shop`, `redirect_uris`, `[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<String>);

impl Path {
    /// Of one thing.
    pub fn of(kind: &str, id: &str) -> Self {
        Self(vec![kind.to_owned(), id.to_owned()])
    }

    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    #[must_use]
    pub fn entry(&self, index: usize) -> Self {
        self.member(&format!("[{index}]"))
    }

    /// A place as registration names it: `redirect_uris[0]`.
    #[must_use]
    pub fn field(&self, field: &str) -> Self {
        match field.split_once('[') {
            Some((name, index)) => self.member(name).member(&format!("[{index}")),
            None => self.member(field),
        }
    }

    /// The same without its last name.
    pub fn outer(&self) -> Option<Self> {
        self.0.split_last().map(|(_, outer)| Self(outer.to_vec()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_bare = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        for (index, name) in self.0.iter().enumerate() {
            let name = printable(name);
            match name.as_str() {
                name if name.starts_with('[') => formatter.write_str(name)?,
                name => {
                    let dot = if index == 0 { "" } else { "." };
                    let quote = if is_bare(name) && !name.is_empty() { "" } else { "\"" };
                    write!(formatter, "{dot}{quote}{name}{quote}")?;
                }
            }
        }
        Ok(())
    }
}

/// Something that is wrong. The sentence ends what the path begins, and never quotes a value that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub path: Path,
    pub sentence: String,
}

impl Complaint {
    pub fn new(path: Path, sentence: impl Into<String>) -> Self {
        Self { path, sentence: sentence.into() }
    }
}
