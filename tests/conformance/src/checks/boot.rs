//! `BOT`: preparing what a machine boots.

use std::collections::BTreeSet;

use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::management::VirtualMedia;
use serde_json::{Value, json};

use super::stand::{self, Stand};
use crate::bench::Bench;
use crate::check::{Check, Judgement, Level, Needs, failed};

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "BOT-001", level: Level::Must, needs: Needs::MachineChanged, run: ramdisk_is_cleaned_up,
        requirement: "After `prepare_ramdisk` and `clean_up_ramdisk` no more media are attached to the machine than before.",
        source: "BootInterface::clean_up_ramdisk" },
    Check { id: "BOT-002", level: Level::Must, needs: Needs::MachineChanged, run: instance_is_cleaned_up,
        requirement: "After `prepare_instance` and `clean_up_instance` no more media are attached to the machine than before.",
        source: "BootInterface::clean_up_instance" },
    Check { id: "BOT-003", level: Level::Must, needs: Needs::MachineChanged, run: cleans_up_nothing,
        requirement: "`clean_up_ramdisk` and `clean_up_instance` succeed when nothing was prepared, and a second time.",
        source: "Ironic: what has failed halfway is cleaned up too" },
    Check { id: "BOT-004", level: Level::Must, needs: Needs::MachineChanged, run: prepares_twice,
        requirement: "`prepare_ramdisk` a second time succeeds and attaches nothing more.",
        source: "BootInterface::prepare_ramdisk: the conductor repeats what it is not sure of" },
    Check { id: "BOT-005", level: Level::Must, needs: Needs::Machine, run: capabilities_are_words,
        requirement: "`get_capabilities` answers words, none of them twice.",
        source: "BootInterface::get_capabilities" },
];

/// What is in the virtual drives of the machine: as seen in front of it, or else as it says itself.
fn attached(stand: &Stand) -> Vec<String> {
    if let Some(seen) = stand.peer.seen() {
        return seen.media;
    }
    let told = stand.sibling(InterfaceType::Management, "get_virtual_media", &json!({}));
    let drives: Vec<VirtualMedia> =
        told.and_then(Result::ok).and_then(|drives| serde_json::from_value(drives).ok()).unwrap_or_default();
    let full = drives.into_iter().filter(|drive| drive.inserted);
    full.map(|drive| drive.image.unwrap_or_default()).collect()
}

/// Looks whether two methods undo each other.
fn undone(bench: &Bench, prepare: &str, arguments: &Value, clean_up: &str) -> Judgement {
    stand::each(bench, InterfaceType::Boot, |stand| {
        stand.needs(&[prepare, clean_up])?;
        let before = attached(stand);
        stand.ask(prepare, arguments)?;
        stand.ask(clean_up, &json!({}))?;
        let after = attached(stand);
        if after == before {
            Ok(())
        } else {
            failed(format!("`{}` is left in the machine", after.join("`, `")))
        }
    })
}

fn ramdisk_is_cleaned_up(bench: &Bench) -> Judgement {
    undone(bench, "prepare_ramdisk", &json!({"params": {}}), "clean_up_ramdisk")
}

fn instance_is_cleaned_up(bench: &Bench) -> Judgement {
    undone(bench, "prepare_instance", &json!({}), "clean_up_instance")
}

fn cleans_up_nothing(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Boot, |stand| {
        for method in ["clean_up_ramdisk", "clean_up_instance"] {
            stand.needs(&[method])?;
            for _ in 0..2 {
                stand.ask(method, &json!({}))?;
            }
        }
        Ok(())
    })
}

fn prepares_twice(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Boot, |stand| {
        stand.needs(&["prepare_ramdisk", "clean_up_ramdisk"])?;
        let prepare = || {
            stand.ask("prepare_ramdisk", &json!({"params": {}}))?;
            Ok(attached(stand).len())
        };
        let found = prepare().and_then(|once| {
            let twice = prepare()?;
            if twice == once {
                Ok(())
            } else {
                failed(format!("{twice} media are attached instead of {once}"))
            }
        });
        let cleaned_up = stand.ask("clean_up_ramdisk", &json!({})).map(drop);
        found.and(cleaned_up)
    })
}

fn capabilities_are_words(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Boot, |stand| {
        stand.needs(&["get_capabilities"])?;
        let answer = stand.ask("get_capabilities", &json!({}))?;
        let words: Option<Vec<&str>> =
            answer.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        let distinct = |words: &Vec<&str>| words.iter().collect::<BTreeSet<_>>().len() == words.len();
        if words.is_some_and(|words| distinct(&words) && !words.contains(&"")) {
            Ok(())
        } else {
            failed(format!("`get_capabilities` answered {answer}"))
        }
    })
}
