//! Main power: what is sent, and when it counts as done.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};
use insta::assert_snapshot;

use crate::bench::{Bench, Task, node, task, task_with};
use crate::bmc::{Bmc, PASSWORD, RESET, Reply, SYSTEM, USER};

/// The reset types that were sent, in order.
fn sent(bmc: &Bmc) -> Vec<String> {
    let log = bmc.state().log.clone();
    let posts = log.iter().filter(|request| request.method == "POST" && request.path == RESET);
    posts.map(|request| request.json()["ResetType"].as_str().unwrap_or_default().to_owned()).collect()
}

fn machine(state: &str) -> Bmc {
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"PowerState": state}));
    bmc
}

fn allow(bmc: &Bmc, types: &[&str]) {
    let action = json!({"ResetType@Redfish.AllowableValues": types});
    bmc.change(SYSTEM, &json!({"Actions": {"#ComputerSystem.Reset": action}}));
}

/// A node that must never be off.
fn kept_on(bmc: &Bmc) -> Task {
    node(&json!({"disable_power_off": true, "driver_info": {"redfish_address": bmc.url(),
        "redfish_username": USER, "redfish_password": PASSWORD, "redfish_system_id": SYSTEM}}))
}

#[tokio::test]
async fn every_wish_is_sent_as_the_best_type_that_is_allowed() {
    use PowerState::{Off, On, Reboot, SoftOff, SoftReboot};

    #[rustfmt::skip]
    let rows: [(&str, PowerState, &[&str], &[&str]); 15] = [
        // state, wish, allowed, sent
        ("Off", On,         &["On", "ForceOn"],                            &["On"]),
        ("Off", On,         &["ForceOn"],                                  &["ForceOn"]),
        ("Off", On,         &["PushPowerButton"],                          &["PushPowerButton"]),
        ("On",  On,         &["On"],                                       &[]),
        ("On",  Off,        &["ForceOff", "PushPowerButton"],              &["ForceOff"]),
        ("Off", Off,        &["ForceOff"],                                 &[]),
        ("On",  SoftOff,    &["GracefulShutdown", "ForceOff"],             &["GracefulShutdown"]),
        ("Off", SoftOff,    &["GracefulShutdown"],                         &[]),
        ("On",  Reboot,     &["On", "ForceOff", "ForceRestart"],           &["ForceOff", "On"]),
        ("Off", Reboot,     &["On", "ForceOff", "ForceRestart"],           &["On"]),
        ("On",  SoftReboot, &["On", "GracefulRestart"],                    &["GracefulRestart"]),
        ("On",  SoftReboot, &["On", "GracefulShutdown"],                   &["GracefulShutdown", "On"]),
        ("Off", SoftReboot, &["On", "GracefulRestart"],                    &["On"]),
        ("Paused", Off,     &["ForceOff"],                                 &["ForceOff"]),
        ("Paused", On,      &["On"],                                       &["On"]),
    ];
    for (state, wish, allowed, expected) in rows {
        let (bmc, bench) = (machine(state), Bench::new());
        allow(&bmc, allowed);

        bench.power.set_power_state(&task(&bmc), wish, None).await.unwrap();

        assert_eq!(sent(&bmc), expected, "{wish} from {state} with {allowed:?}");
    }
}

#[tokio::test]
async fn what_no_allowed_type_leads_to_is_refused_before_anything_is_sent() {
    use PowerState::{Off, On, SoftOff, SoftReboot};

    for (wish, allowed) in
        [(On, "ForceOff"), (Off, "GracefulShutdown"), (SoftOff, "ForceOff"), (SoftReboot, "On")]
    {
        let (bmc, bench) = (machine(if wish == On { "Off" } else { "On" }), Bench::new());
        allow(&bmc, &[allowed]);

        let error = bench.power.set_power_state(&task(&bmc), wish, None).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Unsupported, "{wish}: {error}");
        assert!(sent(&bmc).is_empty());
    }
}

