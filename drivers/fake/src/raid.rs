//! RAID volumes that are checked and then forgotten.

use std::collections::BTreeMap;

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// The only member of a configuration.
const DISKS: &str = "logical_disks";

/// RAID levels a logical disk may have.
const LEVELS: [&str; 9] = ["JBOD", "0", "1", "2", "5", "6", "1+0", "5+0", "6+0"];

/// Properties of a logical disk, with what each means.
const PROPERTIES: [(&str, &str); 10] = [
    ("raid_level", "RAID level: JBOD, 0, 1, 2, 5, 6, 1+0, 5+0 or 6+0. Required."),
    ("size_gb", "Size in GiB, or `MAX` for all the space that is left. Required."),
    ("volume_name", "Name of the volume; made up when absent. Optional."),
    ("is_root_volume", "Whether the instance boots from it; no when absent. Optional."),
    (
        "share_physical_disks",
        "Whether other logical disks may lie on its physical disks; no when absent. Optional.",
    ),
    ("disk_type", "Kind of physical disks to take: hdd or ssd; any when absent. Optional."),
    (
        "interface_type",
        "Interface of the physical disks to take: sata, scsi or sas; any when absent. Optional.",
    ),
    (
        "number_of_physical_disks",
        "How many physical disks to take; as few as the level allows when absent. Optional.",
    ),
    (
        "controller",
        "Name of the controller, as the driver calls it; the driver's choice when absent. Optional.",
    ),
    (
        "physical_disks",
        "Physical disks to take, as the driver calls them; the driver's choice when absent. Optional.",
    ),
    // next property above this line
];

/// Makes and removes volumes by saying so.
pub(crate) struct FakeRaid {
    delay: Delay,
}

impl FakeRaid {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.raid }
    }
}

#[interface(raid, name = "fake")]
impl RaidInterface for FakeRaid {
    type Info = NoInfo;

    /// A configuration that the node is to have must be one; it may have none.
    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        let config = &task.node().target_raid_config;
        if config.is_empty() { Ok(()) } else { check(config) }
    }

    async fn create_configuration(
        &self,
        task: &DriverTask<NoInfo>,
        _create_root_volume: bool,
        _create_nonroot_volumes: bool,
        _delete_existing: bool,
    ) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        Ok(StepOutcome::Done)
    }

    async fn delete_configuration(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        Ok(StepOutcome::Done)
    }

    async fn validate_raid_config(
        &self,
        _task: &DriverTask<NoInfo>,
        raid_config: Map<String, Value>,
    ) -> Result<()> {
        check(&raid_config)
    }

    async fn get_logical_disk_properties(
        &self,
        _task: &DriverTask<NoInfo>,
    ) -> Result<BTreeMap<String, String>> {
        Ok(PROPERTIES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }
}

/// Checks a configuration: at least one logical disk, and nothing else.
fn check(config: &Map<String, Value>) -> Result<()> {
    let refuse = |why: String| Err(DriverError::invalid_parameter(format!("RAID configuration: {why}")));
    if let Some(unknown) = config.keys().find(|key| *key != DISKS) {
        return refuse(format!("`{unknown}` is not a part of it, only `{DISKS}` is"));
    }
    match config.get(DISKS) {
        Some(Value::Array(disks)) if disks.is_empty() => refuse(format!("`{DISKS}` is empty")),
        Some(Value::Array(disks)) => {
            disks.iter().enumerate().try_for_each(|(index, disk)| check_disk(index, disk))
        }
        Some(_) | None => refuse(format!("`{DISKS}` has to be a list")),
    }
}

/// Checks one logical disk; `index` counts from 0.
fn check_disk(index: usize, disk: &Value) -> Result<()> {
    let refuse = |why: &str| Err(DriverError::invalid_parameter(format!("logical disk {index}: {why}")));
    let Some(disk) = disk.as_object() else { return refuse("has to be an object") };
    if let Some(unknown) = disk.keys().find(|key| !PROPERTIES.iter().any(|(name, _)| name == key)) {
        return refuse(&format!("`{unknown}` is not a property of logical disks"));
    }
    let level = disk.get("raid_level").and_then(Value::as_str);
    if !level.is_some_and(|level| LEVELS.contains(&level)) {
        return refuse(&format!("`raid_level` has to be one of {}", LEVELS.join(", ")));
    }
    let fits = |size: &Value| size == "MAX" || size.as_u64().is_some_and(|size| 0 < size);
    if !disk.get("size_gb").is_some_and(fits) {
        return refuse("`size_gb` has to be a positive number or `MAX`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    const RAID: FakeRaid = FakeRaid { delay: Delay::NONE };

    fn validate(config: &Value) -> Result<()> {
        let task = testing::task(json!({})).unwrap();
        task.block_on(RAID.validate_raid_config(&task, config.as_object().cloned().unwrap()))
    }

    #[test]
    fn a_configuration_has_logical_disks_with_level_and_size() {
        let good = json!({"logical_disks": [
            {"raid_level": "1", "size_gb": 100, "is_root_volume": true},
            {"raid_level": "5+0", "size_gb": "MAX"},
        ]});

        assert_eq!(validate(&good), Ok(()));
    }

    #[test]
    fn a_wrong_configuration_is_refused_by_property() {
        let disk = json!({"raid_level": "1", "size_gb": 1});
        let cases = [
            (json!({}), "`logical_disks`"),
            (json!({"logical_disks": []}), "`logical_disks` is empty"),
            (json!({"logical_disks": [disk], "colour": "red"}), "`colour`"),
            (json!({"logical_disks": 1}), "`logical_disks`"),
            (json!({"logical_disks": [1]}), "logical disk 0"),
            (json!({"logical_disks": [{"size_gb": 1}]}), "`raid_level`"),
            (json!({"logical_disks": [{"raid_level": "7", "size_gb": 1}]}), "`raid_level`"),
            (json!({"logical_disks": [{"raid_level": "1"}]}), "`size_gb`"),
            (json!({"logical_disks": [{"raid_level": "1", "size_gb": 0}]}), "`size_gb`"),
            (json!({"logical_disks": [{"raid_level": "1", "size_gb": 1, "colour": "red"}]}), "`colour`"),
        ];

        for (config, named) in cases {
            let error = validate(&config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{config}");
            assert!(error.message().contains(named), "{error}");
        }
    }

    #[test]
    fn what_the_node_is_to_have_is_validated_if_there_is_anything() {
        let validate = |config: Value| {
            let task = testing::task(json!({"target_raid_config": config})).unwrap();
            task.block_on(RAID.validate(&task))
        };

        assert_eq!(validate(json!({})), Ok(()));
        assert_eq!(validate(json!({"logical_disks": [{"raid_level": "0", "size_gb": "MAX"}]})), Ok(()));
        assert_eq!(validate(json!({"logical_disks": []})).unwrap_err().kind(), ErrorKind::InvalidParameter);
    }

    #[test]
    fn volumes_are_made_and_removed_at_once() {
        let task = testing::task(json!({})).unwrap();

        let made = task.block_on(RAID.create_configuration(&task, true, true, true));
        let removed = task.block_on(RAID.delete_configuration(&task));

        assert_eq!((made, removed), (Ok(StepOutcome::Done), Ok(StepOutcome::Done)));
    }
}
