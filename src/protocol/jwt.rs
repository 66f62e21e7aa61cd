//! The compact serialization of a JSON Web Token and its header (RFC 7515 §3.1, §7.1; RFC 7519; RFC 8725).
//!
//! Everything read here is *unverified*: a signature is checked by [`crate::keys::ring`] alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

/// Longer tokens are not looked at. No header of a request can be longer either.
pub const MAX_LENGTH: usize = 16 * 1024;

/// The longest `kid` and `alg` that are looked at.
const MAX_HEADER_MEMBER: usize = 128;

/// What a JWT is for (RFC 8725 §3.11): a token of one type is never taken for one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// RFC 9068 §2.1.
    AccessToken,
    /// OpenID Connect Core §2 names no type; `JWT` is RFC 7519's own.
    IdToken,
    /// JARM §2 names none either, and clients look for this one or none.
    AuthorizationResponse,
    /// OpenID Connect Back-Channel Logout §2.4.
    LogoutToken,
    /// OpenID Connect Core §5.3.2 names none. It has no `exp`, so that it is never taken for an ID token.
    UserInfo,
    /// RFC 9701 §5.
    Introspection,
}

impl TokenType {
    pub const ALL: [Self; 6] =
        [Self::AccessToken, Self::IdToken, Self::AuthorizationResponse, Self::LogoutToken, Self::UserInfo, Self::Introspection];

    /// The value of the `typ` header parameter (RFC 7515 §4.1.9).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::IdToken | Self::AuthorizationResponse | Self::UserInfo => "JWT",
            Self::LogoutToken => "logout+jwt",
            Self::Introspection => "token-introspection+jwt",
        }
    }
}

/// Text that isn't a JWT in compact serialization, or one that asks for something that isn't known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JWT in compact serialization")]
pub struct Malformed;

/// The header parameters that matter. `jwk`, `jku`, `x5u` and `x5c` are not even read: no token brings its own key
/// (RFC 8725 §3.10), but for the one kind that is there to show that its sender has it ([`Compact::own_key`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    pub alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

/// The three parts of a compact serialization, as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compact<'a> {
    /// What the signature covers: header, dot, payload (RFC 7515 §5.1).
    pub signing_input: &'a str,
    /// base64url, not decoded.
    pub signature: &'a str,
    header: &'a str,
    payload: &'a str,
}

impl<'a> Compact<'a> {
    /// Cuts a token in its three parts. Looks at nothing but its length, alphabet and dots.
    pub fn split(token: &'a str) -> Result<Self, Malformed> {
        // An empty signature is that of `alg: none` (RFC 7515 appendix A.5), which nobody takes who doesn't say so.
        Self::cut(token).and_then(|token| if token.signature.is_empty() { Err(Malformed) } else { Ok(token) })
    }

    fn cut(token: &'a str) -> Result<Self, Malformed> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if token.len() > MAX_LENGTH || !token.bytes().all(allowed) {
            return Err(Malformed);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Malformed)?;
        if header.is_empty() || payload.is_empty() || payload.contains('.') {
            return Err(Malformed);
        }
        Ok(Self { signing_input, signature, header, payload })
    }

    /// The header. A `crit` parameter is refused: no extension is understood here (RFC 7515 §4.1.11).
    pub fn header(&self) -> Result<Header, Malformed> {
        #[derive(Deserialize)]
        struct Received {
            typ: Option<String>,
            alg: String,
            kid: Option<String>,
            crit: Option<IgnoredAny>,
        }
        let Received { typ, alg, kid, crit }: Received = decode_json(self.header)?;
        let fits = |text: &String| text.len() <= MAX_HEADER_MEMBER;
        if crit.is_some() || !fits(&alg) || !kid.iter().chain(&typ).all(fits) {
            return Err(Malformed);
        }
        Ok(Header { typ, alg, kid })
    }

    /// The key that a token brings itself: for proofs of possession, and for nothing else (RFC 9449 §4.2).
    pub fn own_key(&self) -> Result<Option<serde_json::Value>, Malformed> {
        #[derive(Deserialize)]
        struct Received {
            jwk: Option<serde_json::Value>,
        }
        decode_json(self.header).map(|Received { jwk }| jwk)
    }

    /// The payload, not verified.
    pub fn unverified_claims<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        decode_json(self.payload)
    }
}

/// The claims of a token that says that nobody signed it (RFC 7519 §6): for the request objects of clients that are registered so,
/// and for nothing else.
pub fn unsecured_claims<T: DeserializeOwned>(token: &str) -> Result<T, Malformed> {
    let token = Compact::cut(token)?;
    if !token.signature.is_empty() || token.header()?.alg != "none" {
        return Err(Malformed);
    }
    token.unverified_claims()
}

/// Whether `token` has the shape of a JWT; opaque tokens hold no dot.
pub fn is_jwt_shaped(token: &str) -> bool {
    Compact::split(token).is_ok()
}

/// base64url without padding (RFC 7515 §2).
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The reverse of [`encode`]. Padding, other alphabets and stray bits at the end are refused, so that a value has one spelling.
pub fn decode(text: &str) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed)
}

