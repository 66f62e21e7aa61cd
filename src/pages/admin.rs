//! The administrator's start page.
