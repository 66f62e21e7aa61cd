//! The outbox: nothing is lost, nothing is sent for something that did not happen, nothing is readable.

use ostiary::config::MailTransport;
use ostiary::config::Secret;
use ostiary::outbound::mail::{Mail, Message, enqueue};
use ostiary::protocol::email_address::EmailAddress;
use ostiary::protocol::time::Seconds;
use ostiary::storage::error::Error;
use ostiary::storage::outbox;

use super::CODE;
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::{START, TestServer};

fn code_mail() -> Mail {
    let to = EmailAddress::parse("Ada@Example.org").unwrap();
    let message = Message::RegisterCode { code: Secret::from(CODE.to_owned()) };
    Mail { to, locale: Some("fr".to_owned()), user_id: None, message }
}

async fn put(server: &TestServer, mail: &Mail) {
    let state = &server.state;
    state.db.write(async |tx| enqueue(tx, &state.outbox, mail, START).await).await.unwrap();
}

on_both! {
    async fn what_was_put_in_comes_out_once(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let notice = Mail { message: Message::PasswordChanged, ..code_mail() };
        put(&server, &code_mail()).await;
        put(&server, &notice).await;
        let mails = server.mails().await;
        assert_eq!(mails.len(), 2);
        assert!(mails.contains(&code_mail()) && mails.contains(&notice));
        assert_eq!(server.mails().await, []);
    }

    async fn what_did_not_happen_is_not_told(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let state = &server.state;
        let rolled_back = state.db.write(async |tx| {
            enqueue(tx, &state.outbox, &code_mail(), START).await?;
            Err::<(), _>(Error::Conflict)
        });
        assert!(rolled_back.await.is_err());
        assert_eq!(server.mails().await, []);
    }

    async fn where_mail_is_off_nothing_piles_up(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.mail.transport = MailTransport::Off).await;
        put(&server, &code_mail()).await;
        assert_eq!(outbox::count(&mut server.state.db.read().await.unwrap()).await.unwrap(), 0);
    }

    async fn neither_code_nor_address_can_be_read_in_the_table(database: TestDatabase) {
        let server = TestServer::start(database).await;
        put(&server, &code_mail()).await;
        let id = outbox::due(&mut server.state.db.read().await.unwrap(), START, 10).await.unwrap().remove(0);
        let claimed = server.state.db.write(async |tx| outbox::claim(tx, &id, START, START + Seconds(30)).await);
        let waiting = claimed.await.unwrap().unwrap();
        let bytes = String::from_utf8_lossy(&waiting.sealed).to_lowercase();
        assert!(!bytes.contains(CODE) && !bytes.contains("ada") && !bytes.contains("example"));
        assert_eq!((waiting.kind.as_str(), waiting.expires_at), ("register_code", START + Seconds::minutes(10)));
        assert!(!format!("{:?}", code_mail()).contains(CODE), "nor in a log");
        // Not even with the right key, in another row.
        assert!(server.state.outbox.open(&outbox::Waiting { id: "another".to_owned(), ..waiting.clone() }).is_none());
        assert_eq!(server.state.outbox.open(&waiting), Some(code_mail()));
    }

    async fn one_of_many_gets_each_mail(database: TestDatabase) {
        let server = TestServer::start(database).await;
        put(&server, &code_mail()).await;
        let id = outbox::due(&mut server.state.db.read().await.unwrap(), START, 10).await.unwrap().remove(0);
        let mut claims = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (db, id) = (server.state.db.clone(), id.clone());
            claims.spawn(async move { db.write(async |tx| outbox::claim(tx, &id, START, START + Seconds(30)).await).await });
        }
        let claimed = claims.join_all().await.into_iter().filter(|claim| claim.as_ref().unwrap().is_some()).count();
        assert_eq!(claimed, 1);
    }

    async fn a_claim_whose_holder_died_is_taken_over(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let db = &server.state.db;
        put(&server, &code_mail()).await;
        let id = outbox::due(&mut db.read().await.unwrap(), START, 10).await.unwrap().remove(0);
        let (first_until, second_until) = (START + Seconds(30), START + Seconds(60));
        let claim = async |now, until| db.write(async |tx| outbox::claim(tx, &id, now, until).await).await.unwrap();
        assert!(claim(START, first_until).await.is_some());
        assert!(claim(START + Seconds(29), second_until).await.is_none());
        assert_eq!(outbox::next_due(&mut db.read().await.unwrap()).await.unwrap(), Some(first_until));
        assert_eq!(claim(START + Seconds(30), second_until).await.unwrap().attempts, 2);

        // The first one comes back late: it must not take it from the second.
        let late = START + Seconds(3_600);
        db.write(async |tx| outbox::postpone(tx, &id, first_until, late, "connect").await).await.unwrap();
        assert_eq!(outbox::next_due(&mut db.read().await.unwrap()).await.unwrap(), Some(second_until));
        db.write(async |tx| outbox::postpone(tx, &id, second_until, late, "connect").await).await.unwrap();
        assert_eq!(outbox::next_due(&mut db.read().await.unwrap()).await.unwrap(), Some(late));
    }
}
