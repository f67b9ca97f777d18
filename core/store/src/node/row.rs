//! Nodes as rows.

use farrier_model::node::{Interfaces, Node, NodeId};
use farrier_sdk::interface::InterfaceType;

use crate::error::{RecordKind, StoreError};
use crate::record::{Assignment, Record, SortKind};
use crate::statement::{Row, Value};

use SortKind::{Integer, Text};

/// The column of each interface type.
const INTERFACES: [(InterfaceType, &str); 13] = [
    (InterfaceType::Boot, "boot_interface"),
    (InterfaceType::Deploy, "deploy_interface"),
    (InterfaceType::Management, "management_interface"),
    (InterfaceType::Network, "network_interface"),
    (InterfaceType::Power, "power_interface"),
    (InterfaceType::Bios, "bios_interface"),
    (InterfaceType::Console, "console_interface"),
    (InterfaceType::Firmware, "firmware_interface"),
    (InterfaceType::Inspect, "inspect_interface"),
    (InterfaceType::Raid, "raid_interface"),
    (InterfaceType::Rescue, "rescue_interface"),
    (InterfaceType::Storage, "storage_interface"),
    (InterfaceType::Vendor, "vendor_interface"),
];

impl Record for Node {
    const KIND: RecordKind = RecordKind::Node;
    const TABLE: &'static str = "nodes";
    const COLUMNS: &'static str = "*, \
        (SELECT STRING_AGG(trait, '\u{1f}') FROM node_traits WHERE node_id = nodes.id) AS traits, \
        (SELECT STRING_AGG(tag, '\u{1f}') FROM node_tags WHERE node_id = nodes.id) AS tags";

    #[rustfmt::skip]
    const SORT: &'static [(&'static str, SortKind)] = &[
        ("id",                     Integer),
        ("uuid",                   Text),
        ("name",                   Text),
        ("created_at",             Text),
        ("updated_at",             Text),
        ("reservation",            Text),
        ("conductor_group",        Text),
        ("driver",                 Text),
        ("boot_interface",         Text),
        ("deploy_interface",       Text),
        ("management_interface",   Text),
        ("network_interface",      Text),
        ("power_interface",        Text),
        ("bios_interface",         Text),
        ("console_interface",      Text),
        ("firmware_interface",     Text),
        ("inspect_interface",      Text),
        ("raid_interface",         Text),
        ("rescue_interface",       Text),
        ("storage_interface",      Text),
        ("vendor_interface",       Text),
        ("resource_class",         Text),
        ("instance_uuid",          Text),
        ("instance_name",          Text),
        ("allocation_uuid",        Text),
        ("chassis_uuid",           Text),
        ("parent_node",            Text),
        ("power_state",            Text),
        ("target_power_state",     Text),
        ("disable_power_off",      Integer),
        ("provision_state",        Text),
        ("target_provision_state", Text),
        ("provision_updated_at",   Text),
        ("automated_clean",        Integer),
        ("inspection_started_at",  Text),
        ("inspection_finished_at", Text),
        ("maintenance",            Integer),
        ("maintenance_reason",     Text),
        ("fault",                  Text),
        ("last_error",             Text),
        ("health",                 Text),
        ("console_enabled",        Integer),
        ("boot_mode",              Text),
        ("secure_boot",            Integer),
        ("protected",              Integer),
        ("protected_reason",       Text),
        ("retired",                Integer),
        ("retired_reason",         Text),
        ("owner",                  Text),
        ("lessee",                 Text),
        ("shard",                  Text),
        ("description",            Text),
        // next sortable column above this line
    ];

    fn values(&self) -> Vec<Assignment> {
        let mut values = identity(self);
        values.extend(INTERFACES.map(|(kind, column)| (column, Value::shown(self.interfaces.get(kind)))));
        values.extend(mappings(self));
        values.extend(life(self));
        values.extend(care(self));
        values
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let node = read_identity(row)?;
        let node = read_mappings(row, node)?;
        let node = read_life(row, node)?;
        read_care(row, node)
    }

    fn not_found(ident: String) -> StoreError {
        StoreError::NodeNotFound { node: ident }
    }
}

fn identity(node: &Node) -> Vec<Assignment> {
    vec![
        ("name", (&node.name).into()),
        ("conductor_affinity", node.conductor_affinity.into()),
        ("conductor_group", (&node.conductor_group).into()),
        ("driver", (&node.driver).into()),
        ("resource_class", (&node.resource_class).into()),
        ("instance_uuid", Value::shown(node.instance_uuid)),
        ("instance_name", (&node.instance_name).into()),
        ("allocation_uuid", Value::shown(node.allocation_uuid)),
        ("chassis_uuid", Value::shown(node.chassis_uuid)),
        ("parent_node", Value::shown(node.parent_node)),
        ("owner", (&node.owner).into()),
        ("lessee", (&node.lessee).into()),
        ("shard", (&node.shard).into()),
        ("description", (&node.description).into()),
    ]
}

