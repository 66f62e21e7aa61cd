//! Clients with certificates, as a trusted proxy tells them: behaviours 1.7 M1, M3, M4. The server's own listener: tests/it/http/tls.rs.

use axum::body::Body;
use http::Request;
use ostiary::config::Config;
use ostiary::protocol::client::{AccessTokenFormat, ClientAuthMethod, ClientMetadata};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use x509_cert::der::asn1::{Ia5String, OctetString};
use x509_cert::ext::pkix::name::GeneralName;

use crate::support::assertion::{Publisher, reason};
use crate::support::browser::Answer;
use crate::support::certificate::{Authority, Held, self_signed, self_signed_until};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, VERIFIER, assert_error, code_of, text};
use crate::support::server::{Persona, START, TestClient, TestServer, basic};

/// A server that believes the tests what they say of certificates.
async fn start(database: TestDatabase, authority: Option<&Authority>) -> (TestServer, NamedTempFile) {
    let file = NamedTempFile::new().unwrap();
    let change = |config: &mut Config| {
        config.server.trusted_proxies = vec!["0.0.0.0/32".parse().unwrap()];
        config.server.client_certificate_header = true;
        config.outbound.private_hosts = vec!["127.0.0.1".to_owned()];
        if let Some(authority) = authority {
            std::fs::write(file.path(), authority.pem()).unwrap();
            config.tls.client_ca_file = file.path().to_owned();
        }
    };
    (TestServer::start_with(database, change).await, file)
}

async fn service(server: &TestServer, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    server.client(Persona::Service, change).await
}

async fn named(server: &TestServer, name: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    let change = |metadata: &mut ClientMetadata| {
        metadata.token_endpoint_auth_method = ClientAuthMethod::TlsClientAuth;
        name(metadata);
    };
    service(server, change).await
}

async fn post(server: &TestServer, client: &TestClient, path: &str, held: Option<&Held>, fields: &[(&str, &str)]) -> Answer {
    server.state.refusals.flush().await;
    let field = held.map(Held::field);
    let secret = client.secret.as_ref().map(|secret| basic(client.id(), secret));
    let mut headers: Vec<_> = field.iter().map(|field| ("client-cert", field.as_str())).collect();
    headers.extend(secret.iter().map(|secret| ("authorization", secret.as_str())));
    let id = [("client_id", client.id())];
    let fields = if secret.is_some() { fields.to_vec() } else { [&id, fields].concat() };
    server.post_with(path, &headers, &fields).await
}

async fn ask(server: &TestServer, client: &TestClient, held: Option<&Held>) -> Answer {
    post(server, client, "/token", held, &[("grant_type", "client_credentials")]).await
}

async fn assert_refused(server: &TestServer, answer: &Answer, why: &str) {
    assert_error(answer, 401, "invalid_client");
    assert_eq!(reason(server, answer).await, why);
}

fn alternative(name: &str) -> Ia5String {
    Ia5String::new(name).unwrap()
}

