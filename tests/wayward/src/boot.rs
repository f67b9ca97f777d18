//! Boots images from the virtual drive of the machine.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::shared::Shared;
use crate::{http, machine};

const ACTIONS: &str = "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions";

/// Boot preparation for the machine.
pub(crate) struct GoodBoot {
    shared: Arc<Shared>,
}

impl Make for GoodBoot {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl GoodBoot {
    async fn act(&self, task: &DriverTask<WaywardInfo>, action: &str, body: &Value) -> Result<()> {
        let (url, path) = (machine::url(&self.shared, task)?, format!("{ACTIONS}/VirtualMedia.{action}"));
        http::send(&self.shared, task, &url, "POST", &path, body).await.map(drop)
    }

    async fn insert(&self, task: &DriverTask<WaywardInfo>, name: &str) -> Result<()> {
        if !self.shared.breaks("BOT-004") {
            self.eject(task).await?;
        }
        self.act(task, "InsertMedia", &json!({"Image": format!("http://127.0.0.1:1/{name}.iso")})).await
    }

    async fn eject(&self, task: &DriverTask<WaywardInfo>) -> Result<()> {
        self.act(task, "EjectMedia", &json!({})).await
    }

    /// Empties the drive, unless this is the check to fail.
    async fn clean_up(&self, task: &DriverTask<WaywardInfo>, rule: &str) -> Result<()> {
        if self.shared.breaks(rule) {
            return Ok(());
        }
        if self.shared.breaks("BOT-003") {
            let path = "/redfish/v1/Managers/1/VirtualMedia/Cd";
            let drive = http::get(&self.shared, task, &machine::url(&self.shared, task)?, path).await?;
            if drive.get("Inserted") != Some(&Value::Bool(true)) {
                return Err(DriverError::new(ErrorKind::Conflict, "there is nothing to remove"));
            }
        }
        self.eject(task).await
    }
}

#[interface(boot, name = "wayward")]
impl BootInterface for GoodBoot {
    type Info = WaywardInfo;

    async fn prepare_ramdisk(
        &self,
        task: &DriverTask<WaywardInfo>,
        _params: Map<String, Value>,
    ) -> Result<()> {
        self.insert(task, "agent").await
    }

    async fn clean_up_ramdisk(&self, task: &DriverTask<WaywardInfo>) -> Result<()> {
        self.clean_up(task, "BOT-001").await
    }

    async fn prepare_instance(&self, task: &DriverTask<WaywardInfo>) -> Result<()> {
        self.insert(task, "instance").await
    }

    async fn clean_up_instance(&self, task: &DriverTask<WaywardInfo>) -> Result<()> {
        self.clean_up(task, "BOT-002").await
    }

    async fn get_capabilities(&self, _task: &DriverTask<WaywardInfo>) -> Result<Vec<String>> {
        let count = if self.shared.breaks("BOT-005") { 2 } else { 1 };
        Ok(vec!["ramdisk_boot".to_owned(); count])
    }
}