#[tokio::test]
async fn allowed_types_are_found_in_the_action_info_and_asked_for_once() {
    let (bmc, bench) = (machine("On"), Bench::new());
    let info = "/redfish/v1/Systems/1/ResetActionInfo";
    bmc.change(
        SYSTEM,
        &json!({"Actions": {"#ComputerSystem.Reset":
        {"ResetType@Redfish.AllowableValues": null, "@Redfish.ActionInfo": {"@odata.id": info}}}}),
    );
    bmc.change(
        info,
        &json!({"Parameters": [{"Name": "ResetType", "AllowableValues": ["ForceOn", "ForceOff"]}]}),
    );

    bench.power.reboot(&task(&bmc), None).await.unwrap();
    bench.power.reboot(&task(&bmc), None).await.unwrap();

    assert_eq!(sent(&bmc), ["ForceOff", "ForceOn", "ForceOff", "ForceOn"]);
    assert_eq!(bmc.count("GET", info), 1);
}

#[tokio::test]
async fn unknown_allowed_types_are_sent_all_the_same() {
    let (bmc, bench) = (machine("Off"), Bench::new());
    bmc.change(
        SYSTEM,
        &json!({"Actions": {"#ComputerSystem.Reset": {"ResetType@Redfish.AllowableValues": null}}}),
    );

    bench.power.set_power_state(&task(&bmc), PowerState::On, None).await.unwrap();

    assert_eq!(sent(&bmc), ["On"]);
}

#[tokio::test]
async fn a_system_that_cannot_be_reset_is_unsupported() {
    let (bmc, bench) = (machine("Off"), Bench::new());
    bmc.change(SYSTEM, &json!({"Actions": null}));

    let error = bench.power.set_power_state(&task(&bmc), PowerState::On, None).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.details()["error"], "UnsupportedDriverExtension");
}

#[tokio::test]
async fn a_machine_that_must_stay_on_is_restarted_in_one_request() {
    for (allowed, expected) in
        [(["ForceRestart", "ForceOff"], "ForceRestart"), (["PowerCycle", "GracefulRestart"], "PowerCycle")]
    {
        let (bmc, bench) = (machine("On"), Bench::new());
        allow(&bmc, &allowed);

        bench.power.reboot(&kept_on(&bmc), None).await.unwrap();

        assert_eq!(sent(&bmc), [expected]);
    }

    let (bmc, bench) = (machine("On"), Bench::new());
    allow(&bmc, &["On", "ForceOff", "GracefulShutdown"]);
    let error = bench.power.set_power_state(&kept_on(&bmc), PowerState::SoftReboot, None).await.unwrap_err();
    assert_eq!((error.kind(), sent(&bmc).len()), (ErrorKind::Unsupported, 0));
}

#[tokio::test]
async fn a_state_that_does_not_come_is_a_power_state_failure() {
    let (bmc, bench) = (machine("On"), Bench::new());
    // Accepted, and nothing happens.
    bmc.rule("POST", RESET, 1, Reply::status(204));

    let timeout = Some(Duration::from_millis(300));
    let error = bench.power.set_power_state(&task(&bmc), PowerState::SoftOff, timeout).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Timeout, true));
    assert_eq!(error.details()["error"], "PowerStateFailure");
    assert_snapshot!(error, @"soft power off failed: the machine is not `power off` after 0.3 s; last seen: power on");
    assert_eq!(sent(&bmc), ["GracefulShutdown"]);
}

#[tokio::test]
async fn a_bmc_that_stumbles_while_it_is_waited_for_is_asked_on() {
    let (bmc, bench) =
        (machine("Off"), Bench::with(json!({"connection_attempts": 1, "server_error_attempts": 1})));
    bmc.rule_after("GET", SYSTEM, 1, 2, Reply::status(503));

    bench.power.set_power_state(&task(&bmc), PowerState::On, None).await.unwrap();

    assert_eq!(sent(&bmc), ["On"]);
}

