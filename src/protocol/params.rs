//! Request parameters in `application/x-www-form-urlencoded`, from a query or a body (RFC 6749 §3.1, §3.2, appendix B).

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;

/// The most parameters one request may carry, those without a value among them.
pub const MAX_PARAMS: usize = 64;

/// Bytes that are not a list of parameters. Whoever gets this must not guess what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    #[error("too many parameters")]
    TooMany,
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("not valid form encoding")]
    Encoding,
    /// U+0000, which PostgreSQL can't store and C strings end at.
    #[error("a parameter holds a null character")]
    Null,
}

/// The parameters of one request, duplicates known.
///
/// A parameter without a value counts as absent (RFC 6749 §3.1). [`Params::get`] never chooses between two values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Decodes a query string (without `?`) or a body.
    ///
    /// Stricter than a browser's parser in one point: a `%` that begins no escape is refused, because two parsers on the
    /// way may read it differently, and no serializer writes it.
    pub fn parse(encoded: &[u8]) -> Result<Self, ParamsError> {
        if pairs(encoded).nth(MAX_PARAMS).is_some() {
            return Err(ParamsError::TooMany);
        }
        Self::parse_own(encoded)
    }

    /// Decodes what [`Params::to_query`] wrote, however many there are: some may be ours.
    pub fn parse_own(encoded: &[u8]) -> Result<Self, ParamsError> {
        let mut params = Vec::new();
        for pair in pairs(encoded) {
            let split = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = match split {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[..0]),
            };
            let (name, value) = (decode(name)?, decode(value)?);
            if !name.is_empty() && !value.is_empty() {
                params.push((name, value));
            }
        }
        Ok(Self(params))
    }

    /// Parameters that did not come form-encoded: those of a JSON body, say. One without a value counts as absent here too.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        let given = pairs.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
        Self(given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The value of a parameter that was given once; `None` when it was absent, and when it was given more than once.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// All values of a parameter that may be repeated, such as `resource` (RFC 8707 §2).
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Was the parameter given at all, once or more often?
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    pub fn duplicated(&self, name: &str) -> bool {
        self.values(name).nth(1).is_some()
    }

    /// The name of a parameter that was given twice although it may be given once (RFC 6749 §3.1).
    ///
    /// `resource` may be repeated (RFC 8707 §2).
    pub fn first_duplicate(&self) -> Option<&str> {
        self.0
            .iter()
            .map(|(name, _)| name.as_str())
            .find(|name| !matches!(*name, "resource" | "audience") && self.duplicated(name))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The parameters as a query again, such as the one that a POST to the authorization endpoint is sent on to.
    pub fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.iter()).finish()
    }
}

/// Names only: values hold passwords and secrets.
impl fmt::Debug for Params {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn pairs(encoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty())
}

/// Decodes one name or value: `+` is a space, every `%` begins an escape, the result is UTF-8 without NUL.
pub(super) fn decode(encoded: &[u8]) -> Result<String, ParamsError> {
    let mut rest = encoded;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => return Err(ParamsError::Encoding),
        }
    }
    let spaced: Cow<'_, [u8]> = if encoded.contains(&b'+') {
        Cow::Owned(encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect())
    } else {
        Cow::Borrowed(encoded)
    };
    let decoded = percent_decode(&spaced).decode_utf8().map_err(|_| ParamsError::Encoding)?;
    if decoded.contains('\0') {
        return Err(ParamsError::Null);
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_parameter_without_a_value_counts_as_absent() {
        let params = Params::parse(b"scope=&state&nonce=n&=x&&").unwrap();
        assert_eq!(params.get("scope"), None);
        assert!(!params.contains("state"));
        assert_eq!(params.get("nonce"), Some("n"));
        assert_eq!(params.iter().count(), 1);
    }

    #[test]
    fn a_duplicated_parameter_has_no_value_and_is_named() {
        let params = Params::parse(b"state=a&scope=x&state=b").unwrap();
        assert_eq!(params.get("state"), None);
        assert!(params.duplicated("state") && params.contains("state"));
        assert_eq!(params.first_duplicate(), Some("state"));
        assert_eq!(params.get("scope"), Some("x"));
    }

    #[test]
    fn a_name_written_with_escapes_is_the_same_name() {
        let params = Params::parse(b"state=a&st%61te=b").unwrap();
        assert!(params.duplicated("state"));
    }

    #[test]
    fn resource_may_be_repeated() {
        let params = Params::parse(b"resource=a&resource=b").unwrap();
        assert_eq!(params.first_duplicate(), None);
        assert_eq!(params.values("resource").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_not_utf_8_is_refused_and_never_replaced() {
        // An overlong slash, a lone surrogate, a lone continuation byte.
        for bad in [&b"a=%FF"[..], b"a=%C0%AF", b"a=%ED%A0%80", b"a=\x80", b"%FF=a"] {
            assert_eq!(Params::parse(bad), Err(ParamsError::Encoding), "{bad:?}");
        }
    }

    #[test]
    fn an_escape_without_two_digits_is_refused() {
        for bad in ["a=%", "a=%4", "a=100%", "a=%zz", "a=%+1", "%=a", "a=%%41"] {
            assert_eq!(Params::parse(bad.as_bytes()), Err(ParamsError::Encoding), "{bad}");
        }
    }

    #[test]
    fn a_null_character_is_refused() {
        for bad in [&b"a=%00"[..], b"a=x\0", b"a%00=x", b"%00"] {
            assert_eq!(Params::parse(bad), Err(ParamsError::Null), "{bad:?}");
        }
    }

    #[test]
    fn more_than_64_parameters_are_refused() {
        let many = |count: usize| (0..count).map(|n| format!("p{n}=v")).collect::<Vec<_>>().join("&");
        assert!(Params::parse(many(64).as_bytes()).is_ok());
        assert_eq!(Params::parse(many(65).as_bytes()), Err(ParamsError::TooMany));
        assert_eq!(Params::parse("a=&".repeat(10_000).as_bytes()), Err(ParamsError::TooMany));
    }

    #[test]
    fn debug_output_holds_no_value() {
        let params = Params::parse(b"client_secret=hunter2").unwrap();
        assert_eq!(format!("{params:?}"), r#"["client_secret"]"#);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Params::parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read_again(pairs in prop::collection::vec(("[^\0]{1,20}", "[^\0]{1,20}"), 0..20)) {
            let params = Params(pairs);
            prop_assert_eq!(Params::parse(params.to_query().as_bytes()).unwrap(), params);
        }

        #[test]
        fn reading_agrees_with_the_url_standard(text in "[a-z=&+%0-9A-F]{0,60}") {
            if let Ok(params) = Params::parse(text.as_bytes()) {
                let standard: Vec<_> = form_urlencoded::parse(text.as_bytes())
                    .filter(|(name, value)| !name.is_empty() && !value.is_empty())
                    .map(|(name, value)| (name.into_owned(), value.into_owned()))
                    .collect();
                prop_assert_eq!(params.0, standard);
            }
        }
    }
}
