//! The demonstration's pages: what its templates are given.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cast;
use super::demo::Demo;
use super::problem::Problem;
use super::relying_party::Exchange;
use super::session::Login;
use super::verify::Verified;

#[derive(Template)]
#[template(path = "demo/welcome.html")]
struct Welcome<'a> {
    issuer: &'a str,
    people: [&'static str; 2],
    web: &'a str,
    spa: &'a str,
}

/// Nobody is logged in.
pub fn welcome(demo: &Demo) -> Response {
    let people = [cast::ALICE, cast::BOB];
    page(&Welcome { issuer: &demo.provider.issuer, people, web: demo.web.client_id, spa: demo.spa.client_id })
}

#[derive(Template)]
#[template(path = "demo/tokens.html")]
struct Tokens<'a> {
    login: &'a Login,
    subject: &'a str,
    confidential: bool,
    id_token: TokenView<'a>,
    access_token: Option<TokenView<'a>>,
    latest: Option<ExchangeView>,
    earlier: Vec<ExchangeView>,
}

/// Somebody is logged in.
pub fn tokens(demo: &Demo, login: &Login, exchanges: &[Exchange]) -> Response {
    let confidential = login.client_id == demo.web.client_id;
    let mut newest_first = exchanges.iter().rev().map(ExchangeView::new);
    page(&Tokens {
        login,
        subject: login.id_token.text("sub").unwrap_or_default(),
        confidential,
        id_token: TokenView::new(&login.id_token),
        access_token: login.access_token_verified.as_ref().map(TokenView::new),
        latest: newest_first.next(),
        earlier: newest_first.collect(),
    })
}

#[derive(Template)]
#[template(path = "demo/logged_out.html")]
struct LoggedOut {
    provider_logout: String,
}

/// The session here has ended; the provider's may go on.
pub fn logged_out(demo: &Demo) -> Response {
    page(&LoggedOut { provider_logout: format!("{}/logout", demo.provider.issuer) })
}

#[derive(Template)]
#[template(path = "demo/problem.html")]
struct ProblemPage<'a> {
    problem: &'a Problem,
    exchange: Option<ExchangeView>,
}

impl ProblemPage<'_> {
    /// What a refusal means, where it is one that the buttons bring about.
    fn explanation(&self) -> &'static str {
        let Problem::Refused { error, .. } = self.problem else { return "" };
        match error.as_str() {
            "login_required" => {
                "With prompt=none the provider may show no page, and nobody is logged in there. Log in first, then try again."
            }
            "consent_required" => {
                "With prompt=none the provider may show no page, and nobody has allowed this client anything yet."
            }
            "interaction_required" => {
                "With prompt=none the provider may show no page. To a public client on this machine it gives no code without \
                 one, since any program here could pretend to be it."
            }
            "access_denied" => "You did not allow it. Nothing was passed on.",
            _ => "",
        }
    }
}

/// Something went wrong.
pub fn problem(problem: &Problem) -> Response {
    let exchange = match problem {
        Problem::NoTokens(exchange) => Some(ExchangeView::new(exchange)),
        _ => None,
    };
    page(&ProblemPage { problem, exchange })
}

/// One request and its answer.
struct ExchangeView {
    title: &'static str,
    request: String,
    status: u16,
    success: bool,
    answer: String,
}

impl ExchangeView {
    fn new(exchange: &Exchange) -> Self {
        let (title, status) = (exchange.title, exchange.status);
        Self { title, request: exchange.request.clone(), status, success: exchange.is_success(), answer: exchange.readable() }
    }
}

/// A token, taken apart.
struct TokenView<'a> {
    checks: &'a [String],
    header: Vec<Row>,
    claims: Vec<Row>,
    /// Header, payload and signature as they travel.
    parts: Vec<&'a str>,
}

impl<'a> TokenView<'a> {
    fn new(verified: &'a Verified) -> Self {
        Self {
            checks: &verified.checks,
            header: rows(&verified.header),
            claims: rows(&verified.claims),
            parts: verified.token.split('.').collect(),
        }
    }
}

/// One member of a token's header or claims.
struct Row {
    name: String,
    value: String,
    meaning: &'static str,
    /// For points in time.
    moment: Option<String>,
}

fn rows(members: &Map<String, Value>) -> Vec<Row> {
    let row = |(name, value): (&String, &Value)| Row {
        name: name.clone(),
        value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        meaning: meaning(name),
        moment: matches!(name.as_str(), "exp" | "iat" | "nbf" | "auth_time").then(|| moment(value)).flatten(),
    };
    members.iter().map(row).collect()
}

/// What a member says, for people who see one for the first time (RFC 7515 §4.1, RFC 7519 §4.1, OpenID Connect Core §2,
/// RFC 9068 §2.2).
fn meaning(name: &str) -> &'static str {
    match name {
        "typ" => "What kind of token it is",
        "alg" => "How it is signed",
        "kid" => "Which of the provider's keys signed it",
        "iss" => "Who issued it",
        "sub" => "Who it is about: an id that never changes",
        "aud" => "Who it is for: nobody else may take it",
        "azp" => "Which client it was issued to",
        "client_id" => "Which client asked for it",
        "exp" => "When it ends",
        "iat" => "When it was issued",
        "nbf" => "When it begins to count",
        "jti" => "Its own id, by which it can be revoked",
        "auth_time" => "When the person last proved who they are",
        "acr" => "How strong that proof was",
        "amr" => "What that proof was made of",
        "nonce" => "The value that this login began with",
        "at_hash" => "Ties it to the access token that came with it",
        "sid" => "The session at the provider",
        "scope" => "What it may be used for",
        _ => "",
    }
}

fn moment(value: &Value) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp(value.as_i64()?).ok()?;
    moment.format(&Rfc3339).ok().map(|text| text.replace('T', " ").replace('Z', " UTC"))
}

/// `demo.css`, from the demonstration's own origin.
pub async fn stylesheet() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../../templates/demo/demo.css")).into_response()
}

/// The icon.
pub async fn mark() -> Response {
    ([(CONTENT_TYPE, "image/svg+xml")], include_str!("../../../templates/demo/mark.svg")).into_response()
}

fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        // Only if writing to memory failed.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
