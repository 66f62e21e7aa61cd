//! Reading and writing cookies (RFC 6265; the prefixes of draft-ietf-httpbis-rfc6265bis §4.1.3).
//!
//! Under an https issuer every cookie carries `__Host-`: the browser then takes it from this host alone, over TLS alone, so
//! that no sibling domain can plant one. Browsers refuse that prefix over plain http, which only a loopback issuer may use;
//! there the cookies have other names.

use std::fmt::Write;

use http::header::{self, HeaderMap, HeaderValue};

use crate::protocol::time::Seconds;

/// The cookies there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// The secret of a browser session. Lax: people arrive from clients' pages.
    Session,
    /// A random value that a browser gets before anybody is logged in: logins under way and their forms are bound to it.
    Browser,
    /// Sealed: whose browser it is known to be, so that strangers' failures don't keep its people out.
    Device,
    /// The language that somebody chose for the pages: a BCP 47 tag, for a year.
    Language,
    /// What changes when the session does: the one that scripts read and frames of other sites are sent.
    State,
}

impl Cookie {
    /// `(with TLS, without)`.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Session => ("__Host-sid", "ostiary-sid"),
            Self::Browser => ("__Host-browser", "ostiary-browser"),
            Self::Device => ("__Host-device", "ostiary-device"),
            Self::Language => ("__Host-language", "ostiary-language"),
            Self::State => ("__Host-state", "ostiary-state"),
        }
    }
}

/// How this server writes its cookies.
#[derive(Clone, Copy, Debug)]
pub struct Cookies {
    secure: bool,
}

impl Cookies {
    pub fn for_issuer(issuer: &str) -> Self {
        Self { secure: issuer.starts_with("https:") }
    }

    /// The name on the wire.
    pub const fn name(self, cookie: Cookie) -> &'static str {
        let (secure, plain) = cookie.names();
        if self.secure { secure } else { plain }
    }

    /// What the browser sent. A name sent with two values is no cookie of ours: somebody planted one of them.
    pub fn read(self, headers: &HeaderMap, cookie: Cookie) -> Option<&str> {
        let name = self.name(cookie);
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
        let mut values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|pair| pair.0 == name).map(|pair| pair.1);
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)
    }

    /// `Set-Cookie`. `value` is base64url or the like; `max_age` is absent for a cookie that ends with the browser.
    pub fn set(self, cookie: Cookie, value: &str, max_age: Option<Seconds>) -> HeaderValue {
        let attributes = if self.secure { "HttpOnly; SameSite=Lax; Secure" } else { "HttpOnly; SameSite=Lax" };
        self.write(cookie, value, attributes, max_age)
    }

    /// `Set-Cookie` for a cookie that a script of ours reads in a frame on another site's page (OpenID Connect Session Management
    /// 1.0 §3.3). It opens nothing. Browsers take `SameSite=None` with TLS alone; a loopback issuer's applications are on the
    /// same site.
    pub fn set_watched(self, cookie: Cookie, value: &str, max_age: Option<Seconds>) -> HeaderValue {
        let attributes = if self.secure { "SameSite=None; Secure" } else { "SameSite=Lax" };
        self.write(cookie, value, attributes, max_age)
    }

    fn write(self, cookie: Cookie, value: &str, attributes: &str, max_age: Option<Seconds>) -> HeaderValue {
        let value = if value.bytes().all(is_cookie_octet) { value } else { "" };
        let mut text = format!("{}={value}; Path=/; {attributes}", self.name(cookie));
        if let Some(Seconds(seconds)) = max_age {
            _ = write!(text, "; Max-Age={seconds}");
        }
        let mut header = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }

    /// `Set-Cookie` that makes the browser forget.
    pub fn clear(self, cookie: Cookie) -> HeaderValue {
        self.set(cookie, "", Some(Seconds(0)))
    }
}

/// RFC 6265 §4.1.1.
const fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECURE: Cookies = Cookies { secure: true };
    const PLAIN: Cookies = Cookies { secure: false };

    fn sent(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn with_tls_a_cookie_belongs_to_this_host_alone() {
        let header = SECURE.set(Cookie::Session, "abc_-9", Some(Seconds(60)));
        assert_eq!(header, "__Host-sid=abc_-9; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60");
        assert!(header.is_sensitive());
        assert_eq!(Cookies::for_issuer("https://id.example").name(Cookie::Session), "__Host-sid");
    }

    #[test]
    fn the_watched_cookie_alone_is_read_by_scripts_and_sent_to_frames() {
        assert_eq!(SECURE.set_watched(Cookie::State, "abc", None), "__Host-state=abc; Path=/; SameSite=None; Secure");
        assert_eq!(PLAIN.set_watched(Cookie::State, "abc", None), "ostiary-state=abc; Path=/; SameSite=Lax");
    }

    #[test]
    fn without_tls_a_cookie_has_a_name_that_browsers_take() {
        assert_eq!(PLAIN.set(Cookie::Browser, "abc", None), "ostiary-browser=abc; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(PLAIN.read(&sent(&["__Host-sid=planted"]), Cookie::Session), None);
        assert_eq!(Cookies::for_issuer("http://localhost:8080").name(Cookie::Session), "ostiary-sid");
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = sent(&["a=b; __Host-sid=one", "__Host-browser=two; x"]);
        assert_eq!(SECURE.read(&headers, Cookie::Session), Some("one"));
        assert_eq!(SECURE.read(&headers, Cookie::Browser), Some("two"));
        assert_eq!(SECURE.read(&sent(&["x__Host-sid=no; sid=no"]), Cookie::Session), None);
    }

    #[test]
    fn a_cookie_sent_with_two_values_is_none() {
        assert_eq!(SECURE.read(&sent(&["__Host-sid=one; __Host-sid=two"]), Cookie::Session), None);
        assert_eq!(SECURE.read(&sent(&["__Host-sid=one", "__Host-sid=one"]), Cookie::Session), Some("one"));
    }

    #[test]
    fn a_cleared_cookie_is_forgotten() {
        assert_eq!(SECURE.clear(Cookie::Session), "__Host-sid=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0");
    }

    #[test]
    fn a_value_can_not_add_an_attribute() {
        assert!(PLAIN.set(Cookie::Session, "a; Domain=example", None).to_str().unwrap().starts_with("ostiary-sid=; Path=/;"));
    }
}
