//! `CON`: what every plugin promises, whatever its machine.

mod growth;
mod nodes;
mod secrets;
mod time;

use farrier_sdk::descriptor::{InterfaceDescriptor, PropertyDescriptor};
use farrier_sdk::error::{DriverError, ErrorKind};
use serde_json::{Map, Value, json};

use super::stand::is_broken;
use crate::bench::{Answer, Bench, Session, is_read, methods, reader, sample};
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, none_of, not_applicable, not_run};
use crate::profile::Protocol;
use crate::residue;
use crate::target::{self, Control, Peer};

pub(super) use secrets::told;
pub(super) use time::still_at_it;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "CON-001", level: Level::Must, needs: Needs::Plugin, run: listed_methods_answer,
        requirement: "Every method the descriptor lists answers, if only with an error of its machine.",
        source: "descriptor: the conductor goes by what is listed" },
    Check { id: "CON-002", level: Level::Must, needs: Needs::Plugin, run: unlisted_methods_are_unsupported,
        requirement: "Every method, step and vendor method that is not listed is answered with `unsupported`.",
        source: "versions: a newer host calls what an older plugin does not know" },
    Check { id: "CON-003", level: Level::Must, needs: Needs::Plugin, run: missing_properties_are_named,
        requirement: "Without a required property a call fails with `missing_parameter` and names it.",
        source: "Properties::from_map, errors" },
    Check { id: "CON-004", level: Level::Must, needs: Needs::Plugin, run: wrong_properties_are_named,
        requirement: "A property of the wrong type makes a call fail with `invalid_parameter` and is named.",
        source: "Properties::from_map, errors" },
    Check { id: "CON-005", level: Level::Must, needs: Needs::Plugin, run: validates_offline,
        requirement: "`validate` speaks to nobody.",
        source: "Ironic: validation answers at once, for many nodes" },
    Check { id: "CON-006", level: Level::Must, needs: Needs::Plugin, run: secrets::keeps_secrets,
        requirement: "No secret of a node is in a log, an error, a result or what the plugin remembers.",
        source: "plugin boundary: logs and errors are for everybody" },
    Check { id: "CON-007", level: Level::Must, needs: Needs::Plugin, run: time::meets_deadlines,
        requirement: "A call whose machine never answers ends at its deadline.",
        source: "plugin boundary: deadlines and cancellation" },
    Check { id: "CON-008", level: Level::Must, needs: Needs::Plugin, run: time::ends_when_cancelled,
        requirement: "Two seconds after a cancelled call nothing of it goes on.",
        source: "plugin boundary: the lock may belong to somebody else by then" },
    Check { id: "CON-009", level: Level::Must, needs: Needs::Machine, run: nodes::keeps_nodes_apart,
        requirement: "Many nodes at once each get the answer of their own machine.",
        source: "interface traits: one instance serves every node" },
    Check { id: "CON-010", level: Level::Must, needs: Needs::Plugin, run: time::never_blocks,
        requirement: "No poll of a call takes longer than 50 ms.",
        source: "plugin boundary: all calls of a plugin share a thread" },
    Check { id: "CON-011", level: Level::Must, needs: Needs::Machine, run: growth::of_threads_and_files,
        requirement: "A thousand calls leave no thread and no file behind.",
        source: "plugin boundary: a conductor runs for months" },
    Check { id: "CON-012", level: Level::Must, needs: Needs::Machine, run: growth::of_memory,
        requirement: "A thousand calls keep no more memory than the profile allows.",
        source: "plugin boundary: a conductor runs for months" },
    Check { id: "CON-013", level: Level::Must, needs: Needs::Plugin, run: ignores_unknown_arguments,
        requirement: "Arguments that a method does not know are ignored.",
        source: "versions: a newer host sends them" },
    Check { id: "CON-014", level: Level::Must, needs: Needs::Plugin, run: missing_arguments_are_named,
        requirement: "A call without a required argument fails with `missing_parameter`.",
        source: "plugin boundary: calls and values" },
    Check { id: "CON-015", level: Level::Must, needs: Needs::Machine, run: nodes::follows_the_node,
        requirement: "A call goes by what its node says now, not by what the same node said before.",
        source: "interface traits: what is kept between calls is a cache, never state" },
    Check { id: "CON-016", level: Level::Must, needs: Needs::Plugin, run: nodes::forgets_nothing_it_was_told,
        requirement: "What others keep in a node's internal data is still there after every call.",
        source: "DriverTask::save_internal_info: compare and save" },
];

