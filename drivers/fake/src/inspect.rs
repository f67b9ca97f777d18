//! Inspection that finds nothing.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// Is done at once.
pub(crate) struct FakeInspect {
    delay: Delay,
}

impl FakeInspect {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.inspect }
    }
}

#[interface(inspect, name = "fake")]
impl InspectInterface for FakeInspect {
    type Info = NoInfo;

    async fn inspect_hardware(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
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
    fn inspection_is_done_at_once_and_cannot_be_aborted() {
        let inspect = FakeInspect { delay: Delay::NONE };
        let task = testing::task(json!({})).unwrap();

        let inspected = task.block_on(inspect.inspect_hardware(&task));
        let aborted = task.block_on(inspect.abort(&task));

        assert_eq!(inspected, Ok(StepOutcome::Done));
        assert_eq!(aborted.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
