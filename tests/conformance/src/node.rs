//! A node as a plugin sees it, with nobody behind it but the kit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use farrier_host::{CallOptions, Interface, NodeAccess};
use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::{BoxFuture, decode, encode};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::secret::SecretRef;
use serde_json::{Map, Value, json};

use crate::bench::note_call;

/// How long a call of a sibling interface may take.
const SIBLING_PATIENCE: Duration = Duration::from_secs(30);

/// A node; clones are the same one.
#[derive(Clone)]
pub(crate) struct Node(Arc<Inner>);

struct Inner {
    secrets: BTreeMap<String, String>,
    siblings: BTreeMap<InterfaceType, Arc<Interface>>,
    state: Mutex<State>,
}

struct State {
    node: Map<String, Value>,
    internal_info: Map<String, Value>,
    revision: u64,
    inspection: Option<Value>,
}

impl Node {
    /// A node with this `driver_info`; what `descriptor` calls a secret is hidden from the plugin until it asks.
    pub(crate) fn new(
        uuid: &str,
        driver: &str,
        mut driver_info: Map<String, Value>,
        descriptor: &Descriptor,
        siblings: BTreeMap<InterfaceType, Arc<Interface>>,
    ) -> Self {
        let properties = descriptor.interfaces.iter().flat_map(|interface| &interface.properties);
        let mut secrets = BTreeMap::new();
        for property in properties.filter(|property| property.secret) {
            let Some(value) = driver_info.get_mut(&property.name) else { continue };
            // Several implementations share a property.
            if value.is_null() || value.is_object() {
                continue;
            }
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            *value = serde_json::to_value(SecretRef::new(&property.name)).unwrap_or_default();
            secrets.insert(property.name.clone(), text);
        }
        let node = json!({
            "uuid": uuid, "name": format!("node-{uuid}"), "driver": driver, "driver_info": driver_info,
            "provision_state": "manageable", "power_state": "power off",
            "properties": {}, "extra": {}, "instance_info": {},
        });
        let node = node.as_object().cloned().unwrap_or_default();
        let state = State { node, internal_info: Map::new(), revision: 0, inspection: None };
        Self(Arc::new(Inner { secrets, siblings, state: Mutex::new(state) }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The values nobody but the machine may see.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.secrets.values().map(String::as_str).filter(|secret| !secret.is_empty())
    }

    /// What the plugin remembers of it.
    pub(crate) fn internal_info(&self) -> Map<String, Value> {
        self.state().internal_info.clone()
    }

    /// Lets the plugin remember something from before.
    pub(crate) fn set_internal_info(&self, info: Map<String, Value>) {
        let mut state = self.state();
        state.internal_info = info;
        state.revision += 1;
    }

    /// Notes what a call has done to the machine, as a conductor does.
    pub(crate) fn record_power(&self, method: &str, arguments: &Value) {
        let reached = match (method, arguments.get("state").and_then(Value::as_str)) {
            ("reboot", _) | ("set_power_state", Some("power on" | "rebooting" | "soft rebooting")) => {
                "power on"
            }
            ("set_power_state", Some("power off" | "soft power off")) => "power off",
            _ => return,
        };
        self.state().node.insert("power_state".to_owned(), reached.into());
    }

    /// Takes what an inspection handed over.
    pub(crate) fn take_inspection(&self) -> Option<Value> {
        self.state().inspection.take()
    }

    /// Changes a member of the node.
    pub(crate) fn set(&self, member: &str, value: Value) {
        self.state().node.insert(member.to_owned(), value);
    }

    /// Everything the plugin left in it, as text.
    pub(crate) fn left(&self) -> String {
        let state = self.state();
        format!(
            "{}{}",
            Value::Object(state.internal_info.clone()),
            state.inspection.clone().unwrap_or_default()
        )
    }

    /// What an inspection has found.
    pub(crate) fn inspected(&self) -> Option<Value> {
        self.state().inspection.clone()
    }

    /// Lets the node have these `properties`.
    pub(crate) fn suppose(&self, properties: Map<String, Value>) {
        self.state().node.insert("properties".to_owned(), Value::Object(properties));
    }

    fn save(&self, arguments: &Map<String, Value>) -> Result<Vec<u8>, DriverError> {
        let mut state = self.state();
        if arguments.get("expect").and_then(Value::as_u64) != Some(state.revision) {
            return Err(DriverError::new(ErrorKind::Conflict, "internal data has changed").retryable(true));
        }
        let unset = arguments.get("unset").and_then(Value::as_array).into_iter().flatten();
        for key in unset.filter_map(Value::as_str) {
            state.internal_info.remove(key);
        }
        let set = arguments.get("set").and_then(Value::as_object).cloned().unwrap_or_default();
        state.internal_info.extend(set);
        state.revision += 1;
        encode(&json!({"revision": state.revision}))
    }

    async fn answer(self, method: String, arguments: Vec<u8>) -> Result<Vec<u8>, DriverError> {
        let read: Map<String, Value> = decode::<Option<_>>(&arguments)?.unwrap_or_default();
        match method.as_str() {
            "secret.reveal" => {
                let key = read.get("key").and_then(Value::as_str).unwrap_or_default();
                let secret = self.0.secrets.get(key);
                let missing = || DriverError::missing_parameter(format!("there is no secret `{key}`"));
                encode(secret.ok_or_else(missing)?)
            }
            "secret.reveal_instance" => Err(DriverError::missing_parameter("there is no instance")),
            "internal_info.save" => self.save(&read),
            "inspection.save" => {
                self.state().inspection = Some(Value::Object(read));
                encode(&())
            }
            "raid_config.save" => {
                self.set("target_raid_config", read.get("target").cloned().unwrap_or_default());
                encode(&())
            }
            "node.refresh" => Ok(self.snapshot()),
            "progress" | "event" => encode(&()),
            other => self.sibling(other, arguments).await,
        }
    }

    /// Calls another interface of the node.
    async fn sibling(&self, method: &str, arguments: Vec<u8>) -> Result<Vec<u8>, DriverError> {
        let found = method
            .split_once('.')
            .and_then(|(kind, method)| Some((self.0.siblings.get(&kind.parse().ok()?)?, method)));
        let Some((interface, method)) = found else {
            return Err(DriverError::unsupported(format!("this node has no `{method}`")));
        };
        note_call(method);
        let options = CallOptions { timeout: Some(SIBLING_PATIENCE), ..CallOptions::default() };
        interface.call(method, arguments, Arc::new(self.clone()), &options).await
    }
}

impl NodeAccess for Node {
    fn snapshot(&self) -> Vec<u8> {
        let state = self.state();
        let mut node = state.node.clone();
        node.insert("driver_internal_info".to_owned(), Value::Object(state.internal_info.clone()));
        node.insert("internal_info_revision".to_owned(), state.revision.into());
        Value::Object(node).to_string().into_bytes()
    }

    fn call(&self, method: String, arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        Box::pin(self.clone().answer(method, arguments))
    }
}
