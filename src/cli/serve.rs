//! `ostiary serve`.
