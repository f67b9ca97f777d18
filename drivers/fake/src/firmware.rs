//! Firmware updates without firmware.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// Updates nothing and knows no components.
pub(crate) struct FakeFirmware {
    delay: Delay,
}

impl FakeFirmware {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.firmware }
    }
}

#[interface(firmware, name = "fake")]
impl FirmwareInterface for FakeFirmware {
    type Info = NoInfo;

    /// Update firmware
    #[step(clean, requires_ramdisk)]
    async fn update(&self, task: &DriverTask<NoInfo>, settings: Vec<FirmwareUpdate>) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        info!(updates = settings.len(), "firmware would be updated");
        Ok(StepOutcome::Done)
    }

    async fn cache_firmware_components(&self, task: &DriverTask<NoInfo>) -> Result<Vec<FirmwareComponent>> {
        self.delay.pass(task).await?;
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::descriptor::Descriptor;
    use farrier_sdk::serde_json;

    use super::*;

    #[test]
    fn an_update_is_a_manual_clean_step_that_needs_settings() {
        let text = crate::farrier_plugin().descriptor()();
        let descriptor: Descriptor = serde_json::from_str(text.as_str()).unwrap();

        let step = &descriptor.interface(InterfaceType::Firmware, "fake").unwrap().steps[0];

        assert_eq!((step.step.as_str(), step.priority), ("update", 0));
        assert_eq!(step.kinds, ["clean"]);
        assert!(step.args["settings"].required);
    }
}
