//! Whether nodes are kept apart.

use std::time::Duration;

use farrier_sdk::interface::InterfaceType;
use serde_json::{Map, Value, json};

use super::{filled, shown};
use crate::bench::{Bench, Session, changes_the_machine, sample};
use crate::check::{Finding, Judgement, failed, none_of, not_applicable};
use crate::profile::TargetKind;
use crate::target::{self, Peer};

/// What somebody else keeps in a node.
const FOREIGN_KEY: &str = "kit_of_somebody_else";

/// How long after a change a node may still be told of what was: a cache of a session, not of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

fn power(session: &Session) -> Result<farrier_sdk::descriptor::InterfaceDescriptor, Finding> {
    match session.interfaces().find(|interface| interface.kind == InterfaceType::Power) {
        Some(interface) => Ok(interface.clone()),
        None => not_applicable("it has no power implementation"),
    }
}

pub(super) fn keeps_nodes_apart(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let interface = power(&session)?;
    let opened = session.open(interface.kind, &interface.name)?;
    let count = bench.profile().limits.nodes;
    let memory = bench.profile().target.kind == TargetKind::Memory;
    let peers: Vec<Peer> =
        if memory { (0..count).map(|_| Peer::memory()).collect() } else { target::fleet(bench, count)? };
    let mut nodes = Vec::new();
    for (number, peer) in peers.iter().enumerate() {
        let (on, node) = (number % 2 == 1, session.node_with(filled(bench, &interface, peer)?));
        // What nobody else can switch, the plugin switches itself.
        if memory || !peer.set_power(on) {
            let arguments = json!({"state": if on { "power on" } else { "power off" }, "timeout": 10});
            if let Err(error) = session.call(&opened, "set_power_state", &arguments, &node) {
                return failed(format!("`set_power_state`: {}", shown(&error)));
            }
        }
        nodes.push((on, node));
    }
    let calls: Vec<_> = nodes
        .iter()
        .map(|(_, node)| session.begin(&opened, "get_power_state", &json!({}), node, session.patience()))
        .collect();
    let mut wrong = Vec::new();
    for (number, (call, (on, _))) in calls.into_iter().zip(&nodes).enumerate() {
        let expected = if *on { "\"power on\"" } else { "\"power off\"" };
        match session.runtime.block_on(call) {
            Ok(answer) if answer == expected.as_bytes() => {}
            Ok(answer) => wrong.push(format!("node {number} answers {}", String::from_utf8_lossy(&answer))),
            Err(error) => wrong.push(format!("node {number}: {}", shown(&error))),
        }
    }
    match wrong.first() {
        None => Ok(()),
        Some(first) => failed(format!("{} of {count} nodes answered wrongly: {first}", wrong.len())),
    }
}

pub(super) fn follows_the_node(bench: &Bench) -> Judgement {
    if bench.profile().target.kind == TargetKind::Memory {
        return not_applicable("its machines are nowhere else");
    }
    let session = bench.load()?;
    let interface = power(&session)?;
    let opened = session.open(interface.kind, &interface.name)?;
    let mut peers = target::fleet(bench, 2)?.into_iter();
    let (Some(off), Some(on)) = (peers.next(), peers.next()) else {
        return not_applicable("there is one machine");
    };
    if !(off.set_power(false) && on.set_power(true)) {
        return not_applicable("machines of this sort cannot be told apart");
    }
    let uuid = "0f0f0f0f-0000-4000-8000-00000000ffff";
    for (peer, expected) in [(&off, "power off"), (&on, "power on"), (&off, "power off")] {
        let node = session.node_called(uuid, filled(bench, &interface, peer)?);
        match session.call_within(&opened, "get_power_state", &json!({}), &node, PATIENCE) {
            Ok(answer) if answer == expected => {}
            Ok(answer) => {
                return failed(format!("the node's machine is `{expected}`, the answer was {answer}"));
            }
            Err(error) => return failed(shown(&error)),
        }
    }
    Ok(())
}

pub(super) fn forgets_nothing_it_was_told(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let kept: Map<String, Value> = Map::from_iter([(FOREIGN_KEY.to_owned(), json!({"since": "before"}))]);
    let mut faults = Vec::new();
    for interface in session.descriptor().interfaces.clone() {
        let opened = session.open(interface.kind, &interface.name)?;
        let node = session.node_with(filled(bench, &interface, &Peer::absent())?);
        node.set_internal_info(kept.clone());
        for method in interface.methods.iter().filter(|method| changes_the_machine(method)) {
            session.call(&opened, method, &sample(method), &node).ok();
            if node.internal_info().get(FOREIGN_KEY) != kept.get(FOREIGN_KEY) {
                faults.push(format!("{} `{}.{method}` removed it", interface.kind, interface.name));
                node.set_internal_info(kept.clone());
            }
        }
    }
    none_of(&faults)
}
