//! How a client learns that a person whom it asked has answered (OpenID Connect CIBA Core 1.0 §5).

use serde::{Deserialize, Serialize};

/// `backchannel_token_delivery_mode`. There is no `push`: tokens go to whoever authenticates and asks for them, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryMode {
    /// It asks again and again.
    Poll,
    /// It is told when to ask.
    Ping,
}

impl DeliveryMode {
    pub const ALL: [Self; 2] = [Self::Poll, Self::Ping];
}
