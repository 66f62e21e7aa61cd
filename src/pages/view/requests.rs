//! Requests of clients to a person who is elsewhere.

use askama::Template;

use super::{Frame, Moment};
use crate::pages::account::nav::Nav;

/// What waits for an answer.
#[derive(Clone, Debug, Template)]
#[template(path = "requests.html")]
pub struct Requests {
    pub frame: Frame,
    pub nav: Nav,
    pub requests: Vec<RequestRow>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct RequestRow {
    pub client: String,
    pub binding_message: Option<String>,
    pub asked_at: Moment,
    /// Which one it is, for the link.
    pub request: String,
}

/// The person has decided.
#[derive(Clone, Debug, Template)]
#[template(path = "request_ended.html")]
pub struct RequestEnded {
    pub frame: Frame,
    pub allowed: bool,
}
