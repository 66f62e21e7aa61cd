//! The way back for who forgot the password: a code to the mailbox, then a new password; then an ordinary login, with all its
//! factors.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::admission::Admitted;
use super::entry::At;
use super::handle::{CodeSent, Handle};
use super::{FirstParty, Named};
use crate::account::Complaint;
use crate::account::recovery::{self, Outcome};
use crate::api::body::{ApiJson, SecretText};
use crate::api::complaint::refused;
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::audit::Kind;
use crate::flow::admission::{NewPassword, Recovery};
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::state::AppState;
use crate::web::context::RequestContext;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ForgotRequest {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    /// The sign-in name, or a verified e-mail address.
    username: String,
    /// The language of the mail, as a BCP 47 tag, for whoever has chosen none.
    locale: Option<String>,
    /// Of the error `proof_of_work_required`.
    challenge: Option<String>,
    solution: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetRequest {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    /// Of the answer of `password/forgot`.
    handle: SecretText,
    /// From the mail.
    code: SecretText,
    /// The new one. If it is refused, the same handle and code are good for another until they expire.
    password: SecretText,
}

/// Ask for a new password. The answer is the same for everybody, whether or not they exist.
#[utoipa::path(post, path = "/auth/password/forgot", tag = "auth", security(()), request_body = ForgotRequest,
    responses((status = 202, body = CodeSent), Errors))]
pub(super) async fn forgot(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Recovery>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<ForgotRequest>,
) -> Result<Response, Response> {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = FirstParty::enter(&state, &context, &headers, named).await?;
    let at = At { state: &state, context: &context, client: &client };
    Ok(client.answer(&context, at.forgot(&body).await))
}

/// Set a new password with the code from the mailbox.
///
/// It ends every session of the person and everything that applications were given, and gives nothing itself: log in next, with
/// the second factor where one is due.
#[utoipa::path(post, path = "/auth/password/reset", tag = "auth", security(()), request_body = ResetRequest,
    responses((status = 204), Errors))]
pub(super) async fn reset(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<NewPassword>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<ResetRequest>,
) -> Result<Response, Response> {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = FirstParty::enter(&state, &context, &headers, named).await?;
    let at = At { state: &state, context: &context, client: &client };
    Ok(client.answer(&context, at.reset(&body).await))
}

impl At<'_> {
    /// Without mail there is no way back.
    fn offered(self) -> Result<(), ApiError> {
        if self.state.outbox.is_on() { Ok(()) } else { Err(ApiError::not_found()) }
    }

    async fn forgot(self, body: &ForgotRequest) -> Result<Response, ApiError> {
        self.offered()?;
        let (handle, language) = (Handle::new(), self.language(body.locale.as_deref()));
        let wanted = (body.username.as_str(), Some(language.as_str()));
        let proof = body.challenge.as_deref().map(|challenge| (challenge, body.solution.as_deref().unwrap_or_default()));
        match recovery::begin(self.state, self.context, handle.holder(self), wanted, proof).await? {
            Ok(id) => Ok(handle.sent(&id)),
            Err(Complaint::Challenge) => {
                Err(ApiError::proof_of_work_required().challenging(self.state, self.context, Action::Recover))
            }
            Err(complaint) => Err(refused(&[complaint], || self.wait(Action::Recover, Subject::new(self.context.address)))),
        }
    }

    async fn reset(self, body: &ResetRequest) -> Result<Response, ApiError> {
        self.offered()?;
        let Self { state, context, .. } = self;
        let handle = self.handle(&body.handle, Kind::UserPasswordChanged)?;
        let (id, holder) = (handle.id.as_str(), handle.holder(self));
        // Whoever has shown the code need not show it again after a password that was refused.
        if !recovery::is_open(state, context, holder, id).await?
            && let Err(complaint) = recovery::check(state, context, holder, (id, body.code.expose())).await?
        {
            return Err(refused(&[complaint], || self.wait_for_code(id)));
        }
        match recovery::set_password(state, context, holder, (id, &body.password.0)).await? {
            Outcome::Done => Ok(StatusCode::NO_CONTENT.into_response()),
            Outcome::Refused { complaints, .. } => {
                Err(refused(&complaints, || self.wait(Action::NewPassword, Subject::new(context.address).session(id))))
            }
            Outcome::Closed => Err(ApiError::invalid_email_code()),
        }
    }
}
