//! Hashes of tokens and secrets: what is stored instead of them.
//!
//! Tokens and secrets are 256 random bits, so a fast hash is enough; it is keyed all the same (HMAC-SHA256, RFC 2104), so that
//! a copy of the database alone does not even tell whether a token that somebody found belongs to it.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use subtle::ConstantTimeEq;

use super::neighbours;
use super::root::Root;
use crate::random::{self, Series};

/// How many bytes of a hash say where it stands. The 224 bits of the HMAC behind them are far more than anybody can try.
const PLACE: usize = 4;

/// What is hashed. Each kind has a key of its own: the hash of a code is never that of a token with the same text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    Code,
    AccessToken,
    RefreshToken,
    Session,
    ClientSecret,
    SetupLink,
    /// A code that was mailed, with what it is for.
    EmailCode,
    /// The secret of the browser or app that asked for it.
    EmailCodeHolder,
    /// A canonical address, to count its mail by.
    Mailbox,
    /// The token of the link.
    Invitation,
    /// The `jti` of an assertion, with the client's identifier.
    ClientAssertion,
    /// The `jti` of an assertion about a person, with its issuer.
    BearerAssertion,
    /// The reference in a `request_uri`.
    PushedRequest,
    DeviceCode,
    /// `auth_req_id`.
    BackchannelRequest,
    /// The `jti` of a signed request to a person elsewhere, with the client's identifier.
    SignedRequest,
    /// What a person types to connect a device.
    UserCode,
    /// The `jti` of a proof of possession, with its key's thumbprint.
    DpopProof,
    /// A `sid`, for the cookie that applications watch.
    BrowserState,
    /// With what somebody may register clients.
    InitialAccessToken,
    /// With what a client manages its registration.
    RegistrationAccessToken,
}

impl TokenKind {
    const ALL: [Self; 21] = [
        Self::Code,
        Self::AccessToken,
        Self::RefreshToken,
        Self::Session,
        Self::ClientSecret,
        Self::SetupLink,
        Self::EmailCode,
        Self::EmailCodeHolder,
        Self::Mailbox,
        Self::Invitation,
        Self::ClientAssertion,
        Self::BearerAssertion,
        Self::PushedRequest,
        Self::DeviceCode,
        Self::BackchannelRequest,
        Self::SignedRequest,
        Self::UserCode,
        Self::DpopProof,
        Self::BrowserState,
        Self::InitialAccessToken,
        Self::RegistrationAccessToken,
    ];

    /// A new token of this kind.
    pub fn draw(self) -> String {
        thread_local! {
            static SERIES: [Series; TokenKind::ALL.len()] = const { [const { Series::new() }; TokenKind::ALL.len()] };
        }
        if self.has_neighbours() { SERIES.with(|series| neighbours::draw(&series[self as usize])) } else { random::secret() }
    }

    /// Whether one is made with each login or request, so that it matters where their hashes stand.
    const fn has_neighbours(self) -> bool {
        matches!(self, Self::Code | Self::AccessToken | Self::RefreshToken | Self::Session)
    }

    /// What the key is derived for. Changing one makes every stored hash of the kind worthless.
    const fn purpose(self) -> &'static str {
        match self {
            Self::Code => "hash/authorization-code",
            Self::AccessToken => "hash/access-token",
            Self::RefreshToken => "hash/refresh-token",
            Self::Session => "hash/session",
            Self::ClientSecret => "hash/client-secret",
            Self::SetupLink => "hash/setup-link",
            Self::EmailCode => "hash/email-code",
            Self::EmailCodeHolder => "hash/email-code-holder",
            Self::Mailbox => "hash/mailbox",
            Self::Invitation => "hash/invitation",
            Self::ClientAssertion => "hash/client-assertion",
            Self::BearerAssertion => "hash/bearer-assertion",
            Self::PushedRequest => "hash/pushed-request",
            Self::DeviceCode => "hash/device-code",
            Self::BackchannelRequest => "hash/backchannel-request",
            Self::SignedRequest => "hash/signed-request",
            Self::UserCode => "hash/user-code",
            Self::DpopProof => "hash/dpop-proof",
            Self::BrowserState => "hash/browser-state",
            Self::InitialAccessToken => "hash/initial-access-token",
            Self::RegistrationAccessToken => "hash/registration-access-token",
        }
    }
}

