//! Endpoints of their own for clients with certificates (RFC 8705 §5): behaviours 1.7 M1, M3.

use std::net::SocketAddr;

use ostiary::app;
use ostiary::protocol::client::ClientAuthMethod;
use ostiary::web::server::{Limits, Listener, Shutdown, Tls, serve};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::certificate::{Authority, self_signed};
use crate::support::database::{TestDatabase, on_both};
use crate::support::dpop::Prover;
use crate::support::flow::{AuthorizationUrl, VERIFIER, code_of, text};
use crate::support::server::{Persona, TestServer, basic};
use crate::support::tls::{Peer, Seen, config, of_server, write};

const ALIAS: &str = "https://mtls.example:8443";

/// A server with two sockets: nobody is asked for a certificate at the first one.
struct Both {
    server: TestServer,
    authority: Authority,
    first: SocketAddr,
    second: SocketAddr,
    _files: TempDir,
}

impl Both {
    async fn start(database: TestDatabase) -> Self {
        Self::start_with(database, |_| {}).await
    }

    async fn start_with(database: TestDatabase, change: impl FnOnce(&mut ostiary::config::Config)) -> Self {
        let (authority, files) = (Authority::new("Servers"), TempDir::new().unwrap());
        write(&files, &of_server(&authority));
        let server = TestServer::start_with(database, |settings| {
            settings.tls = config(&files);
            settings.tls.mtls_origin = ALIAS.to_owned();
            settings.tls.mtls_listen = "127.0.0.1:0".to_owned();
            change(settings);
        })
        .await;
        let tls = Tls::new(&server.state.config.tls).unwrap().unwrap();
        let socket = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own, beside) = (socket().await, socket().await);
        let (first, second) = (own.local_addr().unwrap(), beside.local_addr().unwrap());
        let asking = tls.asking().unwrap();
        let listener = Listener::new(own, Some(tls)).and(beside, asking, app::shell_for_certificates(&server.state));
        let limits = Limits::from(&server.state.config.server);
        tokio::spawn(serve(listener, app::shell(&server.state), limits, Shutdown::new()));
        Self { server, authority, first, second, _files: files }
    }

    fn peer(&self, address: SocketAddr) -> Peer<'_> {
        Peer::new(address, &self.authority)
    }
}

