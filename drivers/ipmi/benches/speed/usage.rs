//! Time and memory that were used.

use std::fs;
use std::time::Duration;

/// The kernel counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Places of the counters in `/proc/self/stat`, counted behind the program's name.
const OWN: [usize; 2] = [11, 12];
const CHILDREN: [usize; 2] = [13, 14];

/// Processor time from now on.
pub(crate) struct Usage {
    places: [usize; 2],
    before: Duration,
}

impl Usage {
    /// Of this process.
    pub(crate) fn own() -> Self {
        Self { places: OWN, before: counted(OWN) }
    }

    /// Of the processes it has started and waited for.
    pub(crate) fn of_children() -> Self {
        Self { places: CHILDREN, before: counted(CHILDREN) }
    }

    /// Since it was made.
    pub(crate) fn elapsed(&self) -> Duration {
        counted(self.places).saturating_sub(self.before)
    }
}

fn counted(places: [usize; 2]) -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = places.map(|place| fields[place].parse::<u32>().unwrap());
    TICK * ticks.iter().sum()
}

/// Memory in use now, in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How long things took.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap()
    }

    /// The latency that this many of a hundred are below.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(place).copied().unwrap_or_default()
    }
}
