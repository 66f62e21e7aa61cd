//! A client and its registered metadata (RFC 6749 §2; RFC 7591 §2; OpenID Connect Registration 1.0 §2).

mod algorithm;
mod auth_method;
mod certificates;
mod changes;
mod delivery;
mod encryption;
mod values;

use serde::{Deserialize, Serialize};

use super::authentication::Acr;
use super::client_document;
use super::id::ClientId;
use super::response_type::ResponseType;
use super::scope::Scope;
use super::security_profile::SecurityProfile;
use super::time::Timestamp;
use super::token_exchange::ExchangePolicy;
pub use auth_method::ClientAuthMethod;
pub use certificates::CertificateSubject;
pub use delivery::DeliveryMode;
pub use encryption::{ContentEncryption, Encryption, KeyManagement};
pub use values::{AccessTokenFormat, ApplicationType, SubjectType};

pub use algorithm::{Algorithm, AssertionAlgorithm, RequestObjectAlgorithm};

/// A client as the registry knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    pub status: ClientStatus,
    pub metadata: ClientMetadata,
    /// Every secret that is still stored; [`ClientSecret::is_valid`] tells which count.
    pub secrets: Vec<ClientSecret>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts the changes: the ETag of the management API. 0: it is what a document says, and not stored (yet).
    pub version: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientStatus {
    Active,
    /// May do nothing; its tokens are inactive.
    Disabled,
}

/// One secret of a confidential client, stored as a keyed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecret {
    pub id: String,
    /// HMAC-SHA256 of the secret: it is random, so a fast hash is enough.
    pub hash: [u8; 32],
    /// The secret itself, sealed for its row: of a client alone that is registered for `client_secret_jwt`, whose assertions
    /// can't be checked with a hash.
    pub sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    /// Set when a newer secret replaces this one; both count until then.
    pub expires_at: Option<Timestamp>,
}

