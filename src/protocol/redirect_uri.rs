//! Redirection URIs: what may be registered and what matches (RFC 6749 §3.1.2; RFC 8252 §7, §8.4; RFC 9700 §2.1, §4.1.3).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::client::ApplicationType;
use super::public_address::is_public;

/// The longest redirection URI, in bytes.
pub const MAX_LENGTH: usize = 2048;

/// Why a text is no redirection URI. [`InvalidRedirectUri::code`] is the stable word for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    #[error("is empty or longer than 2048 characters")]
    Length,
    #[error("holds a character that no URI may hold")]
    Character,
    #[error("has a fragment")]
    Fragment,
    #[error("has no scheme, or one that is neither https, http nor a reversed domain name such as com.example.app")]
    Scheme,
    #[error("holds a user name or password")]
    UserInfo,
    #[error("has no valid host or port")]
    Authority,
    #[error("is not written as the URL standard writes it: no dot segments, no needless escapes")]
    NotCanonical,
}

impl InvalidRedirectUri {
    pub const fn code(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Character => "character",
            Self::Fragment => "fragment",
            Self::Scheme => "scheme",
            Self::UserInfo => "userinfo",
            Self::Authority => "authority",
            Self::NotCanonical => "not_canonical",
        }
    }
}

/// An absolute URI without fragment, which a browser reads as we do.
///
/// Being well formed is not enough to be redirected to: only [`RedirectUri::registered`] says that it belongs to a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri(String);

impl RedirectUri {
    /// Checks the form. Everything that two URL parsers may read differently is refused: this and the URL standard's
    /// parser must agree on host, path and query.
    pub fn parse(text: &str) -> Result<Self, InvalidRedirectUri> {
        split(text).map(|_| Self(text.to_owned()))
    }

    /// The presented URI, if the client registered it.
    ///
    /// Compared character by character (RFC 9700 §4.1.3), with one exception: the port of a native application's
    /// loopback address (RFC 8252 §7.3).
    pub fn registered(registered: &[String], presented: &str, application_type: ApplicationType) -> Option<Self> {
        let uri = Self::parse(presented).ok()?;
        let native = application_type == ApplicationType::Native;
        if uri.has_private_use_scheme() && !native {
            return None;
        }
        let found = registered.iter().any(|known| known == presented || (native && same_loopback(known, presented)));
        found.then_some(uri)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The source that lets a form's answer redirect here, for a CSP `form-action`: `scheme://host[:port]` or `scheme:`.
    ///
    /// Built from the parsed origin, so that no character of a path or query reaches the header. CSP can't name an IPv6
    /// address (CSP Level 3 §2.3.1 `host-char`), which leaves the scheme for those.
    pub fn form_action_source(&self) -> String {
        match split(&self.0) {
            Ok(Parts { host: Some(host), scheme, port, .. }) if !host.starts_with('[') => {
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("{scheme}://{host}{port}")
            }
            Ok(Parts { scheme, .. }) => format!("{scheme}:"),
            Err(_) => "'none'".to_owned(),
        }
    }

    /// What to show a person as the place they will be sent to: the host with its port, or the scheme.
    pub fn destination(&self) -> String {
        match split(&self.0) {
            Ok(Parts { host: Some(host), port, .. }) => port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            Ok(Parts { scheme, .. }) => format!("{scheme}:"),
            Err(_) => String::new(),
        }
    }

    /// May another program on the person's device receive what is sent here? True of private-use schemes and of loopback
    /// addresses: they don't prove who the client is (RFC 8252 §8.6).
    pub fn can_be_intercepted(&self) -> bool {
        self.has_private_use_scheme() || self.is_loopback()
    }

    /// `http` on this very machine.
    pub fn is_loopback(&self) -> bool {
        split(&self.0).is_ok_and(|parts| parts.is_loopback())
    }

    /// Neither `http` nor `https` (RFC 8252 §7.1).
    pub fn has_private_use_scheme(&self) -> bool {
        split(&self.0).is_ok_and(|parts| parts.host.is_none())
    }

    /// Not encrypted, and not on this very machine.
    pub fn is_plain_http(&self) -> bool {
        split(&self.0).is_ok_and(|parts| parts.scheme == "http" && !parts.is_loopback())
    }

    /// An address literal that is not reachable from everywhere: private, link-local, unspecified and the like, but not loopback.
    pub fn has_private_address(&self) -> bool {
        let Ok(Parts { host: Some(host), .. }) = split(&self.0) else { return false };
        match Host::parse(host) {
            Ok(Host::Ipv4(address)) => address != Ipv4Addr::LOCALHOST && !is_public(address.into()),
            Ok(Host::Ipv6(address)) => address != Ipv6Addr::LOCALHOST && !is_public(address.into()),
            _ => false,
        }
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = InvalidRedirectUri;

    fn try_from(text: String) -> Result<Self, InvalidRedirectUri> {
        Self::parse(&text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.0
    }
}

/// Did the client register `presented`? See [`RedirectUri::registered`].
pub fn matches(registered: &[String], presented: &str, application_type: ApplicationType) -> bool {
    RedirectUri::registered(registered, presented, application_type).is_some()
}

struct Parts<'a> {
    scheme: &'a str,
    /// Of `http` and `https`; IPv6 in brackets.
    host: Option<&'a str>,
    port: Option<&'a str>,
    /// Path and query; of a private-use scheme all after the colon.
    rest: &'a str,
}

impl Parts<'_> {
    fn is_loopback(&self) -> bool {
        self.scheme == "http" && matches!(self.host, Some("127.0.0.1" | "[::1]" | "localhost"))
    }
}

fn split(text: &str) -> Result<Parts<'_>, InvalidRedirectUri> {
    use InvalidRedirectUri as Invalid;

