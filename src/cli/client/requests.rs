//! How a client has to send its requests, and what it is told.

use crate::protocol::authentication::Acr;
use crate::protocol::client::{Algorithm, ClientMetadata, GrantType, KeyManagement};
use crate::protocol::response_type::ResponseType;
use crate::protocol::security_profile::SecurityProfile;

#[derive(Debug, clap::Args)]
pub(super) struct Requests {
    /// Only authorization requests that it pushed first are taken (RFC 9126).
    #[arg(long = "require-pushed-requests")]
    pub(super) pushed_only: bool,
    /// Only authorization requests that it signed are taken (RFC 9101): it needs keys.
    #[arg(long = "require-signed-requests")]
    pub(super) signed_only: bool,
    /// It is given access tokens alone that are bound to a key of its own (DPoP, RFC 9449).
    #[arg(long)]
    pub(super) require_dpop: bool,
    /// Where it publishes signed requests, with '#' and the SHA-256 of one or without; may be given several times.
    #[arg(long = "request-uri", value_name = "URL")]
    pub(super) request_uris: Vec<String>,
    /// It knows people by a 'sub' that clients elsewhere don't know.
    #[arg(long)]
    pub(super) pairwise: bool,
    /// Where the redirect URIs of all clients stand that know people by the same 'sub', as a JSON array.
    #[arg(long, value_name = "URL", requires = "pairwise")]
    pub(super) sector_identifier_uri: Option<String>,
    /// A type of authorization_details that it may ask for (RFC 9396); may be given several times.
    #[arg(long = "authorization-details-type", value_name = "TYPE")]
    pub(super) authorization_details_types: Vec<String>,
    /// Whatever it is answered in a JWT is encrypted for it: RSA-OAEP-256, ECDH-ES or ECDH-ES+A256KW. It needs keys.
    #[arg(long, value_name = "ALG", value_parser = key_management)]
    pub(super) encrypt_answers: Option<KeyManagement>,
    /// It is given access tokens alone that are bound to the certificate of its connection (RFC 8705).
    #[arg(long, conflicts_with = "require_dpop")]
    pub(super) require_certificate: bool,
    /// What its authorization requests ask for, such as 'code id_token', in the place of code; may be given several times. What brings
    /// tokens through the browser needs legacy.response_types.
    #[arg(long = "response-type", value_name = "TYPES", value_parser = response_type)]
    pub(super) response_types: Vec<ResponseType>,
    /// It is held to fapi2 (FAPI 2.0 Security Profile) or fapi2_message_signing: it needs keys or a certificate.
    #[arg(long, value_name = "PROFILE", value_parser = profile)]
    pub(super) profile: Option<SecurityProfile>,
}

fn profile(text: &str) -> Result<SecurityProfile, String> {
    let found = SecurityProfile::ALL.into_iter().find(|profile| profile.as_str() == text);
    found.ok_or_else(|| format!("not one of {}", SecurityProfile::ALL.map(SecurityProfile::as_str).join(", ")))
}

impl Requests {
    /// What the usual algorithm is nothing for.
    pub(super) fn sign_as_asked(&self, metadata: &mut ClientMetadata) {
        if self.profile.is_some() {
            metadata.id_token_signed_response_alg = Algorithm::ES256;
            metadata.authorization_signed_response_alg = Algorithm::ES256;
            metadata.introspection_signed_response_alg = Algorithm::ES256;
        }
    }

    pub(super) fn wants(&self, grant: GrantType) -> bool {
        self.response_types.iter().any(|kind| kind.grant_types().any(|needed| needed == grant))
    }
}

fn response_type(text: &str) -> Result<ResponseType, String> {
    ResponseType::parse(text).ok_or_else(|| format!("not one of {}", ResponseType::ALL.map(ResponseType::as_str).join(", ")))
}

pub(super) fn required_acr(text: &str) -> Result<Acr, String> {
    Acr::parse(text).ok_or_else(|| format!("not one of {}", Acr::ALL.map(Acr::as_str).join(", ")))
}

fn key_management(text: &str) -> Result<KeyManagement, String> {
    let found = KeyManagement::ALL.into_iter().find(|alg| alg.as_str() == text);
    found.ok_or_else(|| format!("not one of {}", KeyManagement::ALL.map(KeyManagement::as_str).join(", ")))
}
