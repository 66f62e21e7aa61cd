//! Nodes that count together, and what becomes of it when Redis is stopped, slow, emptied or restarted in mid-flood.

use std::process::Command;
use std::time::{Duration, Instant};

use ostiary::clock::Clock;
use ostiary::config::{Config, Rate, RedisConfig, RedisMode};
use ostiary::guard::buckets::Bucket;
use ostiary::guard::gcra::{self, Decision};
use ostiary::guard::limit::Action;
use ostiary::guard::shared::{Mode, Shared};
use ostiary::guard::{Guard, Subject};
use ostiary::keys::root::Root;

use super::attack::{Visitor, attack, is_refused, limited_with, row};
use crate::support::database::TestDatabase;
use crate::support::redis::{Redis, free_port};
use crate::support::server::{PASSWORD, START};

/// What a client may do at once; nothing flows back while a test lasts.
const BURST: u32 = 60;

/// One of the nodes.
struct Node {
    guard: Guard,
    clock: Clock,
    _database: TestDatabase,
}

impl Node {
    async fn new(redis: RedisConfig) -> Self {
        let database = TestDatabase::sqlite().await;
        let clock = Clock::fixed(START);
        let mut config = Config { redis, ..Config::default() };
        config.rates.token = Rate::new(BURST, 1, 3_600);
        let guard = Guard::new(&config, &Root::from_bytes([7; 32]), &database.db, &clock).expect("a guard");
        guard.connect().await;
        Self { guard, clock, _database: database }
    }

    async fn is_allowed(&self) -> bool {
        let subject = Subject::new("192.0.2.1".parse().unwrap()).client("web");
        self.guard.admit(Action::Token, &subject, self.clock.now()).await.is_allowed()
    }
}

async fn nodes(redis: &RedisConfig) -> [Node; 2] {
    let config = RedisConfig { expected_nodes: 2, ..redis.clone() };
    [Node::new(config.clone()).await, Node::new(config).await]
}

fn single(redis: &Redis) -> RedisConfig {
    RedisConfig { url: redis.url().into(), timeout_ms: 500, ..RedisConfig::default() }
}

/// As many requests, the nodes in turn: how many were let in.
async fn flood(nodes: &[Node], requests: usize) -> u32 {
    let mut allowed = 0;
    for number in 0..requests {
        allowed += u32::from(nodes[number % nodes.len()].is_allowed().await);
    }
    allowed
}

#[tokio::test]
#[ignore = "needs Redis: --include-ignored"]
async fn redis_decides_as_memory_does() {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let redis = Redis::start().await;
    let shared = Shared::new(&single(&redis), &[1; 32]).unwrap().expect("configured");
    assert!(shared.connect().await);
    // Intervals as short as a request takes: what flows back between two of them matters.
    let rates = (1..20_u32, 500..20_000_u32).prop_map(|(burst, count)| Rate::new(burst, count, 1));
    let mut runner = TestRunner::deterministic();
    for number in 0..60 {
        let rate = rates.new_tree(&mut runner).unwrap().current();
        let modes = prop::collection::vec(any::<bool>(), 1..60).new_tree(&mut runner).unwrap().current();
        let name = format!("bucket {number}");
        let bucket = Bucket::of("test", name.as_bytes());
        let mut full_at: Option<i64> = None;
        for takes in modes {
            let answer = shared.ask(bucket, rate, if takes { Mode::Take } else { Mode::Count }).await.expect("Redis answers");
            let before = full_at.map_or(0, |full_at| (full_at - answer.now).max(0));
            assert_eq!(answer.before, before, "{rate}");
            if takes {
                match (gcra::take(full_at, answer.now, rate), answer.after) {
                    (Decision::Allowed { full_at: next, .. }, Some(after)) => assert_eq!(next, answer.now + after, "{rate}"),
                    (Decision::Refused { .. }, None) => {}
                    (decision, after) => panic!("memory says {decision:?}, Redis {after:?}, of {rate}"),
                }
            } else {
                let (next, _) = gcra::count(full_at, answer.now, rate, rate.burst());
                assert_eq!(answer.after, Some(next - answer.now), "{rate}");
            }
            full_at = answer.after.map(|after| answer.now + after).or(full_at);
        }
    }
}

