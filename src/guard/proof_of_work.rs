//! Proof of work: a challenge that costs the sender a second of computing, and the server one hash.
//!
//! `VERSION.ACTION.BITS.SECONDS.NONCE.MAC`. The MAC binds it to what it was given out for and to the sender's network. It is
//! solved by a decimal number such that the SHA-256 of challenge, full stop and number begins with as many zero bits as the
//! challenge says; `static/proof-of-work.js` does it. Whoever has no JavaScript may wait instead: so few may do that from one
//! address that waiting at many at once gains nothing.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::limit::Action;
use super::network::Sender;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;

/// How long a challenge can be solved.
pub const LIFETIME: Seconds = Seconds(60);

/// How long who doesn't solve it waits, …
pub const WAIT: Seconds = Seconds(30);

/// … and until when the waiting counts.
const WAIT_LIFETIME: Seconds = Seconds::minutes(10);

/// Longer than the number of any solution.
const MAX_SOLUTION: usize = 20;

const MAX_CHALLENGE: usize = 128;

/// Gives challenges out and checks what comes back.
#[derive(Debug)]
pub struct ProofOfWork {
    key: hmac::Key,
    bits: u8,
}

/// What a sender did for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Of the challenge: to be spent.
    pub hash: [u8; 32],
    pub expires_at: Timestamp,
    /// No work, but time.
    pub waited: bool,
}

impl ProofOfWork {
    pub fn new(key: &[u8; 32], bits: u8) -> Self {
        Self { key: hmac::Key::new(HMAC_SHA256, key), bits }
    }

    /// A new challenge.
    pub fn challenge(&self, action: Action, sender: Sender, now: Timestamp) -> String {
        let nonce = URL_SAFE_NO_PAD.encode(random::bytes::<12>());
        let body = format!("1.{}.{}.{}.{nonce}", word(action), self.bits, now.as_seconds());
        let mac = hmac::sign(&self.key, &self.signed(&body, sender));
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()))
    }

    /// What was done for the challenge: `None` if it isn't ours, not for this, expired, or not solved. Without a solution it
    /// has to have been waited for.
    pub fn check(&self, action: Action, sender: Sender, challenge: &str, solution: &str, now: Timestamp) -> Option<Done> {
        if challenge.len() > MAX_CHALLENGE || solution.len() > MAX_SOLUTION {
            return None;
        }
        let (body, mac) = challenge.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.key, &self.signed(body, sender), &mac).ok()?;
        let mut parts = body.split('.');
        let (_version, of, bits, at) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (bits, issued_at) = (bits.parse::<u32>().ok()?, Timestamp::from_seconds(at.parse().ok()?));
        if of != word(action) || now < issued_at {
            return None;
        }
        let hash = Sha256::digest(challenge).into();
        if solution.is_empty() {
            let expires_at = issued_at + WAIT_LIFETIME;
            return (issued_at + WAIT <= now && now < expires_at).then_some(Done { hash, expires_at, waited: true });
        }
        let is_number = solution.bytes().all(|byte| byte.is_ascii_digit());
        let solved = is_number && zero_bits(&Sha256::digest(format!("{challenge}.{solution}"))) >= bits;
        // One challenge, whichever way it is used, is remembered until neither way is open any more.
        let expires_at = issued_at + WAIT_LIFETIME;
        (solved && now < issued_at + LIFETIME).then_some(Done { hash, expires_at, waited: false })
    }

    #[expect(clippy::unused_self, reason = "what is signed is this type's business")]
    fn signed(&self, body: &str, sender: Sender) -> Vec<u8> {
        [body.as_bytes(), b"\0", &sender.bytes()].concat()
    }
}

const fn word(action: Action) -> &'static str {
    match action {
        Action::Register => "register",
        Action::Login => "login",
        Action::Recover => "recover",
        _ => "other",
    }
}

