//! A browser with a connection of its own, and the client that it is sent back to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use ostiary::random;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use super::client::Answer;
use super::people::{self, Turns};
use super::proof::Signer;
use super::{Connection, Flow, Result};

/// The example of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The most pages and redirects of one login.
const MOST_STEPS: usize = 12;

/// A client at a server, and a person.
#[derive(Clone, Debug, clap::Args)]
pub struct Registration {
    #[arg(long)]
    pub server: SocketAddr,
    #[arg(long)]
    pub(super) client_id: String,
    /// None for a public client.
    #[arg(long)]
    client_secret: Option<String>,
    #[arg(long, default_value = "https://app.example/callback")]
    redirect_uri: String,
    #[arg(long, default_value = "openid offline_access")]
    pub(super) scope: String,
    #[arg(long, default_value = "ada")]
    username: String,
    #[arg(long, default_value = "correct horse battery staple")]
    password: String,
}

impl Registration {
    /// Another client at the same server.
    pub fn of(&self, client_id: &str, client_secret: &str) -> Self {
        Self { client_id: client_id.to_owned(), client_secret: Some(client_secret.to_owned()), ..self.clone() }
    }

    /// A browser in which everything has been done that the measured operation needs.
    pub async fn ready_for(&self, flow: Flow, turns: &Rc<Turns>) -> Result<Visitor> {
        let mut visitor = Visitor::new(self.clone()).await?;
        visitor.turns = Some(Rc::clone(turns));
        match flow {
            Flow::Code => drop(visitor.code_flow().await?),
            Flow::Refresh => {
                let tokens = visitor.code_flow().await?;
                visitor.keep_refresh_token(&tokens)?;
            }
            Flow::Login | Flow::Factor => visitor.fill_in_login_form().await?,
            Flow::RefusedLogin => {
                visitor.fill_in_login_form().await?;
                while visitor.send_login_form().await?.status != StatusCode::TOO_MANY_REQUESTS {}
            }
            Flow::Register => visitor.open_form("/register").await?,
            Flow::Pushed => visitor.push_a_request().await?,
            Flow::Device => visitor.connect_a_device().await?,
            Flow::Assertion | Flow::Possession => {}
        }
        Ok(visitor)
    }
}

/// A browser and a client.
pub struct Visitor {
    pub(super) registration: Registration,
    connection: Connection,
    cookies: BTreeMap<String, String>,
    /// `Cookie`, made of `cookies`.
    fields: HeaderMap,
    /// `Authorization` of the client.
    credentials: HeaderMap,
    authorization_request: String,
    /// The parameters of the request, for those who send them in another way.
    pub(super) parameters: Value,
    /// The server's metadata (RFC 8414).
    pub(super) metadata: Value,
    token_endpoint: String,
    refresh_token: String,
    /// What the client signs with.
    pub(super) signer: Signer,
    /// The form that is sent again and again.
    form: Option<Form>,
    turns: Option<Rc<Turns>>,
}

#[derive(Clone, Debug)]
pub struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

impl Visitor {
    /// A browser that has done nothing yet.
    pub async fn new(registration: Registration) -> Result<Self> {
        let mut connection = Connection::open(registration.server).await?;
        let metadata = connection.get("/.well-known/openid-configuration", &HeaderMap::new()).await?;
        let metadata: Value = serde_json::from_slice(&metadata.body)?;
        let parameters = [
            ("response_type", "code"),
            ("client_id", &registration.client_id),
            ("redirect_uri", &registration.redirect_uri),
            ("scope", &registration.scope),
            ("state", "af0ifjsldkj"),
            ("nonce", "n-0S6_WzA2Mj"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
        let mut credentials = HeaderMap::new();
        if let Some(secret) = &registration.client_secret {
            let basic = STANDARD.encode(format!("{}:{secret}", registration.client_id));
            credentials.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Basic {basic}"))?);
        }
        Ok(Self {
            authorization_request: format!("{}?{query}", endpoint(&metadata, "authorization_endpoint")?),
            parameters: parameters.into_iter().map(|(name, value)| (name, json!(value))).collect(),
            token_endpoint: endpoint(&metadata, "token_endpoint")?,
            metadata,
            registration,
            connection,
            cookies: BTreeMap::new(),
            fields: HeaderMap::new(),
            credentials,
            refresh_token: String::new(),
            signer: Signer::of_the_clients()?,
            form: None,
            turns: None,
        })
    }

    /// From the authorization request to the tokens; through the pages of a login, if they come.
    pub async fn code_flow(&mut self) -> Result<Value> {
        let target = self.authorization_request.clone();
        self.code_flow_from(&target).await
    }

    /// The same, from another address of the request.
    pub(super) async fn code_flow_from(&mut self, target: &str) -> Result<Value> {
        let redirect_uri = self.registration.redirect_uri.clone();
        let code = self.go(target, |location| location.strip_prefix(&redirect_uri).and_then(code)).await?;
        self.redeem(&code).await
    }

    /// Through pages and redirects, with a yes to everything, as far as the redirect that `end` takes something from.
    pub(super) async fn go<T>(&mut self, target: &str, end: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut answer = self.visit(target).await?;
        for _ in 0..MOST_STEPS {
            if let Some(location) = location(&answer) {
                if let Some(found) = end(location) {
                    return Ok(found);
                }
                let next = path_of(location);
                answer = self.visit(&next).await?;
            } else {
                let form = self.filled_in(&answer)?;
                answer = self.submit(&form).await?;
            }
        }
        Err("it leads nowhere".into())
    }

    async fn redeem(&mut self, code: &str) -> Result<Value> {
        let redirect_uri = self.registration.redirect_uri.clone();
        let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &redirect_uri)];
        self.token(&fields, Some(("code_verifier", VERIFIER))).await
    }

