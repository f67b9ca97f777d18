use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::allocation::Allocation;
use super::chassis::Chassis;
use super::inspection_rule::InspectionRule;
use super::node::{ConsoleAction, StateChange};
use super::template::{DeployTemplate, Runbook};
use super::*;
use crate::node::{Fields, Interfaces, Node, NodeId};
use crate::port::Port;
use crate::portgroup::Portgroup;
use crate::provision::machine::TRANSITIONS;
use crate::provision::{Event, ProvisionState, UNSTABLE};
use crate::volume::{VolumeConnector, VolumeTarget};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;

/// Fields of every payload of a node.
const NODE: &str = "clean_step conductor_group console_enabled created_at deploy_step description \
    disable_power_off driver extra boot_mode secure_boot inspection_finished_at inspection_started_at \
    instance_uuid last_error maintenance maintenance_reason fault bios_interface boot_interface \
    console_interface deploy_interface inspect_interface management_interface network_interface \
    power_interface raid_interface rescue_interface storage_interface vendor_interface name owner lessee \
    power_state properties protected protected_reason provision_state provision_updated_at resource_class \
    retired retired_reason target_power_state target_provision_state traits updated_at uuid";

fn at(second: i64) -> Timestamp {
    Timestamp::from_microsecond(1_795_352_400_000_000 + second * 1_000_000 + 681_040).unwrap()
}

fn fields(value: Value) -> Fields {
    let Value::Object(fields) = value else { panic!("{value} is no mapping") };
    fields
}

/// A node with a value in every field.
fn node() -> Node {
    let interfaces: Interfaces =
        InterfaceType::ALL.into_iter().map(|kind| (kind, format!("fake-{kind}"))).collect();
    Node {
        id: NodeId(7),
        name: Some("n1".to_owned()),
        created_at: at(0),
        updated_at: Some(at(1)),
        conductor_group: "rack-1".to_owned(),
        interfaces,
        driver_info: fields(json!({"ipmi_address": "192.0.2.1", "ipmi_password": "CANARY", "pin": "CANARY"})),
        driver_internal_info: fields(
            json!({"agent_url": "http://192.0.2.9", "agent_secret_token": "CANARY"}),
        ),
        instance_info: fields(json!({
            "image_source": "http://images/a", "image_url": "http://images/a?sig=CANARY", "configdrive": "CANARY",
        })),
        properties: fields(json!({"cpu_arch": "x86_64"})),
        extra: fields(json!({"rack": "r12"})),
        resource_class: Some("gold".to_owned()),
        traits: vec!["CUSTOM_A".to_owned(), "HW_B".to_owned()],
        instance_uuid: Some(Uuid::from_u128(2)),
        chassis_uuid: Some(Uuid::from_u128(3)),
        power_state: Some(PowerState::On),
        target_power_state: Some(PowerState::Off),
        disable_power_off: true,
        provision_state: ProvisionState::Cleaning,
        target_provision_state: Some(ProvisionState::Available),
        provision_updated_at: Some(at(2)),
        clean_step: fields(json!({"step": "set_account", "args": {"password": "CANARY", "user": "root"}})),
        deploy_step: fields(json!({"step": "deploy"})),
        inspection_started_at: Some(at(3)),
        inspection_finished_at: Some(at(4)),
        maintenance: true,
        maintenance_reason: Some("repair".to_owned()),
        fault: Some(crate::node::Fault::CleanFailure),
        last_error: Some("out of paper".to_owned()),
        console_enabled: true,
        boot_mode: Some("uefi".to_owned()),
        secure_boot: Some(false),
        protected: true,
        protected_reason: Some("in use".to_owned()),
        retired: true,
        retired_reason: Some("old".to_owned()),
        owner: Some("o".to_owned()),
        lessee: Some("l".to_owned()),
        description: Some("left of the door".to_owned()),
        ..Node::new(Uuid::from_u128(1), "fake-hardware")
    }
}

