//! A login under way: the authorization request, sealed and bound to the browser, while its person logs in and consents.
//!
//! Nothing is stored for an anonymous visitor: the request travels through the browser as an AEAD box whose associated
//! data is the browser's own random cookie. A box that is changed, too old, or opened in another browser is refused.

pub mod admission;
pub mod browser_state;
pub mod device;
pub mod first_party;
mod issue;
pub mod login;
mod next;
pub mod passkey;
pub mod password;
pub mod reauthentication;
pub mod request;
pub mod request_object;
pub mod visitor;

pub use next::{Next, next, refuse};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::keys::seal::Sealer;
use crate::protocol::authorization_request::AuthorizationRequest;
use crate::protocol::device::Waiting;
use crate::protocol::id::{ClientId, SessionId};
use crate::protocol::time::{Seconds, Timestamp};
use crate::telemetry::spans::{self, Context};

/// What must survive the login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    pub request: AuthorizationRequest,
    /// When the authorization request came in: what `prompt=login` and the time limit count from.
    pub started_at: Timestamp,
    /// The session its person chose to go on with (`prompt=select_account`).
    pub selected_session: Option<SessionId>,
    /// The reference by which the request was pushed: the end of the login uses it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
    /// Who waits for the decision elsewhere: nobody is sent back anywhere then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// The trace that the login is, where it is recorded: all its requests are a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Context>,
}

/// Why a box did not open. The person gets the same page either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Changed, made up, or sealed for another browser.
    Foreign,
    /// Older than the time a login may take, for this client.
    Expired(ClientId),
}

impl Flow {
    /// Seals the flow for the browser that holds `browser`, its random cookie.
    pub fn seal(&self, sealer: &Sealer, browser: &str) -> Result<String, serde_json::Error> {
        let plain = serde_json::to_vec(self)?;
        Ok(URL_SAFE_NO_PAD.encode(sealer.seal(&plain, &associated_data(browser))))
    }

    /// Opens what [`Flow::seal`] made, in the same browser and within `lifetime`.
    pub fn open(sealer: &Sealer, text: &str, browser: &str, now: Timestamp, lifetime: Seconds) -> Result<Self, Unusable> {
        let decoded = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unusable::Foreign)?;
        let plain = sealer.open(&decoded, &associated_data(browser)).ok_or(Unusable::Foreign)?;
        let flow: Self = serde_json::from_slice(&plain).map_err(|_| Unusable::Foreign)?;
        if now >= flow.started_at + lifetime {
            return Err(Unusable::Expired(flow.request.client_id));
        }
        if let Some(trace) = flow.trace {
            spans::adopt(trace);
        }
        Ok(flow)
    }
}

fn associated_data(browser: &str) -> Vec<u8> {
    [b"ostiary flow 1\0".as_slice(), browser.as_bytes()].concat()
}
