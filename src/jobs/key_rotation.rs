//! Rotates the signing keys when it is time.
