//! The ledger: clients that work without a pause and write down what they were told. Whatever happens to the server, what was
//! acknowledged holds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::header::{COOKIE, LOCATION};
use reqwest::{Client, redirect};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::Url;

use crate::clients::person::Person;
use crate::process::{PERSON, REDIRECT_URI, Server};
use crate::support::flow::{CHALLENGE, VERIFIER};

/// Clients at once.
const CLIENTS: usize = 6;

/// What one grant was told, from its code on.
#[derive(Clone, Debug, Default)]
struct Grant {
    code: String,
    access: String,
    /// Those that were given out, in their order.
    refresh: Vec<String>,
    /// A refresh was sent last, and nobody knows what became of it.
    in_doubt: bool,
    /// Whether its end was asked for: then it may have come.
    ending: bool,
    /// Its end was acknowledged.
    ended: bool,
}

/// What is known of a server, and who asks it.
#[derive(Clone)]
pub struct Ledger {
    issuer: String,
    http: Client,
    /// The browser of a person who is logged in.
    cookies: String,
    /// A public application, whose refresh tokens rotate.
    public: String,
    /// One of the operator's own, which logs people in by itself.
    own: (String, String),
    /// One that sets passwords.
    admin: (String, String),
    /// The people whose passwords are set, by id.
    people: Vec<String>,
    grants: Arc<Mutex<Vec<Grant>>>,
    /// Codes that were presented without an answer.
    doubtful_codes: Arc<Mutex<Vec<String>>>,
    /// How many steps were acknowledged.
    pub acknowledged: Arc<AtomicUsize>,
    /// What was answered with 500.
    broken: Arc<Mutex<Vec<String>>>,
}

/// What the ledger needs of the server's configuration.
pub const CONFIGURATION: &str = "[limits]\nenabled = false\n[password]\nmemory_kib = 7168\niterations = 1\n";

impl Ledger {
    /// Registers people and applications, and logs somebody in.
    pub async fn open(server: &Server) -> Self {
        server.person();
        let (public, _) = server.client(&["--name", "Single Page", "--public", "--first-party", "--redirect-uri", REDIRECT_URI]);
        let own = server.client(&["--name", "Own", "--first-party", "--redirect-uri", REDIRECT_URI]);
        let audience = format!("{}/api/v1", server.issuer);
        let admin = server.client(&["--name", "Admin", "--service", "--audience", &audience, "--scope", "users:write"]);
        let people = (0..CLIENTS).map(|number| {
            let created = server.cli_with(&["--json", "user", "create", &person(number), "--password-stdin"], PERSON.1).json();
            created["id"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned()
        });
        let people = people.collect();
        let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().timeout(Duration::from_secs(10)).build();
        let mut ledger = Self {
            issuer: server.issuer.clone(),
            http: http.expect("HTTP client"),
            cookies: String::new(),
            public,
            own,
            admin,
            people,
            grants: Arc::default(),
            doubtful_codes: Arc::default(),
            acknowledged: Arc::default(),
            broken: Arc::default(),
        };
        let mut browser = Person::new();
        browser.visit(ledger.authorization()).await;
        ledger.cookies = browser.cookies();
        ledger
    }

    fn authorization(&self) -> Url {
        let params = [
            ("response_type", "code"),
            ("client_id", &self.public),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid offline_access"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        Url::parse_with_params(&format!("{}/authorize", self.issuer), params).expect("a URL")
    }

    /// The status and the body; `None` where there was no answer.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
        let answer = request.send().await.ok()?;
        let (status, url) = (answer.status().as_u16(), answer.url().path().to_owned());
        let body = answer.text().await.ok()?;
        if status == 500 {
            self.broken.lock().unwrap().push(format!("{url}: {body}"));
        }
        Some((status, serde_json::from_str(&body).unwrap_or_default()))
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Option<(u16, Value)> {
        let fields = [&[("client_id", self.public.as_str())], fields].concat();
        self.ask(self.http.post(format!("{}/token", self.issuer)).form(&fields)).await
    }

    async fn redeem(&self, code: &str) -> Option<(u16, Value)> {
        let fields =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER)];
        self.token(&fields).await
    }

    async fn refresh(&self, token: &str) -> Option<(u16, Value)> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Whether an access token counts.
    async fn counts(&self, access: &str) -> bool {
        let answer = self.ask(self.http.get(format!("{}/userinfo", self.issuer)).bearer_auth(access)).await;
        match answer.expect("the server answers").0 {
            200 => true,
            401 => false,
            status => panic!("userinfo: {status}"),
        }
    }

