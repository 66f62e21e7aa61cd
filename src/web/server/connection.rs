//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::io::Io;
use super::places::Place;
use super::progress::{Phase, Progress, Stopwatch};
use super::{Limits, Shutdown, Stage};
use crate::keys::certificate::ClientCertificate;
use crate::web::body::TimedBody;
use crate::web::certificate::PeerCertificate;
use crate::web::shell::{Handling, Shell};

/// What the accept loop hands to each connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) shell: Shell,
    pub(super) limits: Arc<Limits>,
    pub(super) shutdown: Shutdown,
    pub(super) peer: SocketAddr,
    pub(super) place: Place,
    pub(super) progress: Arc<Progress>,
    pub(super) began: Instant,
    /// The peer's, where it showed one.
    pub(super) certificate: Option<PeerCertificate>,
}

impl Connection {
    /// Serves within TLS. A peer that breaks the handshake off, or takes too long for it, is no news.
    pub(super) async fn serve_within(mut self, tls: TlsAcceptor, socket: TcpStream) {
        let handshake = timeout_at(self.began + self.limits.header_timeout, tls.accept(socket));
        let accepted = tokio::select! {
            biased;
            () = self.shutdown.reached(Stage::Draining) => return,
            () = self.progress.asked_to_leave() => return,
            accepted = handshake => accepted,
        };
        let Ok(Ok(stream)) = accepted else { return };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        self.certificate = ClientCertificate::new(chain).map(|certificate| PeerCertificate(Arc::new(certificate)));
        self.serve(stream).await;
    }

    /// Serves requests until the peer leaves, time is up, or the server stops.
    pub(super) async fn serve(self, socket: impl AsyncRead + AsyncWrite + Unpin) {
        let progress = self.progress;
        let io = Io::new(socket, Arc::clone(&progress), self.shell.clone());
        let service = PerConnection {
            shell: self.shell,
            peer: self.peer.ip(),
            certificate: self.certificate,
            progress: Arc::clone(&progress),
            limits: Arc::clone(&self.limits),
        };
        let mut builder = http1::Builder::new();
        // A peer that has said all it wants to say may still listen. And the Stopwatch takes the place of hyper's timer.
        builder.half_close(true).header_read_timeout(None).max_buf_size(self.limits.max_head);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));

        let mut stopwatch = Stopwatch::start(&self.limits, self.began);
        let is_crowded = || self.place.others_free() < self.limits.max_connections / 4;
        let mut served = pin!(poll_fn(|context| {
            // A peer that breaks the connection or the protocol is no news.
            if connection.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            stopwatch.poll(&progress, &self.limits, is_crowded, context)
        }));
        let mut draining = pin!(self.shutdown.reached(Stage::Draining));
        loop {
            tokio::select! {
                biased;
                () = &mut served => return,
                () = &mut draining => break progress.drain(),
                () = progress.asked_to_leave() => if progress.leave() { return },
            }
        }
        tokio::select! {
            biased;
            () = &mut served => {}
            () = self.shutdown.reached(Stage::Quit) => {}
        }
    }
}

/// The service that hyper calls for each request of a connection.
#[derive(Debug)]
struct PerConnection {
    shell: Shell,
    peer: IpAddr,
    certificate: Option<PeerCertificate>,
    progress: Arc<Progress>,
    limits: Arc<Limits>,
}

impl hyper::service::Service<Request<Incoming>> for PerConnection {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        self.progress.enter(Phase::Busy);
        let mut request = request.map(|body| {
            if body.is_end_stream() { Body::empty() } else { Body::new(TimedBody::new(body, self.limits.body_timeout)) }
        });
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        Answering { handling: self.shell.handle(request, self.peer), progress: Arc::clone(&self.progress) }
    }
}

/// A request on its way to its answer.
#[derive(Debug)]
struct Answering {
    handling: Handling,
    progress: Arc<Progress>,
}

impl Future for Answering {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handling).poll(context).map_ok(|mut response| {
            // Refused before the body was read: what follows on this connection is that body.
            let unread = matches!(
                response.status(),
                StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE
            );
            if unread || self.progress.is_draining() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response.map(|body| Answer { body, progress: Arc::clone(&self.progress) })
        })
    }
}

/// The body of an answer. Once it is gone, the connection waits for the next request.
#[derive(Debug)]
struct Answer {
    body: Body,
    progress: Arc<Progress>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.progress.enter(Phase::Idle);
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
