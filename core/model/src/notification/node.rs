//! What is told of nodes.

use std::fmt;

use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use serde_json::{Map, Value, json};

use super::secret::hidden;
use super::{Notification, Payload, Status, Told, date};
use crate::node::{Fields, Node};
use crate::provision::{Event, ProvisionState};

/// What event types call a node.
const OBJECT: &str = "node";

/// The key of `instance_info` whose value may be an address that lets whoever knows it in.
const IMAGE_URL: &str = "image_url";

/// What happens to a node's console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConsoleAction {
    /// Somebody switches it on or off, or its node is deleted.
    Set,
    /// It is on again: after the start of a conductor, a takeover, the end of a deployment.
    Restore,
    /// It goes with the instance.
    Stop,
}

impl fmt::Display for ConsoleAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "console_set",
            Self::Restore => "console_restore",
            Self::Stop => "console_stop",
        })
    }
}

/// An event of the state machine that was processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateChange {
    /// The event.
    pub event: Event,
    /// Where the node was.
    pub previous: ProvisionState,
    /// Where it was going.
    pub previous_target: Option<ProvisionState>,
}

impl StateChange {
    /// Which part of its stay in states that end by themselves a node is in, now that it is in `state`.
    ///
    /// Source: Ironic's task manager.
    #[must_use]
    pub fn status(self, state: ProvisionState) -> Status {
        if self.event == Event::Fail {
            return Status::Error;
        }
        match (self.previous.is_unstable(), state.is_unstable()) {
            (false, true) => Status::Start,
            (true, false) => Status::End,
            (true, true) | (false, false) => Status::Success,
        }
    }
}

/// A power action, on its way to `to_power` as it was asked for.
#[must_use]
pub fn power_set(node: &Node, to_power: PowerState, status: Status, declared: &[&str]) -> Notification {
    let fields = [("to_power", json!(to_power))];
    let payload = payload(node, declared).derived("NodeSetPowerStatePayload", "1.17", fields);
    Notification::new(OBJECT, "power_set", status, payload)
}

/// The recorded power state was corrected: it was `from_power` before.
#[must_use]
pub fn power_state_corrected(node: &Node, from_power: Option<PowerState>, declared: &[&str]) -> Notification {
    let fields = [("from_power", json!(from_power))];
    let payload = payload(node, declared).derived("NodeCorrectedPowerStatePayload", "1.17", fields);
    Notification::new(OBJECT, "power_state_corrected", Status::Success, payload)
}

/// The node is in another provision state; `node` is as it was saved then.
#[must_use]
pub fn provision_set(node: &Node, change: StateChange, declared: &[&str]) -> Notification {
    let fields = [
        ("event", json!(change.event.as_str())),
        ("previous_provision_state", json!(change.previous.as_str())),
        ("previous_target_provision_state", json!(change.previous_target.map(ProvisionState::as_str))),
        ("instance_info", instance_info(node, declared)),
        ("driver_internal_info", hidden(&node.driver_internal_info, declared)),
    ];
    let payload = payload(node, declared).derived("NodeSetProvisionStatePayload", "1.18", fields);
    Notification::new(OBJECT, "provision_set", change.status(node.provision_state), payload)
}

/// A console that is switched, restored or stopped.
#[must_use]
pub fn console(node: &Node, action: ConsoleAction, status: Status, declared: &[&str]) -> Notification {
    Notification::new(OBJECT, &action.to_string(), status, payload(node, declared))
}

/// A node is put into maintenance, or out of it, through the API.
#[must_use]
pub fn maintenance_set(node: &Node, status: Status, declared: &[&str]) -> Notification {
    Notification::new(OBJECT, "maintenance_set", status, payload(node, declared))
}

impl Told for Node {
    const OBJECT: &'static str = OBJECT;

    fn payload(&self, declared: &[&str]) -> Payload {
        let fields = [
            ("chassis_uuid", json!(self.chassis_uuid)),
            ("instance_info", instance_info(self, declared)),
            ("driver_info", hidden(&self.driver_info, declared)),
        ];
        payload(self, declared).derived("NodeCRUDPayload", "1.15", fields)
    }
}

/// What every notification of a node tells. Most of its mappings, which may hold credentials, are left out.
fn payload(node: &Node, declared: &[&str]) -> Payload {
    let Payload { class, mut data } = Payload::new(
        "NodePayload",
        "1.17",
        [
            ("uuid", json!(node.uuid)),
            ("name", json!(node.name)),
            ("description", json!(node.description)),
            ("created_at", date(node.created_at)),
            ("updated_at", date(node.updated_at)),
            ("conductor_group", json!(node.conductor_group)),
            ("driver", json!(node.driver)),
            ("properties", Value::Object(node.properties.clone())),
            ("extra", Value::Object(node.extra.clone())),
            ("resource_class", json!(node.resource_class)),
            ("traits", json!(node.traits)),
            ("instance_uuid", json!(node.instance_uuid)),
            ("owner", json!(node.owner)),
            ("lessee", json!(node.lessee)),
            ("boot_mode", json!(node.boot_mode)),
            ("secure_boot", json!(node.secure_boot)),
            ("console_enabled", json!(node.console_enabled)),
            ("disable_power_off", json!(node.disable_power_off)),
        ],
    );
    data.extend(life(node, declared).map(|(field, value)| (field.to_owned(), value)));
    data.extend(interfaces(node));
    Payload { class, data }
}

/// Where a node is in its life.
fn life(node: &Node, declared: &[&str]) -> [(&'static str, Value); 17] {
    [
        ("power_state", json!(node.power_state)),
        ("target_power_state", json!(node.target_power_state)),
        ("provision_state", json!(node.provision_state.as_str())),
        ("target_provision_state", json!(node.target_provision_state.map(ProvisionState::as_str))),
        ("provision_updated_at", date(node.provision_updated_at)),
        // Arguments of steps may be passwords to set; the reference shows them.
        ("clean_step", hidden(&node.clean_step, declared)),
        ("deploy_step", hidden(&node.deploy_step, declared)),
        ("inspection_started_at", date(node.inspection_started_at)),
        ("inspection_finished_at", date(node.inspection_finished_at)),
        ("maintenance", json!(node.maintenance)),
        ("maintenance_reason", json!(node.maintenance_reason)),
        ("fault", json!(node.fault.map(crate::node::Fault::as_str))),
        ("last_error", json!(node.last_error)),
        ("protected", json!(node.protected)),
        ("protected_reason", json!(node.protected_reason)),
        ("retired", json!(node.retired)),
        ("retired_reason", json!(node.retired_reason)),
        // next field above this line
    ]
}

/// `power_interface` and the like, for every interface type but firmware, which the payload never got.
fn interfaces(node: &Node) -> Map<String, Value> {
    let told = InterfaceType::ALL.into_iter().filter(|kind| *kind != InterfaceType::Firmware);
    told.map(|kind| (format!("{kind}_interface"), json!(node.interfaces.get(kind)))).collect()
}

/// What is to be deployed, without what lets others in.
fn instance_info(node: &Node, declared: &[&str]) -> Value {
    let mut shown: Fields = node.instance_info.clone();
    if let Some(image_url) = shown.get_mut(IMAGE_URL) {
        *image_url = crate::secret::MASK.into();
    }
    hidden(&shown, declared)
}