#[tokio::test]
async fn a_refusal_because_the_machine_is_there_already_is_success() {
    let (bmc, bench) = (machine("On"), Bench::new());
    let refusal = Reply::error(
        409,
        "IDRAC.2.8.PSU501",
        "Unable to perform the operation because the server is already powered off.",
    );
    bmc.rule("POST", RESET, 1, refusal.clone());
    // It went off by itself between our look and our request.
    bmc.rule_after("GET", SYSTEM, 1, 9, Reply::Answer(200, vec![], json!({"PowerState": "Off"}).to_string()));
    bench.power.set_power_state(&task(&bmc), PowerState::Off, None).await.unwrap();

    let (bmc, bench) = (machine("Paused"), Bench::with(json!({"power_state_change_timeout": 0})));
    bmc.rule("POST", RESET, 1, refusal);
    let error = bench.power.set_power_state(&task(&bmc), PowerState::Off, None).await.unwrap_err();
    // Believed, but never seen.
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_an_error_with_it() {
    let (bmc, bench) = (machine("On"), Bench::new());
    bmc.rule("POST", RESET, 9, Reply::error(400, "Base.1.8.ActionParameterNotSupported", "Not like this."));

    let error = bench.power.set_power_state(&task(&bmc), PowerState::Off, None).await.unwrap_err();

    let text = error.message().replace(&bmc.port.to_string(), "PORT");
    assert_snapshot!(text, @"power off failed: POST `/redfish/v1/Systems/1/Actions/ComputerSystem.Reset` at `http://127.0.0.1:PORT` answered 400: Not like this. (ActionParameterNotSupported)");
    assert_eq!(sent(&bmc).len(), 1);
}

#[tokio::test]
async fn power_on_too_soon_after_power_off_is_tried_again() {
    let conflict = Reply::error(409, "Base.1.8.ActionParameterValueConflict", "Not yet.");
    let (bmc, bench) = (machine("Off"), Bench::new());
    bmc.rule("POST", RESET, 5, conflict.clone());
    bench.power.set_power_state(&task(&bmc), PowerState::On, None).await.unwrap();
    assert_eq!(sent(&bmc).len(), 6);

    let (bmc, bench) = (machine("Off"), Bench::new());
    bmc.rule("POST", RESET, 9, conflict);
    let error = bench.power.set_power_state(&task(&bmc), PowerState::On, None).await.unwrap_err();
    assert_eq!((error.kind(), sent(&bmc).len()), (ErrorKind::Conflict, 6));
}

#[tokio::test]
async fn a_machine_on_its_way_elsewhere_arrives_first() {
    let (bmc, bench) = (machine("PoweringOff"), Bench::new());
    bmc.rule("GET", SYSTEM, 2, Reply::Answer(200, vec![], json!({"PowerState": "PoweringOff"}).to_string()));
    let off = bmc.state().resources[SYSTEM].clone();
    let off = {
        let mut off = off;
        off["PowerState"] = Value::from("Off");
        off.to_string()
    };
    bmc.rule("GET", SYSTEM, 1, Reply::Answer(200, vec![], off));

    bench.power.set_power_state(&task(&bmc), PowerState::On, None).await.unwrap();

    let asked = bmc.asked();
    let reset = asked.iter().position(|request| request.starts_with("POST /Systems")).unwrap();
    let looks = asked[..reset].iter().filter(|request| request.starts_with("GET /Systems/1 ")).count();
    assert_eq!(looks, 3, "{asked:?}");
}

#[tokio::test]
async fn an_interrupt_is_sent_where_it_is_allowed() {
    let (bmc, bench) = (machine("On"), Bench::new());
    bench.management.inject_nmi(&task(&bmc)).await.unwrap();
    assert_eq!(sent(&bmc), ["Nmi"]);

    allow(&bmc, &["On"]);
    let error = bench.management.inject_nmi(&task(&bmc)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn states_that_nobody_can_ask_for_are_invalid() {
    let (bmc, bench) = (machine("On"), Bench::new());

    let error = bench.power.set_power_state(&task(&bmc), PowerState::Error, None).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(bmc.asked().is_empty());
}

#[tokio::test]
async fn a_cold_poll_takes_three_requests_and_a_warm_one_takes_one() {
    let (bmc, bench) = (machine("On"), Bench::new());

    bench.power.get_power_state(&task(&bmc)).await.unwrap();
    assert_eq!(bmc.asked().len(), 3);
    bench.power.get_power_state(&task(&bmc)).await.unwrap();

    assert_eq!((bmc.asked().len(), bmc.connections()), (4, 1));
}

#[tokio::test]
async fn validation_never_talks_to_the_bmc() {
    let bench = Bench::new();
    let bmc = machine("On");

    bench.power.validate(&task(&bmc)).await.unwrap();
    let secure = bmc.url().replace("http:", "https:");
    let error = bench
        .management
        .validate(&task_with(&bmc, &json!({"redfish_address": secure, "redfish_verify_ca": "/none"})))
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(bmc.asked().is_empty());
}
