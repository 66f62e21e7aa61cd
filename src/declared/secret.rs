//! Where a secret is kept: no document holds one.

use serde::{Deserialize, Serialize};

/// `{ file = "…" }`, seen from the document's folder, or `{ env = "…" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretReference {
    File(String),
    Env(String),
}

/// The least length: a secret is stored as a fast hash and may be a key of HMAC-SHA256 (RFC 7518 §3.2), so it has to be random.
const MIN_LENGTH: usize = 32;

/// What is wrong with a secret that somebody else made, if anything is.
pub fn secret_problem(secret: &str) -> Option<String> {
    let usable = secret.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) && (MIN_LENGTH..=255).contains(&secret.len());
    (!usable).then(|| format!("names a secret that is not {MIN_LENGTH} to 255 printable ASCII characters without space"))
}
