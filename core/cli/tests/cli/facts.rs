//! What belongs to a node.

use serde_json::json;

use crate::fake::Fake;
use crate::run::farrier;

#[test]
fn history_bios_firmware_and_traits_are_listed() {
    let fake = Fake::start();
    let shown: Vec<String> = ["history", "bios", "firmware", "trait list", "vendor list", "console"]
        .iter()
        .map(|words| farrier(&fake, &format!("node {words} n1")).stdout)
        .collect();

    insta::assert_snapshot!(shown.join(""), @"
    AGE  SEVERITY  TYPE  EVENT
    -    ERROR     -     it broke
    NAME   VALUE
    turbo  on
    COMPONENT  VERSION  FIRST
    bmc        2        1
    TRAIT
    CUSTOM_A
    CUSTOM_B
    NAME   IN BACKGROUND  DESCRIPTION
    blink  yes            Blink
    ENABLED  TYPE   URL
    yes      socat  tcp://192.0.2.1:9000
    ");
    assert!(fake.lines()[0].starts_with("GET /v1/nodes/n1/history?detail=True"));
}

#[test]
fn an_inventory_is_written_whole() {
    let run = farrier(&Fake::start(), "node inventory n1 -o json");

    assert_eq!(run.json(), json!({"inventory": {"cpu": {"count": 4}}, "plugin_data": {}}));
}

#[test]
fn traits_are_changed_one_by_one_or_all_together() {
    let fake = Fake::start();

    farrier(&fake, "node trait add n1 CUSTOM_A CUSTOM_B");
    farrier(&fake, "node trait remove n1 CUSTOM_A");
    farrier(&fake, "node trait set n1");

    assert_eq!(
        fake.lines(),
        [
            "PUT /v1/nodes/n1/traits/CUSTOM_A",
            "PUT /v1/nodes/n1/traits/CUSTOM_B",
            "DELETE /v1/nodes/n1/traits/CUSTOM_A",
            "PUT /v1/nodes/n1/traits",
        ]
    );
    assert_eq!(fake.requests()[3].body, json!({"traits": []}));
}

#[test]
fn a_vendor_method_gets_its_arguments_and_its_answer_is_told() {
    let fake = Fake::start();

    let blink = farrier(&fake, "node vendor call n1 blink");
    let say = farrier(&fake, "node vendor call n1 say --argument word=a --argument times=2 -o json");

    assert_eq!((blink.code, blink.stdout.as_str()), (0, "node n1 asked\n"));
    assert_eq!(say.json(), json!({"said": {"word": "a", "times": 2}}));
}

#[test]
fn consoles_and_maintenance_are_switched() {
    let fake = Fake::start();

    farrier(&fake, "node console n1 on");
    farrier(&fake, "node maintenance on n1 --reason fan");
    farrier(&fake, "node maintenance off n1 n3");

    let asked: Vec<_> = fake.requests().into_iter().map(|asked| (asked.line, asked.body)).collect();
    assert_eq!(asked[0], ("PUT /v1/nodes/n1/states/console".to_owned(), json!({"enabled": true})));
    assert_eq!(asked[1], ("PUT /v1/nodes/n1/maintenance".to_owned(), json!({"reason": "fan"})));
    assert_eq!(asked[3].0, "DELETE /v1/nodes/n3/maintenance");
}
