//! Deployment without an image and without a machine.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// Deploys at once; its one deploy step is the whole deployment.
pub(crate) struct FakeDeploy {
    delay: Delay,
}

impl FakeDeploy {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.deploy }
    }
}

#[interface(deploy, name = "fake")]
impl DeployInterface for FakeDeploy {
    type Info = NoInfo;

    /// Deploy the instance
    #[step(deploy, priority = 100)]
    async fn deploy(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        Ok(StepOutcome::Done)
    }

    async fn tear_down(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        Ok(StepOutcome::Done)
    }

    async fn prepare(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.delay.pass(task).await
    }

    async fn clean_up(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.delay.pass(task).await
    }

    async fn take_over(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.delay.pass(task).await
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::descriptor::{Descriptor, StepDescriptor};
    use farrier_sdk::serde_json::{self, json};
    use farrier_sdk::testing;

    use super::*;

    #[test]
    fn deploying_is_the_one_deploy_step() {
        let text = crate::farrier_plugin().descriptor()();
        let descriptor: Descriptor = serde_json::from_str(text.as_str()).unwrap();

        let steps = &descriptor.interface(InterfaceType::Deploy, "fake").unwrap().steps;

        let [StepDescriptor { kinds, step, priority, .. }] = &steps[..] else { panic!("{steps:?}") };
        assert_eq!((kinds.join(","), step.as_str(), *priority), ("deploy".to_owned(), "deploy", 100));
    }

    #[test]
    fn deployment_and_tear_down_are_done_at_once() {
        let deploy = FakeDeploy { delay: Delay::NONE };
        let task = testing::task(json!({})).unwrap();

        assert_eq!(task.block_on(deploy.deploy(&task)), Ok(StepOutcome::Done));
        assert_eq!(task.block_on(deploy.tear_down(&task)), Ok(StepOutcome::Done));
    }
}
