//! Power.

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::run::farrier;

#[test]
fn every_change_asks_for_its_target() {
    for (words, target) in [
        ("on", "power on"),
        ("off", "power off"),
        ("off --soft", "soft power off"),
        ("reboot", "rebooting"),
        ("reboot --soft", "soft rebooting"),
    ] {
        let fake = Fake::start();

        let run = farrier(&fake, &format!("node power {words} n1"));

        assert_eq!(run.code, 0, "{words}: {}", run.stderr);
        let asked = &fake.requests()[0];
        assert_eq!(asked.line, "PUT /v1/nodes/n1/states/power");
        assert_eq!(asked.body, json!({"target": target}));
    }
}

#[test]
fn without_waiting_the_present_state_is_told() {
    let fake = Fake::start();

    let run = farrier(&fake, "node power off n1");

    insta::assert_snapshot!(run.stdout, @"
    NODE  POWER     TARGET
    n1    power on  power off
    ");
}

#[test]
fn waiting_ends_when_the_target_is_gone() {
    let fake = Fake::start();

    let run = farrier(&fake, "node power off n1 --wait -o json");

    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(
        run.json(),
        json!([{"node": "n1", "power_state": "power off", "target_power_state": null, "last_error": null}])
    );
    assert_eq!(run.stderr, "n1: power on, becoming power off\n");
}

#[test]
fn a_timeout_is_sent_to_the_server() {
    let fake = Fake::start();

    farrier(&fake, "node power on n1 --timeout 30");

    assert_eq!(fake.requests()[0].body, json!({"target": "power on", "timeout": 30}));
}

#[test]
fn waiting_for_several_nodes_is_waiting_for_all() {
    let fake = Fake::start();

    let run = farrier(&fake, "node power on n1 n3 --wait");

    assert_eq!(run.code, 0, "{}", run.stderr);
    insta::assert_snapshot!(run.stdout, @"
    NODE  POWER     TARGET
    n1    power on  -
    n3    power on  -
    ");
}

#[test]
fn a_change_that_fails_tells_why() {
    let fake = Fake::start();
    fake.world().power_error = Some("no answer from 127.0.0.1:623".to_owned());

    let run = farrier(&fake, "node power off n1 --wait");

    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr, @"
    n1: power on, becoming power off
    error: power of node `n1` is `power on` instead of `power off`
      cause: no answer from 127.0.0.1:623
      hint: `farrier node validate n1` checks the BMC's settings
    ");
}

#[test]
fn the_status_of_several_nodes_is_told() {
    let fake = Fake::start();

    let run = farrier(&fake, "node power status n1 nosuch n3");

    insta::assert_snapshot!(run.stdout, @"
    NODE  POWER     TARGET
    n1    power on  -
    n3    error     -
    ");
    assert_eq!(run.code, 3);
}

#[test]
fn a_node_whose_state_is_unknown_has_none() {
    let fake = Fake::start();
    farrier(&fake, "node create --driver ipmi --name n9");

    let run = farrier(&fake, "node power status n9 -o json");

    assert_eq!(run.json()[0]["power_state"], Value::Null);
}
