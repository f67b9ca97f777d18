//! What is left of a plugin's work in this process: threads, files, memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

/// Beginning of the names of threads that belong to the kit and its emulators.
const OWN_THREADS: [&str; 3] = ["kit-", "sim", "farrier-conform"];

/// How long what is ending may take to be gone.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);

/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Threads by number, with their names; those of the kit are left out.
pub(crate) fn threads() -> BTreeMap<u32, String> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else { return BTreeMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?.trim_end().to_owned();
            (!OWN_THREADS.iter().any(|own| name.starts_with(own))).then_some((number, name))
        })
        .collect()
}

/// Names of threads that were not there before.
pub(crate) fn new_threads(before: &BTreeMap<u32, String>) -> Vec<String> {
    threads().into_iter().filter(|(number, _)| !before.contains_key(number)).map(|(_, name)| name).collect()
}

/// What open descriptors lead to, by their number.
pub(crate) fn descriptors() -> BTreeMap<i32, String> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return BTreeMap::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            // The one that lists them is gone by now.
            let leads = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
            Some((number, leads))
        })
        .collect()
}

/// Files that were opened since, other than the copy of the library itself.
pub(crate) fn new_files(before: &BTreeMap<i32, String>) -> Vec<String> {
    let known: BTreeSet<&String> = before.values().collect();
    descriptors()
        .into_iter()
        .filter(|(number, leads)| before.get(number) != Some(leads) && !known.contains(leads))
        .map(|(_, leads)| leads)
        .filter(|leads| {
            leads.starts_with('/') && !leads.starts_with("/memfd:farrier") && !leads.starts_with("/proc")
        })
        .collect()
}

/// Memory this process has in RAM, in KiB.
pub(crate) fn memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// How long the threads of this process whose names begin so were ready and had no processor; nothing where the kernel
/// does not say.
pub(crate) fn waited_for_processor(name: &str) -> Duration {
    let Ok(entries) = fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    entries
        .flatten()
        .filter_map(|entry| {
            let own = fs::read_to_string(entry.path().join("comm")).ok()?;
            // The kernel keeps 15 bytes of a name.
            if !own.starts_with(name) && !name.starts_with(own.trim_end()) {
                return None;
            }
            let times = fs::read_to_string(entry.path().join("schedstat")).ok()?;
            times.split(' ').nth(1)?.parse().ok().map(Duration::from_nanos)
        })
        .sum()
}

/// Looks until `look` answers nothing, for a while; answers what it said last.
pub(crate) fn settled<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    settled_within(SETTLE_PATIENCE, &mut look)
}

/// The same with a patience of one's own.
pub(crate) fn settled_within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let seen = look();
        if seen.is_none() || deadline <= Instant::now() {
            return seen;
        }
        pause(LOOK_PAUSE);
    }
}

/// Lets time pass.
pub(crate) fn pause(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}
