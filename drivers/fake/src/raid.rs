//! RAID volumes that are checked, as the SDK checks them, and then forgotten.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

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
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    const RAID: FakeRaid = FakeRaid { delay: Delay::NONE };

    #[test]
    fn a_configuration_is_checked_and_its_properties_are_told() {
        let task = testing::task(json!({})).unwrap();
        let check = |config: Value| {
            let config = config.as_object().cloned().unwrap();
            task.block_on(RAID.validate_raid_config(&task, config)).map_err(|error| error.kind())
        };

        assert_eq!(check(json!({"logical_disks": [{"raid_level": "1", "size_gb": 1}]})), Ok(()));
        assert_eq!(check(json!({"logical_disks": [{"raid_level": "1"}]})), Err(ErrorKind::InvalidParameter));
        let told = task.block_on(RAID.get_logical_disk_properties(&task)).unwrap();
        assert!(told["raid_level"].ends_with("Required."), "{told:?}");
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
