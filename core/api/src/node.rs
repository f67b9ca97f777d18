//! A node on the wire.

mod create;
mod rules;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use create::NodeCreate;
pub use rules::{INTERFACE_MEMBERS, PATCH};

use crate::argument;
use crate::error::Fault;
use crate::identity::is_uuid_like;
use crate::link::{Link, pair};
use crate::resource::{Filter, FilterValue, Resource};
use crate::secret::Info;
use crate::version::Microversion;
use crate::version::table::{Kind, NODE_NAME_UNRESERVED, Topic};

/// A whole node, in the order of members on the wire.
///
/// Reading is lenient: a member that an older version or `fields=` left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the members are the contract's; their meaning is in the manual of the reference"
)]
pub struct Node {
    pub uuid: String,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
    pub automated_clean: Option<bool>,
    pub bios_interface: Option<String>,
    pub boot_interface: Option<String>,
    pub boot_mode: Option<String>,
    pub clean_step: Map<String, Value>,
    pub conductor_group: String,
    pub console_enabled: bool,
    pub console_interface: Option<String>,
    pub disable_power_off: bool,
    pub deploy_interface: Option<String>,
    pub deploy_step: Map<String, Value>,
    pub description: Option<String>,
    pub driver: String,
    pub driver_info: Info,
    pub driver_internal_info: Info,
    pub extra: Map<String, Value>,
    pub fault: Option<String>,
    pub firmware_interface: Option<String>,
    pub health: Option<String>,
    pub inspection_finished_at: Option<String>,
    pub inspection_started_at: Option<String>,
    pub inspect_interface: Option<String>,
    pub instance_info: Info,
    pub instance_name: Option<String>,
    pub instance_uuid: Option<String>,
    pub last_error: Option<String>,
    pub lessee: Option<String>,
    pub maintenance: bool,
    pub maintenance_reason: Option<String>,
    pub management_interface: Option<String>,
    pub name: Option<String>,
    pub network_data: Map<String, Value>,
    pub network_interface: Option<String>,
    pub owner: Option<String>,
    pub parent_node: Option<String>,
    pub power_interface: Option<String>,
    pub power_state: Option<String>,
    pub properties: Map<String, Value>,
    pub protected: bool,
    pub protected_reason: Option<String>,
    pub provision_state: Option<String>,
    pub provision_updated_at: Option<String>,
    pub raid_config: Map<String, Value>,
    pub raid_interface: Option<String>,
    pub rescue_interface: Option<String>,
    pub reservation: Option<String>,
    pub resource_class: Option<String>,
    pub retired: bool,
    pub retired_reason: Option<String>,
    pub secure_boot: Option<bool>,
    pub service_step: Map<String, Value>,
    pub shard: Option<String>,
    pub storage_interface: Option<String>,
    pub target_power_state: Option<String>,
    pub target_provision_state: Option<String>,
    pub target_raid_config: Map<String, Value>,
    pub traits: Vec<String>,
    pub vendor_interface: Option<String>,
    pub links: Vec<Link>,
    pub conductor: Option<String>,
    pub allocation_uuid: Option<String>,
    pub chassis_uuid: Option<String>,
    pub ports: Vec<Link>,
    pub states: Vec<Link>,
    pub portgroups: Vec<Link>,
    pub volume: Vec<Link>,
}

impl Node {
    /// Fills in every link, for a node whose `uuid` is set.
    #[must_use]
    pub fn with_links(mut self, base: &str) -> Self {
        let path = format!("{}/{}", NODE.collection, self.uuid);
        let below = |name: &str| pair(base, &format!("{path}/{name}"));
        self.ports = below("ports");
        self.states = below("states");
        self.portgroups = below("portgroups");
        self.volume = below("volume");
        self.links = pair(base, &path);
        self
    }
}

/// The states of a node, as `GET /v1/nodes/ID/states` answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members are those of Node")]
pub struct NodeStates {
    pub console_enabled: bool,
    pub last_error: Option<String>,
    pub power_state: Option<String>,
    pub provision_state: Option<String>,
    pub target_power_state: Option<String>,
    pub target_provision_state: Option<String>,
    pub provision_updated_at: Option<String>,
    pub raid_config: Map<String, Value>,
    pub target_raid_config: Map<String, Value>,
    pub boot_mode: Option<String>,
    pub secure_boot: Option<bool>,
}

impl NodeStates {
    /// The states as `version` shows them.
    pub fn view(&self, version: Microversion) -> Map<String, Value> {
        NODE.view(self, version, None)
    }
}

impl From<&Node> for NodeStates {
    fn from(node: &Node) -> Self {
        Self {
            console_enabled: node.console_enabled,
            last_error: node.last_error.clone(),
            power_state: node.power_state.clone(),
            provision_state: node.provision_state.clone(),
            target_power_state: node.target_power_state.clone(),
            target_provision_state: node.target_provision_state.clone(),
            provision_updated_at: node.provision_updated_at.clone(),
            raid_config: node.raid_config.clone(),
            target_raid_config: node.target_raid_config.clone(),
            boot_mode: node.boot_mode.clone(),
            secure_boot: node.secure_boot,
        }
    }
}

