//! Explaining refusals: the tables of checks, and what is kept of a refused request.

mod tables;
