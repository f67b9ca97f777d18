//! BIOS settings.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::shared::Shared;
use crate::{http, machine};

const BIOS: &str = "/redfish/v1/Systems/1/Bios";

/// BIOS settings of the machine.
pub(crate) struct GoodBios {
    shared: Arc<Shared>,
}

impl Make for GoodBios {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl GoodBios {
    async fn settings(&self, task: &DriverTask<WaywardInfo>) -> Result<Map<String, Value>> {
        let bios = http::get(&self.shared, task, &machine::url(&self.shared, task)?, BIOS).await?;
        let settings = bios.get("Attributes").and_then(Value::as_object).cloned();
        settings
            .ok_or_else(|| self.shared.or_vague("FLT-011", DriverError::protocol("there are no settings")))
    }

    /// Settings take effect when the machine starts.
    async fn start_anew(&self, task: &DriverTask<WaywardInfo>) -> Result<()> {
        machine::switch(&self.shared, task, false).await?;
        machine::switch(&self.shared, task, true).await
    }
}

#[interface(bios, name = "wayward")]
impl BiosInterface for GoodBios {
    type Info = WaywardInfo;

    /// Apply BIOS settings
    #[step(clean)]
    async fn apply_configuration(
        &self,
        task: &DriverTask<WaywardInfo>,
        settings: Vec<BiosSetting>,
    ) -> Result<StepOutcome> {
        let (shared, url) = (&self.shared, machine::url(&self.shared, task)?);
        let now = self.settings(task).await?;
        let (known, unknown): (Vec<_>, Vec<_>) =
            settings.into_iter().partition(|setting| now.contains_key(&setting.name));
        let changes: Map<String, Value> = known
            .into_iter()
            .filter(|setting| now.get(&setting.name) != Some(&setting.value))
            .map(|setting| (setting.name, setting.value))
            .collect();
        let patch = json!({"Attributes": changes});
        let path = format!("{BIOS}/Settings");
        let refused = unknown.first().filter(|_| !shared.breaks("BIO-003"));
        if let Some(unknown) = refused {
            if shared.breaks("BIO-004") {
                http::send(shared, task, &url, "PATCH", &path, &patch).await?;
            }
            let text = format!("BIOS setting `{}` is not one of this machine", unknown.name);
            return Err(DriverError::invalid_parameter(text));
        }
        if changes.is_empty() {
            if shared.breaks("BIO-005") {
                return Err(DriverError::new(ErrorKind::Conflict, "the settings are like that already"));
            }
            return Ok(StepOutcome::Done);
        }
        if !shared.breaks("BIO-002") {
            http::send(shared, task, &url, "PATCH", &path, &patch).await?;
        }
        self.start_anew(task).await?;
        Ok(StepOutcome::Done)
    }

    /// Put all BIOS settings back to what they were at the factory
    #[step(clean)]
    async fn factory_reset(&self, task: &DriverTask<WaywardInfo>) -> Result<StepOutcome> {
        if !self.shared.breaks("BIO-006") {
            let (url, path) = (machine::url(&self.shared, task)?, format!("{BIOS}/Actions/Bios.ResetBios"));
            http::send(&self.shared, task, &url, "POST", &path, &json!({})).await?;
        }
        self.start_anew(task).await?;
        Ok(StepOutcome::Done)
    }

    async fn cache_bios_settings(&self, task: &DriverTask<WaywardInfo>) -> Result<Vec<BiosSetting>> {
        let settings = self.settings(task).await?;
        let mut settings: Vec<BiosSetting> =
            settings.into_iter().map(|(name, value)| BiosSetting { name, value }).collect();
        if self.shared.breaks("BIO-001") {
            settings.extend(settings.first().cloned());
        }
        Ok(settings)
    }
}
