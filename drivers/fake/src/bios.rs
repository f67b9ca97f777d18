//! BIOS settings kept in the node's internal data.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// Where the settings are in `driver_internal_info`, by name.
const KEY: &str = "fake_bios_settings";

/// Remembers what was applied, until a factory reset.
pub(crate) struct FakeBios {
    delay: Delay,
}

impl FakeBios {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.bios }
    }
}

/// The settings in a node's internal data.
fn settings(internal: &Map<String, Value>) -> Map<String, Value> {
    internal.get(KEY).and_then(Value::as_object).cloned().unwrap_or_default()
}

#[interface(bios, name = "fake")]
impl BiosInterface for FakeBios {
    type Info = NoInfo;

    /// Apply BIOS settings
    #[step(clean, requires_ramdisk)]
    async fn apply_configuration(
        &self,
        task: &DriverTask<NoInfo>,
        settings: Vec<BiosSetting>,
    ) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        task.save_internal_info(|internal| {
            let mut all = self::settings(internal);
            all.extend(settings.iter().map(|setting| (setting.name.clone(), setting.value.clone())));
            internal.insert(KEY.to_owned(), Value::Object(all));
        })
        .await?;
        Ok(StepOutcome::Done)
    }

    /// Put all BIOS settings back to what they were at the factory
    #[step(clean, requires_ramdisk)]
    async fn factory_reset(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        task.save_internal_info(|internal| {
            internal.remove(KEY);
        })
        .await?;
        Ok(StepOutcome::Done)
    }

    /// Read the BIOS settings
    #[step(clean, requires_ramdisk)]
    async fn cache_bios_settings(&self, task: &DriverTask<NoInfo>) -> Result<Vec<BiosSetting>> {
        self.delay.pass(task).await?;
        let settings = settings(&task.node().driver_internal_info);
        Ok(settings.into_iter().map(|(name, value)| BiosSetting { name, value }).collect())
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::descriptor::Descriptor;
    use farrier_sdk::serde_json::{self, json};
    use farrier_sdk::testing;

    use super::*;

    const BIOS: FakeBios = FakeBios { delay: Delay::NONE };

    fn setting(name: &str, value: &str) -> BiosSetting {
        BiosSetting { name: name.to_owned(), value: Value::from(value) }
    }

    #[test]
    fn applied_settings_are_there_at_the_next_look() {
        let node = json!({"driver_internal_info": {KEY: {"turbo": "on", "hyperthreading": "off"}}});
        let task = testing::task(node).unwrap();

        task.block_on(BIOS.apply_configuration(&task, vec![setting("hyperthreading", "on")])).unwrap();

        let node = task.block_on(task.refresh()).unwrap();
        let task = testing::task(serde_json::to_value(node).unwrap()).unwrap();
        let settings = task.block_on(BIOS.cache_bios_settings(&task)).unwrap();
        assert_eq!(settings, [setting("hyperthreading", "on"), setting("turbo", "on")]);
    }

    #[test]
    fn nothing_is_left_after_a_factory_reset() {
        let node = json!({"driver_internal_info": {KEY: {"turbo": "on"}, "other": 1}});
        let task = testing::task(node).unwrap();

        task.block_on(BIOS.factory_reset(&task)).unwrap();

        let node = task.block_on(task.refresh()).unwrap();
        assert_eq!(Value::Object(node.driver_internal_info), json!({"other": 1}));
    }

    #[test]
    fn all_three_methods_are_manual_clean_steps() {
        let text = crate::farrier_plugin().descriptor()();
        let descriptor: Descriptor = serde_json::from_str(text.as_str()).unwrap();

        let steps = &descriptor.interface(InterfaceType::Bios, "fake").unwrap().steps;

        let names: Vec<_> = steps.iter().map(|step| step.step.as_str()).collect();
        assert_eq!(names, ["apply_configuration", "factory_reset", "cache_bios_settings"]);
        assert!(steps.iter().all(|step| step.priority == 0 && step.kinds == ["clean"]));
        assert!(steps[0].args["settings"].required);
    }
}
