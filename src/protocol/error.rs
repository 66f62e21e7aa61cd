//! The error that OAuth 2.0 endpoints answer with (RFC 6749 §4.1.2.1, §5.2; RFC 6750 §3.1; RFC 9449 §12.2; OpenID Connect Core §3.1.2.6).

use serde::Serialize;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal;)*) => {
        /// The value of `error`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl ErrorCode {
            /// The code as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status of a direct (JSON) answer.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

error_codes! {
    /// At the token endpoint (RFC 8628 §3.5); forms from elsewhere have a status of their own.
    AccessDenied = "access_denied", 400;
    /// RFC 8628 §3.5.
    AuthorizationPending = "authorization_pending", 400;
    ConsentRequired = "consent_required", 400;
    ExpiredToken = "expired_token", 400;
    InsufficientScope = "insufficient_scope", 403;
    InteractionRequired = "interaction_required", 400;
    InvalidAuthorizationDetails = "invalid_authorization_details", 400;
    /// OpenID Connect CIBA Core 1.0 §13.
    InvalidBindingMessage = "invalid_binding_message", 400;
    InvalidClient = "invalid_client", 401;
    InvalidClientMetadata = "invalid_client_metadata", 400;
    InvalidDpopProof = "invalid_dpop_proof", 400;
    InvalidGrant = "invalid_grant", 400;
    InvalidRedirectUri = "invalid_redirect_uri", 400;
    InvalidRequest = "invalid_request", 400;
    InvalidRequestObject = "invalid_request_object", 400;
    InvalidRequestUri = "invalid_request_uri", 400;
    InvalidScope = "invalid_scope", 400;
    InvalidSoftwareStatement = "invalid_software_statement", 400;
    InvalidTarget = "invalid_target", 400;
    InvalidToken = "invalid_token", 401;
    LoginRequired = "login_required", 400;
    RegistrationNotSupported = "registration_not_supported", 400;
    RequestUriNotSupported = "request_uri_not_supported", 400;
    ServerError = "server_error", 500;
    SlowDown = "slow_down", 400;
    TemporarilyUnavailable = "temporarily_unavailable", 503;
    UnapprovedSoftwareStatement = "unapproved_software_statement", 400;
    UnauthorizedClient = "unauthorized_client", 400;
    /// OpenID Connect CIBA Core 1.0 §13.
    UnknownUserId = "unknown_user_id", 400;
    UnmetAuthenticationRequirements = "unmet_authentication_requirements", 400;
    UnsupportedGrantType = "unsupported_grant_type", 400;
    UnsupportedResponseType = "unsupported_response_type", 400;
    UnsupportedTokenType = "unsupported_token_type", 400;
    UseDpopNonce = "use_dpop_nonce", 400;
}

/// A refusal: the public code, a public description that never holds user input, and the exact reason for the audit log.
///
/// `reason` is a stable word such as `redirect_uri_mismatch`; it goes into the audit log and never over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct OAuthError {
    pub code: ErrorCode,
    /// `error_description`: characters of `%x20-21 / %x23-5B / %x5D-7E` only (RFC 6749 §5.2).
    pub description: &'static str,
    pub reason: &'static str,
}

impl OAuthError {
    /// # Panics
    /// If the description may not go over the wire. Use it in a `const` item: this is then an error of the compiler.
    pub const fn new(code: ErrorCode, reason: &'static str, description: &'static str) -> Self {
        assert!(is_wire_text(description), "error_description: %x20-21 / %x23-5B / %x5D-7E only");
        Self { code, description, reason }
    }
}

/// May it stand in `error_description`, in JSON, in a URL and within quotes of a `WWW-Authenticate` header alike?
const fn is_wire_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if !matches!(bytes[index], 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e) {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_holds_only_what_the_wire_allows() {
        assert!(is_wire_text("code_challenge_method must be 'S256' [RFC 7636]~!"));
        for bad in ["\"", "\\", "\n", "\u{7f}", "caf\u{e9}", "\u{2014}"] {
            assert!(!is_wire_text(bad), "{bad:?}");
        }
    }
}
