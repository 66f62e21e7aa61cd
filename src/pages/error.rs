//! The error page: what went wrong, what the reader can do, and the reference under which the log has the cause.

use super::view::{Error, Frame};

/// The error page for a refusal with this status and reason (a stable word for the log, which the reader doesn't see).
pub fn view(frame: Frame, status: u16, reason: &str, trace_id: String) -> Error {
    let id = message(status, reason);
    let (title, text) = (frame.text.of(id), frame.text.of(&format!("{id}.text")));
    Error { frame: Frame { nonce: None, ..frame }, status, title, text, trace_id }
}

/// The message for the reader. What a person can do about differs by the reason only where a flow comes to its end.
fn message(status: u16, reason: &str) -> &'static str {
    match (status, reason) {
        (_, "client_id_missing" | "client_unknown" | "client_disabled" | "client_id_malformed") => "error-unknown-client",
        (_, "redirect_uri_missing" | "redirect_uri_mismatch" | "redirect_uri_malformed") => "error-redirect-uri",
        (_, "flow_expired" | "flow_invalid" | "flow_other_browser" | "csrf") => "error-flow-expired",
        (_, "setup_link_dead") => "error-setup-link",
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
    use askama::Template;

    use super::*;
    use crate::pages::text::Text;

    #[test]
    fn every_error_has_a_title_a_text_and_the_reference() {
        let frame = Frame { text: Text::default(), base: String::new(), host: "id.example".into(), nonce: None };
        for (status, reason) in [
            (400, "client_unknown"),
            (400, "redirect_uri_mismatch"),
            (400, "flow_expired"),
            (403, "csrf"),
            (410, "setup_link_dead"),
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
