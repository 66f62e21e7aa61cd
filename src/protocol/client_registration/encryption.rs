//! How a client's answers, and its requests, are encrypted (OpenID Connect Registration 1.0 §2; JARM §3; RFC 9701 §6).

use super::Problems;
use crate::protocol::client::{ClientMetadata, KeyManagement};
use crate::protocol::foreign_jwk::ForeignJwk;

pub(super) fn check(metadata: &ClientMetadata, keys: Option<&[ForeignJwk]>, problems: &mut Problems) {
    let answers = [
        ("id_token", metadata.id_token_encrypted_response_alg, metadata.id_token_encrypted_response_enc),
        ("userinfo", metadata.userinfo_encrypted_response_alg, metadata.userinfo_encrypted_response_enc),
        ("authorization", metadata.authorization_encrypted_response_alg, metadata.authorization_encrypted_response_enc),
        ("introspection", metadata.introspection_encrypted_response_alg, metadata.introspection_encrypted_response_enc),
    ];
    let mut wanted: Vec<KeyManagement> = Vec::new();
    for (what, alg, enc) in answers {
        match alg {
            None if enc.is_some() => without_alg(&format!("{what}_encrypted_response"), problems),
            None => {}
            Some(alg) if wanted.contains(&alg) => {}
            Some(alg) => wanted.push(alg),
        }
    }
    if metadata.request_object_encryption_enc.is_some() && metadata.request_object_encryption_alg.is_none() {
        without_alg("request_object_encryption", problems);
    }
    if wanted.is_empty() {
        return;
    }
    if metadata.jwks.is_none() && metadata.jwks_uri.is_none() {
        problems.add("jwks", "required", "or jwks_uri must be there for encrypted answers");
    }
    // Keys behind a jwks_uri are looked at when there is something to encrypt.
    let Some(keys) = keys else { return };
    if let Some(alg) = wanted.into_iter().find(|alg| !keys.iter().any(|key| key.encrypts_with(*alg))) {
        problems.add(
            "jwks",
            "no_key",
            format!("holds no key that the client's answers could be encrypted with: {}", alg.as_str()),
        );
    }
}

fn without_alg(prefix: &str, problems: &mut Problems) {
    problems.add(format!("{prefix}_enc"), "without_alg", format!("must not stand without {prefix}_alg"));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::jwt::encode;

    fn problems(members: &[(&str, Value)]) -> Vec<String> {
        let mut metadata = json!({ "client_name": "a" });
        for (name, value) in members {
            metadata[*name] = value.clone();
        }
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        let keys = metadata.jwks.as_ref().map(|jwks| ForeignJwk::parse_set(jwks).unwrap());
        let mut problems = Problems(Vec::new());
        check(&metadata, keys.as_deref(), &mut problems);
        problems.0.into_iter().map(|problem| format!("{} {}", problem.field, problem.code)).collect()
    }

    fn jwks(usage: &str) -> (&'static str, Value) {
        let key = json!({ "kty": "EC", "crv": "P-256", "x": encode(&[1; 32]), "y": encode(&[2; 32]), "use": usage });
        ("jwks", json!({ "keys": [key] }))
    }

    #[test]
    fn an_enc_has_an_alg_beside_it() {
        for what in ["id_token", "userinfo", "authorization", "introspection"] {
            let (alg, enc) = (format!("{what}_encrypted_response_alg"), format!("{what}_encrypted_response_enc"));
            assert_eq!(problems(&[(&enc, json!("A256GCM")), jwks("enc")]), [format!("{enc} without_alg")]);
            let both = [(alg.as_str(), json!("ECDH-ES")), (enc.as_str(), json!("A256GCM")), jwks("enc")];
            assert!(problems(&both).is_empty(), "{what}");
        }
        let enc = ("request_object_encryption_enc", json!("A128GCM"));
        assert_eq!(problems(std::slice::from_ref(&enc)), ["request_object_encryption_enc without_alg"]);
        assert!(
            problems(&[enc, ("request_object_encryption_alg", json!("RSA-OAEP-256"))]).is_empty(),
            "the key is this server's"
        );
    }

    #[test]
    fn encrypted_answers_need_a_key_of_the_clients() {
        let alg = |alg: &str| ("id_token_encrypted_response_alg", json!(alg));
        assert_eq!(problems(&[alg("ECDH-ES")]), ["jwks required"]);
        assert_eq!(problems(&[alg("ECDH-ES"), jwks("sig")]), ["jwks no_key"]);
        assert_eq!(problems(&[alg("RSA-OAEP-256"), jwks("enc")]), ["jwks no_key"]);
        let uri = ("jwks_uri", json!("https://app.ex/jwks"));
        assert!(problems(&[alg("RSA-OAEP-256"), uri]).is_empty());
    }
}
