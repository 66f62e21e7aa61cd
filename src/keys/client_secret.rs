//! What is stored of a client's secret: its hash; and for `client_secret_jwt` the secret too, sealed, for a hash is no key to
//! check an HMAC with.

use secrecy::SecretString;

use super::hash::{TokenHasher, TokenKind};
use super::root::Root;
use super::seal::Sealer;
use crate::protocol::client::{Client, ClientAuthMethod, ClientSecret};
use crate::protocol::id::ClientId;
use crate::protocol::time::Timestamp;

/// Makes and opens what is stored.
#[derive(Debug)]
pub struct ClientSecrets {
    tokens: TokenHasher,
    sealer: Sealer,
}

impl ClientSecrets {
    pub fn new(root: &Root) -> Self {
        Self { tokens: TokenHasher::new(root), sealer: Sealer::new(&root.derive("seal/client-secret")) }
    }

    /// A row for a new secret of this client.
    pub fn stored(&self, client: &Client, id: String, secret: &str, now: Timestamp) -> ClientSecret {
        let is_key = client.metadata.token_endpoint_auth_method == ClientAuthMethod::ClientSecretJwt;
        ClientSecret {
            hash: self.tokens.hash(TokenKind::ClientSecret, secret),
            sealed: is_key.then(|| self.sealer.seal(secret.as_bytes(), &row(&client.id, &id))),
            id,
            created_at: now,
            expires_at: None,
        }
    }

    /// The secret itself, if it was kept.
    pub fn open(&self, client: &ClientId, stored: &ClientSecret) -> Option<SecretString> {
        let opened = self.sealer.open(stored.sealed.as_deref()?, &row(client, &stored.id))?;
        String::from_utf8(opened).ok().map(SecretString::from)
    }
}

/// A space stands in no identifier of a client.
fn row(client: &ClientId, id: &str) -> Vec<u8> {
    format!("{client} {id}").into_bytes()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::protocol::client::{ClientMetadata, ClientStatus};

    fn client(method: &str) -> Client {
        let metadata = serde_json::json!({ "client_name": "a", "token_endpoint_auth_method": method });
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        let (id, now) = (ClientId::parse("a").unwrap(), Timestamp::from_seconds(1));
        Client { id, status: ClientStatus::Active, metadata, secrets: vec![], created_at: now, updated_at: now, version: 1 }
    }

    #[test]
    fn only_the_secret_that_is_a_key_is_kept_and_opens_in_its_own_row() {
        let secrets = ClientSecrets::new(&Root::random());
        let stored = |method| secrets.stored(&client(method), "1".to_owned(), "hunter2", Timestamp::from_seconds(1));
        for method in ["client_secret_basic", "client_secret_post"] {
            assert_eq!(stored(method).sealed, None, "{method}");
        }
        let kept = stored("client_secret_jwt");
        let open = |client: &str, row: &ClientSecret| secrets.open(&ClientId::parse(client).unwrap(), row);
        assert_eq!(open("a", &kept).unwrap().expose_secret(), "hunter2");
        assert!(open("b", &kept).is_none());
        assert!(open("a", &ClientSecret { id: "2".to_owned(), ..kept }).is_none());
        assert!(open("a", &stored("client_secret_basic")).is_none());
    }
}
