//! Is it still you? A login that goes on: its person proves a factor once more, or another one, for what asks for that
//! (RFC 9470).

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::admission::Unsuspected;
use super::entry::PasskeyAnswer;
use super::tokens::presented;
use crate::api::body::{ApiJson, SecretText};
use crate::api::cross_origin::Asker;
use crate::api::error::{ApiError, Detail};
use crate::api::openapi::Errors;
use crate::audit::{self, Kind};
use crate::flow::first_party::{self, Again, Ongoing};
use crate::flow::login::{Checked, Entrance, PartOf};
use crate::flow::passkey::{Answer, Counterpart, Question};
use crate::flow::reauthentication::{self, Choices};
use crate::grants::TokenResponse;
use crate::grants::access_token::ActiveToken;
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::protocol::authentication::Offer;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::grants::{self, Grant};
use crate::storage::sessions::{self, Session};
use crate::storage::users::{self, User};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Exactly one of `password`, `code` and `passkey`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reauthentication {
    password: Option<SecretText>,
    /// Of the authenticator app; or a recovery code, where the login lacks a second factor.
    code: Option<SecretText>,
    /// What a passkey answered to the options.
    passkey: Option<PasskeyAnswer>,
    /// Of an earlier login of this person from this device.
    device_token: Option<SecretText>,
}

/// What will do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Provable {
    /// `password`, `totp`, `recovery_code`, `passkey`. Where the login lacks a factor it has to be that one.
    factors: Vec<&'static str>,
    /// What to ask a passkey.
    #[serde(skip_serializing_if = "Option::is_none")]
    passkey: Option<Question>,
}

/// Read what the person can prove it with that it is still them, and the options for a passkey.
#[utoipa::path(get, path = "/auth/reauthenticate", tag = "auth", security(("oauth2" = [])),
    responses((status = 200, body = Provable), Errors))]
pub(super) async fn choices(
    State(state): State<AppState>,
    context: RequestContext,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let token = match presented(&state, &context, &headers, uri.query()).await {
        Ok(token) => token,
        Err(error) => return error.into_response(),
    };
    let result = async {
        let login = Login::of(&state, &context, &token).await?;
        login.provable().await
    };
    answer(result.await, &token)
}

/// Prove once more that it is still you, or prove another factor. The answer is a new access token that says so, in the same login;
/// the refresh token stays as it is. What the error `reauthentication_required` was about is done with the new token.
#[utoipa::path(post, path = "/auth/reauthenticate", tag = "auth", security(("oauth2" = [])), request_body = Reauthentication,
    responses((status = 200, body = TokenResponse), Errors))]
pub(super) async fn reauthenticate(
    State(state): State<AppState>,
    context: RequestContext,
    OriginalUri(uri): OriginalUri,
    _: Unsuspected,
    headers: HeaderMap,
    ApiJson(body): ApiJson<Reauthentication>,
) -> Response {
    let token = match presented(&state, &context, &headers, uri.query()).await {
        Ok(token) => token,
        Err(error) => return error.into_response(),
    };
    let result = async {
        let login = Login::of(&state, &context, &token).await?;
        login.prove(&body).await
    };
    answer(result.await, &token)
}

fn answer(result: Result<Response, ApiError>, token: &ActiveToken) -> Response {
    let mut response = result.into_response();
    response.extensions_mut().insert(Asker(token.client.id.clone()));
    response
}

/// The login that an access token is of, without a browser.
struct Login<'a> {
    state: &'a AppState,
    context: &'a RequestContext,
    token: &'a ActiveToken,
    grant: Grant,
    session: Session,
    user: User,
}

impl<'a> Login<'a> {
    async fn of(state: &'a AppState, context: &'a RequestContext, token: &'a ActiveToken) -> Result<Self, ApiError> {
        let refused = |error: ApiError| {
            let (client_id, user_id) = (Some(token.client.id.clone()), token.user_id.clone());
            let event = audit::refused(Kind::ApiRefused, context, error.reason());
            state.refusals.refused(Event { client_id, user_id, ..event });
            error
        };
        if !token.client.metadata.first_party {
            return Err(refused(ApiError::not_first_party()));
        }
        let (Some(grant), Some(user)) = (&token.grant_id, &token.user_id) else { return Err(refused(ApiError::not_a_person())) };
        let mut conn = state.db.read().await?;
        let Some(grant) = grants::live(&mut conn, grant, context.now).await? else { return Err(refused(ended())) };
        // One that began in a browser goes on there.
        if !grant.own_session {
            return Err(refused(ApiError::browser_required()));
        }
        let session = sessions::by_id(&mut conn, &grant.session_id).await?;
        let user = users::by_id(&mut conn, user).await?;
        match (session, user) {
            (Some(session), Some(user)) => Ok(Self { state, context, token, grant, session, user }),
            _ => Err(refused(ended())),
        }
    }

