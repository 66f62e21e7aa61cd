//! Other people's clients, unmodified, against the real server. Those from npm and PyPI run in `scripts/test`.

mod mcp;
mod apache;
mod openidconnect;
mod person;
mod programs;
mod resource_server;
