//! What one connection is waiting for, and for how long it may.
//!
//! hyper's own timer for request heads would do for the first request, but it also ends idle connections after the same short
//! time, arms a timer anew for every request, and knows nothing of an answer that nobody reads. Here the socket and the
//! service note what happens, and the connection's task looks at one lazy timer: it is armed again only when it has rung.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::Limits;

/// Notes by the socket and the service, which run in the connection's own task.
#[derive(Debug, Default)]
pub(super) struct Progress {
    phase: AtomicU8,
    /// Counts what happens: a change restarts the clock.
    events: AtomicU32,
    /// The last write found the peer's window closed.
    write_blocked: AtomicBool,
    /// Only one more request: the server is stopping.
    draining: AtomicBool,
    /// Others wait for this place.
    leaving: AtomicBool,
    asked: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing of the first request has come.
    New,
    /// Nothing of a further request has come.
    Idle,
    /// A part of a request's head has come.
    Head,
    /// A request is being worked on; its body has a time limit of its own.
    Busy,
}

impl Progress {
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::New,
            1 => Phase::Idle,
            2 => Phase::Head,
            _ => Phase::Busy,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.happened();
    }

    /// Bytes of a request's head have come.
    pub(super) fn received(&self) {
        match self.phase() {
            // The time for the first request's head began with the connection.
            Phase::New => self.phase.store(Phase::Head as u8, Ordering::Relaxed),
            Phase::Idle => self.enter(Phase::Head),
            Phase::Head | Phase::Busy => {}
        }
    }

    /// A write went through, or not.
    pub(super) fn wrote(&self, blocked: bool) {
        let before = self.write_blocked.swap(blocked, Ordering::Relaxed);
        // Being blocked still is no progress.
        if before != blocked || !blocked {
            self.happened();
        }
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.happened();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Nothing has been asked for on this connection, not even once.
    pub(super) fn is_stranger(&self) -> bool {
        matches!(self.phase(), Phase::New | Phase::Head) && self.events.load(Ordering::Relaxed) == 0
    }

    /// Between two requests.
    pub(super) fn is_idle(&self) -> bool {
        self.phase() == Phase::Idle
    }

    /// Says, from another task, that others wait for this place.
    pub(super) fn ask_to_leave(&self) {
        self.asked.notify_one();
    }

    pub(super) async fn asked_to_leave(&self) {
        self.asked.notified().await;
    }

    /// Does as it was asked. `true`: at once; else as soon as no request is on its way.
    pub(super) fn leave(&self) -> bool {
        if self.is_stranger() {
            return true;
        }
        self.leaving.store(true, Ordering::Relaxed);
        self.happened();
        false
    }

    fn happened(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// How long the present state may last.
    fn limit(&self, limits: &Limits, crowded: bool) -> Option<Duration> {
        if self.write_blocked.load(Ordering::Relaxed) {
            return Some(limits.write_timeout);
        }
        let crowded = crowded || self.leaving.load(Ordering::Relaxed);
        match self.phase() {
            // Nothing has been asked for, though it may be on its way.
            Phase::New | Phase::Idle if self.is_draining() => Some(limits.drain_idle),
            Phase::Idle if crowded => Some(limits.idle_timeout.min(limits.drain_idle)),
            Phase::Idle => Some(limits.idle_timeout),
            Phase::New | Phase::Head => Some(limits.header_timeout),
            Phase::Busy => None,
        }
    }
}

/// The connection's one timer.
#[derive(Debug)]
pub(super) struct Stopwatch {
    /// Never later than the deadline.
    timer: Pin<Box<Sleep>>,
    seen: u32,
    deadline: Option<Instant>,
}

impl Stopwatch {
    pub(super) fn start(limits: &Limits, began: Instant) -> Self {
        let deadline = began + limits.header_timeout;
        Self { timer: Box::pin(tokio::time::sleep_until(deadline)), seen: 0, deadline: Some(deadline) }
    }

    /// Ready when the connection has stayed in one state for too long. To be called after each poll of the connection.
    pub(super) fn poll(
        &mut self,
        progress: &Progress,
        limits: &Limits,
        crowded: impl Fn() -> bool,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let events = progress.events.load(Ordering::Relaxed);
        if events != self.seen {
            self.seen = events;
            self.deadline = progress.limit(limits, crowded()).map(|limit| Instant::now() + limit);
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
