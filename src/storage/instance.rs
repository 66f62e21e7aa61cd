//! Facts about this installation: the check value of the master key.