fn change() -> StateChange {
    StateChange { event: Event::Provide, previous: ProvisionState::Manageable, previous_target: None }
}

/// Everything that is told of a node, as the conductor and the API tell it.
fn all_of(node: &Node, declared: &[&str]) -> Vec<Payload> {
    vec![
        super::node::console(node, ConsoleAction::Set, Status::Start, declared).payload,
        super::node::maintenance_set(node, Status::Start, declared).payload,
        super::node::power_set(node, PowerState::SoftOff, Status::Start, declared).payload,
        super::node::power_state_corrected(node, Some(PowerState::Off), declared).payload,
        super::node::provision_set(node, change(), declared).payload,
        node.payload(declared),
    ]
}

fn port() -> Port {
    Port {
        node_uuid: Uuid::from_u128(1),
        created_at: at(0),
        extra: fields(json!({"slot": 1})),
        local_link_connection: fields(json!({"port_id": "eth1"})),
        internal_info: fields(json!({"tenant_vif_port_id": "not told"})),
        ..Port::new(Uuid::from_u128(11), NodeId(7), "52:54:00:12:34:56")
    }
}

fn portgroup() -> Portgroup {
    Portgroup {
        node_uuid: Uuid::from_u128(1),
        created_at: at(0),
        properties: fields(json!({"miimon": 100})),
        internal_info: fields(json!({"tenant_vif_port_id": "not told"})),
        ..Portgroup::new(Uuid::from_u128(12), NodeId(7))
    }
}

fn connector() -> VolumeConnector {
    VolumeConnector {
        node_uuid: Uuid::from_u128(1),
        created_at: at(0),
        ..VolumeConnector::new(Uuid::from_u128(13), NodeId(7), "iqn", "iqn.2026-01.example:a")
    }
}

fn target() -> VolumeTarget {
    VolumeTarget {
        node_uuid: Uuid::from_u128(1),
        created_at: at(0),
        properties: fields(json!({"auth_password": "CANARY"})),
        ..VolumeTarget::new(Uuid::from_u128(14), NodeId(7), 0, "iscsi", "v-1")
    }
}

fn chassis() -> Chassis {
    Chassis {
        uuid: Uuid::from_u128(15),
        description: None,
        extra: Fields::new(),
        created_at: Some(at(0)),
        updated_at: None,
    }
}

fn allocation() -> Allocation {
    Allocation {
        uuid: Uuid::from_u128(16),
        name: Some("a1".to_owned()),
        node_uuid: Some(Uuid::from_u128(1)),
        state: Some("active".to_owned()),
        last_error: None,
        owner: None,
        resource_class: Some("gold".to_owned()),
        traits: vec!["CUSTOM_A".to_owned()],
        candidate_nodes: vec![Uuid::from_u128(1)],
        extra: Fields::new(),
        created_at: Some(at(0)),
        updated_at: Some(at(1)),
    }
}

/// Steps with an argument that must not be shown.
fn steps() -> Vec<Fields> {
    let step =
        json!({"interface": "bios", "step": "set_account", "args": {"password": "CANARY"}, "priority": 1});
    vec![fields(step)]
}

fn deploy_template() -> DeployTemplate {
    DeployTemplate {
        uuid: Uuid::from_u128(17),
        name: "CUSTOM_T".to_owned(),
        steps: steps(),
        extra: Fields::new(),
        created_at: Some(at(0)),
        updated_at: None,
    }
}

fn runbook() -> Runbook {
    Runbook {
        uuid: Uuid::from_u128(18),
        name: "CUSTOM_R".to_owned(),
        description: None,
        steps: steps(),
        traits: Vec::new(),
        public: false,
        owner: None,
        disable_ramdisk: true,
        extra: Fields::new(),
        created_at: Some(at(0)),
        updated_at: None,
    }
}

