//! The clients that a session's person was logged in to, and that want to hear of its end.

use super::db::{Conn, Tx};
use super::error::Error;
use crate::protocol::client::Client;
use crate::protocol::id::{ClientId, SessionId};

/// Remembers that the session's person is being logged in to the client: called where an ID token with this `sid` will come of
/// it, after [`super::sessions::stands`]. Costs nothing for a client that doesn't want to hear of the end.
pub async fn add(tx: &mut Tx, session: &SessionId, client: &Client) -> Result<(), Error> {
    if !client.hears_of_logout() {
        return Ok(());
    }
    tx.put("INSERT INTO session_clients (session_id, client_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(session)
        .bind(&client.id)
        .run()
        .await?;
    Ok(())
}

/// In the order of their ids.
pub async fn list(conn: &mut Conn, session: &SessionId) -> Result<Vec<ClientId>, Error> {
    let rows = conn
        .query("SELECT client_id FROM session_clients WHERE session_id = $1 ORDER BY client_id")
        .bind(session)
        .fetch_all::<(ClientId,)>()
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}
