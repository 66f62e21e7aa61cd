//! Profiles that a client is held to: FAPI 2.0. This is the one place that says what a profile asks for beyond what is asked of every
//! client; who registers clients and who judges requests read it here.

use serde::{Deserialize, Serialize};

use super::client::{Algorithm, ClientAuthMethod, ClientMetadata, GrantType};
use super::time::Seconds;

/// `profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum SecurityProfile {
    /// FAPI 2.0 Security Profile.
    #[serde(rename = "fapi2")]
    Fapi2,
    /// FAPI 2.0 Message Signing beside it.
    #[serde(rename = "fapi2_message_signing")]
    Fapi2MessageSigning,
}

impl SecurityProfile {
    pub const ALL: [Self; 2] = [Self::Fapi2, Self::Fapi2MessageSigning];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fapi2 => "fapi2",
            Self::Fapi2MessageSigning => "fapi2_message_signing",
        }
    }

    pub const fn demands(self) -> &'static Demands {
        match self {
            Self::Fapi2 => &FAPI2,
            Self::Fapi2MessageSigning => &FAPI2_MESSAGE_SIGNING,
        }
    }
}

/// What is asked of a client.
#[derive(Clone, Copy, Debug)]
pub struct Demands {
    /// How it may authenticate.
    pub methods: &'static [ClientAuthMethod],
    /// What is signed by it, and for it.
    pub algorithms: &'static [Algorithm],
    /// What it may get tokens by.
    pub grant_types: &'static [GrantType],
    /// Its authorization requests have to be pushed.
    pub pushed_requests: bool,
    /// Its access tokens have to be bound to a key or a certificate.
    pub bound_tokens: bool,
    /// The longest that its codes last.
    pub code_lifetime: Option<Seconds>,
    /// `http` is no way back to it, but for an application on the very device.
    pub encrypted_redirects: bool,
    /// Its refresh tokens stay as they are.
    pub steady_refresh_tokens: bool,
    /// People log in to it in their browser, and nowhere else.
    pub browser_only: bool,
    /// Its authorization requests have to be signed.
    pub signed_requests: bool,
    /// The longest that such a request may be good for, and how old it may be.
    pub request_lifetime: Option<Seconds>,
    /// The answers to them are signed.
    pub signed_responses: bool,
    /// The answers to its questions about tokens are signed, whether it asks for that or not.
    pub signed_introspection: bool,
}

/// Of every client.
const NOTHING: Demands = Demands {
    methods: &ClientAuthMethod::ALL,
    algorithms: &Algorithm::ALL,
    grant_types: &[],
    pushed_requests: false,
    bound_tokens: false,
    code_lifetime: None,
    encrypted_redirects: false,
    steady_refresh_tokens: false,
    browser_only: false,
    signed_requests: false,
    request_lifetime: None,
    signed_responses: false,
    signed_introspection: false,
};

/// FAPI 2.0 Security Profile §5.3.2, §5.4. What it asks for and every client is held to stands nowhere here: PKCE with S256, `iss` in
/// answers, the issuer alone as `aud` of assertions, redirects with 303, codes that count once, pushed requests that count for 90 seconds.
const FAPI2: Demands = Demands {
    methods: &[ClientAuthMethod::PrivateKeyJwt, ClientAuthMethod::TlsClientAuth, ClientAuthMethod::SelfSignedTlsClientAuth],
    algorithms: &[Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA],
    grant_types: &[GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials, GrantType::TokenExchange],
    pushed_requests: true,
    bound_tokens: true,
    code_lifetime: Some(Seconds(60)),
    encrypted_redirects: true,
    steady_refresh_tokens: true,
    browser_only: true,
    ..NOTHING
};

/// FAPI 2.0 Message Signing §5.3, §5.4, §5.5.
const FAPI2_MESSAGE_SIGNING: Demands = Demands {
    signed_requests: true,
    request_lifetime: Some(Seconds::minutes(60)),
    signed_responses: true,
    signed_introspection: true,
    ..FAPI2
};

impl ClientMetadata {
    /// What the client's profile asks for.
    pub fn demands(&self) -> &'static Demands {
        self.profile.map_or(&NOTHING, SecurityProfile::demands)
    }

    /// Whether its authorization requests have to be pushed.
    pub fn pushes_requests(&self) -> bool {
        self.require_pushed_authorization_requests || self.demands().pushed_requests
    }

    /// Whether its authorization requests have to be signed.
    pub fn signs_requests(&self) -> bool {
        self.require_signed_request_object || self.demands().signed_requests
    }

    /// Whether the client is given no access token but such that are bound to a key or a certificate.
    pub fn binds_tokens(&self) -> bool {
        self.tls_client_certificate_bound_access_tokens || self.proves_keys()
    }

    /// Whether it has to bring a DPoP proof.
    pub fn proves_keys(&self) -> bool {
        let by_profile = self.demands().bound_tokens && !self.tls_client_certificate_bound_access_tokens;
        self.dpop_bound_access_tokens || by_profile
    }
}
