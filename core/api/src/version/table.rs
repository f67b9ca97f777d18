//! Every difference between two versions of the API, as data.

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// The collections below `/v1`.
    Root,
    /// `/v1/nodes`.
    Node,
    /// `PUT /v1/nodes/ID/states/power`.
    Power,
    /// `PUT /v1/nodes/ID/states/provision`.
    Provision,
    /// `/v1/ports`.
    Port,
    /// `/v1/portgroups`.
    Portgroup,
    /// `/v1/drivers`.
    Driver,
    /// `/v1/conductors`.
    Conductor,
    /// `/v1/allocations`.
    Allocation,
    /// BIOS settings of a node.
    Bios,
    /// Node history.
    History,
    /// `/v1/runbooks`.
    Runbook,
    /// What the deploy agent calls.
    Agent,
}

/// Which kind of difference a row is, and with it how an older version answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A member of a resource: left out of older answers; 406 when an older request sets, selects or sorts by it.
    Field,
    /// A query argument or a member of a request body: 406 in older requests.
    Parameter,
    /// A path: 404 in older requests.
    Endpoint,
    /// A value that asks for an action: 406 in older requests.
    Verb,
    /// The way something works; an older request gets the older way. Named by the constants of this module.
    Behavior,
}

/// The first version that knows some names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Minor number of that version.
    pub minor: u16,
    /// What the names belong to.
    pub topic: Topic,
    /// What the names are.
    pub kind: Kind,
    /// The names; an endpoint is the path below its topic.
    pub names: &'static [&'static str],
}

/// Shortens the rows.
const fn row(minor: u16, topic: Topic, kind: Kind, names: &'static [&'static str]) -> Row {
    Row { minor, topic, kind, names }
}

use Kind::{Behavior, Endpoint, Field, Parameter, Verb};

/// A node may be named with any unreserved character, not only as a host.
pub const NODE_NAME_UNRESERVED: &str = "node name of unreserved characters";

/// A new node is in `enroll`; before, in `available`.
pub const NODE_CREATED_IN_ENROLL: &str = "node created in enroll";

/// The state `available` is shown by its name; before, as null.
pub const STATE_AVAILABLE: &str = "state available";

/// The state `inspect wait` is shown by its name; before, as `inspecting`.
pub const STATE_INSPECT_WAIT: &str = "state inspect wait";

/// `rebuild` takes a config drive.
pub const REBUILD_CONFIGDRIVE: &str = "rebuild with configdrive";

/// A config drive may be an object of which the server builds it.
pub const CONFIGDRIVE_OBJECT: &str = "configdrive as an object";

/// `abort` works in `inspect wait`.
pub const ABORT_INSPECT_WAIT: &str = "abort of inspect wait";

/// `abort` works in `wait call-back`.
pub const ABORT_DEPLOY_WAIT: &str = "abort of wait call-back";

/// `service` takes `disable_ramdisk`.
pub const SERVICE_DISABLE_RAMDISK: &str = "service without ramdisk";

/// The virtual media of a node can be read.
pub const VMEDIA_GET: &str = "virtual media can be read";

/// A port is created on a node given by name.
pub const PORT_NODE_NAME: &str = "port created on a node by name";

/// `~0` and `~1` in the paths of a JSON patch stand for `~` and `/`.
pub const PATCH_ESCAPES: &str = "escapes in JSON pointers";

