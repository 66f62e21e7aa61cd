//! Why a passkey was not taken.

use webauthn_rs_core::error::WebauthnError;

/// The person is told the same whatever it was; the audit log has the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub &'static str);

impl Refusal {
    pub const MALFORMED: Self = Self("passkey_malformed");
    pub const CROSS_ORIGIN: Self = Self("passkey_cross_origin");
    /// Of nobody, or not of whoever it has to be of.
    pub const UNKNOWN: Self = Self("passkey_unknown");
    /// The user handle is somebody else's, or there is none where it has to say whose the passkey is.
    pub const OTHER_OWNER: Self = Self("passkey_other_owner");
    /// The challenge is none of ours, or of another browser.
    pub const CHALLENGE_FOREIGN: Self = Self("passkey_challenge_foreign");
    pub const CHALLENGE_EXPIRED: Self = Self("passkey_challenge_expired");
    pub const CHALLENGE_SPENT: Self = Self("passkey_challenge_spent");
    /// Somebody has a passkey with this id.
    pub const TAKEN: Self = Self("passkey_taken");
    pub const TOO_MANY: Self = Self("passkey_too_many");
    /// Nobody who has to vouch for its authenticator does.
    pub const UNTRUSTED: Self = Self("passkey_untrusted");
    /// Without it, its owner could not log in, or not as strongly as their roles ask for.
    pub const LAST_FACTOR: Self = Self("last_factor");
    pub const USER_DISABLED: Self = Self("user_disabled");
    /// Our own row.
    pub const UNREADABLE: Self = Self("passkey_unreadable");
}

impl From<WebauthnError> for Refusal {
    fn from(error: WebauthnError) -> Self {
        Self(match error {
            WebauthnError::InvalidClientDataType => "passkey_wrong_type",
            WebauthnError::MismatchedChallenge => "passkey_wrong_challenge",
            WebauthnError::InvalidRPOrigin => "passkey_wrong_origin",
            WebauthnError::InvalidRPIDHash => "passkey_wrong_rp_id",
            WebauthnError::UserNotPresent => "passkey_user_not_present",
            WebauthnError::UserNotVerified => "passkey_user_not_verified",
            WebauthnError::CredentialBackupEligibilityInconsistent | WebauthnError::CredentialMayNotBeHardwareBound => {
                "passkey_backup_flags"
            }
            WebauthnError::CredentialAlteredAlgFromRequest | WebauthnError::COSEKeyInvalidAlgorithm => "passkey_algorithm",
            WebauthnError::CredentialCrossOrigin => "passkey_cross_origin",
            WebauthnError::AuthenticationFailure | WebauthnError::SignatureInvalid => "passkey_signature",
            // A form of attestation that nobody verifies.
            WebauthnError::AttestationNotSupported => return Self::UNTRUSTED,
            _ => "passkey_malformed",
        })
    }
}
