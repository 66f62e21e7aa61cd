//! Message Signing: signed requests, signed responses, signed answers about tokens.

use ostiary::protocol::jwt::TokenType;

use super::*;

/// The claims of a good request object.
fn object(server: &TestServer, bank: &Bank) -> Value {
    let mut claims: Value =
        bank.request().params().iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let now = server.clock.now().as_seconds();
    claims["iss"] = bank.client.id().into();
    claims["aud"] = server.issuer().into();
    claims["nbf"] = now.into();
    claims["exp"] = (now + 300).into();
    claims["response_mode"] = "jwt".into();
    claims
}

fn asking(bank: &Bank, object: &str) -> AuthorizationUrl {
    let empty = bank.request().params().iter().fold(bank.request(), |url, (name, _)| url.without(name));
    empty.with("client_id", bank.client.id()).with("request", object)
}

on_both! {
    async fn a_signed_request_is_answered_with_a_signed_response(database: TestDatabase) {
        let server = start(database).await;
        let bank = Bank::register(&server, SecurityProfile::Fapi2MessageSigning).await;
        let signed = bank.key.sign_as(&json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt", "kid": bank.key.kid() }), &object(&server, &bank));
        let answer = bank.answered(&server, &asking(&bank, &signed)).await;
        let response = answer.location().strip_prefix("https://app.example/cb?response=").expect("one parameter");
        let said: Value = server.state.keys.verify(response, TokenType::AuthorizationResponse).expect("our signature");
        assert_eq!(header(response)["alg"], "ES256");
        let tokens = bank.redeem(&server, &text(&said, "code"), &[&bank.proof(&server)]).await.json();
        let asked = bank.post(&server, "/introspect", &[("token", &text(&tokens, "access_token"))], &[]).await;
        assert_eq!(asked.header("content-type"), Some("application/token-introspection+jwt"), "though it asks for nothing special");
        assert_eq!(header(&asked.body)["alg"], "ES256");
        assert_eq!(claims(&asked.body)["token_introspection"]["active"], true);
    }

    async fn a_request_that_is_not_signed_as_it_should_be_is_refused(database: TestDatabase) {
        let server = start(database).await;
        let bank = Bank::register(&server, SecurityProfile::Fapi2MessageSigning).await;
        let answer = bank.push(&server, &bank.request().with("response_mode", "jwt")).await;
        assert_error(&answer, 400, "invalid_request");
        assert_eq!(reason(&server, &answer).await, "request_object_required");
        let now = server.clock.now().as_seconds();
        for (name, value, error, expected) in [
            ("nbf", Value::Null, "invalid_request_object", "request_object_unlimited"),
            ("exp", Value::Null, "invalid_request_object", "request_object_unlimited"),
            ("exp", json!(now + 3_601), "invalid_request_object", "request_object_lifetime_too_long"),
            ("nbf", json!(now - 3_700), "invalid_request_object", "request_object_lifetime_too_long"),
            ("aud", json!("https://other.example"), "invalid_request_object", "request_object_audience_mismatch"),
            ("response_mode", Value::Null, "invalid_request", "response_mode_unsigned"),
            ("response_mode", json!("form_post"), "invalid_request", "response_mode_unsigned"),
        ] {
            let mut claims = object(&server, &bank);
            claims[name] = value;
            claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            let answer = bank.push(&server, &asking(&bank, &bank.key.sign(&claims))).await;
            assert_error(&answer, 400, error);
            assert_eq!(reason(&server, &answer).await, expected);
        }
        let rsa = ClientKey::new(Algorithm::RS256);
        server.update_client(&bank.client, |client| client.metadata.jwks = Some(jwks(&[&rsa, &bank.key]))).await;
        let answer = bank.push(&server, &asking(&bank, &rsa.sign(&object(&server, &bank)))).await;
        assert_eq!(reason(&server, &answer).await, "request_object_algorithm_not_allowed");
    }

    async fn an_error_is_signed_whatever_the_request_asked_for(database: TestDatabase) {
        let server = start(database).await;
        let bank = Bank::register(&server, SecurityProfile::Fapi2MessageSigning).await;
        let mut claims = object(&server, &bank);
        claims["prompt"] = "none".into();
        let pushed = bank.push(&server, &asking(&bank, &bank.key.sign(&claims))).await;
        let answer = server.get(&opening(&bank.client, &text(&pushed.json(), "request_uri"))).await;
        let response = answer.location().strip_prefix("https://app.example/cb?response=").expect("one parameter");
        let said: Value = server.state.keys.verify(response, TokenType::AuthorizationResponse).expect("our signature");
        assert_eq!(said["error"], "login_required");
    }
}
