//! Clients for unit tests.

use super::*;

/// A confidential web client `app` with all standard scopes, changed as the test needs it.
pub(crate) fn client(change: impl FnOnce(&mut ClientMetadata)) -> Client {
    let mut metadata: ClientMetadata = serde_json::from_value(serde_json::json!({
        "client_name": "Application",
        "redirect_uris": ["https://app.ex/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email address phone offline_access",
    }))
    .unwrap();
    change(&mut metadata);
    Client {
        id: ClientId::parse("app").unwrap(),
        status: ClientStatus::Active,
        metadata,
        secrets: Vec::new(),
        created_at: Timestamp::from_seconds(0),
        updated_at: Timestamp::from_seconds(0),
        version: 1,
    }
}
