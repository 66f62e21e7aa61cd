//! The page on which the first administrator is made, behind a link that the server printed when it started.
//!
//! The link works once, for an hour, and only while nobody is an administrator. There is no default password.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, header};
use secrecy::SecretString;

use super::flow::frame;
use super::form::{self, Purpose};
use super::site;
use super::view::{self, field};
use crate::account::Complaint;
use crate::audit::{self, Kind};
use crate::authn::password::{Checked, HashingError, Password, Strength};
use crate::authn::session::{self, Begun};
use crate::flow::visitor::Visitor;
use crate::keys::hash::TokenKind;
use crate::protocol::authentication::{Factors, Method};
use crate::protocol::id::UserId;
use crate::protocol::params::Params;
use crate::protocol::sign_in_name::SignInName;
use crate::random;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::error::Error as StorageError;
use crate::storage::setup_links;
use crate::storage::users::{self, User, UserStatus};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

const PURPOSE: Purpose = Purpose::of_session("setup");

/// The role of the first administrator; `admin.roles` says what it may do.
pub const ROLE: &str = "admin";

const DEAD: Problem = Problem::new(StatusCode::GONE, "invalid_request", "setup_link_dead", "The set-up link no longer works");

/// `GET /setup`.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    mut visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let hash = link(&state, &params);
    is_alive(&state, &context, &hash).await?;
    let cookie = form::ensure_browser(&state, &mut visitor);
    let mut response = show(&state, &visitor, &params, Vec::new(), None)?;
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// `POST /setup`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    let hash = link(&state, &params);
    if let Err(problem) = is_alive(&state, &context, &hash).await {
        if problem.reason == DEAD.reason {
            state.refusals.refused(audit::refused(Kind::SetupCompleted, &context, problem.reason));
        }
        return Err(problem.into());
    }
    let (name, password) = match read(&state, &params).await {
        Ok(chosen) => chosen,
        Err((problems, strength)) => return Ok(refuse(&state, &visitor, &params, problems, strength)?),
    };
    let password_hash = match state.passwords.hash(&password).await {
        Ok(hash) => hash,
        Err(HashingError::Overloaded) => return Ok(refuse(&state, &visitor, &params, vec![Complaint::Overloaded], None)?),
        Err(error) => return Err(Problem::internal(error).into()),
    };
    let user = administrator(name, password_hash, &context)?;
    let begun = begin(&state, &context, &user);
    match create(&state, &context, &visitor, &hash, &user, &begun).await {
        Ok(true) => {}
        Ok(false) => {
            state.refusals.refused(audit::refused(Kind::SetupCompleted, &context, DEAD.reason));
            return Err(DEAD.into());
        }
        Err(StorageError::Conflict) => return Ok(refuse(&state, &visitor, &params, vec![Complaint::NameTaken], None)?),
        Err(error) => return Err(error.into()),
    }
    let mut response = see_other(&state.path("/admin"))?;
    form::hand_over(&state, &mut response, &begun);
    Ok(response)
}

/// The hash under which the link of the request is stored, if it is one.
fn link(state: &AppState, params: &Params) -> [u8; 32] {
    state.tokens.hash(TokenKind::SetupLink, params.get(field::TOKEN).unwrap_or_default())
}

async fn is_alive(state: &AppState, context: &RequestContext, hash: &[u8; 32]) -> Result<(), Problem> {
    let mut conn = state.db.read().await?;
    let alive = setup_links::is_valid(&mut conn, hash, context.now).await? && !users::has_with_role(&mut conn, ROLE).await?;
    if alive { Ok(()) } else { Err(DEAD) }
}

/// Name and password, or what is wrong with them and how strong the password is.
async fn read(state: &AppState, params: &Params) -> Result<(SignInName, Password), (Vec<Complaint>, Option<Strength>)> {
    let typed = |name| params.get(name).unwrap_or_default();
    let name = SignInName::parse(typed(field::USERNAME));
    let Checked { password, strength } = state.password_policy.check(typed(field::PASSWORD), typed(field::USERNAME), &[]).await;
    let mut problems = Vec::new();
    if name.is_err() {
        problems.push(Complaint::Name);
    }
    match &password {
        Ok(_) if typed(field::PASSWORD) != typed(field::PASSWORD_AGAIN) => problems.push(Complaint::Repetition),
        Ok(_) => {}
        Err(problem) => problems.push(Complaint::Password(*problem)),
    }
    match (name, password) {
        (Ok(name), Ok(password)) if problems.is_empty() => Ok((name, password)),
        _ => Err((problems, strength)),
    }
}

fn administrator(name: SignInName, password_hash: SecretString, context: &RequestContext) -> Result<User, Problem> {
    Ok(User {
        id: UserId::parse(random::uuid()).map_err(Problem::internal)?,
        sign_in_name: name,
        password_hash: Some(password_hash),
        password_changed_at: Some(context.now),
        status: UserStatus::Active,
        roles: vec![ROLE.to_owned()],
        created_at: context.now,
        updated_at: context.now,
        version: 1,
    })
}

/// Whoever has just chosen the password need not type it again.
fn begin(state: &AppState, context: &RequestContext, user: &User) -> Begun {
    let proved = (&user.id, Factors::of(Method::Password, context.now));
    session::begin(&state.tokens, proved, context.device(false), context.now, &state.config.session)
}

/// All or nothing, in one transaction. `false`: the link was used meanwhile, or somebody else became the administrator.
///
/// Every other link dies too: of two used at once, the second finds its own gone.
async fn create(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    hash: &[u8; 32],
    user: &User,
    begun: &Begun,
) -> Result<bool, StorageError> {
    let actor = Actor::User(user.id.clone());
    let event = Event { actor, user_id: Some(user.id.clone()), ..audit::event(Kind::SetupCompleted, context) };
    let former = visitor.session();
    state
        .db
        .write(async |tx| {
            let first = setup_links::consume(tx, hash, context.now).await?;
            if !first || users::has_with_role(tx, ROLE).await? {
                return Ok(false);
            }
            setup_links::clear(tx).await?;
            users::insert(tx, user).await?;
            session::replace(tx, former, &begun.session, state.ending(context.now)).await?;
            crate::storage::audit::insert(tx, &event).await?;
            Ok(true)
        })
        .await
}

fn show(
    state: &AppState,
    visitor: &Visitor,
    params: &Params,
    problems: Vec<Complaint>,
    strength: Option<Strength>,
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let frame = frame(state, visitor, None, &nonce);
    let view = view::Setup {
        form: form::of(state, visitor, &frame, ("/setup", PURPOSE)).with(None, problems, strength),
        frame,
        sign_in_name: params.get(field::USERNAME).unwrap_or_default().to_owned(),
        token: params.get(field::TOKEN).unwrap_or_default().to_owned(),
    };
    site::answer(Csp::Page { nonce: Some(&nonce) }, &view)
}

/// The form again, with what is wrong.
fn refuse(
    state: &AppState,
    visitor: &Visitor,
    params: &Params,
    problems: Vec<Complaint>,
    strength: Option<Strength>,
) -> Result<Response, Problem> {
    let status = form::refusal(&problems);
    let mut response = show(state, visitor, params, problems, strength)?;
    *response.status_mut() = status;
    Ok(response)
}
