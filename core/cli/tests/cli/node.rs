//! Creating, changing and deleting.

use serde_json::{Value, json};

use crate::fake::{Fake, N1};
use crate::run::farrier;

#[test]
fn a_new_node_is_sent_and_shown() {
    let fake = Fake::start();

    let run = farrier(
        &fake,
        "node create --driver ipmi --name n9 --driver-info ipmi_address=127.0.0.1 --property cpus=8 -o json",
    );

    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.json()["provision_state"], "enroll");
    assert_eq!(
        fake.requests()[0].body,
        json!({
            "driver": "ipmi", "name": "n9", "driver_info": {"ipmi_address": "127.0.0.1"}, "properties": {"cpus": 8},
        })
    );
}

#[test]
fn the_name_of_a_new_node_can_be_all_that_is_written() {
    let fake = Fake::start();

    assert_eq!(farrier(&fake, "node create --driver ipmi --name n9 -o name").stdout, "n9\n");
}

#[test]
fn several_nodes_are_changed_alike() {
    let fake = Fake::start();

    let run = farrier(&fake, "node set n1 n3 --extra rack=r12");

    assert_eq!(run.stdout, "node n1 changed\nnode n3 changed\n");
    let operations = json!([{"op": "add", "path": "/extra/rack", "value": "r12"}]);
    assert!(fake.requests().iter().all(|asked| asked.body == operations));
}

#[test]
fn a_new_driver_can_choose_the_implementations() {
    let fake = Fake::start();

    farrier(&fake, "node set n1 --driver redfish --reset-interfaces");

    assert_eq!(fake.lines(), ["PATCH /v1/nodes/n1?reset_interfaces=True"]);
}

#[test]
fn what_was_set_is_unset() {
    let fake = Fake::start();
    farrier(&fake, "node set n1 --owner alice --extra rack=r12");

    let run = farrier(&fake, "node unset n1 --owner --extra rack -o json");

    assert_eq!(run.json()[0]["owner"], Value::Null);
    assert_eq!(run.json()[0]["extra"], json!({}));
}

#[test]
fn a_change_of_nothing_is_wrong_usage() {
    let fake = Fake::start();

    let run = farrier(&fake, "node set n1");

    assert_eq!(run.code, 2);
    assert!(fake.requests().is_empty());
}

#[test]
fn what_can_be_deleted_is_deleted_and_the_rest_told() {
    let fake = Fake::start();

    let run = farrier(&fake, "node delete n1 nosuch n3");

    assert_eq!(run.stdout, "node n1 deleted\nnode n3 deleted\n");
    assert_eq!(run.code, 3);
    insta::assert_snapshot!(run.stderr, @"
    error: cannot delete node `nosuch`
      cause: Node nosuch could not be found. (HTTP 404)
      hint: `list` shows what there is
      request: req-1
    ");
}

#[test]
fn deletions_are_told_to_programs() {
    let fake = Fake::start();

    let run = farrier(&fake, "node delete n1 --yes -o json");

    assert_eq!(run.json(), json!([{"node": "n1", "result": "deleted"}]));
}

#[test]
fn what_is_missing_is_the_result_of_a_validation() {
    let fake = Fake::start();

    let run = farrier(&fake, "node validate n1");

    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.stdout, @"
    INTERFACE  RESULT       REASON
    boot       error        no image
    console    unsupported  not supported
    power      ok           -
    ");
}

#[test]
fn the_boot_device_is_told_listed_and_set() {
    let fake = Fake::start();

    insta::assert_snapshot!(farrier(&fake, "node boot n1").stdout, @"
    DEVICE  PERSISTENT
    pxe     no
    ");
    insta::assert_snapshot!(farrier(&fake, "node boot n1 --supported").stdout, @"
    DEVICE
    pxe
    disk
    ");
    assert_eq!(farrier(&fake, "node boot n1 --supported -o name").stdout, "pxe\ndisk\n");
    assert_eq!(farrier(&fake, "node boot n1 disk --persistent").code, 0);

    let asked = fake.requests().pop().unwrap();
    assert_eq!(asked.line, "PUT /v1/nodes/n1/management/boot_device");
    assert_eq!(asked.body, json!({"boot_device": "disk", "persistent": true}));
}

#[test]
fn a_persistent_boot_needs_a_device() {
    let fake = Fake::start();

    assert_eq!(farrier(&fake, "node boot n1 --persistent").code, 2);
}

#[test]
fn a_port_is_created_on_a_node_by_its_name() {
    let fake = Fake::start();

    let run = farrier(&fake, "port create 52:54:00:AA:00:02 --node n1 --pxe-enabled false -o json");

    assert_eq!(run.json()["address"], "52:54:00:aa:00:02");
    let asked = fake.requests();
    assert_eq!(asked[0].line, "GET /v1/nodes/n1?fields=uuid");
    assert_eq!(asked[1].body, json!({"address": "52:54:00:AA:00:02", "node_uuid": N1, "pxe_enabled": false}));
}

#[test]
fn a_port_is_found_by_its_address() {
    let fake = Fake::start();
    farrier(&fake, &format!("port create 52:54:00:aa:00:02 --node {N1}"));

    assert_eq!(farrier(&fake, "port show 52:54:00:aa:00:02 -o json").json()["node_uuid"], N1);
    assert_eq!(farrier(&fake, "port show 52:54:00:aa:00:03").code, 3);
}
