//! The endpoints that clients call directly: who may read their answers from a browser, and what an outage looks like.

use axum::body::Body;
use http::Request;

use crate::support::browser::Answer;
use crate::support::database::TestDatabase;
use crate::support::server::{Persona, TestServer, basic};

async fn preflight(server: &TestServer, path: &str, origin: &str) -> Answer {
    let request = Request::options(path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    server.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_preflight_is_for_registered_origins_only() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let before = preflight(&server, "/token", "https://spa.example").await;
    assert_eq!(before.header("access-control-allow-origin"), None);
    server.client(Persona::Spa, |_| {}).await;
    for path in ["/token", "/revoke", "/userinfo"] {
        let allowed = preflight(&server, path, "https://spa.example").await;
        assert_eq!(allowed.status, 204, "{path}");
        assert_eq!(allowed.header("access-control-allow-origin"), Some("https://spa.example"), "{path}");
        assert_eq!(allowed.header("access-control-allow-headers"), Some("Authorization, Content-Type, DPoP"));
        assert_eq!((allowed.header("vary"), allowed.header("access-control-allow-credentials")), (Some("Origin"), None));
        for origin in ["https://evil.example", "null", "https://spa.example.evil", "http://spa.example"] {
            let refused = preflight(&server, path, origin).await;
            assert_eq!(refused.header("access-control-allow-origin"), None, "{path} from {origin}");
            assert_eq!(refused.header("vary"), Some("Origin"));
        }
    }
}

#[tokio::test]
async fn pages_and_introspection_are_for_no_script_of_another_origin() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.client(Persona::Spa, |_| {}).await;
    for path in ["/authorize", "/login", "/consent", "/introspect", "/nothing"] {
        for origin in ["https://spa.example", "https://evil.example", "null"] {
            let answer = preflight(&server, path, origin).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path} from {origin}");
            let request = Request::get(path).header("origin", origin).body(Body::empty()).unwrap();
            assert_eq!(server.send(request).await.header("access-control-allow-origin"), None, "{path} from {origin}");
        }
    }
}

#[tokio::test]
async fn without_the_database_nobody_is_told_that_they_are_wrong() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Service, |_| {}).await;
    let authorization = basic(client.id(), client.secret.as_deref().unwrap());
    server.state.db.close().await;
    for (path, fields) in
        [("/token", [("grant_type", "client_credentials")]), ("/introspect", [("token", "x")]), ("/revoke", [("token", "x")])]
    {
        let answer = server.post_with(path, &[("authorization", &authorization)], &fields).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (503, &"temporarily_unavailable".into()), "{path}");
        assert!(answer.header("retry-after").is_some() && answer.header("www-authenticate").is_none(), "{path}");
    }
    assert_eq!(preflight(&server, "/token", "https://spa.example").await.status, 503);
    assert_eq!(server.get("/jwks").await.status, 200);
    assert_eq!(server.get("/.well-known/openid-configuration").await.status, 200);
    assert_eq!(server.get("/health/live").await.status, 200);
    assert_eq!(server.get("/health/ready").await.status, 503);
}

#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_take_the_same_time() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Service, |_| {}).await;
    let (wrong, unknown) = (basic(client.id(), "wrong"), basic(&"x".repeat(client.id().len()), "wrong"));
    let mut times = [Vec::new(), Vec::new()];
    // Taken in turns, so that whatever else the machine does falls on both.
    for _ in 0..300 {
        for (authorization, times) in [&wrong, &unknown].into_iter().zip(&mut times) {
            let began = std::time::Instant::now();
            let answer =
                server.post_with("/token", &[("authorization", authorization)], &[("grant_type", "client_credentials")]).await;
            times.push(began.elapsed());
            assert_eq!(answer.status, 401);
        }
    }
    let [wrong, unknown] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    assert!((wrong / unknown - 1.0).abs() < 0.2, "medians of {wrong} s and {unknown} s");
}