/// How an error is told.
fn shown(error: &DriverError) -> String {
    format!("{:?}: {error}", error.kind())
}

/// `driver_info` of a node without a machine; nothing if a required property is not in the profile.
fn filled(
    bench: &Bench,
    interface: &InterfaceDescriptor,
    peer: &Peer,
) -> Result<Map<String, Value>, Finding> {
    let info = peer.fill(&bench.profile().driver_info);
    let lacking: Vec<&str> = interface
        .properties
        .iter()
        .filter(|property| property.required && !info.contains_key(&property.name))
        .map(|property| property.name.as_str())
        .collect();
    if lacking.is_empty() {
        return Ok(info);
    }
    not_run(format!("the profile has no `driver_info.{}`", lacking.join("`, `driver_info.")))
}

/// Calls a method on a node without a machine.
fn call_absent(
    bench: &Bench,
    session: &Session,
    interface: &InterfaceDescriptor,
    method: &str,
    arguments: &Value,
) -> Result<Answer, Finding> {
    let opened = session.open(interface.kind, &interface.name)?;
    let node = session.node_with(filled(bench, interface, &Peer::absent())?);
    Ok(session.call(&opened, method, arguments, &node))
}

fn listed_methods_answer(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let mut faults = Vec::new();
    for interface in session.descriptor().interfaces.clone() {
        for method in &interface.methods {
            let Err(error) = call_absent(bench, &session, &interface, method, &sample(method))? else {
                continue;
            };
            if error.kind() == ErrorKind::Unsupported || is_broken(error.kind()) {
                faults.push(format!("{} `{}.{method}` is {}", interface.kind, interface.name, shown(&error)));
            }
        }
    }
    none_of(&faults)
}

fn unlisted_methods_are_unsupported(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let mut faults = Vec::new();
    for interface in session.descriptor().interfaces.clone() {
        let opened = session.open(interface.kind, &interface.name)?;
        let node = session.node_with(filled(bench, &interface, &Peer::absent())?);
        let unlisted = methods(interface.kind).iter().filter(|method| !interface.methods.contains(**method));
        let calls = unlisted.map(|method| ((*method).to_owned(), sample(method))).chain([
            ("kit_unknown_method".to_owned(), json!({})),
            ("execute_step".to_owned(), json!({"kind": "clean", "step": "kit_unknown_step", "args": {}})),
            ("vendor_call".to_owned(), json!({"method": "kit_unknown_method", "arguments": {}})),
        ]);
        for (method, arguments) in calls {
            match session.call_unlisted(&opened, &method, &arguments, &node) {
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                Err(error) => faults.push(format!(
                    "{} `{}.{method}` is {}",
                    interface.kind,
                    interface.name,
                    shown(&error)
                )),
                Ok(_) => faults.push(format!("{} `{}.{method}` succeeded", interface.kind, interface.name)),
            }
        }
    }
    none_of(&faults)
}

fn missing_properties_are_named(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let (mut faults, mut looked) = (Vec::new(), false);
    for interface in session.descriptor().interfaces.clone() {
        for property in interface.properties.iter().filter(|property| property.required) {
            looked = true;
            let mut info = filled(bench, &interface, &Peer::absent())?;
            info.remove(&property.name);
            faults.extend(complaint(&session, &interface, property, info, ErrorKind::MissingParameter)?);
        }
    }
    if looked { none_of(&faults) } else { not_applicable("it requires no property") }
}

fn wrong_properties_are_named(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let (mut faults, mut looked) = (Vec::new(), false);
    for interface in session.descriptor().interfaces.clone() {
        // Secrets are replaced by references before the plugin sees them, whatever they were.
        let lenient = &bench.profile().takes_anything;
        let strict = |property: &&PropertyDescriptor| !property.secret && !lenient.contains(&property.name);
        for property in interface.properties.iter().filter(strict) {
            looked = true;
            let mut info = filled(bench, &interface, &Peer::absent())?;
            info.insert(property.name.clone(), json!([{"kit": [null]}]));
            faults.extend(complaint(&session, &interface, property, info, ErrorKind::InvalidParameter)?);
        }
    }
    if looked { none_of(&faults) } else { not_applicable("it has no property") }
}

