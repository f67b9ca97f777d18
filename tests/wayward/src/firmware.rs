//! Firmware versions and updates.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::shared::Shared;
use crate::{http, machine};

const MANAGER: &str = "/redfish/v1/Managers/1";
const UPDATE: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";

/// Where the update under way is looked at, in `driver_internal_info`.
const KEY: &str = "wayward_update";

/// Pause between two looks at an update.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Firmware of the machine.
pub(crate) struct GoodFirmware {
    shared: Arc<Shared>,
}

impl Make for GoodFirmware {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl GoodFirmware {
    async fn versions(&self, task: &DriverTask<WaywardInfo>) -> Result<Vec<FirmwareComponent>> {
        let (shared, url) = (&self.shared, machine::url(&self.shared, task)?);
        let system = http::system(shared, task, &url).await?;
        let version = |resource: &Value, member: &str| resource.get(member)?.as_str().map(str::to_owned);
        let missing = || shared.or_vague("FLT-011", DriverError::protocol("there is no version"));
        let bios = version(&system, "BiosVersion").ok_or_else(missing)?;
        let manager = http::get(shared, task, &url, MANAGER).await?;
        let bmc = version(&manager, "FirmwareVersion").ok_or_else(missing)?;
        let component =
            |name: &str, current_version| FirmwareComponent { component: name.to_owned(), current_version };
        Ok(vec![component("bios", bios), component("bmc", bmc)])
    }

    /// What is wrong with an update on any day.
    fn check(&self, update: &FirmwareUpdate) -> Result<()> {
        let name = &update.component;
        if !["bios", "bmc"].contains(&name.as_str()) && !self.shared.breaks("FRM-003") {
            return Err(DriverError::invalid_parameter(format!("`{name}` is no component of this machine")));
        }
        if !update.url.starts_with("http://") && !self.shared.breaks("FRM-004") {
            return Err(DriverError::invalid_parameter(format!("the image for `{name}` has no URL")));
        }
        Ok(())
    }

    async fn begin(&self, task: &DriverTask<WaywardInfo>, update: &FirmwareUpdate) -> Result<StepOutcome> {
        let (shared, url) = (&self.shared, machine::url(&self.shared, task)?);
        if shared.breaks("FRM-006") {
            let has = |one: &FirmwareComponent| {
                one.component == update.component
                    && update.url.contains(&format!("-{}.", one.current_version))
            };
            if self.versions(task).await?.iter().any(has) {
                return Err(DriverError::new(ErrorKind::Conflict, "the machine has this version already"));
            }
        }
        let answer = http::send(shared, task, &url, "POST", UPDATE, &json!({"ImageURI": update.url})).await?;
        let monitor = answer.get("@odata.id").cloned().unwrap_or_default();
        task.save_internal_info(|info| drop(info.insert(KEY.to_owned(), monitor.clone()))).await?;
        Ok(StepOutcome::wait(LOOK_PAUSE))
    }
}

#[interface(firmware, name = "wayward")]
impl FirmwareInterface for GoodFirmware {
    type Info = WaywardInfo;

    /// Update firmware, one component at a time
    #[step(clean)]
    async fn update(
        &self,
        task: &DriverTask<WaywardInfo>,
        settings: Vec<FirmwareUpdate>,
    ) -> Result<StepOutcome> {
        let [update] = settings.as_slice() else {
            return Err(DriverError::invalid_parameter("`settings`: one update at a time"));
        };
        self.check(update)?;
        let begun = task.node().driver_internal_info.get(KEY).and_then(Value::as_str).map(str::to_owned);
        let Some(monitor) = begun else { return self.begin(task, update).await };
        if self.shared.breaks("FRM-005") && self.shared.question() == 0 {
            return self.begin(task, update).await;
        }
        let look = http::get(&self.shared, task, &machine::url(&self.shared, task)?, &monitor).await?;
        let state = look.get("TaskState").and_then(Value::as_str).unwrap_or_default();
        if state == "Running" {
            return Ok(StepOutcome::wait(LOOK_PAUSE));
        }
        task.save_internal_info(|info| drop(info.remove(KEY))).await?;
        if state == "Completed" {
            Ok(StepOutcome::Done)
        } else {
            Err(DriverError::hardware(format!("the update ended as `{state}`")))
        }
    }

    async fn cache_firmware_components(
        &self,
        task: &DriverTask<WaywardInfo>,
    ) -> Result<Vec<FirmwareComponent>> {
        let mut components = self.versions(task).await?;
        if self.shared.breaks("FRM-001") {
            components.extend(components.first().cloned());
        }
        if self.shared.breaks("FRM-002") && self.shared.question() != 0 {
            components.swap_remove(0);
        }
        Ok(components)
    }
}
