//! When a signing key is published, signs, retires and is deleted. Pure: rows and a time in, steps out.
//!
//! ```text
//!            published            signing                          retired             deleted
//!   ──────────┤ lead (24 h) ├──────┤ until the next one signs ├──────┤ longest token + 24 h ├──
//! ```
//!
//! Whoever keeps the JWKS knows a key before it signs, and knows it until the last token that it signed has expired: no rotation makes a
//! token invalid. A key that others encrypt with goes the same way, but that it is in the JWKS only while it is the one in use: every node
//! has it before anybody encrypts with it, and until what was encrypted with it has been brought here. A lost race changes nothing: the schedule is computed anew from what is stored.

use super::ring::JWKS_MAX_AGE;
use crate::config::{KeysConfig, TokenConfig};
use crate::protocol::id::KeyId;
use crate::protocol::jwk::KeyAlgorithm;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::signing_keys::{KeyState, SigningKey};

/// The longest lifetime a client may be registered with is at most this, and so is that of its tokens.
pub const LONGEST_TOKEN: Seconds = Seconds::days(1);

/// How long each part of a key's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From one signing key to the next.
    rotation: Seconds,
    /// From being published to signing. Never less than it takes for caches of the JWKS to learn of the key.
    pub lead: Seconds,
    /// From retiring to being deleted.
    retention: Seconds,
}

