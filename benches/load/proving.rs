//! Clients that sign: instead of a secret, with what they ask for, or to own a token.

use http::header::{HeaderMap, HeaderValue};
use serde_json::json;

use super::Result;
use super::visitor::{Visitor, endpoint};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

impl Visitor {
    /// The client's own token for an assertion (RFC 7523 section 2.2).
    pub async fn assert(&mut self) -> Result<()> {
        let assertion = self.signer.assertion(&self.registration.client_id, self.issuer()?)?;
        let fields =
            [("grant_type", "client_credentials"), ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &assertion)];
        self.token(&fields, None).await.map(drop)
    }

    /// The client's own token, bound to its key (RFC 9449 section 5).
    pub async fn possess(&mut self) -> Result<()> {
        let url = self.metadata["token_endpoint"].as_str().ok_or("no token_endpoint")?;
        let mut proof = HeaderMap::new();
        proof.insert("dpop", HeaderValue::try_from(self.signer.possession(url)?)?);
        let path = endpoint(&self.metadata, "token_endpoint")?;
        let tokens = self.ask(&path, &[("grant_type", "client_credentials")], proof).await?;
        if tokens["token_type"] == json!("DPoP") { Ok(()) } else { Err(format!("no bound token: {tokens}").into()) }
    }

    /// A signed request (RFC 9101) that is pushed (RFC 9126), and the code flow from there.
    pub async fn push_a_request(&mut self) -> Result<()> {
        let client_id = self.registration.client_id.clone();
        let object = self.signer.request_object(&client_id, self.issuer()?, self.parameters.clone())?;
        let path = endpoint(&self.metadata, "pushed_authorization_request_endpoint")?;
        let pushed = self.ask(&path, &[("client_id", &client_id), ("request", &object)], HeaderMap::new()).await?;
        let request_uri = pushed["request_uri"].as_str().ok_or_else(|| format!("not pushed: {pushed}"))?;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &client_id)
            .append_pair("request_uri", request_uri)
            .finish();
        let target = format!("{}?{query}", endpoint(&self.metadata, "authorization_endpoint")?);
        self.code_flow_from(&target).await.map(drop)
    }

    /// A device that begins, its person who types the code and agrees, and the device's tokens (RFC 8628).
    pub async fn connect_a_device(&mut self) -> Result<()> {
        let scope = self.registration.scope.clone();
        let path = endpoint(&self.metadata, "device_authorization_endpoint")?;
        let begun = self.ask(&path, &[("scope", &scope)], HeaderMap::new()).await?;
        let text = |name: &str| begun[name].as_str().ok_or_else(|| format!("no {name}: {begun}"));
        let end = |location: &str| location.ends_with("/device/allowed").then_some(());
        self.go(&endpoint(&begun, "verification_uri_complete")?, end).await?;
        self.token(&[("grant_type", DEVICE), ("device_code", text("device_code")?)], None).await.map(drop)
    }

    fn issuer(&self) -> Result<&str> {
        Ok(self.metadata["issuer"].as_str().ok_or("no issuer")?)
    }
}
