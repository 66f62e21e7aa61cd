//! How a client takes part in logouts.

#[derive(Debug, clap::Args)]
pub(super) struct Logout {
    /// A URL to which it may send the browser after a logout; give it for each.
    #[arg(long = "post-logout-redirect-uri", value_name = "URL")]
    pub(super) post_logout_redirect_uris: Vec<String>,
    /// Where it is told, by this server, that a session ended (OpenID Connect Back-Channel Logout).
    #[arg(long, value_name = "URL")]
    pub(super) backchannel_logout_uri: Option<String>,
    /// What the browser loads when its person logs out (OpenID Connect Front-Channel Logout).
    #[arg(long, value_name = "URL")]
    pub(super) frontchannel_logout_uri: Option<String>,
}
