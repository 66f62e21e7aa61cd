//! Attempts that have to wait: longer with each failure, and not too many at a time.

use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use crate::clock::Clock;

/// Failures that cost no waiting.
const FREE: u32 = 5;

/// The longest wait.
const LONGEST: u64 = 30;

/// How long the attempt waits that is the `level`th in a while: 1, 2, 4, 8, 16 seconds, and then half a minute.
pub fn after(level: u32) -> Duration {
    match level.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(step) => Duration::from_secs(1_u64.checked_shl(step).unwrap_or(LONGEST).clamp(1, LONGEST)),
    }
}

/// The room in which attempts wait.
#[derive(Debug)]
pub struct WaitingRoom {
    seats: Semaphore,
    closing: Notify,
    clock: Clock,
}

/// There is no seat left, or the server is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSeat;

impl WaitingRoom {
    pub fn new(seats: usize, clock: Clock) -> Self {
        Self { seats: Semaphore::new(seats.min(Semaphore::MAX_PERMITS)), closing: Notify::new(), clock }
    }

    /// Waits. Whoever has not to wait needs no seat.
    pub async fn wait(&self, duration: Duration) -> Result<(), NoSeat> {
        if duration.is_zero() {
            return Ok(());
        }
        let _seat = self.seats.try_acquire().map_err(|_| NoSeat)?;
        tokio::select! {
            () = self.clock.sleep(duration) => Ok(()),
            () = self.closing.notified() => Err(NoSeat),
        }
    }

    /// Sends everybody away: the server must not wait for them.
    pub fn close(&self) {
        self.seats.close();
        self.closing.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Timestamp;

    #[test]
    fn five_are_free_and_then_each_waits_twice_as_long_up_to_half_a_minute() {
        let seconds: Vec<u64> = (0..14).map(|level| after(level).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(after(u32::MAX).as_secs(), 30);
    }

    #[tokio::test]
    async fn who_finds_no_seat_is_sent_away_and_who_need_not_wait_needs_none() {
        let room = std::sync::Arc::new(WaitingRoom::new(2, Clock::system()));
        let sitting: Vec<_> = (0..2)
            .map(|_| {
                let room = room.clone();
                tokio::spawn(async move { room.wait(Duration::from_hours(1)).await })
            })
            .collect();
        while room.seats.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(room.wait(Duration::from_secs(1)).await, Err(NoSeat));
        assert_eq!(room.wait(Duration::ZERO).await, Ok(()));
        room.close();
        for waiter in sitting {
            assert_eq!(waiter.await.unwrap(), Err(NoSeat), "the server does not wait for them");
        }
    }

    #[tokio::test]
    async fn a_test_clock_notes_the_waiting_and_does_not_wait() {
        let clock = Clock::fixed(Timestamp::from_seconds(0));
        let room = WaitingRoom::new(2, clock.clone());
        room.wait(Duration::from_secs(30)).await.unwrap();
        room.wait(Duration::from_secs(8)).await.unwrap();
        assert_eq!(clock.slept(), Duration::from_secs(38));
    }
}
