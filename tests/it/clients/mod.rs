//! Other people's clients, unmodified, against the real server. Those from npm and PyPI run in `scripts/test`.

mod apache;
mod mcp;
mod mutual_tls;
mod openidconnect;
pub mod person;
mod programs;
mod resource_server;
