//! The one layer around the router: what every request is given, and what no answer may leave without.
//!
//! It is one service and not a stack of middleware, because every request pays for it.

mod watch;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Version};
use ipnet::IpNet;
use tower::Service;

pub use self::watch::Watch;
use self::watch::{Asked, LogLine};
use super::audience::{Audiences, Reader};
use super::context::{Peer, RequestContext, TraceId, client_address, is_trusted};
use super::error::{ErrorPage, Problem};
use super::headers::{self, Csp};
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::explain::{self, Case, Decision};
use crate::protocol::metadata::issuer_path;
use crate::telemetry::findings::Findings;
use crate::telemetry::metrics::{PANICS, REFUSALS};
use crate::telemetry::spans::{self, Recorder, Recording};
use crate::telemetry::{findings, in_trace};

/// The longest request target.
const MAX_URI: usize = 8 * 1_024;

/// The most bytes of names and values in a request's head.
const MAX_HEADERS: usize = 16 * 1_024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The router with everything around it. A [`Service`], for the server and for tests alike.
#[derive(Clone, Debug)]
pub struct Shell {
    router: Router,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    trusted_proxies: Vec<IpNet>,
    /// These tell the certificates of clients.
    certificate_field: bool,
    hsts: bool,
    audiences: Audiences,
    /// The issuer's path.
    base: String,
    /// Where refused requests are explained, if they are.
    explanations: Option<explain::Queue>,
    /// What else is done with what is seen of requests.
    watch: Watch,
    /// Requests that are being finished although their client went away.
    left_behind: AtomicUsize,
    panics: AtomicUsize,
}

impl Shell {
    pub fn new(router: Router, clock: Clock, config: &ServerConfig, audiences: Audiences) -> Self {
        let shared = Shared {
            clock,
            trusted_proxies: config.trusted_proxies.clone(),
            certificate_field: config.client_certificate_header,
            hsts: config.issuer.starts_with("https:"),
            audiences,
            base: issuer_path(&config.issuer).to_owned(),
            explanations: None,
            watch: Watch::default(),
            left_behind: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
        };
        Self { router, shared: Arc::new(shared) }
    }

    /// Explains what it refuses.
    #[must_use]
    pub fn explaining(mut self, queue: explain::Queue) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.explanations = Some(queue);
        }
        self
    }

    /// Counts requests, and writes lines about them.
    #[must_use]
    pub fn watching(mut self, watch: Watch) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.watch = watch;
        }
        self
    }

    /// Records how requests go, where somebody wants to know.
    #[must_use]
    pub fn recording(mut self, recorder: Option<Recorder>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.watch.recorder = recorder;
        }
        self
    }

    /// Explains what never came as far as here.
    pub(super) fn explain_head(&self, trace_id: TraceId, status: StatusCode, reason: &'static str) {
        let mut findings = Findings::default();
        findings.collect(|| findings::refused(reason));
        let unknown = Asked::nothing(self.shared.clock.now());
        self.shared.explain(trace_id, &unknown, status, &mut findings);
        self.shared.watch.answered(&unknown, trace_id, (status, &self.shared.clock), None);
    }

    /// Requests that are being finished although their client went away.
    pub fn left_behind(&self) -> usize {
        self.shared.left_behind.load(Ordering::Acquire)
    }

    /// Answers carry `Strict-Transport-Security`.
    pub(super) fn has_hsts(&self) -> bool {
        self.shared.hsts
    }

    pub(super) fn audiences(&self) -> &Audiences {
        &self.shared.audiences
    }

    /// How many handlers have panicked.
    pub fn panics(&self) -> usize {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// Handles one request of this peer.
    pub fn handle(&self, mut request: Request<Body>, peer: IpAddr) -> Handling {
        let (trace_id, shared) = (TraceId::random(), Arc::clone(&self.shared));
        let (reader, line) = (Reader::of(&request, &self.shared.audiences), LogLine::begin(&request));
        let address = client_address(peer, request.headers(), &self.shared.trusted_proxies);
        let now = self.shared.clock.now();
        let asked = Asked::new(&request, &self.shared.base, address, now);
        let mut findings = Findings::default();
        let context = RequestContext::new(trace_id, address, now, &request);
        let is_trusted = || is_trusted(peer, &self.shared.trusted_proxies);
        let mut recording = self.shared.watch.begin(trace_id, now, &request, is_trusted);
        let told = self.shared.certificate_field && is_trusted();
        let context = if told { context.behind_proxy(request.headers()) } else { context };
        if let Some(problem) = refuse(&request) {
            let work = Work::Refused(Box::new(problem));
            return Handling { shared, trace_id, reader, line, asked, findings, recording, work, left_behind: None };
        }
        request.extensions_mut().insert(context);
        let mut router = self.router.clone();
        let begin = || in_trace(trace_id, || catch_unwind(AssertUnwindSafe(|| Box::pin(router.call(request)))));
        let handling = findings.collect(|| spans::collect(&mut recording, begin));
        let work = handling.map_or(Work::Panicked, Work::Begun);
        Handling { shared, trace_id, reader, line, asked, findings, recording, work, left_behind: None }
    }
}

/// What can be refused by looking at the head alone.
fn refuse(request: &Request<Body>) -> Option<Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_URI {
        return Some(uri_too_long());
    }
    let size: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > MAX_HEADERS {
        return Some(headers_too_large());
    }
    // RFC 9112 §3.2. What it says is used for nothing: links and issuer come from the configuration.
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let one_host = hosts.next().is_some() && hosts.next().is_none();
    (request.version() == Version::HTTP_11 && !one_host)
        .then(|| Problem::request(StatusCode::BAD_REQUEST, "host_missing", "The request needs one Host field"))
}

