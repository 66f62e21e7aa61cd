//! A person's start page.
