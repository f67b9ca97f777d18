//! What a RAID configuration is: `{"logical_disks": [...]}`, each disk with properties of one table.
//!
//! Source: Ironic's RAID configuration.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{DriverError, Result};
use crate::step::StepOutcome;
use crate::task::DriverTask;

/// The only member of a configuration.
const DISKS: &str = "logical_disks";

/// The property that says which disk the instance boots from.
const IS_ROOT: &str = "is_root_volume";

/// A property that a logical disk may have.
struct Property {
    name: &'static str,
    required: bool,
    shape: Shape,
    /// What it means, for operators.
    text: &'static str,
}

/// What the value of a property looks like.
enum Shape {
    /// A number of GiB, or `MAX`.
    Size,
    /// Yes or no.
    Flag,
    /// A whole number that is not zero.
    Count,
    /// Any text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// Names of physical disks, or objects that describe them.
    Disks,
}

/// Every property of a logical disk.
#[rustfmt::skip]
const PROPERTIES: &[Property] = &[
    Property { name: "raid_level", required: true,
        shape: Shape::OneOf(&["JBOD", "0", "1", "2", "5", "6", "1+0", "5+0", "6+0"]),
        text: "RAID level: JBOD, 0, 1, 2, 5, 6, 1+0, 5+0 or 6+0. Required." },
    Property { name: "size_gb", required: true, shape: Shape::Size,
        text: "Size in GiB, or `MAX` for all the space that is left. Required." },
    Property { name: "volume_name", required: false, shape: Shape::Text,
        text: "Name of the volume; made up when absent. Optional." },
    Property { name: IS_ROOT, required: false, shape: Shape::Flag,
        text: "Whether the instance boots from it; no when absent. Optional." },
    Property { name: "share_physical_disks", required: false, shape: Shape::Flag,
        text: "Whether other logical disks may lie on its physical disks; no when absent. Optional." },
    Property { name: "disk_type", required: false, shape: Shape::OneOf(&["hdd", "ssd"]),
        text: "Kind of physical disks to take: hdd or ssd; any when absent. Optional." },
    Property { name: "interface_type", required: false, shape: Shape::OneOf(&["sata", "scsi", "sas"]),
        text: "Interface of the physical disks to take: sata, scsi or sas; any when absent. Optional." },
    Property { name: "number_of_physical_disks", required: false, shape: Shape::Count,
        text: "How many physical disks to take; as few as the level allows when absent. Optional." },
    Property { name: "controller", required: false, shape: Shape::Text,
        text: "Name of the controller, as the driver calls it; the driver's choice when absent. Optional." },
    Property { name: "physical_disks", required: false, shape: Shape::Disks,
        text: "Physical disks to take, as the driver calls them; the driver's choice when absent. Optional." },
    // next property above this line
];

impl Shape {
    fn fits(&self, value: &Value) -> bool {
        let is_count = |value: &Value| value.as_u64().is_some_and(|number| 0 < number);
        match self {
            Self::Size => value == "MAX" || is_count(value),
            Self::Flag => value.is_boolean(),
            Self::Count => is_count(value),
            Self::Text => value.is_string(),
            Self::OneOf(texts) => value.as_str().is_some_and(|text| texts.contains(&text)),
            Self::Disks => value.as_array().is_some_and(|disks| {
                !disks.is_empty() && disks.iter().all(|disk| disk.is_string() || disk.is_object())
            }),
        }
    }

    /// What a value has to be.
    fn wanted(&self) -> String {
        match self {
            Self::Size => "a positive number or `MAX`".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Count => "a positive number".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::OneOf(texts) => format!("one of {}", texts.join(", ")),
            Self::Disks => "a list of names or descriptions, not empty".to_owned(),
        }
    }
}

/// Properties of a logical disk, with what each means.
#[must_use]
pub fn properties() -> BTreeMap<String, String> {
    PROPERTIES.iter().map(|property| (property.name.to_owned(), property.text.to_owned())).collect()
}

