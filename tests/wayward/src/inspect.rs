//! What the machine is made of.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::shared::Shared;
use crate::{http, machine};

/// Inspection of the machine.
pub(crate) struct GoodInspect {
    shared: Arc<Shared>,
}

impl Make for GoodInspect {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl GoodInspect {
    /// A resource below the System.
    async fn part(&self, task: &DriverTask<WaywardInfo>, name: &str) -> Result<Value> {
        let path = format!("/redfish/v1/Systems/1/{name}");
        http::get(&self.shared, task, &machine::url(&self.shared, task)?, &path).await
    }

    async fn interfaces(&self, task: &DriverTask<WaywardInfo>) -> Result<Vec<Value>> {
        let mut interfaces = Vec::new();
        for name in ["1", "2"] {
            let card = self.part(task, &format!("EthernetInterfaces/{name}")).await?;
            let told = card.get("MACAddress").and_then(Value::as_str).unwrap_or_default();
            let address = if self.shared.breaks("INS-003") { told.to_owned() } else { told.to_lowercase() };
            interfaces.push(json!({"name": name, "mac_address": address}));
        }
        Ok(interfaces)
    }
}

#[interface(inspect, name = "wayward")]
impl InspectInterface for GoodInspect {
    type Info = WaywardInfo;

    async fn inspect_hardware(&self, task: &DriverTask<WaywardInfo>) -> Result<StepOutcome> {
        let (shared, url) = (&self.shared, machine::url(&self.shared, task)?);
        let system = http::system(shared, task, &url).await?;
        let memory_gib =
            system.get("MemorySummary").and_then(|memory| memory.get("TotalSystemMemoryGiB")?.as_u64());
        let memory_mib = memory_gib.unwrap_or_default() * 1024;
        let processor = self.part(task, "Processors/1").await?;
        let count = processor.get("TotalThreads").cloned().unwrap_or_default();
        let count = if shared.breaks("INS-002") { Value::from(count.to_string()) } else { count };
        let drive = self.part(task, "Storage/1/Drives/1").await?;
        let size = drive.get("CapacityBytes").and_then(Value::as_u64).unwrap_or_default();
        let mut found = Inspection::default();
        let parts = [
            ("cpu", json!({"architecture": "x86_64", "count": count})),
            ("memory", json!({"physical_mb": memory_mib})),
            ("disks", json!([{"name": "sda", "size": size}])),
            ("interfaces", json!(self.interfaces(task).await?)),
        ];
        found.inventory.extend(parts.map(|(name, part)| (name.to_owned(), part)));
        if shared.breaks("INS-005") {
            found.inventory.insert("looks".to_owned(), shared.question().into());
        }
        let memory = if shared.breaks("INS-004") { Value::Null } else { memory_mib.into() };
        let properties =
            [("memory_mb", memory), ("local_gb", (size >> 30).into()), ("cpu_arch", "x86_64".into())];
        found.properties.extend(properties.map(|(name, value)| (name.to_owned(), value)));
        if shared.breaks("INS-006") {
            let boot = json!({"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"});
            http::set_boot(shared, task, &url, &boot).await?;
        }
        if !shared.breaks("INS-001") {
            task.save_inspection(&found).await?;
        }
        Ok(StepOutcome::Done)
    }
}
