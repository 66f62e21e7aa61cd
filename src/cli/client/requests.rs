//! How a client has to send its requests.

#[derive(Debug, clap::Args)]
pub(super) struct Requests {
    /// Only authorization requests that it pushed first are taken (RFC 9126).
    #[arg(long)]
    pub(super) require_pushed_requests: bool,
    /// Only authorization requests that it signed are taken (RFC 9101): it needs keys.
    #[arg(long)]
    pub(super) require_signed_requests: bool,
    /// It is given access tokens alone that are bound to a key of its own (DPoP, RFC 9449).
    #[arg(long)]
    pub(super) require_dpop: bool,
    /// Where it publishes signed requests, with '#' and the SHA-256 of one or without; may be given several times.
    #[arg(long = "request-uri", value_name = "URL")]
    pub(super) request_uris: Vec<String>,
}