    if text.is_empty() || text.len() > MAX_LENGTH {
        return Err(Invalid::Length);
    }
    if text.contains('#') {
        return Err(Invalid::Fragment);
    }
    // RFC 3986 §2; not among them: controls, space, `\`, quotes, `<>`, and all that is not ASCII.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
    if !text.bytes().all(allowed) {
        return Err(Invalid::Character);
    }
    let (scheme, rest) = text.split_once(':').ok_or(Invalid::Scheme)?;
    let parsed = Url::parse(text);
    if scheme == "http" || scheme == "https" {
        let rest = rest.strip_prefix("//").ok_or(Invalid::Authority)?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(Invalid::UserInfo);
        }
        let (host, port) = split_port(authority).ok_or(Invalid::Authority)?;
        let parts = Parts { scheme, host: Some(host), port, rest };
        return agrees(&parts, &parsed.map_err(|_| Invalid::Authority)?).map(|()| parts);
    }
    // A reversed domain name holds a period (RFC 8252 §8.4), which no scheme that a browser itself acts on does.
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let starts_well = scheme.starts_with(|first: char| first.is_ascii_lowercase());
    if !starts_well || !scheme.contains('.') || !scheme.bytes().all(legal) || rest.is_empty() {
        return Err(Invalid::Scheme);
    }
    let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Err(Invalid::UserInfo);
    }
    match parsed {
        Ok(url) if url.as_str() == text => Ok(Parts { scheme, host: None, port: None, rest }),
        Ok(_) => Err(Invalid::NotCanonical),
        Err(_) => Err(Invalid::Authority),
    }
}

/// `host` or `host:port`; the port without leading zeros, never empty and never 0.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_address..].split_once(':') {
        None => Some((authority, None)),
        Some((before, port)) => {
            let canonical = port.parse::<u16>().is_ok() && port.starts_with(|first: char| ('1'..='9').contains(&first));
            canonical.then_some((&authority[..after_address + before.len()], Some(port)))
        }
    }
}

/// Does the URL standard's parser read the same as we did?
fn agrees(parts: &Parts<'_>, url: &Url) -> Result<(), InvalidRedirectUri> {
    let host = parts.host.unwrap_or_default();
    // The URL standard lets `;` and `*` stand in a host, which would then stand in a CSP header; host names have neither
    // (RFC 1123 §2.1).
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if host.is_empty()
        || !(named || host.starts_with('['))
        || !url.host_str().is_some_and(|known| known.eq_ignore_ascii_case(host))
    {
        return Err(InvalidRedirectUri::Authority);
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    // The standard writes an empty path as `/`.
    let path = if parts.rest.starts_with('/') { url.path() } else { "" };
    if parts.rest == format!("{path}{query}") { Ok(()) } else { Err(InvalidRedirectUri::NotCanonical) }
}

/// Are both on the same loopback host, and the same but for the port?
fn same_loopback(known: &str, presented: &str) -> bool {
    let (Ok(known), Ok(presented)) = (split(known), split(presented)) else { return false };
    known.is_loopback() && presented.is_loopback() && known.host == presented.host && known.rest == presented.rest
}

#[cfg(test)]
mod tests;
