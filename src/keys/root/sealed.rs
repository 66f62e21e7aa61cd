//! The root as it is kept and exported: sealed, once for each master key that is accepted.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use super::{Root, RootError};
use crate::keys::master::MasterKey;
use crate::protocol::jwt::{decode, encode};
use crate::storage::master_keys::Accepted;

/// Bytes of a root that [`MasterKey::seal`] sealed: version, nonce, root and tag.
const SEALED: usize = 1 + 12 + 32 + 16;

/// By the fingerprint of the key that opens it. As JSON it is an object, whose values are base64url.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedRoot(BTreeMap<String, Vec<u8>>);

impl SealedRoot {
    /// As it was before there was a root beside the master key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The root, opened elsewhere than in its database.
    pub fn open(&self, master: &MasterKey) -> Result<Root, RootError> {
        if self.is_empty() {
            return Ok(Root::is_itself(master));
        }
        self.bytes(master).map(|bytes| Root::of(&bytes)).ok_or_else(|| self.refusal(master))
    }

    pub(super) fn bytes(&self, master: &MasterKey) -> Option<Zeroizing<[u8; 32]>> {
        master.open(self.0.get(&master.fingerprint())?)
    }

    /// Why it does not open with this key.
    pub(super) fn refusal(&self, master: &MasterKey) -> RootError {
        let given = master.fingerprint();
        if self.0.contains_key(&given) {
            return RootError::Changed(given);
        }
        let accepted: Vec<_> = self.0.keys().map(String::as_str).collect();
        RootError::NotAccepted { given, accepted: accepted.join(" or ") }
    }
}

impl From<&[Accepted]> for SealedRoot {
    fn from(keys: &[Accepted]) -> Self {
        keys.iter().map(|key| (key.fingerprint.clone(), key.sealed_root.clone())).collect()
    }
}

impl FromIterator<(String, Vec<u8>)> for SealedRoot {
    /// What can't be a fingerprint is left out, and so is the content of what can't be a sealed root. Whoever can write to a database
    /// could have put anything there: it would fill every backup's manifest, and fingerprints are shown to people.
    fn from_iter<T: IntoIterator<Item = (String, Vec<u8>)>>(rows: T) -> Self {
        let named = rows.into_iter().filter(|(fingerprint, _)| MasterKey::is_fingerprint(fingerprint));
        Self(named.map(|(key, sealed)| (key, if sealed.len() == SEALED { sealed } else { Vec::new() })).collect())
    }
}

impl Serialize for SealedRoot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(fingerprint, sealed)| (fingerprint, encode(sealed))))
    }
}

impl<'de> Deserialize<'de> for SealedRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
        let decoded = texts.into_iter().map(|(fingerprint, text)| {
            let sealed = decode(&text).map_err(|_| de::Error::custom("a sealed key that is not base64url"))?;
            Ok((fingerprint, sealed))
        });
        decoded.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(byte: u8) -> MasterKey {
        MasterKey::from_bytes([byte; 32])
    }

    fn sealed(keys: &[MasterKey]) -> SealedRoot {
        keys.iter().map(|key| (key.fingerprint(), key.seal(&[9; 32]))).collect()
    }

    #[test]
    fn each_accepted_key_opens_it_after_it_was_written_down() {
        let text = serde_json::to_string(&sealed(&[master(1), master(2)])).unwrap();
        let read: SealedRoot = serde_json::from_str(&text).unwrap();
        for key in [master(1), master(2)] {
            assert_eq!(read.open(&key).unwrap().derive("x"), Root::from_bytes([9; 32]).derive("x"));
        }
        let refused = read.open(&master(3)).unwrap_err().to_string();
        for key in [master(1), master(2), master(3)] {
            assert!(refused.contains(&key.fingerprint()), "{refused}");
        }
    }

    #[test]
    fn what_was_sealed_for_another_key_or_changed_does_not_open() {
        let (one, two) = (master(1), master(2));
        let exchanged = SealedRoot([(one.fingerprint(), two.seal(&[9; 32]))].into());
        assert!(matches!(exchanged.open(&one), Err(RootError::Changed(named)) if named == one.fingerprint()));
        assert!(serde_json::from_str::<SealedRoot>(r#"{"e8d08b2e49b9a884":"no base64url!"}"#).is_err());
    }

    #[test]
    fn what_can_not_be_one_is_left_out() {
        let good = (master(1).fingerprint(), master(1).seal(&[9; 32]));
        let row = |fingerprint: &str, bytes| (fingerprint.to_owned(), vec![0; bytes]);
        let long = "a".repeat(9_000);
        let bad = [row(&long, 61), row("\u{1b}[2J...........", 61), row("E8D08B2E49B9A884", 61), row("", 0)];
        let read: SealedRoot = [good.clone()].into_iter().chain(bad.clone()).collect();
        assert_eq!(read, SealedRoot([good].into()));
        for (fingerprint, sealed) in bad {
            let text = serde_json::json!({ fingerprint: encode(&sealed) }).to_string();
            assert!(serde_json::from_str::<SealedRoot>(&text).unwrap().is_empty(), "{text}");
        }
        // Its key is told that it was changed.
        let read: SealedRoot = [row(&master(1).fingerprint(), 9_000)].into_iter().collect();
        assert!(matches!(read.open(&master(1)), Err(RootError::Changed(_))));
        assert!(serde_json::to_string(&read).unwrap().len() < 100);
    }

    #[test]
    fn where_none_is_written_down_the_key_is_the_root() {
        let read: SealedRoot = serde_json::from_str("{}").unwrap();
        assert_eq!(read.open(&master(1)).unwrap().derive("x"), Root::from_bytes([1; 32]).derive("x"));
    }
}
