//! `RAI`: RAID configurations. No volume is touched that the profile does not give away.

use farrier_sdk::interface::InterfaceType;
use serde_json::{Value, json};

use super::stand::{self, Stand};
use crate::bench::Bench;
use crate::check::{Check, Judgement, Level, Needs, failed, none_of, not_applicable};

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "RAI-001", level: Level::Must, needs: Needs::Machine, run: properties_are_described,
        requirement: "`get_logical_disk_properties` answers a text for each property, `raid_level` and `size_gb` among them.",
        source: "RaidInterface::get_logical_disk_properties; Ironic's RAID schema" },
    Check { id: "RAI-002", level: Level::Must, needs: Needs::Machine, run: good_targets_are_accepted,
        requirement: "`validate_raid_config` accepts the profile's configuration, or one volume of level 1.",
        source: "RaidInterface::validate_raid_config" },
    Check { id: "RAI-003", level: Level::Must, needs: Needs::Machine, run: bad_targets_are_refused,
        requirement: "`validate_raid_config` refuses a configuration without volumes, or with one that has no level or size, as `invalid_parameter`.",
        source: "RaidInterface::validate_raid_config, errors" },
    Check { id: "RAI-004", level: Level::Must, needs: Needs::MachineChanged, run: no_target_is_refused,
        requirement: "`create_configuration` on a node without a target configuration is refused, before anything is removed.",
        source: "RaidInterface::create_configuration; Ironic: MissingParameterValue" },
    Check { id: "RAI-005", level: Level::Must, needs: Needs::MachineChanged, run: volumes_come_and_go,
        requirement: "The profile's configuration can be made twice, and removed twice.",
        source: "RaidInterface: the conductor repeats what it is not sure of" },
];

/// What a plain machine can do.
fn plain() -> Value {
    json!({"logical_disks": [{"size_gb": 100, "raid_level": "1"}]})
}

fn properties_are_described(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Raid, |stand| {
        stand.needs(&["get_logical_disk_properties"])?;
        let answer = stand.ask("get_logical_disk_properties", &json!({}))?;
        let Some(properties) = answer.as_object() else { return failed(format!("they are {answer}")) };
        let silent = |text: &Value| text.as_str().is_none_or(str::is_empty);
        let mut faults: Vec<String> = properties
            .iter()
            .filter(|(_, text)| silent(text))
            .map(|(name, _)| format!("`{name}` is not described"))
            .collect();
        let needed = ["raid_level", "size_gb"].into_iter();
        faults.extend(
            needed.filter(|name| !properties.contains_key(*name)).map(|name| format!("`{name}` is missing")),
        );
        none_of(&faults)
    })
}

fn good_targets_are_accepted(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Raid, |stand| {
        stand.needs(&["validate_raid_config"])?;
        let target = bench.profile().raid_config.clone().map_or_else(plain, Value::Object);
        stand.ask("validate_raid_config", &json!({"raid_config": target})).map(drop)
    })
}

fn bad_targets_are_refused(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Raid, |stand| {
        stand.needs(&["validate_raid_config"])?;
        let targets = [
            json!({}),
            json!({"logical_disks": "kit"}),
            json!({"logical_disks": [{"size_gb": 100}]}),
            json!({"logical_disks": [{"raid_level": "1"}]}),
            json!({"logical_disks": [{"size_gb": 100, "raid_level": "kit"}]}),
        ];
        for target in targets {
            let answer = stand.call("validate_raid_config", &json!({"raid_config": target}));
            stand.is_refusal("validate_raid_config", &format!("configuration {target}"), answer, &[])?;
        }
        Ok(())
    })
}

fn create(stand: &Stand) -> Value {
    // A real machine keeps what it has.
    json!({"create_root_volume": true, "create_nonroot_volumes": true,
        "delete_existing": stand.bench.profile().raid_config.is_some()})
}

fn no_target_is_refused(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Raid, |stand| {
        stand.needs(&["create_configuration"])?;
        let answer = stand.finish("create_configuration", &create(stand))?;
        stand.is_refusal("create_configuration", "a node without a target configuration", answer, &[])
    })
}

fn volumes_come_and_go(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Raid, |stand| {
        stand.needs(&["create_configuration", "delete_configuration"])?;
        let Some(target) = &bench.profile().raid_config else {
            return not_applicable("the profile gives no volumes away: it has no `raid_config`");
        };
        stand.node.set("target_raid_config", Value::Object(target.clone()));
        for _ in 0..2 {
            stand.make("create_configuration", &create(stand))?;
        }
        for _ in 0..2 {
            stand.make("delete_configuration", &json!({}))?;
        }
        Ok(())
    })
}
