//! Calls on a node that exists in a test.

use std::sync::Arc;
use std::time::Duration;

use farrier_host::{CallOptions, NodeAccess, Plugin};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::BoxFuture;
use farrier_sdk::interface::InterfaceType;
use serde_json::{Value, json};

/// The password of every node.
pub(crate) const PASSWORD: &str = "hunter2";

/// A node with this `driver_info`.
struct Node {
    driver_info: Value,
}

impl NodeAccess for Node {
    fn snapshot(&self) -> Vec<u8> {
        let uuid = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
        json!({"uuid": uuid, "driver": "rogue", "driver_info": self.driver_info}).to_string().into_bytes()
    }

    fn call(&self, method: String, _arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        Box::pin(async move {
            match method.as_str() {
                "progress" => Ok(b"null".to_vec()),
                "secret.reveal" => Ok(json!(PASSWORD).to_string().into_bytes()),
                _ => {
                    Err(DriverError::new(ErrorKind::Unsupported, format!("a test's node has no `{method}`")))
                }
            }
        })
    }
}

/// One call of a method.
pub(crate) struct Request<'a> {
    pub(crate) kind: InterfaceType,
    pub(crate) name: &'a str,
    pub(crate) method: &'a str,
    pub(crate) arguments: Value,
    pub(crate) driver_info: Value,
    /// How long it may take, and then again before it is dropped.
    pub(crate) timeout: Duration,
}

impl Request<'_> {
    /// Makes the call.
    pub(crate) fn send(self, plugin: &Plugin) -> Result<Value, DriverError> {
        let interface = plugin.open_interface(self.kind, self.name)?;
        let node = Arc::new(Node { driver_info: self.driver_info });
        let options =
            CallOptions { timeout: Some(self.timeout), grace: self.timeout, ..CallOptions::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(async {
            interface.call(self.method, self.arguments.to_string().into_bytes(), node, &options).await
        })?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }
}

/// Long enough for anything that ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Power state of the node's machine through the power interface `name`.
pub(crate) fn power_state(plugin: &Plugin, name: &str) -> Value {
    let (method, arguments, driver_info) = ("get_power_state", json!({}), json!({}));
    Request { kind: InterfaceType::Power, name, method, arguments, driver_info, timeout: PATIENCE }
        .send(plugin)
        .unwrap()
}

/// Switches the node's machine on through the power interface `name`.
pub(crate) fn power_on(plugin: &Plugin, name: &str) {
    let (method, arguments, driver_info) = ("set_power_state", json!({"state": "power on"}), json!({}));
    Request { kind: InterfaceType::Power, name, method, arguments, driver_info, timeout: PATIENCE }
        .send(plugin)
        .unwrap();
}
