//! The page on which the first administrator is made.
