//! The `sub` by which a client knows a person (OpenID Connect Core §8), and the `sid` by which it knows their session.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use uuid::Uuid;

use super::root::Root;
use crate::protocol::client::Client;
use crate::protocol::id::{SessionId, UserId};
use crate::protocol::jwt::encode;
use crate::protocol::subject_type::sector;

/// Makes pairwise identifiers: the same for one person in one sector for ever, and nothing that two sectors could compare. There
/// is no way back to the person.
///
/// A session has another name in each sector too, or two of them could compare that. From there is a way back, for whoever has the
/// key: a client comes with it to log its person out, or to exchange an ID token.
#[derive(Clone)]
pub struct Subjects {
    people: hmac::Key,
    sessions: hmac::Key,
}

/// Four make of a pseudorandom function a permutation that can't be told from a random one (Luby and Rackoff, 1988).
const ROUNDS: [u8; 4] = [0, 1, 2, 3];

impl Subjects {
    pub fn new(root: &Root) -> Self {
        let key = |name| hmac::Key::new(HMAC_SHA256, root.derive(name).as_ref());
        Self { people: key("pairwise"), sessions: key("pairwise/sessions") }
    }

    /// `sub` of this person for this client.
    pub fn of(&self, client: &Client, user: &UserId) -> String {
        let Some(sector) = sector(&client.metadata) else { return user.to_string() };
        let input = [sector.as_bytes(), b"\0", user.as_str().as_bytes()].concat();
        encode(hmac::sign(&self.people, &input).as_ref())
    }

    /// `sid` of this session for this client.
    pub fn sid(&self, client: &Client, session: &SessionId) -> SessionId {
        self.permuted(client, session, ROUNDS)
    }

    /// Which session a client means: the way back from [`Self::sid`]. What was no `sid` leads to no session that there is.
    pub fn session(&self, client: &Client, sid: &SessionId) -> SessionId {
        let [first, second, third, fourth] = ROUNDS;
        self.permuted(client, sid, [fourth, third, second, first])
    }

    fn permuted(&self, client: &Client, id: &SessionId, rounds: [u8; 4]) -> SessionId {
        // Every session's is a UUID; text of another kind is nobody's.
        let (Some(sector), Ok(uuid)) = (sector(&client.metadata), Uuid::parse_str(id.as_str())) else { return id.clone() };
        let (mut left, mut right) = uuid.as_u64_pair();
        for round in rounds {
            (left, right) = (right, left ^ self.mask(&sector, round, right));
        }
        let permuted = Uuid::from_u64_pair(right, left).to_string();
        SessionId::parse(permuted).unwrap_or_else(|_| id.clone())
    }

    fn mask(&self, sector: &str, round: u8, half: u64) -> u64 {
        let input = [sector.as_bytes(), &[0, round], &half.to_be_bytes()].concat();
        let signature = hmac::sign(&self.sessions, &input);
        signature.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }
}

impl fmt::Debug for Subjects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Subjects")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::SubjectType;
    use crate::protocol::client::testing::client;
    use crate::random;

    fn pairwise(host: &str) -> Client {
        client(|metadata| {
            metadata.subject_type = SubjectType::Pairwise;
            metadata.redirect_uris = vec![format!("https://{host}/cb")];
        })
    }

    fn session() -> SessionId {
        SessionId::parse(random::uuid()).unwrap()
    }

    #[test]
    fn a_session_has_a_name_in_each_sector_that_leads_back_to_it_there_alone() {
        let subjects = Subjects::new(&Root::from_bytes([7; 32]));
        let (one, same, other) = (pairwise("a.example"), pairwise("a.example"), pairwise("b.example"));
        for _ in 0..100 {
            let session = session();
            let sid = subjects.sid(&one, &session);
            assert_ne!(sid, session);
            assert_eq!(subjects.session(&one, &sid), session);
            assert_eq!(subjects.sid(&same, &session), sid);
            assert_ne!(subjects.sid(&other, &session), sid);
            assert_ne!(subjects.session(&other, &sid), session);
        }
    }

    #[test]
    fn who_knows_people_by_their_public_sub_knows_sessions_by_their_own_name() {
        let subjects = Subjects::new(&Root::from_bytes([7; 32]));
        let (public, session) = (client(|_| {}), session());
        assert_eq!(subjects.sid(&public, &session), session);
        assert_eq!(subjects.session(&public, &session), session);
    }
}
