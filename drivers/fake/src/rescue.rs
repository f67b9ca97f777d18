//! Rescue that changes the record only.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// Enters and leaves rescue at once.
pub(crate) struct FakeRescue {
    delay: Delay,
}

impl FakeRescue {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.rescue }
    }
}

#[interface(rescue, name = "fake")]
impl RescueInterface for FakeRescue {
    type Info = NoInfo;

    async fn rescue(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        Ok(StepOutcome::Done)
    }

    async fn unrescue(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        Ok(StepOutcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    #[test]
    fn rescue_and_back_are_done_at_once() {
        let rescue = FakeRescue { delay: Delay::NONE };
        let task = testing::task(json!({})).unwrap();

        assert_eq!(task.block_on(rescue.rescue(&task)), Ok(StepOutcome::Done));
        assert_eq!(task.block_on(rescue.unrescue(&task)), Ok(StepOutcome::Done));
        assert_eq!(task.block_on(rescue.clean_up(&task)), Ok(()));
    }
}
