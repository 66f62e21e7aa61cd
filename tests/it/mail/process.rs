//! Mail over the death of the server.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ostiary::clock::Clock;
use ostiary::config::{Config, DatabaseConfig};
use ostiary::keys::master::MasterKey;
use ostiary::keys::root::Root;
use ostiary::outbound::mail::{Outbox, enqueue};
use ostiary::storage::db::{DatabaseTarget, Db};
use ostiary::storage::outbox;

use super::{CODE, every_message, mail_to};
use crate::program::Program;
use crate::support::mailbox::{Mailbox, Reserved};

fn serve(program: &Program) -> Child {
    let log = File::options().create(true).append(true).open(program.folder().join("log")).expect("a file");
    let mut command = program.command(&["serve"]);
    command.env("OSTIARY_LOG__FILTER", "trace").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("the program starts")
}

async fn wait_until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// behaviours: "mail server down/slow … outbox retry; token never logged".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn a_mail_outlives_a_server_that_was_killed_while_it_sent_it() {
    let reserved = Reserved::new();
    let (silent, mail_port) = (reserved.silent(), reserved.port());
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let program = Program::new();
    let configuration = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\nissuer = \"http://localhost:{port}\"\n\
         [mail]\ntransport = \"smtp\"\nfrom = \"no-reply@example.org\"\nhost = \"127.0.0.1\"\nport = {mail_port}\ntls = \"none\"\ntimeout = 2\n"
    );
    fs::write(program.folder().join("ostiary.toml"), configuration).expect("written");
    let mut child = serve(&program);
    let data = program.folder().join("data");
    wait_until("the server is ready", async || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;

    let master = MasterKey::load_or_create(&data.join("master.key")).expect("a key");
    let database = DatabaseConfig { acquire_timeout: 10, ..DatabaseConfig::default() };
    let db = Db::open(&DatabaseTarget::Sqlite(data.join("ostiary.db")), &database).await.expect("a database");
    let mut config = Config::default();
    config.mail.transport = ostiary::config::MailTransport::Smtp;
    let clock = Clock::system();
    let root = Root::open(&db, &master, clock.now()).await.expect("the server's");
    let sealed = Outbox::new(&root, &config.mail);
    let mail = mail_to("ada.lovelace@example.org", every_message().remove(0));
    db.write(async |tx| enqueue(tx, &sealed, &mail, clock.now()).await).await.expect("stored");

    // Another process wrote it; the server takes it all the same, and gets no answer.
    let claimed = async || outbox::due(&mut db.read().await.unwrap(), clock.now(), 1).await.unwrap().is_empty();
    wait_until("the server has claimed the mail", claimed).await;
    child.kill().expect("killed");
    child.wait().expect("ended");
    drop(silent);

    let mailbox = Mailbox::start_at(&reserved);
    let mut child = serve(&program);
    let received = mailbox.next_to("ada.lovelace@example.org");
    assert_eq!(Mailbox::code_in(&received), CODE);
    let sent = async || outbox::count(&mut db.read().await.unwrap()).await.unwrap() == 0;
    wait_until("the mail is out of the outbox", sent).await;
    child.kill().expect("killed");
    child.wait().expect("ended");

    let log = fs::read_to_string(program.folder().join("log")).expect("a log");
    assert!(log.contains("mail sent") && log.contains("a…@example.org"), "{log}");
    assert!(!log.contains(CODE) && !log.contains("lovelace"), "neither code nor address is logged: {log}");
}