impl ClientSecret {
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// What was registered, under the names of RFC 7591 and OpenID Connect Registration; ours beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientMetadata {
    /// Shown to people on the consent page.
    pub client_name: String,
    #[serde(default)]
    pub application_type: ApplicationType,
    /// What the client is held to beyond what is asked of everybody. Only an administrator sets this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<SecurityProfile>,
    #[serde(default)]
    pub token_endpoint_auth_method: ClientAuthMethod,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    #[serde(default = "default_grant_types")]
    pub grant_types: Vec<GrantType>,
    /// What its authorization requests may ask for (OpenID Connect Registration §2): `code` when absent, for a client of the
    /// authorization code grant. Those that bring tokens through the browser need `legacy.response_types`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub response_types: Vec<ResponseType>,
    /// The scope values the client may ask for.
    #[serde(default)]
    #[schema(value_type = String)]
    pub scope: Scope,
    /// `aud` of its access tokens; the issuer when empty.
    #[serde(default)]
    pub audiences: Vec<String>,
    #[serde(default)]
    pub access_token_format: AccessTokenFormat,
    #[serde(default = "default_access_token_alg")]
    pub access_token_signed_response_alg: Algorithm,
    #[serde(default = "default_id_token_alg")]
    pub id_token_signed_response_alg: Algorithm,
    /// Seconds; the server's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<i64>,
    /// Belongs to the operator, who may let it skip the consent page. Only an administrator sets this.
    #[serde(default)]
    pub first_party: bool,
    /// A confidential client whose refresh tokens rotate all the same. Public clients' always do.
    #[serde(default)]
    pub rotate_refresh_tokens: bool,
    #[serde(default)]
    pub require_auth_time: bool,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<i64>,
    /// The least `acr` of every login that the client is told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_acr: Option<Acr>,
    /// Origins whose scripts may call the token, revocation and userinfo endpoints (CORS).
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    // Keys, and authentication by assertion.
    /// The client's public keys, as a JWK Set. Not together with `jwks_uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<serde_json::Value>,
    /// Where the client publishes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The one algorithm of its assertions; any that there is for its method when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<AssertionAlgorithm>,
    /// The token endpoint's URL may be the `aud` of its assertions, in the place of the issuer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub legacy_assertion_audience: bool,
    // Pushed and signed requests.
    /// Only authorization requests that were pushed are taken (RFC 9126).
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_pushed_authorization_requests: bool,
    /// The one algorithm of its request objects; any that its keys are for when absent. `none`: they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<RequestObjectAlgorithm>,
    /// Only requests in a signed object are taken (RFC 9101 §10.5).
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_signed_request_object: bool,
    // What it is told about people.
    /// Whether it knows people by the same `sub` as other clients do.
    #[serde(default)]
    pub subject_type: SubjectType,
    /// Publishes the redirection URIs of all clients that know people by the same `sub` (OpenID Connect Core §8.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// What answers of the userinfo endpoint are signed with; they are not when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<Algorithm>,
    /// What answers of the introspection endpoint are signed with, if the request asks for signed ones (RFC 9701 §6).
    #[serde(default = "default_id_token_alg")]
    pub introspection_signed_response_alg: Algorithm,
    /// Types of `authorization_details` that it may ask for (RFC 9396 §10), besides those of open resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types: Vec<String>,
    /// Where the client publishes request objects (`OpenID` Connect Core §6.2), with their hash behind a # or without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    /// What authorization responses are signed with, if the request asks for signed ones (JARM §3).
    #[serde(default = "default_id_token_alg")]
    pub authorization_signed_response_alg: Algorithm,
    // Encryption of what it is answered, and of its requests. Without `enc` it is A128CBC-HS256.
    /// How its ID tokens are encrypted, after they were signed; they are not when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_alg: Option<KeyManagement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_enc: Option<ContentEncryption>,
    /// How answers of the userinfo endpoint are encrypted, after they were signed if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_alg: Option<KeyManagement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_enc: Option<ContentEncryption>,
    /// How signed authorization responses are encrypted (JARM §3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_encrypted_response_alg: Option<KeyManagement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_encrypted_response_enc: Option<ContentEncryption>,
    /// How signed answers of the introspection endpoint are encrypted (RFC 9701 §6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_alg: Option<KeyManagement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_enc: Option<ContentEncryption>,
    /// How it encrypts request objects, if it does: in any way that is supported when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_alg: Option<KeyManagement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_enc: Option<ContentEncryption>,
    // Tokens that are bound to a key.
    /// It is given such tokens alone: every request for one needs a DPoP proof (RFC 9449 §5.2).
    #[serde(default, skip_serializing_if = "is_false")]
    pub dpop_bound_access_tokens: bool,
    // Registration by the client itself.
    /// It registered itself: people are told that nobody here has looked at it. Only an administrator changes this; to take it away
    /// is to vouch for the client, which can't change its registration any more then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub self_registered: bool,
    /// Where somebody else may send a person to have the client begin a login (OpenID Connect Core §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    // Logout.
    /// Where the client is told, by this server, that a session ended (OpenID Connect Back-Channel Logout §2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// The client needs to be told which session. It always is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub backchannel_logout_session_required: bool,
    /// What the browser loads when its person logs out (OpenID Connect Front-Channel Logout §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// The URL that the browser loads has to name the session.
    #[serde(default, skip_serializing_if = "is_false")]
    pub frontchannel_logout_session_required: bool,
    // Token exchange.
    /// What it may exchange for what (RFC 8693).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<ExchangePolicy>,
    /// The client that alone may act for people with their tokens of this one: their `may_act`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub may_act: Option<ClientId>,
    // Asking people who are elsewhere (OpenID Connect CIBA Core 1.0 §4).
    /// How it learns that the person has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_token_delivery_mode: Option<DeliveryMode>,
    /// Where it is told, by this server, that there is an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_client_notification_endpoint: Option<String>,
    /// The one algorithm of its requests, which are all signed then; none is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_authentication_request_signing_alg: Option<Algorithm>,
    /// Never true here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub backchannel_user_code_parameter: bool,
    // Certificates (RFC 8705).
    /// What the certificate of a client with `tls_client_auth` names: one of these five.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_subject_dn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_dns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_email: Option<String>,
    /// It is given tokens alone that are bound to its certificate (RFC 8705 §3.4).
    #[serde(default, skip_serializing_if = "is_false")]
    pub tls_client_certificate_bound_access_tokens: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
const fn is_false(value: &bool) -> bool {
    !*value
}

fn default_grant_types() -> Vec<GrantType> {
    vec![GrantType::AuthorizationCode]
}

const fn default_access_token_alg() -> Algorithm {
    Algorithm::ES256
}

const fn default_id_token_alg() -> Algorithm {
    Algorithm::RS256
}

/// `grant_types` (RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    /// RFC 8628 §3.4.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    /// RFC 8693 §2.1.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
    /// RFC 7523 §2.1.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
    /// Tokens that come through the browser (OpenID Connect Registration §2). Nothing for the token endpoint.
    Implicit,
    /// OpenID Connect CIBA Core 1.0 §10.1.
    #[serde(rename = "urn:openid:params:grant-type:ciba")]
    Ciba,
}

impl GrantType {
    /// The value of the `grant_type` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::Implicit => "implicit",
            Self::Ciba => "urn:openid:params:grant-type:ciba",
        }
    }
}

impl GrantType {
    /// Those of the token endpoint.
    pub const ALL: [Self; 7] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::TokenExchange,
        Self::JwtBearer,
        Self::Ciba,
    ];
}

impl Client {
    /// Has no credentials (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.metadata.token_endpoint_auth_method == ClientAuthMethod::None
    }

    /// Whether it is told a secret when it is registered.
    pub const fn has_secret(&self) -> bool {
        self.metadata.token_endpoint_auth_method.has_secret()
    }

    /// Whether it authenticates with a certificate.
    pub const fn has_certificate(&self) -> bool {
        self.metadata.token_endpoint_auth_method.has_certificate()
    }

    pub fn is_active(&self) -> bool {
        self.status == ClientStatus::Active
    }

    /// Whether its registration is a document that it publishes, and may change at any time.
    pub fn is_published(&self) -> bool {
        self.metadata.self_registered && client_document::is_url(&self.id)
    }

    /// Whether it wants to be told, in whatever way, that a session ended in which it knows the person.
    pub const fn hears_of_logout(&self) -> bool {
        self.metadata.backchannel_logout_uri.is_some() || self.metadata.frontchannel_logout_uri.is_some()
    }

    pub fn may_use(&self, grant: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant)
    }

    /// Whether its authorization requests may ask for this.
    pub fn may_ask_for(&self, response_type: ResponseType) -> bool {
        let registered = &self.metadata.response_types;
        let is_registered = registered.contains(&response_type) || registered.is_empty() && !response_type.is_legacy();
        is_registered && response_type.grant_types().all(|grant| self.may_use(grant))
    }
}

#[cfg(test)]
pub(crate) mod testing;
