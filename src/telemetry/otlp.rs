//! Spans as OTLP has them, in JSON (OpenTelemetry Protocol 1.x, `ExportTraceServiceRequest`).

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::spans::{Ended, Kind, Recorded, Recording};

/// The path below the collector's URL.
pub const PATH: &str = "v1/traces";

/// Who sends them.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    /// This process.
    pub instance: String,
}

/// The body of a request for these.
pub fn request(service: &Service, requests: &[Ended]) -> String {
    let spans: Vec<Value> = requests.iter().flat_map(all).collect();
    let version = env!("CARGO_PKG_VERSION");
    let resource = [
        attribute("service.name", service.name.as_str()),
        attribute("service.version", version),
        attribute("service.instance.id", service.instance.as_str()),
    ];
    let scope = json!({ "name": "ostiary", "version": version });
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] })
    .to_string()
}

/// How many spans these are.
pub fn count(requests: &[Ended]) -> u64 {
    requests.iter().map(|ended| ended.recording.spans.len() as u64 + 1).sum()
}

/// How many spans an answer of success says were not taken (`ExportTraceServiceResponse`). `None`: it is none. One without a body takes all.
pub fn rejected(body: &[u8]) -> Option<u64> {
    if body.trim_ascii().is_empty() {
        return Some(0);
    }
    let answer: Value = serde_json::from_slice(body).ok().filter(Value::is_object)?;
    // Whole numbers of 64 bits are text in this form of JSON; not every collector knows.
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    Some(rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or_default())
}

fn all(ended: &Ended) -> impl Iterator<Item = Value> {
    let parts = ended.recording.spans.iter().enumerate();
    std::iter::once(server(ended)).chain(parts.map(|(index, span)| part(&ended.recording, index, span)))
}

/// The span of the request itself (semantic conventions for HTTP servers).
fn server(ended: &Ended) -> Value {
    let Ended { recording, method, endpoint, status, .. } = ended;
    let mut attributes = vec![
        attribute("http.request.method", method),
        attribute("http.route", endpoint.as_str()),
        json!({ "key": "http.response.status_code", "value": { "intValue": status.as_u16().to_string() } }),
        attribute("ostiary.request_id", recording.request_id.as_str()),
    ];
    if recording.missing > 0 {
        attributes.push(json!({ "key": "ostiary.missing_spans", "value": { "intValue": recording.missing.to_string() } }));
    }
    let mut span = json!({
        "traceId": recording.context.trace.as_str(),
        "spanId": recording.context.span.to_string(),
        "name": format!("{method} {}", endpoint.as_str()),
        "kind": 2,
        "startTimeUnixNano": time(recording, Duration::ZERO),
        "endTimeUnixNano": time(recording, recording.took),
        "attributes": attributes,
        "status": if is_fault(*status) { json!({ "code": 2 }) } else { json!({}) },
    });
    if let Some(parent) = recording.parent {
        span["parentSpanId"] = parent.to_string().into();
    }
    span
}

fn is_fault(status: StatusCode) -> bool {
    status.is_server_error()
}

fn part(recording: &Recording, index: usize, span: &Recorded) -> Value {
    let parent = span.within.map_or(recording.context.span, |index| recording.id_of(index));
    let outcome = span.outcome.map(|outcome| attribute("ostiary.outcome", outcome));
    json!({
        "traceId": recording.context.trace.as_str(),
        "spanId": recording.id_of(index).to_string(),
        "parentSpanId": parent.to_string(),
        "name": span.name,
        "kind": match span.kind { Kind::Internal => 1, Kind::Client => 3 },
        "startTimeUnixNano": time(recording, span.from),
        "endTimeUnixNano": time(recording, span.until.max(span.from)),
        "attributes": outcome.into_iter().collect::<Vec<_>>(),
    })
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Nanoseconds since 1970, as text: JSON has no whole numbers as large as that.
fn time(recording: &Recording, after: Duration) -> String {
    let begin = i128::from(recording.at.as_micros()) * 1_000;
    (begin + i128::try_from(after.as_nanos()).unwrap_or_default()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Timestamp;
    use crate::telemetry::TraceId;
    use crate::telemetry::metrics::Endpoint;
    use crate::telemetry::spans::{self, queue};

    #[test]
    fn what_a_collector_does_not_take_it_says() {
        let taken = [(r"", 0), ("{}", 0), (r#"{"partialSuccess":{}}"#, 0), (r#"{"partialSuccess":{"errorMessage":"slow"}}"#, 0)];
        let partly = [(r#"{"partialSuccess":{"rejectedSpans":"3"}}"#, 3), (r#"{"partialSuccess":{"rejectedSpans":4}}"#, 4)];
        for (body, expected) in taken.into_iter().chain(partly) {
            assert_eq!(rejected(body.as_bytes()), Some(expected), "{body}");
        }
        for body in ["<!doctype html>", "[]", "\"ok\"", "ok"] {
            assert_eq!(rejected(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_request_and_its_parts_are_spans_of_one_trace() {
        let (recorder, mut receiver) = queue(1.0);
        let id = TraceId::random();
        let mut recording = Some(recorder.begin(id, Timestamp::from_seconds(1), None));
        spans::collect(&mut recording, || {
            let _outer = spans::span("transaction");
            drop(spans::statement("SELECT id FROM clients"));
        });
        recorder.end(recording.unwrap(), "GET", Endpoint::of("/authorize"), StatusCode::SERVICE_UNAVAILABLE);
        let ended = [receiver.try_recv().unwrap()];
        assert_eq!(count(&ended), 3);

        let service = Service { name: "door".to_owned(), instance: "1".to_owned() };
        let sent: Value = serde_json::from_str(&request(&service, &ended)).unwrap();
        let spans = sent["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        let [server, outer, inner] = spans.as_slice() else { panic!("{spans:?}") };
        assert!(spans.iter().all(|span| span["traceId"] == id.as_str()), "{spans:?}");
        assert_eq!(
            (&server["name"], &server["kind"], &server["status"]["code"]),
            (&json!("GET /authorize"), &json!(2), &json!(2))
        );
        assert_eq!(server["startTimeUnixNano"], "1000000000");
        assert!(server.get("parentSpanId").is_none());
        assert_eq!((&outer["parentSpanId"], &inner["parentSpanId"]), (&server["spanId"], &outer["spanId"]));
        assert_eq!((&inner["name"], &inner["kind"]), (&json!("SELECT clients"), &json!(3)));
        assert_eq!(sent["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "door");
    }
}
