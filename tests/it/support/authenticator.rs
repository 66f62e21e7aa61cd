//! An authenticator in software: it answers what the pages ask, as browsers do, and lies about anything when it is told to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary::random;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::attestation::Statement;

/// The flags of authenticator data (WebAuthn Level 3 §6.1).
pub const USER_PRESENT: u8 = 0x01;
pub const USER_VERIFIED: u8 = 0x04;
pub const BACKUP_ELIGIBLE: u8 = 0x08;
pub const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;

/// COSE: ECDSA on P-256 with SHA-256.
pub const ES256: i64 = -7;

pub const ORIGIN: &str = "https://id.example";

/// One passkey in somebody's hands. Its counter rises by one with each use.
#[derive(Clone, Debug)]
pub struct Passkey {
    key: SigningKey,
    pub id: Vec<u8>,
    pub handle: Vec<u8>,
    rp_id: String,
    pub counter: u32,
}

/// An answer on its way: what a test may twist before it is signed.
#[derive(Clone, Debug)]
pub struct Answer {
    pub client_data: Value,
    pub rp_id: String,
    pub flags: u8,
    pub counter: u32,
    /// The user handle, of an assertion.
    pub handle: Option<Vec<u8>>,
    pub id: Vec<u8>,
    /// COSE, of a new key.
    pub algorithm: i64,
    /// `public-key`.
    pub kind: &'static str,
    /// AAGUID, of a new key.
    pub model: [u8; 16],
    /// What it says of its authenticator, of a new key.
    pub statement: Statement,
}

impl Passkey {
    /// Answers `navigator.credentials.create()`: the passkey, and what the browser sends.
    pub fn create(options: &Value, twist: impl FnOnce(&mut Answer)) -> (Self, String) {
        let key = SigningKey::from_slice(&random::bytes::<32>()).unwrap();
        let rp_id = options["rp"]["id"].as_str().unwrap().to_owned();
        let handle = decoded(&options["user"]["id"]);
        let passkey = Self { key, id: random::bytes::<32>().to_vec(), handle, rp_id, counter: 1 };
        let mut answer = passkey.answer("webauthn.create", options);
        answer.flags |= ATTESTED;
        twist(&mut answer);
        let mut data = answer.authenticator_data();
        data.extend(answer.model);
        data.extend(u16::try_from(answer.id.len()).unwrap().to_be_bytes());
        data.extend(&answer.id);
        data.extend(passkey.public_key(answer.algorithm));
        let client_data = answer.client_data.to_string();
        let (format, statement) = passkey.statement(&answer.statement, &signed_bytes(&data, &client_data));
        let object = cbor::map(&[
            (cbor::text("fmt"), cbor::text(format)),
            (cbor::text("attStmt"), statement),
            (cbor::text("authData"), cbor::bytes(&data)),
        ]);
        let response = json!({
            "clientDataJSON": encoded(client_data.as_bytes()),
            "attestationObject": encoded(&object),
            "transports": ["internal", "hybrid", "something-new"],
        });
        let sent = answer.envelope(&response);
        (Self { id: answer.id, counter: answer.counter, ..passkey }, sent)
    }

    /// Answers `navigator.credentials.get()`.
    pub fn assert(&mut self, options: &Value, twist: impl FnOnce(&mut Answer)) -> String {
        self.counter += 1;
        let mut answer = self.answer("webauthn.get", options);
        twist(&mut answer);
        let data = answer.authenticator_data();
        let client_data = answer.client_data.to_string();
        let signature: Signature = self.key.sign(&signed_bytes(&data, &client_data));
        let response = json!({
            "clientDataJSON": encoded(client_data.as_bytes()),
            "authenticatorData": encoded(&data),
            "signature": encoded(signature.to_der().as_bytes()),
            "userHandle": answer.handle.as_deref().map(encoded),
        });
        answer.envelope(&response)
    }