on_both! {
    async fn m3_a_token_that_is_bound_to_a_certificate_opens_nothing_without_it(database: TestDatabase) {
        let (server, _file) = start(database, None).await;
        server.person("anna").await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            let (held, other) = (self_signed("CN=app"), self_signed("CN=app"));
            let both = vec![server.issuer().to_owned(), server.state.api_audience()];
            let client = server
                .client(Persona::Spa, |metadata| {
                    metadata.tls_client_certificate_bound_access_tokens = true;
                    metadata.access_token_format = format;
                    metadata.audiences = both;
                    metadata.scope = ostiary::protocol::scope::Scope::parse("openid offline_access account:read").unwrap();
                })
                .await;
            let url = AuthorizationUrl::new(&client).with("scope", "openid offline_access account:read");
            let code = code_of(&server, &client, &url, "anna").await;
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
                ("redirect_uri", client.redirect_uri()),
                ("code_verifier", VERIFIER),
            ];
            let none = post(&server, &client, "/token", None, &fields).await;
            assert_error(&none, 400, "invalid_request");
            assert_eq!(reason(&server, &none).await, "certificate_missing");
            let tokens = post(&server, &client, "/token", Some(&held), &fields).await.json();
            assert_eq!(tokens["token_type"], "Bearer", "{tokens:#}");
            let token = text(&tokens, "access_token");
            let resource = server.client(Persona::Service, |_| {}).await;
            assert_eq!(server.introspect(&resource, &token).await["cnf"], json!({ "x5t#S256": held.thumbprint() }));

            for path in ["/userinfo", "/api/v1/users/me"] {
                let open = async |certificate: Option<&Held>| {
                    server.state.refusals.flush().await;
                    let mut request = Request::get(path).header("authorization", format!("Bearer {token}"));
                    if let Some(certificate) = certificate {
                        request = request.header("client-cert", certificate.field());
                    }
                    server.send(request.body(Body::empty()).unwrap()).await
                };
                assert_eq!(open(Some(&held)).await.status, 200, "{path}");
                for wrong in [None, Some(&other)] {
                    let answer = open(wrong).await;
                    assert_eq!(answer.status, 401, "{path}");
                    assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
                    assert_eq!(reason(&server, &answer).await, "token_of_another_certificate");
                }
            }
            // A public client's refresh token is bound too (RFC 8705 §4).
            let refresh_token = text(&tokens, "refresh_token");
            let again = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
            assert_error(&post(&server, &client, "/token", Some(&other), &again).await, 400, "invalid_grant");
            assert_eq!(post(&server, &client, "/token", Some(&held), &again).await.status, 200);
        }
    }

    async fn m1_a_client_is_known_by_the_name_that_an_authority_vouches_for(database: TestDatabase) {
        let authority = Authority::new("Clients");
        let (server, _file) = start(database, Some(&authority)).await;
        let subject = "CN=payroll,O=Example\\, Inc.,C=SE";
        let by_dn = named(&server, |metadata| metadata.tls_client_auth_subject_dn = Some(subject.to_owned())).await;
        let by_dns = named(&server, |metadata| metadata.tls_client_auth_san_dns = Some("payroll.example".to_owned())).await;
        let by_uri = named(&server, |metadata| metadata.tls_client_auth_san_uri = Some("spiffe://example/payroll".to_owned())).await;
        let by_ip = named(&server, |metadata| metadata.tls_client_auth_san_ip = Some("2001:db8::1".to_owned())).await;
        let by_email = named(&server, |metadata| metadata.tls_client_auth_san_email = Some("pay@example.org".to_owned())).await;
        let address: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
        let certificates = [
            authority.issue(subject, None),
            authority.issue("CN=x", Some(GeneralName::DnsName(alternative("Payroll.Example")))),
            authority.issue("CN=x", Some(GeneralName::UniformResourceIdentifier(alternative("spiffe://example/payroll")))),
            authority.issue("CN=x", Some(GeneralName::IpAddress(OctetString::new(address.octets()).unwrap()))),
            authority.issue("CN=x", Some(GeneralName::Rfc822Name(alternative("pay@example.org")))),
        ];
        for (owner, client) in [&by_dn, &by_dns, &by_uri, &by_ip, &by_email].into_iter().enumerate() {
            for (index, held) in certificates.iter().enumerate() {
                let answer = ask(&server, client, Some(held)).await;
                if index == owner {
                    assert_eq!(answer.status, 200, "{owner} {answer:#?}");
                } else {
                    assert_refused(&server, &answer, "client_certificate_of_another_subject").await;
                }
            }
        }
        let forged = Authority::new("Clients").issue(subject, None);
        let now = START.as_seconds().unsigned_abs();
        let expired = authority.issue_until(subject, None, now - 1);
        let longer = authority.issue("CN=payroll,O=Example\\, Inc.,C=SE,C=SE", None);
        for (held, why) in [
            (None, "client_certificate_missing"),
            (Some(&forged), "client_certificate_untrusted"),
            (Some(&expired), "client_certificate_untrusted"),
            (Some(&self_signed(subject)), "client_certificate_untrusted"),
            (Some(&longer), "client_certificate_of_another_subject"),
        ] {
            assert_refused(&server, &ask(&server, &by_dn, held).await, why).await;
        }
        // The certificate, and nothing beside it.
        let secret = server.post_with("/token", &[("authorization", &basic(by_dn.id(), "x")), ("client-cert", &certificates[0].field())],
            &[("grant_type", "client_credentials")]).await;
        assert_refused(&server, &secret, "client_authentication_method_not_registered").await;
    }

    async fn m1_a_client_is_known_by_a_key_that_it_registered(database: TestDatabase) {
        let (server, _file) = start(database, None).await;
        let now = START.as_seconds().unsigned_abs();
        let (held, other, old) = (self_signed("CN=a"), self_signed("CN=a"), self_signed_until("CN=a", now - 1));
        let keys = json!({ "keys": [held.jwk(), old.jwk()] });
        let client = service(&server, |metadata| {
            metadata.token_endpoint_auth_method = ClientAuthMethod::SelfSignedTlsClientAuth;
            metadata.jwks = Some(keys);
        })
        .await;
        let answer = ask(&server, &client, Some(&held)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["token_type"]), (200, &json!("Bearer")), "{answer:#?}");
        assert_refused(&server, &ask(&server, &client, None).await, "client_certificate_missing").await;
        assert_refused(&server, &ask(&server, &client, Some(&other)).await, "client_certificate_unknown").await;
        assert_refused(&server, &ask(&server, &client, Some(&old)).await, "client_certificate_expired").await;
    }
}

