//! The one HTTP client of the server, for URLs that others chose: the keys of a client, a logout endpoint, a request object.
//!
//! Whoever registers a URL must not reach through it what only this server can. So a name is resolved once, every address of it
//! has to be public, and the connection goes to an address that was looked at and nowhere else; redirects are answers like any
//! other. Nothing is decompressed, and an answer has five seconds and 64 KiB.

mod connection;
mod figures;
mod hosts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use self::connection::Authorities;
pub use self::connection::UnusableAuthorities;
use self::figures::{Figures, class};
use self::hosts::Hosts;
use crate::clock::Clock;
use crate::config::OutboundConfig;
use crate::protocol::outbound_url::{self, Target};
use crate::protocol::public_address::is_public;
use crate::telemetry::spans::{self, Context};

/// From the first packet to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// W3C Trace Context §3.2.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest body of an answer, in bytes.
pub const MAX_BODY: usize = 64 * 1_024;

/// Asks other servers, for one purpose.
#[derive(Clone)]
pub struct Outbound {
    /// For the figures.
    purpose: &'static str,
    /// For whose sake, where that can't be told from who asks.
    trace: Option<Context>,
    shared: Arc<Shared>,
    hosts: Arc<Hosts>,
}

struct Shared {
    private_hosts: Vec<String>,
    tls: TlsConnector,
    clock: Clock,
    patience: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer. Says nothing that the other server chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("the URL is not one that may be asked")]
    Forbidden,
    #[error("the name could not be resolved")]
    Unresolved,
    #[error("the name leads to an address that is not public")]
    NotPublic,
    #[error("the server could not be reached")]
    Unreachable,
    #[error("the answer is no HTTP, or broke off")]
    Broken,
    #[error("the answer is compressed")]
    Compressed,
    #[error("the answer is too large")]
    TooLarge,
    #[error("the answer took too long")]
    TooSlow,
    #[error("the server failed a moment ago")]
    Resting,
    #[error("the server is asked too much at once")]
    Busy,
}

impl Failure {
    /// A word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Unresolved => "unresolved",
            Self::NotPublic => "not_public",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Compressed => "compressed",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Resting => "resting",
            Self::Busy => "busy",
        }
    }

    /// Whether the server was not even asked.
    pub fn is_unasked(self) -> bool {
        matches!(self, Self::Resting | Self::Busy)
    }
}

impl Outbound {
    pub fn new(config: &OutboundConfig, clock: &Clock) -> Result<Self, UnusableAuthorities> {
        Self::with_patience(config, clock, PATIENCE)
    }

    /// For one server that the operator chose: it may be anywhere.
    pub fn for_operator(
        config: &OutboundConfig,
        url: &Url,
        clock: &Clock,
        purpose: &'static str,
    ) -> Result<Self, UnusableAuthorities> {
        let authority = url.host().zip(url.port_or_known_default()).map(|(host, port)| format!("{host}:{port}"));
        let tls = Authorities::load(&config.ca_file)?.connector()?;
        let shared = Shared { private_hosts: authority.into_iter().collect(), tls, clock: clock.clone(), patience: PATIENCE };
        Ok(Self { purpose, trace: None, shared: Arc::new(shared), hosts: Arc::default() })
    }

    fn with_patience(config: &OutboundConfig, clock: &Clock, patience: Duration) -> Result<Self, UnusableAuthorities> {
        if !config.private_hosts.is_empty() {
            tracing::warn!(hosts = ?config.private_hosts, "outbound.private_hosts may be asked over http and at any address");
        }
        let tls = Authorities::load(&config.ca_file)?.connector()?;
        let private_hosts = config.private_hosts.clone();
        let shared = Shared { private_hosts, tls, clock: clock.clone(), patience };
        Ok(Self { purpose: "other", trace: None, shared: Arc::new(shared), hosts: Arc::default() })
    }

    /// For another purpose: how a server does there, and how much it is asked, is nothing to this one. An endpoint that is broken
    /// must not keep anybody from the keys at the same host.
    #[must_use]
    pub fn apart(&self, purpose: &'static str) -> Self {
        Self { purpose, trace: None, shared: Arc::clone(&self.shared), hosts: Arc::default() }
    }

