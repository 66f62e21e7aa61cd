//! The optional profile of a person.
