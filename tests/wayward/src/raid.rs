//! RAID volumes that are made of nothing.

use std::collections::BTreeMap;

use farrier_sdk::prelude::*;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::shared::Shared;

/// Levels that the machine has.
const LEVELS: [&str; 3] = ["0", "1", "5"];

/// In `driver_internal_info`: that there are volumes.
const KEY: &str = "wayward_volumes";

/// RAID of the machine.
pub(crate) struct GoodRaid {
    shared: Arc<Shared>,
}

impl Make for GoodRaid {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl GoodRaid {
    fn check(&self, target: &Map<String, Value>) -> Result<()> {
        let disks = target.get("logical_disks").and_then(Value::as_array);
        let disks =
            disks.ok_or_else(|| DriverError::invalid_parameter("`logical_disks`: expected a list"))?;
        let has_level =
            |disk: &Value| disk.get("raid_level").is_some_and(|level| LEVELS.iter().any(|one| level == one));
        let has_size = |disk: &Value| disk.get("size_gb").is_some_and(|size| size.as_u64().is_some());
        let good = |disk: &Value| has_level(disk) && (has_size(disk) || self.shared.breaks("RAI-003"));
        if disks.iter().all(good) && !self.shared.breaks("RAI-002") {
            return Ok(());
        }
        Err(DriverError::invalid_parameter("a logical disk has no size or no level of this machine"))
    }
}

#[interface(raid, name = "wayward")]
impl RaidInterface for GoodRaid {
    type Info = WaywardInfo;

    async fn create_configuration(
        &self,
        task: &DriverTask<WaywardInfo>,
        _create_root_volume: bool,
        _create_nonroot_volumes: bool,
        _delete_existing: bool,
    ) -> Result<StepOutcome> {
        if task.node().target_raid_config.is_empty() && !self.shared.breaks("RAI-004") {
            return Err(DriverError::missing_parameter("the node has no target configuration"));
        }
        task.save_internal_info(|info| drop(info.insert(KEY.to_owned(), Value::Bool(true)))).await?;
        Ok(StepOutcome::Done)
    }

    async fn delete_configuration(&self, task: &DriverTask<WaywardInfo>) -> Result<StepOutcome> {
        if self.shared.breaks("RAI-005") && !task.node().driver_internal_info.contains_key(KEY) {
            return Err(DriverError::new(ErrorKind::Conflict, "there are no volumes"));
        }
        task.save_internal_info(|info| drop(info.remove(KEY))).await?;
        Ok(StepOutcome::Done)
    }

    async fn validate_raid_config(
        &self,
        _task: &DriverTask<WaywardInfo>,
        raid_config: Map<String, Value>,
    ) -> Result<()> {
        self.check(&raid_config)
    }

    async fn get_logical_disk_properties(
        &self,
        _task: &DriverTask<WaywardInfo>,
    ) -> Result<BTreeMap<String, String>> {
        let size = if self.shared.breaks("RAI-001") { "" } else { "Size in GiB" };
        let properties = [("raid_level", "RAID level: 0, 1 or 5"), ("size_gb", size)];
        Ok(properties.map(|(name, text)| (name.to_owned(), text.to_owned())).into())
    }
}
