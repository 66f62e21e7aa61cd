//! `ostiary migrate`.