/// What is wrong with the error of a call on a node whose `property` is wrong.
fn complaint(
    session: &Session,
    interface: &InterfaceDescriptor,
    property: &PropertyDescriptor,
    info: Map<String, Value>,
    expected: ErrorKind,
) -> Result<Option<String>, Finding> {
    let opened = session.open(interface.kind, &interface.name)?;
    let (node, name) = (session.node_with(info), &property.name);
    let place = format!("{} `{}` with a bad `{name}`", interface.kind, interface.name);
    Ok(match session.call(&opened, reader(interface), &json!({}), &node) {
        Ok(_) => Some(format!("{place} succeeded")),
        Err(error) if error.kind() != expected => Some(format!("{place} is {}", shown(&error))),
        Err(error) if !error.to_string().contains(name.as_str()) => {
            Some(format!("{place} does not name it: {error}"))
        }
        Err(_) => None,
    })
}

fn validates_offline(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    if bench.profile().protocol == Protocol::None {
        return not_applicable("the profile names no protocol that the kit knows");
    }
    let mut faults = Vec::new();
    let peer = target::silent(bench)?;
    for interface in session.descriptor().interfaces.clone() {
        if !interface.methods.contains("validate") {
            continue;
        }
        let opened = session.open(interface.kind, &interface.name)?;
        let node = session.node_with(filled(bench, &interface, &peer)?);
        let before = peer.contacts();
        let answer = session.call(&opened, "validate", &json!({}), &node);
        if peer.contacts() != before {
            faults.push(format!("{} `{}` spoke to its machine", interface.kind, interface.name));
        }
        if let Err(error) = answer {
            faults.push(format!(
                "{} `{}` finds the profile's node wrong: {error}",
                interface.kind, interface.name
            ));
        }
    }
    none_of(&faults)
}

fn ignores_unknown_arguments(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let mut faults = Vec::new();
    for interface in session.descriptor().interfaces.clone() {
        for method in interface.methods.iter().filter(|method| is_read(method)) {
            let plain = sample(method);
            let mut more = plain.clone();
            if let Some(members) = more.as_object_mut() {
                members.insert("kit_unknown_argument".to_owned(), json!({"of": ["a", "newer", "host"]}));
            }
            let kind = |answer: Answer| answer.map_err(|error| error.kind()).map(drop);
            let without = kind(call_absent(bench, &session, &interface, method, &plain)?);
            let with = kind(call_absent(bench, &session, &interface, method, &more)?);
            if without != with {
                let place = format!("{} `{}.{method}`", interface.kind, interface.name);
                faults.push(format!("{place} answers {with:?} instead of {without:?}"));
            }
        }
    }
    none_of(&faults)
}

fn missing_arguments_are_named(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let (mut faults, mut looked) = (Vec::new(), false);
    let required = [
        ("set_power_state", "state"),
        ("set_boot_device", "device"),
        ("set_boot_mode", "mode"),
        ("apply_configuration", "settings"),
        ("update", "settings"),
        ("prepare_ramdisk", "params"),
    ];
    for interface in session.descriptor().interfaces.clone() {
        for (method, argument) in required.iter().filter(|(method, _)| interface.methods.contains(*method)) {
            looked = true;
            let place = format!("{} `{}.{method}` without `{argument}`", interface.kind, interface.name);
            match call_absent(bench, &session, &interface, method, &json!({}))? {
                Ok(_) => faults.push(format!("{place} succeeded")),
                Err(error) if error.kind() == ErrorKind::MissingParameter => {}
                Err(error) => faults.push(format!("{place} is {}", shown(&error))),
            }
        }
    }
    if looked { none_of(&faults) } else { not_applicable("none of its methods has a required argument") }
}

/// Lets a machine settle what a check left under way.
fn quiet(peer: &Peer) -> u64 {
    let mut last = peer.contacts();
    residue::settled(|| {
        let now = peer.contacts();
        let moved = now != last;
        last = now;
        moved.then_some(())
    });
    last.unwrap_or_default()
}

/// Whether a machine can be watched.
fn watched(peer: &Peer) -> bool {
    !matches!(peer.control, Control::None)
}

/// A check that needs an implementation to work with.
fn first_reader(session: &Session) -> Result<(InterfaceDescriptor, &'static str), Finding> {
    let mut interfaces: Vec<InterfaceDescriptor> = session.interfaces().cloned().collect();
    // Best one that asks its machine something.
    interfaces
        .sort_by_key(|interface| (reader(interface) == "validate", reader(interface) != "get_power_state"));
    match interfaces.into_iter().next() {
        Some(interface) => {
            let method = reader(&interface);
            Ok((interface, method))
        }
        None => failed("it has no implementation"),
    }
}
