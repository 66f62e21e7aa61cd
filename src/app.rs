//! The router: every route of the server, on one screen.
