//! What commands print, for people and for scripts, and their exit codes.
