//! All SQL, one file per table group. `db.rs` is the only file that knows that there are two databases.

pub mod access_tokens;
pub mod adoption;
pub mod audit;
pub mod authorization_codes;
pub mod client_cache;
pub mod clients;
pub mod consents;
pub mod db;
pub mod email_addresses;
pub mod error;
pub mod factors;
pub mod grants;
pub mod instance;
pub mod migrations;
pub mod outbox;
pub mod page;
pub mod passkeys;
pub mod profiles;
pub mod refresh_tokens;
pub mod sessions;
pub mod setup_links;
pub mod signing_keys;
pub mod spent;
pub mod users;
pub mod value;
