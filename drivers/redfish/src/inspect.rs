//! What a machine is made of, as its BMC knows it.
//!
//! Nothing is booted for it. Parts that cannot be read are left out; only what every node needs to be scheduled
//! must be there.

mod parts;
mod survey;

use farrier_sdk::interface::inspect::ESSENTIAL_PROPERTIES;
use farrier_sdk::prelude::*;
use reqwest::Method;
use serde_json::json;

use self::survey::Survey;
use crate::client::error::{Failure, RedfishError};
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::driver_info::RedfishInfo;
use crate::shared::{READ_LIMIT, Shared};

/// Inspection over Redfish.
///
/// Source: Ironic, redfish inspect.
#[derive(Debug)]
pub struct RedfishInspect {
    shared: Arc<Shared>,
}

impl RedfishInspect {
    /// An implementation with the clients of the plugin.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// Everything the BMC tells of the machine; changes nothing.
    ///
    /// # Errors
    ///
    /// Those of reading the System; [`Hardware`](ErrorKind::Hardware) when an essential property is nowhere, or what
    /// kept the BMC from telling it.
    pub async fn survey(&self, task: &DriverTask<RedfishInfo>) -> Result<Inspection> {
        let operation = self.shared.operation(task, "inspect hardware", READ_LIMIT).await?;
        let found = operation.system(task.info().system_id()).await?;
        let (inspection, trouble) = inspection(&operation, &found, &task.node().properties).await?;
        let missing: Vec<_> = ESSENTIAL_PROPERTIES
            .into_iter()
            .filter(|name| {
                !inspection.properties.contains_key(*name) && !task.node().properties.contains_key(*name)
            })
            .map(|name| format!("`{name}`"))
            .collect();
        match trouble {
            _ if missing.is_empty() => Ok(inspection),
            Some(trouble) => Err(trouble.into()),
            None => {
                let text = format!("the BMC does not tell {} of `{}`", missing.join(", "), found.path);
                let error =
                    DriverError::from(operation.error(Method::GET, &found.path, Failure::Failed(text)));
                Err(error.with_details(json!({"error": "HardwareInspectionFailure"})))
            }
        }
    }
}

#[interface(inspect, name = "redfish")]
impl InspectInterface for RedfishInspect {
    type Info = RedfishInfo;

    async fn validate(&self, task: &DriverTask<RedfishInfo>) -> Result<()> {
        task.info().validate(task, self.shared.options()).await
    }

    async fn inspect_hardware(&self, task: &DriverTask<RedfishInfo>) -> Result<StepOutcome> {
        let inspection = self.survey(task).await?;
        task.save_inspection(&inspection).await?;
        Ok(StepOutcome::Done)
    }
}

/// Everything a BMC tells of a machine, and why parts are missing that it did not answer for.
async fn inspection(
    operation: &Operation,
    found: &Found,
    known: &Map<String, Value>,
) -> Result<(Inspection, Option<RedfishError>)> {
    let system = operation.seen(&found.path).await?;
    let mode = operation.boot_mode(found).await?;
    let mut survey = Survey::new(operation, operation.expands(found).await);
    // What is essential comes first: the time may not last for all.
    let processors = survey.processors(&system).await?;
    let disks = survey.disks(&system).await?;
    let interfaces = survey.interfaces(&system).await?;
    let neighbors = survey.neighbors(operation.chassis(found), &interfaces).await?;
    let cards = survey.cards(&system).await?;
    let memory_mib = system.part("MemorySummary").number("TotalSystemMemoryGiB").and_then(parts::mib_of);

    let mut properties = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            properties.insert(name.to_owned(), value);
        }
    };
    set("memory_mb", memory_mib.map(Value::from));
    set("cpu_arch", processors.architecture.clone().map(Value::from));
    set("local_gb", disks.local_gib.map(Value::from));
    if let Some(mode) = mode {
        set("capabilities", Some(with_boot_mode(known.get("capabilities"), mode.as_str())));
    }
    let mut inventory = Map::new();
    inventory.insert("cpu".to_owned(), processors.value());
    inventory.insert("memory".to_owned(), json!({"physical_mb": memory_mib}));
    inventory.insert("disks".to_owned(), Value::Array(disks.list));
    inventory.insert("interfaces".to_owned(), Value::Array(interfaces));
    inventory.insert("pci_devices".to_owned(), Value::Array(cards));
    inventory.insert("storage_controllers".to_owned(), Value::Array(disks.controllers));
    inventory.insert("boot".to_owned(), json!({"current_boot_mode": mode.map(|mode| mode.as_str())}));
    inventory.insert(
        "system_vendor".to_owned(),
        json!({"manufacturer": system.text("Manufacturer"), "product_name": system.text("Model"),
            "serial_number": system.text("SerialNumber"), "system_uuid": system.text("UUID"),
            "sku": system.text("SKU")}),
    );
    let mut plugin_data = Map::from_iter([("redfish_system".to_owned(), json!(found.path))]);
    if !neighbors.is_empty() {
        plugin_data.insert("parsed_lldp".to_owned(), Value::Object(neighbors));
    }
    Ok((Inspection { inventory, plugin_data, properties }, survey.into_trouble()))
}

/// The capabilities of a node, `name:value` with commas between them, with this boot mode.
fn with_boot_mode(known: Option<&Value>, mode: &str) -> Value {
    let others = known.and_then(Value::as_str).unwrap_or_default().split(',').map(str::trim);
    let others = others.filter(|one| !one.is_empty() && one.split(':').next() != Some("boot_mode"));
    let all: Vec<String> = others.map(str::to_owned).chain([format!("boot_mode:{mode}")]).collect();
    Value::from(all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_mode_takes_its_place_among_other_capabilities() {
        let with = |known: Value| with_boot_mode(Some(&known), "uefi");

        assert_eq!(with(json!("a:1, boot_mode:bios,b:2")), "a:1,b:2,boot_mode:uefi");
        assert_eq!(with(json!("")), "boot_mode:uefi");
        assert_eq!(with_boot_mode(None, "bios"), "boot_mode:bios");
    }
}