impl Policy {
    pub fn new(keys: &KeysConfig, tokens: &TokenConfig) -> Self {
        let longest = Seconds(tokens.access_token).max(Seconds(tokens.id_token)).max(LONGEST_TOKEN);
        Self {
            rotation: Seconds::days(keys.rotation_days.into()),
            lead: Seconds::hours(keys.publish_hours.into()).max(Seconds(2 * JWKS_MAX_AGE.0)),
            retention: Seconds(longest.0 + Seconds::days(1).0),
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a key, in this state: `Signing` when there is none that signs, else `Published`.
    Generate(KeyAlgorithm, KeyState),
    /// Let this published key sign, and retire the one that does.
    Promote(KeyAlgorithm, KeyId),
    /// Forget the keys that retired at this time or before.
    Forget(Timestamp),
}

/// What is due now. Algorithms that are no longer wanted keep their keys and get no new ones.
pub fn due(keys: &[SigningKey], algorithms: &[KeyAlgorithm], now: Timestamp, policy: &Policy) -> Vec<Step> {
    let mut steps: Vec<Step> = algorithms.iter().filter_map(|algorithm| next(keys, *algorithm, now, policy)).collect();
    let forgotten = now - policy.retention;
    if keys.iter().any(|key| key.state == KeyState::Retired && key.retired_at.is_some_and(|at| at <= forgotten)) {
        steps.push(Step::Forget(forgotten));
    }
    steps
}

fn next(keys: &[SigningKey], algorithm: KeyAlgorithm, now: Timestamp, policy: &Policy) -> Option<Step> {
    let find = |state| keys.iter().find(|key| key.algorithm == algorithm && key.state == state);
    match (find(KeyState::Signing), find(KeyState::Published)) {
        // Nobody knows any key of this algorithm: there is nothing to wait for.
        (None, None) => Some(Step::Generate(algorithm, KeyState::Signing)),
        (None, Some(published)) => Some(Step::Promote(algorithm, published.id.clone())),
        (Some(signing), None) => {
            let signs_since = signing.signing_at.unwrap_or(signing.created_at);
            let publish_at = signs_since + policy.rotation - policy.lead;
            (now >= publish_at).then_some(Step::Generate(algorithm, KeyState::Published))
        }
        // Published on time or by command: either way it signs as soon as it has been known for long enough.
        (Some(_), Some(published)) => {
            (now >= published.created_at + policy.lead).then(|| Step::Promote(algorithm, published.id.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALGORITHM: KeyAlgorithm = KeyAlgorithm::ES256;

    fn policy() -> Policy {
        Policy::new(&KeysConfig::default(), &TokenConfig::default())
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_seconds(hours * 3_600)
    }

    fn key(id: &str, state: KeyState, hours: i64) -> SigningKey {
        SigningKey {
            id: KeyId::parse(id).unwrap(),
            algorithm: ALGORITHM,
            state,
            sealed: Vec::new(),
            public_jwk: serde_json::Value::Null,
            created_at: at(hours),
            signing_at: (state != KeyState::Published).then(|| at(hours)),
            retired_at: (state == KeyState::Retired).then(|| at(hours)),
        }
    }

    fn steps(keys: &[SigningKey], hours: i64) -> Vec<Step> {
        due(keys, &[ALGORITHM], at(hours), &policy())
    }

    #[test]
    fn the_first_key_signs_at_once() {
        assert_eq!(steps(&[], 0), [Step::Generate(ALGORITHM, KeyState::Signing)]);
    }

    #[test]
    fn the_next_key_is_published_a_day_before_the_rotation() {
        let keys = [key("a", KeyState::Signing, 0)];
        assert_eq!(steps(&keys, 89 * 24 - 1), []);
        assert_eq!(steps(&keys, 89 * 24), [Step::Generate(ALGORITHM, KeyState::Published)]);
    }

    #[test]
    fn a_published_key_signs_when_it_has_been_known_for_a_day() {
        let keys = [key("a", KeyState::Signing, 0), key("b", KeyState::Published, 100)];
        assert_eq!(steps(&keys, 123), []);
        assert_eq!(steps(&keys, 124), [Step::Promote(ALGORITHM, KeyId::parse("b").unwrap())]);
    }

    #[test]
    fn a_published_key_does_not_wait_when_nothing_signs() {
        assert_eq!(steps(&[key("b", KeyState::Published, 0)], 1), [Step::Promote(ALGORITHM, KeyId::parse("b").unwrap())]);
    }

    #[test]
    fn a_retired_key_stays_until_its_last_token_has_long_expired() {
        let keys = [key("a", KeyState::Retired, 0), key("b", KeyState::Signing, 0)];
        assert_eq!(steps(&keys, 47), []);
        assert_eq!(steps(&keys, 48), [Step::Forget(at(0))]);
    }

    #[test]
    fn long_tokens_keep_retired_keys_longer() {
        let tokens = TokenConfig { id_token: 10 * 86_400, ..TokenConfig::default() };
        let policy = Policy::new(&KeysConfig::default(), &tokens);
        let keys = [key("a", KeyState::Retired, 0), key("b", KeyState::Signing, 0)];
        assert_eq!(due(&keys, &[ALGORITHM], at(11 * 24 - 1), &policy), []);
        assert_eq!(due(&keys, &[ALGORITHM], at(11 * 24), &policy).len(), 1);
    }

    #[test]
    fn a_key_is_published_before_it_signs_even_when_the_configuration_says_zero() {
        let policy = Policy::new(&KeysConfig { publish_hours: 0, ..KeysConfig::default() }, &TokenConfig::default());
        let keys = [key("a", KeyState::Signing, 0), key("b", KeyState::Published, 0)];
        assert_eq!(due(&keys, &[ALGORITHM], Timestamp::from_seconds(2 * JWKS_MAX_AGE.0 - 1), &policy), []);
        assert_eq!(due(&keys, &[ALGORITHM], Timestamp::from_seconds(2 * JWKS_MAX_AGE.0), &policy).len(), 1);
    }

    #[test]
    fn an_algorithm_that_is_not_wanted_gets_no_keys_and_keeps_those_it_has() {
        assert_eq!(due(&[key("a", KeyState::Signing, 0)], &[], at(1_000_000), &policy()), []);
    }

    proptest! {
        /// Three years with a run at odd times: at every moment one key signs, it was known for the lead before (but for the first),
        /// and it is still known when the last token that it signed expires.
        #[test]
        fn no_rotation_makes_a_token_invalid(pauses in proptest::collection::vec(1_i64..200, 100..300)) {
            let policy = policy();
            let mut keys: Vec<SigningKey> = Vec::new();
            let mut forgotten = Vec::new();
            let mut hour = 0;
            for pause in pauses {
                // A step may make another one due.
                for step in (0..3).flat_map(|_| due(&keys, &[ALGORITHM], at(hour), &policy)).collect::<Vec<_>>() {
                    match step {
                        Step::Generate(_, state) if !keys.iter().any(|key| key.state == state) => {
                            keys.push(key(&format!("k{hour}-{}", keys.len()), state, hour));
                        }
                        Step::Promote(_, id) if keys.iter().any(|key| key.id == id && key.state == KeyState::Published) => {
                            for key in &mut keys {
                                if key.state == KeyState::Signing {
                                    (key.state, key.retired_at) = (KeyState::Retired, Some(at(hour)));
                                }
                                if key.id == id {
                                    (key.state, key.signing_at) = (KeyState::Signing, Some(at(hour)));
                                }
                            }
                        }
                        Step::Forget(before) => {
                            let dead = |key: &SigningKey| key.state == KeyState::Retired && key.retired_at <= Some(before);
                            forgotten.extend(keys.iter().filter(|key| dead(key)).map(|key| (key.retired_at.unwrap(), at(hour))));
                            keys.retain(|key| !dead(key));
                        }
                        _ => {}
                    }
                }
                prop_assert_eq!(keys.iter().filter(|key| key.state == KeyState::Signing).count(), 1);
                prop_assert!(keys.iter().filter(|key| key.state == KeyState::Published).count() <= 1);
                for key in keys.iter().filter(|key| key.state == KeyState::Signing && key.created_at > at(0)) {
                    prop_assert!(key.signing_at.unwrap() >= key.created_at + policy.lead);
                }
                hour += pause;
            }
            for (retired_at, forgotten_at) in forgotten {
                prop_assert!(forgotten_at >= retired_at + LONGEST_TOKEN);
            }
        }
    }
}