#[tokio::test]
#[ignore = "needs Redis: --include-ignored"]
async fn nodes_allow_together_what_one_would() {
    let redis = Redis::start().await;
    let nodes = nodes(&single(&redis)).await;
    assert_eq!(flood(&nodes, 400).await, BURST);
    // The one that comes late finds it taken.
    let late = Node::new(single(&redis)).await;
    assert!(!late.is_allowed().await);
}

#[tokio::test]
#[ignore = "needs Redis: --include-ignored"]
async fn without_redis_each_node_allows_its_share() {
    let mut redis = Redis::start().await;
    redis.stop();
    let nodes = nodes(&single(&redis)).await;
    assert_eq!(flood(&nodes, 400).await, BURST);
}

#[tokio::test]
#[ignore = "needs Redis: --include-ignored"]
async fn stopped_in_a_flood_no_more_than_twice_the_limit_gets_through() {
    let mut redis = Redis::start().await;
    let nodes = nodes(&single(&redis)).await;
    let mut allowed = flood(&nodes, 100).await;
    assert_eq!(allowed, BURST);
    redis.stop();
    allowed += flood(&nodes, 400).await;
    assert!(allowed <= 2 * BURST, "{allowed}");
}

#[tokio::test]
#[ignore = "needs Redis: --include-ignored"]
async fn restarted_in_a_flood_no_more_than_twice_the_limit_gets_through() {
    let mut redis = Redis::start().await;
    let nodes = nodes(&single(&redis)).await;
    let mut allowed = flood(&nodes, 30).await;
    redis.stop();
    allowed += flood(&nodes, 100).await;
    redis.resume().await;
    // Somebody looks for it again a second later.
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        allowed += flood(&nodes, 20).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(allowed <= 2 * BURST, "{allowed}");
    // They count together again: what one takes of a new bucket, the other finds taken.
    let subject = Subject::new("192.0.2.1".parse().unwrap()).client("other");
    let mut together = 0;
    for number in 0..200 {
        let node = &nodes[number % 2];
        together += u32::from(node.guard.admit(Action::Token, &subject, node.clock.now()).await.is_allowed());
    }
    assert_eq!(together, BURST);
}

