//! Set-up links as the server prints them.

use ostiary::keys::hash::TokenKind;
use ostiary::protocol::time::Seconds;
use ostiary::random;
use ostiary::storage::setup_links;

use super::server::{START, TestServer};

/// A link that works for an hour.
pub async fn setup_link(server: &TestServer) -> String {
    let token = random::secret();
    let hash = server.state.tokens.hash(TokenKind::SetupLink, &token);
    server.state.db.write(async |tx| setup_links::insert(tx, &hash, START + Seconds::hours(1)).await).await.expect("stored");
    format!("{}/setup?token={token}", server.issuer())
}
