//! CPU time, sleeps and memory of this process, as the kernel counts them.

use std::fs;
use std::time::Instant;

/// Ticks in a second, fixed on Linux for what `/proc` shows.
const TICKS: f64 = 100.0;

/// Measures from its start.
pub(crate) struct Meter {
    sleeps: f64,
    cpu: f64,
    start: Instant,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { sleeps: sleeps(), cpu: cpu_seconds(), start: Instant::now() }
    }

    /// Milliseconds of CPU and of time for each of so many.
    pub(crate) fn per(&self, count: u32) -> (f64, f64) {
        let each = 1000.0 / f64::from(count);
        ((cpu_seconds() - self.cpu) * each, self.start.elapsed().as_secs_f64() * each)
    }

    /// How often a thread went to sleep for each of so many: each time somebody has to wake it again.
    pub(crate) fn sleeps_per(&self, count: u32) -> f64 {
        (sleeps() - self.sleeps) / f64::from(count)
    }
}

/// How often a thread has gone to sleep so far, of those that are there.
fn sleeps() -> f64 {
    let mut sleeps = 0.0;
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sleeps += line.and_then(|count| count.trim().parse::<f64>().ok()).unwrap_or(0.0);
    }
    sleeps
}

/// CPU time so far, of all threads: by the scheduler's clock, which counts nanoseconds, else by ticks.
fn cpu_seconds() -> f64 {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        nanoseconds += text.split(' ').next().and_then(|first| first.parse::<f64>().ok()).unwrap_or(0.0);
    }
    if nanoseconds > 0.0 { nanoseconds / 1e9 } else { ticks() / TICKS }
}

fn ticks() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    // utime and stime, counted from the field after the name.
    field(11) + field(12)
}

/// Memory in use, in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