#[tokio::test]
#[ignore = "needs Redis: --include-ignored"]
async fn emptied_in_a_flood_no_more_than_twice_the_limit_gets_through() {
    let redis = Redis::start().await;
    let nodes = nodes(&single(&redis)).await;
    let mut allowed = flood(&nodes, 100).await;
    for _ in 0..5 {
        redis.command(&["FLUSHALL"]).await;
        allowed += flood(&nodes, 200).await;
    }
    assert!(allowed <= 2 * BURST, "{allowed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: --include-ignored"]
async fn when_redis_is_slow_nobody_waits_for_it_and_nobody_gets_more() {
    let redis = Redis::start().await;
    let nodes = nodes(&RedisConfig { timeout_ms: 20, ..single(&redis) }).await;
    let mut allowed = flood(&nodes, 20).await;
    let sleeping = {
        let client = redis::Client::open(redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        connection.set_response_timeout(Duration::from_secs(10));
        tokio::spawn(async move { redis::cmd("DEBUG").arg("SLEEP").arg("3").exec_async(&mut connection).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    allowed += flood(&nodes, 400).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(allowed <= 2 * BURST, "{allowed}");
    sleeping.await.unwrap().expect("Redis slept");
}

async fn an_emptied_redis_frees_no_locked_password(database: TestDatabase) {
    let redis = Redis::start().await;
    let server = limited_with(database, |config| config.redis = single(&redis)).await;
    server.state.guard.connect().await;
    let anna = server.person("anna").await;
    attack(&server, "anna", 0..100).await;
    assert!(row(&server, Some(&anna), "").await.unwrap().locked_at.is_some());
    redis.command(&["FLUSHALL"]).await;
    let server = server.restarted().await;
    server.clock.advance(86_400);
    assert!(is_refused(&Visitor::new(&server, "192.0.2.9").await.try_hard("anna", PASSWORD).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: --include-ignored"]
async fn an_emptied_redis_frees_no_locked_password_on_sqlite() {
    an_emptied_redis_frees_no_locked_password(TestDatabase::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis and PostgreSQL: --include-ignored"]
async fn an_emptied_redis_frees_no_locked_password_on_postgres() {
    an_emptied_redis_frees_no_locked_password(TestDatabase::postgres().await).await;
}

#[tokio::test]
#[ignore = "needs Redis: --include-ignored"]
async fn a_cluster_does_as_well() {
    let redis = Redis::start_with(|_, _| vec!["--cluster-enabled".to_owned(), "yes".to_owned()]).await;
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    let config = RedisConfig { mode: RedisMode::Cluster, ..single(&redis) };
    let begun = Instant::now();
    // A cluster of one takes a moment to find itself complete.
    loop {
        let shared = Shared::new(&config, &[1; 32]).unwrap().unwrap();
        shared.connect().await;
        if shared.ask(Bucket::of("probe", b""), Rate::per(5, 60), Mode::Take).await.is_some() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "the cluster does not answer");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let nodes = nodes(&config).await;
    assert_eq!(flood(&nodes, 400).await, BURST);
}

#[tokio::test]
#[ignore = "needs Redis: --include-ignored"]
async fn sentinels_lead_to_the_master() {
    let master = Redis::start().await;
    let sentinel = Redis::start_with(|folder, port| {
        let file = folder.join("sentinel.conf");
        let text = format!("port {port}\nbind 127.0.0.1\nsentinel monitor keeper 127.0.0.1 {} 1\n", master.port);
        std::fs::write(&file, text).expect("written");
        vec![file.to_str().expect("UTF-8").to_owned(), "--sentinel".to_owned()]
    })
    .await;
    let config = RedisConfig { mode: RedisMode::Sentinel, sentinel_master: "keeper".to_owned(), ..single(&sentinel) };
    let nodes = nodes(&config).await;
    assert_eq!(flood(&nodes, 400).await, BURST);
    let late = Node::new(single(&master)).await;
    assert!(!late.is_allowed().await, "it is the master that they ask");
}

#[tokio::test]
#[ignore = "needs Redis: --include-ignored"]
async fn the_connection_may_be_encrypted_and_the_server_must_prove_itself() {
    let redis = Redis::start_with(|folder, _| {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .current_dir(folder)
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{made:?}");
        let tls_port = free_port().to_string();
        std::fs::write(folder.join("tls-port"), &tls_port).expect("written");
        let options =
            ["--tls-port", &tls_port, "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-auth-clients", "no"];
        options.map(str::to_owned).to_vec()
    })
    .await;
    let port = std::fs::read_to_string(redis.folder().join("tls-port")).unwrap();
    let url = format!("rediss://localhost:{port}");
    let trusting = RedisConfig { url: url.clone().into(), ca_file: redis.folder().join("cert.pem"), ..single(&redis) };
    let nodes = nodes(&trusting).await;
    assert_eq!(flood(&nodes, 400).await, BURST);
    let shared = Shared::new(&RedisConfig { url: url.into(), ..single(&redis) }, &[1; 32]).unwrap().unwrap();
    assert!(!shared.connect().await, "its certificate is nobody's");
}

#[test]
fn what_is_no_url_of_redis_is_refused_without_showing_it() {
    for url in ["redis://user:hunter2@:x", "redis://", "rediss://a:hunter2@b:99999"] {
        let config = RedisConfig { url: url.to_owned().into(), ..RedisConfig::default() };
        let error = Shared::new(&config, &[1; 32]).expect_err(url).to_string();
        assert!(error.contains("redis.url") && !error.contains("hunter2"), "{error}");
    }
}
