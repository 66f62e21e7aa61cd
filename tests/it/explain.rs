//! Explaining refusals: the tables of checks, and what is kept of a refused request.

mod bounds;
mod everywhere;
mod order;
mod refusals;
mod secrets;
mod tables;

use ostiary::storage::db::DatabaseTarget;
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::api::persona::Caller;
use crate::program::Program;
use crate::support::browser::Answer;
use crate::support::server::TestServer;

/// What the API says about a request.
async fn explained(server: &TestServer, answer: &Answer) -> Value {
    let said = Caller::service(server, "audit:read").await.get(&format!("/admin/explain/{}", answer.trace_id())).await;
    assert_eq!(said.status, 200, "{answer:#?} is explained by {said:#?}");
    said.json()
}

/// The check that failed: its name, and what it saw.
#[track_caller]
fn failed(explanation: &Value) -> (String, Vec<(String, String)>) {
    let checks = explanation["checks"].as_array().expect("checks");
    let failed: Vec<&Value> = checks.iter().filter(|check| check["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{explanation:#}");
    assert!(failed[0]["needs"].is_string(), "{explanation:#}");
    let name = failed[0]["check"].as_str().expect("a name").to_owned();
    (name, seen(explanation, failed[0]["check"].as_str().unwrap_or_default()))
}

/// What the check of this name saw.
fn seen(explanation: &Value, check: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = explanation["checks"].as_array().expect("checks");
    let saw = checks.iter().filter(|one| one["check"] == check).filter_map(|one| one["saw"].as_array());
    saw.flatten().map(|seen| (text(&seen["name"]), text(&seen["value"]))).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The program, on the database of a server that runs.
struct Beside(Program, String);

impl Beside {
    fn new(server: &TestServer) -> Self {
        let url = match server.target() {
            DatabaseTarget::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseTarget::Postgres(url) => url.expose_secret().to_owned(),
        };
        Self(Program::new(), url)
    }

    fn explain(&self, arguments: &[&str]) -> crate::program::Run {
        let mut command = self.0.command(&[&["explain"], arguments].concat());
        command.env("OSTIARY_DATABASE__URL", &self.1).env("OSTIARY_MASTER_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        command.output().expect("the program runs").into()
    }
}
