//! Somebody who guesses passwords, from as many addresses as it takes.

use std::time::Duration;

use ostiary::config::Config;
use ostiary::storage::login_failures::{self, LoginFailures};
use ostiary::storage::users::User;
use sha2::{Digest, Sha256};

use crate::support::browser::{Answer, Browser, Form};
use crate::support::database::TestDatabase;
use crate::support::server::TestServer;

/// A server with its limits on, and proofs of work that take no time.
pub async fn limited(database: TestDatabase) -> TestServer {
    limited_with(database, |_| {}).await
}

pub async fn limited_with(database: TestDatabase, change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(database, |config| {
        config.limits.enabled = true;
        config.limits.proof_of_work_bits = 4;
        change(config);
    })
    .await
}

/// The address of the numbered attacker.
pub fn address(number: u32) -> String {
    format!("198.18.{}.{}", number / 250, number % 250 + 1)
}

/// The number that solves a challenge.
pub fn solve(challenge: &str) -> String {
    let bits: usize = challenge.split('.').nth(2).expect("bits").parse().expect("a number");
    let is_solution = |number: &u64| {
        let hash = Sha256::digest(format!("{challenge}.{number}"));
        (0..bits).all(|bit| hash[bit / 8] & (0x80 >> (bit % 8)) == 0)
    };
    (0..1_000_000).find(is_solution).expect("a solution").to_string()
}

pub fn is_challenge(answer: &Answer) -> bool {
    answer.status == 422
        && answer.body.contains("name=\"challenge\"")
        && !answer.body.contains("The sign-in name or the password is wrong")
}

pub fn is_refused(answer: &Answer) -> bool {
    answer.status == 422 && answer.body.contains("The sign-in name or the password is wrong")
}

pub fn is_in(answer: &Answer) -> bool {
    answer.status == 303
        && answer.headers.get_all("set-cookie").iter().any(|cookie| cookie.to_str().unwrap().starts_with("__Host-sid="))
}

/// One browser at the login page.
pub struct Visitor {
    pub browser: Browser,
    pub form: Form,
}

impl Visitor {
    pub async fn new(server: &TestServer, address: &str) -> Self {
        let mut browser = server.browser().at(address);
        let form = browser.get("/login").await.form();
        Self { browser, form }
    }

    /// The same browser somewhere else.
    pub fn moved(&mut self, address: &str) -> &mut Self {
        self.browser.address = Some(address.parse().unwrap());
        self
    }

    /// Sends the form as it is.
    pub async fn try_once(&mut self, name: &str, password: &str) -> Answer {
        let form = self.form.clone().set("username", name).set("password", password);
        self.browser.post("/login", &form.fields).await
    }

    /// Sends the form, and when a proof of work is asked for, once more with it.
    pub async fn try_hard(&mut self, name: &str, password: &str) -> Answer {
        let answer = self.try_once(name, password).await;
        if !is_challenge(&answer) {
            return answer;
        }
        let form = answer.form();
        let solution = solve(form.field("challenge"));
        let form = form.set("username", name).set("password", password).set("solution", &solution);
        self.browser.post("/login", &form.fields).await
    }
}

/// Wrong passwords, each from another address, with whatever work is asked for.
pub async fn attack(server: &TestServer, name: &str, addresses: std::ops::Range<u32>) -> Vec<Answer> {
    let mut visitor = Visitor::new(server, &address(addresses.start)).await;
    let mut answers = Vec::new();
    for number in addresses {
        answers.push(visitor.moved(&address(number)).try_hard(name, "wrong password").await);
    }
    server.state.guard.write_failures().await.expect("written");
    answers
}

/// What one attempt costs in waiting.
pub async fn waiting(server: &TestServer, attempt: impl Future<Output = Answer>) -> (Answer, Duration) {
    let before = server.clock.slept();
    let answer = attempt.await;
    (answer, server.clock.slept().saturating_sub(before))
}

/// The row of an account.
pub async fn row(server: &TestServer, user: Option<&User>, name: &str) -> Option<LoginFailures> {
    server.state.guard.write_failures().await.expect("written");
    let key = server.state.guard.account_key(user.map(|user| &user.id), name);
    login_failures::by_key(&mut server.state.db.read().await.unwrap(), &key).await.unwrap()
}

/// Whether the audit log says so.
pub async fn recorded(server: &TestServer, kind: &str, reason: &str) -> bool {
    server.audit().await.iter().any(|entry| entry.kind == kind && entry.reason.as_deref() == Some(reason))
}
