//! What a request costs, in instructions: a figure that does not depend on how busy the machine is (within a few in a hundred). They
//! are those of the unoptimised program, so they say nothing about its speed; that one of them grows says that more is done.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use url::Url;

use crate::clients::person::Person;
use crate::process::{REDIRECT_URI, Server, started_by};
use crate::program::Program;
use crate::support::flow::{CHALLENGE, VERIFIER};

/// What each cost when this was last looked at.
const BUDGET: &str = "tests/it/costs.txt";

const HEAD: &str = "\
# Instructions for one of each, of the unoptimised program: `OSTIARY_UPDATE_COSTS=1 scripts/test costs_what_it_did` writes them anew.
# A commit that makes one of them grow by more than a tenth says why.
";

/// Requests before it is counted, so that caches are full and statements are prepared; requests that are; and how often. The least
/// counts: what the server does by itself meanwhile is counted too.
const WARM: usize = 5;
const COUNTED: u64 = 10;
const ROUNDS: usize = 4;

/// How far from its budget each may be, in hundredths. What costs a third less should be kept so.
const MOST: u64 = 110;
const LEAST: u64 = 67;

/// In the place of the program, whose name is the first argument, this one; it counts from when it is told to.
const VALGRIND: &str =
    r#"shift; exec valgrind --quiet --tool=callgrind --instr-atstart=no --callgrind-out-file=callgrind "$0" "$@""#;

struct Counted {
    server: Server,
    dumps: usize,
    costs: BTreeMap<&'static str, u64>,
}

impl Counted {
    fn control(&self, argument: &str) {
        let output = Command::new("callgrind_control").arg(argument).arg(self.server.id().to_string()).output();
        let output = output.expect("callgrind_control can't be run; run scripts/test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What was counted since the last time.
    fn dump(&mut self) -> u64 {
        self.control("--dump");
        self.dumps += 1;
        let file = self.server.folder().join(format!("callgrind.{}", self.dumps));
        let text = fs::read_to_string(&file).expect("what was counted");
        let totals = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a sum");
        totals.trim().parse().expect("a number")
    }

    async fn count(&mut self, what: &'static str, once: &mut impl AsyncFnMut()) {
        for _ in 0..WARM {
            once().await;
        }
        self.dump();
        let mut least = u64::MAX;
        for _ in 0..ROUNDS {
            for _ in 0..COUNTED {
                once().await;
            }
            least = least.min(self.dump());
        }
        self.costs.insert(what, least / COUNTED);
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.issuer)
    }

    async fn count_request(&mut self, what: &'static str, request: RequestBuilder) {
        let mut once = async || {
            let answer = request.try_clone().expect("a body that can be sent again").send().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{what}");
            answer.bytes().await.expect("a body");
        };
        self.count(what, &mut once).await;
    }
}

async fn tokens(http: &Client, url: &str, client: &(String, String), form: &[(&str, &str)]) -> Value {
    let answer = http.post(url).basic_auth(&client.0, Some(&client.1)).form(form).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.json().await.expect("JSON")
}

/// A program without what only debuggers read: it starts in a second instead of twenty.
fn stripped(folder: &Path) -> PathBuf {
    let program = folder.join("ostiary");
    let status = Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_ostiary")).status();
    assert!(status.expect("strip can't be run; run scripts/test").success());
    program
}

async fn count() -> BTreeMap<&'static str, u64> {
    let mut server = Server::start_with(Program::new(), "[limits]\nenabled = false\n");
    server.person();
    let service = server.client(&["--name", "Service", "--service", "--audience", "https://api.example"]);
    let opaque = server.client(&["--name", "Opaque", "--service", "--opaque"]);
    let web = server.client(&["--name", "Web", "--redirect-uri", REDIRECT_URI]);
    let page = server.client(&["--name", "Page", "--public", "--redirect-uri", REDIRECT_URI]);
    let program = stripped(server.folder());
    let program = program.to_str().expect("UTF-8");
    server.restart_as(|command| started_by(&["sh", "-c", VALGRIND, program], &command));

