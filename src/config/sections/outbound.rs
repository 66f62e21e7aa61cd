//! Requests that the server makes by itself.

use std::path::PathBuf;

use crate::config::section;

section! {
    /// Requests that the server makes by itself: the keys of clients, what they registered by URL, notices of a logout. They go to
    /// `https` URLs at public addresses alone, follow no redirect, take five seconds and 64 KiB at most.
    OutboundConfig {
        /// Hosts that may also be asked over `http` and at addresses that are not public: `localhost:4000`, `10.0.0.5`. With a
        /// port, that port alone. For development, and for what stands in the same network.
        private_hosts: Vec<String> = Vec::new();
        /// A file with certificate authorities (PEM) that are trusted besides the public ones.
        ca_file: PathBuf = PathBuf::new();
    }
}
