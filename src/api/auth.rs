//! `/api/v1/auth`: logging people in without a browser, for applications of the operator's own: clients that are registered as
//! first-party. What they get are the tokens of the token endpoint, from the same code.
//!
//! A confidential client authenticates as at the token endpoint, in the Authorization field or in the body; a public one gives
//! its name. What is limited is limited as on the pages.

mod admission;
mod entry;
mod handle;
mod login;
mod mfa;
mod passkey;
mod reauthenticate;
mod recover;
mod register;
mod tokens;

use axum::response::{IntoResponse, Response};
use http::HeaderMap;

use super::authorization::limit::{failed, with_fields};
use super::body::SecretText;
use super::cross_origin::Asker;
use super::error::ApiError;
use super::route::{ApiRouter, routes};
use crate::audit::Kind;
use crate::endpoints::{limit, refusal};
use crate::grants::possession;
use crate::guard::Standing;
use crate::protocol::authorization_request::requested_scope;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::params::Params;
use crate::protocol::resource::Reach;
use crate::protocol::scope::Scope;
use crate::state::AppState;
use crate::web::client::{AuthenticatedClient, authenticate};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// The routes that need no access token.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new()
        .routes(routes!(login::login))
        .routes(routes!(mfa::mfa))
        .routes(routes!(passkey::options))
        .routes(routes!(passkey::login))
        .routes(routes!(register::register))
        .routes(routes!(register::verify))
        .routes(routes!(register::resend))
        .routes(routes!(recover::forgot))
        .routes(routes!(recover::reset))
        .routes(routes!(reauthenticate::choices, reauthenticate::reauthenticate))
        .routes(routes!(tokens::refresh))
        .routes(routes!(tokens::logout))
}

/// How a request names its client.
#[derive(Clone, Copy, Debug)]
struct Named<'a> {
    client_id: Option<&'a str>,
    client_secret: Option<&'a SecretText>,
}

/// A client that may log people in.
#[derive(Debug)]
struct FirstParty {
    client: AuthenticatedClient,
    /// What it proved to hold, and what its tokens are to be bound to.
    confirmation: Option<Confirmation>,
    /// How often it may go on calling.
    standing: Option<Standing>,
}

impl FirstParty {
    /// Authenticates the client. Its refusal is the answer.
    async fn enter(state: &AppState, context: &RequestContext, headers: &HeaderMap, named: Named<'_>) -> Result<Self, Response> {
        let secret = named.client_secret.map(SecretText::expose);
        let params = Params::of([("client_id", named.client_id), ("client_secret", secret)]);
        let client = match authenticate(state, context, headers, &params).await {
            Ok(client) => client,
            Err(problem) => {
                refusal::record_unauthenticated(state, context, &params, &problem);
                let error = ApiError::from(problem);
                failed(state, context, &error).await;
                return Err(error.into_response());
            }
        };
        let (verdict, standing) = limit::tokens_standing(state, context, &client).await;
        let mut client = Self { client, confirmation: None, standing };
        if let Err(limited) = verdict {
            let refused = client.refuse(state, context, Kind::TokenRefused, limited).await;
            return Err(client.answer(context, Err(refused)));
        }
        match possession::proved(state, context, &client.client).await {
            Ok(confirmation) => client.confirmation = confirmation,
            Err(problem) => {
                let refused = client.refuse(state, context, Kind::TokenRefused, problem).await;
                return Err(client.answer(context, Err(refused)));
            }
        }
        let metadata = &client.client.metadata;
        if metadata.first_party && !metadata.demands().browser_only {
            return Ok(client);
        }
        let error = ApiError::not_first_party();
        let problem = Problem::new(error.status(), "unauthorized_client", "client_not_first_party", "");
        Err(match refusal::record_of_client(state, context, &client.client, Kind::TokenRefused, &problem).await {
            Ok(()) => error.into_response(),
            Err(error) => ApiError::from(error).into_response(),
        })
    }

    /// Records a refusal.
    async fn refuse(&self, state: &AppState, context: &RequestContext, kind: Kind, problem: Problem) -> ApiError {
        match refusal::record_of_client(state, context, &self.client, kind, &problem).await {
            Ok(()) => problem.into(),
            Err(error) => error.into(),
        }
    }

    /// The answer, which scripts of the client's origins may read, and which says how often the client may go on calling.
    fn answer(&self, context: &RequestContext, result: Result<Response, ApiError>) -> Response {
        let mut response = with_fields(result.into_response(), self.standing, context);
        response.extensions_mut().insert(Asker(self.client.id.clone()));
        response
    }

    /// What is asked for, within what the client is registered for: all of that when nothing is said.
    async fn scope(&self, state: &AppState, context: &RequestContext, asked: Option<&str>) -> Result<Scope, ApiError> {
        let everything = self.client.metadata.scope.to_string();
        let policy = state.policy().await?;
        match requested_scope(Some(asked.unwrap_or(&everything)), &self.client, &Reach::default(), &policy) {
            Ok(scope) => Ok(scope),
            Err(error) => Err(self.refuse(state, context, Kind::TokenRefused, error.into()).await),
        }
    }
}
