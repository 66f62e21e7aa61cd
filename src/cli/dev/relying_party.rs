//! The calls of an OpenID Connect client to its provider: discovery, the authorization request (RFC 6749 §4.1.1 with RFC 7636),
//! and everything that is asked of the provider afterwards.
//!
//! Whoever connects a client of their own may read this file and [`super::verify`]: there is no more to it.

use std::fmt;

use jsonwebtoken::jwk::JwkSet;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::session::Pending;

/// A client as it was registered with the provider.
pub struct Registration {
    pub client_id: &'static str,
    /// None: a public client, which proves with PKCE alone that it began the login.
    pub secret: Option<SecretString>,
    pub scope: &'static str,
}

/// What the provider says about itself (OpenID Connect Discovery §3), as far as it is used here.
#[derive(Clone, Deserialize)]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub userinfo_endpoint: String,
    pub introspection_endpoint: String,
    pub revocation_endpoint: String,
    pub jwks_uri: String,
}

/// One request to the provider and its answer, to be shown.
#[derive(Clone)]
pub struct Exchange {
    pub title: &'static str,
    pub request: String,
    pub status: u16,
    pub answer: String,
}

#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("the provider can't be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
    #[error("{0} answered with something that isn't what it should be: {1}")]
    Unreadable(&'static str, serde_json::Error),
    #[error("the metadata names an authorization endpoint that is no URL: {0}")]
    NoUrl(#[from] url::ParseError),
    #[error("the metadata names another issuer, {0}")]
    OtherIssuer(String),
}

/// The provider, seen from outside.
pub struct Provider {
    pub issuer: String,
    http: reqwest::Client,
    metadata: OnceCell<Metadata>,
}

impl Provider {
    pub fn new(issuer: String, http: reqwest::Client) -> Self {
        Self { issuer, http, metadata: OnceCell::new() }
    }

    /// All a client needs to be told is the issuer; the rest is read here, once (OpenID Connect Discovery §4).
    pub async fn metadata(&self) -> Result<&Metadata, CallError> {
        let read = async || {
            let address = format!("{}/.well-known/openid-configuration", self.issuer);
            let body = self.http.get(address).send().await?.error_for_status()?.bytes().await?;
            let metadata: Metadata = serde_json::from_slice(&body).map_err(|error| CallError::Unreadable("discovery", error))?;
            // §4.3: the same to the letter, or else one provider could speak for another.
            if metadata.issuer == self.issuer { Ok(metadata) } else { Err(CallError::OtherIssuer(metadata.issuer)) }
        };
        self.metadata.get_or_try_init(read).await
    }

    /// The keys that the provider's signatures are checked with. Fetched at each login here; a busy client would keep them for
    /// as long as `Cache-Control` allows, and fetch anew on a `kid` it doesn't know.
    pub async fn keys(&self) -> Result<JwkSet, CallError> {
        let body = self.http.get(&self.metadata().await?.jwks_uri).send().await?.error_for_status()?.bytes().await?;
        serde_json::from_slice(&body).map_err(|error| CallError::Unreadable("the key set", error))
    }

    /// Where the browser is sent to log in (OpenID Connect Core §3.1.2.1).
    pub async fn authorization_url(
        &self,
        client: &Registration,
        redirect_uri: &str,
        pending: &Pending,
        prompt: Option<&str>,
    ) -> Result<Url, CallError> {
        let mut url = Url::parse(&self.metadata().await?.authorization_endpoint)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", client.scope)
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &pending.code_challenge())
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(prompt.map(|prompt| ("prompt", prompt)));
        Ok(url)
    }

    /// A request to the token endpoint (RFC 6749 §3.2), whichever the grant.
    pub async fn token(&self, title: &'static str, client: &Registration, form: &[(&str, &str)]) -> Result<Exchange, CallError> {
        self.post(title, &self.metadata().await?.token_endpoint, client, form).await
    }

    /// Is this token good, and for what (RFC 7662)?
    pub async fn introspect(&self, client: &Registration, token: &str) -> Result<Exchange, CallError> {
        let endpoint = &self.metadata().await?.introspection_endpoint;
        self.post("Introspection", endpoint, client, &[("token", token)]).await
    }

    /// The token, and whatever came of the same login, counts no more (RFC 7009).
    pub async fn revoke(&self, client: &Registration, token: &str) -> Result<Exchange, CallError> {
        let endpoint = &self.metadata().await?.revocation_endpoint;
        self.post("Revocation", endpoint, client, &[("token", token)]).await
    }

    /// What the provider tells about the person (OpenID Connect Core §5.3).
    pub async fn userinfo(&self, access_token: &str) -> Result<Exchange, CallError> {
        let endpoint = &self.metadata().await?.userinfo_endpoint;
        let request = self.http.get(endpoint).bearer_auth(access_token).build()?;
        let shown = vec![format!("GET {endpoint}"), format!("Authorization: Bearer {}", shortened(access_token))];
        self.exchange("UserInfo", request, &shown).await
    }

    /// A form, with the client's credentials (RFC 6749 §2.3.1): in the header for a client with a secret, and otherwise its id
    /// among the parameters.
    async fn post(
        &self,
        title: &'static str,
        endpoint: &str,
        client: &Registration,
        form: &[(&str, &str)],
    ) -> Result<Exchange, CallError> {
        let mut form = form.to_vec();
        let mut request = self.http.post(endpoint);
        let mut shown = vec![format!("POST {endpoint}")];
        if let Some(secret) = &client.secret {
            request = request.basic_auth(form_encoded(client.client_id), Some(form_encoded(secret.expose_secret())));
            shown.push(format!("Authorization: Basic (id and secret of {})", client.client_id));
        } else {
            form.push(("client_id", client.client_id));
        }
        shown.push(String::new());
        shown.extend(form.iter().map(|(name, value)| format!("{name}={}", shortened(value))));
        self.exchange(title, request.form(&form).build()?, &shown).await
    }

    /// Sends a request. `shown` is what is told about it: all but the client's secret.
    async fn exchange(&self, title: &'static str, request: reqwest::Request, shown: &[String]) -> Result<Exchange, CallError> {
        let response = self.http.execute(request).await?;
        let status = response.status().as_u16();
        let answer = response.text().await?;
        Ok(Exchange { title, request: shown.join("\n"), status, answer })
    }
}

/// Without the request and the answer, which hold tokens.
impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exchange").field("title", &self.title).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Exchange {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_str(&self.answer).map_err(|error| CallError::Unreadable(self.title, error))
    }

    /// The answer, laid out to be read: long values are cut, since tokens are shown whole where they are decoded.
    pub fn readable(&self) -> String {
        let Ok(mut answer) = serde_json::from_str(&self.answer) else { return self.answer.clone() };
        if let Value::Object(members) = &mut answer {
            for text in members.values_mut() {
                if let Value::String(text) = text {
                    *text = shortened(text);
                }
            }
        }
        serde_json::to_string_pretty(&answer).unwrap_or_else(|_| self.answer.clone())
    }
}

/// Basic authentication takes the two values form-encoded (RFC 6749 §2.3.1), which most clients forget until a `:` or `%` comes.
fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The beginning of a long value.
fn shortened(value: &str) -> String {
    if value.chars().count() > 64 { value.chars().take(48).chain(['…']).collect() } else { value.to_owned() }
}
