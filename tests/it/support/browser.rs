//! A browser without a window: it keeps cookies, follows redirects within the server, and fills in forms.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use ostiary::web::context::Peer;
use scraper::{Html, Selector};

use super::server::TestServer;

/// One answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: String,
    /// The path and query that was asked for.
    pub url: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, but for what names this one request.
    #[track_caller]
    pub fn without_trace_id(&self) -> String {
        self.body.replace(self.trace_id(), "")
    }

    #[track_caller]
    pub fn trace_id(&self) -> &str {
        self.header("x-request-id").expect("every answer has one")
    }

    #[track_caller]
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no Location in {self:#?}"))
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:#?}"))
    }

    /// The parameters of the redirect, decoded.
    #[track_caller]
    pub fn redirect_params(&self) -> BTreeMap<String, String> {
        let url = url::Url::parse(self.location()).expect("an absolute redirect");
        let source = url.fragment().map_or_else(|| url.query().unwrap_or_default().to_owned(), str::to_owned);
        form_urlencoded::parse(source.as_bytes()).into_owned().collect()
    }

    /// The first form, with all its fields as a browser would send them.
    #[track_caller]
    pub fn form(&self) -> Form {
        self.form_at("main form, form")
    }

    /// The form with this id.
    #[track_caller]
    pub fn form_of(&self, id: &str) -> Form {
        self.form_at(&format!("form#{id}"))
    }

    /// The form with the button of this id.
    #[track_caller]
    pub fn form_with_button(&self, id: &str) -> Form {
        self.form_at(&format!("form:has(button#{id})"))
    }

    /// The first form with a field of this name.
    #[track_caller]
    pub fn form_with(&self, field: &str) -> Form {
        self.form_at(&format!("form:has([name='{field}'])"))
    }

    /// Where the link with this id leads.
    #[track_caller]
    pub fn link(&self, id: &str) -> String {
        let document = Html::parse_document(&self.body);
        let link = document.select(&Selector::parse(&format!("a#{id}")).unwrap()).next();
        link.and_then(|link| link.attr("href")).unwrap_or_else(|| panic!("no link {id} in {self:#?}")).to_owned()
    }

    /// The text of the elements that the selector finds.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let document = Html::parse_document(&self.body);
        document.select(&Selector::parse(selector).unwrap()).map(|element| element.text().collect()).collect()
    }

    #[track_caller]
    fn form_at(&self, selector: &str) -> Form {
        let document = Html::parse_document(&self.body);
        let form = document.select(&Selector::parse(selector).unwrap()).next();
        let form = form.unwrap_or_else(|| panic!("no {selector} in {self:#?}"));
        let mut fields = Vec::new();
        for input in form.select(&Selector::parse("input[name]").unwrap()) {
            let kind = input.attr("type").unwrap_or("text");
            if matches!(kind, "checkbox" | "radio") && input.attr("checked").is_none() {
                continue;
            }
            if kind != "submit" {
                fields.push((input.attr("name").unwrap().to_owned(), input.attr("value").unwrap_or_default().to_owned()));
            }
        }
        Form { action: form.attr("action").unwrap_or(&self.url).to_owned(), fields }
    }
}

#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// Sets a field, whether the form has it (a text input) or not (the button that is pressed).
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self
    }

    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    #[track_caller]
    pub fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map_or_else(|| panic!("no field {name} in {self:?}"), |(_, value)| value.as_str())
    }
}

#[derive(Clone, Debug)]
pub struct Browser {
    server: TestServer,
    pub cookies: BTreeMap<String, String>,
    /// Where it is.
    pub address: Option<IpAddr>,
}

impl Browser {
    pub fn new(server: &TestServer) -> Self {
        Self { server: server.clone(), cookies: BTreeMap::new(), address: None }
    }

    /// From this address on.
    #[must_use]
    pub fn at(mut self, address: &str) -> Self {
        self.address = Some(address.parse().expect("an address"));
        self
    }

    /// One request, no redirect followed.
    pub async fn get(&mut self, url: &str) -> Answer {
        self.send(Request::builder().method(Method::GET).uri(self.server.path_of(url)).body(Body::empty()).unwrap()).await
    }

    /// Follows redirects for as long as they stay on the server.
    pub async fn visit(&mut self, url: &str) -> Answer {
        let answer = self.get(url).await;
        self.follow(answer).await
    }

    /// Sends a form as a browser on the server's own page would.
    pub async fn submit(&mut self, form: &Form) -> Answer {
        let answer = self.post(&form.action, &form.fields).await;
        self.follow(answer).await
    }

    /// One form post from the server's own origin, no redirect followed.
    pub async fn post(&mut self, url: &str, fields: &[(String, String)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.server.path_of(url))
            .header(header::ORIGIN, self.server.origin())
            .header("sec-fetch-site", "same-origin")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            let Some(location) = answer.header("location").map(str::to_owned) else { return answer };
            let own = location.starts_with('/') || location.starts_with(&format!("{}/", self.server.issuer()));
            if !answer.status.is_redirection() || !own {
                return answer;
            }
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "every redirect of a browser is a 303: {answer:#?}");
            answer = self.get(&location).await;
        }
        panic!("redirected in circles: {answer:#?}");
    }

    /// Sends any request with this browser's cookies and keeps those that come back.
    pub async fn send(&mut self, mut request: Request<Body>) -> Answer {
        if !self.cookies.is_empty() && !request.headers().contains_key(header::COOKIE) {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        if let Some(address) = self.address {
            request.extensions_mut().insert(Peer(SocketAddr::new(address, 4711)));
        }
        let answer = self.server.send(request).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

/// Reads an answer whole.
pub async fn read(url: String, response: http::Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&bytes).into_owned(), url }
}

/// The page without what a passkey would sign: that is another one each time.
pub fn without_passkey_challenge(page: &str) -> String {
    let mut page = page.to_owned();
    for before in ["data-options=\"", "name=\"passkey_challenge\" value=\""] {
        if let Some((start, rest)) = page.split_once(before) {
            let (_, end) = rest.split_once('"').expect("an attribute that ends");
            page = format!("{start}{end}");
        }
    }
    page
}
