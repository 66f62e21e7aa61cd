//! Passkeys.

use std::path::PathBuf;

use url::Url;
use uuid::Uuid;

use crate::config::section;

section! {
    /// Passkeys (WebAuthn). They need a host name: under an issuer like `http://127.0.0.1:8080` there are none.
    PasskeysConfig {
        /// Whether people may set up passkeys and log in with them.
        enabled: bool = true;
        /// The domain that passkeys belong to: the issuer's host, or a domain above it. The issuer's host when empty. When it
        /// changes, no passkey made before works any more.
        rp_id: String = String::new();
        /// What browsers call this server when they ask for a passkey.
        rp_name: String = "Ostiary".to_owned();
        /// Where passkeys may be used, if not at the issuer's origin alone: origins below `rp_id`, such as
        /// `https://id.example.org`, or native applications, `android:apk-key-hash:…`. The issuer's own is always among them.
        origins: Vec<String> = Vec::new();
        /// Whether a new passkey must make sure that it is its owner who uses it, by a PIN, a finger or a face: `required`, or
        /// `preferred`. One that does not is good as a second factor only.
        user_verification: UserVerification = UserVerification::Preferred;
        /// A file with certificate authorities (PEM) of makers of authenticators. When it is set, browsers are asked for an
        /// attestation, and a new passkey is taken only from an authenticator that one of these vouches for; most synchronised
        /// passkeys have nobody who does. Passkeys that are there already go on working.
        attestation_ca_file: PathBuf = PathBuf::new();
        /// Of the authenticators that those authorities vouch for, the models that are taken, by AAGUID. All of them when empty.
        attestation_models: Vec<Uuid> = Vec::new();
        /// How many a person may have.
        max_per_person: u32 = 20;
        /// Whether whoever has a passkey may do without a password.
        allow_without_password: bool = true;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserVerification {
    Required,
    Preferred,
}

impl PasskeysConfig {
    /// The domain that passkeys belong to; `None` where there can't be any.
    pub fn rp_id(&self, issuer: &Url) -> Option<String> {
        if !self.enabled {
            return None;
        }
        if self.rp_id.is_empty() { issuer.domain().map(str::to_owned) } else { Some(self.rp_id.clone()) }
    }
}
