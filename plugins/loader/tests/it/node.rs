//! Calls on a node that exists in a test.

use std::sync::Arc;

use farrier_host::{CallOptions, NodeAccess, Plugin};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::BoxFuture;
use farrier_sdk::interface::InterfaceType;
use serde_json::{Value, json};

/// A node with this `driver_info`.
struct Node {
    driver_info: Value,
}

impl NodeAccess for Node {
    fn snapshot(&self) -> Vec<u8> {
        json!({"uuid": "1be26c0b-03f2-4d2e-ae87-c02d7f33c123", "driver": "rogue", "driver_info": self.driver_info})
            .to_string()
            .into_bytes()
    }

    fn call(&self, method: String, _arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        Box::pin(async move {
            Err(DriverError::new(ErrorKind::Unsupported, format!("a test's node has no `{method}`")))
        })
    }
}

/// Calls a method of the plugin's power interface `name`.
pub(crate) fn power(
    plugin: &Plugin,
    name: &str,
    method: &str,
    arguments: &Value,
    driver_info: Value,
) -> Result<Value, DriverError> {
    let interface = plugin.open_interface(InterfaceType::Power, name)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let answer = runtime.block_on(async {
        let arguments = arguments.to_string().into_bytes();
        interface.call(method, arguments, Arc::new(Node { driver_info }), &CallOptions::default()).await
    })?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

/// Power state of the node's machine through the power interface `name`.
pub(crate) fn power_state(plugin: &Plugin, name: &str) -> Value {
    power(plugin, name, "get_power_state", &json!({}), json!({})).unwrap()
}

/// Switches the node's machine on through the power interface `name`.
pub(crate) fn power_on(plugin: &Plugin, name: &str) {
    power(plugin, name, "set_power_state", &json!({"state": "power on"}), json!({})).unwrap();
}
