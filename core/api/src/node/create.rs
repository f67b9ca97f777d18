//! The body of a request that creates a node.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::is_valid_name;
use super::rules::{DESCRIPTION_LENGTH_MAX, INTERFACE_MEMBERS, RESOURCE_CLASS_LENGTH_MAX, interface_type};
use crate::error::{ErrorName, Fault};
use crate::identity::is_uuid;
use crate::literal::quoted;
use crate::schema::{self, Member, Shape, member, text};
use crate::secret::Info;
use crate::version::Microversion;
use crate::version::table::Topic;

/// What a new node is given; everything but the driver may be left to the server.
///
/// The same member absent and null mean the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the members are those of Node")]
pub struct NodeCreate {
    pub driver: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chassis_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_info: Option<Info>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_info: Option<Info>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conductor_group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated_clean: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lessee: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_data: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_power_off: Option<bool>,
    /// The implementation for each interface type that is not left to the driver: `power` to `ipmitool`, which stands
    /// on the wire as the member `power_interface`.
    #[serde(flatten, serialize_with = "interfaces_as_members")]
    pub interfaces: BTreeMap<String, String>,
}

impl NodeCreate {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// - 400: no driver, an unknown or read-only member, a wrong type, a name or UUID that cannot be one.
    /// - 406: a member is newer than `version`.
    pub fn parse(version: Microversion, body: &Value) -> Result<Self, Fault> {
        let empty = Value::Object(Map::new());
        let body = schema::object("node", if body.is_null() { &empty } else { body })?;
        schema::check_new("node", Topic::Node, &members(), &["driver"], version, body)?;
        let mut body = body.clone();
        let create = Self::take(&mut body);
        if let Some(name) = create.name.as_deref().filter(|name| !is_valid_name(name, version)) {
            let message = format!("Cannot create node with invalid name {}", quoted(name));
            return Err(Fault::new(ErrorName::InvalidName, message));
        }
        for (member, uuid) in [("uuid", &create.uuid), ("chassis_uuid", &create.chassis_uuid)] {
            if let Some(uuid) = uuid.as_deref().filter(|uuid| !is_uuid(uuid)) {
                return Err(Fault::invalid_uuid(member, uuid));
            }
        }
        Ok(create)
    }

    /// Takes the members out of a checked body.
    fn take(body: &mut Map<String, Value>) -> Self {
        let interfaces = INTERFACE_MEMBERS.iter().filter_map(|name| {
            let implementation = schema::take_text(body, name)?;
            Some((interface_type(name).to_owned(), implementation))
        });
        Self {
            interfaces: interfaces.collect(),
            driver: schema::take_text(body, "driver").unwrap_or_default(),
            uuid: schema::take_text(body, "uuid"),
            name: schema::take_text(body, "name"),
            chassis_uuid: schema::take_text(body, "chassis_uuid"),
            driver_info: schema::take_mapping(body, "driver_info").map(Info),
            properties: schema::take_mapping(body, "properties"),
            extra: schema::take_mapping(body, "extra"),
            instance_info: schema::take_mapping(body, "instance_info").map(Info),
            resource_class: schema::take_text(body, "resource_class"),
            conductor_group: schema::take_text(body, "conductor_group"),
            automated_clean: schema::take_flag(body, "automated_clean"),
            owner: schema::take_text(body, "owner"),
            lessee: schema::take_text(body, "lessee"),
            description: schema::take_text(body, "description"),
            network_data: schema::take_mapping(body, "network_data"),
            shard: schema::take_text(body, "shard"),
            parent_node: schema::take_text(body, "parent_node"),
            disable_power_off: schema::take_flag(body, "disable_power_off"),
        }
    }
}

/// What a body may hold.
fn members() -> Vec<Member> {
    let mut members = vec![
        member("driver", Shape::RequiredText),
        member("uuid", Shape::Text),
        member("name", Shape::Text),
        member("chassis_uuid", Shape::Text),
        member("driver_info", Shape::Mapping),
        member("properties", Shape::Mapping),
        member("extra", Shape::Mapping),
        member("instance_info", Shape::Mapping),
        text("resource_class", RESOURCE_CLASS_LENGTH_MAX),
        member("conductor_group", Shape::Text),
        member("automated_clean", Shape::Flag),
        member("owner", Shape::Text),
        member("lessee", Shape::Text),
        text("description", DESCRIPTION_LENGTH_MAX),
        member("network_data", Shape::Mapping),
        member("shard", Shape::Text),
        member("parent_node", Shape::Text),
        member("disable_power_off", Shape::Flag),
    ];
    members.extend(INTERFACE_MEMBERS.iter().map(|name| member(name, Shape::Text)));
    members
}

/// Writes `power` to `ipmitool` as the member `power_interface`.
fn interfaces_as_members<S: serde::Serializer>(
    interfaces: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        interfaces.iter().map(|(name, implementation)| (format!("{name}_interface"), implementation)),
    )
}
