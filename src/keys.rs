//! The master key, the signing-key ring, sealing at rest, and hashing of tokens and secrets.

pub mod hash;
pub mod master;
pub mod ring;
pub mod rotation;
pub mod seal;
pub mod signer;
