//! What a driver may see and change of its node during a call.

mod grip;
mod power;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use farrier_host::{CallOptions, NodeAccess};
use farrier_model::node::{Fields, Node};
use farrier_model::secret::masked;
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::{BoxFuture, decode, encode};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::inspect::Inspection;
use farrier_sdk::secret::SecretRef;
use farrier_sdk::task::Node as Snapshot;
use farrier_store::StoreError;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::{debug, info};

use crate::images;
use crate::operation::record;
use crate::registry::Driver;
use crate::task::Shared;
use power::Change;

pub(crate) use grip::Grip;
pub(crate) use power::Switched;

/// How deep calls from driver to driver may go: two that call each other are stopped here.
const DEPTH_MAX: u8 = 8;

/// One task's node as its drivers see it. Clones share it.
#[derive(Clone)]
pub(crate) struct TaskAccess {
    state: Arc<State>,
    /// How many drivers stand between the conductor and this call.
    depth: u8,
    /// When the call of the conductor that all this is part of must have ended.
    deadline: Option<Instant>,
    /// Names the pass that the call belongs to, if it is one of several questions.
    pass: Option<Arc<str>>,
}

struct State {
    shared: Arc<Shared>,
    driver: Driver,
    grip: Arc<Grip>,
    node: Mutex<Node>,
    /// Whether a driver has saved internal data since the task last looked.
    saved: Mutex<Option<(i64, Fields)>>,
    /// What a driver found in an inspection since the task last looked.
    found: Mutex<Option<Inspection>>,
    /// Where drivers have switched the machine since the task last looked.
    switched: Mutex<Option<Switched>>,
    /// Which RAID volumes a driver wants the machine to have since the task last looked.
    raid_config: Mutex<Option<Fields>>,
}

impl std::fmt::Debug for TaskAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskAccess")
            .field("grip", &self.state.grip)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

impl TaskAccess {
    pub(crate) fn new(shared: Arc<Shared>, driver: Driver, node: Node, grip: Arc<Grip>) -> Self {
        let node = Mutex::new(node);
        let (saved, found, switched) = (Mutex::default(), Mutex::default(), Mutex::default());
        let raid_config = Mutex::default();
        let state = State { shared, driver, grip, node, saved, found, switched, raid_config };
        Self { state: Arc::new(state), depth: 0, deadline: None, pass: None }
    }