pub(super) const fn uri_too_long() -> Problem {
    Problem::request(StatusCode::URI_TOO_LONG, "uri_too_long", "The request target is too long")
}

pub(super) const fn headers_too_large() -> Problem {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Problem::request(status, "headers_too_large", "The request header fields are too large")
}

/// What no answer may leave without.
pub(super) fn complete(fields: &mut HeaderMap, trace_id: TraceId, hsts: bool) {
    headers::fill_in(fields, hsts);
    if let Ok(trace_id) = HeaderValue::from_str(trace_id.as_str()) {
        fields.insert(REQUEST_ID, trace_id);
    }
}

impl Service<Request<Body>> for Shell {
    type Response = Response;
    type Error = Infallible;
    type Future = Handling;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Whose it is stands in its extensions.
    fn call(&mut self, request: Request<Body>) -> Handling {
        let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        self.handle(request, peer)
    }
}

impl Shared {
    fn explain(&self, trace_id: TraceId, asked: &Asked, status: StatusCode, findings: &mut Findings) {
        let Some(found) = findings.take() else { return };
        if let Some(reason) = found.reason() {
            REFUSALS.count(reason, "");
        }
        let Some(queue) = &self.explanations else { return };
        let path = asked.path();
        let method = asked.method.as_ref().map_or("-", Method::as_str);
        if let Some(decision) = Decision::new(method, path, status.as_u16(), *found) {
            queue.push(Case { trace_id, at: self.clock.now(), sender: asked.address, decision });
        }
    }
}

/// One request on its way to its answer.
///
/// Work that has begun is finished: when this future is dropped because the client went away, the rest of it runs in a task of
/// its own, so that nothing is ever cancelled between two steps that belong together. What came of it is counted, recorded and
/// explained as if somebody had waited for the answer: going away hides nothing.
#[must_use = "futures do nothing unless polled"]
pub struct Handling {
    shared: Arc<Shared>,
    trace_id: TraceId,
    reader: Reader,
    line: Option<Box<LogLine>>,
    asked: Asked,
    /// What is found out about it.
    findings: Findings,
    /// How it goes, where that is recorded.
    recording: Option<Box<Recording>>,
    work: Work,
    /// Nobody waits for the answer.
    left_behind: Option<LeftBehind>,
}

enum Work {
    /// By its head.
    Refused(Box<Problem>),
    Begun(Pin<Box<RouteFuture<Infallible>>>),
    Panicked,
    Done,
}

impl Future for Handling {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let answer = match &mut this.work {
            Work::Begun(future) => {
                let poll = || in_trace(this.trace_id, || catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))));
                match this.findings.collect(|| spans::collect(&mut this.recording, poll)) {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(Ok(response))) => response,
                    Err(_) => this.panicked(),
                }
            }
            Work::Refused(problem) => {
                let answer = || this.shared.audiences.answer(this.reader.audience, (**problem).clone(), this.trace_id);
                this.findings.collect(|| in_trace(this.trace_id, answer))
            }
            Work::Panicked | Work::Done => this.panicked(),
        };
        this.work = Work::Done;
        Poll::Ready(Ok(this.finish(answer)))
    }
}

impl std::fmt::Debug for Handling {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Handling").field("trace_id", &self.trace_id).finish_non_exhaustive()
    }
}

impl Handling {
    fn panicked(&mut self) -> Response {
        let count = self.shared.panics.fetch_add(1, Ordering::Relaxed) + 1;
        PANICS.count();
        let answer = || {
            let problem = Problem::internal(format_args!("a handler panicked ({count} since the start)"));
            self.shared.audiences.answer(self.reader.audience, problem, self.trace_id)
        };
        self.findings.collect(|| in_trace(self.trace_id, answer))
    }

    fn finish(&mut self, mut response: Response) -> Response {
        self.shared.explain(self.trace_id, &self.asked, response.status(), &mut self.findings);
        if let Some(ErrorPage(problem)) = response.extensions_mut().remove() {
            let html = self.shared.audiences.page.render(&self.reader.view(&problem, self.trace_id));
            let fields = response.headers_mut();
            fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(html.len()));
            fields.insert(header::CONTENT_SECURITY_POLICY, Csp::Error.to_header());
            *response.body_mut() = Body::from(html);
        }
        complete(response.headers_mut(), self.trace_id, self.shared.hsts);
        if let Some(line) = &self.line {
            in_trace(self.trace_id, || line.end(response.status()));
        }
        let Shared { watch, clock, .. } = &*self.shared;
        watch.answered(&self.asked, self.trace_id, (response.status(), clock), self.recording.take());
        response
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        let work = std::mem::replace(&mut self.work, Work::Done);
        if matches!(work, Work::Done) {
            return;
        }
        // The program is ending.
        let runtime = tokio::runtime::Handle::try_current().ok().filter(|_| self.left_behind.is_none());
        let Some(runtime) = runtime else { return self.shared.watch.cut_off() };
        self.shared.watch.abandoned();
        runtime.spawn(Self {
            shared: Arc::clone(&self.shared),
            trace_id: self.trace_id,
            reader: self.reader.clone(),
            line: self.line.take(),
            asked: std::mem::replace(&mut self.asked, Asked::nothing(self.shared.clock.now())),
            findings: std::mem::take(&mut self.findings),
            recording: self.recording.take(),
            work,
            left_behind: Some(LeftBehind::new(&self.shared)),
        });
    }
}

/// Counts one request among those left behind, for as long as it lives.
struct LeftBehind(Arc<Shared>);

impl LeftBehind {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.left_behind.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(shared))
    }
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        self.0.left_behind.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
