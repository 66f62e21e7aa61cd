//! Is it still you? What is sensitive is done only by somebody who proved a factor within the last minutes.
//!
//! A page that needs it asks [`fresh`], which either knows who it is or sends the browser here; from here it comes back to one
//! of the [`Target`]s, which are a fixed list: no URL is taken from anybody.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use secrecy::ExposeSecret;

use super::challenge;
use super::flow::{Place, frame};
use super::form::{self, Purpose};
use super::site;
use super::view::{self, FactorProblem, PasskeyForm, field};
use crate::authn::session::is_fresh;
use crate::flow::login::{Checked, Entrance, PartOf, Standing, Step};
use crate::flow::passkey::Counterpart;
use crate::flow::reauthentication::{Choices, choices};
use crate::flow::visitor::{Login, Visitor};
use crate::protocol::authentication::{Missing, Offer};
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

const PURPOSE: Purpose = Purpose::of_session("reauthenticate");

const PATH: &str = "/account/reauthenticate";

macro_rules! targets {
    ($($variant:ident = $name:literal, $path:literal;)*) => {
        /// Where the browser goes back to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Target {
            $($variant,)*
        }

        impl Target {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of the field `to`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)* }
            }
        }
    };
}

targets! {
    Account = "account", "/account";
    Security = "security", "/account/security";
    Totp = "totp", "/account/security/totp";
    Passkeys = "passkeys", "/account/security/passkeys";
    Sessions = "sessions", "/account/sessions";
    Apps = "apps", "/account/apps";
    Data = "data", "/account/data";
    Delete = "delete", "/account/delete";
    Admin = "admin", "/admin";
}

impl Target {
    /// The account's security page for whatever else somebody wrote there.
    fn parse(name: Option<&str>) -> Self {
        Self::ALL.iter().copied().find(|target| Some(target.name()) == name).unwrap_or(Self::Security)
    }

    /// With the sealed flow that the page came with.
    fn location(self, state: &AppState, params: &Params) -> String {
        form::with_flow(state.path(self.path()), params)
    }
}

/// Whether somebody may do something sensitive.
#[derive(Debug)]
pub enum Freshness<'a> {
    /// Logged in with all that their login has to reach, and proved a factor within the last minutes ([`is_fresh`]).
    Fresh(&'a Login),
    /// The answer that leads there, and from there to the target.
    Elsewhere(Box<Response>),
}

/// Asks for a login that is fresh. `params` may hold a flow to come back to.
pub async fn fresh<'a>(
    state: &AppState,
    context: &RequestContext,
    visitor: &'a Visitor,
    target: Target,
    params: &Params,
) -> Result<Freshness<'a>, Problem> {
    let Some(login) = &visitor.login else { return Ok(Freshness::Elsewhere(Box::new(see_other(&state.path("/login"))?))) };
    let is_fresh = is_fresh(login.session.factors.latest(), context.now);
    if is_fresh && !matches!(lacks(state, login).await?, Missing::Proof(_)) {
        return Ok(Freshness::Fresh(login));
    }
    let location = format!("{}?{}={}", state.path("/account/reauthenticate"), field::TO, target.name());
    Ok(Freshness::Elsewhere(Box::new(see_other(&form::with_flow(location, params))?)))
}

/// The answer that leads whoever is logged in with less than their roles ask for to what is missing; `None`: nothing is.
pub async fn step_up(state: &AppState, login: &Login, target: Target) -> Result<Option<Response>, Problem> {
    let location = match lacks(state, login).await? {
        Missing::Nothing => return Ok(None),
        Missing::Proof(_) => format!("{}?{}={}", state.path("/account/reauthenticate"), field::TO, target.name()),
        Missing::Enrolment(acr) => state.path(Place::Enrol(acr).path()),
    };
    see_other(&location).map(Some)
}

/// What the session lacks of what every login of its person has to reach: it may be older than their second factor.
async fn lacks(state: &AppState, login: &Login) -> Result<Missing, Problem> {
    Ok(Standing::of(state, &login.user).await?.missing(&login.session.factors))
}

