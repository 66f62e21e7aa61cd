//! `ostiary dev`: a throw-away provider with a demonstration application.
