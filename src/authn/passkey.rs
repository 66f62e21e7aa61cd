//! Passkeys: this server as the relying party of WebAuthn (Level 3 §7).
//!
//! The library verifies what authenticators sign. What it leaves to its caller is done here: whose credential it is and
//! whether its user handle says the same (§7.2 steps 5 and 6), whether the page that asked was inside somebody else's, and what
//! a counter means that fell: a risk to tell of, not a reason to lock somebody out. The library refuses such a counter, so it
//! is shown 0 in the place of the stored one.

mod attestation;
pub mod challenge;
mod refusal;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::time::Duration;
use url::Url;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::proto::{
    AttestationConveyancePreference, AuthenticationState, COSEAlgorithm, CollectedClientData, CreationChallengeResponse,
    CredProtect, Credential, CredentialProtectionPolicy, ParsedAttestation, PublicKeyCredential, RegisterPublicKeyCredential,
    RegistrationState, RequestChallengeResponse, RequestRegistrationExtensions, ResidentKeyRequirement, UserVerificationPolicy,
};

use self::attestation::Authorities;
pub use self::attestation::UnusableAuthorities;
pub use self::refusal::Refusal;
use crate::config::{PasskeysConfig, UserVerification};
use crate::protocol::authentication::Method;
use crate::protocol::time::Timestamp;
use crate::storage::passkeys::Passkey;

/// What is asked of authenticators, the preferred one first. Those that the library can verify, and no more.
const ALGORITHMS: [COSEAlgorithm; 3] = [COSEAlgorithm::ES256, COSEAlgorithm::ES384, COSEAlgorithm::RS256];

/// Bytes of a user handle, of 64 at most (§14.6.1: random, and nothing about the person).
pub const HANDLE: usize = 32;

/// How a passkey verifies and what it belongs to.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    core: WebauthnCore,
    user_verification: UserVerification,
    /// Who has to vouch for new ones.
    authorities: Option<Authorities>,
}

/// Who a passkey is made for: what authenticators show and keep.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub handle: &'a [u8],
    pub sign_in_name: &'a str,
    pub display_name: &'a str,
}

/// A passkey that was made, not stored yet.
#[derive(Clone, Debug)]
pub struct Created {
    /// The credential's id, in base64url.
    pub id: String,
    /// Public key and flags, for [`Passkey::credential`].
    pub credential: String,
    pub counter: u32,
}

/// What a passkey said that was used.
#[derive(Clone, Debug)]
pub struct Asserted {
    pub method: Method,
    /// The passkey with what has changed of it.
    pub passkey: Passkey,
}

impl RelyingParty {
    /// `None` where there are no passkeys: they are off, or the issuer's host is an address.
    pub fn new(config: &PasskeysConfig, issuer: &Url) -> Result<Option<Self>, UnusableAuthorities> {
        let Some(rp_id) = config.rp_id(issuer) else { return Ok(None) };
        let authorities = Authorities::load(config)?;
        let own = issuer.origin().ascii_serialization();
        let origins = [own].iter().chain(&config.origins).filter_map(|origin| Url::parse(origin).ok()).collect();
        let timeout = Duration::from_secs(challenge::LIFETIME.0.unsigned_abs());
        // The origin and the port must be the very ones that are configured.
        let core = WebauthnCore::new_unsafe_experts_only(&config.rp_name, &rp_id, origins, timeout, Some(false), Some(false));
        Ok(Some(Self { core, user_verification: config.user_verification, authorities }))
    }

    /// The options for `navigator.credentials.create()`, as JSON (§5.1.8), and what to check the answer against.
    pub fn creation(&self, owner: Owner<'_>, existing: &[Passkey]) -> Result<(Value, RegistrationState), WebauthnError> {
        let policy = match self.user_verification {
            UserVerification::Required => UserVerificationPolicy::Required,
            UserVerification::Preferred => UserVerificationPolicy::Preferred,
        };
        let protection = (self.user_verification == UserVerification::Required).then_some(CredProtect {
            credential_protection_policy: CredentialProtectionPolicy::UserVerificationRequired,
            enforce_credential_protection_policy: Some(false),
        });
        let extensions = RequestRegistrationExtensions {
            cred_protect: protection,
            uvm: None,
            cred_props: Some(true),
            min_pin_length: None,
            hmac_create_secret: None,
        };
        let existing = existing.iter().filter_map(|passkey| URL_SAFE_NO_PAD.decode(&passkey.id).ok()).collect();
        let builder = self
            .core
            .new_challenge_register_builder(owner.handle, owner.sign_in_name, owner.display_name)?
            .attestation(if self.authorities.is_some() {
                AttestationConveyancePreference::Direct
            } else {
                AttestationConveyancePreference::None
            })
            .credential_algorithms(ALGORITHMS.to_vec())
            .user_verification_policy(policy)
            .exclude_credentials(Some(existing))
            .extensions(Some(extensions));
        let (CreationChallengeResponse { mut public_key }, state) = self.core.generate_challenge_register(builder)?;
        if let Some(selection) = &mut public_key.authenticator_selection {
            // The library knows "required" and "discouraged" only. A key without room for it is good as a second factor.
            selection.resident_key = Some(ResidentKeyRequirement::Preferred);
        }
        Ok((serde_json::to_value(public_key).map_err(WebauthnError::ParseJSONFailure)?, state))
    }