fn decode_json<T: DeserializeOwned>(part: &str) -> Result<T, Malformed> {
    serde_json::from_slice(&decode(part)?).map_err(|_| Malformed)
}

/// A [`Timestamp`](super::time::Timestamp) as a JWT's `NumericDate`: whole seconds (RFC 7519 §2).
pub mod numeric_date {
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::{Map, Value};

    use crate::protocol::time::Timestamp;

    /// A claim of a token that others made: a number, which may have a fraction. `Err` if it is something else.
    pub fn claim(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, super::Malformed> {
        let Some(value) = claims.get(name) else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "out of range it becomes the first or the last second of all")]
        let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64));
        seconds.map(|seconds| Some(Timestamp::from_seconds(seconds))).ok_or(super::Malformed)
    }

    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.as_seconds())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_seconds)
    }

    /// The same, where the claim may be absent.
    pub mod option {
        use serde::{Deserialize, Deserializer, Serializer};

        use crate::protocol::time::Timestamp;

        pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => serializer.serialize_i64(time.as_seconds()),
                None => serializer.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
            Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_seconds))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn token(header: &Value) -> String {
        format!("{}.{}.{}", encode(header.to_string().as_bytes()), encode(b"{\"sub\":\"x\"}"), encode(b"signature"))
    }

    #[test]
    fn the_example_of_rfc_7515_a_3_is_cut_in_its_parts() {
        let text = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                    DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let compact = Compact::split(text).unwrap();
        assert_eq!(compact.header().unwrap(), Header { typ: None, alg: "ES256".into(), kid: None });
        let claims: Map<String, Value> = compact.unverified_claims().unwrap();
        assert_eq!(claims["exp"], json!(1_300_819_380));
        assert_eq!(decode(compact.signature).unwrap().len(), 64);
        assert!(text.starts_with(compact.signing_input));
    }

    #[test]
    fn what_is_not_three_parts_is_refused() {
        for text in
            ["", ".", "..", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d", "a.b.c.d.e", "a .b.c", "a.b.ü", "a.b.c\n", "a.b=.c"]
        {
            assert_eq!(Compact::split(text).err(), Some(Malformed), "{text:?}");
        }
        assert_eq!(Compact::split(&format!("a.{}.c", "b".repeat(MAX_LENGTH))).err(), Some(Malformed));
    }

    #[test]
    fn an_unsecured_token_is_read_where_one_is_asked_for_and_nowhere_else() {
        let unsecured = format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(br#"{"a":1}"#));
        assert_eq!(unsecured_claims::<Value>(&unsecured), Ok(json!({ "a": 1 })));
        assert_eq!(Compact::split(&unsecured).err(), Some(Malformed));
        let signed = format!("{unsecured}AA");
        let lying = format!("{}.{}.", encode(br#"{"alg":"ES256"}"#), encode(br#"{"a":1}"#));
        let null = format!("{}.{}.", encode(b"null"), encode(b"{}"));
        for text in [signed, lying, null, token(&json!({"alg": "ES256"}))] {
            assert_eq!(unsecured_claims::<Value>(&text), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn a_critical_extension_is_refused() {
        let text = token(&json!({"alg": "ES256", "crit": ["b64"], "b64": false}));
        assert_eq!(Compact::split(&text).unwrap().header(), Err(Malformed));
    }

    #[test]
    fn a_header_that_is_no_object_or_has_wrong_types_is_refused() {
        for header in [json!(null), json!([]), json!("x"), json!({}), json!({"alg": 1}), json!({"alg": "ES256", "kid": {}})] {
            assert_eq!(Compact::split(&token(&header)).unwrap().header(), Err(Malformed), "{header}");
        }
        let twice = format!("{}.e30.AA", encode(br#"{"alg":"none","alg":"ES256"}"#));
        assert_eq!(Compact::split(&twice).unwrap().header(), Err(Malformed));
    }

    #[test]
    fn an_overlong_key_id_is_refused() {
        let text = token(&json!({"alg": "ES256", "kid": "k".repeat(129)}));
        assert_eq!(Compact::split(&text).unwrap().header(), Err(Malformed));
    }

    #[test]
    fn one_value_has_one_spelling() {
        assert_eq!(decode("AA"), Ok(vec![0]));
        // The same byte with bits left over, with padding, in the other alphabet.
        for text in ["AB", "AA==", "A", "+/", "A A"] {
            assert_eq!(decode(text), Err(Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut_or_refused_without_harm(text in ".*") {
            if let Ok(compact) = Compact::split(&text) {
                let _ = compact.header();
                let _ = compact.unverified_claims::<Value>();
            }
        }

        #[test]
        fn three_parts_come_back_as_they_were(parts in proptest::array::uniform3(proptest::collection::vec(any::<u8>(), 1..64))) {
            let [header, payload, signature] = parts.each_ref().map(|part| encode(part));
            let text = format!("{header}.{payload}.{signature}");
            let compact = Compact::split(&text).unwrap();
            prop_assert_eq!(compact.signing_input, format!("{header}.{payload}"));
            prop_assert_eq!(decode(compact.signature), Ok(parts[2].clone()));
        }

        #[test]
        fn what_was_encoded_is_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        }
    }
}
