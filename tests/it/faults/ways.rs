//! How often a request goes to PostgreSQL and back: each way waits for the network, and costs both sides what a statement does. Not a
//! fault; what a slow line costs is told by it (docs/performance.md).

use crate::support::database::TestDatabase;
use crate::support::flow::{AuthorizationUrl, authorize, redeem, refresh, text, tokens};
use crate::support::postgres::Database;
use crate::support::proxy::Proxy;
use crate::support::server::{Persona, TestServer};

/// Before it is counted: statements are prepared, and what is kept in memory is there.
const WARM: usize = 3;

/// How often `once` goes there.
async fn ways(proxy: &Proxy, mut once: impl AsyncFnMut()) -> u32 {
    for _ in 0..WARM {
        once().await;
    }
    let before = proxy.questions();
    once().await;
    proxy.questions() - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_request_goes_to_the_database_no_more_often_than_it_must() {
    let database = TestDatabase::postgres().await;
    let proxy = Proxy::to(Database::socket()).await;
    let server = TestServer::start(database.through(&proxy, "ostiary").await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let url = AuthorizationUrl::new(&client);
    let mut browser = server.browser();
    let code = authorize(&mut browser, &url, "anna").await.remove("code").expect("a code");
    let given = redeem(&server, &client, &code).await.json();

    let mut codes = Vec::new();
    let authorization = ways(&proxy, async || {
        codes.push(authorize(&mut browser, &url, "anna").await.remove("code").expect("a code"));
    });
    // The session; factors and consent; then session and consent once more, the code and its entry of the audit log.
    assert_eq!(authorization.await, 3, "an authorization");
    let redemption = ways(&proxy, async || {
        let code = codes.pop().expect("as many as before");
        assert_eq!(redeem(&server, &client, &code).await.status, 200);
    });
    // The code; then it is spent, with the grant, the refresh token and the entry of the audit log.
    assert_eq!(redemption.await, 2, "the redemption of a code");
    let (refresh_token, access_token) = (text(&given, "refresh_token"), text(&given, "access_token"));
    let refreshing = ways(&proxy, async || {
        assert_eq!(refresh(&server, &client, &refresh_token).await.status, 200);
    });
    // The token with its grant. It does not rotate, so nothing is written but now and then.
    assert_eq!(refreshing.await, 1, "a refresh");
    let introspection = ways(&proxy, async || {
        assert_eq!(server.post_as(&client, "/introspect", &[("token", &access_token)]).await.status, 200);
    });
    assert_eq!(introspection.await, 1, "an introspection");

    let client = server.client(Persona::Spa, |_| {}).await;
    let mut refresh_token = text(&tokens(&server, &client, "anna").await, "refresh_token");
    let rotation = ways(&proxy, async || {
        refresh_token = text(&refresh(&server, &client, &refresh_token).await.json(), "refresh_token");
    });
    // The token with its grant; then it is used, with its successor and the entry of the audit log.
    assert_eq!(rotation.await, 2, "a refresh with rotation");
}
