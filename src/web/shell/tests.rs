use axum::routing::get;

use super::*;
use crate::telemetry;
use crate::web::error::ErrorRenderer;

const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn shell() -> Shell {
    let router = Router::new()
        .route("/log", get(|| async { tracing::info!("working") }))
        .route(
            "/later/refused",
            get(|| async {
                tokio::task::yield_now().await;
                let _span = spans::span("after");
                crate::web::error::Error::from(Problem::request(StatusCode::FORBIDDEN, "left_in_a_test", "No"))
            }),
        )
        .route("/later/panic", get(panics_later))
        .route("/fault", get(|| async { crate::web::error::Error::from(Problem::internal("the disk is on fire")) }));
    let bare = ErrorRenderer::default();
    let audiences = Audiences { page: bare.clone(), api: bare, api_path: "/api/v1".to_owned() };
    Shell::new(router, Clock::system(), &ServerConfig::default(), audiences)
}

async fn panics_later() {
    tokio::task::yield_now().await;
    panic!("on purpose");
}

/// The status, the request id, and what was logged.
fn ask(filter: &str, path: &str) -> (StatusCode, String, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let request = Request::get(path).header("host", "a").body(Body::empty()).unwrap();
    let mut answer = None;
    let log = telemetry::tests::logged(crate::config::LogFormat::Text, filter, || {
        answer = Some(runtime.block_on(shell().handle(request, SENDER)).unwrap_or_else(|never| match never {}));
    });
    let answer = answer.unwrap();
    (answer.status(), answer.headers()["x-request-id"].to_str().unwrap().to_owned(), log)
}

#[test]
fn every_line_of_a_request_carries_the_id_that_its_answer_carries() {
    let (_, id, log) = ask("debug", "/log?code=secret");
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.lines().all(|line| line.ends_with(&format!("trace_id={id}"))), "{log}");
    assert!(log.contains("answered method=\"GET\" path=\"/log\" status=200"), "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn a_request_leaves_no_line_of_its_own_by_default() {
    let (_, _, log) = ask("info", "/log");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn the_cause_of_a_fault_is_in_the_log_under_the_id_and_not_in_the_answer() {
    let (status, id, log) = ask("info", "/fault");
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(log.contains("the disk is on fire") && log.contains(&id), "{log}");
}

#[test]
fn a_line_about_each_request_names_the_endpoint_and_never_what_was_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let shell = shell().watching(Watch { lines: true, ..Watch::default() });
    let request = Request::get("/api/v1/admin/users/4711?code=secret").header("host", "a").body(Body::empty()).unwrap();
    let log = telemetry::tests::logged(crate::config::LogFormat::Text, "info", || {
        _ = runtime.block_on(shell.handle(request, SENDER));
    });
    assert!(
        log.contains("ostiary::requests: answered method=\"GET\" endpoint=\"/api/v1/admin/users/{user_id}\" status=404"),
        "{log}"
    );
    assert!(log.contains(" trace_id=") && !log.contains("4711") && !log.contains("secret"), "{log}");
}

/// What is done after its client went away: the log, and how the request was recorded.
fn leave(path: &str) -> (Shell, String, crate::telemetry::spans::Ended) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (recorder, mut ended_ones) = spans::queue(1.0);
    let shell = shell().watching(Watch { lines: true, recorder: Some(recorder), ..Watch::default() });
    let request = Request::get(path).header("host", "a").body(Body::empty()).unwrap();
    let mut ended = None;
    let log = telemetry::tests::logged(crate::config::LogFormat::Text, "info", || {
        ended = runtime.block_on(async {
            let mut handling = Box::pin(shell.handle(request, SENDER));
            let begin = std::future::poll_fn(|context| Poll::Ready(handling.as_mut().poll(context).is_pending()));
            assert!(begin.await);
            drop(handling);
            ended_ones.recv().await
        });
    });
    (shell, log, ended.unwrap())
}

#[test]
fn whoever_goes_away_hides_nothing() {
    let refusals = || REFUSALS.all().into_iter().filter(|((reason, _), _)| *reason == "left_in_a_test").count();
    let (shell, log, ended) = leave("/later/refused");
    assert_eq!((ended.status, refusals(), shell.panics()), (StatusCode::FORBIDDEN, 1, 0));
    assert!(log.contains("answered method=\"GET\"") && log.contains("status=403"), "{log}");
    assert_eq!(ended.recording.spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["after"]);

    let (shell, log, ended) = leave("/later/panic");
    assert_eq!((ended.status, shell.panics()), (StatusCode::INTERNAL_SERVER_ERROR, 1));
    assert!(log.contains("a handler panicked") && log.contains("status=500"), "{log}");
}