/// What each version added; names without a row are as old as the API.
///
/// Source: Ironic REST API, version history.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    row(  2, Topic::Node, Behavior, &[STATE_AVAILABLE]),
    row(  3, Topic::Node, Field, &["driver_internal_info"]),
    row(  4, Topic::Provision, Verb, &["manage", "provide"]),
    row(  5, Topic::Node, Field, &["name"]),
    row(  6, Topic::Node, Field, &["inspection_started_at", "inspection_finished_at"]),
    row(  6, Topic::Provision, Verb, &["inspect"]),
    row(  7, Topic::Node, Field, &["clean_step"]),
    row(  8, Topic::Node, Parameter, &["fields"]),
    row(  8, Topic::Port, Parameter, &["fields"]),
    row(  9, Topic::Node, Parameter, &["provision_state"]),
    row( 10, Topic::Node, Behavior, &[NODE_NAME_UNRESERVED]),
    row( 11, Topic::Node, Behavior, &[NODE_CREATED_IN_ENROLL]),
    row( 12, Topic::Node, Field, &["raid_config", "target_raid_config"]),
    row( 12, Topic::Node, Endpoint, &["states/raid"]),
    row( 12, Topic::Driver, Endpoint, &["raid/logical_disk_properties"]),
    row( 13, Topic::Provision, Verb, &["abort"]),
    row( 14, Topic::Node, Field, &["states"]),
    row( 14, Topic::Driver, Field, &["properties"]),
    row( 15, Topic::Provision, Verb, &["clean"]),
    row( 15, Topic::Provision, Parameter, &["clean_steps"]),
    row( 16, Topic::Node, Parameter, &["driver"]),
    row( 17, Topic::Provision, Verb, &["adopt"]),
    row( 18, Topic::Port, Field, &["internal_info"]),
    row( 19, Topic::Port, Field, &["local_link_connection", "pxe_enabled"]),
    row( 20, Topic::Node, Field, &["network_interface"]),
    row( 21, Topic::Node, Field, &["resource_class"]),
    row( 21, Topic::Node, Parameter, &["resource_class"]),
    row( 22, Topic::Root, Endpoint, &["lookup", "heartbeat"]),
    row( 23, Topic::Root, Endpoint, &["portgroups"]),
    row( 24, Topic::Node, Field, &["portgroups"]),
    row( 24, Topic::Node, Endpoint, &["portgroups"]),
    row( 24, Topic::Portgroup, Endpoint, &["ports"]),
    row( 24, Topic::Port, Field, &["portgroup_uuid"]),
    row( 24, Topic::Port, Parameter, &["portgroup"]),
    row( 26, Topic::Portgroup, Field, &["mode", "properties"]),
    row( 27, Topic::Power, Verb, &["soft power off", "soft rebooting"]),
    row( 27, Topic::Power, Parameter, &["timeout"]),
    row( 28, Topic::Node, Endpoint, &["vifs"]),
    row( 29, Topic::Node, Endpoint, &["management/inject_nmi"]),
    row( 30, Topic::Driver, Parameter, &["type", "detail"]),
    row( 30, Topic::Driver, Field, &["type",
        "default_boot_interface", "default_console_interface", "default_deploy_interface",
        "default_inspect_interface", "default_management_interface", "default_network_interface",
        "default_power_interface", "default_raid_interface", "default_vendor_interface",
        "enabled_boot_interfaces", "enabled_console_interfaces", "enabled_deploy_interfaces",
        "enabled_inspect_interfaces", "enabled_management_interfaces", "enabled_network_interfaces",
        "enabled_power_interfaces", "enabled_raid_interfaces", "enabled_vendor_interfaces"]),
    row( 31, Topic::Node, Field, &["boot_interface", "console_interface", "deploy_interface", "inspect_interface",
        "management_interface", "power_interface", "raid_interface", "vendor_interface"]),
    row( 32, Topic::Root, Endpoint, &["volume"]),
    row( 32, Topic::Node, Field, &["volume"]),
    row( 32, Topic::Node, Endpoint, &["volume"]),
    row( 33, Topic::Node, Field, &["storage_interface"]),
    row( 33, Topic::Driver, Field, &["default_storage_interface", "enabled_storage_interfaces"]),
    row( 34, Topic::Port, Field, &["physical_network"]),
    row( 35, Topic::Provision, Behavior, &[REBUILD_CONFIGDRIVE]),
    row( 36, Topic::Agent, Parameter, &["agent_version"]),
    row( 37, Topic::Node, Field, &["traits"]),
    row( 37, Topic::Node, Endpoint, &["traits"]),
    row( 38, Topic::Node, Field, &["rescue_interface"]),
    row( 38, Topic::Driver, Field, &["default_rescue_interface", "enabled_rescue_interfaces"]),
    row( 38, Topic::Provision, Verb, &["rescue", "unrescue"]),
    row( 38, Topic::Provision, Parameter, &["rescue_password"]),
    row( 39, Topic::Node, Behavior, &[STATE_INSPECT_WAIT]),
    row( 40, Topic::Node, Field, &["bios_interface"]),
    row( 40, Topic::Node, Endpoint, &["bios"]),
    row( 40, Topic::Driver, Field, &["default_bios_interface", "enabled_bios_interfaces"]),
    row( 41, Topic::Provision, Behavior, &[ABORT_INSPECT_WAIT]),
    row( 42, Topic::Node, Field, &["fault"]),
    row( 42, Topic::Node, Parameter, &["fault"]),
    row( 43, Topic::Node, Parameter, &["detail"]),
    row( 43, Topic::Port, Parameter, &["detail"]),
    row( 43, Topic::Portgroup, Parameter, &["detail"]),
    row( 44, Topic::Node, Field, &["deploy_step"]),
    row( 45, Topic::Node, Parameter, &["reset_interfaces"]),
    row( 46, Topic::Node, Field, &["conductor_group"]),
    row( 46, Topic::Node, Parameter, &["conductor_group"]),
    row( 47, Topic::Node, Field, &["automated_clean"]),
    row( 48, Topic::Node, Field, &["protected", "protected_reason"]),
    row( 49, Topic::Root, Endpoint, &["conductors"]),
    row( 49, Topic::Node, Field, &["conductor"]),
    row( 49, Topic::Node, Parameter, &["conductor"]),
    row( 50, Topic::Node, Field, &["owner"]),
    row( 50, Topic::Node, Parameter, &["owner"]),
    row( 51, Topic::Node, Field, &["description"]),
    row( 51, Topic::Node, Parameter, &["description_contains"]),
    row( 52, Topic::Root, Endpoint, &["allocations"]),
    row( 52, Topic::Node, Field, &["allocation_uuid"]),
    row( 52, Topic::Node, Endpoint, &["allocation"]),
    row( 53, Topic::Port, Field, &["is_smartnic"]),
    row( 54, Topic::Root, Endpoint, &["events"]),
    row( 55, Topic::Root, Endpoint, &["deploy_templates"]),
    row( 56, Topic::Provision, Behavior, &[CONFIGDRIVE_OBJECT]),
    row( 57, Topic::Allocation, Verb, &["update"]),
    row( 58, Topic::Allocation, Parameter, &["node"]),
    row( 61, Topic::Node, Field, &["retired", "retired_reason"]),
    row( 61, Topic::Node, Parameter, &["retired"]),
    row( 62, Topic::Agent, Parameter, &["agent_token"]),
    row( 63, Topic::Node, Endpoint, &["management/indicators"]),
    row( 65, Topic::Node, Field, &["lessee"]),
    row( 65, Topic::Node, Parameter, &["lessee"]),
    row( 66, Topic::Node, Field, &["network_data"]),
    row( 68, Topic::Agent, Parameter, &["agent_verify_ca"]),
    row( 69, Topic::Provision, Parameter, &["deploy_steps"]),
    row( 70, Topic::Provision, Parameter, &["disable_ramdisk"]),
    row( 73, Topic::Provision, Verb, &["deploy", "undeploy"]),
    row( 74, Topic::Bios, Field, &["attribute_type", "allowable_values", "lower_bound", "upper_bound", "min_length",
        "max_length", "read_only", "reset_required", "unique"]),
    row( 74, Topic::Bios, Parameter, &["detail", "fields"]),
    row( 75, Topic::Node, Field, &["boot_mode", "secure_boot"]),
    row( 76, Topic::Node, Endpoint, &["states/boot_mode", "states/secure_boot"]),
    row( 77, Topic::Driver, Parameter, &["fields"]),
    row( 78, Topic::Node, Endpoint, &["history"]),
    row( 81, Topic::Node, Endpoint, &["inventory"]),
    row( 82, Topic::Root, Endpoint, &["shards"]),
    row( 82, Topic::Node, Field, &["shard"]),
    row( 82, Topic::Node, Parameter, &["shard", "sharded"]),
    row( 82, Topic::Port, Parameter, &["shard"]),
    row( 83, Topic::Node, Field, &["parent_node"]),
    row( 83, Topic::Node, Parameter, &["parent_node", "include_children"]),
    row( 83, Topic::Node, Endpoint, &["children"]),
    row( 84, Topic::Root, Endpoint, &["continue_inspection"]),
    row( 85, Topic::Provision, Verb, &["unhold"]),
    row( 86, Topic::Node, Field, &["firmware_interface"]),
    row( 86, Topic::Node, Endpoint, &["firmware"]),
    row( 86, Topic::Driver, Field, &["default_firmware_interface", "enabled_firmware_interfaces"]),
    row( 87, Topic::Node, Field, &["service_step"]),
    row( 87, Topic::Provision, Verb, &["service"]),
    row( 87, Topic::Provision, Parameter, &["service_steps"]),
    row( 88, Topic::Port, Field, &["name"]),
    row( 89, Topic::Node, Endpoint, &["vmedia"]),
    row( 92, Topic::Root, Endpoint, &["runbooks"]),
    row( 92, Topic::Provision, Parameter, &["runbook"]),
    row( 93, Topic::Node, Behavior, &[VMEDIA_GET]),
    row( 94, Topic::Port, Behavior, &[PORT_NODE_NAME]),
    row( 95, Topic::Node, Field, &["disable_power_off"]),
    row( 96, Topic::Root, Endpoint, &["inspection_rules"]),
    row( 97, Topic::Port, Field, &["description"]),
    row( 98, Topic::Root, Behavior, &[PATCH_ESCAPES]),
    row( 99, Topic::Port, Parameter, &["conductor_groups"]),
    row( 99, Topic::Portgroup, Parameter, &["conductor_groups"]),
    row(100, Topic::Port, Field, &["vendor"]),
    row(101, Topic::Port, Field, &["category"]),
    row(102, Topic::Portgroup, Field, &["physical_network"]),
    row(103, Topic::Portgroup, Field, &["category"]),
    row(104, Topic::Node, Field, &["instance_name"]),
    row(104, Topic::Node, Parameter, &["instance_name"]),
    row(106, Topic::Portgroup, Parameter, &["shard"]),
    row(108, Topic::Provision, Behavior, &[SERVICE_DISABLE_RAMDISK]),
    row(109, Topic::Node, Field, &["health"]),
    row(110, Topic::Provision, Behavior, &[ABORT_DEPLOY_WAIT]),
    row(111, Topic::Port, Field, &["available_for_dynamic_portgroup"]),
    row(111, Topic::Portgroup, Field, &["dynamic_portgroup"]),
    row(112, Topic::Runbook, Endpoint, &["traits"]),
    row(112, Topic::Runbook, Field, &["traits"]),
    row(113, Topic::History, Field, &["project"]),
    row(115, Topic::History, Field, &["state", "target_provision_state", "duration_seconds"]),
    // next difference above this line, in the order of versions
];

/// Minor number of the first version that knows `name`; 1 for names without a row.
pub fn first_minor(topic: Topic, kind: Kind, name: &str) -> u16 {
    TABLE
        .iter()
        .find(|row| row.topic == topic && row.kind == kind && row.names.contains(&name))
        .map_or(1, |row| row.minor)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::version::{MAX, MIN};

    #[test]
    fn rows_stand_in_the_order_of_versions() {
        assert!(TABLE.is_sorted_by_key(|row| row.minor));
    }

    #[test]
    fn rows_lie_within_the_contract() {
        assert!(TABLE.iter().all(|row| MIN.minor() < row.minor && row.minor <= MAX.minor()));
    }

    #[test]
    fn no_name_was_added_twice() {
        let mut seen = BTreeSet::new();
        for row in TABLE {
            for name in row.names {
                assert!(seen.insert((row.topic, row.kind, name)), "{name} of {:?}", row.topic);
            }
        }
    }

    #[test]
    fn names_without_a_row_are_as_old_as_the_api() {
        assert_eq!(first_minor(Topic::Node, Field, "uuid"), 1);
        assert_eq!(first_minor(Topic::Node, Field, "firmware_interface"), 86);
    }
}
