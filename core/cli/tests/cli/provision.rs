//! Ways through the life of nodes.

use std::io::Write;

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::run::farrier;

#[test]
fn every_way_asks_for_its_target() {
    let mut password = tempfile::NamedTempFile::new().unwrap();
    password.write_all(b"hunter2\nmore\n").unwrap();
    let password = password.path().display().to_string();
    for (words, body) in [
        ("manage n1", json!({"target": "manage"})),
        ("provide n1", json!({"target": "provide"})),
        ("inspect n1", json!({"target": "inspect"})),
        (
            "clean n1 --steps [{\"interface\":\"bios\",\"step\":\"x\"}]",
            json!({
                "target": "clean", "clean_steps": [{"interface": "bios", "step": "x"}],
            }),
        ),
        ("deploy n1", json!({"target": "active"})),
        (
            "deploy n1 --config-drive http://192.0.2.1/d",
            json!({
                "target": "active", "configdrive": "http://192.0.2.1/d",
            }),
        ),
        (
            "rebuild n1 --config-drive {\"user_data\":\"x\"} --steps []",
            json!({
                "target": "rebuild", "configdrive": {"user_data": "x"}, "deploy_steps": [],
            }),
        ),
        ("undeploy n1", json!({"target": "deleted"})),
        ("adopt n1", json!({"target": "adopt"})),
        (
            &format!("rescue n1 --password-file {password}"),
            json!({
                "target": "rescue", "rescue_password": "hunter2",
            }),
        ),
        ("unrescue n1", json!({"target": "unrescue"})),
        (
            "service n1 --disable-ramdisk --steps [{\"interface\":\"bios\",\"step\":\"x\"}]",
            json!({
                "target": "service", "service_steps": [{"interface": "bios", "step": "x"}], "disable_ramdisk": true,
            }),
        ),
        ("abort n1", json!({"target": "abort"})),
        ("unhold n1", json!({"target": "unhold"})),
    ] {
        let fake = Fake::start();

        let run = farrier(&fake, &format!("node {words}"));

        assert_eq!(run.code, 0, "{words}: {}", run.stderr);
        let asked = &fake.requests()[0];
        assert_eq!(asked.line, "PUT /v1/nodes/n1/states/provision");
        assert_eq!(asked.body, body, "{words}");
    }
}

#[test]
fn without_waiting_the_present_state_is_told() {
    let run = farrier(&Fake::start(), "node manage n1");

    insta::assert_snapshot!(run.stdout, @"
    NODE  PROVISION  TARGET
    n1    verifying  manageable
    ");
}

#[test]
fn waiting_ends_where_the_way_leads() {
    let run = farrier(&Fake::start(), "node deploy n1 n3 --wait -o json");

    assert_eq!(run.code, 0, "{}", run.stderr);
    let row = |node| json!({"node": node, "provision_state": "active", "target_provision_state": null, "last_error": null});
    assert_eq!(run.json(), json!([row("n1"), row("n3")]));
    assert!(run.stderr.contains("n1: deploying"), "{}", run.stderr);
}

#[test]
fn a_way_that_ends_elsewhere_tells_why() {
    let fake = Fake::start();
    fake.world().provision_ends = Some("clean failed".to_owned());
    fake.world().provision_error = Some("step `bios.x` failed: no answer".to_owned());

    let run = farrier(&fake, "node provide n1 --wait");

    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr, @"
    n1: cleaning
    error: `provide` of node `n1` ended in state `clean failed`
      cause: step `bios.x` failed: no answer
      hint: `farrier node history n1` tells what happened before
    ");
}

#[test]
fn waiting_too_long_has_a_code_of_its_own() {
    let fake = Fake::start();
    fake.world().looks_until_changed = None;

    let run = farrier(&fake, "node inspect n1 --wait --timeout 1");

    assert_eq!(run.code, 6);
    assert!(run.stderr.contains("`inspect` of node `n1` did not end within 1 s"), "{}", run.stderr);
}

#[test]
fn steps_come_from_a_file_too() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b" [{\"interface\": \"raid\", \"step\": \"x\"}]\n").unwrap();
    let fake = Fake::start();

    farrier(&fake, &format!("node clean n1 --steps @{}", file.path().display()));

    assert_eq!(fake.requests()[0].body["clean_steps"][0]["interface"], "raid");
}

#[test]
fn what_cannot_be_read_is_not_sent() {
    for (words, told) in [
        ("clean n1 --steps nonsense", "no JSON list"),
        ("clean n1 --steps @/nonexistent", "cannot read `/nonexistent`"),
        ("rescue n1 --password-file /dev/null", "has no password"),
        ("clean n1", "--steps"),
        ("manage n1 --timeout 3", "--wait"),
    ] {
        let fake = Fake::start();

        let run = farrier(&fake, &format!("node {words}"));

        assert_eq!(run.code, 2, "{words}: {}", run.stderr);
        assert!(run.stderr.contains(told), "{words}: {}", run.stderr);
        assert!(fake.requests().is_empty(), "{words}");
    }
}

#[test]
fn one_node_that_is_not_there_does_not_keep_the_others() {
    let run = farrier(&Fake::start(), "node manage nosuch n3 --wait -o json");

    assert_eq!(run.code, 3);
    assert_eq!(run.json()[0]["node"], Value::from("n3"));
}
