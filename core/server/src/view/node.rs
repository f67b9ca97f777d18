//! Nodes as clients see them.

use farrier_api::node::{NODE, Node as Wire};
use farrier_api::secret::Info;
use farrier_api::version::Microversion;
use farrier_conductor::service::Conductor;
use farrier_model::node::{Fields, Node};
use farrier_model::secret::masked;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use serde_json::{Map, Value};

use super::{Selection, shown, time};

/// A node for a client, in what `version` shows and `selection` asks for.
pub(crate) fn view(
    conductor: &Conductor,
    base: &str,
    version: Microversion,
    selection: &Selection,
    node: &Node,
) -> Map<String, Value> {
    shown(&NODE, &whole(conductor, base, node), version, selection)
}

/// A node for a client that sees every member.
pub(crate) fn whole(conductor: &Conductor, base: &str, node: &Node) -> Wire {
    wire(conductor, node).with_links(base)
}

/// A node on the wire, without its links.
pub(crate) fn wire(conductor: &Conductor, node: &Node) -> Wire {
    let declared = conductor.registry().secret_keys();
    let wire = with_secrets(node, |fields| masked(fields, &declared));
    Wire { conductor: conductor.owner_of(node), ..wire }
}

/// The members of a node with its secrets in clear: what a patch is applied to, never an answer.
pub(crate) fn open_members(node: &Node) -> Map<String, Value> {
    match serde_json::to_value(open(node)) {
        Ok(Value::Object(members)) => members,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// A node on the wire with its secrets in clear.
fn open(node: &Node) -> Wire {
    with_secrets(node, Fields::clone)
}

/// A node on the wire, its mappings that may hold secrets as `show` shows them.
fn with_secrets(node: &Node, show: impl Fn(&Fields) -> Fields) -> Wire {
    Wire {
        driver_info: Info(show(&node.driver_info)),
        driver_internal_info: Info(show(&node.driver_internal_info)),
        instance_info: Info(show(&node.instance_info)),
        // Arguments of steps may be accounts to make.
        clean_step: show(&node.clean_step),
        deploy_step: show(&node.deploy_step),
        service_step: show(&node.service_step),
        ..without_secrets(node)
    }
}

/// What of a node never holds a secret.
fn without_secrets(node: &Node) -> Wire {
    let interface = |kind| node.interfaces.get(kind).map(str::to_owned);
    Wire {
        uuid: node.uuid.to_string(),
        created_at: Some(time(node.created_at)),
        updated_at: node.updated_at.map(time),
        bios_interface: interface(InterfaceType::Bios),
        boot_interface: interface(InterfaceType::Boot),
        console_interface: interface(InterfaceType::Console),
        deploy_interface: interface(InterfaceType::Deploy),
        firmware_interface: interface(InterfaceType::Firmware),
        inspect_interface: interface(InterfaceType::Inspect),
        management_interface: interface(InterfaceType::Management),
        network_interface: interface(InterfaceType::Network),
        power_interface: interface(InterfaceType::Power),
        raid_interface: interface(InterfaceType::Raid),
        rescue_interface: interface(InterfaceType::Rescue),
        storage_interface: interface(InterfaceType::Storage),
        vendor_interface: interface(InterfaceType::Vendor),
        driver: node.driver.clone(),
        extra: node.extra.clone(),
        properties: node.properties.clone(),
        network_data: node.network_data.clone(),
        raid_config: node.raid_config.clone(),
        target_raid_config: node.target_raid_config.clone(),
        traits: node.traits.clone(),
        ..with_texts(node, with_life(node, Wire::default()))
    }
}

/// Where the node is in its life, what it is used for, and how it is.
fn with_life(node: &Node, wire: Wire) -> Wire {
    Wire {
        automated_clean: node.automated_clean,
        boot_mode: node.boot_mode.clone(),
        console_enabled: node.console_enabled,
        disable_power_off: node.disable_power_off,
        fault: node.fault.map(|fault| fault.as_str().to_owned()),
        health: node.health.clone(),
        inspection_finished_at: node.inspection_finished_at.map(time),
        inspection_started_at: node.inspection_started_at.map(time),
        instance_name: node.instance_name.clone(),
        instance_uuid: node.instance_uuid.map(|uuid| uuid.to_string()),
        allocation_uuid: node.allocation_uuid.map(|uuid| uuid.to_string()),
        last_error: node.last_error.clone(),
        maintenance: node.maintenance,
        maintenance_reason: node.maintenance_reason.clone(),
        power_state: node.power_state.and_then(power_state).map(str::to_owned),
        target_power_state: node.target_power_state.and_then(power_state).map(str::to_owned),
        provision_state: Some(node.provision_state.as_str().to_owned()),
        target_provision_state: node.target_provision_state.map(|state| state.as_str().to_owned()),
        provision_updated_at: node.provision_updated_at.map(time),
        reservation: node.reservation.clone(),
        secure_boot: node.secure_boot,
        ..wire
    }
}

/// What people say about the node.
fn with_texts(node: &Node, wire: Wire) -> Wire {
    Wire {
        name: node.name.clone(),
        conductor_group: node.conductor_group.clone(),
        description: node.description.clone(),
        lessee: node.lessee.clone(),
        owner: node.owner.clone(),
        parent_node: node.parent_node.map(|uuid| uuid.to_string()),
        chassis_uuid: node.chassis_uuid.map(|uuid| uuid.to_string()),
        protected: node.protected,
        protected_reason: node.protected_reason.clone(),
        resource_class: node.resource_class.clone(),
        retired: node.retired,
        retired_reason: node.retired_reason.clone(),
        shard: node.shard.clone(),
        ..wire
    }
}

/// A power state by its name; a machine that does not say is null.
pub(super) fn power_state(state: PowerState) -> Option<&'static str> {
    (state != PowerState::Unknown).then(|| state.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_member_is_filled_from_the_record() {
        // Each field of the record that has a counterpart holds something, so that a forgotten one shows.
        let mut node = Node::new(Uuid::from_u128(1), "fake-hardware");
        let text = || Some("x".to_owned());
        node.name = text();
        node.description = text();
        node.owner = text();
        node.lessee = text();
        node.shard = text();
        node.resource_class = text();
        node.protected_reason = text();
        node.retired_reason = text();
        node.last_error = text();
        node.health = text();
        node.maintenance_reason = text();
        node.instance_name = text();
        node.boot_mode = text();
        node.reservation = text();
        node.secure_boot = Some(true);
        node.automated_clean = Some(true);
        node.power_state = Some(PowerState::On);
        node.target_power_state = Some(PowerState::Off);
        node.target_provision_state = Some(farrier_model::provision::ProvisionState::Active);
        node.fault = Some(farrier_model::node::Fault::PowerFailure);
        for uuid in [
            &mut node.instance_uuid,
            &mut node.allocation_uuid,
            &mut node.parent_node,
            &mut node.chassis_uuid,
        ] {
            *uuid = Some(Uuid::from_u128(2));
        }
        for moment in [
            &mut node.updated_at,
            &mut node.provision_updated_at,
            &mut node.inspection_started_at,
            &mut node.inspection_finished_at,
        ] {
            *moment = Some(jiff::Timestamp::UNIX_EPOCH);
        }
        for kind in InterfaceType::ALL {
            node.interfaces.set(kind, text());
        }

        let members = open_members(&node);

        let unset: Vec<&String> =
            members.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name).collect();
        assert_eq!(unset, ["conductor"]);
        assert_eq!(members.len(), NODE.fields.len());
    }

    #[test]
    fn mappings_are_those_of_the_record() {
        let mut node = Node::new(Uuid::from_u128(1), "fake-hardware");
        let names = [
            ("driver_info", &mut node.driver_info),
            ("driver_internal_info", &mut node.driver_internal_info),
            ("instance_info", &mut node.instance_info),
            ("extra", &mut node.extra),
            ("properties", &mut node.properties),
            ("network_data", &mut node.network_data),
            ("raid_config", &mut node.raid_config),
            ("target_raid_config", &mut node.target_raid_config),
            ("clean_step", &mut node.clean_step),
            ("deploy_step", &mut node.deploy_step),
            ("service_step", &mut node.service_step),
        ]
        .map(|(name, fields)| {
            fields.insert("of".to_owned(), json!(name));
            name
        });

        let members = open_members(&node);

        for name in names {
            assert_eq!(members[name], json!({"of": name}));
        }
    }

    #[test]
    fn both_sides_hide_the_same() {
        let (api, model) = (farrier_api::secret::SECRET_KEY_PARTS, farrier_model::secret::SECRET_KEY_PARTS);

        assert_eq!((api, farrier_api::secret::MASK), (model, farrier_model::secret::MASK));
    }

    #[test]
    fn a_power_state_that_nobody_knows_is_null() {
        let mut node = Node::new(Uuid::from_u128(1), "fake-hardware");
        node.power_state = Some(PowerState::Unknown);

        assert_eq!(open_members(&node)["power_state"], Value::Null);
    }
}
