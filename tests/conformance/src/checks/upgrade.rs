//! `UPG`: what a release owes to the one before it.

use std::collections::BTreeSet;

use farrier_sdk::descriptor::Descriptor;
use serde_json::json;

use crate::bench::{Bench, is_read, sample};
use crate::check::{Check, Judgement, Level, Needs, failed, none_of, not_applicable, not_run};
use crate::profile::TargetKind;
use crate::target::{self, Peer};

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "UPG-001", level: Level::Must, needs: Needs::Plugin, run: accepts_old_data,
        requirement: "What the release before left in a node's internal data makes no call fail.",
        source: "plugin boundary: replacing a plugin at run time" },
    Check { id: "UPG-002", level: Level::Must, needs: Needs::File, run: breaks_only_with_a_new_number,
        requirement: "What the release before offered is still offered, unless the version says that it breaks.",
        source: "Semantic Versioning 2.0.0" },
];

fn accepts_old_data(bench: &Bench) -> Judgement {
    let mut left = bench.profile().upgrade.internal_info.clone();
    if left.is_none() {
        bench.previous_descriptor()?;
        if bench.profile().target.kind == TargetKind::Machine {
            return not_run(
                "every method and step of the release before would be called, which a real machine must not see: \
                 say in `upgrade.internal_info` what it leaves",
            );
        }
        left = Some(left_by_previous(bench)?);
    }
    let left = left.unwrap_or_default();
    if left.is_empty() {
        return not_applicable("the release before left nothing");
    }
    let session = bench.load()?;
    let peer = target::start(bench).unwrap_or_else(|_| Peer::absent());
    let mut faults = Vec::new();
    for interface in session.descriptor().interfaces.clone() {
        let opened = session.open(interface.kind, &interface.name)?;
        for method in interface.methods.iter().filter(|method| is_read(method)) {
            let (fresh, old) = (session.node(bench.profile(), &peer), session.node(bench.profile(), &peer));
            old.set_internal_info(left.clone());
            let without = session.call(&opened, method, &sample(method), &fresh);
            if let (Ok(_), Err(error)) = (without, session.call(&opened, method, &sample(method), &old)) {
                faults.push(format!("{} `{}.{method}`: {error}", interface.kind, interface.name));
            }
        }
    }
    none_of(&faults)
}

/// What all methods and steps of the release before leave in a node. Not for real machines: some of them erase.
fn left_by_previous(
    bench: &Bench,
) -> Result<serde_json::Map<String, serde_json::Value>, crate::check::Finding> {
    let session = bench.load_previous()?;
    let peer = target::start(bench).unwrap_or_else(|_| Peer::absent());
    let node = session.node(bench.profile(), &peer);
    for interface in session.descriptor().interfaces.clone() {
        let opened = session.open(interface.kind, &interface.name)?;
        for method in &interface.methods {
            // Whatever it answers: what it leaves is wanted.
            session.call(&opened, method, &sample(method), &node).ok();
        }
        for step in &interface.steps {
            let arguments = json!({"kind": step.kinds.first(), "step": step.step, "args": {}});
            session.call(&opened, "execute_step", &arguments, &node).ok();
        }
    }
    Ok(node.internal_info())
}

fn breaks_only_with_a_new_number(bench: &Bench) -> Judgement {
    let before = bench.previous_descriptor()?;
    let now = bench.descriptor()?;
    let gone: Vec<String> = offers(&before).difference(&offers(now)).cloned().collect();
    let needed: Vec<String> = demands(now).difference(&demands(&before)).cloned().collect();
    if gone.is_empty() && needed.is_empty() {
        return Ok(());
    }
    if breaking_number(&before.version) != breaking_number(&now.version) {
        return Ok(());
    }
    let mut faults = Vec::new();
    faults.extend(gone.iter().map(|what| format!("{what} is gone")));
    faults.extend(needed.iter().map(|what| format!("{what} is required now")));
    failed(format!("from {} to {}: {}", before.version, now.version, faults.join("; ")))
}

/// The part of a version that changes with a break: the first number that is not 0.
fn breaking_number(version: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in version.split(['.', '-', '+']).take(3) {
        parts.push(part);
        if part != "0" {
            break;
        }
    }
    parts
}

/// All that somebody may use.
fn offers(descriptor: &Descriptor) -> BTreeSet<String> {
    let mut offers = BTreeSet::new();
    for (name, supported) in &descriptor.hardware_types {
        offers.insert(format!("hardware type `{name}`"));
        for (kind, names) in supported {
            offers.extend(names.iter().map(|one| format!("{kind} `{one}` of hardware type `{name}`")));
        }
    }
    for interface in &descriptor.interfaces {
        for name in interface.aliases.iter().chain([&interface.name]) {
            let place = format!("{} `{name}`", interface.kind);
            offers.insert(place.clone());
            offers.extend(interface.methods.iter().map(|method| format!("`{method}` of {place}")));
            offers.extend(interface.steps.iter().map(|step| format!("step `{}` of {place}", step.step)));
            offers.extend(
                interface.vendor_methods.iter().map(|one| format!("vendor method `{}` of {place}", one.name)),
            );
            offers
                .extend(interface.properties.iter().map(|one| format!("property `{}` of {place}", one.name)));
        }
    }
    offers.extend(descriptor.options.iter().map(|option| format!("option `{}`", option.name)));
    offers
}

/// All that somebody has to give.
fn demands(descriptor: &Descriptor) -> BTreeSet<String> {
    let mut demands = BTreeSet::new();
    for interface in &descriptor.interfaces {
        let place = format!("{} `{}`", interface.kind, interface.name);
        let required = interface.properties.iter().filter(|property| property.required);
        demands.extend(required.map(|property| format!("property `{}` of {place}", property.name)));
        for step in &interface.steps {
            let required = step.args.iter().filter(|(_, argument)| argument.required);
            demands.extend(
                required.map(|(name, _)| format!("argument `{name}` of step `{}` of {place}", step.step)),
            );
        }
    }
    demands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_that_is_not_zero_says_that_something_breaks() {
        assert_eq!(breaking_number("1.2.3"), breaking_number("1.9.0"));
        assert_eq!(breaking_number("0.3.1"), breaking_number("0.3.9"));
        assert_ne!(breaking_number("0.3.1"), breaking_number("0.4.0"));
        assert_ne!(breaking_number("0.0.1"), breaking_number("0.0.2"));
    }
}
