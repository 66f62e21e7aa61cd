//! What sends the mail, against a mail server that works, and one that doesn't (behaviours, "mail server down/slow").

use ostiary::config::{MailConfig, MailTls};
use ostiary::jobs::mail::{Parts, Postman};
use ostiary::outbound::mail::{Mail, Message, Sender, Transport, enqueue};
use ostiary::protocol::time::Seconds;
use ostiary::storage::outbox;
use tokio::sync::oneshot;

use super::{CODE, every_message, mail_to};
use crate::support::database::TestDatabase;
use crate::support::mailbox::{Mailbox, Reserved};
use crate::support::server::TestServer;

async fn start(config: &MailConfig) -> (TestServer, Postman) {
    start_on(TestDatabase::sqlite().await, config).await
}

async fn start_on(database: TestDatabase, config: &MailConfig) -> (TestServer, Postman) {
    let server = TestServer::start_with(database, |all| all.mail = config.clone()).await;
    let postman = postman(&server);
    (server, postman)
}

/// Another one on the same outbox: another node.
fn postman(server: &TestServer) -> Postman {
    let state = &server.state;
    Postman::new(Parts {
        db: state.db.clone(),
        clock: server.clock.clone(),
        outbox: state.outbox.clone(),
        transport: Transport::new(&state.config).unwrap().unwrap(),
        sender: Sender::new(&state.config).unwrap(),
        timeout: state.config.mail.timeout,
    })
}

async fn put(server: &TestServer, mail: &Mail) {
    let (state, now) = (&server.state, server.clock.now());
    state.db.write(async |tx| enqueue(tx, &state.outbox, mail, now).await).await.unwrap();
}

async fn put_to(server: &TestServer, addresses: &[&str]) {
    for address in addresses {
        put(server, &mail_to(address, Message::PasswordChanged)).await;
    }
}

/// How many mails wait to be sent.
async fn left(server: &TestServer) -> i64 {
    outbox::count(&mut server.state.db.read().await.unwrap()).await.unwrap()
}

