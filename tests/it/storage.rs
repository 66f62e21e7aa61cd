//! What the storage promises, on both databases.

mod access_tokens;
mod audit;
mod changes;
mod clean_up;
mod clients;
mod codes_and_grants;
mod consents;
mod email_addresses;
mod finding;
mod fixture;
mod group_commit;
mod mail_counts;
mod migrations;
mod persona;
mod refresh_tokens;
mod required;
mod resources;
mod sessions;
mod signing_keys;
mod spent;
mod transactions;
mod upgrade;
mod users;
mod write_ahead_log;