fn inspection_rule() -> InspectionRule {
    let action = json!({"op": "set-attribute", "args": {"path": "/driver_info/x", "value": "token=CANARY"}});
    InspectionRule {
        uuid: Uuid::from_u128(19),
        description: None,
        phase: None,
        priority: 0,
        scope: None,
        sensitive: false,
        actions: vec![fields(action)],
        conditions: Vec::new(),
        created_at: Some(at(0)),
        updated_at: None,
    }
}

/// Everything that the API tells of other records than nodes.
fn others() -> Vec<Payload> {
    vec![
        port().payload(&[]),
        portgroup().payload(&[]),
        connector().payload(&[]),
        target().payload(&[]),
        chassis().payload(&[]),
        allocation().payload(&[]),
        deploy_template().payload(&[]),
        runbook().payload(&[]),
        inspection_rule().payload(&[]),
    ]
}

fn keys(payload: &Payload) -> BTreeSet<&str> {
    payload.data().keys().map(String::as_str).collect()
}

/// Payload, version and fields, as the reference has them.
fn assert_schema(payload: &Payload, name: &str, version: &str, lists: &[&str]) {
    assert_eq!((payload.name(), payload.version()), (name, version));
    let expected: BTreeSet<&str> = lists.iter().flat_map(|list| list.split_whitespace()).collect();
    assert_eq!(keys(payload), expected, "{name}");
}

#[test]
fn payloads_of_nodes_have_the_fields_of_the_reference() {
    let node = node();
    let all = all_of(&node, &[]);

    assert_schema(&all[0], "NodePayload", "1.17", &[NODE]);
    assert_schema(&all[1], "NodePayload", "1.17", &[NODE]);
    assert_schema(&all[2], "NodeSetPowerStatePayload", "1.17", &[NODE, "to_power"]);
    assert_schema(&all[3], "NodeCorrectedPowerStatePayload", "1.17", &[NODE, "from_power"]);
    let provision =
        "event previous_provision_state previous_target_provision_state instance_info driver_internal_info";
    assert_schema(&all[4], "NodeSetProvisionStatePayload", "1.18", &[NODE, provision]);
    assert_schema(&all[5], "NodeCRUDPayload", "1.15", &[NODE, "chassis_uuid instance_info driver_info"]);
}

#[test]
fn payloads_of_what_belongs_to_a_node_have_the_fields_of_the_reference() {
    let port_fields = "address extra local_link_connection pxe_enabled node_uuid portgroup_uuid \
        physical_network is_smartnic name description vendor category available_for_dynamic_portgroup \
        created_at updated_at uuid";
    let portgroup_fields = "address category extra mode name node_uuid physical_network properties \
        standalone_ports_supported dynamic_portgroup created_at updated_at uuid";
    let connector_fields = "type connector_id extra node_uuid created_at updated_at uuid";
    let target_fields =
        "boot_index volume_id volume_type properties extra node_uuid created_at updated_at uuid";

    assert_schema(&port().payload(&[]), "PortCRUDPayload", "1.8", &[port_fields]);
    assert_schema(&portgroup().payload(&[]), "PortgroupCRUDPayload", "1.3", &[portgroup_fields]);
    assert_schema(&connector().payload(&[]), "VolumeConnectorCRUDPayload", "1.0", &[connector_fields]);
    assert_schema(&target().payload(&[]), "VolumeTargetCRUDPayload", "1.0", &[target_fields]);
}

#[test]
fn payloads_of_the_other_resources_have_the_fields_of_the_reference() {
    let chassis_fields = "description extra created_at updated_at uuid";
    let allocation_fields = "uuid name node_uuid state last_error owner resource_class traits \
        candidate_nodes extra created_at updated_at";
    let template_fields = "name steps extra created_at updated_at uuid";
    let runbook_fields =
        "name description steps traits public owner disable_ramdisk extra created_at updated_at uuid";
    let rule_fields =
        "description phase priority scope sensitive actions conditions created_at updated_at uuid";

    assert_schema(&chassis().payload(&[]), "ChassisCRUDPayload", "1.0", &[chassis_fields]);
    assert_schema(&allocation().payload(&[]), "AllocationCRUDPayload", "1.1", &[allocation_fields]);
    assert_schema(&deploy_template().payload(&[]), "DeployTemplateCRUDPayload", "1.0", &[template_fields]);
    assert_schema(&runbook().payload(&[]), "RunbookCRUDPayload", "1.1", &[runbook_fields]);
    assert_schema(&inspection_rule().payload(&[]), "InspectionRuleCRUDPayload", "1.0", &[rule_fields]);
}

