//! The page that posts an authorization response to the client (Form Post Response Mode §2).
