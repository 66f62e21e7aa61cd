//! How a person proved who they are, and how strong that was: `amr` (RFC 8176) and `acr` (OpenID Connect Core §2; OpenID
//! Connect Extended Authentication Profile ACR Values 1.0).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// One way to prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    Password,
    /// A code of an authenticator app (RFC 6238).
    Totp,
    /// One of the codes that were written down for the day the authenticator is lost.
    RecoveryCode,
    /// A WebAuthn credential.
    Passkey {
        /// The authenticator made sure that it is its owner who uses it: two factors in one gesture.
        user_verified: bool,
        /// The key never leaves its device: it is not one that is synchronised between several.
        device_bound: bool,
    },
}

impl Method {
    pub const ALL: [Self; 7] = [
        Self::Password,
        Self::Totp,
        Self::RecoveryCode,
        Self::Passkey { user_verified: false, device_bound: false },
        Self::Passkey { user_verified: true, device_bound: false },
        Self::Passkey { user_verified: false, device_bound: true },
        Self::Passkey { user_verified: true, device_bound: true },
    ];

    /// The word for it in the database and in the audit log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Totp => "otp",
            Self::RecoveryCode => "recovery_code",
            Self::Passkey { user_verified: false, device_bound: false } => "swk",
            Self::Passkey { user_verified: true, device_bound: false } => "swk+uv",
            Self::Passkey { user_verified: false, device_bound: true } => "hwk",
            Self::Passkey { user_verified: true, device_bound: true } => "hwk+uv",
        }
    }

    /// A login can consist of it alone.
    pub const fn stands_alone(self) -> bool {
        matches!(self, Self::Password | Self::Passkey { user_verified: true, .. })
    }

    const fn is_passkey(self) -> bool {
        matches!(self, Self::Passkey { .. })
    }

    /// Something that the person has, as against something that they know.
    const fn is_possession(self) -> bool {
        !matches!(self, Self::Password)
    }
}

/// An `acr` that this server can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Acr {
    /// One factor: level 1 of ISO/IEC 29115, of which OpenID Connect Core §2 speaks.
    #[serde(rename = "1")]
    Single,
    /// Two factors of different kinds, or a passkey that verified its user.
    #[serde(rename = "2")]
    Multi,
    /// Resistant to phishing (OpenID EAP ACR Values 1.0 §2): a passkey.
    #[serde(rename = "phr")]
    PhishingResistant,
}

impl Acr {
    /// Weakest first (`acr_values_supported`).
    pub const ALL: [Self; 3] = [Self::Single, Self::Multi, Self::PhishingResistant];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Single => "1",
            Self::Multi => "2",
            Self::PhishingResistant => "phr",
        }
    }

    pub fn parse(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|acr| acr.as_str() == value)
    }

    /// Whether a token with this `amr` ([`Factors::amr`]) reaches it: what is left of a login once it is over.
    pub fn is_met_by(self, amr: &[String]) -> bool {
        let holds = |word: &str| amr.iter().any(|method| method == word);
        match self {
            Self::Single => true,
            Self::Multi => holds("mfa"),
            Self::PhishingResistant => holds("hwk") || holds("swk"),
        }
    }
}

impl fmt::Display for Acr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// When each factor was last proved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Timestamp>", into = "BTreeMap<String, Timestamp>")]
pub struct Factors(BTreeMap<Method, Timestamp>);

/// Words of a newer version are left out: what they prove is unknown, and proves nothing here.
impl From<BTreeMap<String, Timestamp>> for Factors {
    fn from(stored: BTreeMap<String, Timestamp>) -> Self {
        let method = |word: &str| Method::ALL.into_iter().find(|method| method.word() == word);
        Self(stored.into_iter().filter_map(|(word, at)| Some((method(&word)?, at))).collect())
    }
}

impl From<Factors> for BTreeMap<String, Timestamp> {
    fn from(factors: Factors) -> Self {
        factors.0.into_iter().map(|(method, at)| (method.word().to_owned(), at)).collect()
    }
}

impl Factors {
    pub fn of(method: Method, at: Timestamp) -> Self {
        Self(BTreeMap::from([(method, at)]))
    }

    #[must_use]
    pub fn and(mut self, method: Method, at: Timestamp) -> Self {
        self.0.insert(method, at);
        self
    }

