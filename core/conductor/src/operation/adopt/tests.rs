use farrier_model::node::Fields;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::interface::power::PowerState;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::script::{self, Script};
use crate::service::ProvisionRequest;
use crate::task::RequestContext;
use crate::task::tests::{Fixture, quick};

/// A conductor with a node in `manageable` whose instance has `instance_info`.
async fn adoptable(instance_info: Value) -> (Fixture, Script, Node) {
    let (fixture, script) = script::fixture(quick()).await;
    let node = Node {
        provision_state: S::Manageable,
        power_state: Some(PowerState::On),
        instance_info: info(instance_info),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    let node = fixture.enrol(node).await;
    (fixture, script, node)
}

async fn adopt(fixture: &Fixture, node: &Node) -> Node {
    let request = ProvisionRequest::new(Verb::Adopt);
    fixture.conductor.provision(RequestContext::default(), &node.uuid.into(), request).await.unwrap();
    fixture.unlocked(node).await
}

#[tokio::test]
async fn an_adopted_node_is_active_and_ours() {
    let (fixture, script, node) = adoptable(json!({"image_source": "http://images/a"})).await;

    let adopted = adopt(&fixture, &node).await;

    assert_eq!((adopted.provision_state, adopted.target_provision_state), (S::Active, None));
    assert_eq!(adopted.last_error, None);
    assert_eq!(adopted.power_state, Some(PowerState::On));
    assert_eq!(adopted.driver_internal_info["is_whole_disk_image"], true);
    let ours = fixture.store.conductor_get("host-1").await.unwrap();
    assert_eq!(adopted.conductor_affinity, Some(ours.id));
    assert_eq!(script.asked(), ["deploy.prepare", "deploy.take_over"]);
}

#[tokio::test]
async fn what_boots_over_the_network_is_validated_first() {
    let (fixture, script, node) = adoptable(json!({"capabilities": {"boot_option": "netboot"}})).await;
    script.will_fail("boot.validate", "no kernel");

    let adopted = adopt(&fixture, &node).await;

    assert_eq!(adopted.provision_state, S::AdoptFail);
    assert!(adopted.last_error.unwrap().contains("no kernel"));
    assert_eq!(script.asked(), ["boot.validate"]);
}

#[tokio::test]
async fn a_failed_adoption_forgets_the_power_state_and_can_be_repeated() {
    let (fixture, script, node) = adoptable(json!({})).await;
    script.will_fail("deploy.take_over", "no such image");

    let failed = adopt(&fixture, &node).await;

    assert_eq!((failed.provision_state, failed.target_provision_state), (S::AdoptFail, Some(S::Active)));
    assert_eq!((failed.power_state, failed.conductor_affinity), (None, None));
    let error = failed.last_error.unwrap();
    assert!(error.starts_with("Error while attempting to adopt node"), "{error}");
    assert!(error.contains("no such image"), "{error}");
    let entries = script::history(&fixture, &node).await;
    assert_eq!(
        entries.last().map(|entry| (entry.event_type.as_str(), &entry.event)),
        Some((EVENT_TYPE, &error))
    );

    let adopted = adopt(&fixture, &node).await;
    assert_eq!((adopted.provision_state, adopted.last_error), (S::Active, None));
}

fn info(value: Value) -> Fields {
    let Value::Object(fields) = value else { panic!("{value} is no mapping") };
    fields
}

#[test]
fn an_instance_boots_from_its_disk_unless_it_says_otherwise() {
    for (capabilities, expected) in [
        (json!(null), true),
        (json!({"boot_option": "local"}), true),
        (json!({"boot_option": "netboot"}), false),
        (json!("boot_mode:uefi,boot_option:netboot"), false),
        (json!("boot_option: Local"), true),
        (json!("{\"boot_option\": \"ramdisk\"}"), false),
        (json!("boot_mode:uefi"), true),
    ] {
        let mut node = Node::new(Uuid::nil(), "fake-hardware");
        node.instance_info = info(json!({"capabilities": capabilities}));

        assert_eq!(boots_from_disk(&node), expected, "{capabilities}");
    }
}

#[test]
fn an_instance_in_memory_does_not_boot_from_its_disk() {
    let mut node = Node::new(Uuid::nil(), "fake-hardware");
    node.interfaces.set(InterfaceType::Deploy, Some(RAMDISK.to_owned()));

    assert!(!boots_from_disk(&node));
}
