//! What single requests get: sizes, media types, encodings, methods, fields.

use super::fixture::{Answer, Server, quick};
use ostiary::config::ServerConfig;

fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n{fields}\r\n{body}", body.len())
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// What no answer may leave without, whoever wrote it.
#[track_caller]
fn is_complete(answer: &Answer) {
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{answer:?}");
    assert_eq!(answer.field("referrer-policy"), Some("no-referrer"), "{answer:?}");
    assert!(
        answer.field("content-security-policy").is_some_and(|policy| policy.contains("frame-ancestors 'none'")),
        "{answer:?}"
    );
    let request_id = answer.field("x-request-id").unwrap_or_default();
    assert!(request_id.len() == 32 && request_id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{answer:?}");
    assert!(answer.field("date").is_some(), "{answer:?}");
    assert_eq!((answer.field("server"), answer.field("x-powered-by")), (None, None), "{answer:?}");
}

#[tokio::test]
async fn a_target_over_8_kib_is_414_however_long() {
    let server = Server::start().await;
    let target = |length: usize| format!("GET /json?{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(length - 6));
    assert_eq!(server.send(target(8 * 1_024)).await.status, 200);
    for length in [8 * 1_024 + 1, 20_000, 60_000, 200_000] {
        let answer = server.send(target(length)).await;
        assert_eq!(answer.status, 414, "{length}");
        assert_eq!(answer.error(), "invalid_request");
        is_complete(&answer);
    }
    server.is_well().await;
}

#[tokio::test]
async fn a_head_over_16_kib_or_100_fields_is_431() {
    let server = Server::start().await;
    let head = |fields: &str| format!("GET /json HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
    let long = |length: usize| head(&format!("x: {}\r\n", "a".repeat(length)));
    assert_eq!(server.send(long(16_000)).await.status, 200);
    assert_eq!(server.send(head(&"x: a\r\n".repeat(99))).await.status, 200);
    for request in [
        long(16 * 1_024),
        long(30_000),
        long(60_000),
        long(300_000),
        head(&"x: a\r\n".repeat(100)),
        head(&"x: a\r\n".repeat(5_000)),
    ] {
        let answer = server.send(&request).await;
        assert_eq!(answer.status, 431, "{} bytes", request.len());
        assert_eq!(answer.error(), "invalid_request");
        is_complete(&answer);
    }
    server.is_well().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_before_it_is_read() {
    let server = Server::start().await;
    // Nothing of the body is sent: an answer proves that nobody waited for it.
    let announced = |path: &str, length: usize, fields: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{fields}\r\n")
    };
    for path in ["/token", "/login"] {
        let answer = server.send(announced(path, 64 * 1_024 + 1, FORM)).await;
        assert_eq!((answer.status, answer.field("connection")), (413, Some("close")), "{path}");
        is_complete(&answer);
        let huge = server.send(announced(path, 1 << 40, &format!("{FORM}expect: 100-continue\r\n"))).await;
        assert_eq!(huge.status, 413, "{path}: and no 100 Continue before it");
    }
    let json = "content-type: application/json\r\n";
    assert_eq!(server.send(announced("/api", 1_024 * 1_024 + 1, json)).await.status, 413);

    // Said nothing, sent too much: the answer still arrives.
    let mut client = server.connect().await;
    client.write(format!("POST /token HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n{FORM}\r\n")).await;
    let chunk = format!("4000\r\n{}\r\n", "a".repeat(0x4000));
    client.write(chunk.repeat(6)).await;
    assert_eq!(client.answer().await.status, 413);
    server.is_well().await;
}

#[tokio::test]
async fn a_body_that_is_waited_for_is_continued() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write(format!("POST /token HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n{FORM}\r\n")).await;
    assert_eq!(client.answer().await.status, 100);
    client.write("a=b").await;
    assert_eq!(client.answer().await.body, "b");
}

#[tokio::test]
async fn a_compressed_body_is_415_and_not_inflated() {
    let server = Server::start().await;
    for encoding in ["gzip", "br", "zstd"] {
        let answer = server.send(post("/token", &format!("{FORM}content-encoding: {encoding}\r\n"), "a=b")).await;
        assert_eq!((answer.status, answer.error().as_str()), (415, "invalid_request"), "{encoding}");
    }
    server.is_well().await;
}

#[tokio::test]
async fn a_wrong_media_type_is_refused_in_the_endpoints_own_words() {
    let server = Server::start().await;
    let json = "content-type: application/json\r\n";
    let token = server.send(post("/token", json, "{}")).await;
    assert_eq!((token.status, token.error().as_str()), (400, "invalid_request"));
    assert_eq!(token.field("cache-control"), Some("no-store"));
    let login = server.send(post("/login", json, "{}")).await;
    assert_eq!((login.status, login.field("location")), (400, None));
    assert_eq!(login.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(server.send(post("/api", FORM, "name=a")).await.status, 415);
    assert_eq!(server.send(post("/api", json, r#"{"name":"a"}"#)).await.status, 200);
    let with_charset = "content-type: application/x-www-form-urlencoded; charset=UTF-8\r\n";
    assert_eq!(server.send(post("/token", with_charset, "a=b")).await.body, "b");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_400_everywhere() {
    let server = Server::start().await;
    for body in ["a=%FF", "a=%C0%AF", "a=%00"] {
        assert_eq!(server.send(post("/token", FORM, body)).await.error(), "invalid_request", "{body}");
        assert_eq!(server.send(post("/login", FORM, body)).await.status, 400, "{body}");
    }
    for body in [r#"{"name":"\u0000"}"#, r#"{"name":"\ud800"}"#, "[[[["] {
        assert_eq!(server.send(post("/api", "content-type: application/json\r\n", body)).await.status, 400, "{body}");
    }
    let deep = "[".repeat(10_000);
    assert_eq!(server.send(post("/api", "content-type: application/json\r\n", &deep)).await.status, 400);
    server.is_well().await;
}

#[tokio::test]
async fn ten_thousand_parameters_are_refused_quickly() {
    let server = Server::start().await;
    let began = std::time::Instant::now();
    let answer = server.send(post("/token", FORM, &"a=b&".repeat(10_000))).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"));
    assert!(began.elapsed() < std::time::Duration::from_millis(200), "{:?}", began.elapsed());
}

#[tokio::test]
async fn another_method_is_405_and_names_those_there_are() {
    let server = Server::start().await;
    for method in ["TRACE", "PUT", "DELETE", "PATCH", "MADEUP"] {
        let answer = server.send(format!("{method} /token HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")), "{method}");
        is_complete(&answer);
        assert!(!answer.body.contains("host"), "a TRACE is not echoed: {answer:?}");
    }
    let overridden = format!("{FORM}x-http-method-override: DELETE\r\nx-method-override: DELETE\r\n");
    assert_eq!(server.send(post("/token", &overridden, "a=b")).await.body, "b");
    let options = server.send("OPTIONS /json HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((options.status, options.field("allow")), (405, Some("GET,HEAD")));
    assert_eq!(server.send("CONNECT evil:443 HTTP/1.1\r\nhost: evil\r\n\r\n").await.status, 404);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("HEAD /json HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(tokio::io::AsyncReadExt::read_u8(&mut client.0).await.unwrap()));
    }
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 7"), "{head}");
    assert_eq!(client.get("/json").await.body, r#"{"a":1}"#, "nothing was left between the answers");
}

#[tokio::test]
async fn the_sender_is_known_by_the_connection_unless_a_trusted_proxy_speaks() {
    let get = "GET /address HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.9, 198.51.100.1\r\nx-real-ip: 203.0.113.9\r\n\
               forwarded: for=203.0.113.9;host=evil\r\n\r\n";
    assert_eq!(Server::start().await.send(get).await.body, "127.0.0.1");
    let config = ServerConfig { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..ServerConfig::default() };
    let server = Server::with(quick(), &config).await;
    assert_eq!(server.send(get).await.body, "198.51.100.1");
    assert_eq!(server.send("GET /address HTTP/1.1\r\nhost: a\r\nx-forwarded-for: a\r\n\r\n").await.body, "127.0.0.1");
}

#[tokio::test]
async fn one_host_field_is_needed_and_believed_nothing() {
    let server = Server::start().await;
    for fields in ["", "host: a\r\nhost: b\r\n"] {
        let answer = server.send(format!("GET /json HTTP/1.1\r\n{fields}\r\n")).await;
        assert_eq!(answer.status, 400, "{fields}");
        is_complete(&answer);
    }
    let evil = "GET /json HTTP/1.1\r\nhost: evil\r\nx-forwarded-host: evil\r\nx-forwarded-proto: https\r\n\r\n";
    let answer = server.send(evil).await;
    assert_eq!(answer.status, 200);
    assert!(!format!("{answer:?}").contains("evil"));
}

#[tokio::test]
async fn an_unknown_path_tells_nothing() {
    let server = Server::start().await;
    for path in ["/nothing", "/metrics", "/debug/pprof", "/.git/config", "/json/", "/%2e%2e/etc/passwd"] {
        let answer = server.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        assert_eq!((answer.status, answer.error().as_str()), (404, "not_found"), "{path}");
        is_complete(&answer);
    }
    let page = server.send("GET /nothing HTTP/1.1\r\nhost: a\r\naccept: text/html,*/*;q=0.8\r\n\r\n").await;
    assert_eq!((page.status, page.field("content-type")), (404, Some("text/html; charset=utf-8")));
    assert!(page.body.contains(page.field("x-request-id").unwrap()), "a person can tell which request it was: {page:?}");
}

#[tokio::test]
async fn a_panic_costs_its_own_request_only() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let answer = client.get("/panic").await;
    assert_eq!((answer.status, answer.error().as_str()), (500, "server_error"));
    is_complete(&answer);
    assert!(!answer.body.contains("index") && !answer.body.contains(".rs"), "{answer:?}");
    assert_eq!(client.get("/json").await.status, 200, "on the same connection");
    assert_eq!(server.shell.panics(), 1);
}

#[tokio::test]
async fn below_the_management_api_every_refusal_has_its_envelope() {
    let server = Server::start().await;
    let get = |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\n{fields}\r\n");
    let host = "host: a\r\n";
    let long_target = |length: usize| format!("/api/v1/users?{}", "a".repeat(length));
    let long_field = |length: usize| format!("{host}x: {}\r\n", "a".repeat(length));
    for (status, code, request) in [
        (500, "server_error", get("/api/v1/panic", host)),
        (500, "server_error", get("/api/v1/panic", &format!("{host}accept: text/html\r\n"))),
        // The shell's own, and those that it takes over from hyper.
        (414, "invalid_request", get(&long_target(9_000), host)),
        (414, "invalid_request", get(&long_target(60_000), host)),
        (431, "invalid_request", get("/api/v1", &long_field(20_000))),
        (431, "invalid_request", get("/api/v1", &long_field(60_000))),
        (431, "invalid_request", get("/api/v1/users", &format!("{host}{}", "x: a\r\n".repeat(200)))),
        (400, "invalid_request", get("/api/v1/users", "")),
        (400, "invalid_request", get("/api/v1/users", "host: a\r\nbad field: x\r\n")),
    ] {
        let answer = server.send(&request).await;
        let shown: String = request.chars().take(40).collect();
        assert_eq!((answer.status, answer.field("content-type")), (status, Some("application/json")), "{shown}");
        let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(body["error"]["code"], code, "{shown}: {body}");
        assert!(body["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{shown}: {body}");
        assert_eq!(body["error"]["details"], serde_json::json!([]), "{shown}: {body}");
        assert_eq!(body["error"]["trace_id"], answer.field("x-request-id").expect("an id"), "{shown}: {body}");
        is_complete(&answer);
    }
    // Next to it, OAuth's form is kept.
    assert_eq!(server.send(get("/api/v10", "")).await.error(), "invalid_request");
}

#[tokio::test]
async fn a_page_carries_what_a_page_owes() {
    let server = Server::with(quick(), &ServerConfig { issuer: "https://id.example".into(), ..ServerConfig::default() }).await;
    let page = server.send("GET /page HTTP/1.1\r\nhost: a\r\n\r\n").await;
    is_complete(&page);
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ] {
        assert_eq!(page.field(name), Some(value), "{name}");
    }
    let refused = server.send("GET /refused HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((refused.status, refused.field("x-frame-options")), (403, Some("DENY")));
    assert_eq!(
        refused.field("content-security-policy"),
        Some("default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'")
    );
}

#[tokio::test]
async fn too_much_at_once_is_503_with_a_time_to_come_back() {
    let answer = Server::start().await.send("GET /busy HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((answer.status, answer.error().as_str()), (503, "temporarily_unavailable"));
    assert_eq!(answer.field("retry-after"), Some("2"));
}

#[tokio::test]
async fn what_is_not_http_gets_a_complete_refusal() {
    let server = Server::start().await;
    for request in [
        "GARBAGE\r\n\r\n",
        "GET /json HTTP/1.1\r\nhost: a\r\nbad field: x\r\n\r\n",
        "GET /json HTTP/1.1\r\nhost: a\r\n folded: x\r\n\r\n",
        "GET /js on HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /token HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST /token HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "POST /token HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST /token HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let answer = server.send(request).await;
        assert_eq!((answer.status, answer.field("connection")), (400, Some("close")), "{request}");
        is_complete(&answer);
    }
    server.is_well().await;
}
