//! Which URLs that others chose this server asks, as far as their text tells: `https`, at a public host.
//!
//! Where a name leads to is looked at when it is asked.

use std::net::IpAddr;

use url::{Host, Url};

use super::public_address::is_public;

/// The lowest port beside 443: below are the services of old, which take a request for commands of their own.
const FIRST_FREE_PORT: u16 = 1_024;

/// Where a request goes.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    pub host: Host<&'a str>,
    pub port: u16,
    /// `host:port`.
    pub authority: String,
    pub is_tls: bool,
    /// May be anywhere.
    pub is_private: bool,
}

/// The target of a URL, if it may be asked. `private_hosts` may be asked over `http` and at any address: hosts, with a port
/// or without.
pub fn target<'a>(url: &'a Url, private_hosts: &[String]) -> Option<Target<'a>> {
    let (host, port) = url.host().zip(url.port_or_known_default())?;
    let authority = format!("{host}:{port}");
    let is_private = private_hosts
        .iter()
        .any(|listed| listed.eq_ignore_ascii_case(&authority) || listed.eq_ignore_ascii_case(&host.to_string()));
    let is_tls = match url.scheme() {
        "https" => true,
        "http" if is_private => false,
        _ => return None,
    };
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let port_is_free = is_private || port == 443 || port >= FIRST_FREE_PORT;
    let literal = match host {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    };
    let may_be_asked = !has_credentials && port_is_free && (is_private || literal.is_none_or(is_public));
    may_be_asked.then_some(Target { host, port, authority, is_tls, is_private })
}
