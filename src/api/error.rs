//! The error envelope of the API: `{"error":{"code","message","details","trace_id"}}`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::cross_origin::Asker;
use crate::authn::password::HashingError;
use crate::authn::session::FRESH;
use crate::grants::resource::Refused;
use crate::guard::limit::Action;
use crate::guard::proof_of_work::WAIT;
use crate::protocol::authentication::Acr;
use crate::protocol::resource_metadata::Own;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage;
use crate::telemetry::findings;
use crate::web::bearer;
use crate::web::bearer::{Way, challenges};
use crate::web::context::RequestContext;
use crate::web::error::{Error, ErrorRenderer, Problem};

/// A refusal or a fault, as a handler returns it. The trace id is added by [`render`], which knows the request.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Refusal>);

#[derive(Clone, Debug)]
struct Refusal {
    problem: Problem,
    details: Details,
    /// Whose scripts may read it, where nobody else says so.
    asker: Option<Asker>,
}

/// What an answer that is an error says beside its code.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Details {
    /// What is wrong with single members of the request; empty for most errors.
    List(Vec<Detail>),
    /// What to go on with, where the error is a question.
    Facts(BTreeMap<String, Value>),
}

/// What is wrong with one member of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Detail {
    /// Name of the member, or of the parameter.
    pub field: String,
    /// A stable word.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// What to do about it, where the word does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Detail {
    pub fn new(field: impl Into<String>, code: &'static str) -> Self {
        Self { field: field.into(), code, message: None }
    }
}

/// The body of every answer that is an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    error: ErrorBody,
}

