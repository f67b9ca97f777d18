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

#[test]
fn a_console_is_waited_for_and_then_told() {
    let fake = Fake::start();

    let run = farrier(&fake, "node console n1 on --wait");

    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stderr, "n1: console becoming on\n");
    insta::assert_snapshot!(run.stdout, @"
    ENABLED  TYPE   URL
    yes      socat  tcp://192.0.2.1:9000
    ");
    let lines: Vec<String> = fake.requests().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines.first().map(String::as_str), Some("PUT /v1/nodes/n1/states/console"));
    // It is still being switched at the first two looks.
    assert_eq!(lines.iter().filter(|line| line.contains("fields=console_enabled")).count(), 3);
    assert_eq!(lines.last().map(String::as_str), Some("GET /v1/nodes/n1/states/console"));
}

#[test]
fn a_console_that_does_not_start_tells_why() {
    let fake = Fake::start();
    fake.world().console_error = Some("port 10001 is taken".to_owned());

    let run = farrier(&fake, "node console n1 on --wait");

    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.stderr, @"
    n1: console becoming on
    error: console of node `n1` did not become `on`
      cause: port 10001 is taken
      hint: `farrier node validate n1` checks the BMC's settings
    ");
}

#[test]
fn a_console_that_stays_for_too_long_is_given_up() {
    let fake = Fake::start();
    fake.world().looks_until_changed = None;

    let run = farrier(&fake, "node console n1 on --wait --timeout 1");

    assert_eq!(run.code, 6);
    insta::assert_snapshot!(run.stderr, @"
    n1: console becoming on
    error: console of node `n1` did not become `on` within 1 s
      hint: it may still happen: `farrier node console n1`
    ");
}