    /// A good one.
    fn answer(&self, kind: &str, options: &Value) -> Answer {
        Answer {
            client_data: json!({ "type": kind, "challenge": options["challenge"], "origin": ORIGIN, "crossOrigin": false }),
            rp_id: self.rp_id.clone(),
            flags: USER_PRESENT | USER_VERIFIED,
            counter: self.counter,
            handle: Some(self.handle.clone()),
            id: self.id.clone(),
            algorithm: ES256,
            kind: "public-key",
            model: [0; 16],
            statement: Statement::Nothing,
        }
    }

    /// The format and the attestation statement (WebAuthn Level 3 §8.2 and §8.7).
    fn statement(&self, statement: &Statement, signed: &[u8]) -> (&'static str, Vec<u8>) {
        let signature = |key: &SigningKey| {
            let signature: Signature = key.sign(signed);
            (cbor::text("sig"), cbor::bytes(signature.to_der().as_bytes()))
        };
        let algorithm = (cbor::text("alg"), cbor::integer(ES256));
        match statement {
            Statement::Nothing => ("none", cbor::map(&[])),
            Statement::OfItself => ("packed", cbor::map(&[algorithm, signature(&self.key)])),
            Statement::Of(authenticator) => {
                let chain: Vec<_> = authenticator.chain.iter().map(|certificate| cbor::bytes(certificate)).collect();
                let chain = (cbor::text("x5c"), cbor::array(&chain));
                ("packed", cbor::map(&[algorithm, signature(&authenticator.key), chain]))
            }
        }
    }

    /// The credential's id, as the server knows it.
    pub fn name(&self) -> String {
        encoded(&self.id)
    }

    fn public_key(&self, algorithm: i64) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        cbor::map(&[
            (cbor::integer(1), cbor::integer(2)),
            (cbor::integer(3), cbor::integer(algorithm)),
            (cbor::integer(-1), cbor::integer(1)),
            (cbor::integer(-2), cbor::bytes(point.x().unwrap())),
            (cbor::integer(-3), cbor::bytes(point.y().unwrap())),
        ])
    }
}

impl Answer {
    /// WebAuthn Level 3 §6.1.
    fn authenticator_data(&self) -> Vec<u8> {
        [Sha256::digest(self.rp_id.as_bytes()).as_slice(), &[self.flags], &self.counter.to_be_bytes()].concat()
    }

    fn envelope(&self, response: &Value) -> String {
        let id = encoded(&self.id);
        json!({ "id": id, "rawId": id, "type": self.kind, "response": response, "clientExtensionResults": {} }).to_string()
    }
}

/// What is signed: the authenticator's data, and the hash of the client's.
fn signed_bytes(data: &[u8], client_data: &str) -> Vec<u8> {
    [data, Sha256::digest(client_data.as_bytes()).as_slice()].concat()
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

/// As much of RFC 8949 as authenticators write.
mod cbor {
    pub fn integer(value: i64) -> Vec<u8> {
        if value < 0 { head(1, value.unsigned_abs() - 1) } else { head(0, value.unsigned_abs()) }
    }

    pub fn bytes(value: &[u8]) -> Vec<u8> {
        [head(2, value.len() as u64), value.to_vec()].concat()
    }

    pub fn text(value: &str) -> Vec<u8> {
        [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
    }

    pub fn array(items: &[Vec<u8>]) -> Vec<u8> {
        [head(4, items.len() as u64), items.concat()].concat()
    }

    pub fn map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let mut map = head(5, pairs.len() as u64);
        for (key, value) in pairs {
            map.extend(key);
            map.extend(value);
        }
        map
    }

    fn head(major: u8, value: u64) -> Vec<u8> {
        let kind = major << 5;
        match u8::try_from(value) {
            Ok(value @ 0..24) => vec![kind | value],
            Ok(value) => vec![kind | 0x18, value],
            Err(_) => [vec![kind | 0x19], u16::try_from(value).unwrap().to_be_bytes().to_vec()].concat(),
        }
    }
}
