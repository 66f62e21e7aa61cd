//! The refusals that hyper writes by itself, when a request's head can't be read (RFC 9112 §3, RFC 6585 §5).
//!
//! They never reach the shell and carry nothing but a status. These take their place.

use axum::response::IntoResponse;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

use crate::telemetry::TraceId;
use crate::web::audience::Audience;
use crate::web::error::{Error, Problem};
use crate::web::shell::{self, Shell};

/// The answer to write instead of `head`, if that is a refusal of hyper's own. `has_line`: the request's first line is there.
pub(super) fn in_place_of(head: &[u8], has_line: bool, audience: Audience, shell: &Shell) -> Option<Bytes> {
    // Every answer that went through the shell carries a request id.
    let own = head.starts_with(b"HTTP/1.1 4") && !head.windows(12).any(|part| part == b"x-request-id");
    let status = StatusCode::from_bytes(head.get(9..12).filter(|_| own)?).ok()?;
    let problem = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if has_line => shell::headers_too_large(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => shell::uri_too_long(),
        _ => Problem::request(status, "malformed_request", "The request is not HTTP/1.1 as it should be"),
    };
    let trace_id = TraceId::random();
    shell.explain_head(trace_id, problem.status, problem.reason);
    let body = shell.audiences().json(audience, &problem, trace_id);
    let mut response = Error(problem).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some(date) = date(head) {
        fields.insert(header::DATE, date);
    }
    shell::complete(fields, trace_id, shell.has_hsts());
    Some(write(response.status(), response.headers(), &body))
}

fn date(head: &[u8]) -> Option<HeaderValue> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    lines.find_map(|line| line.strip_prefix("date: ")).and_then(|date| HeaderValue::from_str(date).ok())
}

fn write(status: StatusCode, fields: &HeaderMap, body: &str) -> Bytes {
    let mut answer = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in fields {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            answer.extend_from_slice(part);
        }
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(body.as_bytes());
    answer.into()
}

#[cfg(test)]
mod tests {
    use axum::Router;

    use super::*;
    use crate::clock::Clock;
    use crate::config::ServerConfig;
    use crate::web::audience::Audiences;
    use crate::web::error::ErrorRenderer;

    const HYPERS: &[u8] =
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: Sun, 22 Nov 2026 03:00:00 GMT\r\n\r\n";

    fn answer(head: &[u8], has_line: bool) -> Option<String> {
        let bare = ErrorRenderer::default();
        let audiences = Audiences { page: bare.clone(), api: bare, api_path: "/api/v1".to_owned() };
        let config = ServerConfig { issuer: "https://id.example".to_owned(), ..ServerConfig::default() };
        let shell = Shell::new(Router::new(), Clock::system(), &config, audiences);
        in_place_of(head, has_line, Audience::Client, &shell).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn a_refusal_of_hypers_gets_what_every_answer_owes() {
        let answer = answer(HYPERS, true).unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
        for field in ["x-request-id: ", "x-content-type-options: nosniff", "strict-transport-security: ", "connection: close"] {
            assert!(answer.contains(&format!("\r\n{field}")), "{field} in {answer}");
        }
        assert!(answer.contains("\r\ndate: Sun, 22 Nov 2026 03:00:00 GMT\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(answer.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
        assert!(body.starts_with("{\"error\":\"invalid_request\""), "{answer}");
    }

    #[test]
    fn a_first_line_without_end_is_a_target_too_long() {
        assert!(answer(HYPERS, false).unwrap().starts_with("HTTP/1.1 414 URI Too Long\r\n"));
    }

    #[test]
    fn answers_of_ours_are_left_alone() {
        assert_eq!(answer(b"HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\n\r\n", true), None);
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n\r\n", true), None);
        assert_eq!(answer(b"HTTP", true), None);
    }
}
