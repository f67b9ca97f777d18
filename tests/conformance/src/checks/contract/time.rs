//! Deadlines, cancellation, and who has the thread meanwhile.

use std::time::{Duration, Instant};

use farrier_sdk::error::ErrorKind;
use serde_json::json;

use super::{filled, first_reader, quiet, watched};
use crate::bench::{Bench, sample};
use crate::check::{Judgement, failed, none_of};
use crate::profile::Protocol;
use crate::residue::{pause, waited_for_processor};
use crate::target::{self, Peer};

/// The deadline of calls that cannot succeed.
const SHORT: Duration = Duration::from_secs(1);

/// How much later than its deadline and grace a call may answer: threads have to be woken, on a busy machine.
const SLACK: Duration = Duration::from_secs(2);

/// How long after the end of its grace a cancelled call may still be heard of.
const AFTER: Duration = Duration::from_secs(2);

/// How long it is watched after that.
const WATCH: Duration = Duration::from_millis(1500);

/// How long a poll may keep the thread, without the time in which it waits for a processor.
const POLL_MAX: Duration = Duration::from_millis(50);

/// How often a call is made whose polls were too long: the machine of the kit may be busy.
const ATTEMPTS: u32 = 5;

/// A machine that never answers; none at all for plugins that speak to nobody.
fn silent(bench: &Bench) -> Result<Peer, crate::check::Finding> {
    if bench.profile().protocol == Protocol::None { Ok(Peer::memory()) } else { target::silent(bench) }
}

pub(super) fn meets_deadlines(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let peer = silent(bench)?;
    let mut faults = Vec::new();
    for interface in session.descriptor().interfaces.clone() {
        let method = crate::bench::reader(&interface);
        let opened = session.open(interface.kind, &interface.name)?;
        let node = session.node_with(filled(bench, &interface, &peer)?);
        let begin = Instant::now();
        let answer = session.call_within(&opened, method, &sample(method), &node, SHORT);
        let place = format!("{} `{}.{method}`", interface.kind, interface.name);
        if SHORT + crate::bench::GRACE + SLACK < begin.elapsed() {
            faults.push(format!("{place} took {} ms", begin.elapsed().as_millis()));
        }
        if let Err(error) = answer
            && matches!(error.kind(), ErrorKind::PluginStalled | ErrorKind::PluginPanicked)
        {
            faults.push(format!("{place}: {error}"));
        }
    }
    none_of(&faults)
}

pub(super) fn ends_when_cancelled(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let peer = silent(bench)?;
    let (interface, method) = first_reader(&session)?;
    let opened = session.open(interface.kind, &interface.name)?;
    let node = session.node_with(filled(bench, &interface, &peer)?);
    let call = session.begin(&opened, method, &json!({}), &node, session.patience());
    // Under way: it has spoken to its machine, or there is none.
    if watched(&peer) {
        crate::residue::settled(|| (peer.contacts() == Some(0)).then_some(()));
    } else {
        pause(Duration::from_millis(100));
    }
    drop(call);
    pause(crate::bench::GRACE);
    none_of(&still_at_it(bench, &peer))
}

/// What is heard of work that was given up, after the time that it has to end.
pub(in crate::checks) fn still_at_it(bench: &Bench, peer: &Peer) -> Vec<String> {
    pause(AFTER);
    let (mark, contacts) = (bench.journal().mark(), peer.contacts());
    pause(WATCH);
    let mut faults = Vec::new();
    let mut spoken = bench.journal().since(mark).into_iter().filter(|record| record.by_plugin);
    faults.extend(spoken.next_back().map(|last| format!("it still logs: {}", last.text)));
    if peer.contacts() != contacts {
        faults.push("it still speaks to its machine".to_owned());
    }
    faults
}

pub(super) fn never_blocks(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let mut peers = vec![Peer::absent()];
    if let Ok(peer) = target::start(bench) {
        peers.push(peer);
    }
    let executor = format!("plugin-{}", session.plugin.name());
    let mut faults = Vec::new();
    for interface in session.descriptor().interfaces.clone() {
        let opened = session.open(interface.kind, &interface.name)?;
        for peer in &peers {
            let node = session.node_with(filled(bench, &interface, peer)?);
            for method in interface.methods.iter().filter(|method| crate::bench::is_read(method)) {
                let blocked = (0..ATTEMPTS).all(|_| {
                    let (mark, before) = (bench.journal().mark(), waited_for_processor(&executor));
                    session.call(&opened, method, &sample(method), &node).ok();
                    let waited = waited_for_processor(&executor).saturating_sub(before);
                    POLL_MAX < bench.journal().blocked_since(mark).saturating_sub(waited)
                });
                if blocked {
                    faults.push(format!("{} `{}.{method}` blocks", interface.kind, interface.name));
                }
            }
            quiet(peer);
        }
    }
    if faults.is_empty() { Ok(()) } else { failed(faults.join("; ")) }
}
