//! The texts of the pages, in the reader's language (Fluent).
