//! `ostiary user`.
