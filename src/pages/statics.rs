//! Style sheets and scripts, embedded.
