//! Protection of forms against requests forged by other sites (OWASP ASVS 5.0 §3.5; W3C Fetch Metadata).
//!
//! Two walls: the browser's own word on where the form came from, and a token that is derived from the browser's cookie and
//! the form's purpose, so that it is worth nothing in another browser, after a login, or on another form.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{self, HeaderMap, HeaderValue};

use super::error::Problem;

/// Makes and checks the tokens of forms.
#[derive(Clone)]
pub struct Csrf {
    key: hmac::Key,
    origin: String,
}

impl Csrf {
    /// `key` is derived from the root for this purpose alone; `origin` is the issuer's: `https://id.example`.
    pub fn new(key: &[u8; 32], origin: impl Into<String>) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), origin: origin.into() }
    }

    /// The token for a form. `secret` is the cookie it is bound to: the session's, or the browser's before there is one.
    pub fn token(&self, secret: &str, purpose: &'static str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &message(secret, purpose)))
    }

    /// Whether a form that changes something came from our own page, in the browser that was given it.
    pub fn check(
        &self,
        headers: &HeaderMap,
        secret: Option<&str>,
        purpose: &'static str,
        token: Option<&str>,
    ) -> Result<(), Problem> {
        if !self.is_same_origin(headers) {
            return Err(Problem::forged());
        }
        let (Some(secret), Some(token)) = (secret, token) else { return Err(Problem::forged()) };
        let tag = URL_SAFE_NO_PAD.decode(token).map_err(|_| Problem::forged())?;
        hmac::verify(&self.key, &message(secret, purpose), &tag).map_err(|_| Problem::forged())
    }

    /// What the browser says of the request's origin.
    ///
    /// Our pages carry `Referrer-Policy: no-referrer`, under which browsers write `Origin: null` on our own forms too. So `null`
    /// is accepted where `Sec-Fetch-Site` vouches for the request, and nowhere else.
    pub fn is_same_origin(&self, headers: &HeaderMap) -> bool {
        let vouched = match single(headers, "sec-fetch-site") {
            Field::Absent => false,
            // `none`: the person's own doing, a reload for one. No other site can bring it about.
            Field::Value("same-origin" | "none") => true,
            _ => return false,
        };
        match single(headers, header::ORIGIN.as_str()) {
            Field::Absent => true,
            Field::Value("null") => vouched,
            Field::Value(origin) => origin == self.origin,
            Field::Unusable => false,
        }
    }
}

impl fmt::Debug for Csrf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Csrf").field("origin", &self.origin).finish_non_exhaustive()
    }
}

fn message(secret: &str, purpose: &str) -> Vec<u8> {
    [purpose.as_bytes(), b"\0", secret.as_bytes()].concat()
}

enum Field<'a> {
    Absent,
    Value(&'a str),
    /// Given twice, or not ASCII.
    Unusable,
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Field<'a> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::to_str);
    match (values.next(), values.next()) {
        (None, _) => Field::Absent,
        (Some(Ok(value)), None) => Field::Value(value),
        _ => Field::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csrf() -> Csrf {
        Csrf::new(&[7; 32], "https://id.example")
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_token_counts_for_its_browser_and_its_purpose_only() {
        let csrf = csrf();
        let token = csrf.token("cookie", "login");
        let none = HeaderMap::new();
        assert!(csrf.check(&none, Some("cookie"), "login", Some(&token)).is_ok());
        assert!(csrf.check(&none, Some("other"), "login", Some(&token)).is_err());
        assert!(csrf.check(&none, Some("cookie"), "consent", Some(&token)).is_err());
        assert!(csrf.check(&none, Some("cookie"), "login", None).is_err());
        assert!(csrf.check(&none, None, "login", Some(&token)).is_err());
        assert!(csrf.check(&none, Some("cookie"), "login", Some("")).is_err());
        assert!(csrf.check(&none, Some("cookie"), "login", Some(&token[1..])).is_err());
        let other_key = Csrf::new(&[8; 32], "https://id.example");
        assert!(other_key.check(&none, Some("cookie"), "login", Some(&token)).is_err());
    }

    #[test]
    fn a_form_of_another_site_is_refused_even_with_the_right_token() {
        let csrf = csrf();
        let token = csrf.token("cookie", "login");
        let refused: [&[(&str, &str)]; 8] = [
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "https://id.example.evil")],
            &[("origin", "https://id.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://id.example"), ("origin", "https://evil.example")],
        ];
        for fields in refused {
            let mut given = HeaderMap::new();
            for (name, value) in fields {
                given.append(*name, HeaderValue::from_static(value));
            }
            let refusal = csrf.check(&given, Some("cookie"), "login", Some(&token)).unwrap_err();
            assert_eq!(refusal.status, http::StatusCode::FORBIDDEN, "{fields:?}");
        }
    }

    #[test]
    fn our_own_form_is_taken_as_browsers_send_it() {
        let csrf = csrf();
        for fields in [
            &[("origin", "https://id.example"), ("sec-fetch-site", "same-origin")][..],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://id.example")],
            &[],
        ] {
            assert!(csrf.is_same_origin(&headers(fields)), "{fields:?}");
        }
    }
}
