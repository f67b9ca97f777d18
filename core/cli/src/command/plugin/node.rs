//! A node that exists for one call: it has what the command line said, and tells what the driver does with it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farrier_host::{CallOptions, NodeAccess, Plugin};
use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::{BoxFuture, decode, encode};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::secret::SecretRef;
use serde_json::{Map, Value, json};

use crate::output::Progress;

/// UUID of the node, the same at each call.
const UUID: &str = "00000000-0000-4000-8000-000000000001";

/// The node, as its calls share it.
pub(super) struct Node {
    plugin: Arc<Plugin>,
    hardware_type: Option<String>,
    driver_info: Map<String, Value>,
    secrets: BTreeSet<String>,
    internal: Mutex<(u64, Map<String, Value>)>,
    /// The RAID configuration that the node is to have, once a driver has said so.
    target_raid_config: Mutex<Value>,
    progress: Progress,
    timeout: Duration,
}

impl Node {
    /// A node of the plugin's first hardware type.
    pub(super) fn new(
        plugin: Arc<Plugin>,
        driver_info: Map<String, Value>,
        progress: Progress,
        timeout: Duration,
    ) -> Arc<Self> {
        let hardware_type = plugin.descriptor().hardware_types.keys().next().cloned();
        let secrets = secrets(plugin.descriptor());
        let internal = Mutex::new((0, Map::new()));
        let target_raid_config = Mutex::new(json!({}));
        Arc::new(Self {
            plugin,
            hardware_type,
            driver_info,
            secrets,
            internal,
            target_raid_config,
            progress,
            timeout,
        })
    }

    fn snapshot(&self) -> Value {
        let shown = self.driver_info.iter().map(|(key, value)| {
            let secret = self.secrets.contains(key) && !value.is_null();
            let reference = || serde_json::to_value(SecretRef::new(key)).unwrap_or_default();
            (key.clone(), if secret { reference() } else { value.clone() })
        });
        let target = self.target_raid_config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (revision, internal) = self.internal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        json!({
            "uuid": UUID,
            "name": "plugin-run",
            "driver": self.hardware_type,
            "driver_info": Value::Object(shown.collect()),
            "driver_internal_info": internal,
            "internal_info_revision": revision,
            "provision_state": "manageable",
            "target_raid_config": target,
        })
    }

    async fn answer(self: Arc<Self>, method: String, arguments: Vec<u8>) -> Result<Vec<u8>, DriverError> {
        let given: Map<String, Value> = decode(&arguments).unwrap_or_default();
        let text = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or_default();
        match method.as_str() {
            "secret.reveal" => self.reveal(text("key")),
            "node.refresh" => encode(&self.snapshot()),
            "internal_info.save" => self.save(&given),
            "progress" => {
                let percent = given.get("percent").and_then(Value::as_u64).unwrap_or_default();
                self.tell(&format!("{percent} %: {}", text("message")))
            }
            "event" => self.tell(&format!("event: {}", text("message"))),
            "raid_config.save" => {
                let target = given.get("target").cloned().unwrap_or_else(|| json!({}));
                let told = self.tell(&format!("RAID to be made: {target}"));
                *self.target_raid_config.lock().unwrap_or_else(PoisonError::into_inner) = target;
                told
            }
            "inspection.save" => self.tell(&format!("found: {}", Value::Object(given))),
            _ => self.sibling(&method, arguments).await,
        }
    }

    fn tell(&self, text: &str) -> Result<Vec<u8>, DriverError> {
        self.progress.show(&farrier_loader::tame(text));
        encode(&())
    }

    fn reveal(&self, key: &str) -> Result<Vec<u8>, DriverError> {
        let value = self.driver_info.get(key).filter(|_| self.secrets.contains(key));
        match value {
            None | Some(Value::Null) => {
                Err(DriverError::missing_parameter(format!("the node has no secret `{key}`")))
            }
            Some(Value::String(text)) => encode(text),
            Some(other) => encode(&other.to_string()),
        }
    }

    fn save(&self, given: &Map<String, Value>) -> Result<Vec<u8>, DriverError> {
        let mut internal = self.internal.lock().unwrap_or_else(PoisonError::into_inner);
        if given.get("expect").and_then(Value::as_u64) != Some(internal.0) {
            return Err(DriverError::new(ErrorKind::Conflict, "internal data has changed").retryable(true));
        }
        let list = given.get("unset").and_then(Value::as_array).into_iter().flatten();
        for key in list.filter_map(Value::as_str) {
            internal.1.remove(key);
        }
        internal.1.extend(given.get("set").and_then(Value::as_object).cloned().unwrap_or_default());
        internal.0 += 1;
        encode(&json!({"revision": internal.0}))
    }

    /// `power.set_power_state`: the implementation that the hardware type lists first, if this plugin has it.
    async fn sibling(self: Arc<Self>, method: &str, arguments: Vec<u8>) -> Result<Vec<u8>, DriverError> {
        let unknown = || DriverError::unsupported(format!("this host has no task method `{method}`"));
        let (kind, name) = method.split_once('.').ok_or_else(unknown)?;
        let kind: InterfaceType = kind.parse().map_err(|_| unknown())?;
        let descriptor = self.plugin.descriptor();
        let types = self.hardware_type.as_ref().and_then(|name| descriptor.hardware_types.get(name));
        let listed = types.and_then(|types| types.get(&kind)).and_then(|names| names.first());
        let Some(listed) = listed else {
            return Err(DriverError::unsupported(format!("the node has no {kind} interface")));
        };
        let interface = self.plugin.open_interface(kind, listed)?;
        let options = CallOptions { timeout: Some(self.timeout), ..CallOptions::default() };
        let access: Arc<dyn NodeAccess> = Arc::new(Shared(Arc::clone(&self)));
        interface.call(name, arguments, access, &options).await
    }
}

/// Keys of `driver_info` that some implementation marks secret.
pub(super) fn secrets(descriptor: &Descriptor) -> BTreeSet<String> {
    let properties = descriptor.interfaces.iter().flat_map(|interface| &interface.properties);
    properties.filter(|property| property.secret).map(|property| property.name.clone()).collect()
}

/// The node as a plugin's task reaches it.
pub(super) struct Shared(pub(super) Arc<Node>);

impl NodeAccess for Shared {
    fn snapshot(&self) -> Vec<u8> {
        encode(&self.0.snapshot()).unwrap_or_default()
    }

    fn call(&self, method: String, arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        Box::pin(Arc::clone(&self.0).answer(method, arguments))
    }
}
