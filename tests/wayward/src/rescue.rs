//! A rescue system that needs nothing but a machine that is on.

use farrier_sdk::prelude::*;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::machine;
use crate::shared::Shared;

/// Where it is noted that a node is rescued.
const RESCUED: &str = "wayward_rescued";

/// The rescue system of the machine.
pub(crate) struct GoodRescue {
    shared: Arc<Shared>,
}

impl Make for GoodRescue {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

#[interface(rescue, name = "wayward")]
impl RescueInterface for GoodRescue {
    type Info = WaywardInfo;

    async fn rescue(&self, task: &DriverTask<WaywardInfo>) -> Result<StepOutcome> {
        machine::switch(&self.shared, task, true).await?;
        task.save_internal_info(|info| {
            info.insert(RESCUED.to_owned(), true.into());
        })
        .await?;
        Ok(StepOutcome::Done)
    }

    async fn unrescue(&self, task: &DriverTask<WaywardInfo>) -> Result<StepOutcome> {
        machine::switch(&self.shared, task, true).await?;
        Ok(StepOutcome::Done)
    }

    async fn clean_up(&self, task: &DriverTask<WaywardInfo>) -> Result<()> {
        let rescued = task.refresh().await?.driver_internal_info.contains_key(RESCUED);
        if self.shared.breaks("IFC-002") && !rescued {
            return Err(DriverError::new(ErrorKind::Conflict, "there is nothing to clean up"));
        }
        task.save_internal_info(|info| {
            info.remove(RESCUED);
        })
        .await
    }
}
