//! `LOD`: what happens while a plugin is loaded, started and closed.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::bench::{Bench, Session, reader};
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, none_of, not_run};
use crate::residue::{descriptors, new_files, new_threads, settled, threads, waited_for_processor};
use crate::target::Peer;

/// How often loading is timed; the quickest counts, for the machine may be busy.
const TIMED_LOADS: u32 = 5;

/// Most threads of its own that the SDK starts for a plugin, for sockets and timers.
const OWN_THREADS_MAX: usize = 1;

/// How long `close` may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "LOD-001", level: Level::Must, needs: Needs::Plugin, run: starts,
        requirement: "The plugin opens, starts with the options of the profile and hands out every implementation.",
        source: "load steps 12 to 16" },
    Check { id: "LOD-002", level: Level::Should, needs: Needs::Plugin, run: starts_quickly,
        requirement: "Loading and starting takes no longer than the profile allows, 50 ms by default.",
        source: "load sequence: a conductor starts with hundreds of plugins" },
    Check { id: "LOD-003", level: Level::Must, needs: Needs::Plugin, run: starts_few_threads,
        requirement: "Starting leaves no thread behind but the one the SDK has for sockets and timers.",
        source: "plugin boundary: the host owns the threads" },
    Check { id: "LOD-004", level: Level::Must, needs: Needs::Plugin, run: starts_silently,
        requirement: "Loading and starting prints nothing.",
        source: "plugin boundary: output belongs to the conductor, logs go through the SDK" },
    Check { id: "LOD-005", level: Level::Must, needs: Needs::Plugin, run: keeps_no_file,
        requirement: "Starting leaves no file open.",
        source: "plugin boundary: nothing happens before a node asks for it" },
    Check { id: "LOD-006", level: Level::Must, needs: Needs::Plugin, run: names_bad_options,
        requirement: "An option of the wrong type and an unknown option are refused with an error that names them.",
        source: "load step 15: an operator corrects the configuration by this message" },
    Check { id: "LOD-007", level: Level::Must, needs: Needs::Plugin, run: closes,
        requirement: "`close` ends in time, and no thread of the plugin is left then.",
        source: "plugin boundary: replacing a plugin at run time" },
];

fn starts(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    for interface in session.interfaces() {
        for name in interface.aliases.iter().chain([&interface.name]) {
            session.open(interface.kind, name)?;
        }
    }
    Ok(())
}

fn starts_quickly(bench: &Bench) -> Judgement {
    let limit = Duration::from_millis(bench.profile().limits.load_ms);
    let mut best = Duration::MAX;
    for _ in 0..TIMED_LOADS {
        // Each time a copy of its own, which knows nothing of the others.
        let (begin, before) = (Instant::now(), waited_for_processor(""));
        let session = bench.load()?;
        let waited = waited_for_processor("").saturating_sub(before);
        let elapsed = begin.elapsed().saturating_sub(waited);
        drop(session);
        // Reading and hashing the file is ours.
        best = best.min(elapsed.saturating_sub(reading(bench)?));
        if best <= limit {
            return Ok(());
        }
    }
    failed(format!("it takes {} ms, allowed are {}", best.as_millis(), limit.as_millis()))
}

/// How long it takes to read and judge the file without running it.
fn reading(bench: &Bench) -> Result<Duration, Finding> {
    let (begin, before) = (Instant::now(), waited_for_processor(""));
    let scan = farrier_loader::Search::new(bench.library().parent()).scan();
    if scan.candidates.is_empty() {
        not_run("the kit's copy of the library is gone")
    } else {
        Ok(begin.elapsed().saturating_sub(waited_for_processor("").saturating_sub(before)))
    }
}

fn starts_few_threads(bench: &Bench) -> Judgement {
    let before = threads();
    let session = bench.load()?;
    let host = format!("plugin-{}", session.plugin.name());
    let own = format!("{}-io", session.plugin.name());
    let extra = settled(|| {
        let (io, others): (Vec<String>, Vec<String>) = new_threads(&before)
            .into_iter()
            // The kernel keeps 15 bytes of a name.
            .filter(|name| !host.starts_with(name.as_str()))
            .partition(|name| own.starts_with(name.as_str()));
        let faults: Vec<String> = io.into_iter().skip(OWN_THREADS_MAX).chain(others).collect();
        (!faults.is_empty()).then_some(faults)
    });
    match extra {
        None => Ok(()),
        Some(names) => failed(format!("it started {} more: `{}`", names.len(), names.join("`, `"))),
    }
}

fn starts_silently(bench: &Bench) -> Judgement {
    if !bench.alone() {
        return not_run("in one process with others nobody knows who printed");
    }
    let printed = || {
        let size =
            |stream: &str| fs::metadata(format!("/proc/self/fd/{stream}")).map_or(0, |data| data.len());
        size("1") + size("2")
    };
    let before = printed();
    let _session = bench.load()?;
    let size = printed().saturating_sub(before);
    if size == 0 { Ok(()) } else { failed(format!("it printed {size} bytes")) }
}

fn keeps_no_file(bench: &Bench) -> Judgement {
    let before = descriptors();
    let _session = bench.load()?;
    let files = new_files(&before);
    if files.is_empty() { Ok(()) } else { failed(format!("it keeps `{}` open", files.join("`, `"))) }
}

fn names_bad_options(bench: &Bench) -> Judgement {
    let mut faults = Vec::new();
    let options = bench.descriptor()?.options.iter().map(|option| option.name.clone());
    // No option is a list of objects.
    let wrong = json!([{"kit": [null]}]);
    for name in options.chain(["kit_unknown_option".to_owned()]) {
        let mut given: Map<String, Value> = bench.profile().options.clone();
        given.insert(name.clone(), wrong.clone());
        match Session::load_with(bench.library(), bench.profile(), given) {
            Ok(_) => faults.push(format!("`{name}` was accepted with a value that it cannot have")),
            Err(Finding::Failed(reason)) if reason.contains(&name) => {}
            Err(Finding::Failed(reason)) => {
                faults.push(format!("the error does not name `{name}`: {reason}"))
            }
            Err(other) => return Err(other),
        }
    }
    none_of(&faults)
}

fn closes(bench: &Bench) -> Judgement {
    let before = threads();
    let session = bench.load()?;
    for interface in session.descriptor().interfaces.clone() {
        let opened = session.open(interface.kind, &interface.name)?;
        let node = session.node(bench.profile(), &Peer::absent());
        // Whatever it answers: it has worked.
        session.call_within(&opened, reader(&interface), &json!({}), &node, Duration::from_secs(5)).ok();
    }
    if let Err(error) = session.runtime.block_on(session.plugin.close(CLOSE_PATIENCE)) {
        return failed(format!("`close` failed: {error}"));
    }
    let host = format!("plugin-{}", session.plugin.name());
    let left = settled(|| {
        let mut names = new_threads(&before);
        names.retain(|name| !host.starts_with(name.as_str()) && !name.starts_with("tokio-"));
        (!names.is_empty()).then_some(names)
    });
    match left {
        None => Ok(()),
        Some(names) => failed(format!("`{}` still run after `close`", names.join("`, `"))),
    }
}