/// Checks that a configuration has logical disks, each with what it needs and nothing else, and one to boot from at
/// most.
///
/// # Errors
///
/// `InvalidParameter` says what is wrong, and at which disk, counted from 0.
pub fn check(config: &Map<String, Value>) -> Result<()> {
    let refuse = |why: String| Err(DriverError::invalid_parameter(format!("RAID configuration: {why}")));
    if let Some(unknown) = config.keys().find(|key| *key != DISKS) {
        return refuse(format!("`{unknown}` is not a part of it, only `{DISKS}` is"));
    }
    let Some(disks) = config.get(DISKS).and_then(Value::as_array) else {
        return refuse(format!("`{DISKS}` has to be a list"));
    };
    if disks.is_empty() {
        return refuse(format!("`{DISKS}` is empty"));
    }
    for (index, disk) in disks.iter().enumerate() {
        check_disk(disk)
            .map_err(|why| DriverError::invalid_parameter(format!("logical disk {index}: {why}")))?;
    }
    match disks.iter().filter(|disk| is_root(disk)).count() {
        0 | 1 => Ok(()),
        count => refuse(format!("it has {count} disks to boot from, at most one can be")),
    }
}

fn check_disk(disk: &Value) -> std::result::Result<(), String> {
    let Some(disk) = disk.as_object() else { return Err("has to be an object".to_owned()) };
    if let Some(unknown) = disk.keys().find(|key| !PROPERTIES.iter().any(|one| one.name == *key)) {
        return Err(format!("`{unknown}` is not a property of logical disks"));
    }
    for Property { name, required, shape, .. } in PROPERTIES {
        match disk.get(*name) {
            Some(value) if shape.fits(value) => {}
            None if !required => {}
            Some(_) | None => return Err(format!("`{name}` has to be {}", shape.wanted())),
        }
    }
    Ok(())
}

fn is_root(disk: &Value) -> bool {
    disk.get(IS_ROOT).and_then(Value::as_bool).unwrap_or_default()
}

/// Which volumes of a configuration are to be made: the arguments of `create_configuration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The one to boot from.
    pub root: bool,
    /// The others.
    pub nonroot: bool,
}

/// The logical disks of the node's target configuration that are wanted, in their order.
///
/// # Errors
///
/// `MissingParameter`: the node has no target configuration, or none of its disks is wanted; `InvalidParameter`: it is
/// no configuration.
pub fn volumes<I>(task: &DriverTask<I>, wanted: Wanted) -> Result<Vec<Map<String, Value>>> {
    let target = &task.node().target_raid_config;
    if target.is_empty() {
        return Err(DriverError::missing_parameter("the node has no target RAID configuration"));
    }
    check(target)?;
    let disks = target.get(DISKS).and_then(Value::as_array).into_iter().flatten();
    let disks = disks.filter(|disk| if is_root(disk) { wanted.root } else { wanted.nonroot });
    let disks: Vec<_> = disks.filter_map(Value::as_object).cloned().collect();
    if disks.is_empty() {
        let text = "the target RAID configuration has no logical disk of those that are to be made";
        return Err(DriverError::missing_parameter(text));
    }
    Ok(disks)
}

/// What `apply_configuration` does: has the node's RAID interface check the configuration, makes it the target, and
/// has the interface make its volumes.
///
/// An outcome that asks to be called again is answered as it is: the next call finds everything as it was.
///
/// # Errors
///
/// Those of the interface; [`Conflict`](crate::error::ErrorKind::Conflict): the lock is not ours;
/// [`Unsupported`](crate::error::ErrorKind::Unsupported): the host is older than this.
pub async fn apply<I: Send + Sync>(
    task: &DriverTask<I>,
    raid_config: Map<String, Value>,
    create_root_volume: bool,
    create_nonroot_volumes: bool,
    delete_existing: bool,
) -> Result<StepOutcome> {
    let raid = task.raid();
    raid.validate_raid_config(raid_config.clone()).await?;
    task.save_target_raid_config(&raid_config).await?;
    raid.create_configuration(create_root_volume, create_nonroot_volumes, delete_existing).await
}

#[cfg(test)]
mod tests;
