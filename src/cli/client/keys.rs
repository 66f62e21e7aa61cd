//! What a client authenticates with, other than the usual secret in the header.

use std::path::PathBuf;

use serde_json::Value;

use crate::cli::failure::Failure;
use crate::protocol::client::ClientAuthMethod;

/// Of every kind of client.
pub(super) const CREATE_EXAMPLES: &str = "\
Examples:
  ostiary client create --name 'My app' --redirect-uri https://app.example/callback
  ostiary client create --name 'My single-page app' --public --redirect-uri https://spa.example/ --origin https://spa.example
  ostiary client create --name 'My phone app' --native --redirect-uri com.example.app:/callback
  ostiary client create --name 'My television' --public --device
  ostiary client create --name 'Nightly report' --service --audience https://api.example
  ostiary client create --name 'Payroll' --service --jwks-uri https://payroll.example/jwks.json";

#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    /// How it proves who it is: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth or
    /// self_signed_tls_client_auth. With keys private_key_jwt, with a certificate's name tls_client_auth, otherwise client_secret_basic.
    #[arg(long, value_name = "METHOD", value_parser = auth_method, conflicts_with_all = ["public", "native", "secret_in_body"])]
    auth_method: Option<ClientAuthMethod>,
    /// A file with its public keys, as a JWK Set. Then it has no secret.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["jwks_uri", "public", "native", "secret_in_body"])]
    jwks_file: Option<PathBuf>,
    /// Where it publishes its public keys, as a JWK Set. Then it has no secret.
    #[arg(long, value_name = "URL", conflicts_with_all = ["public", "native", "secret_in_body"])]
    pub(super) jwks_uri: Option<String>,
    /// The subject of its certificate, such as 'CN=payroll,O=Example': it authenticates with one of an authority of tls.client_ca_file.
    #[arg(long, value_name = "DN", conflicts_with_all = ["certificate_dns", "jwks_file", "jwks_uri", "public", "native", "secret_in_body"])]
    pub(super) certificate_dn: Option<String>,
    /// The same, by a DNS name that the certificate is for.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["jwks_file", "jwks_uri", "public", "native", "secret_in_body"])]
    pub(super) certificate_dns: Option<String>,
    /// Its assertions may name the token endpoint's URL in 'aud', as older libraries do, in the place of the issuer.
    #[arg(long)]
    pub(super) legacy_assertion_audience: bool,
}

impl Keys {
    pub(super) fn method(&self) -> ClientAuthMethod {
        let has_keys = self.jwks_file.is_some() || self.jwks_uri.is_some();
        let usual = match (self.certificate_dn.is_some() || self.certificate_dns.is_some(), has_keys) {
            (true, _) => ClientAuthMethod::TlsClientAuth,
            (false, true) => ClientAuthMethod::PrivateKeyJwt,
            (false, false) => ClientAuthMethod::ClientSecretBasic,
        };
        self.auth_method.unwrap_or(usual)
    }

    /// The content of the file.
    pub(super) fn jwks(&self) -> Result<Option<Value>, Failure> {
        let Some(file) = &self.jwks_file else { return Ok(None) };
        let unusable = |error: &dyn std::fmt::Display| Failure::usage(format!("--jwks-file: {}: {error}", file.display()));
        let text = std::fs::read(file).map_err(|error| unusable(&error))?;
        serde_json::from_slice(&text).map(Some).map_err(|_| unusable(&"no JSON"))
    }
}

fn auth_method(text: &str) -> Result<ClientAuthMethod, String> {
    let confidential: Vec<_> = ClientAuthMethod::ALL.into_iter().filter(|method| *method != ClientAuthMethod::None).collect();
    let found = confidential.iter().copied().find(|method| method.as_str() == text);
    found.ok_or_else(|| {
        let names: Vec<_> = confidential.iter().map(|method| method.as_str()).collect();
        format!("not one of {}", names.join(", "))
    })
}
