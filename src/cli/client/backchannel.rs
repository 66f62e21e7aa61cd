//! Whether a client asks people who are elsewhere.

use crate::protocol::client::DeliveryMode;

#[derive(Debug, clap::Args)]
pub(super) struct Backchannel {
    /// It asks people who are elsewhere (CIBA), and asks again until they have answered. With --redirect-uri it may log people in too.
    #[arg(long, conflicts_with_all = ["public", "native"])]
    pub(super) ciba: bool,
    /// Where it is told, by this server, that they have.
    #[arg(long, value_name = "URL", requires = "ciba")]
    pub(super) ciba_notification_endpoint: Option<String>,
}

impl Backchannel {
    pub(super) fn delivery_mode(&self) -> Option<DeliveryMode> {
        let mode = if self.ciba_notification_endpoint.is_some() { DeliveryMode::Ping } else { DeliveryMode::Poll };
        self.ciba.then_some(mode)
    }
}
