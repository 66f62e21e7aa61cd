//! Where the pages live, and how a view becomes an answer.

use std::sync::Arc;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderValue};
use url::Url;

use super::text::{Text, Wishes};
use super::view::Frame;
use crate::telemetry::current_trace;
use crate::web::cookie::{Cookie, Cookies};
use crate::web::error::Problem;
use crate::web::headers::{Csp, Nonce};

/// The issuer as the pages need it: the path their links begin with, and the host that the reader sees in the address bar.
#[derive(Clone, Debug)]
pub struct Site {
    base: Arc<str>,
    host: Arc<str>,
    cookies: Cookies,
    /// The language for whoever wants none that there is.
    default_locale: Arc<str>,
}

impl Site {
    pub fn of_issuer(issuer: &Url, default_locale: &str) -> Self {
        let host = issuer.host_str().unwrap_or_default();
        let host = issuer.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self {
            base: issuer.path().trim_end_matches('/').into(),
            host: host.into(),
            cookies: Cookies::for_issuer(issuer.as_str()),
            default_locale: default_locale.into(),
        }
    }

    /// The language of a request that came from a browser: what its person chose, what the client asks for, what the browser
    /// asks for.
    pub fn text(&self, ui_locales: Option<&str>, headers: &HeaderMap) -> Text {
        Text::negotiate(&Wishes {
            chosen: self.cookies.read(headers, Cookie::Language),
            ui_locales,
            accept_language: headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()),
            fallback: &self.default_locale,
        })
    }

    /// What a page in this language needs besides its own values. Without a nonce its scripts are left out.
    pub fn frame(&self, text: Text, nonce: Option<&Nonce>) -> Frame {
        Frame {
            text,
            base: self.base.to_string(),
            host: self.host.to_string(),
            nonce: nonce.map(|nonce| nonce.as_str().to_owned()),
            here: None,
            trace_id: current_trace().map(|trace_id| trace_id.to_string()),
        }
    }

    /// The path of a page, with the issuer's path before it.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// The view's HTML under its policy. Nothing of it is stored anywhere: the web room adds `no-store` to every page.
pub fn answer(csp: Csp<'_>, view: &impl Template) -> Result<Response, Problem> {
    let html = view.render().map_err(Problem::internal)?;
    Ok((csp, [(header::VARY, HeaderValue::from_static("accept-language, cookie"))], Html(html)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuers_path_comes_before_every_link_and_its_port_is_shown() {
        let site = Site::of_issuer(&"https://id.example:8443/auth/".parse().unwrap(), "en");
        assert_eq!((site.path("/login").as_str(), &*site.host), ("/auth/login", "id.example:8443"));
        let site = Site::of_issuer(&"http://localhost:8080".parse().unwrap(), "en");
        assert_eq!((site.path("/login").as_str(), &*site.host), ("/login", "localhost:8080"));
        let site = Site::of_issuer(&"https://id.example".parse().unwrap(), "en");
        assert_eq!((site.path("/").as_str(), &*site.host), ("/", "id.example"));
    }
}
