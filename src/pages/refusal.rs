//! Records what is refused with a page.

use crate::audit::{self, Kind};
use crate::flow::visitor::Login;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Records the refusal of a request that proves nothing but, maybe, who is logged in; gives the problem back. A fault of ours is
/// no refusal.
pub fn refused(state: &AppState, context: &RequestContext, kind: Kind, login: Option<&Login>, problem: Problem) -> Problem {
    if !problem.status.is_server_error() {
        let user_id = login.map(|login| login.user.id.clone());
        state.refusals.refused(Event { user_id, ..audit::refused(kind, context, problem.reason) });
    }
    problem
}