    let http = Client::builder().no_proxy().build().expect("HTTP client");
    let mut counted = Counted { server, dumps: 0, costs: BTreeMap::new() };
    counted.control("--instr=on");
    let token_url = counted.url("/token");
    let grant = [("grant_type", "client_credentials")];

    let mut person = Person::new();
    let scope = "openid offline_access";
    let authorization = |client: &str| {
        let params = [
            ("client_id", client),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", scope),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        Url::parse_with_params(&counted.url("/authorize"), params).expect("a URL")
    };
    let (of_web, of_page) = (authorization(&web.0), authorization(&page.0));
    let redeem = async |person: &mut Person, url: &Url, client: &(String, String)| {
        let back = person.visit(url.clone()).await;
        let code = back.query_pairs().find_map(|(name, value)| (name == "code").then(|| value.into_owned())).expect("a code");
        let form =
            [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER)];
        let request = http.post(&token_url);
        let (request, id) = if client.1.is_empty() {
            (request, vec![("client_id", client.0.as_str())])
        } else {
            (request.basic_auth(&client.0, Some(&client.1)), Vec::new())
        };
        let answer = request.form(&[&form[..], &id].concat()).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.json::<Value>().await.expect("JSON")
    };
    counted.count("code flow", &mut async || drop(redeem(&mut person, &of_web, &web).await)).await;

    let mut newest = redeem(&mut person, &of_page, &page).await["refresh_token"].as_str().expect("a token").to_owned();
    let mut rotate = async || {
        let form = [("grant_type", "refresh_token"), ("refresh_token", newest.as_str()), ("client_id", &page.0)];
        let answer = http.post(&token_url).form(&form).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        newest = answer.json::<Value>().await.expect("JSON")["refresh_token"].as_str().expect("a token").to_owned();
    };
    counted.count("refresh, rotating", &mut rotate).await;

    // Last what costs little: on a busy machine, what a server does in its first seconds would be half of that.
    let discovery = http.get(counted.url("/.well-known/openid-configuration"));
    counted.count_request("discovery", discovery).await;
    let jwks = http.get(counted.url("/jwks"));
    counted.count_request("jwks", jwks).await;
    let credentials = http.post(&token_url).basic_auth(&service.0, Some(&service.1)).form(&grant);
    counted.count_request("client credentials", credentials).await;
    for (what, client) in [("introspection of a JWT", &service), ("introspection of an opaque token", &opaque)] {
        let token = tokens(&http, &token_url, client, &grant).await["access_token"].as_str().expect("a token").to_owned();
        let url = counted.url("/introspect");
        let introspection = http.post(url).basic_auth(&client.0, Some(&client.1)).form(&[("token", token)]);
        counted.count_request(what, introspection).await;
    }
    counted.costs
}

#[tokio::test]
#[ignore = "needs valgrind: scripts/test"]
async fn every_request_costs_what_it_did() {
    let costs = count().await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(BUDGET);
    if std::env::var_os("OSTIARY_UPDATE_COSTS").is_some() {
        let lines: Vec<_> = costs.iter().map(|(what, cost)| format!("{what}: {cost}\n")).collect();
        fs::write(&file, format!("{HEAD}{}", lines.concat())).expect("written");
        return;
    }
    let text = fs::read_to_string(&file).expect("the costs");
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once(": ").expect("a cost"));
    let budget: BTreeMap<&str, u64> = lines.map(|(what, cost)| (what, cost.parse().expect("a number"))).collect();
    assert!(budget.keys().eq(costs.keys()), "{budget:?} {costs:?}");
    let off = costs.iter().map(|(what, cost)| (what, cost, cost * 100 / budget[what]));
    let off: Vec<_> = off.filter(|(_, _, percent)| !(LEAST..=MOST).contains(percent)).collect();
    assert!(off.is_empty(), "{off:#?}\nif that is meant to be: OSTIARY_UPDATE_COSTS=1 scripts/test costs_what_it_did");
}
