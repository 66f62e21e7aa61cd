//! Algorithms that clients are registered with.

use serde::{Deserialize, Serialize};

/// Signature algorithms (RFC 7518 §3.1; RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Algorithm {
    RS256,
    PS256,
    ES256,
    EdDSA,
}

/// `token_endpoint_auth_signing_alg`: the algorithms of assertions (RFC 7518 §3.1; RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum AssertionAlgorithm {
    /// With the client's secret: for `client_secret_jwt`, and for nothing else.
    HS256,
    RS256,
    PS256,
    ES256,
    EdDSA,
}

impl AssertionAlgorithm {
    pub const ALL: [Self; 5] = [Self::HS256, Self::RS256, Self::PS256, Self::ES256, Self::EdDSA];

    /// The same as an algorithm of key pairs.
    pub const fn of_keys(self) -> Option<Algorithm> {
        match self {
            Self::HS256 => None,
            Self::RS256 => Some(Algorithm::RS256),
            Self::PS256 => Some(Algorithm::PS256),
            Self::ES256 => Some(Algorithm::ES256),
            Self::EdDSA => Some(Algorithm::EdDSA),
        }
    }
}

/// `request_object_signing_alg` (OpenID Connect Registration 1.0 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum RequestObjectAlgorithm {
    RS256,
    PS256,
    ES256,
    EdDSA,
    /// For clients alone that are registered for it.
    #[serde(rename = "none")]
    Unsigned,
}

impl RequestObjectAlgorithm {
    pub const ALL: [Self; 5] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA, Self::Unsigned];

    /// The same as an algorithm of key pairs.
    pub const fn of_keys(self) -> Option<Algorithm> {
        match self {
            Self::RS256 => Some(Algorithm::RS256),
            Self::PS256 => Some(Algorithm::PS256),
            Self::ES256 => Some(Algorithm::ES256),
            Self::EdDSA => Some(Algorithm::EdDSA),
            Self::Unsigned => None,
        }
    }
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}
