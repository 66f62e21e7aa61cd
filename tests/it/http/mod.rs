//! HTTP/1.1 itself, over raw sockets: what a client may do to the server, and what it gets (behaviours 1.0).

mod clients;
mod connections;
mod fixture;
pub mod load;
mod requests;
mod slow;
mod stopping;
mod tls;
