//! `ostiary client`.
