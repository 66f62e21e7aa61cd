//! Stands in for a person and their browser: follows redirects, keeps cookies, fills in the login form, gives consent.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, redirect};
use scraper::{Html, Selector};
use url::Url;

use crate::process::{PERSON, REDIRECT_URI};

/// What a person sees in the end.
#[derive(Debug)]
pub struct Page {
    pub headers: HeaderMap,
    pub body: String,
}

/// A browser with its cookies.
pub struct Person {
    http: Client,
    cookies: BTreeMap<String, String>,
}

impl Person {
    pub fn new() -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("HTTP client");
        Self { http, cookies: BTreeMap::new() }
    }

    /// What it would send as its `Cookie` field.
    pub fn cookies(&self) -> String {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        cookies.join("; ")
    }

    /// Goes to `start`, logs in and consents where asked to, and gives the URL that the server sends the browser back to.
    pub async fn visit(&mut self, start: Url) -> Url {
        self.travel(start, |target| target.as_str().starts_with(REDIRECT_URI)).await.expect_err("a page, and no redirect")
    }

    /// The same, up to a page that asks for nothing.
    pub async fn open(&mut self, start: Url) -> Page {
        self.travel(start, |_| false).await.expect("nowhere else")
    }

    /// Follows redirects and fills in forms until there are none. `Err`: where it was about to go, which was the `end`.
    async fn travel(&mut self, start: Url, end: impl Fn(&Url) -> bool) -> Result<Page, Url> {
        let mut response = self.send(start, None).await;
        for _ in 0..20 {
            let url = response.url().clone();
            if response.status().is_redirection() {
                let location = response.headers()[LOCATION].to_str().expect("ASCII");
                let target = url.join(location).expect("URL");
                if end(&target) {
                    return Err(target);
                }
                response = self.send(target, None).await;
                continue;
            }
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.text().await.expect("text");
            assert_eq!(status, 200, "{url}: {body}");
            let Some((action, fields)) = fill_in(&body) else { return Ok(Page { headers, body }) };
            response = self.send(url.join(&action).expect("action"), Some(fields)).await;
        }
        panic!("too many pages before the end");
    }

    pub async fn send(&mut self, url: Url, fields: Option<Vec<(String, String)>>) -> Response {
        let cookies = self.cookies();
        let request = match fields {
            Some(fields) => {
                let origin = url.origin().ascii_serialization();
                self.http.post(url).header(ORIGIN, origin).form(&fields)
            }
            None => self.http.get(url),
        };
        let response = request.header(COOKIE, cookies).send().await.expect("answer");
        for header in response.headers().get_all(SET_COOKIE) {
            let pair = header.to_str().expect("ASCII").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }
}

/// The action and the fields of the page's form, as a person fills it in: `None` without one.
pub fn fill_in(page: &str) -> Option<(String, Vec<(String, String)>)> {
    let document = Html::parse_document(page);
    let select = |selector: &str| Selector::parse(selector).expect("selector");
    let form = document.select(&select("#login-form, #consent-form, #logout-form")).next()?;
    let mut fields = Vec::new();
    for input in form.select(&select("input[name]")) {
        let attribute = |name| input.attr(name).unwrap_or_default().to_owned();
        let value = match attribute("name").as_str() {
            "username" => PERSON.0.to_owned(),
            "password" => PERSON.1.to_owned(),
            _ if input.attr("type") == Some("checkbox") && input.attr("checked").is_none() => continue,
            _ => attribute("value"),
        };
        fields.push((attribute("name"), value));
    }
    if form.attr("id") == Some("consent-form") {
        fields.push(("decision".to_owned(), "allow".to_owned()));
    }
    Some((form.attr("action").unwrap_or_default().to_owned(), fields))
}
