//! The log of the process: every line is one JSON object, whatever is sent (behaviours Y10).

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::Value;

use crate::program::Program;

#[tokio::test]
async fn every_line_is_json_with_time_level_and_target_and_hostile_input_begins_none() {
    let program = Program::new();
    let configuration =
        "[server]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\nfilter = \"ostiary=debug\"\nrequests = true\n";
    std::fs::write(program.folder().join("ostiary.toml"), configuration).expect("written");
    let mut command = program.command(&["--json", "serve"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut notice = String::new();
    BufReader::new(child.stdout.take().expect("standard output")).read_line(&mut notice).expect("readable");
    let notice: Value = serde_json::from_str(&notice).expect("JSON");
    let base = format!("http://{}", notice["listening"].as_str().expect("an address"));

    let evil = "a\r\n{\"level\":\"FAKE\"}\u{1b}[31m\u{2028}";
    let client = reqwest::Client::new();
    let form = [("client_id", evil), ("grant_type", evil), ("scope", evil)];
    let refused = client.post(format!("{base}/token")).form(&form).send().await.expect("an answer");
    let id = refused.headers()["x-request-id"].to_str().expect("ASCII").to_owned();
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("client_id", evil).append_pair("code", "hunter2").finish();
    client.get(format!("{base}/authorize?{query}")).header("user-agent", "\u{fe}\t").send().await.expect("an answer");
    client.get(format!("{base}/x%0d%0aFAKE%1b[31m")).send().await.expect("an answer");

    child.kill().expect("killed");
    let mut log = String::new();
    child.stderr.take().expect("standard error").read_to_string(&mut log).expect("UTF-8");
    child.wait().expect("ended");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    for line in &lines {
        for name in ["time", "level", "target", "message"] {
            assert!(line[name].is_string(), "{name} in {line}");
        }
        assert_ne!(line["level"], "FAKE");
    }
    assert!(!log.contains(['\u{1b}', '\u{2028}', '\r']) && !log.contains("hunter2"), "{log}");

    let requests: Vec<_> = lines.iter().filter(|line| line["target"] == "ostiary::requests").collect();
    assert_eq!(requests.len(), 3, "{log}");
    let fields = &requests[0]["fields"];
    assert_eq!((&requests[0]["trace_id"], &requests[0]["level"]), (&id.as_str().into(), &"INFO".into()));
    assert_eq!((&fields["method"], &fields["endpoint"]), (&"POST".into(), &"/token".into()));
    assert!(
        fields["status"].as_u64().is_some_and(|status| (400..500).contains(&status)) && fields["micros"].is_u64(),
        "{fields}"
    );
    assert_eq!(requests[2]["fields"]["endpoint"], "other");
}
