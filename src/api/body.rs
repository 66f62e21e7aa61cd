//! JSON bodies: typed, limited, and merge patches (RFC 7396).

use axum::body::Body;
use axum::extract::FromRequest;
use http::Request;
use http::header::{self, HeaderMap};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::{ApiError, Detail};
use crate::web::body::MAX_FORM;

/// The largest body of a route that says nothing else.
const MAX_BODY: usize = 1 << 20;

/// The largest body of a route, in its request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct MaxBody(usize);

impl MaxBody {
    /// Of what everybody may send, and what people tell about themselves. As large as the largest form of the pages.
    pub const SMALL: Self = Self(MAX_FORM);
}

/// A JSON body. Members that the type does not know are refused, and so is NUL, which one of the databases can't store.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        let value = read(request, &["application/json"]).await?;
        typed(value).map(Self)
    }
}

/// A secret in a request. Its `Debug` says nothing.
#[derive(Clone, Debug, ToSchema)]
#[schema(value_type = String, format = Password)]
pub struct SecretText(pub SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

impl SecretText {
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A merge patch: an object whose members replace those of what is there, `null` removing one.
#[derive(Debug)]
pub struct MergePatch(pub Map<String, Value>);

impl<S: Sync> FromRequest<S> for MergePatch {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        match read(request, &["application/json", "application/merge-patch+json"]).await? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(ApiError::invalid(vec![Detail::new("", "not_an_object")])),
        }
    }
}

/// Reads a value as a type, and names what does not fit.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    // The message is serde's own and may quote the value, so it is not sent; it names the member in its first backquotes.
    serde_json::from_value(value).map_err(|error| {
        let message = error.to_string();
        let field = message.split('`').nth(1).filter(|name| is_name(name)).unwrap_or_default();
        let code = if message.starts_with("missing field") {
            "missing"
        } else if message.starts_with("unknown field") {
            "unknown"
        } else {
            "malformed"
        };
        ApiError::invalid(vec![Detail::new(if code == "malformed" { "" } else { field }, code)])
    })
}

fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#' | b'-'))
}

/// RFC 7396 §2.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (name, value) in members {
            if value.is_null() {
                target.shift_remove(&name);
            } else {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}

async fn read(request: Request<Body>, accepted: &[&str]) -> Result<Value, ApiError> {
    if !has_media_type(request.headers(), accepted) || request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(ApiError::unsupported_media_type());
    }
    let max = request.extensions().get::<MaxBody>().map_or(MAX_BODY, |max| max.0);
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max as u64) {
        return Err(ApiError::too_large());
    }
    let bytes = Limited::new(request.into_body(), max).collect().await.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() { ApiError::too_large() } else { ApiError::timeout() }
    })?;
    let value: Value = serde_json::from_slice(&bytes.to_bytes()).map_err(|_| ApiError::invalid_json())?;
    if holds_nul(&value) { Err(ApiError::invalid_json()) } else { Ok(value) }
}

fn has_media_type(headers: &HeaderMap, accepted: &[&str]) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = first.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim();
    accepted.iter().any(|media_type| essence.eq_ignore_ascii_case(media_type))
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_does_what_rfc_7396_shows() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (mut target, patch, expected) in cases {
            merge(&mut target, patch);
            assert_eq!(target, expected);
        }
    }

    #[test]
    fn nul_is_found_wherever_it_hides() {
        assert!(holds_nul(&json!({"a": ["b", {"c": "d\0"}]})));
        assert!(holds_nul(&json!({"a\0": 1})));
        assert!(!holds_nul(&json!({"a": ["b", 1, null, true]})));
    }

    #[test]
    fn what_does_not_fit_is_named_without_quoting_it() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "read by serde alone")]
        struct Sample {
            name: String,
        }
        let status = |value| format!("{:?}", typed::<Sample>(value).unwrap_err());
        assert!(status(json!({})).contains("\"name\", code: \"missing\""));
        assert!(status(json!({"name": "a", "nmae": "b"})).contains("\"nmae\", code: \"unknown\""));
        let malformed = status(json!({"name": ["<script>"]}));
        assert!(malformed.contains("malformed") && !malformed.contains("<script>"), "{malformed}");
    }
}
