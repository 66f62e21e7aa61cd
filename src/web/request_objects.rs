//! Request objects that clients publish (OpenID Connect Core §6.2), asked for once however many requests name them.

use bytes::Bytes;

use crate::outbound::http::Outbound;
pub use crate::outbound::published::Unavailable;
use crate::outbound::published::{Finding, Published, Turn, fetch};
use crate::protocol::time::{Seconds, Timestamp};

/// How long an answer serves, a failure too.
const FRESH: Seconds = Seconds(10);

/// How long one does that is not what the URL's hash was made of.
const OUTDATED: Seconds = Seconds(1);

/// Knows what was found at the URLs.
#[derive(Clone, Debug)]
pub struct RequestObjects(Published<Found>);

/// When, and what.
#[derive(Clone, Debug, Default)]
struct Found(Option<(Timestamp, Result<Bytes, Unavailable>)>);

impl Finding for Found {
    fn bytes(&self) -> usize {
        self.0.as_ref().and_then(|(_, answer)| answer.as_ref().ok()).map_or(0, Bytes::len)
    }
}

impl RequestObjects {
    pub fn new(outbound: &Outbound) -> Self {
        Self(Published::new(outbound, "request_objects"))
    }

    /// What is at `location`. What `fits` doesn't take is asked for anew, not more than once a second.
    pub async fn at(&self, location: &str, fits: impl Fn(&[u8]) -> bool, now: Timestamp) -> Result<Bytes, Unavailable> {
        let kept = |found: &Found, _| {
            let (at, answer) = found.0.as_ref()?;
            let lasts = if answer.as_ref().is_ok_and(|content| !fits(content)) { OUTDATED } else { FRESH };
            (now < *at + lasts).then(|| answer.clone())
        };
        let url = location.to_owned();
        let asked = self.0.ask(location, kept, async move |outbound, mut found: Turn<Found>| {
            let answer = fetch(&outbound, &url, "application/oauth-authz-req+jwt, application/jwt").await;
            let answer = answer.map(|answer| answer.body);
            found.0 = Some((now, answer.clone()));
            answer
        });
        asked.await.unwrap_or(Err(Unavailable::Unasked))
    }
}
