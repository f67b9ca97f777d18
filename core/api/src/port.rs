//! A port on the wire.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Fault;
use crate::identity::{is_uuid, mac_address};
use crate::link::{Link, pair};
use crate::patch::{Root, Rules, Unset};
use crate::resource::{Filter, FilterValue, Resource};
use crate::schema::{self, Member, Shape, member};
use crate::version::Microversion;
use crate::version::table::{Kind, PORT_NODE_NAME, Topic};

/// A whole port, in the order of members on the wire.
///
/// Reading is lenient: a member that an older version or `fields=` left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    missing_docs,
    reason = "the members are the contract's; their meaning is in the manual of the reference"
)]
pub struct Port {
    pub uuid: String,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
    pub address: String,
    pub extra: Map<String, Value>,
    pub internal_info: Map<String, Value>,
    pub is_smartnic: bool,
    pub local_link_connection: Map<String, Value>,
    pub physical_network: Option<String>,
    pub pxe_enabled: bool,
    pub node_uuid: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub vendor: Option<String>,
    pub category: Option<String>,
    pub available_for_dynamic_portgroup: bool,
    pub links: Vec<Link>,
    pub portgroup_uuid: Option<String>,
}

impl Port {
    /// Fills in the links, for a port whose `uuid` is set.
    #[must_use]
    pub fn with_links(mut self, base: &str) -> Self {
        self.links = pair(base, &format!("{}/{}", PORT.collection, self.uuid));
        self
    }
}

/// What a new port is given; the same member absent and null mean the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the members are those of Port")]
pub struct PortCreate {
    /// The MAC address, in lower case.
    pub address: String,
    /// UUID or, from 1.94 on, name of the node.
    pub node_uuid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portgroup_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pxe_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_smartnic: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_link_connection: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_for_dynamic_portgroup: Option<bool>,
}

impl PortCreate {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// - 400: no address or node, an unknown member, a wrong type, an address that is none, or a name of the node
    ///   where only its UUID will do.
    /// - 406: a member is newer than `version`.
    pub fn parse(version: Microversion, body: &Value) -> Result<Self, Fault> {
        let empty = Value::Object(Map::new());
        let body = schema::object("port", if body.is_null() { &empty } else { body })?;
        schema::check_new("port", Topic::Port, MEMBERS, &["address", "node_uuid"], version, body)?;
        let mut body = body.clone();
        let text = schema::take_text(&mut body, "address").unwrap_or_default();
        let create = Self {
            address: mac_address(&text).ok_or_else(|| Fault::invalid_mac("address", &text))?,
            node_uuid: schema::take_text(&mut body, "node_uuid").unwrap_or_default(),
            uuid: schema::take_text(&mut body, "uuid"),
            portgroup_uuid: schema::take_text(&mut body, "portgroup_uuid"),
            name: schema::take_text(&mut body, "name"),
            description: schema::take_text(&mut body, "description"),
            physical_network: schema::take_text(&mut body, "physical_network"),
            pxe_enabled: schema::take_flag(&mut body, "pxe_enabled"),
            is_smartnic: schema::take_flag(&mut body, "is_smartnic"),
            local_link_connection: schema::take_mapping(&mut body, "local_link_connection"),
            extra: schema::take_mapping(&mut body, "extra"),
            vendor: schema::take_text(&mut body, "vendor"),
            category: schema::take_text(&mut body, "category"),
            available_for_dynamic_portgroup: schema::take_flag(&mut body, "available_for_dynamic_portgroup"),
        };
        let by_name = version.has(Topic::Port, Kind::Behavior, PORT_NODE_NAME);
        if !by_name && !is_uuid(&create.node_uuid) {
            return Err(Fault::invalid_uuid("node_uuid", &create.node_uuid));
        }
        for (member, uuid) in [("uuid", &create.uuid), ("portgroup_uuid", &create.portgroup_uuid)] {
            if let Some(uuid) = uuid.as_deref().filter(|uuid| !is_uuid(uuid)) {
                return Err(Fault::invalid_uuid(member, uuid));
            }
        }
        Ok(create)
    }
}

/// What the body of a new port may hold.
const MEMBERS: &[Member] = &[
    member("address", Shape::RequiredText),
    member("node_uuid", Shape::RequiredText),
    member("uuid", Shape::Text),
    member("portgroup_uuid", Shape::Text),
    member("name", Shape::Text),
    member("description", Shape::Text),
    member("physical_network", Shape::Text),
    member("pxe_enabled", Shape::Flag),
    member("is_smartnic", Shape::Flag),
    member("local_link_connection", Shape::Mapping),
    member("extra", Shape::Mapping),
    member("vendor", Shape::Text),
    member("category", Shape::Text),
    member("available_for_dynamic_portgroup", Shape::Flag),
];

/// A text that is null when unset.
const fn text_root(name: &'static str) -> Root {
    Root { member: member(name, Shape::Text), unset: Unset::Null }
}

/// What a JSON patch may change of a port.
#[rustfmt::skip]
pub const PATCH: Rules = Rules {
    topic: Topic::Port,
    roots: &[
        Root { member: member("address", Shape::RequiredText), unset: Unset::Required },
        Root { member: member("available_for_dynamic_portgroup", Shape::Flag), unset: Unset::Flag(true) },
        text_root("category"),
        text_root("description"),
        Root { member: member("extra", Shape::Mapping), unset: Unset::Empty },
        Root { member: member("is_smartnic", Shape::Flag), unset: Unset::Flag(false) },
        Root { member: member("local_link_connection", Shape::Mapping), unset: Unset::Empty },
        text_root("name"),
        Root { member: member("node_uuid", Shape::RequiredText), unset: Unset::Required },
        text_root("physical_network"),
        text_root("portgroup_uuid"),
        Root { member: member("pxe_enabled", Shape::Flag), unset: Unset::Flag(true) },
        text_root("vendor"),
        // next member above this line
    ],
};

/// Ports as a kind of resource.
#[rustfmt::skip]
pub const PORT: Resource = Resource {
    topic: Topic::Port,
    collection: "ports",
    key: "uuid",
    fields: &[
        "uuid", "created_at", "updated_at", "address", "extra", "internal_info", "is_smartnic",
        "local_link_connection", "physical_network", "pxe_enabled", "node_uuid", "name", "description", "vendor",
        "category", "available_for_dynamic_portgroup", "links", "portgroup_uuid",
    ],
    list_fields: None,
    summary: &["uuid", "address"],
    unsortable: &["extra", "internal_info", "local_link_connection"],
    derived: &["links", "node_uuid", "portgroup_uuid"],
    filters: &[
        Filter { name: "node", value: FilterValue::Text },
        Filter { name: "node_uuid", value: FilterValue::Uuid },
        Filter { name: "address", value: FilterValue::Text },
        Filter { name: "portgroup", value: FilterValue::Text },
        Filter { name: "shard", value: FilterValue::List },
        Filter { name: "conductor_groups", value: FilterValue::List },
    ],
};

#[cfg(test)]
mod tests;
