//! Requests by endpoint, method and status, and how long they took: the one figure that every request adds to, so it stands in
//! arrays that are indexed and not in a table that is searched.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, StatusCode};

use super::endpoint::{self, Endpoint};
use super::family;
use super::histogram::{Classes, SECONDS};
use super::text::Text;

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "other"];

const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// All requests.
pub static REQUESTS: Requests = Requests {
    answered: [const { [const { [const { AtomicU64::new(0) }; STATUSES.len()] }; METHODS.len()] }; endpoint::COUNT],
    took: [const { Classes::new() }; endpoint::COUNT],
};

/// See [`REQUESTS`].
#[derive(Debug)]
pub struct Requests {
    answered: [[[AtomicU64; STATUSES.len()]; METHODS.len()]; endpoint::COUNT],
    took: [Classes; endpoint::COUNT],
}

impl Requests {
    /// One was answered after so many microseconds.
    pub fn answered(&self, endpoint: Endpoint, method: Option<&Method>, status: StatusCode, micros: u64) {
        let by_status = &self.answered[endpoint.index()][of_method(method)];
        by_status[of_status(status)].fetch_add(1, Ordering::Relaxed);
        self.took[endpoint.index()].observe(SECONDS, micros);
    }

    pub(super) fn write(&self, text: &mut Text) {
        text.begin(&family::REQUESTS);
        for endpoint in Endpoint::all() {
            for (by_status, method) in self.answered[endpoint.index()].iter().zip(METHODS) {
                for (count, status) in by_status.iter().zip(STATUSES) {
                    let count = count.load(Ordering::Relaxed);
                    if count > 0 {
                        text.sample("", &[endpoint.as_str(), method, status], count);
                    }
                }
            }
        }
        text.begin(&family::REQUEST_TIME);
        for endpoint in Endpoint::all() {
            let (classes, sum) = self.took[endpoint.index()].read(SECONDS);
            if classes.last().is_some_and(|count| *count > 0) {
                text.classes(&[endpoint.as_str()], SECONDS, &classes, sum);
            }
        }
    }
}

fn of_method(method: Option<&Method>) -> usize {
    let name = method.map_or("other", Method::as_str);
    METHODS.iter().position(|known| *known == name).unwrap_or(METHODS.len() - 1)
}

fn of_status(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(2, 5) - 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_sent_has_a_place() {
        assert_eq!(METHODS[of_method(Some(&Method::from_bytes(b"BREW").unwrap()))], "other");
        assert_eq!(METHODS[of_method(Some(&Method::DELETE))], "DELETE");
        assert_eq!(METHODS[of_method(None)], "other");
        for (status, class) in [(101, "2xx"), (204, "2xx"), (303, "3xx"), (429, "4xx"), (503, "5xx"), (999, "5xx")] {
            assert_eq!(STATUSES[of_status(StatusCode::from_u16(status).unwrap())], class, "{status}");
        }
    }
}
