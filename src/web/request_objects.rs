//! Request objects that clients publish (OpenID Connect Core §6.2), asked for once however many requests name them.

use bytes::Bytes;

use crate::outbound::http::Outbound;
pub use crate::outbound::published::Unavailable;
use crate::outbound::published::{Published, fetch};
use crate::protocol::time::{Seconds, Timestamp};

/// How long an answer serves, a failure too.
const FRESH: Seconds = Seconds(10);

/// How long one does that is not what the URL's hash was made of.
const OUTDATED: Seconds = Seconds(1);

/// Knows what was found at the URLs.
#[derive(Clone, Debug)]
pub struct RequestObjects(Published<Found>);

type Found = Option<(Timestamp, Result<Bytes, Unavailable>)>;

impl RequestObjects {
    pub fn new(outbound: &Outbound) -> Self {
        Self(Published::new(outbound))
    }

    /// What is at `location`. What `fits` doesn't take is asked for anew, not more than once a second.
    pub async fn at(&self, location: &str, fits: impl Fn(&[u8]) -> bool, now: Timestamp) -> Result<Bytes, Unavailable> {
        let kept = |found: &Found| {
            let (at, answer) = found.as_ref()?;
            let lasts = if answer.as_ref().is_ok_and(|content| !fits(content)) { OUTDATED } else { FRESH };
            (now < *at + lasts).then(|| answer.clone())
        };
        let url = location.to_owned();
        let asked = self.0.ask(location, kept, async move |outbound, mut found| {
            let answer = fetch(&outbound, &url, "application/oauth-authz-req+jwt, application/jwt").await;
            let answer = answer.map(|answer| answer.body);
            *found = Some((now, answer.clone()));
            answer
        });
        asked.await.unwrap_or(Err(Unavailable::Unasked))
    }
}