    /// Those of both, each as of its later proof.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        for (method, at) in &other.0 {
            let newest = self.0.entry(*method).or_insert(*at);
            *newest = (*newest).max(*at);
        }
        self
    }

    /// Those that were proved at `floor` or later.
    #[must_use]
    pub fn since(&self, floor: Timestamp) -> Self {
        Self(self.0.iter().filter(|(_, at)| **at >= floor).map(|(method, at)| (*method, *at)).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When anything was last proved.
    pub fn latest(&self) -> Option<Timestamp> {
        self.0.values().max().copied()
    }

    /// When the first of them was proved.
    pub fn earliest(&self) -> Option<Timestamp> {
        self.0.values().min().copied()
    }

    fn methods(&self) -> impl Iterator<Item = Method> {
        self.0.keys().copied()
    }

    /// Two factors of different kinds. A code of an app and one from a drawer are both something that the person has.
    fn is_multi(&self) -> bool {
        let verified = self.methods().any(|method| matches!(method, Method::Passkey { user_verified: true, .. }));
        let (knows, has) = (self.0.contains_key(&Method::Password), self.methods().any(Method::is_possession));
        verified || (knows && has)
    }

    /// `amr` (RFC 8176 §2). A recovery code is a one-time password; a passkey is a key in software if it is synchronised, in
    /// hardware if it is not, and its use always takes a person's gesture (`user`).
    pub fn amr(&self) -> Vec<String> {
        let any = |wanted: fn(Method) -> bool| self.methods().any(wanted);
        let words = [
            ("pwd", any(|method| method == Method::Password)),
            ("otp", any(|method| matches!(method, Method::Totp | Method::RecoveryCode))),
            ("hwk", any(|method| matches!(method, Method::Passkey { device_bound: true, .. }))),
            ("swk", any(|method| matches!(method, Method::Passkey { device_bound: false, .. }))),
            ("user", any(Method::is_passkey)),
            ("mfa", self.is_multi()),
        ];
        words.into_iter().filter(|(_, holds)| *holds).map(|(word, _)| word.to_owned()).collect()
    }

    pub fn satisfies(&self, acr: Acr) -> bool {
        match acr {
            Acr::Single => !self.is_empty(),
            Acr::Multi => self.is_multi(),
            Acr::PhishingResistant => self.methods().any(Method::is_passkey),
        }
    }

    /// The strongest that is reached.
    pub fn acr(&self) -> Acr {
        Acr::ALL.into_iter().rev().find(|acr| self.satisfies(*acr)).unwrap_or(Acr::Single)
    }

    /// A word for what a login was made with.
    pub fn way(&self) -> &'static str {
        match self.acr() {
            Acr::PhishingResistant => "passkey",
            Acr::Multi => "password_and_code",
            Acr::Single => "password",
        }
    }

    /// What a token says: the first of `asked`, which the client prefers in this order, that is reached; else the strongest.
    pub fn acr_for<'a>(&self, asked: impl IntoIterator<Item = &'a str>) -> Acr {
        asked.into_iter().filter_map(Acr::parse).find(|acr| self.satisfies(*acr)).unwrap_or_else(|| self.acr())
    }
}

/// What a person could prove: the factors that they set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    pub password: bool,
    pub totp: bool,
    /// Of which some are left.
    pub recovery_codes: bool,
    pub passkeys: bool,
}

/// Second factors one of which is to be proved. At least one of them is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub totp: bool,
    pub recovery_code: bool,
    pub passkey: bool,
}

impl Enrolled {
    /// Whoever has an authenticator app gives its code after the password, whether or not anybody else asks for it.
    pub const fn own_requirement(self) -> Option<Acr> {
        if self.totp { Some(Acr::Multi) } else { None }
    }

    /// The factors that would reach `acr` after a password.
    pub const fn offer(self, acr: Acr) -> Option<Offer> {
        let strong = matches!(acr, Acr::PhishingResistant);
        let offer = Offer { totp: self.totp && !strong, recovery_code: self.recovery_codes && !strong, passkey: self.passkeys };
        if offer.totp || offer.recovery_code || offer.passkey { Some(offer) } else { None }
    }
}

impl Offer {
    pub const fn holds(self, method: Method) -> bool {
        match method {
            Method::Password => false,
            Method::Totp => self.totp,
            Method::RecoveryCode => self.recovery_code,
            Method::Passkey { .. } => self.passkey,
        }
    }
}

/// What stands between a login and what it has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Nothing,
    /// One of these must be proved.
    Proof(Offer),
    /// Nothing that the person has reaches this: they have to set something up.
    Enrolment(Acr),
}

/// What is missing to reach every one of `required`. The strongest comes first, so that nobody is asked for a factor that the
/// next question would have made needless; and proof comes before enrolment, so that nobody sets up a factor on half a login.
pub fn missing(factors: &Factors, enrolled: Enrolled, required: &[Acr]) -> Missing {
    missing_to(|acr| factors.satisfies(acr), enrolled, required)
}

/// [`missing`], of a login of which it is only known what it reaches.
pub fn missing_to(reaches: impl Fn(Acr) -> bool, enrolled: Enrolled, required: &[Acr]) -> Missing {
    let mut unmet: Vec<Acr> = required.iter().copied().filter(|acr| !reaches(*acr)).collect();
    unmet.sort_unstable_by(|left, right| right.cmp(left));
    match (unmet.iter().find_map(|acr| enrolled.offer(*acr)), unmet.first()) {
        (Some(offer), _) => Missing::Proof(offer),
        (None, Some(acr)) => Missing::Enrolment(*acr),
        (None, None) => Missing::Nothing,
    }
}

#[cfg(test)]
mod tests;
