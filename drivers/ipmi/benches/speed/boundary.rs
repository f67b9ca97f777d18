//! The driver from outside of the plugin boundary, as the conductor calls it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_host::{CallOptions, Interface, NodeAccess, Plugin};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::BoxFuture;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::serde_json::{self, Value, json};
use farrier_sim::ipmi;

/// Long enough for anything that ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// The plugin, opened.
pub(crate) struct Driver {
    plugin: Plugin,
    power: Arc<Interface>,
    options: CallOptions,
}

/// A node with a BMC there.
struct Node(SocketAddr);

impl NodeAccess for Node {
    fn snapshot(&self) -> Vec<u8> {
        let info = json!({
            "ipmi_address": self.0.ip().to_string(), "ipmi_port": self.0.port(), "ipmi_username": ipmi::USER,
            "ipmi_password": {"$secret": "ipmi_password"},
        });
        let uuid = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
        json!({"uuid": uuid, "driver": "ipmi", "driver_info": info}).to_string().into_bytes()
    }

    fn call(&self, method: String, _arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        Box::pin(async move {
            match method.as_str() {
                "secret.reveal" => Ok(json!(ipmi::PASSWORD).to_string().into_bytes()),
                "progress" => Ok(b"null".to_vec()),
                _ => Err(DriverError::new(ErrorKind::Unsupported, method)),
            }
        })
    }
}

impl Driver {
    /// Opens the plugin without the pauses that spare real BMCs, unless `options` say otherwise.
    pub(crate) fn open(options: &Value) -> Self {
        let mut table = json!({
            "min_command_interval": 0, "min_message_interval": 0, "session_idle_timeout": 600,
        });
        table.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let options = table.as_object().unwrap().clone();
        let plugin = Plugin::linked(farrier_ipmi::farrier_plugin(), options).unwrap();
        let power = plugin.open_interface(InterfaceType::Power, "ipmitool").unwrap();
        let options = CallOptions { timeout: Some(PATIENCE), grace: PATIENCE, ..CallOptions::default() };
        Self { plugin, power, options }
    }

    /// Asks for the power state of a machine that is off; how long it took.
    pub(crate) async fn status(&self, address: SocketAddr) -> Result<Duration, DriverError> {
        let begin = Instant::now();
        let answer = self
            .power
            .call("get_power_state", b"{}".to_vec(), Arc::new(Node(address)), &self.options)
            .await?;
        let state: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(state, "power off", "a state that is wrong is worth nothing");
        Ok(begin.elapsed())
    }

    /// Calls a method that speaks to no BMC; how long it took.
    pub(crate) async fn idle_call(&self, method: &str, address: SocketAddr) -> Duration {
        let begin = Instant::now();
        self.power.call(method, b"{}".to_vec(), Arc::new(Node(address)), &self.options).await.unwrap();
        begin.elapsed()
    }

    /// Switches a machine on.
    pub(crate) async fn power_on(&self, address: SocketAddr) -> Result<(), DriverError> {
        let arguments = json!({"state": "power on"}).to_string().into_bytes();
        let node = Arc::new(Node(address));
        self.power.call("set_power_state", arguments, node, &self.options).await.map(drop)
    }

    /// Ends its sessions.
    pub(crate) async fn close(self) {
        self.plugin.close(PATIENCE).await.unwrap();
    }
}
