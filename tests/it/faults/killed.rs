//! Processes that are killed while clients work (behaviours 2, "kill -9 server", "kill -9 Postgres", "crash between consume and
//! insert").

use std::time::{Duration, Instant};

use super::ledger::{CONFIGURATION, Ledger};
use crate::process::Server;
use crate::program::Program;
use crate::support::cluster::Cluster;
use crate::support::postgres;
use crate::support::proxy::Proxy;

/// How long a server may take to be back.
const BOOT: Duration = Duration::from_secs(5);

/// Kills the server as often as the environment says, or for twenty seconds.
async fn kill_again_and_again(more: &str) {
    let kills: Option<u32> = std::env::var("OSTIARY_TEST_KILLS").ok().map(|text| text.parse().expect("a number of kills"));
    let mut server = Server::start_with(Program::new(), &format!("{CONFIGURATION}{more}"));
    let ledger = Ledger::open(&server).await;
    let (began, mut killed) = (Instant::now(), 0_u32);
    while kills.map_or(began.elapsed() < Duration::from_secs(20), |kills| killed < kills) {
        // Each time at another moment of what goes on.
        let moment = Duration::from_micros(u64::from(killed).wrapping_mul(7_919) % 40_000);
        let boot = ledger.while_working(10, async || {
            tokio::time::sleep(moment).await;
            let restart = Instant::now();
            tokio::task::block_in_place(|| server.kill_and_restart());
            restart.elapsed()
        });
        let boot = boot.await;
        assert!(boot < BOOT, "the server took {boot:?} to be back");
        killed += 1;
        ledger.holds().await;
    }
    assert!(killed >= 3, "it was killed {killed} times");
    let found = server.cli(&["--json", "audit", "verify"]).json();
    assert_eq!(found["intact"], true, "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_holds_however_often_the_server_is_killed_on_sqlite() {
    kill_again_and_again("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn what_was_acknowledged_holds_however_often_the_server_is_killed_on_postgresql() {
    let database = postgres::Database::create("killed_servers", "template0").await;
    kill_again_and_again(&format!("[database]\nurl = \"{}\"\n", database.url())).await;
}

/// `pg_ctl stop -m immediate` under load: nothing that was acknowledged is lost, and the server finds the database again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn what_was_acknowledged_holds_when_postgresql_crashes_and_the_server_finds_it_again() {
    let mut cluster = tokio::task::block_in_place(Cluster::start);
    let server = Server::start_with(Program::new(), &format!("{CONFIGURATION}[database]\nurl = \"{}\"\n", cluster.url()));
    let ledger = Ledger::open(&server).await;
    for _ in 0..3 {
        ledger
            .while_working(20, async || {
                tokio::task::block_in_place(|| {
                    cluster.stop_at_once();
                    cluster.start_again();
                });
                is_ready_within(&server, Duration::from_secs(5)).await;
            })
            .await;
        ledger.holds().await;
    }
    let found = server.cli(&["--json", "audit", "verify"]).json();
    assert_eq!(found["intact"], true, "{found}");
}

/// The same of the line to it: cut in the middle of whatever goes on, and whole again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn what_was_acknowledged_holds_when_the_line_to_postgresql_is_cut_again_and_again() {
    let database = postgres::Database::create("cut_lines", "template0").await;
    let proxy = Proxy::to(postgres::Database::socket()).await;
    let url = format!("postgres://ostiary@127.0.0.1:{}/{}", proxy.port, database.name());
    let server = Server::start_with(Program::new(), &format!("{CONFIGURATION}[database]\nurl = \"{url}\"\n"));
    let ledger = Ledger::open(&server).await;
    for _ in 0..8 {
        ledger
            .while_working(10, async || {
                proxy.cut();
                tokio::time::sleep(Duration::from_millis(30)).await;
                proxy.pass();
                is_ready_within(&server, Duration::from_secs(5)).await;
            })
            .await;
        ledger.holds().await;
    }
}

async fn is_ready_within(server: &Server, most: Duration) {
    let began = Instant::now();
    let url = format!("{}/health/ready", server.issuer);
    while reqwest::get(&url).await.expect("the server lives").status() != 200 {
        assert!(began.elapsed() < most, "not ready after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