#[tokio::test]
async fn m4_keys_that_change_are_asked_for_once_and_not_at_every_stranger() {
    let (server, _file) = start(TestDatabase::sqlite().await, None).await;
    let (first, second, stranger) = (self_signed("CN=a"), self_signed("CN=a"), self_signed("CN=a"));
    let keys = |held: &Held| json!({ "keys": [held.jwk()] });
    let publisher = Publisher::start(&keys(&first)).await;
    let client = service(&server, |metadata| {
        metadata.token_endpoint_auth_method = ClientAuthMethod::SelfSignedTlsClientAuth;
        metadata.jwks_uri = Some(publisher.url.clone());
    })
    .await;
    assert_eq!(ask(&server, &client, Some(&first)).await.status, 200);
    assert_eq!(publisher.asked(), 1);
    publisher.publish(&keys(&second));
    server.clock.advance(10);
    assert_eq!(ask(&server, &client, Some(&second)).await.status, 200);
    assert_eq!(publisher.asked(), 1);
    for _ in 0..5 {
        assert_refused(&server, &ask(&server, &client, Some(&stranger)).await, "client_certificate_unknown").await;
    }
    assert_eq!(publisher.asked(), 0, "ten seconds are not over");
    assert_refused(&server, &ask(&server, &client, Some(&first)).await, "client_certificate_unknown").await;
}

#[tokio::test]
async fn the_field_of_anybody_but_a_trusted_proxy_that_tells_certificates_is_not_looked_at() {
    let held = self_signed("CN=a");
    for (proxies, tells) in [("0.0.0.0/32", false), ("192.0.2.0/24", true)] {
        let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
            config.server.trusted_proxies = vec![proxies.parse().unwrap()];
            config.server.client_certificate_header = tells;
        })
        .await;
        let client = service(&server, |metadata| {
            metadata.token_endpoint_auth_method = ClientAuthMethod::SelfSignedTlsClientAuth;
            metadata.jwks = Some(json!({ "keys": [held.jwk()] }));
        })
        .await;
        assert_refused(&server, &ask(&server, &client, Some(&held)).await, "client_certificate_missing").await;
    }
}

#[tokio::test]
async fn a_field_that_is_no_certificate_is_none() {
    let (server, _file) = start(TestDatabase::sqlite().await, None).await;
    let held = self_signed("CN=a");
    let client = service(&server, |metadata| {
        metadata.token_endpoint_auth_method = ClientAuthMethod::SelfSignedTlsClientAuth;
        metadata.jwks = Some(json!({ "keys": [held.jwk()] }));
    })
    .await;
    let fields = [("grant_type", "client_credentials"), ("client_id", client.id())];
    let good = held.field();
    for bad in ["", "x", "::", ":AAAA:", good.trim_end_matches(':')] {
        server.state.refusals.flush().await;
        let answer = server.post_with("/token", &[("client-cert", bad)], &fields).await;
        assert_refused(&server, &answer, "client_certificate_missing").await;
    }
    let twice = server.post_with("/token", &[("client-cert", &good), ("client-cert", &good)], &fields).await;
    assert_error(&twice, 401, "invalid_client");
    assert_eq!(server.post_with("/token", &[("client-cert", &good)], &fields).await.status, 200);
}

#[tokio::test]
async fn mutual_tls_is_offered_where_certificates_can_be_seen() {
    let methods = |metadata: &Value| metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().clone();
    let (with, _file) = start(TestDatabase::sqlite().await, None).await;
    let without = TestServer::start(TestDatabase::sqlite().await).await;
    for (server, offered) in [(with, true), (without, false)] {
        let metadata = server.get("/.well-known/openid-configuration").await.json();
        assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], offered);
        for method in ["tls_client_auth", "self_signed_tls_client_auth"] {
            assert_eq!(methods(&metadata).contains(&json!(method)), offered);
        }
    }
}
