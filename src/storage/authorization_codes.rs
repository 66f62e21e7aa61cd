//! Authorization codes: stored as hashes, spent once.
