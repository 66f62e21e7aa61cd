//! People with passkeys, and what the pages ask of them.

use ostiary::authn::passkey::{Created, Owner};
use ostiary::random;
use ostiary::storage::passkeys;
use ostiary::storage::users::User;
use serde_json::Value;

use super::authenticator::{self, Passkey};
use super::browser::{Answer, Browser, Form};
use super::server::TestServer;

/// Gives a person a passkey, as if it had been set up long ago.
pub async fn give_passkey(server: &TestServer, user: &User) -> Passkey {
    give_passkey_like(server, user, |_| {}).await
}

/// One that says of itself what `twist` makes it say.
pub async fn give_passkey_like(server: &TestServer, user: &User, twist: impl FnOnce(&mut authenticator::Answer)) -> Passkey {
    let party = server.state.passkeys.as_ref().expect("passkeys are on");
    let new = random::bytes::<32>();
    let handle = server.state.db.write(async |tx| passkeys::handle(tx, &user.id, &new).await).await.expect("stored");
    let name = user.sign_in_name.as_str();
    let owner = Owner { handle: &handle, sign_in_name: name, display_name: name };
    let (options, state) = party.creation(owner, &[]).expect("options");
    let (passkey, answer) = Passkey::create(&options, twist);
    let Created { id, credential, counter } = party.created(&answer, &state, user.created_at).expect("a passkey");
    let row = passkeys::Passkey {
        id,
        user_id: user.id.clone(),
        name: "Pocket".to_owned(),
        credential,
        counter,
        created_at: user.created_at,
        last_used_at: None,
    };
    server.state.db.write(async |tx| passkeys::insert(tx, &row).await).await.expect("stored");
    passkey
}

/// What a page asks a passkey, and the form that the answer goes into.
#[track_caller]
pub fn question(page: &Answer) -> (Value, Form) {
    let document = scraper::Html::parse_document(&page.body);
    let form = document.select(&scraper::Selector::parse("form[data-passkey]").unwrap()).next();
    let form = form.unwrap_or_else(|| panic!("no passkey is asked for in {page:#?}"));
    let options = serde_json::from_str(form.attr("data-options").unwrap()).expect("JSON");
    (options, page.form_of(form.attr("id").unwrap()))
}

/// Gives the page what it asks for.
pub async fn use_passkey(browser: &mut Browser, page: &Answer, passkey: &mut Passkey) -> Answer {
    use_passkey_twisted(browser, page, passkey, |_| {}).await
}

/// The same, lied to.
pub async fn use_passkey_twisted(
    browser: &mut Browser,
    page: &Answer,
    passkey: &mut Passkey,
    twist: impl FnOnce(&mut authenticator::Answer),
) -> Answer {
    let (options, form) = question(page);
    browser.submit(&form.set("credential", &passkey.assert(&options, twist))).await
}
