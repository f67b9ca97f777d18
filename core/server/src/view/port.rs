//! Ports as clients see them.

use farrier_api::port::{PORT, Port as Wire};
use farrier_api::version::Microversion;
use farrier_model::port::Port;
use serde_json::{Map, Value};

use super::{Selection, shown, time};

/// A port for a client, in what `version` shows and `selection` asks for.
pub(crate) fn view(
    base: &str,
    version: Microversion,
    selection: &Selection,
    port: &Port,
) -> Map<String, Value> {
    shown(&PORT, &whole(base, port), version, selection)
}

/// A port for a client that sees every member.
pub(crate) fn whole(base: &str, port: &Port) -> Wire {
    wire(port).with_links(base)
}

/// The members of a port: what a patch is applied to.
pub(crate) fn members(port: &Port) -> Map<String, Value> {
    match serde_json::to_value(wire(port)) {
        Ok(Value::Object(members)) => members,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// A port on the wire, without its links.
fn wire(port: &Port) -> Wire {
    Wire {
        uuid: port.uuid.to_string(),
        created_at: Some(time(port.created_at)),
        updated_at: port.updated_at.map(time),
        address: port.address.clone(),
        extra: port.extra.clone(),
        internal_info: port.internal_info.clone(),
        is_smartnic: port.is_smartnic,
        local_link_connection: port.local_link_connection.clone(),
        physical_network: port.physical_network.clone(),
        pxe_enabled: port.pxe_enabled,
        node_uuid: port.node_uuid.to_string(),
        name: port.name.clone(),
        description: port.description.clone(),
        vendor: port.vendor.clone(),
        category: port.category.clone(),
        available_for_dynamic_portgroup: port.available_for_dynamic_portgroup,
        links: Vec::new(),
        portgroup_uuid: port.portgroup_uuid.map(|uuid| uuid.to_string()),
    }
}
