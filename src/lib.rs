//! Ostiary: a self-hosted OAuth 2.0 authorization server and OpenID Connect provider.
//!
//! # The rooms
//!
//! | module | what is in it |
//! |---|---|
//! | [`protocol`] | pure decisions, one file per standard idea: no I/O, no clock, no randomness |
//! | [`declared`] | configuration as code: what an installation should hold, and what has to change for that |
//! | [`telemetry`] | the log, figures, traces, and what is found out about a refused request |
//! | [`text`] | every sentence that a person reads, in each language |
//! | [`storage`] | all SQL, one file per table group; `storage/db.rs` alone knows that there are two databases |
//! | [`keys`] | the signing-key ring, sealing at rest, hashing of tokens and secrets |
//! | [`authn`] | how a person proves who they are: passwords, second factors, browser sessions |
//! | [`outbound`] | what the server sends by itself: mail |
//! | [`guard`] | protection against abuse: how often what may be done, by whom, and what happens beyond |
//! | [`account`] | what people do with their own accounts: register, recover, change password and address |
//! | [`grants`] | one file per grant type of the token endpoint |
//! | [`web`] | axum plumbing: the accept loop, parameters, client authentication, cookies, headers, error rendering |
//! | [`endpoints`] | one file per OAuth / OpenID Connect endpoint: parse, call, render |
//! | [`pages`] | HTML for people |
//! | [`api`] | the JSON management API |
//! | [`app`] | the application state and every route, on one screen |
//! | [`cli`] | one file per command |
//!
//! # Direction
//!
//! `main → cli → app → {endpoints, pages, api} → {account, flow, grants} → state → web → {audit, jobs} → {keys, authn, outbound} → storage → protocol`.
//! An arrow may skip a layer and never turns back; `tests/architecture.rs` holds the tree to it. [`clock`], [`random`],
//! [`text`] and [`config`] may be imported by all but `protocol`, which is handed values.
//!
//! # One login as a walk through the rooms
//!
//! 1. `endpoints::authorize` opens the door; `web::params` has decoded the query.
//! 2. `storage::client_cache` brings the client; `protocol::redirect_uri` decides first of all. Until it says yes, every
//!    error is a page, never a redirect.
//! 3. `protocol::authorize` decides, purely: log in, consent, issue, or refuse. [`flow`] carries the decision out.
//! 4. What must survive the login travels sealed in the URL, bound to the browser's cookie: nothing is stored for an
//!    anonymous visitor.
//! 5. `pages::login` → `authn::password`, outside any transaction → `flow::login`, which begins the session or asks for a second
//!    factor: `pages::factor` → `authn::second_factor`.
//! 6. `pages::consent` → `storage::consents` and `storage::authorization_codes`, in one transaction, the hash only.
//! 7. `protocol::response_mode` answers with `code`, `state`, `iss`.
//! 8. `endpoints::token` → `web::client` authenticates the client → `grants::authorization_code`: load, judge purely, then one
//!    conditional update settles who redeems the code.
//! 9. `storage::grants` and `storage::refresh_tokens` keep what came of it; commit; then [`keys`] signs.
#![forbid(unsafe_code)]

pub mod account;
pub mod api;
pub mod app;
pub mod audit;
pub mod authn;
pub mod cli;
pub mod clock;
pub mod config;
pub mod declared;
pub mod endpoints;
pub mod explain;
pub mod flow;
pub mod grants;
pub mod guard;
pub mod jobs;
pub mod keys;
pub mod outbound;
pub mod pages;
pub mod protocol;
pub mod random;
pub mod state;
pub mod storage;
pub mod telemetry;
pub mod text;
pub mod web;
