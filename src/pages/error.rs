//! The error page: what went wrong, what the reader can do, and the reference under which the log has the cause.

use askama::Template;
use http::header::{self, HeaderMap};

use super::site::Site;
use super::view::{Error, Frame};
use crate::web::error::ErrorRenderer;

/// Writes the error pages of the whole server.
pub fn renderer(site: Site) -> ErrorRenderer {
    ErrorRenderer::new(move |error| {
        let fields = [
            (header::ACCEPT_LANGUAGE, error.accept_language.and_then(|field| field.parse().ok())),
            (header::COOKIE, error.cookie.cloned()),
        ];
        let headers: HeaderMap = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let frame = site.frame(site.text(None, &headers), None);
        let view = view(frame, error.problem.status.as_u16(), error.problem.reason, error.trace_id.to_string());
        let view = Error { go_on: error.problem.go_on.clone(), ..view };
        // A template that can't be written is a fault that no page can show: the status and the trace id are in the headers.
        view.render().unwrap_or_default()
    })
}

/// The error page for a refusal with this status and reason (a stable word for the log, which the reader doesn't see).
pub fn view(frame: Frame, status: u16, reason: &str, trace_id: String) -> Error {
    let id = message(status, reason);
    let (title, text) = (frame.text.of(id), frame.text.of(&format!("{id}.text")));
    Error { frame: Frame { nonce: None, ..frame }, status, title, text, trace_id, go_on: None }
}

/// The message for the reader. What a person can do about differs by the reason only where a flow comes to its end.
fn message(status: u16, reason: &str) -> &'static str {
    match (status, reason) {
        (_, "client_id_missing" | "client_id_duplicated" | "client_unknown" | "client_disabled") => "error-unknown-client",
        (_, "redirect_uri_missing" | "redirect_uri_duplicated" | "redirect_uri_mismatch") => "error-redirect-uri",
        (_, "flow_expired" | "flow_foreign") => "error-flow-expired",
        (_, "user_code_ended") => "error-device",
        (_, "backchannel_ended") => "error-request",
        (_, "csrf") => "error-form",
        (_, "setup_link_dead") => "error-setup-link",
        (_, "registration_closed") => "error-registration",
        (_, "recovery_closed") => "error-recovery",
        (403, _) => "error-forbidden",
        (404, _) => "error-not-found",
        (405, _) => "error-method",
        (413 | 414 | 431, _) => "error-too-large",
        (429, _) => "error-too-many",
        (503, _) => "error-unavailable",
        (500.., _) => "error-internal",
        _ => "error-bad-request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;
    use crate::web::context::TraceId;
    use crate::web::error::{ErrorView, Problem};

    #[test]
    fn a_refused_redirect_uri_reads_as_such_in_the_whole_servers_error_page() {
        let site = Site::of_issuer(&"https://id.example/auth".parse().unwrap(), "en");
        let problem =
            Problem::request(http::StatusCode::BAD_REQUEST, "redirect_uri_mismatch", "The redirect_uri is not registered");
        let html = renderer(site).render(&ErrorView {
            problem: &problem,
            trace_id: TraceId::random(),
            accept_language: Some("de"),
            cookie: None,
        });
        assert!(html.contains("can’t be trusted with a login") && html.contains("href=\"/auth/static/"), "{html}");
    }

    #[test]
    fn every_error_has_a_title_a_text_and_the_reference() {
        let frame = Frame {
            text: Text::default(),
            base: String::new(),
            host: "id.example".into(),
            nonce: None,
            here: None,
            trace_id: None,
        };
        for (status, reason) in [
            (400, "client_unknown"),
            (400, "redirect_uri_mismatch"),
            (400, "flow_expired"),
            (403, "csrf"),
            (400, "user_code_ended"),
            (400, "backchannel_ended"),
            (410, "setup_link_dead"),
            (403, "registration_closed"),
            (400, "recovery_closed"),
            (400, ""),
            (403, ""),
            (404, ""),
            (405, ""),
            (413, ""),
            (429, ""),
            (500, ""),
            (503, ""),
        ] {
            let view = view(frame.clone(), status, reason, "trace-1".to_owned());
            assert!(!view.title.starts_with("error-") && !view.text.starts_with("error-"), "{status} {reason}");
            let html = view.render().unwrap();
            assert!(html.contains("<code id=\"trace-id\">trace-1</code>") && html.contains(&status.to_string()));
            assert!(!html.contains("<script"));
        }
    }
}
