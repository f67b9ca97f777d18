//! Boot preparation that does nothing.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// Claims to boot over the network.
pub(crate) struct FakeBoot {
    delay: Delay,
}

impl FakeBoot {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.boot }
    }
}

#[interface(boot, name = "fake")]
impl BootInterface for FakeBoot {
    type Info = NoInfo;

    async fn prepare_ramdisk(&self, task: &DriverTask<NoInfo>, _params: Map<String, Value>) -> Result<()> {
        self.delay.pass(task).await
    }

    async fn clean_up_ramdisk(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.delay.pass(task).await
    }

    async fn prepare_instance(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.delay.pass(task).await
    }

    async fn clean_up_instance(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.delay.pass(task).await
    }

    async fn get_capabilities(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<String>> {
        Ok(["ipxe_boot", "pxe_boot"].map(str::to_owned).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    const BOOT: FakeBoot = FakeBoot { delay: Delay::NONE };

    #[test]
    fn it_claims_to_boot_over_the_network() {
        let task = testing::task(json!({})).unwrap();

        let capabilities = task.block_on(BOOT.get_capabilities(&task)).unwrap();

        assert_eq!(capabilities, ["ipxe_boot", "pxe_boot"]);
    }

    #[test]
    fn rescue_and_inspection_over_it_are_unsupported() {
        let task = testing::task(json!({})).unwrap();

        for checked in
            [task.block_on(BOOT.validate_rescue(&task)), task.block_on(BOOT.validate_inspection(&task))]
        {
            assert_eq!(checked.unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }
}