    /// For the sake of the request under way, in another task.
    pub(super) fn on_behalf(&self) -> Self {
        Self { trace: spans::context(), ..self.clone() }
    }

    pub(super) const fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// Whether a URL may be asked, as far as can be told without resolving its name: for the registration of one.
    pub fn may_ask(&self, url: &Url) -> bool {
        self.shared.target(url).is_ok()
    }

    pub async fn get(&self, url: &Url, accept: &'static str) -> Result<Answer, Failure> {
        let mut fields = HeaderMap::new();
        fields.insert(header::ACCEPT, HeaderValue::from_static(accept));
        self.send(Method::GET, url, fields, Bytes::new()).await
    }

    pub async fn post_form(&self, url: &Url, form: String) -> Result<Answer, Failure> {
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.send(Method::POST, url, fields, form.into()).await
    }

    /// Any status is an answer; a server error counts against the server all the same.
    pub async fn send(&self, method: Method, url: &Url, mut fields: HeaderMap, body: Bytes) -> Result<Answer, Failure> {
        let Shared { clock, patience, .. } = &*self.shared;
        let target = self.shared.target(url)?;
        let host = self.hosts.of(&target.authority);
        let mut figures = Figures::begin(self.purpose, &method);
        let _seat = host.seat(clock, *patience).await.inspect_err(|failure| figures.end(failure.as_str()))?;
        // Hosts that strangers name learn nothing of what goes on here.
        if let Some(context) = spans::context().or(self.trace).filter(|_| target.is_private) {
            fields.extend(HeaderValue::try_from(context.to_string()).map(|context| (TRACEPARENT, context)));
        }
        let answer = match tokio::time::timeout(*patience, self.shared.ask(&target, method, url, fields, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::TooSlow),
        };
        figures.end(answer.as_ref().map_or_else(|failure| failure.as_str(), |answer| class(answer.status)));
        match &answer {
            Ok(answer) if !answer.status.is_server_error() => host.works(),
            // What was vetted says nothing of the server's health, nor does one file that is not what somebody said.
            Err(Failure::NotPublic | Failure::TooLarge | Failure::Compressed) => {}
            _ => host.fails(clock.now()),
        }
        answer
    }
}

impl Shared {
    fn target<'a>(&self, url: &'a Url) -> Result<Target<'a>, Failure> {
        outbound_url::target(url, &self.private_hosts).ok_or(Failure::Forbidden)
    }

    async fn ask(
        &self,
        target: &Target<'_>,
        method: Method,
        url: &Url,
        fields: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let addresses = resolve(target).await?;
        if !target.is_private && !all_public(&addresses) {
            return Err(Failure::NotPublic);
        }
        let tls = target.is_tls.then_some(&self.tls);
        let mut sender = connection::open(&addresses, &target.host, tls).await?;
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut request = Request::builder().method(method).uri(path).body(Full::new(body)).map_err(|_| Failure::Forbidden)?;
        *request.headers_mut() = fields;
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let authority = HeaderValue::try_from(authority).map_err(|_| Failure::Forbidden)?;
        request.headers_mut().insert(header::HOST, authority);
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let (parts, body) = sender.send_request(request).await.map_err(|_| Failure::Broken)?.into_parts();
        let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
        if !parts.headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
            return Err(Failure::Compressed);
        }
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
            let is_length = error.is::<http_body_util::LengthLimitError>();
            if is_length { Failure::TooLarge } else { Failure::Broken }
        })?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }
}

async fn resolve(target: &Target<'_>) -> Result<Vec<SocketAddr>, Failure> {
    let name = match target.host {
        Host::Ipv4(address) => return Ok(vec![(address, target.port).into()]),
        Host::Ipv6(address) => return Ok(vec![(address, target.port).into()]),
        Host::Domain(name) => name,
    };
    let found = tokio::net::lookup_host((name, target.port)).await.map_err(|_| Failure::Unresolved)?;
    let found: Vec<_> = found.collect();
    if found.is_empty() { Err(Failure::Unresolved) } else { Ok(found) }
}

/// One that isn't is enough: a name that leads to both is meant to mislead.
fn all_public(addresses: &[SocketAddr]) -> bool {
    addresses.iter().all(|address| is_public(address.ip()))
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Outbound")
    }
}

#[cfg(test)]
mod tests;