    async fn choices(&self) -> Result<Choices, Problem> {
        reauthentication::choices(self.state, &self.user, &self.session.factors).await
    }

    /// What a passkey is asked for: this login and no other.
    fn holder(&self) -> String {
        format!("client {} login {}", self.token.client.id, self.grant.id)
    }

    async fn question(&self, offer: Option<Offer>) -> Result<Option<Question>, Problem> {
        if !offer.is_some_and(|offer| offer.passkey) {
            return Ok(None);
        }
        let (state, context) = (self.state, self.context);
        Counterpart { state, context, holder: &self.holder() }.ask(&self.user.id).await
    }

    async fn provable(&self) -> Result<Response, ApiError> {
        let Choices { password, second } = self.choices().await?;
        let passkey = self.question(second).await?;
        let of_second = |holds: fn(Offer) -> bool| second.is_some_and(holds);
        let offered = [
            ("password", password),
            ("totp", of_second(|offer| offer.totp)),
            ("recovery_code", of_second(|offer| offer.recovery_code)),
            ("passkey", passkey.is_some()),
        ];
        let factors = offered.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        Ok(Json(Provable { factors, passkey }).into_response())
    }

    async fn prove(&self, body: &Reauthentication) -> Result<Response, ApiError> {
        let Self { state, context, token, .. } = *self;
        let choices = self.choices().await?;
        let client_id = Some(&token.client.id);
        let device = body.device_token.as_ref().and_then(|token| state.guard.device(token.expose()));
        let entrance = Entrance { state, context, former: None, client_id, device: device.as_ref() };
        let user = &self.user;
        let (checked, wrong) = match (&body.password, &body.code, &body.passkey, choices.second) {
            (Some(typed), None, None, _) if choices.password => {
                (entrance.check_password(user, typed.expose()).await?, ApiError::invalid_credentials())
            }
            (None, Some(typed), None, Some(offer)) => {
                let checked = entrance.check(user, PartOf::Session(self.session.id.as_str()), typed.expose(), offer).await?;
                (checked, ApiError::invalid_code())
            }
            (None, None, Some(passkey), Some(offer)) if offer.passkey => {
                let credential = passkey.credential.to_string();
                let answer = Answer { challenge: &passkey.challenge, credential: &credential };
                (entrance.check_passkey(&user.id, &self.holder(), answer).await?, ApiError::invalid_passkey())
            }
            (None, None, None, _) => return Err(ApiError::invalid(vec![Detail::new("", "missing")])),
            (Some(_), None, None, _) => return Err(ApiError::invalid(vec![Detail::new("password", "not_offered")])),
            (None, Some(_), None, _) => return Err(ApiError::invalid(vec![Detail::new("code", "not_offered")])),
            (None, None, Some(_), _) => return Err(ApiError::invalid(vec![Detail::new("passkey", "not_offered")])),
            _ => return Err(ApiError::invalid(vec![Detail::new("", "one_factor_only")])),
        };
        let proof = match checked {
            Checked::Right(proof) => proof,
            Checked::Wrong if body.passkey.is_some() => {
                let question = self.question(choices.second).await?;
                return Err(wrong.with_facts(question.map(|question| ("passkey", json!(question)))));
            }
            Checked::Wrong => return Err(wrong),
            Checked::TooMany => return Err(ApiError::too_many(self.wait(body))),
        };
        let scope = token.claims.scope.intersection(&token.client.metadata.scope);
        let ongoing = Ongoing {
            client: &token.client,
            user,
            grant: &self.grant,
            session: &self.session,
            scope: &scope,
            confirmation: token.claims.cnf,
        };
        match first_party::prove(state, context, ongoing, &proof).await? {
            Again::Given(tokens) => Ok(Json(*tokens).into_response()),
            Again::Spent => Err(wrong),
            Again::Ended => Err(ended()),
        }
    }

    /// How long to wait after too many tries.
    fn wait(&self, body: &Reauthentication) -> Seconds {
        let action = match body {
            Reauthentication { password: Some(_), .. } => Action::Reauthenticate,
            Reauthentication { passkey: Some(_), .. } => Action::Passkey,
            _ => Action::Code,
        };
        let subject = Subject::new(self.context.address).account(self.user.id.as_str()).session(self.session.id.as_str());
        self.state.guard.wait(action, &subject, self.context.now)
    }
}

/// The login ended while it was looked at.
fn ended() -> ApiError {
    ApiError::invalid_token("login_ended")
}
