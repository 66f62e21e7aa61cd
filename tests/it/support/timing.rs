//! Whether several things take the same time.

use std::time::{Duration, Instant};

/// Tries of each case in a round.
const TRIES: usize = 40;

/// A difference of the server's stays; the more often it is measured, the less the machine's moods hide it.
const ROUNDS: usize = 15;

/// Runs the cases in turn, over and over, until none differs from the first by five per cent or more. What counts is the
/// eighth of all tries of a case that was disturbed least.
///
/// # Panics
/// When they still differ after many rounds.
pub async fn take_the_same_time(cases: &[&str], mut run: impl AsyncFnMut(usize)) {
    let mut times = vec![Vec::new(); cases.len()];
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        for _ in 0..TRIES {
            for (case, times) in times.iter_mut().enumerate() {
                let begun = Instant::now();
                run(case).await;
                times.push(begun.elapsed());
            }
        }
        let typical: Vec<f64> = times.iter_mut().map(|times| typical(times)).collect();
        let ratios: Vec<f64> = typical.iter().map(|time| time / typical[0]).collect();
        if ratios.iter().all(|ratio| (0.95..1.05).contains(ratio)) {
            return;
        }
        seen.push(ratios);
    }
    panic!("not all take the time of the first: {cases:?}: {seen:?}");
}

fn typical(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 8].as_secs_f64()
}
