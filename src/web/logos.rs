//! Logos of clients that stand on other servers (`logo_uri`, OpenID Connect Registration §2).
//!
//! This server fetches them and puts them into its pages itself: a browser that did would tell the other server who logs in where.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::time::timeout;

use crate::outbound::http::Outbound;
use crate::outbound::published::{Finding, Published, Turn, fetch};
use crate::protocol::client::Client;
use crate::protocol::time::{Seconds, Timestamp};

/// How long a logo serves before it is asked for anew.
const FRESH: Seconds = Seconds::hours(24);

/// How long nobody asks again where there was none.
const AGAIN: Seconds = Seconds::minutes(10);

/// How long a page waits for one. It shows the client's initial otherwise, and the logo the next time.
const PATIENCE: Duration = Duration::from_millis(300);

/// Bytes of a logo: it is part of every page that shows it.
const MAX: usize = 32_768;

/// Knows the logos.
#[derive(Clone, Debug)]
pub struct Logos(Published<Logo>);

#[derive(Clone, Debug, Default)]
struct Logo {
    /// A `data:` URL.
    image: Option<Arc<str>>,
    /// When it is asked for anew. `None`: nobody has asked yet.
    until: Option<Timestamp>,
}

impl Finding for Logo {
    fn bytes(&self) -> usize {
        self.image.as_ref().map_or(0, |image| image.len())
    }
}

impl Logos {
    pub fn new(outbound: &Outbound) -> Self {
        Self(Published::new(outbound, "logos"))
    }

    /// The client's logo as a `data:` URL, if it is known.
    pub fn known(&self, client: &Client) -> Option<Arc<str>> {
        self.0.known(elsewhere(client)?, |logo, _| logo.image.clone())
    }

    /// Sees to it that the client's logo is known, if it comes quickly.
    pub async fn prepare(&self, client: &Client, now: Timestamp) {
        let Some(url) = elsewhere(client) else { return };
        let kept = |logo: &Logo, asking| logo.until.is_some_and(|until| asking || now < until).then_some(());
        if self.0.known(url, kept).is_some() {
            return;
        }
        let from = url.to_owned();
        let asking = self.0.ask(url, kept, async move |outbound, mut logo: Turn<Logo>| {
            let answer = fetch(&outbound, &from, "image/png, image/webp, image/jpeg, image/gif").await;
            match answer.ok().and_then(|answer| data_url(&answer.body)) {
                Some(image) => *logo = Logo { image: Some(image.into()), until: Some(now + FRESH) },
                // The one that was there before goes on serving.
                None => logo.until = Some(now + AGAIN),
            }
        });
        // Whoever waits no longer leaves the asking to itself.
        _ = timeout(PATIENCE, asking).await;
    }
}

/// Where the logo stands. Not of a document at a `client_id`, which anybody can have made a moment ago.
fn elsewhere(client: &Client) -> Option<&str> {
    client.metadata.logo_uri.as_deref().filter(|uri| uri.starts_with("http") && !client.is_published())
}

/// A bitmap, known by how it begins, whatever it is said to be; anything else is not shown.
fn data_url(bytes: &[u8]) -> Option<String> {
    let kind = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "png",
        [0xff, 0xd8, 0xff, ..] => "jpeg",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        _ => return None,
    };
    (bytes.len() <= MAX).then(|| format!("data:image/{kind};base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bitmaps_of_a_bearable_size_are_shown() {
        assert_eq!(data_url(b"GIF89a").as_deref(), Some("data:image/gif;base64,R0lGODlh"));
        assert!(data_url(b"\x89PNG\r\n\x1a\nrest").is_some_and(|url| url.starts_with("data:image/png;base64,")));
        assert!(data_url(b"RIFF\0\0\0\0WEBPVP8 ").is_some_and(|url| url.starts_with("data:image/webp;base64,")));
        assert!(data_url(b"\xff\xd8\xff\xe0").is_some_and(|url| url.starts_with("data:image/jpeg;base64,")));
        for refused in [b"<svg xmlns".as_slice(), b"<!DOCTYPE html>", b"", b"GIF", b"RIFF\0\0\0\0WAVE"] {
            assert_eq!(data_url(refused), None);
        }
        assert!(data_url(&[b"GIF89a".as_slice(), &vec![0; MAX - 6]].concat()).is_some());
        assert_eq!(data_url(&[b"GIF89a".as_slice(), &vec![0; MAX - 5]].concat()), None);
    }
}
