//! The driver as the conductor holds it, without the pauses that spare real BMCs.

use std::net::SocketAddr;
use std::sync::Arc;

use farrier_ipmi::console::IpmiConsole;
use farrier_ipmi::driver_info::IpmiInfo;
use farrier_ipmi::management::IpmiManagement;
use farrier_ipmi::options::IpmiOptions;
use farrier_ipmi::power::IpmiPower;
use farrier_ipmi::shared::Shared;
use farrier_ipmi::vendor::IpmiVendor;
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sdk::testing;

pub(crate) type Task = DriverTask<IpmiInfo>;

/// Implementations that share sessions.
pub(crate) struct Bench {
    pub(crate) power: IpmiPower,
    pub(crate) management: IpmiManagement,
    pub(crate) vendor: IpmiVendor,
    pub(crate) console: IpmiConsole,
    pub(crate) shared: Arc<Shared>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(&json!({}))
    }

    /// With other options.
    pub(crate) fn with(more: &Value) -> Self {
        let mut table = json!({
            "min_command_interval": 0, "min_message_interval": 0, "poll_interval": 0.02,
            "reset_settle_time": 0.1, "power_state_change_timeout": 20, "soft_power_off_timeout": 20,
        });
        merge(&mut table, more);
        let options = IpmiOptions::from_map(table.as_object().unwrap()).unwrap();
        let shared = Arc::new(Shared::start(options).unwrap());
        Self {
            power: IpmiPower::new(&shared),
            management: IpmiManagement::new(&shared),
            vendor: IpmiVendor::new(&shared),
            console: IpmiConsole::new(&shared),
            shared,
        }
    }
}

fn merge(to: &mut Value, more: &Value) {
    to.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
}

/// A task on a node with a BMC there; `info` is more or other `driver_info`.
pub(crate) fn task(address: SocketAddr, user: &str, password: &str, info: &Value) -> Task {
    task_on(address, user, password, info, &json!({}))
}

/// The same with more of a node around it.
pub(crate) fn task_on(address: SocketAddr, user: &str, password: &str, info: &Value, node: &Value) -> Task {
    let mut driver_info = json!({
        "ipmi_address": address.ip().to_string(), "ipmi_port": address.port(),
        "ipmi_username": user, "ipmi_password": password,
    });
    merge(&mut driver_info, info);
    let mut whole = json!({
        "uuid": "1be26c0b-03f2-4d2e-ae87-c02d7f33c123", "driver": "ipmi", "driver_info": driver_info,
    });
    merge(&mut whole, node);
    testing::task(whole).unwrap()
}