on_both! {
    async fn m1_a_client_with_a_certificate_goes_where_it_is_asked_for(database: TestDatabase) {
        let both = Both::start(database).await;
        let server = &both.server;
        let metadata = server.get("/.well-known/openid-configuration").await.json();
        assert_eq!(metadata["mtls_endpoint_aliases"]["token_endpoint"], format!("{ALIAS}/token"));
        assert_eq!(metadata["mtls_endpoint_aliases"]["userinfo_endpoint"], format!("{ALIAS}/userinfo"));
        assert_eq!(metadata["token_endpoint"], "https://id.example/token");
        let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
        assert!(methods.contains(&json!("self_signed_tls_client_auth")));

        let held = self_signed("CN=app");
        let keys = json!({ "keys": [held.jwk()] });
        let client = server.client(Persona::Service, |metadata| {
            metadata.token_endpoint_auth_method = ClientAuthMethod::SelfSignedTlsClientAuth;
            metadata.tls_client_certificate_bound_access_tokens = true;
            metadata.jwks = Some(keys);
        }).await;
        let fields = [("grant_type", "client_credentials"), ("client_id", client.id())];
        let with = |address| Peer { held: Some(&held), ..both.peer(address) };
        let given = with(both.second).post("/token", &[], &fields).await.unwrap();
        assert_eq!((given.status(), given.json()["token_type"].as_str()), (200, Some("Bearer")), "{given:?}");
        // At the other one nobody is asked.
        let refused = with(both.first).post("/token", &[], &fields).await.unwrap();
        assert_eq!((refused.status(), refused.json()["error"].as_str()), (401, Some("invalid_client")), "{refused:?}");
        assert_eq!(server.last_reason("client.authentication").await.as_deref(), Some("client_certificate_missing"));
        let resource = server.client(Persona::Service, |_| {}).await;
        let token = text(&given.json(), "access_token");
        assert_eq!(server.introspect(&resource, &token).await["cnf"], json!({ "x5t#S256": held.thumbprint() }));
    }

    async fn nobody_tells_of_another_ones_certificate_there_whatever_address_they_come_from(database: TestDatabase) {
        let both = Both::start_with(database, |settings| {
            settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
            settings.server.client_certificate_header = true;
        }).await;
        let held = self_signed("CN=app");
        let keys = json!({ "keys": [held.jwk()] });
        let client = both.server.client(Persona::Service, |metadata| {
            metadata.token_endpoint_auth_method = ClientAuthMethod::SelfSignedTlsClientAuth;
            metadata.jwks = Some(keys);
        }).await;
        let fields = [("grant_type", "client_credentials"), ("client_id", client.id())];
        let told = [("client-cert", held.field())];
        let told: Vec<(&str, &str)> = told.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let believed = both.peer(both.first).post("/token", &told, &fields).await.unwrap();
        assert_eq!(believed.status(), 200, "a proxy stands before the first one: {believed:?}");
        let refused = both.peer(both.second).post("/token", &told, &fields).await.unwrap();
        assert_eq!((refused.status(), refused.json()["error"].as_str()), (401, Some("invalid_client")), "{refused:?}");
    }

    async fn m3_a_bound_token_opens_userinfo_and_the_api_where_the_certificate_is_seen(database: TestDatabase) {
        let both = Both::start(database).await;
        let server = &both.server;
        server.person("anna").await;
        let held = self_signed("CN=app");
        let audiences = vec![server.issuer().to_owned(), server.state.api_audience()];
        let client = server.client(Persona::Spa, |metadata| {
            metadata.tls_client_certificate_bound_access_tokens = true;
            metadata.audiences = audiences;
            metadata.scope = ostiary::protocol::scope::Scope::parse("openid account:read").unwrap();
        }).await;
        let url = AuthorizationUrl::new(&client).with("scope", "openid account:read");
        let code = code_of(server, &client, &url, "anna").await;
        let fields = [
            ("grant_type", "authorization_code"), ("client_id", client.id()), ("code", code.as_str()),
            ("redirect_uri", client.redirect_uri()), ("code_verifier", VERIFIER),
        ];
        let with = |address| Peer { held: Some(&held), ..both.peer(address) };
        let token = text(&with(both.second).post("/token", &[], &fields).await.unwrap().json(), "access_token");
        for path in ["/userinfo", "/api/v1/users/me"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: id.example\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n");
            assert_eq!(with(both.second).send(&request).await.unwrap().status(), 200, "{path}");
            assert_eq!(with(both.first).send(&request).await.unwrap().status(), 401, "{path}");
            assert_eq!(both.peer(both.second).send(&request).await.unwrap().status(), 401, "{path}");
        }
    }

    async fn who_has_no_certificate_is_served_there_too_and_no_page_is(database: TestDatabase) {
        let both = Both::start(database).await;
        let client = both.server.client(Persona::Service, |_| {}).await;
        let secret = basic(client.id(), client.secret.as_ref().unwrap());
        let fields = [("grant_type", "client_credentials")];
        let ask = async |proof: &str| -> Seen {
            let headers = [("authorization", secret.as_str()), ("dpop", proof)];
            both.peer(both.second).post("/token", if proof.is_empty() { &headers[..1] } else { &headers[..] }, &fields).await.unwrap()
        };
        assert_eq!(ask("").await.status(), 200);
        for path in ["/login", "/authorize", "/account", "/", "/.well-known/openid-configuration", "/jwks", "/health/ready"] {
            assert_eq!(both.peer(both.second).get(path).await.unwrap().status(), 404, "{path}");
            assert_ne!(both.peer(both.first).get(path).await.unwrap().status(), 404, "{path}");
        }
        // A proof is for the URL that its client sees; for another server's it is for none.
        let prover = Prover::new();
        let proof = |origin: &str| {
            let mut claims = Prover::claims(&both.server, "POST", "/token");
            claims["htu"] = format!("{origin}/token").into();
            prover.sign(&claims)
        };
        for origin in [ALIAS, "https://id.example"] {
            assert_eq!(ask(&proof(origin)).await.json()["token_type"], "DPoP", "{origin}");
        }
        assert_eq!(ask(&proof("https://mtls.example")).await.json()["error"], "invalid_dpop_proof");
    }
}