    /// Verifies the answer of `create()` (§7.1). Whether somebody has the credential already is the storage's to say.
    pub fn created(&self, answer: &str, state: &RegistrationState, now: Timestamp) -> Result<Created, Refusal> {
        let answer: RegisterPublicKeyCredential = serde_json::from_str(answer).map_err(|_| Refusal::MALFORMED)?;
        check_envelope(&answer.type_, &answer.id, &answer.raw_id)?;
        check_client_data(&answer.response.client_data_json)?;
        let mut credential = self.core.register_credential(&answer, state, None)?;
        if credential.cred_id != answer.raw_id {
            return Err(Refusal::MALFORMED);
        }
        if let Some(authorities) = &self.authorities {
            authorities.vouch(&credential.attestation, now)?;
        }
        let counter = std::mem::take(&mut credential.counter);
        // What kind of device it is was looked at, or told without having been asked: it is not kept.
        credential.attestation = ParsedAttestation::default();
        credential.transports = answer.response.transports;
        Ok(Created { id: answer.id, credential: stored(&credential)?, counter })
    }

    /// The options for `navigator.credentials.get()`, as JSON (§5.1.8). Without `allowed`, any passkey of anybody will do, and
    /// its authenticator says whose it is.
    pub fn request(
        &self,
        allowed: &[Passkey],
        policy: UserVerificationPolicy,
    ) -> Result<(Value, AuthenticationState), WebauthnError> {
        let allowed = allowed.iter().filter_map(|passkey| read(passkey).ok()).collect();
        let builder = self.core.new_challenge_authenticate_builder(allowed, Some(policy))?;
        let (RequestChallengeResponse { public_key, .. }, mut state) = self.core.generate_challenge_authenticate(builder)?;
        // What is allowed is looked up when the answer comes.
        state.set_allowed_credentials(Vec::new());
        Ok((serde_json::to_value(public_key).map_err(WebauthnError::ParseJSONFailure)?, state))
    }

    /// Verifies the answer of `get()` (§7.2) with the passkey that it names.
    pub fn asserted(
        &self,
        assertion: &Assertion,
        state: &AuthenticationState,
        passkey: Passkey,
        handle: &[u8],
    ) -> Result<Asserted, Refusal> {
        if assertion.handle().is_some_and(|said| said != handle) {
            return Err(Refusal::OTHER_OWNER);
        }
        check_client_data(&assertion.0.response.client_data_json)?;
        let mut credential = read(&passkey)?;
        let result = self.core.authenticate_single_credential(&assertion.0, state, &credential)?;
        credential.backup_state = result.backup_state();
        // What verified its user once has to from then on.
        credential.user_verified |= result.user_verified();
        let method = Method::Passkey { user_verified: result.user_verified(), device_bound: !result.backup_eligible() };
        let passkey = Passkey { credential: stored(&credential)?, counter: result.counter(), ..passkey };
        Ok(Asserted { method, passkey })
    }
}

/// What `get()` gave, read and not verified.
#[derive(Clone, Debug)]
pub struct Assertion(PublicKeyCredential);

impl Assertion {
    pub fn parse(answer: &str) -> Result<Self, Refusal> {
        let answer: PublicKeyCredential = serde_json::from_str(answer).map_err(|_| Refusal::MALFORMED)?;
        check_envelope(&answer.type_, &answer.id, &answer.raw_id)?;
        Ok(Self(answer))
    }

    /// The credential's id, in base64url.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Whose it is, by the authenticator's word.
    pub fn handle(&self) -> Option<&[u8]> {
        self.0.get_user_unique_id()
    }
}

/// What the pages tell of a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// It may be on several devices.
    pub is_synchronised: bool,
    /// It made sure once that it was its owner who used it, and has to from then on: it can be the only factor.
    pub verifies_user: bool,
}

impl Traits {
    pub fn of(passkey: &Passkey) -> Self {
        read(passkey).map_or(Self { is_synchronised: false, verifies_user: false }, |credential| Self {
            is_synchronised: credential.backup_eligible,
            verifies_user: credential.user_verified,
        })
    }
}

fn read(passkey: &Passkey) -> Result<Credential, Refusal> {
    serde_json::from_str(&passkey.credential).map_err(|_| Refusal::UNREADABLE)
}

fn stored(credential: &Credential) -> Result<String, Refusal> {
    serde_json::to_string(credential).map_err(|_| Refusal::UNREADABLE)
}

fn check_envelope(kind: &str, id: &str, raw_id: &[u8]) -> Result<(), Refusal> {
    let sound = kind == "public-key" && !raw_id.is_empty() && id == URL_SAFE_NO_PAD.encode(raw_id);
    if sound { Ok(()) } else { Err(Refusal::MALFORMED) }
}

/// §7.1 step 10 and §7.2 step 13: no page of ours stands inside somebody else's, so no answer comes from there.
fn check_client_data(json: &[u8]) -> Result<(), Refusal> {
    let client_data: CollectedClientData = serde_json::from_slice(json).map_err(|_| Refusal::MALFORMED)?;
    let inside = client_data.cross_origin == Some(true) || client_data.unknown_keys.contains_key("topOrigin");
    if inside { Err(Refusal::CROSS_ORIGIN) } else { Ok(()) }
}
