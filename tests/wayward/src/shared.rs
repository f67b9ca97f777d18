//! What all implementations share, and what goes wrong when it starts.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use farrier_sdk::prelude::*;

use crate::datagram::Channel;
use crate::options::WaywardOptions;

/// How long a start takes that is too long.
const LONG_START: Duration = Duration::from_millis(2500);

/// What the plugin knows of all nodes. A good one would know nothing but `channels`.
#[derive(Default)]
pub(crate) struct Shared {
    /// The check to fail.
    rule: String,
    /// Sockets and sessions by address.
    pub(crate) channels: tokio::sync::Mutex<HashMap<String, Arc<Channel>>>,
    /// URL that each node had first.
    pub(crate) first_urls: Mutex<HashMap<String, String>>,
    /// URL of whichever node was asked last.
    pub(crate) last_url: Mutex<String>,
    /// What a machine answered first, by node and URL.
    pub(crate) first_states: Mutex<HashMap<String, PowerState>>,
    /// What a machine answered last, and how often in a row, by node and URL.
    pub(crate) repeated: Mutex<HashMap<String, (PowerState, u32)>>,
    /// Nodes whose machines rest.
    pub(crate) resting: Mutex<HashSet<String>>,
    /// Memory that is never given back.
    pub(crate) hoard: Mutex<Vec<Vec<u8>>>,
    /// A file that is never closed.
    _file: Option<File>,
    /// Calls that ask for the power state.
    pub(crate) questions: AtomicUsize,
    /// Those under way.
    pub(crate) under_way: AtomicUsize,
}

impl Shared {
    /// Starts the plugin.
    #[expect(clippy::print_stdout, reason = "that is what it was asked for")]
    pub(crate) fn start(options: WaywardOptions) -> Result<Self> {
        let rule = options.rule;
        let mut file = None;
        match rule.as_str() {
            "LOD-001" => return Err(DriverError::new(ErrorKind::Conflict, "wayward was asked to refuse")),
            "LOD-002" => wait(LONG_START),
            "LOD-003" => stray("wayward-stray"),
            "LOD-004" => println!("wayward has something to say"),
            "LOD-005" => file = File::open("/etc/passwd").ok(),
            _ => {}
        }
        Ok(Self { rule, _file: file, ..Self::default() })
    }

    /// Whether this is the check to fail.
    pub(crate) fn breaks(&self, rule: &str) -> bool {
        self.rule == rule
    }

    /// Counts a question; answers how many there were before.
    pub(crate) fn question(&self) -> usize {
        self.questions.fetch_add(1, Ordering::SeqCst)
    }

    /// An error, unless this is the check to fail: then one that says nothing.
    pub(crate) fn or_vague(&self, rule: &str, error: DriverError) -> DriverError {
        if self.breaks(rule) { DriverError::internal("something went wrong") } else { error }
    }
}

/// What a lock protects.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the thread that calls.
pub(crate) fn wait(time: Duration) {
    let begin = std::time::Instant::now();
    while let Some(left) = time.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// Starts a thread that never ends.
pub(crate) fn stray(name: &str) {
    let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(64 * 1024);
    // Without threads there is nothing to leave behind.
    builder
        .spawn(|| {
            loop {
                std::thread::park();
            }
        })
        .ok();
}
