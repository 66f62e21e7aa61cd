//! Pages of a list.
