//! How often a request goes to PostgreSQL and back: each way waits for the network, and costs both sides what a statement does. Not a
//! fault; what a slow line costs is told by it (docs/performance.md).

use crate::support::database::TestDatabase;
use crate::support::flow::{AuthorizationUrl, authorize, redeem, refresh, text};
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
    let tokens = redeem(&server, &client, &code).await.json();

    let mut codes = Vec::new();
    let authorization = ways(&proxy, async || {
        codes.push(authorize(&mut browser, &url, "anna").await.remove("code").expect("a code"));
    });
    // Session, factors, consent; then BEGIN, session and consent once more, the code with its entry of the audit log, COMMIT.
    assert_eq!(authorization.await, 8, "an authorization");
    let redemption = ways(&proxy, async || {
        let code = codes.pop().expect("as many as before");
        assert_eq!(redeem(&server, &client, &code).await.status, 200);
    });
    // The code; then BEGIN, it is spent, the grant, the refresh token with its entry, COMMIT.
    assert_eq!(redemption.await, 6, "the redemption of a code");
    let (refresh_token, access_token) = (text(&tokens, "refresh_token"), text(&tokens, "access_token"));
    let refreshing = ways(&proxy, async || {
        assert_eq!(refresh(&server, &client, &refresh_token).await.status, 200);
    });
    // The token with its grant. It does not rotate, so nothing is written but now and then.
    assert_eq!(refreshing.await, 1, "a refresh");
    let introspection = ways(&proxy, async || {
        assert_eq!(server.post_as(&client, "/introspect", &[("token", &access_token)]).await.status, 200);
    });
    assert_eq!(introspection.await, 1, "an introspection");
}