#[test]
fn no_record_but_a_node_lets_a_secret_pass_either() {
    for payload in others() {
        let text = serde_json::to_string(&payload).unwrap();
        assert!(!text.contains("CANARY") && !text.contains("not told"), "{text}");
    }
}

#[test]
fn a_sensitive_rule_does_not_say_what_it_does() {
    let sensitive = InspectionRule { sensitive: true, ..inspection_rule() }.payload(&[]);

    let redacted =
        json!([{"redacted_contents": "** Value redacted: not published on the notification bus. **"}]);
    assert_eq!((&sensitive["actions"], &sensitive["conditions"]), (&redacted, &redacted));
    assert_eq!(sensitive["phase"], "main");
}

#[test]
fn event_types_name_their_objects_as_the_reference_does() {
    let objects = [
        Node::OBJECT,
        Port::OBJECT,
        Portgroup::OBJECT,
        Chassis::OBJECT,
        Allocation::OBJECT,
        DeployTemplate::OBJECT,
        Runbook::OBJECT,
        VolumeConnector::OBJECT,
        VolumeTarget::OBJECT,
        InspectionRule::OBJECT,
    ];

    assert_eq!(
        objects,
        [
            "node",
            "port",
            "portgroup",
            "chassis",
            "allocation",
            "deploytemplate",
            "runbook",
            "volumeconnector",
            "volumetarget",
            "inspectionrule"
        ]
    );
}

#[test]
fn a_message_stands_on_the_wire_as_the_reference_s() {
    let notification = super::node::provision_set(&node(), change(), &["pin"]);

    let message = notification.message(Uuid::from_u128(9), "ironic-conductor.host-1", at(5));

    insta::with_settings!({sort_maps => true}, {
        insta::assert_json_snapshot!(message);
    });
}

/// The reference's is no versioned object, and has its own id and time within.
#[test]
fn sensor_data_stands_on_the_wire_as_the_reference_s() {
    let readings = fields(json!({
        "Fan": {"Fan 1 (0x30)": {"Sensor ID": "Fan 1 (0x30)", "Sensor Reading": "2100 (+/- 0) RPM"}},
        "OEM": {"pin": "CANARY", "login": "password=CANARY"},
    }));
    let told = super::sensor::metrics(&node(), &readings, Uuid::from_u128(8), at(4), &["pin"]);

    let message = told.message(Uuid::from_u128(9), "ironic-conductor.host-1", at(5));

    let expected = json!({
        "message_id": "00000000-0000-0000-0000-000000000009",
        "publisher_id": "ironic-conductor.host-1",
        "event_type": "hardware.fake-hardware.metrics",
        "priority": "INFO",
        "payload": {
            "message_id": "00000000-0000-0000-0000-000000000008",
            "instance_uuid": "00000000-0000-0000-0000-000000000002",
            "node_uuid": "00000000-0000-0000-0000-000000000001",
            "node_name": "n1",
            "timestamp": "2026-11-22T13:00:04.681040",
            "event_type": "hardware.fake-hardware.metrics.update",
            "payload": {
                "Fan": {"Fan 1 (0x30)": {"Sensor ID": "Fan 1 (0x30)", "Sensor Reading": "2100 (+/- 0) RPM"}},
                "OEM": {"pin": "******", "login": "password=******"},
            },
        },
        "timestamp": "2026-11-22 13:00:05.681040",
    });
    assert_eq!(serde_json::to_value(message).unwrap(), expected);
    assert_eq!((told.payload.name(), told.payload.version()), ("", ""));
}

