//! The pages in a real browser: Debian's Chromium, driven through chromedriver. `scripts/test` runs these; `cargo test` shows
//! them as ignored. A browser that isn't there fails them.

mod accessibility;
mod account;
mod demonstration;
mod driver;
mod factors;
mod login;
mod logout;
mod oidc_client;
mod passkeys;
mod people;
mod proof_of_work;
mod relying_party;
mod scene;