    /// One client, until it is told to stop.
    async fn work(self, number: usize, stop: Arc<AtomicBool>) {
        let mut round = number;
        while !stop.load(Ordering::SeqCst) {
            round += 1;
            let done = if round % 5 == 4 { self.password(number, round).await } else { self.flow(round).await };
            if done.is_some() {
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
            } else {
                // The server is gone, or its database.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// A code, its tokens, a refresh, and sometimes a revocation. `None`: there was no answer, or not the one that was hoped for.
    async fn flow(&self, round: usize) -> Option<()> {
        let request = self.http.get(self.authorization()).header(COOKIE, &self.cookies);
        let answer = request.send().await.ok()?;
        let location = answer.headers().get(LOCATION)?.to_str().ok()?.to_owned();
        let location = Url::parse(&location).ok()?;
        let code = location.query_pairs().find(|(name, _)| name == "code")?.1.into_owned();
        let Some((200, tokens)) = self.redeem(&code).await else {
            self.doubtful_codes.lock().unwrap().push(code);
            return None;
        };
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        let grant = Grant { code, access, refresh: vec![refresh.clone()], ..Grant::default() };
        let place = {
            let mut grants = self.grants.lock().unwrap();
            grants.push(grant);
            grants.len() - 1
        };
        let note = |change: &dyn Fn(&mut Grant)| change(&mut self.grants.lock().unwrap()[place]);
        if round.is_multiple_of(2) {
            note(&|grant| grant.in_doubt = true);
            let (200, tokens) = self.refresh(&refresh).await? else { return None };
            note(&|grant| {
                grant.in_doubt = false;
                grant.access = text(&tokens, "access_token");
                grant.refresh.push(text(&tokens, "refresh_token"));
            });
        }
        if round.is_multiple_of(3) {
            let token = self.grants.lock().unwrap()[place].refresh.last().cloned()?;
            note(&|grant| grant.ending = true);
            let fields = [("client_id", self.public.as_str()), ("token", &token)];
            let (200, _) = self.ask(self.http.post(format!("{}/revoke", self.issuer)).form(&fields)).await? else { return None };
            note(&|grant| grant.ended = true);
        }
        Some(())
    }

    /// Somebody logs in without a browser, and has their password set: everything that they had ends.
    async fn password(&self, number: usize, round: usize) -> Option<()> {
        let new = |round: usize| format!("{} {}", PERSON.1, round % 2);
        let set = json!({ "password": new(round) });
        let admin = self.http.post(format!("{}/token", self.issuer)).basic_auth(&self.admin.0, Some(&self.admin.1));
        let (200, admin) = self.ask(admin.form(&[("grant_type", "client_credentials")])).await? else { return None };
        let request = self.http.put(format!("{}/api/v1/admin/users/{}/password", self.issuer, self.people[number]));
        let (204, _) = self.ask(request.bearer_auth(text(&admin, "access_token")).json(&set)).await? else { return None };
        let login = self.http.post(format!("{}/api/v1/auth/login", self.issuer)).basic_auth(&self.own.0, Some(&self.own.1));
        let login = login.json(&json!({ "username": person(number), "password": new(round) }));
        let (200, tokens) = self.ask(login).await? else { return None };
        let grant = Grant { access: text(&tokens, "access_token"), ending: true, ..Grant::default() };
        let place = {
            let mut grants = self.grants.lock().unwrap();
            grants.push(grant);
            grants.len() - 1
        };
        let set = json!({ "password": new(round + 1) });
        let request = self.http.put(format!("{}/api/v1/admin/users/{}/password", self.issuer, self.people[number]));
        let (204, _) = self.ask(request.bearer_auth(text(&admin, "access_token")).json(&set)).await? else { return None };
        self.grants.lock().unwrap()[place].ended = true;
        Some(())
    }

    /// Lets the clients work, does `harm` after a while, and waits until they have noticed.
    pub async fn while_working<T>(&self, at_least: usize, harm: impl AsyncFnOnce() -> T) -> T {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            clients.spawn(self.clone().work(number, Arc::clone(&stop)));
        }
        let (goal, end) = (self.acknowledged.load(Ordering::SeqCst) + at_least, Instant::now() + Duration::from_secs(30));
        while self.acknowledged.load(Ordering::SeqCst) < goal {
            assert!(Instant::now() < end, "the clients get nowhere: {:?}", self.broken.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let result = harm().await;
        stop.store(true, Ordering::SeqCst);
        while let Some(ended) = clients.join_next().await {
            ended.expect("a client ends");
        }
        result
    }

    /// Holds the newest of what was acknowledged against the server, and forgets it.
    pub async fn holds(&self) {
        let mut grants: Vec<Grant> = std::mem::take(&mut *self.grants.lock().unwrap());
        let newest = grants.split_off(grants.len().saturating_sub(24));
        for grant in newest {
            if grant.ended {
                assert!(!self.counts(&grant.access).await, "an acknowledged end did not hold: {grant:?}");
            } else if !grant.ending {
                // The access token of a refresh that nobody knows of may have died for its successor.
                assert!(grant.in_doubt || self.counts(&grant.access).await, "an acknowledged token is worth nothing: {grant:?}");
            }
            let Some(last) = grant.refresh.last() else { continue };
            if grant.ending && !grant.ended {
                continue;
            }
            let (status, _) = self.refresh(last).await.expect("the server answers");
            assert_eq!(status, if grant.ended { 400 } else { 200 }, "{grant:?}");
            if !grant.ended {
                let (status, body) = self.redeem(&grant.code).await.expect("the server answers");
                assert_eq!((status, text(&body, "error").as_str()), (400, "invalid_grant"), "a code counted twice");
                assert!(!self.counts(&grant.access).await, "the replay of a code left its token alive");
            }
        }
        let codes = std::mem::take(&mut *self.doubtful_codes.lock().unwrap());
        for code in codes {
            let once = self.redeem(&code).await.expect("the server answers");
            let twice = self.redeem(&code).await.expect("the server answers");
            assert!(once.0 == 200 || (once.0, text(&once.1, "error").as_str()) == (400, "invalid_grant"), "{once:?}");
            assert_eq!((twice.0, text(&twice.1, "error").as_str()), (400, "invalid_grant"), "a code counted twice");
        }
        assert_eq!(*self.broken.lock().unwrap(), Vec::<String>::new(), "answers with 500");
    }
}

fn person(number: usize) -> String {
    format!("person{number}")
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}