    /// The client's own token.
    pub async fn client_credentials(&mut self) -> Result<Value> {
        self.token(&[("grant_type", "client_credentials")], None).await
    }

    /// A refresh with the token that came last.
    pub async fn refresh(&mut self) -> Result<()> {
        let refresh_token = std::mem::take(&mut self.refresh_token);
        let tokens = self.token(&[("grant_type", "refresh_token"), ("refresh_token", &refresh_token)], None).await?;
        self.refresh_token = refresh_token;
        if tokens["refresh_token"].is_string() { self.keep_refresh_token(&tokens) } else { Ok(()) }
    }

    fn keep_refresh_token(&mut self, tokens: &Value) -> Result<()> {
        tokens["refresh_token"].as_str().ok_or("no refresh token")?.clone_into(&mut self.refresh_token);
        Ok(())
    }

    pub(super) async fn token(&mut self, fields: &[(&str, &str)], more: Option<(&str, &str)>) -> Result<Value> {
        let endpoint = self.token_endpoint.clone();
        let fields: Vec<_> = fields.iter().copied().chain(more).collect();
        let tokens = self.ask(&endpoint, &fields, HeaderMap::new()).await?;
        if tokens["access_token"].is_string() { Ok(tokens) } else { Err(format!("no token: {tokens}").into()) }
    }

    /// Sends a form to an endpoint as the client. What comes back is JSON.
    pub(super) async fn ask(&mut self, endpoint: &str, fields: &[(&str, &str)], more: HeaderMap) -> Result<Value> {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(fields);
        if self.credentials.is_empty() {
            form.append_pair("client_id", &self.registration.client_id);
        }
        let mut headers = self.credentials.clone();
        headers.extend(more);
        Ok(serde_json::from_slice(&self.connection.post(endpoint, &headers, form.finish()).await?.body)?)
    }

    /// Goes as far as the login form, and fills it in.
    async fn fill_in_login_form(&mut self) -> Result<()> {
        self.open_form(&self.authorization_request.clone()).await
    }

    async fn open_form(&mut self, target: &str) -> Result<()> {
        let mut answer = self.visit(target).await?;
        while let Some(location) = location(&answer) {
            let next = path_of(location);
            answer = self.visit(&next).await?;
        }
        self.form = Some(self.filled_in(&answer)?);
        Ok(())
    }

    /// Sends the login form. The cookie of the session that it begins is not kept: the next login is another browser's.
    pub async fn log_in_again(&mut self) -> Result<()> {
        self.log_in_as_the_next().await.map(drop)
    }

    async fn log_in_as_the_next(&mut self) -> Result<Answer> {
        let form = self.login_of_the_next()?;
        let answer = self.connection.post(&form.action, &self.fields, form.encoded()).await?;
        if answer.status.is_redirection() { Ok(answer) } else { Err(format!("no login: {}", answer.status).into()) }
    }

    /// The login form for whose turn it is.
    pub fn login_of_the_next(&self) -> Result<Form> {
        let (form, turns) = (self.form.as_ref().ok_or("there is no form")?, self.turns.as_ref().ok_or("there is nobody")?);
        Ok(form.with("username", turns.next()))
    }

