//! Proof Key for Code Exchange, method S256 alone (RFC 7636 §4.2, §4.3, §4.6; RFC 9700 §2.1.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::{ErrorCode, OAuthError};

/// `code_challenge_methods_supported` (RFC 8414 §2).
pub const METHODS: [&str; 1] = ["S256"];

const CHALLENGE_MISSING: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "code_challenge_missing", "code_challenge is required");
const METHOD_UNSUPPORTED: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "code_challenge_method_unsupported", "code_challenge_method must be S256");
const CHALLENGE_INVALID: OAuthError = OAuthError::new(
    ErrorCode::InvalidRequest,
    "code_challenge_invalid",
    "code_challenge must be the base64url form of a SHA-256 hash",
);

/// A `code_challenge` of method S256: the hash of a verifier that nobody but the client knows yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Reads the pair of parameters. An absent method means `plain` (RFC 7636 §4.3), which is refused.
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Self, OAuthError> {
        let challenge = challenge.ok_or(CHALLENGE_MISSING)?;
        if method != Some("S256") {
            return Err(METHOD_UNSUPPORTED);
        }
        Self::try_from(challenge.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CodeChallenge {
    type Error = OAuthError;

    fn try_from(text: String) -> Result<Self, OAuthError> {
        let hash = URL_SAFE_NO_PAD.decode(&text).map_err(|_| CHALLENGE_INVALID)?;
        if hash.len() == 32 { Ok(Self(text)) } else { Err(CHALLENGE_INVALID) }
    }
}

impl From<CodeChallenge> for String {
    fn from(challenge: CodeChallenge) -> Self {
        challenge.0
    }
}

/// Is `verifier` well formed (43 to 128 unreserved characters, RFC 7636 §4.1), and does it hash to `challenge`?
pub fn verify(challenge: &CodeChallenge, verifier: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    hash.as_bytes().ct_eq(challenge.0.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn challenge() -> CodeChallenge {
        CodeChallenge::parse(Some(CHALLENGE), Some("S256")).unwrap()
    }

    #[test]
    fn the_example_of_the_rfc_verifies() {
        assert!(verify(&challenge(), VERIFIER));
    }

    #[test]
    fn a_challenge_is_required() {
        assert_eq!(CodeChallenge::parse(None, Some("S256")), Err(CHALLENGE_MISSING));
    }

    #[test]
    fn no_method_but_s256_is_accepted() {
        for method in [None, Some("plain"), Some("s256"), Some("S512"), Some("S256 ")] {
            assert_eq!(CodeChallenge::parse(Some(CHALLENGE), method), Err(METHOD_UNSUPPORTED), "{method:?}");
        }
    }

    #[test]
    fn a_challenge_is_43_characters_of_base64url() {
        let (short, long) = (&CHALLENGE[..42], format!("{CHALLENGE}A"));
        let padded = format!("{CHALLENGE}=");
        let standard = CHALLENGE.replace('-', "+");
        for bad in ["", short, &long, &padded, &standard, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c é"] {
            assert_eq!(CodeChallenge::parse(Some(bad), Some("S256")), Err(CHALLENGE_INVALID), "{bad}");
        }
    }

    #[test]
    fn a_verifier_of_the_wrong_length_or_alphabet_never_verifies() {
        for bad in ["", &VERIFIER[..42], &"a".repeat(129), &format!("{}é", &VERIFIER[..42]), &VERIFIER.replace('-', "+")] {
            // Even if its hash were right.
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(bad.as_bytes()));
            let challenge = CodeChallenge::parse(Some(&hash), Some("S256")).unwrap();
            assert!(!verify(&challenge, bad), "{bad}");
        }
    }

    #[test]
    fn the_challenge_itself_is_no_verifier() {
        assert!(!verify(&challenge(), CHALLENGE));
    }

    proptest! {
        #[test]
        fn every_well_formed_verifier_meets_its_own_challenge_and_no_other(
            one in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{43,128}",
        ) {
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(one.as_bytes()));
            let challenge = CodeChallenge::parse(Some(&hash), Some("S256")).unwrap();
            prop_assert!(verify(&challenge, &one));
            prop_assert_eq!(verify(&challenge, &other), one == other);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", method in ".*") {
            let _ = CodeChallenge::parse(Some(&text), Some(&method));
            let read = CodeChallenge::parse(Some(&text), Some("S256"));
            prop_assert!(read.is_err() || text.len() == 43);
            let _ = verify(&challenge(), &text);
        }
    }
}
