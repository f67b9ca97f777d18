//! The driver as the conductor holds it, with every delay at nothing.

use std::sync::Arc;

use farrier_redfish::bios::RedfishBios;
use farrier_redfish::boot::RedfishVirtualMediaBoot;
use farrier_redfish::driver_info::RedfishInfo;
use farrier_redfish::firmware::RedfishFirmware;
use farrier_redfish::inspect::RedfishInspect;
use farrier_redfish::management::RedfishManagement;
use farrier_redfish::options::RedfishOptions;
use farrier_redfish::power::RedfishPower;
use farrier_redfish::shared::Shared;
use farrier_redfish::vendor::RedfishVendor;
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sdk::testing;

use crate::bmc::{Bmc, PASSWORD, USER};

pub(crate) type Task = DriverTask<RedfishInfo>;

/// Implementations that share clients.
pub(crate) struct Bench {
    pub(crate) shared: Arc<Shared>,
    pub(crate) power: RedfishPower,
    pub(crate) management: RedfishManagement,
    pub(crate) boot: RedfishVirtualMediaBoot,
    pub(crate) bios: RedfishBios,
    pub(crate) firmware: RedfishFirmware,
    pub(crate) inspect: RedfishInspect,
    pub(crate) vendor: RedfishVendor,
}

impl Bench {
    /// Without delays.
    pub(crate) fn new() -> Self {
        Self::with(json!({}))
    }

    /// Without delays but those given.
    pub(crate) fn with(options: Value) -> Self {
        let mut all = json!({
            "connect_timeout": 5, "read_timeout": 20, "connection_retry_interval": 0, "server_error_delay": 0,
            "post_boot_retry_delay": 0, "power_on_conflict_retry_interval": 0, "restart_settle_time": 0,
            "poll_interval": 0, "media_retry_interval": 0,
            "boot_mode_config_interval": 0, "boot_mode_config_timeout": 5, "bios_config_interval": 0,
            "firmware_update_status_interval": 0, "firmware_update_validation_interval": 0,
            "firmware_update_nic_starting_wait": 0, "firmware_update_reboot_delay": 0,
            "media_change_timeout": 5, "power_state_change_timeout": 20, "soft_power_off_timeout": 20,
        });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let options = RedfishOptions::from_map(all.as_object().unwrap()).unwrap();
        let shared = Arc::new(Shared::start(options).unwrap());
        let (power, management) = (RedfishPower::new(&shared), RedfishManagement::new(&shared));
        let boot = RedfishVirtualMediaBoot::new(&shared);
        let (bios, firmware) = (RedfishBios::new(&shared), RedfishFirmware::new(&shared));
        let (inspect, vendor) = (RedfishInspect::new(&shared), RedfishVendor::new(&shared));
        Self { shared, power, management, boot, bios, firmware, inspect, vendor }
    }

    pub(crate) async fn close(&self) {
        self.shared.close(Duration::from_secs(5)).await;
    }
}

/// A task on a node with this address and the account of the small BMC.
pub(crate) fn task(bmc: &Bmc) -> Task {
    task_with(bmc, &json!({}))
}

/// The same with more or other `driver_info`.
pub(crate) fn task_with(bmc: &Bmc, more: &Value) -> Task {
    let mut info = json!({
        "redfish_address": bmc.url(), "redfish_username": USER, "redfish_password": PASSWORD,
        "redfish_system_id": crate::bmc::SYSTEM,
    });
    info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    node(&json!({"driver_info": info}))
}

/// A task on a node.
pub(crate) fn node(node: &Value) -> Task {
    let mut node = node.clone();
    if node.get("uuid").is_none() {
        node["uuid"] = json!("1be26c0b-03f2-4d2e-ae87-c02d7f33c123");
    }
    testing::task(node).unwrap()
}
