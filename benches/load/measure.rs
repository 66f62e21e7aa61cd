//! Runs an operation on many connections for a while and counts.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Result;

/// How long, and whose processor time is counted.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub duration: Duration,
    pub pid: u32,
}

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Outcome {
    elapsed: Duration,
    /// Of the server's process.
    cpu: Duration,
    /// In microseconds, sorted.
    latencies: Vec<u32>,
}

impl Load {
    /// Lets every worker repeat `operation`. The first failure fails the run: figures of requests that failed mean nothing.
    pub async fn run<W: 'static>(
        self,
        workers: Vec<W>,
        operation: impl AsyncFn(&mut W) -> Result<()> + Copy + 'static,
    ) -> Result<Outcome> {
        let cpu_before = cpu_time(self.pid)?;
        let start = Instant::now();
        let mut running = JoinSet::new();
        for mut worker in workers {
            running.spawn_local(async move {
                let mut latencies = Vec::new();
                loop {
                    let begun = start.elapsed();
                    if begun >= self.duration {
                        return Ok(latencies);
                    }
                    operation(&mut worker).await.map_err(|error| error.to_string())?;
                    let latency = start.elapsed().saturating_sub(begun);
                    latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
                }
            });
        }
        let mut latencies = Vec::new();
        while let Some(ended) = running.join_next().await {
            let ended: std::result::Result<Vec<u32>, String> = ended?;
            latencies.extend(ended?);
        }
        let elapsed = start.elapsed();
        latencies.sort_unstable();
        Ok(Outcome { elapsed, cpu: cpu_time(self.pid)?.saturating_sub(cpu_before), latencies })
    }
}

impl Outcome {
    pub const fn count(&self) -> usize {
        self.latencies.len()
    }

    pub fn percentile(&self, percent: usize) -> u32 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * percent / 100).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (elapsed, cpu) = (self.elapsed.as_micros(), self.cpu.as_micros());
        write!(formatter, "{} {elapsed} {} {} {cpu}", self.count(), self.percentile(50), self.percentile(99))
    }
}

/// Processor time that a process has used, in its own code and in the kernel (proc(5)).
fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, a name in parentheses, may contain anything.
    let (_, fields) = stat.rsplit_once(") ").ok_or("an unreadable /proc/PID/stat")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
    let (Some(user), Some(system)) = (times.next(), times.next()) else { return Err("a short /proc/PID/stat".into()) };
    // Linux counts in hundredths of a second, on every processor that matters.
    Ok(Duration::from_millis(10 * (user? + system?)))
}
