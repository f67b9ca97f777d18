//! `FRM`: firmware versions and updates, on a machine.

use std::collections::BTreeSet;

use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::firmware::FirmwareComponent;
use serde_json::json;

use super::stand::{self, Stand};
use crate::bench::Bench;
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, not_applicable};

/// A component that no machine has.
const UNKNOWN: &str = "kit-unknown-component";

/// Where a machine would find nothing.
const NOWHERE: &str = "http://127.0.0.1:1/image.bin";

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "FRM-001", level: Level::Must, needs: Needs::Machine, run: components_have_versions,
        requirement: "`cache_firmware_components` answers at least one component, each with a version and none twice.",
        source: "FirmwareInterface::cache_firmware_components" },
    Check { id: "FRM-002", level: Level::Must, needs: Needs::Machine, run: versions_stay,
        requirement: "A second look at the versions of the same machine tells the same.",
        source: "FirmwareInterface::cache_firmware_components" },
    Check { id: "FRM-003", level: Level::Must, needs: Needs::MachineChanged, run: unknown_components_are_refused,
        requirement: "An update of a component that there is not is refused as `invalid_parameter` and the component named.",
        source: "FirmwareInterface::update, errors" },
    Check { id: "FRM-004", level: Level::Must, needs: Needs::MachineChanged, run: bad_urls_are_refused,
        requirement: "An update whose image has no URL is refused as `invalid_parameter`, and nothing is updated.",
        source: "FirmwareInterface::update, errors" },
    Check { id: "FRM-005", level: Level::Must, needs: Needs::MachineChanged, run: updates,
        requirement: "An update is begun once, however often a conductor asks how it stands, and the component then has its version.",
        source: "FirmwareInterface::update; step outcomes: asked again by the same call" },
    Check { id: "FRM-006", level: Level::Must, needs: Needs::MachineChanged, run: updates_again,
        requirement: "An update to the version that a component already has can be made.",
        source: "FirmwareInterface::update: an operator runs the same clean steps on all nodes" },
];

fn components(stand: &Stand) -> Result<Vec<FirmwareComponent>, Finding> {
    stand.needs(&["cache_firmware_components"])?;
    let answer = stand.ask("cache_firmware_components", &json!({}))?;
    serde_json::from_value(answer.clone())
        .or_else(|_| failed(format!("`cache_firmware_components` answered {answer}")))
}

fn components_have_versions(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Firmware, |stand| {
        let (components, mut names) = (components(stand)?, BTreeSet::new());
        if components.is_empty() {
            return failed("it knows no component");
        }
        for component in &components {
            let name = component.component.as_str();
            if name.is_empty() || component.current_version.is_empty() {
                return failed(format!("`{name}` has the version `{}`", component.current_version));
            }
            if !names.insert(name) {
                return failed(format!("`{name}` is there twice"));
            }
        }
        Ok(())
    })
}

fn versions_stay(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Firmware, |stand| {
        let first = components(stand)?;
        let second = components(stand)?;
        match first.iter().find(|component| !second.contains(component)) {
            None if first.len() == second.len() => Ok(()),
            None => failed("a second look finds more components"),
            Some(other) => failed(format!("`{}` is no longer `{}`", other.component, other.current_version)),
        }
    })
}

/// Looks whether an update is refused before anything is begun.
fn refused(bench: &Bench, component: &str, url: &str, words: &[&str]) -> Judgement {
    stand::each(bench, InterfaceType::Firmware, |stand| {
        stand.needs(&["update"])?;
        let before = stand.peer.seen();
        let answer = stand.finish("update", &json!({"settings": [{"component": component, "url": url}]}))?;
        stand.is_refusal("update", &format!("an update of `{component}` from `{url}`"), answer, words)?;
        if stand.peer.seen() == before { Ok(()) } else { failed("the machine was updated all the same") }
    })
}

fn unknown_components_are_refused(bench: &Bench) -> Judgement {
    refused(bench, UNKNOWN, NOWHERE, &[UNKNOWN])
}

fn bad_urls_are_refused(bench: &Bench) -> Judgement {
    refused(bench, "bmc", "kit-no-url", &[])
}

/// Makes the update of the profile; how often the machine was told to.
fn update(stand: &Stand) -> Result<Option<u32>, Finding> {
    stand.needs(&["update", "cache_firmware_components"])?;
    let Some(update) = &stand.bench.profile().firmware_update else {
        return not_applicable("the profile has no `firmware_update`");
    };
    let before = stand.peer.seen();
    stand.make("update", &json!({"settings": [{"component": update.component, "url": update.url}]}))?;
    let now = components(stand)?.into_iter().find(|one| one.component == update.component);
    let version = now.map(|component| component.current_version).unwrap_or_default();
    if version != update.version {
        return failed(format!("`{}` has version `{version}` after the update", update.component));
    }
    Ok(stand.peer.seen().zip(before).map(|(after, before)| after.updates - before.updates))
}

fn updates(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Firmware, |stand| match update(stand)? {
        None | Some(1) => Ok(()),
        Some(times) => failed(format!("the machine was told to update {times} times")),
    })
}

fn updates_again(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Firmware, |stand| {
        update(stand)?;
        match update(stand) {
            Err(Finding::Failed(reason)) => failed(format!("a second time: {reason}")),
            // It could a moment ago.
            Err(Finding::Lacking(reason) | Finding::Absent(reason)) => {
                failed(format!("a second time: {reason}"))
            }
            other => other.map(drop),
        }
    })
}
