//! The figures of this node, for Prometheus. On a listener of its own: never where the public asks.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap};

use crate::protocol::jwk::KeyAlgorithm;
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::audit::chain;
use crate::storage::error::Error;
use crate::storage::{notices, outbox, signing_keys};
use crate::telemetry::metrics::{self, Format, Text, family, process};

/// How long the database may take to say what waits in it. Whoever asks for the figures wants them most when it does not work.
const PATIENCE: Duration = Duration::from_secs(1);

/// `GET /metrics`.
pub async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::of_accept(accept);
    let mut text = Text::new(format);
    metrics::write(&mut text);
    text.value(&family::READY, u8::from(!state.is_shutting_down()));
    text.value(&family::CLOCK_BEHIND, state.clock.behind().as_secs());
    text.begin(&family::HASH_PLACES);
    text.sample("", &["busy"], state.passwords.busy());
    text.sample("", &["most"], state.passwords.capacity());
    let connections = state.db.connections();
    text.begin(&family::CONNECTIONS);
    for (name, number) in [("in_use", connections.in_use), ("open", connections.open), ("most", connections.most)] {
        text.sample("", &[name], number);
    }
    if let Some(connected) = state.guard.is_shared() {
        text.value(&family::REDIS_CONNECTED, u8::from(connected));
    }
    let stored = tokio::time::timeout(PATIENCE, Stored::read(&state)).await;
    let stored = stored.ok().and_then(Result::ok);
    text.value(&family::DATABASE_UP, u8::from(stored.is_some()));
    if let Some(stored) = stored {
        stored.write(&mut text, state.clock.now());
    }
    process::write(&mut text);
    ([(header::CONTENT_TYPE, format.content_type()), (header::CACHE_CONTROL, "no-store")], text.finish()).into_response()
}

/// What is in the database, and the same for every node.
struct Stored {
    /// How many wait there, and since when the oldest.
    queues: [(&'static str, (i64, Option<Timestamp>)); 3],
    keys: Vec<(KeyAlgorithm, Timestamp)>,
}

impl Stored {
    async fn read(state: &AppState) -> Result<Self, Error> {
        let mut conn = state.db.read().await?;
        let queues = [
            ("mail", outbox::backlog(&mut conn).await?),
            ("notices", notices::backlog(&mut conn).await?),
            ("audit", chain::backlog(&mut conn).await?),
        ];
        Ok(Self { queues, keys: signing_keys::begins(&mut conn).await? })
    }

    fn write(&self, text: &mut Text, now: Timestamp) {
        let since = |then: Timestamp| (now.as_seconds() - then.as_seconds()).max(0);
        text.begin(&family::QUEUED);
        for (queue, (length, _)) in &self.queues {
            text.sample("", &[queue], length);
        }
        text.begin(&family::QUEUE_AGE);
        for (queue, (_, oldest)) in &self.queues {
            text.sample("", &[queue], oldest.map_or(0, since));
        }
        text.begin(&family::KEY_AGE);
        for (algorithm, begun) in &self.keys {
            text.sample("", &[algorithm.as_str()], since(*begun));
        }
    }
}
