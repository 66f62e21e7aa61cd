//! The process itself, as `/proc` shows it. Where there is none, there are no such figures.

use std::fs;

use super::family;
use super::text::Text;

/// Of `/proc`, on every Linux that Rust runs on.
const TICKS_A_SECOND: u32 = 100;

/// Writes CPU time, memory, files, and when it began.
pub fn write(text: &mut Text) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let boot = fs::read_to_string("/proc/stat").ok().and_then(|stat| number_after(&stat, "btime "));
    if let Some(Times { used, began }) = times(&stat) {
        text.value(&family::CPU, seconds(used));
        if let Some(boot) = boot {
            text.value(&family::STARTED, boot + began / u64::from(TICKS_A_SECOND));
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (family, name) in [(&family::RESIDENT, "VmRSS:"), (&family::VIRTUAL, "VmSize:")] {
        if let Some(kilobytes) = number_after(&status, name) {
            text.value(family, kilobytes * 1_024);
        }
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        text.value(&family::OPEN_FILES, files.count());
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(most) = number_after(&limits, "Max open files") {
        text.value(&family::MOST_FILES, most);
    }
}

/// In ticks.
struct Times {
    used: u64,
    /// After the machine was started.
    began: u64,
}

/// Of the text of `/proc/self/stat`. The program's name, in parentheses, may hold anything: what counts comes after it.
fn times(stat: &str) -> Option<Times> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Times { used: field(14)? + field(15)?, began: field(22)? })
}

/// The first number of the line that begins like this.
fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ticks are three million years")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / f64::from(TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_confuses_nobody() {
        let fields: Vec<String> = (3..=52).map(|number| number.to_string()).collect();
        let times = times(&format!("1 (a) 9 (b) {}", fields.join(" "))).unwrap();
        assert_eq!((times.used, times.began), (29, 22));
        assert!(super::times("").is_none());
    }

    #[test]
    fn a_number_is_read_from_its_own_line() {
        let status = "VmPeak:\t  9 kB\nVmSize:\t  8 kB\nVmRSS:\t  7 kB\n";
        assert_eq!((number_after(status, "VmRSS:"), number_after(status, "VmSize:")), (Some(7), Some(8)));
        assert_eq!(number_after("Max open files            unlimited    unlimited    files", "Max open files"), None);
    }
}
