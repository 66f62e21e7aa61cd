//! Both ends of what is encrypted.

use ostiary::keys::encryption::{Decrypter, Recipient};
use ostiary::keys::signer::generate;
use ostiary::protocol::client::{Algorithm, ContentEncryption, Encryption, KeyManagement};
use ostiary::protocol::foreign_jwk::ForeignJwk;
use ostiary::protocol::jwe::{Content, Jwe};
use ostiary::protocol::jwk::KeyAlgorithm;
use serde_json::Value;

use super::server::TestServer;

/// A key of a client's own that this server encrypts with.
pub struct EncryptionKey(Decrypter);

impl EncryptionKey {
    pub fn new(algorithm: KeyAlgorithm) -> Self {
        let pair = if algorithm == KeyAlgorithm::EcdhEs { Algorithm::ES256 } else { Algorithm::RS256 };
        Self(Decrypter::from_pkcs8(algorithm, &generate(pair).unwrap()).unwrap())
    }

    /// One that `alg` can be used with.
    pub fn of(alg: KeyManagement) -> Self {
        Self::new(KeyAlgorithm::ALL.into_iter().find(|algorithm| algorithm.decrypts(alg)).unwrap())
    }

    pub fn kid(&self) -> String {
        self.0.public().kid().to_string()
    }

    pub fn jwk(&self) -> Value {
        serde_json::to_value(self.0.public()).unwrap()
    }

    /// What was encrypted for its owner. Panics if it wasn't.
    #[track_caller]
    pub fn open(&self, text: &str) -> String {
        let jwe = Jwe::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        String::from_utf8(self.0.decrypt(&jwe).expect("for this key").to_vec()).unwrap()
    }
}

/// Every way to encrypt.
pub fn every_way() -> impl Iterator<Item = Encryption> {
    KeyManagement::ALL.into_iter().flat_map(|alg| ContentEncryption::ALL.map(|enc| Encryption { alg, enc }))
}

/// The keys that the server has others encrypt with, as it publishes them.
pub async fn published(server: &TestServer) -> Vec<Value> {
    let jwks = server.get("/jwks").await.json();
    jwks["keys"].as_array().unwrap().iter().filter(|key| key["use"] == "enc").cloned().collect()
}

/// `text`, for the server.
pub async fn for_server(server: &TestServer, encryption: Encryption, text: &str) -> String {
    let keys = published(server).await.into_iter().map(|key| ForeignJwk::parse(&key).unwrap());
    let key = keys.into_iter().find(|key| key.encrypts_with(encryption.alg)).expect("a key to encrypt with");
    Recipient::new(key).unwrap().encrypt(encryption, Content::Nested, text.as_bytes()).unwrap()
}
