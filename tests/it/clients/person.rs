//! Stands in for a person and their browser: follows redirects, keeps cookies, fills in the login form, gives consent.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, redirect};
use scraper::{Html, Selector};
use url::Url;

use crate::process::{PERSON, REDIRECT_URI};

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

    /// Goes to `start`, logs in and consents where asked to, and gives the URL that the server sends the browser back to.
    pub async fn visit(&mut self, start: Url) -> Url {
        let mut response = self.send(start, None).await;
        for _ in 0..20 {
            let url = response.url().clone();
            if response.status().is_redirection() {
                let location = response.headers()[LOCATION].to_str().expect("ASCII");
                let target = url.join(location).expect("URL");
                if target.as_str().starts_with(REDIRECT_URI) {
                    return target;
                }
                response = self.send(target, None).await;
                continue;
            }
            assert_eq!(response.status(), 200, "{url}: {}", response.text().await.expect("text"));
            let (action, fields) = fill_in(&response.text().await.expect("text"));
            response = self.send(url.join(&action).expect("action"), Some(fields)).await;
        }
        panic!("too many pages before the redirect");
    }

    async fn send(&mut self, url: Url, fields: Option<Vec<(String, String)>>) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = match fields {
            Some(fields) => {
                let origin = url.origin().ascii_serialization();
                self.http.post(url).header(ORIGIN, origin).form(&fields)
            }
            None => self.http.get(url),
        };
        let response = request.header(COOKIE, cookies.join("; ")).send().await.expect("answer");
        for header in response.headers().get_all(SET_COOKIE) {
            let pair = header.to_str().expect("ASCII").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }
}

/// The action and the fields of the page's form, as a person fills it in.
fn fill_in(page: &str) -> (String, Vec<(String, String)>) {
    let document = Html::parse_document(page);
    let select = |selector: &str| Selector::parse(selector).expect("selector");
    let form = document.select(&select("#login-form, #consent-form")).next().unwrap_or_else(|| panic!("no form on {page}"));
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
    (form.attr("action").unwrap_or_default().to_owned(), fields)
}
