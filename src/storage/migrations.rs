//! Bringing the schema up to date, once, however many processes start.
