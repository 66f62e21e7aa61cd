//! Connecting a device.

use askama::Template;

use super::Frame;

/// What does the device show?
#[derive(Clone, Debug, Template)]
#[template(path = "device.html")]
pub struct Device {
    pub frame: Frame,
    pub action: String,
    pub csrf: String,
    /// What a link brought, or somebody typed.
    pub user_code: String,
    /// No device waits with this code.
    pub refused: bool,
}

/// The person has decided.
#[derive(Clone, Debug, Template)]
#[template(path = "device_ended.html")]
pub struct DeviceEnded {
    pub frame: Frame,
    pub allowed: bool,
}
