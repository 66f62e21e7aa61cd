//! S1, E1, E8: nothing in the time of an answer tells whether somebody has an account.

use super::{app, forgot, register, try_login};
use crate::people::open_with;
use crate::support::database::TestDatabase;
use crate::support::server::{PASSWORD, Persona, TestServer};
use crate::support::timing::take_the_same_time;

async fn server() -> TestServer {
    let server = open_with(TestDatabase::sqlite().await, |config| {
        config.password.memory_kib = 4_096;
        config.password.iterations = 2;
    })
    .await;
    let profile = serde_json::json!({"email": "anna@example.com", "email_verified": true});
    server.person_with("anna", &[], Some(profile)).await;
    let disabled = server.person("dora").await;
    server.disable(&disabled).await;
    server
}

#[tokio::test]
async fn s1_a_login_takes_the_same_time_whatever_is_wrong() {
    let server = server().await;
    let client = app(&server, Persona::Native).await;
    let cases = [("anna", "wrong password"), ("nobody", "wrong password"), ("dora", PASSWORD)];
    take_the_same_time(&["a wrong password", "an unknown name", "a disabled person"], async |case| {
        let (name, password) = cases[case];
        assert_eq!(try_login(&server, &client, name, password).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn e1_a_registration_takes_the_same_time_for_an_address_that_has_an_account() {
    let server = server().await;
    let client = app(&server, Persona::Native).await;
    take_the_same_time(&["anna@example.com", "otto@example.com"], async |case| {
        let address = ["anna@example.com", "otto@example.com"][case];
        assert_eq!(register(&server, &client, address, PASSWORD).await.status, 202);
    })
    .await;
}

#[tokio::test]
async fn e8_a_forgotten_password_takes_the_same_time_for_nobody() {
    let server = server().await;
    let client = app(&server, Persona::Native).await;
    take_the_same_time(&["anna@example.com", "otto@example.com"], async |case| {
        let name = ["anna@example.com", "otto@example.com"][case];
        assert_eq!(forgot(&server, &client, name).await.status, 202);
    })
    .await;
}
