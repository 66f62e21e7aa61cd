//! The master key and the root, the signing-key ring, sealing at rest, and hashing of tokens and secrets.
//!
//! ```text
//! master   32 bytes from a file or the environment, which open the root
//! root     32 bytes in the database, sealed; everything below is derived from it
//!   ├─ seal   AES-256-GCM: private keys at rest, state that travels through the browser
//!   └─ hash   HMAC-SHA256: what is stored instead of a token or secret
//! signer   one private key, parsed once
//! encryption  for others, and of what others encrypted for this server
//! dpop_nonce  nonces for proofs of possession
//! backup_proof  to whom a backup belongs, and who made it
//! certificate  of clients, and who vouches for them
//! evidence  what marks, seals and vouches for the audit log
//! foreign  keys of others, and what they signed
//! notification  with what a client is told of an answer
//! ring     which key signs, which keys verify, the published JWKS
//! store    the ring's keys in the database: read, made, rotated, forgotten
//! rotation when each of that is due (pure)
//! ```

pub mod age;
pub mod backup_proof;
pub mod certificate;
pub mod client_secret;
pub mod dpop_nonce;
pub mod encryption;
pub mod evidence;
pub mod foreign;
pub mod hash;
pub mod master;
mod neighbours;
pub mod notification;
pub mod ring;
pub mod root;
pub mod rotation;
pub mod seal;
pub mod signer;
pub mod store;
pub mod subject;
