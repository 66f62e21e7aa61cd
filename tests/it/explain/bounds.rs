//! How much is kept, and for how long.

use ostiary::jobs::cleanup;
use ostiary::protocol::time::Seconds;

use super::{Beside, explained};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::TestServer;

on_both! {
    async fn a_flood_from_one_address_is_explained_in_part_and_others_are_still_explained(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let began = std::time::Instant::now();
        for _ in 0..300 {
            server.get("/authorize").await;
        }
        let other = server.browser().at("198.51.100.9").get("/authorize").await;
        let kept = server.explanations().await;
        // A window is a second of the worker's own.
        let windows = usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
        assert!(kept.len() <= 10 * windows + 1, "{} in {windows} windows", kept.len());
        explained(&server, &other).await;
    }

    async fn explanations_end_after_their_days(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.get("/authorize").await;
        assert_eq!(server.explanations().await.len(), 1);
        let clean = async || cleanup::clean(&server.state.db, server.state.clock.now(), &server.state.config).await.unwrap();
        server.clock.advance(Seconds::days(7).0 - 1);
        clean().await;
        assert_eq!(server.explanations().await.len(), 1);
        server.clock.advance(2);
        clean().await;
        assert_eq!(server.explanations().await.len(), 0);
    }

    async fn a_path_that_would_speak_to_the_terminal_is_spelled_out(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = server.client(crate::support::server::Persona::Web, |_| {}).await;
        let url = crate::support::flow::AuthorizationUrl::new(&client).with("redirect_uri", "https://a.example/\u{1b}[2J\u{202e}");
        let answer = server.get(&url.path()).await;
        server.state.explanations.flush().await;
        let (beside, trace_id) = (Beside::new(&server), answer.trace_id().to_owned());
        let said = tokio::task::spawn_blocking(move || beside.explain(&[&trace_id])).await.unwrap().ok();
        assert!(said.contains("https://a.example/\\u{1b}[2J\\u{202e}"), "{said}");
        assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'));
    }
}