#[test]
fn sensor_data_of_a_node_without_name_and_instance_has_null() {
    let node = Node::new(Uuid::from_u128(1), "ipmi");

    let told = super::sensor::metrics(&node, &Fields::new(), Uuid::from_u128(8), at(4), &[]);

    assert_eq!((&told.payload["node_name"], &told.payload["instance_uuid"]), (&Value::Null, &Value::Null));
    assert_eq!((told.event_type.as_str(), told.level), ("hardware.ipmi.metrics", Level::Info));
}

#[test]
fn payloads_of_nodes_are_as_recorded() {
    for payload in all_of(&node(), &["pin"]) {
        insta::with_settings!({sort_maps => true}, {
            insta::assert_json_snapshot!(format!("{}_{}", payload.name(), payload.version()), payload);
        });
    }
}

#[test]
fn payloads_of_other_records_are_as_recorded() {
    for payload in others() {
        insta::with_settings!({sort_maps => true}, {
            insta::assert_json_snapshot!(format!("{}_{}", payload.name(), payload.version()), payload);
        });
    }
}

#[test]
fn mappings_are_never_null_and_what_is_unset_is() {
    let node = Node::new(Uuid::from_u128(1), "fake-hardware");
    let mappings = [
        "clean_step",
        "deploy_step",
        "extra",
        "properties",
        "instance_info",
        "driver_info",
        "driver_internal_info",
    ];
    let set = [
        "uuid",
        "driver",
        "provision_state",
        "traits",
        "conductor_group",
        "console_enabled",
        "disable_power_off",
        "maintenance",
        "protected",
        "retired",
        "to_power",
        "event",
        "previous_provision_state",
        "from_power",
    ];

    for payload in all_of(&node, &[]) {
        for (field, value) in payload.data() {
            if mappings.contains(&field.as_str()) {
                assert_eq!(*value, json!({}), "{field}");
            } else {
                assert_eq!(!value.is_null(), set.contains(&field.as_str()), "{field} is {value}");
            }
        }
        assert_eq!(payload["traits"], json!([]));
    }
}

#[test]
fn times_have_whole_seconds_and_the_zone() {
    let payload = node().payload(&[]);

    assert_eq!(payload["created_at"], "2026-11-22T13:00:00Z");
    assert_eq!(payload["provision_updated_at"], "2026-11-22T13:00:02Z");
}

#[test]
fn what_was_not_stored_yet_has_no_time_and_no_node() {
    let port = Port::new(Uuid::from_u128(1), NodeId(0), "52:54:00:12:34:56").payload(&[]);

    assert_eq!((&port["created_at"], &port["node_uuid"]), (&Value::Null, &Value::Null));
}

#[test]
fn properties_of_a_volume_target_are_left_out_when_there_are_any() {
    let bare = VolumeTarget { properties: Fields::new(), ..target() };

    assert_eq!(
        target().payload(&[])["properties"],
        json!({"redacted_contents": "** Value redacted: not published on the notification bus. **"})
    );
    assert_eq!(bare.payload(&[])["properties"], json!({}));
}

#[test]
fn an_unknown_power_state_is_null() {
    let mut node = node();
    node.power_state = Some(PowerState::Unknown);

    let told = super::node::power_state_corrected(&node, None, &[]).payload;

    assert_eq!((&told["power_state"], &told["from_power"]), (&Value::Null, &Value::Null));
}

