//! A browser without scripts: cookies by host, redirects, links and forms.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, redirect};
use scraper::{ElementRef, Html, Selector};
use url::Url;

/// A browser with its cookies. Like any, it keeps them by host and takes no notice of ports.
pub struct Browser {
    http: Client,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// The page that is shown.
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub html: String,
    /// Pages and redirects since the link or the button, this one included.
    pub visited: Vec<Url>,
}

impl Browser {
    pub fn new() -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("HTTP client");
        Self { http, cookies: BTreeMap::new() }
    }

    /// Types an address.
    pub async fn open(&mut self, url: &str) -> Page {
        self.go(Method::GET, Url::parse(url).expect("a URL"), Vec::new(), "none").await
    }

    /// Follows the link with this id.
    pub async fn follow(&mut self, page: &Page, id: &str) -> Page {
        let target = page.url.join(&page.attribute(&format!("a#{id}"), "href")).expect("a URL");
        self.go(Method::GET, target, Vec::new(), "same-origin").await
    }

    /// Fills in the page's form and presses the button that `button` selects.
    pub async fn submit(&mut self, page: &Page, button: &str, typed: &[(&str, &str)]) -> Page {
        let (target, fields) = page.form(button, typed);
        self.go(Method::POST, target, fields, "same-origin").await
    }

    /// Sends a form of another site.
    pub async fn forge(&mut self, page: &Page, button: &str) -> Page {
        let (target, fields) = page.form(button, &[]);
        self.go(Method::POST, target, fields, "cross-site").await
    }

    async fn go(&mut self, mut method: Method, mut url: Url, fields: Vec<(String, String)>, site: &str) -> Page {
        let mut visited = Vec::new();
        let origin = url.origin().ascii_serialization();
        while visited.len() < 20 {
            let host = url.host_str().expect("a host").to_owned();
            let jar = self.cookies.entry(host).or_default();
            let cookies: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut request = self.http.request(method.clone(), url.clone()).header("sec-fetch-site", site);
            if !cookies.is_empty() {
                request = request.header(COOKIE, cookies.join("; "));
            }
            if method == Method::POST {
                request = request.header("origin", &origin).form(&fields);
            }
            let response = request.send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
            for header in response.headers().get_all(SET_COOKIE) {
                keep(jar, header.to_str().expect("ASCII"));
            }
            visited.push(url.clone());
            if !response.status().is_redirection() {
                let status = response.status().as_u16();
                return Page { url, status, html: response.text().await.expect("text"), visited };
            }
            url = url.join(response.headers()[LOCATION].to_str().expect("ASCII")).expect("a URL");
            method = Method::GET;
        }
        panic!("too many redirects: {visited:?}")
    }
}

fn keep(jar: &mut BTreeMap<String, String>, header: &str) {
    let (name, value) = header.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
    if header.contains("Max-Age=0") {
        jar.remove(name);
    } else {
        assert!(header.contains("HttpOnly") && header.contains("SameSite="), "{header}");
        jar.insert(name.to_owned(), value.to_owned());
    }
}

impl Page {
    /// The text of the one element that `selector` selects.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let texts = self.texts(selector);
        assert_eq!(texts.len(), 1, "{selector} in {}", self.html);
        texts.into_iter().next().unwrap_or_default()
    }

    pub fn texts(&self, selector: &str) -> Vec<String> {
        let document = Html::parse_document(&self.html);
        let selector = select(selector);
        document.select(&selector).map(|element| element.text().collect::<String>().trim().to_owned()).collect()
    }

    pub fn has(&self, selector: &str) -> bool {
        Html::parse_document(&self.html).select(&select(selector)).next().is_some()
    }

    #[track_caller]
    pub fn attribute(&self, selector: &str, name: &str) -> String {
        let document = Html::parse_document(&self.html);
        let element = document.select(&select(selector)).next().unwrap_or_else(|| panic!("no {selector} in {}", self.html));
        element.attr(name).unwrap_or_else(|| panic!("no {name} on {selector}")).to_owned()
    }

    /// Where the form around `button` goes, and its fields with what was typed.
    #[track_caller]
    fn form(&self, button: &str, typed: &[(&str, &str)]) -> (Url, Vec<(String, String)>) {
        let document = Html::parse_document(&self.html);
        let button = document.select(&select(button)).next().unwrap_or_else(|| panic!("no {button} in {}", self.html));
        let form = button.ancestors().filter_map(ElementRef::wrap).find(|element| element.value().name() == "form");
        let form = form.expect("a form around the button");
        let mut fields = Vec::new();
        for input in form.select(&select("input[name]")) {
            let name = input.attr("name").unwrap_or_default();
            if input.attr("type") == Some("checkbox") && input.attr("checked").is_none() {
                continue;
            }
            let value = typed.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
            fields.push((name.to_owned(), value.or(input.attr("value")).unwrap_or_default().to_owned()));
        }
        fields.extend(button.attr("name").map(|name| (name.to_owned(), button.attr("value").unwrap_or_default().to_owned())));
        (self.url.join(form.attr("action").unwrap_or_default()).expect("a URL"), fields)
    }
}

fn select(selector: &str) -> Selector {
    Selector::parse(selector).expect("a selector")
}
