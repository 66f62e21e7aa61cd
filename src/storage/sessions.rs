//! Browser sessions: stored as hashes of their cookie.