fn zero_bits(hash: &[u8]) -> u32 {
    let whole = hash.iter().take_while(|byte| **byte == 0).count();
    let rest = hash.get(whole).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(whole * 8).unwrap_or(u32::MAX).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// Solves a challenge, as the script does.
    fn solve(challenge: &str) -> String {
        let bits: u32 = challenge.split('.').nth(2).unwrap().parse().unwrap();
        let is_solution = |number: &u64| zero_bits(&Sha256::digest(format!("{challenge}.{number}"))) >= bits;
        (0..1_000_000).find(is_solution).unwrap().to_string()
    }

    /// Quick to solve.
    fn cheap() -> ProofOfWork {
        ProofOfWork::new(&[1; 32], 8)
    }

    fn sender(text: &str) -> Sender {
        Sender::of(text.parse().unwrap())
    }

    fn check(challenge: &str, solution: &str, seconds: i64) -> Option<Done> {
        cheap().check(Action::Login, sender("192.0.2.1"), challenge, solution, NOON + Seconds(seconds))
    }

    fn challenge() -> String {
        cheap().challenge(Action::Login, sender("192.0.2.1"), NOON)
    }

    #[test]
    fn a_solved_challenge_is_good_for_a_minute() {
        let challenge = challenge();
        let solution = solve(&challenge);
        assert!(!check(&challenge, &solution, 0).unwrap().waited);
        assert!(check(&challenge, &solution, 59).is_some());
        assert_eq!(check(&challenge, &solution, 60), None);
        assert_eq!(check(&challenge, &solution, -1), None, "made in the future");
    }

    #[test]
    fn a_challenge_is_good_for_one_action_and_one_network() {
        let challenge = challenge();
        let solution = solve(&challenge);
        let ask = |action, address| cheap().check(action, sender(address), &challenge, &solution, NOON);
        assert!(ask(Action::Login, "::ffff:192.0.2.1").is_some());
        assert_eq!(ask(Action::Register, "192.0.2.1"), None);
        assert_eq!(ask(Action::Login, "192.0.2.2"), None);
    }

    #[test]
    fn a_wrong_number_is_no_solution() {
        let challenge = challenge();
        let solution = solve(&challenge);
        let number: u64 = solution.parse().unwrap();
        let wrong = (0..number).map(|number| number.to_string());
        for wrong in wrong.chain(["-1".into(), "x".into(), format!("+{solution}"), format!(" {solution}"), "9".repeat(100)]) {
            assert_eq!(check(&challenge, &wrong, 0), None, "{wrong}");
        }
    }

    #[test]
    fn a_challenge_that_was_changed_or_made_up_is_worth_nothing() {
        let challenge = challenge();
        for changed in [
            challenge.replacen(".8.", ".0.", 1),
            challenge.replacen("1800000000", "1800000030", 1),
            challenge.replacen("1.", "2.", 1),
            challenge[..challenge.len() - 2].to_owned(),
            ProofOfWork::new(&[2; 32], 8).challenge(Action::Login, sender("192.0.2.1"), NOON),
            String::new(),
            "....".to_owned(),
            "x".repeat(10_000),
        ] {
            assert_ne!(changed, challenge);
            let solution = if changed.matches('.').count() == 5 { solve(&changed) } else { "1".to_owned() };
            assert_eq!(check(&changed, &solution, 0), None, "{changed}");
            assert_eq!(check(&changed, "", 40), None, "{changed}");
        }
    }

    #[test]
    fn who_does_not_solve_it_may_wait() {
        let challenge = challenge();
        assert_eq!(check(&challenge, "", 29), None);
        assert!(check(&challenge, "", 30).unwrap().waited);
        assert!(check(&challenge, "", 599).unwrap().waited);
        assert_eq!(check(&challenge, "", 600), None);
    }

    #[test]
    fn one_challenge_has_one_hash_whichever_way_it_is_used() {
        let challenge = challenge();
        let solved = check(&challenge, &solve(&challenge), 30).unwrap();
        let waited = check(&challenge, "", 30).unwrap();
        assert_eq!((solved.hash, solved.expires_at), (waited.hash, waited.expires_at));
    }

    #[test]
    fn leading_zero_bits_are_counted() {
        for (hash, bits) in [(&[0xff, 0][..], 0), (&[0x7f], 1), (&[0, 0x10], 11), (&[0, 0], 16)] {
            assert_eq!(zero_bits(hash), bits);
        }
    }
}