    /// The same for a call that must end within `limit`.
    pub(crate) fn within(&self, limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), ..self.clone() }
    }

    /// The same for a call that is one of several questions about the machine, one after the other.
    pub(crate) fn in_pass(&self, pass: &Arc<str>) -> Self {
        Self { pass: Some(Arc::clone(pass)), ..self.clone() }
    }

    /// What a driver saved of its internal data, once.
    pub(crate) fn take_saved(&self) -> Option<(i64, Fields)> {
        self.state.saved.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What a driver found in an inspection, once.
    pub(crate) fn take_found(&self) -> Option<Inspection> {
        self.state.found.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where drivers have switched the machine, once; the last change counts.
    pub(crate) fn take_switched(&self) -> Option<Switched> {
        self.state.switched.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Which RAID volumes a driver wants the machine to have, once.
    pub(crate) fn take_raid_config(&self) -> Option<Fields> {
        self.state.raid_config.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What the task holds of its node.
    pub(crate) fn grip(&self) -> &Arc<Grip> {
        &self.state.grip
    }

    fn node(&self) -> Node {
        self.state.node.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn answer(self, method: String, arguments: Vec<u8>) -> Result<Vec<u8>, DriverError> {
        match method.as_str() {
            "secret.reveal" => self.reveal(&decode::<Key>(&arguments)?.key),
            "secret.reveal_instance" => self.reveal_instance(&decode::<Key>(&arguments)?.key),
            "internal_info.save" => self.save(decode(&arguments)?).await,
            "inspection.save" => self.found(decode(&arguments)?),
            "raid_config.save" => self.target_raid_config(decode::<RaidConfig>(&arguments)?.target),
            "node.refresh" => self.refresh().await,
            "progress" => {
                let progress: Progress = decode(&arguments)?;
                info!(node = %self.node().uuid, percent = progress.percent, message = progress.message, "progress");
                encode(&())
            }
            "event" => self.event(&decode::<Message>(&arguments)?.message).await,
            _ => self.sibling(&method, arguments).await,
        }
    }

    fn reveal(&self, key: &str) -> Result<Vec<u8>, DriverError> {
        if !self.state.driver.secret_keys().contains(&key) {
            return Err(DriverError::invalid_parameter(format!(
                "`{key}` is not declared secret by this driver"
            )));
        }
        let node = self.node();
        debug!(node = %node.uuid, key, "a driver asked for a secret");
        revealed(node.driver_info.get(key), || format!("missing `{key}`"))
    }

    /// What is to be deployed hides its own secrets, which nobody declares: whoever deploys the node may ask.
    fn reveal_instance(&self, key: &str) -> Result<Vec<u8>, DriverError> {
        let node = self.node();
        debug!(node = %node.uuid, key, "a driver asked for a secret of the instance");
        revealed(node.instance_info.get(key), || format!("missing `{key}` in `instance_info`"))
    }

    async fn save(&self, save: Save) -> Result<Vec<u8>, DriverError> {
        let node = self.node();
        self.state.grip.admit_change(node.uuid, "internal_info.save")?;
        let store = &self.state.shared.store;
        let saved = store.node_internal_info_save(node.id, save.expect, save.set.clone(), &save.unset).await;
        let revision = saved.map_err(|error| {
            if matches!(error, StoreError::InternalInfoConflict { .. }) {
                return DriverError::new(ErrorKind::Conflict, error.to_string()).retryable(true);
            }
            DriverError::internal("internal data could not be saved").caused_by(&error)
        })?;
        let mut node = self.state.node.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &save.unset {
            node.driver_internal_info.remove(key);
        }
        node.driver_internal_info.extend(save.set);
        node.driver_internal_info_revision = revision;
        *self.state.saved.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((revision, node.driver_internal_info.clone()));
        encode(&json!({"revision": revision}))
    }

    /// Keeps what an inspection found until the conductor asks: it is worth something only when all went well.
    fn found(&self, found: Inspection) -> Result<Vec<u8>, DriverError> {
        self.state.grip.admit_change(self.node().uuid, "inspection.save")?;
        *self.state.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        encode(&())
    }

    /// Shows it to the drivers of this task at once; it is saved with what the task saves next.
    fn target_raid_config(&self, target: Fields) -> Result<Vec<u8>, DriverError> {
        let mut node = self.state.node.lock().unwrap_or_else(PoisonError::into_inner);
        self.state.grip.admit_change(node.uuid, "raid_config.save")?;
        node.target_raid_config.clone_from(&target);
        *self.state.raid_config.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
        encode(&())
    }

    async fn refresh(&self) -> Result<Vec<u8>, DriverError> {
        let id = self.node().id;
        let node = self.state.shared.store.node_get(id).await;
        let mut node =
            node.map_err(|error| DriverError::internal("the node could not be read").caused_by(&error))?;
        let unsaved = self.state.raid_config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(target) = unsaved {
            node.target_raid_config = target;
        }
        let snapshot = encode(&self.shown(&node))?;
        *self.state.node.lock().unwrap_or_else(PoisonError::into_inner) = node;
        Ok(snapshot)
    }

    /// Leaves what a driver has to say in the history, unless the operator wants none.
    async fn event(&self, message: &str) -> Result<Vec<u8>, DriverError> {
        let shared = &self.state.shared;
        if !shared.config.node_history {
            return encode(&());
        }
        let created = shared.store.history_create(&record::entry(&self.node(), &shared.host, message)).await;
        created
            .map_err(|error| DriverError::internal("the history could not be written").caused_by(&error))?;
        encode(&())
    }

    /// `power.set_power_state`: another slot of the same node, under the same task, in what is left of the time.
    async fn sibling(&self, method: &str, arguments: Vec<u8>) -> Result<Vec<u8>, DriverError> {
        let unknown = || DriverError::unsupported(format!("this host has no task method `{method}`"));
        let (kind, name) = method.split_once('.').ok_or_else(unknown)?;
        let kind: InterfaceType = kind.parse().map_err(|_| unknown())?;
        self.state.grip.admit_sibling(self.node().uuid, name)?;
        if DEPTH_MAX <= self.depth {
            let text = format!(
                "`{method}` was not called: drivers of node {} call each other more than {DEPTH_MAX} deep",
                self.node().uuid
            );
            return Err(DriverError::new(ErrorKind::Internal, text));
        }
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.unwrap_or_else(|| self.state.shared.call_timeout());
        let options = CallOptions { timeout: Some(timeout), ..CallOptions::default() };
        let inner = Self { depth: self.depth + 1, ..self.clone() };
        let change = Change::new(kind, name, &arguments);
        self.switching(change);
        let answer = self.state.driver.interface(kind).call(name, arguments, Arc::new(inner), &options).await;
        self.switched(change, answer.as_ref().err());
        answer
    }

    /// The node as drivers see it.
    fn shown(&self, node: &Node) -> Snapshot {
        let shared = &self.state.shared;
        let mut snapshot = snapshot(node, &self.state.driver, &shared.registry.secret_keys());
        images::show_address(&shared.images, node.uuid, &mut snapshot);
        snapshot.pass = self.pass.as_deref().map(str::to_owned);
        snapshot
    }
}

impl NodeAccess for TaskAccess {
    fn snapshot(&self) -> Vec<u8> {
        encode(&self.shown(&self.node())).unwrap_or_default()
    }

    fn call(&self, method: String, arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        Box::pin(self.clone().answer(method, arguments))
    }
}

/// A secret as a driver gets it: as text.
fn revealed(value: Option<&Value>, missing: impl FnOnce() -> String) -> Result<Vec<u8>, DriverError> {
    match value {
        None | Some(Value::Null) => Err(DriverError::missing_parameter(missing())),
        Some(Value::String(text)) => encode(text),
        Some(other) => encode(&other.to_string()),
    }
}

/// The node for a driver: secrets it declares become references, everything else that is or looks secret is masked.
fn snapshot(node: &Node, driver: &Driver, secret_keys: &[&str]) -> Snapshot {
    let declared = driver.secret_keys();
    let mut driver_info = masked(&node.driver_info, secret_keys);
    for (key, value) in &mut driver_info {
        let present = node.driver_info.get(key).is_some_and(|value| !value.is_null());
        if declared.contains(&key.as_str()) {
            *value = if present {
                serde_json::to_value(SecretRef::new(key)).unwrap_or_default()
            } else {
                Value::Null
            };
        }
    }
    let mut snapshot = Snapshot::default();
    snapshot.uuid = node.uuid.to_string();
    snapshot.name.clone_from(&node.name);
    snapshot.driver.clone_from(&node.driver);
    snapshot.driver_info = driver_info;
    snapshot.driver_internal_info = masked(&node.driver_internal_info, secret_keys);
    snapshot.internal_info_revision = u64::try_from(node.driver_internal_info_revision).unwrap_or_default();
    snapshot.instance_info = masked(&node.instance_info, secret_keys);
    snapshot.instance_uuid = node.instance_uuid.map(|uuid| uuid.to_string());
    snapshot.properties = node.properties.clone();
    snapshot.extra = node.extra.clone();
    snapshot.power_state = node.power_state.map(|state| state.as_str().to_owned());
    snapshot.target_power_state = node.target_power_state.map(|state| state.as_str().to_owned());
    snapshot.provision_state = node.provision_state.as_str().to_owned();
    snapshot.target_provision_state = node.target_provision_state.map(|state| state.as_str().to_owned());
    snapshot.boot_mode.clone_from(&node.boot_mode);
    snapshot.secure_boot = node.secure_boot;
    snapshot.disable_power_off = node.disable_power_off;
    snapshot.resource_class.clone_from(&node.resource_class);
    snapshot.network_data = node.network_data.clone();
    snapshot.target_raid_config = node.target_raid_config.clone();
    snapshot
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
struct Save {
    expect: i64,
    #[serde(default)]
    set: Fields,
    #[serde(default)]
    unset: Vec<String>,
}

#[derive(Deserialize)]
struct RaidConfig {
    target: Fields,
}

#[derive(Deserialize)]
struct Progress {
    percent: u8,
    message: String,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

#[cfg(test)]
mod tests;
