//! `ostiary config`.
