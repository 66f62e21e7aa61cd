//! Rows to work with.

use ostiary::protocol::authentication::{Factors, Method};
use ostiary::protocol::client::{Client, ClientSecret, ClientStatus};
use ostiary::protocol::confirmation::{Confirmation, Thumbprint};
use ostiary::protocol::id::{ClientId, GrantId, SessionId, UserId};
use ostiary::protocol::pkce::CodeChallenge;
use ostiary::protocol::resource::Reach;
use ostiary::protocol::scope::Scope;
use ostiary::protocol::sign_in_name::SignInName;
use ostiary::protocol::time::{Seconds, Timestamp};
use ostiary::storage::authorization_codes::AuthorizationCode;
use ostiary::storage::db::Db;
use ostiary::storage::grants::Grant;
use ostiary::storage::refresh_tokens::RefreshToken;
use ostiary::storage::sessions::Session;
use ostiary::storage::users::{User, UserStatus};
use ostiary::storage::{clients, grants, users};
use serde_json::json;

/// Seconds after the moment at which every test begins.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000) + Seconds(seconds)
}

/// A hash, told from others by its number.
pub fn hash(number: u8) -> [u8; 32] {
    [number; 32]
}

pub fn user_id(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

pub fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

pub fn grant_id(text: &str) -> GrantId {
    GrantId::parse(text).unwrap()
}

pub fn session_id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

/// An active person without a password, whose id is the canonical name with `u-` before it.
pub fn user(name: &str) -> User {
    let sign_in_name = SignInName::parse(name).unwrap();
    User {
        id: user_id(&format!("u-{}", sign_in_name.canonical().replace(|c: char| !c.is_ascii_graphic(), "."))),
        sign_in_name,
        password_hash: None,
        password_changed_at: None,
        status: UserStatus::Active,
        roles: Vec::new(),
        created_at: at(0),
        updated_at: at(0),
        version: 1,
    }
}

pub fn client(id: &str) -> Client {
    Client {
        id: client_id(id),
        status: ClientStatus::Active,
        metadata: serde_json::from_value(json!({ "client_name": format!("The {id}"), "redirect_uris": ["https://a.example/"] }))
            .unwrap(),
        secrets: Vec::new(),
        created_at: at(0),
        updated_at: at(0),
        version: 1,
    }
}

pub fn secret(id: &str, created_at: Timestamp) -> ClientSecret {
    ClientSecret { id: id.to_owned(), hash: hash(id.as_bytes()[0]), sealed: None, created_at, expires_at: None }
}

/// Of `anna`, from the moment at which the test begins, for a day.
pub fn session(id: &str, number: u8) -> Session {
    Session {
        id: session_id(id),
        hash: hash(number),
        user_id: user_id("u-anna"),
        auth_time: at(0),
        factors: Factors::of(Method::Password, at(0)).and(Method::Totp, at(1)),
        device: "Firefox on Linux".to_owned(),
        name: None,
        remembered: false,
        user_agent: "Browser \"1\"".to_owned(),
        address: "2001:db8::1".to_owned(),
        created_at: at(0),
        last_seen_at: at(0),
        expires_at: at(86_400),
    }
}

/// Of `anna` to `app`, for 30 days.
pub fn grant(id: &str) -> Grant {
    Grant {
        id: grant_id(id),
        client_id: client_id("app"),
        user_id: user_id("u-anna"),
        session_id: session_id("s"),
        own_session: false,
        scope: Scope::parse("openid offline_access").unwrap(),
        claims: Some(serde_json::from_value(json!({ "id_token": { "email": { "essential": true } } })).unwrap()),
        reach: Reach {
            resources: ["https://api.example".to_owned()].into(),
            authorization_details: vec![json!({ "type": "payment", "amount": 5 })],
        },
        auth_time: at(-5),
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        acr: "urn:ostiary:password".to_owned(),
        created_at: at(0),
        expires_at: at(30 * 86_400),
        revoked_at: None,
        confirmation: Some(Confirmation::Certificate(Thumbprint::new([7; 32]))),
    }
}

/// Of `anna` for `app`, for a minute.
pub fn code(number: u8) -> AuthorizationCode {
    let grant = grant(&format!("g-{number}"));
    AuthorizationCode {
        hash: hash(number),
        grant_id: grant.id,
        client_id: grant.client_id,
        user_id: grant.user_id,
        session_id: grant.session_id,
        redirect_uri: "https://a.example/cb?x=%20'\"".to_owned(),
        scope: grant.scope,
        claims: grant.claims,
        reach: grant.reach,
        nonce: Some("n-0S6_WzA2Mj".to_owned()),
        code_challenge: CodeChallenge::parse(Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), Some("S256")).ok(),
        auth_time: grant.auth_time,
        amr: grant.amr,
        acr: grant.acr,
        created_at: at(0),
        expires_at: at(60),
        consumed_at: None,
        dpop_jkt: Some(Thumbprint::new([9; 32])),
    }
}

/// Of the grant `g`, issued with the access token `jti-NUMBER`, for a week.
pub fn refresh_token(number: u8, created_at: Timestamp) -> RefreshToken {
    RefreshToken {
        hash: hash(number),
        grant_id: grant_id("g"),
        access_token_id: format!("jti-{number}"),
        created_at,
        expires_at: created_at + Seconds::days(7),
        used_at: None,
        successor: None,
        retries: 0,
        dead: false,
    }
}

/// Stores `anna` and `app`.
pub async fn anna_and_app(db: &Db) {
    db.write(async |tx| {
        users::insert(tx, &user("anna")).await?;
        clients::insert(tx, &client("app")).await
    })
    .await
    .unwrap();
}

/// Stores `anna`, `app` and the grant `g` between them.
pub async fn anna_and_app_with_a_grant(db: &Db) {
    anna_and_app(db).await;
    db.write(async |tx| grants::insert(tx, &grant("g")).await).await.unwrap();
}
