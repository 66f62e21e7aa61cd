//! Who reads an error that is made outside every handler, or in place of one: a person, an OAuth client, or a program that
//! manages the server. Each is answered in its own format.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;
use http::header::{self, HeaderValue};

use super::context::TraceId;
use super::error::{Error, ErrorRenderer, ErrorView, PageError, Problem, wants_page};

/// What the errors of each audience look like. The shell is given it, because pages and API may depend on this room and not
/// the other way round.
#[derive(Clone, Debug)]
pub struct Audiences {
    /// The error page.
    pub page: ErrorRenderer,
    /// The body of the management API's errors.
    pub api: ErrorRenderer,
    /// Where the management API stands, the issuer's path included.
    pub api_path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Person,
    Client,
    /// Whoever asks for something below the management API's path.
    Program,
}

/// Who reads an error, as far as the request's head tells.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) audience: Audience,
    accept_language: Option<HeaderValue>,
    cookie: Option<HeaderValue>,
}

impl Reader {
    pub(super) fn of<B>(request: &Request<B>, audiences: &Audiences) -> Self {
        let below = request.uri().path().strip_prefix(audiences.api_path.as_str());
        let audience = if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            Audience::Program
        } else if wants_page(request.headers()) {
            Audience::Person
        } else {
            Audience::Client
        };
        let field = |name| request.headers().get(name).cloned();
        Self { audience, accept_language: field(header::ACCEPT_LANGUAGE), cookie: field(header::COOKIE) }
    }

    /// What the error page needs to be written.
    pub(super) fn view<'a>(&'a self, problem: &'a Problem, trace_id: TraceId) -> ErrorView<'a> {
        let accept_language = self.accept_language.as_ref().and_then(|value| value.to_str().ok());
        ErrorView { problem, trace_id, accept_language, cookie: self.cookie.as_ref() }
    }
}

impl Audiences {
    /// The answer for `audience`. A page is only marked as such: the shell writes it.
    pub(super) fn answer(&self, audience: Audience, problem: Problem, trace_id: TraceId) -> Response {
        let body = match audience {
            Audience::Person => return PageError(problem).into_response(),
            Audience::Client => return Error(problem).into_response(),
            Audience::Program => self.json(audience, &problem, trace_id),
        };
        let mut response = Error(problem).into_response();
        *response.body_mut() = Body::from(body);
        response
    }

    /// The body of an answer in JSON.
    pub(super) fn json(&self, audience: Audience, problem: &Problem, trace_id: TraceId) -> String {
        match audience {
            Audience::Program => self.api.render(&ErrorView { problem, trace_id, accept_language: None, cookie: None }),
            Audience::Person | Audience::Client => problem.to_json(),
        }
    }
}