impl ErrorEnvelope {
    fn new(problem: &Problem, details: Details, trace_id: String) -> Self {
        Self { error: ErrorBody { code: problem.code, message: problem.description, details, trace_id } }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct ErrorBody {
    /// A stable word to decide by.
    #[schema(value_type = String)]
    code: &'static str,
    /// A sentence for developers.
    #[schema(value_type = String)]
    message: &'static str,
    details: Details,
    /// Names this request in the server's log and audit log.
    trace_id: String,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $message:literal;)*) => {
        impl ApiError {
            $($(#[$doc])* pub fn $name() -> Self { Self::new(StatusCode::$status, $code, $message) })*
        }
    };
}

errors! {
    not_found = NOT_FOUND, "not_found", "There is no such thing, or it is not yours to see.";
    method_not_allowed = METHOD_NOT_ALLOWED, "method_not_allowed", "This method is not allowed here.";
    invalid_json = BAD_REQUEST, "invalid_json", "The body is not valid JSON in UTF-8, is nested too deeply, or holds a NUL character.";
    unsupported_media_type = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body must be application/json.";
    too_large = PAYLOAD_TOO_LARGE, "too_large", "The body is too large.";
    timeout = REQUEST_TIMEOUT, "timeout", "The body did not arrive in time.";
    /// RFC 6585 §3.
    precondition_required = PRECONDITION_REQUIRED, "precondition_required", "Send If-Match with the ETag of what you read.";
    precondition_failed = PRECONDITION_FAILED, "precondition_failed", "It was changed since you read it. Read it again.";
    sign_in_name_taken = CONFLICT, "sign_in_name_taken", "Somebody else has this sign-in name, or one that looks like it.";
    registration_closed = CONFLICT, "registration_closed", "Nobody may register on this server, with an invitation either: see registration.mode.";
    client_registration_mode = CONFLICT, "client_registration_mode", "Such tokens are of no use here: see client_registration.mode.";
    resource_taken = CONFLICT, "resource_taken", "A resource with this identifier is registered already.";
    email_taken = CONFLICT, "email_taken", "Somebody else proved that this e-mail address is theirs, or signs in with it.";
    last_administrator = CONFLICT, "last_administrator", "Nobody else could do what this person can: give somebody else the same roles first.";
    overtaken = CONFLICT, "overtaken", "Another node did the same at the same moment. Look, and try again if need be.";
    public_client = CONFLICT, "public_client", "A public client has no secret.";
    client_without_secret = CONFLICT, "client_without_secret", "The client authenticates with its keys: it has no secret.";
    /// The caller is known and may do this in general, but not to this: it would give or touch more than the caller holds.
    exceeds_caller = FORBIDDEN, "exceeds_caller", "This needs scopes that you do not hold yourself.";
    /// For removing something by which the person logs in.
    factor_required = CONFLICT, "factor_required", "This is needed to log in, or to log in as strongly as a role asks for.";
    no_second_factor = CONFLICT, "no_second_factor", "Recovery codes stand in for a second factor: set one up first.";
    passkey_taken = CONFLICT, "passkey_taken", "This passkey is registered already.";
    too_many_passkeys = CONFLICT, "too_many_passkeys", "There are as many passkeys as a person may have.";
    nothing_to_verify = CONFLICT, "nothing_to_verify", "There is no e-mail address that has to be proved.";
    own_factors = FORBIDDEN, "own_factors", "Your own second factors are removed at /users/me, or on your account's pages: both ask for a proof first.";
    /// For a route that is about the caller's own account.
    not_a_person = FORBIDDEN, "not_a_person", "Only a person has an account of their own.";
    /// One answer to an unknown name, a wrong password, a lock and a disabled person.
    invalid_credentials = UNAUTHORIZED, "invalid_credentials", "The name or the password is wrong.";
    mfa_required = UNAUTHORIZED, "mfa_required", "A second factor is needed: send one of them with the mfa_token; see details.";
    invalid_mfa_token = UNAUTHORIZED, "invalid_mfa_token", "The mfa_token is not valid any more: begin again with the password.";
    invalid_code = UNAUTHORIZED, "invalid_code", "The code is wrong, too old, or used already.";
    /// One of a mail. Which of it is not told.
    invalid_email_code = BAD_REQUEST, "invalid_code", "The code or its handle is wrong, too old, tried too often, or used already.";
    invalid_passkey = BAD_REQUEST, "invalid_passkey", "The passkey's answer is not right, or too late, or was given before: ask again with new options.";
    passkey_untrusted = FORBIDDEN, "passkey_untrusted", "Nobody whom this server trusts vouches for the authenticator that made the passkey: use another one.";
    not_welcome = FORBIDDEN, "registration_closed", "Nobody can register here in this way: registration is closed, or the invitation is not good any more.";
    too_many_codes = TOO_MANY_REQUESTS, "too_many_codes", "Too many codes were tried: begin again with the password, later.";
    proof_of_work_required = TOO_MANY_REQUESTS, "proof_of_work_required", "Send the same with a solution of the challenge; see details.";
    /// Nobody sets up or shows here what it takes.
    browser_required = FORBIDDEN, "browser_required", "This login needs a factor that can only be proved or set up in a browser: send the person to the authorization endpoint.";
    not_first_party = FORBIDDEN, "unauthorized_client", "Only a client that is registered as first-party may do this.";
    csrf = FORBIDDEN, "csrf", "With a session cookie, each request needs the X-CSRF-Token header and must come from the server's own pages.";
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Problem::new(status, code, code, message).into()
    }

    /// The request is understood and can't be done as it stands.
    pub fn invalid(details: Vec<Detail>) -> Self {
        let mut error =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Something in the request is not valid; see details.");
        error.0.details = Details::List(details);
        error
    }

    /// A parameter in the URL that is not valid.
    pub fn invalid_parameter(field: impl Into<String>, code: &'static str) -> Self {
        let mut error =
            Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", "A parameter in the URL is not valid; see details.");
        error.0.details = Details::List(vec![Detail::new(field, code)]);
        error
    }

    /// No credentials at all: RFC 6750 §3.1 wants the bare challenge.
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "An access token is needed.").challenged(challenges(
            None,
            Way::Bearer,
            None,
        ))
    }

    /// Credentials that count for nothing here. `reason` is for the audit log.
    pub fn invalid_token(reason: &'static str) -> Self {
        let challenge = "Bearer realm=\"ostiary\", error=\"invalid_token\"".to_owned();
        let mut error =
            Self::new(StatusCode::UNAUTHORIZED, "invalid_token", "The access token is not valid here.").challenge(challenge);
        error.0.problem.reason = reason;
        error
    }

    /// An access token that opens nothing here, presented in this way.
    pub fn refused(refused: Refused, way: Way) -> Self {
        match refused {
            Refused::Token(error, client) => {
                let mut refused: Self = Error::access_token(Some(error), way, None).into();
                refused.0.asker = client.map(|client| Asker(client.id.clone()));
                refused
            }
            Refused::Failed(problem) => problem.into(),
        }
    }

    /// RFC 6750 §3: the header was there more than once, or can't be read.
    pub fn malformed_authorization() -> Self {
        let challenge = "Bearer realm=\"ostiary\", error=\"invalid_request\"".to_owned();
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The access token was not presented in one well-formed Authorization header.",
        )
        .challenge(challenge)
    }

    /// RFC 6585 §4.
    pub fn too_many(retry_after: Seconds) -> Self {
        let mut error =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests; Retry-After says when to go on.");
        error.0.problem.retry_after = Problem::too_many(retry_after).retry_after;
        error
    }

    pub fn insufficient_scope(scope: &'static str) -> Self {
        let challenge = format!("Bearer realm=\"ostiary\", error=\"insufficient_scope\", scope=\"{scope}\"");
        Self::new(StatusCode::FORBIDDEN, "insufficient_scope", "This needs a scope that you do not hold.").challenge(challenge)
    }

    /// RFC 9470 §3: the person has to prove more, or again. `acr` is what their login lacks; without it only freshness is missing.
    pub fn reauthentication_required(acr: Option<Acr>) -> Self {
        let max_age = FRESH.0;
        let acr_values = acr.map(|acr| format!(", acr_values=\"{acr}\"")).unwrap_or_default();
        let challenge = format!(
            "Bearer realm=\"ostiary\", error=\"insufficient_user_authentication\", \
             error_description=\"A more recent or stronger authentication is required\"{acr_values}, max_age=\"{max_age}\""
        );
        let facts = [("max_age", Some(max_age.into())), ("acr_values", acr.map(|acr| acr.as_str().into()))];
        Self::new(
            StatusCode::UNAUTHORIZED,
            "reauthentication_required",
            "The person has to prove again, or with another factor, that it is them; see details.",
        )
        .challenge(challenge)
        .with_facts(facts.into_iter().filter_map(|(name, value)| Some((name, value?))))
    }

    /// The same, with the work that is asked for.
    #[must_use]
    pub fn challenging(self, state: &AppState, context: &RequestContext, action: Action) -> Self {
        let challenge = state.guard.challenge(action, context.address, context.now);
        self.with_facts([("challenge", challenge.into()), ("wait", WAIT.0.into())])
    }

    fn challenge(self, challenge: String) -> Self {
        self.challenged(HeaderValue::try_from(challenge).into_iter().collect())
    }

    fn challenged(mut self, challenges: Vec<HeaderValue>) -> Self {
        self.0.problem.challenges = challenges;
        self
    }

    /// The same, with what to go on with.
    #[must_use]
    pub fn with_facts(mut self, facts: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        self.0.details = Details::Facts(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        self
    }

    /// The same, for a reason of which the caller is told less.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.0.problem.reason = reason;
        self
    }

    /// The word for the audit log.
    pub fn reason(&self) -> &'static str {
        self.0.problem.reason
    }

    pub fn status(&self) -> StatusCode {
        self.0.problem.status
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        if let (StatusCode::TOO_MANY_REQUESTS, Some(seconds)) = (problem.status, problem.retry_after) {
            return Self::too_many(Seconds(seconds.into()));
        }
        Self(Box::new(Refusal { problem, details: Details::List(Vec::new()), asker: None }))
    }
}