/// Every cell of the matrix: each legal move, with the status that groups of states give it.
#[test]
fn every_transition_is_told_with_its_status() {
    for &(from, event, to) in TRANSITIONS {
        let change = StateChange { event, previous: from, previous_target: None };
        let node = Node { provision_state: to, ..node() };

        let told = super::node::provision_set(&node, change, &[]);

        let (before, after) = (UNSTABLE.contains(&from), UNSTABLE.contains(&to));
        let (status, level) = match (event, before, after) {
            (Event::Fail, _, _) => ("error", Level::Error),
            (_, false, true) => ("start", Level::Info),
            (_, true, false) => ("end", Level::Info),
            _ => ("success", Level::Info),
        };
        let expected = (format!("baremetal.node.provision_set.{status}"), level);
        assert_eq!((told.event_type, told.level), expected, "{from} by {event} to {to}");
    }
}

#[test]
fn a_console_is_told_by_what_happens_to_it() {
    let cases = [
        (ConsoleAction::Set, Status::Start, "baremetal.node.console_set.start", Level::Info),
        (ConsoleAction::Restore, Status::End, "baremetal.node.console_restore.end", Level::Info),
        (ConsoleAction::Stop, Status::Error, "baremetal.node.console_stop.error", Level::Error),
    ];

    for (action, status, event_type, level) in cases {
        let told = super::node::console(&node(), action, status, &[]);
        assert_eq!((told.event_type.as_str(), told.level), (event_type, level));
    }
}

#[test]
fn levels_are_ordered_and_read_as_they_are_written() {
    assert!(Level::ALL.is_sorted());
    for level in Level::ALL {
        assert_eq!(level.as_str().parse(), Ok(level));
        assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
    }
    assert_eq!(Level::ALL.map(Level::priority), ["DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"]);
    assert_eq!("warn".parse::<Level>(), Err(UnknownLevel("warn".to_owned())));
}

/// Mappings that hold `CANARY` only where it must be hidden: under a key that names a secret, or within a text.
fn with_secrets() -> impl Strategy<Value = Fields> {
    let secret = prop::sample::select(vec![
        json!("CANARY"),
        json!({"a": {"b": "CANARY"}}),
        json!(["CANARY", {"x": "CANARY"}]),
    ]);
    let secret_key = prop::sample::select(vec![
        "ipmi_password",
        "Redfish_PASSWORD",
        "auth_token",
        "x_secret_y",
        "configdrive",
        "ssh_private_key",
        "pin",
        "PIN",
    ]);
    let text = prop::sample::select(vec![
        json!("password=CANARY"),
        json!("http://root:CANARY@192.0.2.1/x"),
        json!("{\"outer\": {\"token\": \"CANARY\"}}"),
        json!("said 'pin': 'CANARY'"),
        json!("<secret>CANARY</secret>"),
    ]);
    let open = prop_oneof![Just(json!("shown")), Just(json!(1)), Just(Value::Null), text];
    let value = open.prop_recursive(3, 16, 3, move |inner| {
        let secrets =
            prop::collection::btree_map(secret_key.clone().prop_map(str::to_owned), secret.clone(), 0..3);
        let others = prop::collection::btree_map("[abc]", inner.clone(), 0..3);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::Array),
            (secrets, others)
                .prop_map(|(secrets, others)| Value::Object(secrets.into_iter().chain(others).collect())),
        ]
    });
    value.prop_map(|value| fields(json!({"root": value})))
}

proptest! {
    #[test]
    fn no_secret_passes(
        driver_info in with_secrets(),
        instance_info in with_secrets(),
        driver_internal_info in with_secrets(),
        clean_step in with_secrets(),
    ) {
        let mut node = Node { driver_info, instance_info, driver_internal_info, clean_step, ..node() };
        node.instance_info.insert("image_url".to_owned(), json!("http://images/a?sig=CANARY"));

        for payload in all_of(&node, &["pin"]) {
            let text = serde_json::to_string(&payload).unwrap();
            prop_assert!(!text.contains("CANARY"), "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_is_told(value in "[a-z]{1,8}") {
        let mut node = node();
        node.driver_info.insert("ipmi_address".to_owned(), json!(value));

        prop_assert_eq!(&node.payload(&[])["driver_info"]["ipmi_address"], &json!(value));
    }
}
