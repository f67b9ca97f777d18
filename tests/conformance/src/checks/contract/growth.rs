//! What is left after many calls.

use serde_json::json;

use super::{filled, first_reader};
use crate::bench::Bench;
use crate::check::{Finding, Judgement, failed};
use crate::residue::{descriptors, memory_kib, new_threads, settled, threads};
use crate::target;

/// Calls before anything is measured: whatever is made once is there then.
const WARM_UP: u32 = 50;

/// Connections a pool may keep.
const FILES_MAX: usize = 4;

/// Threads a pool may keep.
const THREADS_MAX: usize = 2;

/// KiB of a MiB.
const KIB: u64 = 1024;

/// Calls one method many times; tells what `measure` says before and after.
fn work<T>(bench: &Bench, measure: impl Fn() -> T, judge: impl FnOnce(T) -> Judgement) -> Judgement {
    let session = bench.load()?;
    let peer = target::start(bench)?;
    let (interface, method) = first_reader(&session)?;
    let opened = session.open(interface.kind, &interface.name)?;
    let node = session.node_with(filled(bench, &interface, &peer)?);
    let call = || match session.call(&opened, method, &json!({}), &node) {
        Ok(_) => Ok(()),
        Err(error) => Err(Finding::NotRun(format!("`{method}` fails on this target: {error}"))),
    };
    for _ in 0..WARM_UP.min(bench.profile().limits.calls) {
        call()?;
    }
    let before = measure();
    for _ in 0..bench.profile().limits.calls {
        call()?;
    }
    judge(before)
}

pub(super) fn of_threads_and_files(bench: &Bench) -> Judgement {
    work(
        bench,
        || (threads(), descriptors().len()),
        |(before, files)| {
            let left = settled(|| {
                let (names, now) = (new_threads(&before), descriptors().len());
                let grown = files + FILES_MAX < now || THREADS_MAX < names.len();
                grown.then_some((names.len(), now))
            });
            match left {
                None => Ok(()),
                Some((threads, now)) => {
                    failed(format!("{threads} more threads, {files} open files became {now}"))
                }
            }
        },
    )
}

pub(super) fn of_memory(bench: &Bench) -> Judgement {
    let limit = bench.profile().limits.growth_mib;
    work(bench, memory_kib, |before| {
        let grown = memory_kib().saturating_sub(before) / KIB;
        if grown <= limit { Ok(()) } else { failed(format!("{grown} MiB were kept, allowed are {limit}")) }
    })
}