/// Hashes tokens and secrets with keys derived from the root.
#[derive(Clone)]
pub struct TokenHasher([hmac::Key; TokenKind::ALL.len()]);

impl TokenHasher {
    pub fn new(root: &Root) -> Self {
        Self(TokenKind::ALL.map(|kind| hmac::Key::new(HMAC_SHA256, root.derive(kind.purpose()).as_slice())))
    }

    /// The hash to store or to look up. That of a token with neighbours is the HMAC of what they share, four bytes of it, and then its own.
    pub fn hash(&self, kind: TokenKind, token: &str) -> [u8; 32] {
        let hmac = |text: &str| hmac::sign(&self.0[kind as usize], text.as_bytes());
        let place = kind.has_neighbours().then(|| neighbours::shared(token)).flatten().map(hmac);
        let (place, own) = (place.as_ref().map_or(&[][..], |place| &place.as_ref()[..PLACE]), hmac(token));
        let mut hash = [0; 32];
        hash[..place.len()].copy_from_slice(place);
        hash[place.len()..].copy_from_slice(&own.as_ref()[..32 - place.len()]);
        hash
    }

    /// Whether `hash` is that of `token`, in the same time for every answer.
    pub fn matches(&self, kind: TokenKind, token: &str, hash: &[u8; 32]) -> bool {
        self.hash(kind, token).ct_eq(hash).into()
    }
}

impl fmt::Debug for TokenHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHasher([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn hasher() -> TokenHasher {
        TokenHasher::new(&Root::from_bytes([1; 32]))
    }

    #[test]
    fn a_token_matches_its_own_hash_only() {
        let hash = hasher().hash(TokenKind::Code, "token");
        assert!(hasher().matches(TokenKind::Code, "token", &hash));
        assert!(!hasher().matches(TokenKind::Code, "token2", &hash));
    }

    #[test]
    fn the_same_text_has_another_hash_as_another_kind() {
        let mut hashes = TokenKind::ALL.map(|kind| hasher().hash(kind, "token")).to_vec();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), TokenKind::ALL.len());
        for (index, kind) in TokenKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }

    #[test]
    fn tokens_of_logins_and_requests_stand_beside_each_other() {
        for kind in TokenKind::ALL {
            let hashes: Vec<_> = (0..64).map(|_| hasher().hash(kind, &kind.draw())).collect();
            let places: HashSet<_> = hashes.iter().map(|hash| &hash[..PLACE]).collect();
            assert_eq!(places.len() <= 2, kind.has_neighbours(), "{kind:?}");
            assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        }
    }

    #[test]
    fn where_a_hash_stands_tells_nothing_without_the_root() {
        let (token, other) = (TokenKind::Code.draw(), TokenHasher::new(&Root::from_bytes([2; 32])));
        let place = |hasher: &TokenHasher, kind| hasher.hash(kind, &token)[..PLACE].to_vec();
        assert_ne!(place(&hasher(), TokenKind::Code), place(&other, TokenKind::Code));
        assert_ne!(place(&hasher(), TokenKind::Code), place(&hasher(), TokenKind::Session));
        assert_ne!(place(&hasher(), TokenKind::Code), URL_SAFE_NO_PAD.decode(&token).unwrap()[..PLACE]);
    }

    #[test]
    fn what_was_drawn_by_an_earlier_version_keeps_its_hash() {
        for kind in TokenKind::ALL {
            let earlier = random::secret();
            let whole = hmac::sign(&hasher().0[kind as usize], earlier.as_bytes());
            assert_eq!(hasher().hash(kind, &earlier), whole.as_ref(), "{kind:?}");
        }
    }

    #[test]
    fn another_root_gives_other_hashes() {
        let other = TokenHasher::new(&Root::from_bytes([2; 32]));
        assert_ne!(hasher().hash(TokenKind::Session, "x"), other.hash(TokenKind::Session, "x"));
    }
}