impl From<storage::error::Error> for ApiError {
    fn from(error: storage::error::Error) -> Self {
        Problem::from(error).into()
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        error.0.into()
    }
}

impl From<HashingError> for ApiError {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Overloaded => Problem::overloaded().into(),
            HashingError::Failed(_) => Problem::internal(error).into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.0.problem.remember();
        if let Details::List(details) = &self.0.details {
            let check = if self.0.problem.reason == "invalid_parameter" { "parameters" } else { "members" };
            for Detail { field, code, .. } in details {
                findings::note(check, "refused", format_args!("{field}: {code}"));
            }
        }
        let mut response = self.0.problem.status.into_response();
        if let Some(asker) = self.0.asker.clone() {
            response.extensions_mut().insert(asker);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The outermost layer of the API: writes the envelope with the trace id, and forbids storing any answer.
pub async fn render(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let context = request.extensions().get::<RequestContext>().cloned();
    let way = bearer::presented(request.headers(), None, None).ok().flatten().map(|presented| presented.way);
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = envelope(error, context.as_ref(), response);
        bearer::in_the_way(response.headers_mut(), way.unwrap_or(Way::Bearer));
        bearer::point_to_metadata(response.headers_mut(), &Own::Api.url(&state.config.server.issuer));
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Writes the envelope of errors that are made before a request reaches the API, or in its place.
pub fn renderer() -> ErrorRenderer {
    ErrorRenderer::new(|view| {
        let envelope = ErrorEnvelope::new(view.problem, Details::List(Vec::new()), view.trace_id.to_string());
        // Texts and nothing else: that can't fail.
        serde_json::to_string(&envelope).unwrap_or_default()
    })
}

/// Fields of the answer without a body that its envelope keeps.
const KEPT: [&str; 6] =
    ["allow", "ratelimit", "ratelimit-policy", "vary", "access-control-allow-origin", "access-control-expose-headers"];

fn envelope(error: ApiError, context: Option<&RequestContext>, bare: Response) -> Response {
    let Refusal { problem, details, .. } = *error.0;
    let trace_id = context.map(|context| context.trace_id.to_string()).unwrap_or_default();
    let body = ErrorEnvelope::new(&problem, details, trace_id);
    let mut response = (problem.status, Json(body)).into_response();
    let (parts, _) = bare.into_parts();
    for field in KEPT {
        if let Some(value) = parts.headers.get(field) {
            response.headers_mut().insert(HeaderName::from_static(field), value.clone());
        }
    }
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    for challenge in problem.challenges {
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
