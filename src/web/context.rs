//! What is known of a request before it is read: trace id, address, time.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{Method, Request};
use ipnet::IpNet;

use super::error::{Error, Problem};
use super::{certificate, dpop};
use crate::audit::Origin;
use crate::authn::device::{Words, device};
use crate::authn::session::Device;
use crate::keys::certificate::ClientCertificate;
use crate::protocol::time::Timestamp;
pub use crate::telemetry::TraceId;

/// The most characters of a User-Agent that are kept.
const MAX_USER_AGENT: usize = 256;

/// The most hops of `X-Forwarded-For` that are looked at.
const MAX_HOPS: usize = 32;

/// What the outermost layer knows of a request. An extractor.
#[derive(Clone, Debug)]
pub struct RequestContext {
    pub trace_id: TraceId,
    /// The client's address: the peer's, or what trusted proxies say of it. IPv4 is never written as IPv6.
    pub address: IpAddr,
    /// The one reading of the clock for this request.
    pub now: Timestamp,
    pub method: Method,
    /// As the client sent it, with the issuer's own path. No query: secrets may stand there.
    pub path: String,
    /// `DPoP`, as often as it was sent.
    pub proofs: Vec<HeaderValue>,
    /// The client's, of the connection or as a trusted proxy tells it.
    pub certificate: Option<Arc<ClientCertificate>>,
    user_agent: Option<HeaderValue>,
    /// `Sec-CH-UA` and `Sec-CH-UA-Platform`.
    hints: [Option<HeaderValue>; 2],
}

impl RequestContext {
    pub fn new<B>(trace_id: TraceId, address: IpAddr, now: Timestamp, request: &Request<B>) -> Self {
        let headers = request.headers();
        let hints = ["sec-ch-ua", "sec-ch-ua-platform"].map(|name| headers.get(name).cloned());
        Self {
            trace_id,
            address,
            now,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            proofs: headers.get_all(dpop::FIELD).iter().cloned().map(undisclosed).collect(),
            certificate: certificate::of_peer(request.extensions()),
            user_agent: headers.get(USER_AGENT).cloned(),
            hints,
        }
    }

    /// The same, of a request that came through a proxy which tells the client's certificate: its own is another one.
    #[must_use]
    pub fn behind_proxy(self, headers: &HeaderMap) -> Self {
        Self { certificate: certificate::of_fields(headers), ..self }
    }

    /// The first 256 printable ASCII characters of User-Agent; empty when there is none.
    pub fn user_agent(&self) -> String {
        let bytes = self.user_agent.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        bytes.iter().filter(|byte| (0x20..=0x7e).contains(*byte)).take(MAX_USER_AGENT).map(|byte| char::from(*byte)).collect()
    }

    /// The browser or app, as a session remembers it.
    pub fn device(&self, remembered: bool) -> Device {
        Device { user_agent: self.user_agent(), name: self.device_name(), address: self.address.to_string(), remembered }
    }

    /// What to call the browser or app: `Firefox on Linux`; empty when nothing is known.
    pub fn device_name(&self) -> String {
        let [brands, platform] = self.hints.each_ref().map(|hint| hint.as_ref().and_then(|value| value.to_str().ok()));
        let (brands, platform) = (brands.unwrap_or_default(), platform.unwrap_or_default());
        device(Words { user_agent: &self.user_agent(), brands, platform })
    }
}

/// Not shown by `Debug`.
fn undisclosed(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl From<&RequestContext> for Origin {
    fn from(context: &RequestContext) -> Self {
        Self { at: context.now, address: Some(context.address.to_string()), trace_id: context.trace_id.to_string() }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let context = parts.extensions.get::<Self>().cloned();
        context.ok_or_else(|| Error::from(Problem::internal("the request did not pass through the shell")))
    }
}

/// The other end of the connection, in the extensions of a request that did not come over the server's own.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Whether the other end is a trusted proxy.
pub fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&peer.to_canonical()))
}

/// Whose address the request comes from: the rightmost hop of `X-Forwarded-For` that is no trusted proxy.
///
/// A hop that is not an address ends the search at the proxy that reported it, so that nonsense never hides a sender from a
/// limit. A peer that is no trusted proxy is believed nothing.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.to_canonical();
    if !is_trusted(&address) {
        return address;
    }
    let lines: Vec<&HeaderValue> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(MAX_HOPS) {
        let Some(next) = std::str::from_utf8(hop).ok().and_then(|text| parse_hop(text.trim())) else { break };
        address = next;
        if !is_trusted(&address) {
            break;
        }
    }
    address
}

/// An address, with or without a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = IpAddr::from_str(bare).ok().or_else(|| SocketAddr::from_str(text).ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_peer_that_is_no_trusted_proxy_is_believed_nothing() {
        assert_eq!(address("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(address("::ffff:192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_untrusted_hop_counts() {
        assert_eq!(address("10.0.0.1", &["203.0.113.9, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.2.3.4"]), "198.51.100.1");
        assert_eq!(address("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1", &["203.0.113.9", "198.51.100.1", "10.2.3.4"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(address("fd00::1", &["::ffff:198.51.100.1"]), "198.51.100.1");
        assert_eq!(address("10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(address("10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(address("10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
    }

    #[test]
    fn a_malformed_hop_never_hides_the_sender() {
        assert_eq!(address("10.0.0.1", &["a"]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &["198.51.100.1, a, 10.2.3.4"]), "10.2.3.4");
        assert_eq!(address("10.0.0.1", &["198.51.100.1,"]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &["10.0.0.2, 10.0.0.3"]), "10.0.0.2");
    }

    #[test]
    fn a_user_agent_is_bounded_and_printable() {
        let value = HeaderValue::from_bytes(&[b"a\tb\xff".as_slice(), &[b'x'; 500]].concat()).unwrap();
        let request = Request::builder().header(USER_AGENT, value).body(()).unwrap();
        let context = RequestContext::new(TraceId::random(), "::1".parse().unwrap(), Timestamp::from_seconds(0), &request);
        let text = context.user_agent();
        assert_eq!(text.len(), MAX_USER_AGENT);
        assert!(text.starts_with("abxx"));
    }
}
