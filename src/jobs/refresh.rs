//! Learns of changes that other processes made.