fn read_identity(row: &Row) -> Result<Node, StoreError> {
    let mut interfaces = Interfaces::default();
    for (kind, column) in INTERFACES {
        interfaces.set(kind, row.text_or_null(column)?);
    }
    Ok(Node {
        id: NodeId(row.integer("id")?),
        name: row.text_or_null("name")?,
        created_at: row.parsed("created_at")?,
        updated_at: row.parsed_or_null("updated_at")?,
        reservation: row.text_or_null("reservation")?,
        reservation_purpose: row.text_or_null("reservation_purpose")?,
        reserved_at: row.parsed_or_null("reserved_at")?,
        conductor_affinity: row.integer_or_null("conductor_affinity")?,
        conductor_group: row.text("conductor_group")?,
        interfaces,
        resource_class: row.text_or_null("resource_class")?,
        traits: row.list("traits")?,
        tags: row.list("tags")?,
        instance_uuid: row.parsed_or_null("instance_uuid")?,
        instance_name: row.text_or_null("instance_name")?,
        allocation_uuid: row.parsed_or_null("allocation_uuid")?,
        chassis_uuid: row.parsed_or_null("chassis_uuid")?,
        parent_node: row.parsed_or_null("parent_node")?,
        owner: row.text_or_null("owner")?,
        lessee: row.text_or_null("lessee")?,
        shard: row.text_or_null("shard")?,
        description: row.text_or_null("description")?,
        ..Node::new(row.parsed("uuid")?, row.text("driver")?)
    })
}

fn mappings(node: &Node) -> Vec<Assignment> {
    vec![
        ("driver_info", Value::json(&node.driver_info)),
        ("properties", Value::json(&node.properties)),
        ("extra", Value::json(&node.extra)),
        ("instance_info", Value::json(&node.instance_info)),
        ("clean_step", Value::json(&node.clean_step)),
        ("deploy_step", Value::json(&node.deploy_step)),
        ("service_step", Value::json(&node.service_step)),
        ("raid_config", Value::json(&node.raid_config)),
        ("target_raid_config", Value::json(&node.target_raid_config)),
        ("network_data", Value::json(&node.network_data)),
    ]
}

fn read_mappings(row: &Row, node: Node) -> Result<Node, StoreError> {
    Ok(Node {
        driver_info: row.json("driver_info")?,
        driver_internal_info: row.json("driver_internal_info")?,
        driver_internal_info_revision: row.integer("driver_internal_info_revision")?,
        properties: row.json("properties")?,
        extra: row.json("extra")?,
        instance_info: row.json("instance_info")?,
        clean_step: row.json("clean_step")?,
        deploy_step: row.json("deploy_step")?,
        service_step: row.json("service_step")?,
        raid_config: row.json("raid_config")?,
        target_raid_config: row.json("target_raid_config")?,
        network_data: row.json("network_data")?,
        ..node
    })
}

fn life(node: &Node) -> Vec<Assignment> {
    vec![
        ("power_state", Value::shown(node.power_state)),
        ("target_power_state", Value::shown(node.target_power_state)),
        ("disable_power_off", node.disable_power_off.into()),
        ("provision_state", node.provision_state.as_str().into()),
        ("target_provision_state", Value::shown(node.target_provision_state)),
        ("automated_clean", node.automated_clean.into()),
    ]
}

fn read_life(row: &Row, node: Node) -> Result<Node, StoreError> {
    Ok(Node {
        power_state: row.parsed_or_null("power_state")?,
        target_power_state: row.parsed_or_null("target_power_state")?,
        disable_power_off: row.boolean("disable_power_off")?,
        provision_state: row.parsed("provision_state")?,
        target_provision_state: row.parsed_or_null("target_provision_state")?,
        provision_updated_at: row.parsed_or_null("provision_updated_at")?,
        automated_clean: row.boolean_or_null("automated_clean")?,
        inspection_started_at: row.parsed_or_null("inspection_started_at")?,
        inspection_finished_at: row.parsed_or_null("inspection_finished_at")?,
        ..node
    })
}

fn care(node: &Node) -> Vec<Assignment> {
    vec![
        ("maintenance", node.maintenance.into()),
        ("maintenance_reason", (&node.maintenance_reason).into()),
        ("fault", Value::shown(node.fault)),
        ("last_error", (&node.last_error).into()),
        ("health", (&node.health).into()),
        ("console_enabled", node.console_enabled.into()),
        ("boot_mode", (&node.boot_mode).into()),
        ("secure_boot", node.secure_boot.into()),
        ("protected", node.protected.into()),
        ("protected_reason", (&node.protected_reason).into()),
        ("retired", node.retired.into()),
        ("retired_reason", (&node.retired_reason).into()),
    ]
}

fn read_care(row: &Row, node: Node) -> Result<Node, StoreError> {
    Ok(Node {
        maintenance: row.boolean("maintenance")?,
        maintenance_reason: row.text_or_null("maintenance_reason")?,
        fault: row.parsed_or_null("fault")?,
        last_error: row.text_or_null("last_error")?,
        health: row.text_or_null("health")?,
        console_enabled: row.boolean("console_enabled")?,
        boot_mode: row.text_or_null("boot_mode")?,
        secure_boot: row.boolean_or_null("secure_boot")?,
        protected: row.boolean("protected")?,
        protected_reason: row.text_or_null("protected_reason")?,
        retired: row.boolean("retired")?,
        retired_reason: row.text_or_null("retired_reason")?,
        ..node
    })
}