/// What `PUT /v1/nodes/ID/maintenance` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceRequest {
    /// Why the node is in maintenance.
    pub reason: Option<String>,
}

impl MaintenanceRequest {
    /// Reads the body, which may be missing.
    ///
    /// # Errors
    ///
    /// 400 for an unknown member or a reason that is no text.
    pub fn parse(body: &Value) -> Result<Self, Fault> {
        let arguments = argument::read(body, &["reason"], &[])?;
        Ok(Self { reason: argument::text(&arguments, "reason")? })
    }
}

/// Words that stand behind `/v1/nodes/` or `/v1/nodes/ID/` themselves, so that no node may be called so.
pub const RESERVED_NAMES: &[&str] = &[
    "allocation",
    "bios",
    "children",
    "detail",
    "firmware",
    "history",
    "inventory",
    "maintenance",
    "management",
    "portgroups",
    "ports",
    "states",
    "traits",
    "validate",
    "vendor_passthru",
    "vifs",
    "vmedia",
    "volume",
];

/// The most characters a node's name may have.
const NAME_LENGTH_MAX: usize = 255;

/// Whether a node may have this name in a request of this version.
///
/// Letters, digits and `-._~`, before 1.10 only what can be a host; nothing that could be a UUID or is a word of the
/// API.
pub fn is_valid_name(name: &str, version: Microversion) -> bool {
    let spelled = if version.has(Topic::Node, Kind::Behavior, NODE_NAME_UNRESERVED) {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    } else {
        is_host_name(name)
    };
    spelled && name.len() <= NAME_LENGTH_MAX && !is_uuid_like(name) && !RESERVED_NAMES.contains(&name)
}

/// Whether text can be the name of a host: labels of letters, digits and inner hyphens, with dots between them.
fn is_host_name(name: &str) -> bool {
    name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// A filter read as text.
const fn by_text(name: &'static str) -> Filter {
    Filter { name, value: FilterValue::Text }
}

/// A filter read as a boolean.
const fn by_flag(name: &'static str) -> Filter {
    Filter { name, value: FilterValue::Flag }
}

/// A filter read as a UUID.
const fn by_uuid(name: &'static str) -> Filter {
    Filter { name, value: FilterValue::Uuid }
}

/// Nodes as a kind of resource.
#[rustfmt::skip]
pub const NODE: Resource = Resource {
    topic: Topic::Node,
    collection: "nodes",
    key: "uuid",
    fields: &[
        "uuid", "created_at", "updated_at", "automated_clean", "bios_interface", "boot_interface", "boot_mode",
        "clean_step", "conductor_group", "console_enabled", "console_interface", "disable_power_off",
        "deploy_interface", "deploy_step", "description", "driver", "driver_info", "driver_internal_info", "extra",
        "fault", "firmware_interface", "health", "inspection_finished_at", "inspection_started_at",
        "inspect_interface", "instance_info", "instance_name", "instance_uuid", "last_error", "lessee", "maintenance",
        "maintenance_reason", "management_interface", "name", "network_data", "network_interface", "owner",
        "parent_node", "power_interface", "power_state", "properties", "protected", "protected_reason",
        "provision_state", "provision_updated_at", "raid_config", "raid_interface", "rescue_interface", "reservation",
        "resource_class", "retired", "retired_reason", "secure_boot", "service_step", "shard", "storage_interface",
        "target_power_state", "target_provision_state", "target_raid_config", "traits", "vendor_interface", "links",
        "conductor", "allocation_uuid", "chassis_uuid", "ports", "states", "portgroups", "volume",
    ],
    list_fields: None,
    summary: &["instance_uuid", "maintenance", "power_state", "provision_state", "uuid", "name"],
    unsortable: &[
        "clean_step", "deploy_step", "driver_info", "driver_internal_info", "extra", "instance_info", "network_data",
        "properties", "raid_config", "service_step", "target_raid_config", "traits",
    ],
    derived: &["allocation_uuid", "chassis_uuid", "conductor", "links", "portgroups", "ports", "states", "volume"],
    filters: &[
        by_uuid("instance_uuid"), by_uuid("chassis_uuid"), by_flag("associated"), by_flag("maintenance"),
        by_flag("retired"), by_text("provision_state"), by_text("driver"), by_text("resource_class"),
        by_text("fault"), by_text("conductor_group"), by_text("conductor"), by_text("owner"), by_text("lessee"),
        by_text("project"), by_text("description_contains"),
        Filter { name: "shard", value: FilterValue::List }, by_flag("sharded"), by_flag("include_children"),
        by_text("parent_node"), by_text("instance_name"),
    ],
};

#[cfg(test)]
mod tests;
