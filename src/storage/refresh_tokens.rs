//! Refresh tokens: rotation, reuse detection, and the retry after a lost answer.
