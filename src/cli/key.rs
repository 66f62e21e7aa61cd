//! `ostiary key`.
