//! One file per grant type of the token endpoint. The table that discovery reads too is [`GrantType::ALL`].

pub mod access_token;
pub mod authorization_code;
pub mod client_credentials;
pub mod device_code;
pub mod family;
pub mod front_channel;
pub mod id_token;
pub mod jwt_bearer;
pub mod possession;
pub mod refresh_token;
pub mod resource;
pub mod token_exchange;

use self::device_code::Waits;
use serde::Serialize;
use serde_json::Value;

use crate::protocol::authorization_details;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::confirmation::Confirmation;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::protocol::resource::{Reach, Target};
use crate::protocol::scope::Scope;
use crate::state::{AppState, offered};
use crate::telemetry::findings;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// A request at the token endpoint whose client is authenticated.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    pub state: &'a AppState,
    pub context: &'a RequestContext,
    pub client: &'a Client,
    pub params: &'a Params,
    /// What the client proved to hold, and what the tokens are to be bound to.
    pub confirmation: Option<Confirmation>,
}

/// A successful answer of the token endpoint (RFC 6749 §5.1; OpenID Connect Core §3.1.3.3).
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct TokenResponse {
    pub access_token: String,
    /// Of an exchanged token (RFC 8693 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
    /// `Bearer`; `DPoP` for a token that is bound to a key (RFC 9449 §5).
    #[schema(value_type = String, example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schema(value_type = String)]
    pub scope: Scope,
    /// RFC 9396 §7.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub authorization_details: Vec<Value>,
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TokenResponse").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// A refusal of the token endpoint.
#[derive(Clone, Debug)]
pub struct Failure {
    pub problem: Problem,
    /// Its audit event is written already, in the transaction that it led to.
    pub recorded: bool,
}

impl<P: Into<Problem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self { problem: problem.into(), recorded: false }
    }
}

impl Failure {
    fn recorded(error: OAuthError) -> Self {
        Self { problem: error.into(), recorded: true }
    }
}

const UNSUPPORTED: OAuthError =
    OAuthError::new(ErrorCode::UnsupportedGrantType, "grant_type_unknown", "This grant type is not supported.");

/// Redeems whatever grant the request brings (RFC 6749 §4, §5.2).
pub async fn redeem(request: TokenRequest<'_>) -> Result<TokenResponse, Failure> {
    let grant = request.required("grant_type")?;
    let offered = offered(&request.state.config);
    let grant = offered.into_iter().find(|known| known.as_str() == grant).ok_or(UNSUPPORTED)?;
    if !request.client.may_use(grant) {
        let registered: Vec<&str> = request.client.metadata.grant_types.iter().map(|grant| grant.as_str()).collect();
        findings::note("grant_type_allowed", "presented", grant.as_str());
        findings::note("grant_type_allowed", "registered", registered.join(" "));
        return Err(refuse(ErrorCode::UnauthorizedClient, "grant_type_not_allowed", "The client may not use this grant type."));
    }
    let procedure = match grant {
        GrantType::AuthorizationCode => "token/authorization_code",
        GrantType::RefreshToken => "token/refresh_token",
        GrantType::ClientCredentials => "token/client_credentials",
        GrantType::DeviceCode => "token/device_code",
        GrantType::TokenExchange => "token/token_exchange",
        GrantType::JwtBearer => "token/jwt_bearer",
        GrantType::Implicit => return Err(UNSUPPORTED.into()),
        GrantType::Ciba => "token/ciba",
    };
    // Boxed: else the future of every token request would be as large as the largest of these, and it is moved about.
    let redeemed = match grant {
        GrantType::AuthorizationCode => Box::pin(authorization_code::redeem(request)).await,
        GrantType::RefreshToken => Box::pin(refresh_token::redeem(request)).await,
        GrantType::ClientCredentials => client_credentials::redeem(request).await,
        GrantType::DeviceCode => Box::pin(device_code::redeem(request, Waits::Device)).await,
        GrantType::TokenExchange => Box::pin(token_exchange::redeem(request)).await,
        GrantType::JwtBearer => Box::pin(jwt_bearer::redeem(request)).await,
        GrantType::Implicit => Err(UNSUPPORTED.into()),
        GrantType::Ciba => Box::pin(device_code::redeem(request, Waits::Client)).await,
    };
    redeemed.inspect_err(|_| findings::procedure(procedure))
}

impl<'a> TokenRequest<'a> {
    /// A parameter that must be there.
    fn required(&self, name: &str) -> Result<&'a str, OAuthError> {
        self.params.get(name).ok_or_else(|| {
            let check = match name {
                "code" => "code_given",
                "refresh_token" => "refresh_token_given",
                "device_code" => "device_code_given",
                "auth_req_id" => "auth_req_id_given",
                "assertion" => "bearer_given",
                "subject_token" | "subject_token_type" => "subject_token_given",
                _ => "grant_type_given",
            };
            findings::note(check, "missing", name);
            OAuthError::new(ErrorCode::InvalidRequest, "parameter_missing", "A required parameter is missing.")
        })
    }

    /// What the token is for: what the request names of what was granted, else all of that (RFC 8707 §2.2).
    async fn target(&self, granted: &Reach, scope: &Scope) -> Result<Target, Failure> {
        let Self { state, client, params, .. } = *self;
        let (resources, issuer) = (state.resources.current().await?, &state.config.server.issuer);
        let asked = resources.within(&granted.resources, (params, client), scope, issuer).inspect_err(|_| {
            params.values("resource").for_each(|value| findings::note("resource", "presented", value));
            granted.resources.iter().for_each(|value| findings::note("resource_granted", "granted", value));
        })?;
        let target = resources.target(client, &asked, scope, issuer);
        let details = authorization_details::within(&granted.authorization_details, (params, client), &resources)?;
        Ok(Target { authorization_details: resources.details_for(&target.audience, details), ..target })
    }

    /// The `scope` parameter, or none.
    fn scope(&self) -> Result<Option<Scope>, OAuthError> {
        let parse = |text| {
            Scope::parse(text)
                .map_err(|_| OAuthError::new(ErrorCode::InvalidScope, "scope_malformed", "The scope is malformed or too long."))
        };
        self.params.get("scope").map(parse).transpose()
    }
}

fn refuse(code: ErrorCode, reason: &'static str, description: &'static str) -> Failure {
    OAuthError::new(code, reason, description).into()
}
