//! More logins than there is memory for (behaviours 2, "Argon2 flood").

use std::fs;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder};
use serde_json::json;

use super::all;
use crate::process::{PERSON, REDIRECT_URI, Server, started_by};
use crate::program::Program;

const LOGINS: usize = 300;

/// 512 MiB of address space. Each arena of the allocator reserves 64 MiB of it; deployments set as many (docs/deployment.md).
const LIMITED: &str = "ulimit -v 524288 && MALLOC_ARENA_MAX=2 exec \"$@\"";

/// What the process has had in memory at most, in KiB.
fn most_memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// The status, whether it says when to come back, and how long it took.
async fn ask(request: RequestBuilder) -> (u16, bool, Duration) {
    let began = Instant::now();
    let answer = request.send().await.expect("an answer");
    let (status, later) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    answer.bytes().await.expect("a body");
    (status, later, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_logins_takes_the_memory_of_a_few_and_keeps_nobody_else_waiting() {
    let mut server = Server::start_with(Program::new(), "[limits]\nenabled = false\n[password]\nmax_concurrent = 2\n");
    server.person();
    let own = server.client(&["--name", "Own", "--first-party", "--redirect-uri", REDIRECT_URI]);
    let service = server.client(&["--name", "Service", "--service"]);
    // With a limit of the operating system too: an allocation that fails would end the process.
    server.restart_as(|command| started_by(&["sh", "-c", LIMITED, "sh"], &command));
    let http = Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().expect("a client");
    let login = || {
        let request = http.post(format!("{}/api/v1/auth/login", server.issuer)).basic_auth(&own.0, Some(&own.1));
        request.json(&json!({ "username": PERSON.0, "password": PERSON.1 }))
    };
    let token = || {
        let request = http.post(format!("{}/token", server.issuer)).basic_auth(&service.0, Some(&service.1));
        request.form(&[("grant_type", "client_credentials")])
    };
    // What one login takes stands in it.
    assert_eq!(ask(login()).await.0, 200);
    let one = most_memory(&server);

    let flood = all((0..LOGINS).map(|_| ask(login())));
    let others = async {
        let mut times = Vec::new();
        for _ in 0..50 {
            let (status, _, time) = ask(token()).await;
            assert_eq!(status, 200);
            times.push(time);
        }
        times.sort_unstable();
        times
    };
    let (logins, times) = tokio::join!(flood, others);
    let let_in = logins.iter().filter(|(status, ..)| *status == 200).count();
    assert!(let_in >= 2, "{let_in} were let in");
    assert!(let_in < LOGINS, "nobody was sent away");
    for (status, later, _) in logins.iter().filter(|(status, ..)| *status != 200) {
        assert_eq!((*status, *later), (503, true));
    }
    let most = most_memory(&server);
    // One more at once (password.memory_kib), and what hundreds of requests take.
    assert!(most < one + 19_456 + 65_536, "{one} KiB before, {most} KiB after");
    assert!(times[45] < Duration::from_millis(200), "nine of ten others waited up to {:?}", times[45]);
}