/// `(type, mail, why)` of the events of mails.
async fn events(server: &TestServer) -> Vec<(String, String, String)> {
    let entries = server.audit().await.into_iter().filter(|entry| entry.kind.starts_with("mail."));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    entries.map(|entry| (entry.kind.clone(), text(&entry.details["mail"]), text(&entry.details["why"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn every_message_arrives_in_the_readers_language() {
    let mailbox = Mailbox::start();
    let (server, postman) = start(&mailbox.config()).await;
    for (number, message) in every_message().into_iter().enumerate() {
        let locale = Some(if number % 2 == 0 { "en" } else { "fr" }.to_owned());
        put(&server, &Mail { locale, ..mail_to(&format!("reader{number}@example.org"), message) }).await;
    }
    postman.round().await.unwrap();
    assert_eq!(left(&server).await, 0);
    let first = mailbox.next_to("reader0@example.org");
    assert_eq!(Mailbox::code_in(&first), CODE);
    assert_eq!((first.from.as_str(), first.subject.as_str()), ("no-reply@id.example", "Confirm your e-mail address"));
    assert_eq!(first.header("From"), Some("Example <no-reply@id.example>"));
    assert!(first.html.contains(CODE) && first.header("Message-ID").is_some());
    let second = mailbox.next_to("reader1@example.org");
    assert_eq!(second.subject, "Vous avez déjà un compte");
    assert!(second.text.contains("Quelqu’un, peut-être vous,"), "{}", second.text);
    assert_eq!(mailbox.waiting().len(), every_message().len() - 2);
    assert_eq!(events(&server).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn mail_goes_over_tls_after_a_login() {
    for tls in ["starttls", "tls"] {
        let mailbox = Mailbox::start_with(&["--tls", tls, "--login", "ostiary:correct horse"]);
        let login = |password: &str| MailConfig {
            username: "ostiary".to_owned(),
            password: password.to_owned().into(),
            ..mailbox.config()
        };
        let (server, postman) = start(&login("correct horse")).await;
        put_to(&server, &["ada@example.org", "bob@example.org"]).await;
        postman.round().await.unwrap();
        let mail = mailbox.next_to("ada@example.org");
        assert_eq!((mail.tls, mail.user.as_deref()), (true, Some("ostiary")), "{tls}");
        mailbox.next_to("bob@example.org");

        let (server, postman) = start(&login("wrong")).await;
        put_to(&server, &["ada@example.org"]).await;
        postman.round().await.unwrap();
        assert_eq!((left(&server).await, mailbox.waiting().len()), (1, 0), "the operator's mistake costs no mail");
        assert_eq!(events(&server).await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn nothing_is_sent_to_a_server_that_can_not_prove_who_it_is() {
    for tls in ["starttls", "tls"] {
        let impostor = Mailbox::start_with(&["--tls", tls, "--name", "mail.other.example"]);
        let stranger = Mailbox::start_with(&["--tls", tls]);
        // The certificate is for another name; it is of an authority that nobody trusts.
        for (mailbox, ca_file) in [(&impostor, impostor.config().ca_file), (&stranger, std::path::PathBuf::new())] {
            let (server, postman) = start(&MailConfig { ca_file, ..mailbox.config() }).await;
            put_to(&server, &["ada@example.org"]).await;
            postman.round().await.unwrap();
            assert_eq!((left(&server).await, mailbox.waiting().len()), (1, 0), "{tls}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn nothing_is_sent_in_the_clear_where_tls_is_wanted() {
    let mailbox = Mailbox::start();
    for tls in [MailTls::Starttls, MailTls::Tls] {
        let (server, postman) = start(&MailConfig { tls, timeout: 1, ..mailbox.config() }).await;
        put_to(&server, &["ada@example.org"]).await;
        postman.round().await.unwrap();
        assert_eq!((left(&server).await, mailbox.waiting().len()), (1, 0), "{tls:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn a_mail_that_is_refused_for_good_ends_with_an_event_and_the_others_are_sent() {
    let mailbox = Mailbox::start();
    let (server, postman) = start(&mailbox.config()).await;
    let ada = server.person("ada@example.org").await;
    put(&server, &Mail { user_id: Some(ada.id.clone()), ..mail_to("refused@example.org", Message::FactorsReset) }).await;
    put_to(&server, &["spam@example.org", "ada@example.org"]).await;
    postman.round().await.unwrap();
    mailbox.next_to("ada@example.org");
    assert_eq!(left(&server).await, 0);
    let mut recorded = events(&server).await;
    recorded.sort();
    let event = |mail: &str, why: &str| ("mail.refused".to_owned(), mail.to_owned(), why.to_owned());
    assert_eq!(recorded, [event("factors_reset", "recipient: 550"), event("password_changed", "content: 554")]);
    let about_ada = server.audit().await.into_iter().filter(|entry| entry.user_id.as_ref() == Some(&ada.id));
    assert_eq!(about_ada.map(|entry| entry.kind).collect::<Vec<_>>(), ["mail.refused"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn a_mail_that_the_server_wants_later_is_sent_later_and_once() {
    let mailbox = Mailbox::start();
    let (server, postman) = start(&mailbox.config()).await;
    put_to(&server, &["busy@example.org", "ada@example.org"]).await;
    let next = postman.round().await.unwrap().expect("a time for the next attempt");
    mailbox.next_to("ada@example.org");
    assert!(next > server.clock.now() && next <= server.clock.now() + Seconds(7), "{next:?}");
    server.clock.advance(4);
    postman.round().await.unwrap();
    assert_eq!(left(&server).await, 1, "not before its time");
    server.clock.advance(3);
    postman.round().await.unwrap();
    mailbox.next_to("busy@example.org");
    assert_eq!((left(&server).await, mailbox.waiting().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn a_dead_server_costs_one_attempt_a_while_and_no_mail() {
    let reserved = Reserved::new();
    let (server, postman) = start(&config_for(&reserved)).await;
    let addresses: Vec<_> = (0..20).map(|number| format!("reader{number}@example.org")).collect();
    put_to(&server, &addresses.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut attempts = Vec::new();
    for _ in 0..3 {
        let next = postman.round().await.unwrap().expect("a time for the next attempt");
        // Between the attempts nothing happens, however often somebody looks.
        assert_eq!(postman.round().await.unwrap(), Some(next));
        let pause = next.as_seconds() - server.clock.now().as_seconds();
        attempts.push(pause);
        server.clock.advance(pause);
    }
    assert_eq!(attempts, [5, 10, 20]);
    assert_eq!(left(&server).await, 20);

    let mailbox = Mailbox::start_at(&reserved);
    postman.round().await.unwrap();
    server.clock.advance(60);
    postman.round().await.unwrap();
    assert_eq!(left(&server).await, 0);
    mailbox.next_to("reader0@example.org");
    assert_eq!(mailbox.waiting().len(), 19);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn a_server_that_does_not_answer_in_time_is_left_and_the_mail_waits() {
    let mailbox = Mailbox::start();
    let (server, postman) = start(&MailConfig { timeout: 1, ..mailbox.config() }).await;
    put_to(&server, &["slow@example.org"]).await;
    postman.round().await.unwrap();
    assert_eq!(left(&server).await, 1);
    // The next mail has to wait for the pause alone.
    put_to(&server, &["ada@example.org"]).await;
    server.clock.advance(5);
    postman.round().await.unwrap();
    server.clock.advance(10);
    postman.round().await.unwrap();
    mailbox.next_to("ada@example.org");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn a_mail_whose_fate_is_unknown_is_sent_again_and_can_be_recognised() {
    let mailbox = Mailbox::start();
    let (server, postman) = start(&mailbox.config()).await;
    put_to(&server, &["dies@example.org"]).await;
    let id = outbox::due(&mut server.state.db.read().await.unwrap(), server.clock.now(), 1).await.unwrap().remove(0);
    postman.round().await.unwrap();
    assert_eq!((left(&server).await, mailbox.waiting().len()), (1, 0));
    server.clock.advance(7);
    postman.round().await.unwrap();
    let mail = mailbox.next_to("dies@example.org");
    assert_eq!(mail.header("Message-ID"), Some(format!("<{id}@id.example>").as_str()));
    assert_eq!(left(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_came_too_late_is_given_up_and_a_notice_is_not() {
    let reserved = Reserved::new();
    let (server, postman) = start(&config_for(&reserved)).await;
    put(&server, &mail_to("ada@example.org", every_message().remove(0))).await;
    put_to(&server, &["ada@example.org"]).await;
    postman.round().await.unwrap();
    server.clock.advance(599);
    postman.round().await.unwrap();
    assert_eq!((left(&server).await, events(&server).await), (2, vec![]));
    server.clock.advance(1);
    postman.round().await.unwrap();
    let given_up = ("mail.expired".to_owned(), "register_code".to_owned(), "expired".to_owned());
    assert_eq!((left(&server).await, events(&server).await), (1, vec![given_up]));
    server.clock.advance(3 * 86_400);
    postman.round().await.unwrap();
    assert_eq!((left(&server).await, events(&server).await.len()), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_no_writes_is_not_asked_in_circles() {
    let reserved = Reserved::new();
    let (server, postman) = start(&config_for(&reserved)).await;
    put_to(&server, &["ada@example.org"]).await;
    let full = "CREATE TRIGGER full BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END";
    server.state.db.write(async |tx| tx.query(full).execute().await).await.unwrap();
    let round = tokio::time::timeout(std::time::Duration::from_secs(10), postman.round()).await;
    assert!(round.expect("it comes back").is_err());
    assert_eq!(left(&server).await, 1);
}

/// For a mail server that is not there.
fn config_for(reserved: &Reserved) -> MailConfig {
    MailConfig {
        port: reserved.port(),
        tls: MailTls::None,
        transport: ostiary::config::MailTransport::Smtp,
        from: "no-reply@id.example".to_owned(),
        host: "127.0.0.1".to_owned(),
        ..MailConfig::default()
    }
}

async fn many_nodes_send_each_mail_once(database: TestDatabase) {
    let mailbox = Mailbox::start();
    let (server, first) = start_on(database, &mailbox.config()).await;
    let (second, third) = (postman(&server), postman(&server));
    let addresses: Vec<_> = (0..40).map(|number| format!("reader{number}@example.org")).collect();
    put_to(&server, &addresses.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (one, two, three) = tokio::join!(first.round(), second.round(), third.round());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(left(&server).await, 0);
    for address in &addresses {
        mailbox.next_to(address);
    }
    assert_eq!(mailbox.waiting(), Vec::<String>::new(), "each came once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn many_nodes_send_each_mail_once_with_sqlite() {
    Box::pin(many_nodes_send_each_mail_once(TestDatabase::sqlite().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages, and PostgreSQL: scripts/test"]
async fn many_nodes_send_each_mail_once_with_postgres() {
    Box::pin(many_nodes_send_each_mail_once(TestDatabase::postgres().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python and PyPI packages: scripts/test"]
async fn a_new_mail_wakes_the_postman_who_finishes_it_before_he_stops() {
    let mailbox = Mailbox::start();
    let (server, postman) = start(&mailbox.config()).await;
    let (stop, stops) = oneshot::channel::<()>();
    let running = tokio::spawn(postman.run(async {
        let _ = stops.await;
    }));
    for address in ["ada@example.org", "bob@example.org"] {
        put_to(&server, &[address]).await;
        // The clock stands still: nothing but the wake-up brings it there.
        mailbox.next_to(address);
    }
    drop(stop);
    running.await.unwrap();
    put_to(&server, &["late@example.org"]).await;
    assert_eq!(left(&server).await, 1, "for whoever starts next");
}
