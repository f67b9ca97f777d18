//! `INS`: what an inspection finds, on a machine.

use std::collections::BTreeSet;

use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::inspect::{ESSENTIAL_PROPERTIES, Inspection};
use serde_json::{Map, Value, json};

use super::stand::{self, Stand};
use crate::bench::Bench;
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, none_of, not_applicable};

// An inspection may boot an agent, so all of them change the machine.
#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "INS-001", level: Level::Must, needs: Needs::MachineChanged, run: finds_something,
        requirement: "`inspect_hardware` hands over an inventory before it answers that it is done.",
        source: "InspectInterface: DriverTask::save_inspection" },
    Check { id: "INS-002", level: Level::Must, needs: Needs::MachineChanged, run: inventory_has_a_shape,
        requirement: "The inventory tells `cpu` with architecture and count, `memory`, `disks` and `interfaces` in the agent's words.",
        source: "Inspection; Ironic's inventory of the agent" },
    Check { id: "INS-003", level: Level::Must, needs: Needs::MachineChanged, run: addresses_are_some,
        requirement: "Every network interface has a MAC address in lower case with colons, and none has that of another.",
        source: "Ironic: ports are made from them" },
    Check { id: "INS-004", level: Level::Must, needs: Needs::MachineChanged, run: properties_are_set,
        requirement: "`memory_mb`, `local_gb` and `cpu_arch` are among the properties, the first two as numbers above 0.",
        source: "ESSENTIAL_PROPERTIES; Ironic's scheduler" },
    Check { id: "INS-005", level: Level::Must, needs: Needs::MachineChanged, run: finds_the_same_again,
        requirement: "A second inspection of the same machine finds the same.",
        source: "InspectInterface::inspect_hardware" },
    Check { id: "INS-006", level: Level::Must, needs: Needs::MachineChanged, run: changes_nothing,
        requirement: "An inspection without an agent leaves power and boot device as they were.",
        source: "InspectInterface::inspect_hardware" },
];

/// What an inspection hands over, if it hands over anything.
fn inspected(stand: &Stand) -> Result<Option<Inspection>, Finding> {
    stand.make("inspect_hardware", &json!({}))?;
    let Some(found) = stand.node.take_inspection() else { return Ok(None) };
    match serde_json::from_value(found.clone()) {
        Ok(inspection) => Ok(Some(inspection)),
        Err(error) => failed(format!("it handed over {found}: {error}")),
    }
}

fn each(bench: &Bench, look: impl Fn(&Stand, &Inspection) -> Judgement) -> Judgement {
    stand::each(bench, InterfaceType::Inspect, |stand| match inspected(stand)? {
        Some(found) => look(stand, &found),
        None => not_applicable("it hands nothing over"),
    })
}

fn finds_something(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Inspect, |stand| match inspected(stand)? {
        Some(found) if !found.inventory.is_empty() => Ok(()),
        Some(_) => failed("the inventory is empty"),
        None => failed("it is done and has handed nothing over"),
    })
}

/// Whether a value is one of its kind.
type Fits = fn(&Value) -> bool;

/// What is wrong with members of an object that have to be there.
fn lacking(place: &str, object: Option<&Value>, members: &[(&str, Fits)]) -> Vec<String> {
    let wrong = members.iter().filter_map(|(name, fits)| {
        let value = object.and_then(|object| object.get(name)).unwrap_or(&Value::Null);
        (!fits(value)).then(|| format!("`{place}.{name}` is {value}"))
    });
    wrong.collect()
}

fn is_count(value: &Value) -> bool {
    value.as_u64().is_some_and(|count| 0 < count)
}

fn is_word(value: &Value) -> bool {
    value.as_str().is_some_and(|word| !word.is_empty())
}

fn inventory_has_a_shape(bench: &Bench) -> Judgement {
    each(bench, |_, found| {
        let inventory = &found.inventory;
        let mut faults =
            lacking("cpu", inventory.get("cpu"), &[("architecture", is_word), ("count", is_count)]);
        faults.extend(lacking("memory", inventory.get("memory"), &[("physical_mb", is_count)]));
        let lists: [(&str, &str, Fits); 2] =
            [("disks", "size", is_count), ("interfaces", "mac_address", is_word)];
        for (name, member, fits) in lists {
            let Some(parts) = inventory.get(name).and_then(Value::as_array) else {
                faults.push(format!("`{name}` is no list"));
                continue;
            };
            for (index, part) in parts.iter().enumerate() {
                faults.extend(lacking(&format!("{name}[{index}]"), Some(part), &[(member, fits)]));
            }
        }
        none_of(&faults)
    })
}

/// Whether this is six bytes in lower case with colons.
fn is_address(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.split(':').count() == 6 && text.split(':').all(|part| part.len() == 2 && part.bytes().all(digit))
}

fn addresses_are_some(bench: &Bench) -> Judgement {
    each(bench, |_, found| {
        let interfaces = found.inventory.get("interfaces").and_then(Value::as_array);
        let (mut faults, mut known) = (Vec::new(), BTreeSet::new());
        for interface in interfaces.into_iter().flatten() {
            let address = interface.get("mac_address").and_then(Value::as_str).unwrap_or_default();
            if !is_address(address) {
                faults.push(format!("`{address}` is no MAC address as nodes have them"));
            } else if !known.insert(address) {
                faults.push(format!("`{address}` is there twice"));
            }
        }
        none_of(&faults)
    })
}

fn properties_are_set(bench: &Bench) -> Judgement {
    each(bench, |_, found| {
        let wrong = ESSENTIAL_PROPERTIES.iter().filter_map(|name| {
            let value = found.properties.get(*name).unwrap_or(&Value::Null);
            let fits = if *name == "cpu_arch" { is_word(value) } else { is_count(value) };
            (!fits).then(|| format!("`{name}` is {value}"))
        });
        none_of(&wrong.collect::<Vec<_>>())
    })
}

fn finds_the_same_again(bench: &Bench) -> Judgement {
    each(bench, |stand, first| {
        let Some(second) = inspected(stand)? else { return failed("a second inspection hands nothing over") };
        let differs = |one: &Map<String, Value>, other: &Map<String, Value>| {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let differing = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
            differing.map(|name| format!("`{name}` has changed")).collect::<Vec<_>>()
        };
        let mut faults = differs(&first.inventory, &second.inventory);
        faults.extend(differs(&first.properties, &second.properties));
        none_of(&faults)
    })
}

/// What the other interfaces tell of the machine.
fn state(stand: &Stand) -> Vec<(&'static str, Value)> {
    let questions =
        [(InterfaceType::Power, "get_power_state"), (InterfaceType::Management, "get_boot_device")];
    let asked = questions.into_iter().filter_map(|(kind, method)| {
        let answer = stand.sibling(kind, method, &json!({}))?.ok()?;
        Some((method, answer))
    });
    asked.collect()
}

fn changes_nothing(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Inspect, |stand| {
        let (before, on, seen) = (state(stand), stand.peer.is_on(), stand.peer.seen());
        inspected(stand)?;
        let after = state(stand);
        let mut faults: Vec<String> = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .map(|((method, before), (_, after))| format!("`{method}` answers {after} instead of {before}"))
            .collect();
        if stand.peer.is_on() != on || stand.peer.seen() != seen {
            faults.push("the machine is not as it was".to_owned());
        }
        none_of(&faults)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_six_bytes_in_lower_case() {
        assert!(is_address("52:54:00:0a:00:01"));
        for wrong in ["52:54:00:0A:00:01", "52-54-00-0a-00-01", "52:54:00:0a:00", "", "5:254:00:0a:00:01"] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
