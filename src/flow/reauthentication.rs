//! Is it still you? What somebody who is logged in may prove once more, on the account's pages and through REST alike.

use crate::flow::login::Standing;
use crate::protocol::authentication::{Factors, Missing, Offer};
use crate::state::AppState;
use crate::storage::users::User;
use crate::web::error::Problem;

/// What somebody may prove.
#[derive(Clone, Copy, Debug)]
pub struct Choices {
    pub password: bool,
    pub second: Option<Offer>,
}

/// Of somebody whose login consists of these factors.
pub async fn choices(state: &AppState, user: &User, factors: &Factors) -> Result<Choices, Problem> {
    let standing = Standing::of(state, user).await?;
    Ok(match standing.missing(factors) {
        // The missing one, and no other.
        Missing::Proof(offer) => Choices { password: false, second: Some(offer) },
        Missing::Enrolment(_) | Missing::Nothing => {
            let enrolled = standing.enrolled;
            let second = Offer { totp: enrolled.totp, recovery_code: false, passkey: enrolled.passkeys };
            Choices { password: enrolled.password, second: (second.totp || second.passkey).then_some(second) }
        }
    })
}
