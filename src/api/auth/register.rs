//! Registering, and the code from the mailbox.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::admission::Admitted;
use super::entry::{At, LoggedIn};
use super::handle::{CodeSent, Handle};
use super::{FirstParty, Named};
use crate::account::Complaint;
use crate::account::registration::{self, Outcome, Wish};
use crate::api::body::{ApiJson, SecretText};
use crate::api::complaint::refused;
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::audit::Kind;
use crate::flow::admission::{Registration, RegistrationCode};
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::state::AppState;
use crate::web::context::RequestContext;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterRequest {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    /// Where the server is configured to ask for one.
    username: Option<String>,
    /// The same. Whoever was invited by an address may leave it out.
    email: Option<String>,
    password: SecretText,
    /// The language of the mails, as a BCP 47 tag; it becomes the person's own.
    locale: Option<String>,
    /// The token of an invitation's link.
    invitation: Option<SecretText>,
    /// As of a login; counts where no address is to be proved, and the answer is tokens.
    scope: Option<String>,
    /// Of the error `proof_of_work_required`.
    challenge: Option<String>,
    solution: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyRequest {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    /// Of the registration's answer.
    handle: SecretText,
    /// From the mail.
    code: SecretText,
    /// As of a login.
    scope: Option<String>,
    device_token: Option<SecretText>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResendRequest {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    /// Of the registration's answer.
    handle: SecretText,
}

/// Register a person.
///
/// Where an address is to be proved the answer is 202, whether or not the address has an account: a code goes to it, or a notice
/// to its owner. Nobody exists before the code is right. Where none is asked for the answer is tokens.
#[utoipa::path(post, path = "/auth/register", tag = "auth", security(()), request_body = RegisterRequest,
    responses((status = 202, body = CodeSent), (status = 200, body = LoggedIn), Errors))]
pub(super) async fn register(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Registration>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<RegisterRequest>,
) -> Result<Response, Response> {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = FirstParty::enter(&state, &context, &headers, named).await?;
    let at = At { state: &state, context: &context, client: &client };
    Ok(client.answer(&context, at.register(&body).await))
}

/// Complete a registration with the code from the mailbox. The answer is that to a login.
#[utoipa::path(post, path = "/auth/email/verify", tag = "auth", security(()), request_body = VerifyRequest,
    responses((status = 200, body = LoggedIn), Errors))]
pub(super) async fn verify(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<RegistrationCode>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<VerifyRequest>,
) -> Result<Response, Response> {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = FirstParty::enter(&state, &context, &headers, named).await?;
    let at = At { state: &state, context: &context, client: &client };
    Ok(client.answer(&context, at.verify(&body).await))
}

/// Send the code of a registration once more: a new one, with a new handle. The old one is worth nothing any more.
#[utoipa::path(post, path = "/auth/email/resend", tag = "auth", security(()), request_body = ResendRequest,
    responses((status = 202, body = CodeSent), Errors))]
pub(super) async fn resend(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Registration>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<ResendRequest>,
) -> Result<Response, Response> {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = FirstParty::enter(&state, &context, &headers, named).await?;
    let at = At { state: &state, context: &context, client: &client };
    Ok(client.answer(&context, at.resend(&body).await))
}

impl At<'_> {
    async fn register(self, body: &RegisterRequest) -> Result<Response, ApiError> {
        let Self { state, context, client } = self;
        let scope = client.scope(state, context, body.scope.as_deref()).await?;
        let token = body.invitation.as_ref().map(SecretText::expose);
        let door = registration::door(state, context, token).await?;
        let Some((_, invitation)) = door else { return Err(self.not_welcome()) };
        let invited = invitation.as_ref().and_then(|invitation| invitation.address.as_deref());
        let language = self.language(body.locale.as_deref());
        let wish = Wish {
            sign_in_name: body.username.as_deref().unwrap_or_default(),
            address: body.email.as_deref().or(invited).unwrap_or_default(),
            password: &body.password.0,
            locale: Some(&language),
            invitation: token,
            proof: body.challenge.as_deref().map(|challenge| (challenge, body.solution.as_deref().unwrap_or_default())),
            former: None,
        };
        let handle = Handle::new();
        match registration::begin(state, context, handle.holder(self), wish).await? {
            Outcome::Code(id) => Ok(handle.sent(&id)),
            Outcome::Done(begun) => self.registered(&begun, scope, None).await,
            Outcome::Refused { complaints, .. } if complaints.contains(&Complaint::Challenge) => {
                self.refused_as(Kind::RegistrationRequested, None, Complaint::Challenge.reason());
                Err(ApiError::proof_of_work_required().challenging(state, context, Action::Register))
            }
            Outcome::Refused { complaints, .. } => {
                // It is the sender who has to wait: a domain is asked for work at most.
                let sender = Subject::new(context.address).mail_domain("");
                let error = refused(&complaints, || self.wait(Action::Register, sender));
                self.refused_as(Kind::RegistrationRequested, None, error.reason());
                Err(error)
            }
            Outcome::Closed => Err(self.not_welcome()),
        }
    }

    fn not_welcome(self) -> ApiError {
        let error = ApiError::not_welcome();
        self.refused_as(Kind::UserRegistered, None, error.reason());
        error
    }

    async fn verify(self, body: &VerifyRequest) -> Result<Response, ApiError> {
        let Self { state, context, client } = self;
        let scope = client.scope(state, context, body.scope.as_deref()).await?;
        let handle = self.handle(&body.handle, Kind::UserRegistered)?;
        let shown = (handle.id.as_str(), body.code.expose());
        match registration::finish(state, context, handle.holder(self), shown, None).await? {
            Ok(begun) => self.registered(&begun, scope, self.device(body.device_token.as_ref())).await,
            Err(complaint) => Err(refused(&[complaint], || self.wait_for_code(&handle.id))),
        }
    }

    async fn resend(self, body: &ResendRequest) -> Result<Response, ApiError> {
        let handle = self.handle(&body.handle, Kind::RegistrationRequested)?;
        match registration::again(self.state, self.context, handle.holder(self), &handle.id).await? {
            Ok(id) => Ok(handle.sent(&id)),
            Err(complaint) => Err(refused(&[complaint], || self.wait_for_mail())),
        }
    }
}
