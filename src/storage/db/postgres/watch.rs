//! What other nodes tell, by NOTIFY.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::CHANNEL;
use crate::storage::db::change::{Change, Subscribers};
use crate::storage::error::Error;

/// How long a silent LISTEN connection is believed to be alive.
const SILENCE: Duration = Duration::from_secs(15);

/// Tells the subscribers what other nodes, and this one, changed. Doesn't end.
///
/// While the connection was lost anything may have been missed: after that everything is taken to have changed.
pub(in crate::storage::db) async fn watch(options: PgConnectOptions, subscribers: Subscribers) {
    let mut pause = Duration::from_millis(100);
    loop {
        match listener(&options).await {
            Ok(mut listener) => {
                pause = Duration::from_millis(100);
                subscribers.tell(&[Change::Everything]);
                let error = listen(&mut listener, &subscribers).await;
                tracing::warn!(%error, "the connection that listens for other nodes was lost");
            }
            Err(error) => tracing::warn!(%error, "can't listen for other nodes"),
        }
        // What is kept in memory may be stale now, and stays so no longer than the database is out of reach.
        subscribers.tell(&[Change::Everything]);
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

async fn listener(options: &PgConnectOptions) -> Result<PgListener, Error> {
    let connections = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&connections).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Ends when the connection is lost.
async fn listen(listener: &mut PgListener, subscribers: &Subscribers) -> Error {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(message))) => subscribers.tell(&[Change::from_message(message.payload())]),
            Ok(Ok(None)) => return Error::unavailable("the server closed it"),
            Ok(Err(error)) => return error.into(),
            // A dead network says nothing: ask.
            Err(_) => match timeout(Duration::from_secs(5), sqlx::query("SELECT 1").execute(&mut *listener)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return Error::unavailable("it does not answer"),
            },
        }
    }
}
