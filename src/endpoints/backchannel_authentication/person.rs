//! Whom a client means (OpenID Connect CIBA Core 1.0 §7.1).

use crate::protocol::backchannel::{Hint, ID_TOKEN_HINT};
use crate::protocol::client::Client;
use crate::protocol::id::{SessionId, UserId};
use crate::protocol::id_token::IdTokenClaims;
use crate::state::AppState;
use crate::storage::db::Conn;
use crate::storage::error::Error;
use crate::storage::users::{self, User};
use crate::storage::{grants, sessions};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// `None`: nobody, or somebody who could not log in.
pub(super) async fn of(
    state: &AppState,
    context: &RequestContext,
    client: &Client,
    hint: Hint<'_>,
) -> Result<Option<User>, Problem> {
    let found = match hint {
        Hint::Login(name) => users::find_by_login_name(&mut state.db.read().await?, name).await?,
        Hint::IdToken(token) => {
            // It may have expired; it must be ours, and this client's.
            let claims = state.keys.id_token_hint(token, &state.config.server.issuer).map_err(|_| ID_TOKEN_HINT)?;
            if claims.aud != client.id {
                return Err(ID_TOKEN_HINT.into());
            }
            let mut conn = state.db.read().await?;
            let session = claims.sid.as_ref().map(|sid| state.subjects.session(client, sid));
            let candidates = candidates(&mut conn, client, (&claims, session.as_ref()), context).await?;
            // As this client knows people: a `sub` is nobody's id by itself.
            let found = candidates.into_iter().find(|id| state.subjects.of(client, id) == claims.sub);
            match found {
                Some(id) => users::by_id(&mut conn, &id).await?,
                None => None,
            }
        }
    };
    let Some(user) = found.filter(User::is_active) else { return Ok(None) };
    // Who is about to leave comes back by logging in, and is not asked.
    let leaves = users::deletion_due_at(&mut state.db.read().await?, &user.id).await?.is_some();
    Ok(Some(user).filter(|_| !leaves))
}

/// Whom the ID token may be about: there is no way back from a pairwise `sub`, but there may be one from its session.
async fn candidates(
    conn: &mut Conn,
    client: &Client,
    (claims, session): (&IdTokenClaims, Option<&SessionId>),
    context: &RequestContext,
) -> Result<Vec<UserId>, Error> {
    let mut found: Vec<UserId> = UserId::parse(claims.sub.as_str()).into_iter().collect();
    if let Some(session) = session {
        found.extend(sessions::by_id(conn, session).await?.map(|session| session.user_id));
        found.extend(grants::live_of_session(conn, (&client.id, session), context.now).await?.map(|grant| grant.user_id));
    }
    Ok(found)
}