/// `GET /account/reauthenticate`.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let choices = choices(&state, &login.user, &login.session.factors).await?;
    let passkey = passkey_form(&state, &context, login, choices).await?;
    Ok(page(&state, &visitor, login, &params, (choices, passkey), None)?)
}

async fn passkey_form(
    state: &AppState,
    context: &RequestContext,
    login: &Login,
    choices: Choices,
) -> Result<Option<PasskeyForm>, Problem> {
    if !choices.second.is_some_and(|offer| offer.passkey) {
        return Ok(None);
    }
    let asked = Counterpart { state, context, holder: login.secret.expose_secret() }.ask(&login.user.id).await?;
    Ok(asked.map(|question| PasskeyForm::new(question, state.path(PATH), None)))
}

/// `POST /account/reauthenticate`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    let choices = choices(&state, &login.user, &login.session.factors).await?;
    let device = challenge::device_of(&state, &visitor.headers);
    let former = Some(&login.session);
    let entrance = Entrance { state: &state, context: &context, former, client_id: None, device: device.as_ref() };
    let passkey = params.contains(field::CREDENTIAL);
    let checked = match (params.get(field::PASSWORD), params.get(field::CODE), choices.second) {
        (_, _, Some(offer)) if passkey && offer.passkey => {
            entrance.check_passkey(&login.user.id, login.secret.expose_secret(), super::passkey::answer(&params)).await?
        }
        (Some(typed), _, _) if choices.password => entrance.check_password(&login.user, typed).await?,
        (_, Some(typed), Some(offer)) => {
            entrance.check(&login.user, PartOf::Session(login.session.id.as_str()), typed, offer).await?
        }
        _ => Checked::Wrong,
    };
    let wrong = if passkey { FactorProblem::Passkey } else { FactorProblem::Wrong };
    let problem = match checked {
        Checked::Right(proof) => match entrance.prove(login, &proof).await? {
            Step::Done(begun) => {
                let mut response = see_other(&Target::parse(params.get(field::TO)).location(&state, &params))?;
                form::hand_over(&state, &mut response, &begun);
                return Ok(response);
            }
            Step::Spent => wrong,
            Step::Next { .. } | Step::Ended => return Ok(see_other(&state.path("/login"))?),
        },
        Checked::Wrong => wrong,
        Checked::TooMany => FactorProblem::TooMany,
    };
    let passkey = passkey_form(&state, &context, login, choices).await?;
    Ok(page(&state, &visitor, login, &params, (choices, passkey), Some(problem))?)
}

fn page(
    state: &AppState,
    visitor: &Visitor,
    login: &Login,
    params: &Params,
    (choices, passkey): (Choices, Option<PasskeyForm>),
    problem: Option<FactorProblem>,
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let view = view::Reauthenticate {
        frame: frame(state, visitor, None, &nonce),
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        password: choices.password,
        offer: choices.second.unwrap_or(Offer { totp: false, recovery_code: false, passkey: false }),
        passkey,
        problem,
        action: state.path(PATH),
        csrf: form::token(state, visitor, PURPOSE),
        to: Target::parse(params.get(field::TO)).name(),
        flow: params.get(field::FLOW).map(str::to_owned),
    };
    let mut response = site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?;
    *response.status_mut() = problem.map_or(StatusCode::OK, FactorProblem::status);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_of_the_list_are_returned_to() {
        for target in Target::ALL {
            assert_eq!(Target::parse(Some(target.name())), *target);
            assert!(target.path().starts_with('/') && !target.path().starts_with("//"));
        }
        for elsewhere in ["//evil", "/\\evil", "https:evil", "javascript:alert(1)", "/account/security/totp", "", "TOTP"] {
            assert_eq!(Target::parse(Some(elsewhere)), Target::Security, "{elsewhere}");
        }
        assert_eq!(Target::parse(None), Target::Security);
    }
}
