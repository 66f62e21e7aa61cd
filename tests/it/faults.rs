//! Faults, and what the server promises in them (behaviours 2). The table of them is docs/faults.md; [`table`] holds it against the
//! tests that there are.

mod clock;
mod disk;
mod durability;
mod flood;
mod killed;
mod ledger;
mod line;
mod migrations;
mod nodes;
mod postgres;
mod table;
mod ways;

use std::pin::pin;
use std::task::Poll;

/// What all of them give, when they run at once.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    let ended = std::future::poll_fn(|context| {
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                *output = Some(value);
            }
        }
        if running.iter().all(|(_, output)| output.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    });
    pin!(ended).await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