    /// Sends the login form, and the code of the authenticator app after it.
    pub async fn log_in_with_app(&mut self) -> Result<()> {
        let answer = self.log_in_as_the_next().await?;
        let next = path_of(location(&answer).unwrap_or_default());
        let page = self.connection.get(&next, &self.fields).await?;
        let form = self.filled_in(&page)?.with("code", people::code()?);
        let answer = self.connection.post(&form.action, &self.fields, form.encoded()).await?;
        if answer.status.is_redirection() { Ok(()) } else { Err(format!("no second factor: {}", answer.status).into()) }
    }

    /// Sends the login form to a server that takes no more of them from here: once in a while it asks for a proof of work.
    pub async fn be_refused(&mut self) -> Result<()> {
        let status = self.send_login_form().await?.status;
        let is_refusal = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::UNPROCESSABLE_ENTITY);
        if is_refusal { Ok(()) } else { Err(format!("no refusal: {status}").into()) }
    }

    async fn send_login_form(&mut self) -> Result<Answer> {
        let form = self.form.as_ref().ok_or("there is no form")?;
        self.connection.post(&form.action, &self.fields, form.encoded()).await
    }

    /// Sends the registration form, as far as the page for the mailed code.
    pub async fn register(&mut self) -> Result<()> {
        let form = self.form.as_ref().ok_or("there is no form")?.with("email", format!("{}@mail.example", random::uuid()));
        let answer = self.connection.post(&form.action, &self.fields, form.encoded()).await?;
        if answer.status.is_redirection() { Ok(()) } else { Err(format!("no registration: {}", answer.status).into()) }
    }

    /// `Cookie`.
    pub const fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    async fn visit(&mut self, target: &str) -> Result<Answer> {
        let answer = self.connection.get(target, &self.fields).await?;
        self.take_cookies(answer)
    }

    async fn submit(&mut self, form: &Form) -> Result<Answer> {
        let answer = self.connection.post(&form.action, &self.fields, form.encoded()).await?;
        self.take_cookies(answer)
    }

    fn take_cookies(&mut self, answer: Answer) -> Result<Answer> {
        let mut changed = false;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let pair = line.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').ok_or("a cookie without a name")?;
            changed |= self.cookies.insert(name.to_owned(), value.to_owned()).as_deref() != Some(value);
        }
        if changed {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            self.fields.insert(header::COOKIE, HeaderValue::try_from(pairs.join("; "))?);
        }
        Ok(answer)
    }

    /// The first form of a page: the name and the password, and yes to everything.
    fn filled_in(&self, page: &Answer) -> Result<Form> {
        let page = Html::parse_document(std::str::from_utf8(&page.body)?);
        let (forms, inputs) = (Selector::parse("form[method=post]")?, Selector::parse("input[name]")?);
        let form =
            page.select(&forms).next().ok_or_else(|| format!("no form: {}", page.root_element().text().collect::<String>()))?;
        let mut fields: Vec<_> = form
            .select(&inputs)
            .map(|input| {
                let attribute = |name| input.attr(name).unwrap_or_default().to_owned();
                match input.attr("name") {
                    Some("username") => ("username".to_owned(), self.registration.username.clone()),
                    Some(name @ ("password" | "password_again")) => (name.to_owned(), self.registration.password.clone()),
                    _ => (attribute("name"), attribute("value")),
                }
            })
            .collect();
        fields.push(("decision".to_owned(), "allow".to_owned()));
        Ok(Form { action: form.attr("action").unwrap_or_default().to_owned(), fields })
    }
}

/// The path of an endpoint.
pub(super) fn endpoint(metadata: &Value, name: &str) -> Result<String> {
    Ok(path_of(metadata[name].as_str().ok_or_else(|| format!("no {name}"))?))
}

impl Form {
    fn with(&self, name: &str, value: String) -> Self {
        let mut form = self.clone();
        form.fields.retain(|(field, _)| field != name);
        form.fields.push((name.to_owned(), value));
        form
    }

    pub fn action(&self) -> &str {
        &self.action
    }

    pub fn encoded(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

fn location(answer: &Answer) -> Option<&str> {
    answer.headers.get(header::LOCATION).and_then(|location| location.to_str().ok())
}

/// The `code` in the query of a redirect.
fn code(query: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(query.trim_start_matches('?').as_bytes());
    pairs.into_iter().find(|(name, _)| name == "code").map(|(_, value)| value.into_owned())
}

/// Path and query of a URL of the server itself.
fn path_of(url: &str) -> String {
    let below = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|slash| &rest[slash..]));
    below.unwrap_or(url).to_owned()
}
