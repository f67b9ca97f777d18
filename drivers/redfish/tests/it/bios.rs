//! BIOS settings: what is sent, when the machine starts anew, how a step goes on.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};

use crate::bench::{Bench, Task, node, task};
use crate::bmc::{Bmc, PASSWORD, RESET, ROOT, Reply, SYSTEM, USER};

const BIOS: &str = "/redfish/v1/Systems/1/Bios";
const SETTINGS: &str = "/redfish/v1/Systems/1/Bios/Settings";
const RESET_BIOS: &str = "/redfish/v1/Systems/1/Bios/Actions/Bios.ResetBios";

/// A machine with settings, and a place for those to come that holds only changes.
fn bmc() -> Bmc {
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"Bios": {"@odata.id": BIOS}}));
    bmc.change(
        BIOS,
        &json!({"Attributes": {"Turbo": "On", "Cores": 8, "Quiet": true, "Menu": {"a": 1}},
            "@Redfish.Settings": {"SettingsObject": {"@odata.id": SETTINGS}, "SupportedApplyTimes": ["OnReset"], "ETag": "\"s\""},
            "Actions": {"#Bios.ResetBios": {"target": RESET_BIOS}}}),
    );
    bmc.change(SETTINGS, &json!({"Attributes": {}}));
    bmc
}

fn setting(name: &str, value: Value) -> BiosSetting {
    BiosSetting { name: name.to_owned(), value }
}

fn sent(bmc: &Bmc) -> Vec<(String, Value)> {
    let log = bmc.state().log.clone();
    log.iter()
        .filter(|request| request.method == "PATCH")
        .map(|request| (request.path.clone(), request.json()))
        .collect()
}

/// Begins a step and starts the machine anew, as its first two calls do.
async fn begin(bench: &Bench, task: &Task, wanted: Vec<BiosSetting>) {
    for _ in 0..2 {
        let outcome = bench.bios.apply_configuration(task, wanted.clone()).await.unwrap();
        assert!(matches!(outcome, StepOutcome::Wait { .. }), "{outcome:?}");
    }
}

/// What the firmware does at a start.
fn take_over(bmc: &Bmc) {
    let pending = bmc.state().resources[SETTINGS]["Attributes"].clone();
    bmc.change(BIOS, &json!({"Attributes": pending}));
    bmc.state().resources.get_mut(SETTINGS).unwrap()["Attributes"] = json!({});
}

#[tokio::test]
async fn settings_are_applied_by_a_start_and_looked_at_afterwards() {
    let (bmc, bench) = (bmc(), Bench::new());
    let (task, wanted) = (task(&bmc), || {
        vec![setting("Cores", json!("16")), setting("Turbo", json!("On")), setting("Quiet", json!("false"))]
    });

    let first = bench.bios.apply_configuration(&task, wanted()).await.unwrap();
    assert!(matches!(first, StepOutcome::Wait { poll_after_ms: Some(_) }), "{first:?}");
    assert_eq!(
        sent(&bmc),
        [(
            SETTINGS.to_owned(),
            json!({"Attributes": {"Cores": 16, "Quiet": false}, "@Redfish.SettingsApplyTime": {"ApplyTime": "OnReset"}})
        )]
    );
    assert_eq!(bmc.count("POST", RESET), 0, "what begins a step does not last");
    for _ in 0..2 {
        let outcome = bench.bios.apply_configuration(&task, wanted()).await.unwrap();
        assert!(matches!(outcome, StepOutcome::Wait { .. }));
        assert_eq!(bmc.count("POST", RESET), 1);
    }
    take_over(&bmc);

    // Another conductor goes on: nothing is known but what the node keeps.
    assert_eq!(Bench::new().bios.apply_configuration(&task, wanted()).await.unwrap(), StepOutcome::Done);

    assert_eq!((sent(&bmc).len(), bmc.count("POST", RESET)), (1, 1));
    assert!(task.refresh().await.unwrap().driver_internal_info.is_empty());
}

#[tokio::test]
async fn settings_that_are_there_already_need_no_start() {
    let (bmc, bench) = (bmc(), Bench::new());

    let outcome =
        bench.bios.apply_configuration(&task(&bmc), vec![setting("Cores", json!(8))]).await.unwrap();

    assert_eq!(outcome, StepOutcome::Done);
    assert!(sent(&bmc).is_empty() && bmc.count("POST", RESET) == 0);
}

#[tokio::test]
async fn lists_that_make_no_sense_are_refused_before_anything_is_sent() {
    let (bmc, bench) = (bmc(), Bench::new());
    let lists = [
        vec![],
        vec![setting("Cores", json!(1)), setting("Cores", json!(2))],
        vec![setting("Cores", Value::Null)],
        vec![setting("", json!(1))],
    ];
    for list in lists {
        let error = bench.bios.apply_configuration(&task(&bmc), list).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
    }
    assert!(bmc.asked().is_empty());
}

#[tokio::test]
async fn everything_that_the_registry_forbids_is_named_and_nothing_sent() {
    let (bmc, bench) = (bmc(), Bench::new());
    let registry = "/redfish/v1/Registries/BiosAttributeRegistry.v1_0_0";
    bmc.change(ROOT, &json!({"Registries": {"@odata.id": "/redfish/v1/Registries"}}));
    bmc.change(
        "/redfish/v1/Registries",
        &json!({"Members": [{"@odata.id": "/redfish/v1/Registries/Base"}, {"@odata.id": registry}]}),
    );
    bmc.change(registry, &json!({"Registry": "BiosAttributeRegistry.1.0", "Location": [{"Language": "ja", "Uri": "/redfish/v1/ja"}, {"Language": "en", "Uri": "/redfish/v1/en"}]}));
    bmc.change("/redfish/v1/en", &json!({"RegistryEntries": {"Attributes": [
        {"AttributeName": "Turbo", "Type": "Enumeration", "Value": [{"ValueName": "On"}, {"ValueName": "Off"}]},
        {"AttributeName": "Cores", "Type": "Integer", "LowerBound": 1, "UpperBound": 64}]}}));
    bmc.change(BIOS, &json!({"AttributeRegistry": "BiosAttributeRegistry.v1_0_0"}));
    let wrong = vec![
        setting("Turbo", json!("Maybe")),
        setting("Cores", json!("65")),
        setting("Menu", json!(1)),
        setting("Other", json!(1)),
    ];

    let error = bench.bios.apply_configuration(&task(&bmc), wrong).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    for name in ["`Turbo`", "`Cores`", "`Menu`", "`Other`"] {
        assert!(error.message().contains(name), "{error}");
    }
    assert!(sent(&bmc).is_empty());
    assert_eq!(bmc.count("GET", "/redfish/v1/Registries/Base"), 0);
}

#[tokio::test]
async fn settings_that_never_come_are_named_when_the_time_is_over() {
    let bmc = bmc();
    let (task, wanted) = (task(&bmc), || vec![setting("Cores", json!(16))]);
    begin(&Bench::new(), &task, wanted()).await;

    let error = Bench::with(json!({"bios_config_timeout": 0}))
        .bios
        .apply_configuration(&task, wanted())
        .await
        .unwrap_err();

    assert!(error.message().contains("`Cores` have not changed"), "{error}");
    assert!(task.refresh().await.unwrap().driver_internal_info.is_empty());
}

#[tokio::test]
async fn what_a_bmc_says_of_new_settings_fails_the_step_and_what_it_said_before_does_not() {
    let (bmc, bench) = (bmc(), Bench::new());
    bmc.change(BIOS, &json!({"@Redfish.Settings": {"Time": "1994", "Messages": [{"MessageId": "Base.1.0.SettingsFailed"}]}}));
    let (task, wanted) = (task(&bmc), || vec![setting("Cores", json!(16))]);
    begin(&bench, &task, wanted()).await;
    assert!(bench.bios.apply_configuration(&task, wanted()).await.is_ok());

    bmc.change(BIOS, &json!({"@Redfish.Settings": {"Time": "1995", "Messages": [{"MessageId": "Acme.1.0.Bad", "Message": "too many cores", "Severity": "Critical"}]}}));
    let error = bench.bios.apply_configuration(&task, wanted()).await.unwrap_err();

    assert!(error.message().contains("too many cores"), "{error}");
}

#[tokio::test]
async fn a_warning_that_a_start_is_needed_is_no_failure() {
    let (bmc, bench) = (bmc(), Bench::new());
    let (task, wanted) = (task(&bmc), || vec![setting("Cores", json!(16))]);
    begin(&bench, &task, wanted()).await;
    let needed = json!({"MessageId": "iLO.2.14.SystemResetRequired", "Severity": "Warning"});
    bmc.change(BIOS, &json!({"@Redfish.Settings": {"Time": "1995", "Messages": [needed]}}));

    let waits = bench.bios.apply_configuration(&task, wanted()).await.unwrap();
    take_over(&bmc);

    assert!(matches!(waits, StepOutcome::Wait { .. }));
    assert_eq!(bench.bios.apply_configuration(&task, wanted()).await.unwrap(), StepOutcome::Done);
}

#[tokio::test]
async fn a_boot_under_way_is_waited_for() {
    let (bmc, bench) = (bmc(), Bench::new());
    let (task, wanted) = (task(&bmc), || vec![setting("Cores", json!(16))]);
    begin(&bench, &task, wanted()).await;
    take_over(&bmc);
    bmc.change(SYSTEM, &json!({"BootProgress": {"LastState": "MemoryInitializationStarted"}}));
    assert!(matches!(
        bench.bios.apply_configuration(&task, wanted()).await.unwrap(),
        StepOutcome::Wait { .. }
    ));

    bmc.change(SYSTEM, &json!({"BootProgress": {"LastState": "OSRunning"}}));

    assert_eq!(bench.bios.apply_configuration(&task, wanted()).await.unwrap(), StepOutcome::Done);
}

#[tokio::test]
async fn places_for_settings_to_come_are_found_where_the_bmc_does_not_say() {
    let (bmc, bench) = (bmc(), Bench::new());
    bmc.change(BIOS, &json!({"@Redfish.Settings": null}));
    bmc.rule("GET", &format!("{BIOS}/SD"), 9, Reply::error(405, "Base.1.8.OperationNotAllowed", "no"));

    bench.bios.apply_configuration(&task(&bmc), vec![setting("Cores", json!(16))]).await.unwrap();
    assert_eq!(sent(&bmc)[0].0, SETTINGS);

    bmc.state().resources.remove(SETTINGS);
    let error =
        bench.bios.apply_configuration(&task(&bmc), vec![setting("Cores", json!(4))]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn the_tag_at_the_owner_stands_in_for_one_that_the_settings_lack() {
    let (bmc, bench) = (bmc(), Bench::new());

    bench.bios.apply_configuration(&task(&bmc), vec![setting("Cores", json!(16))]).await.unwrap();

    let log = bmc.state().log.clone();
    let patch = log.iter().find(|request| request.method == "PATCH").unwrap();
    assert_eq!(patch.header("if-match"), Some("\"s\""));
}

#[tokio::test]
async fn passwords_among_settings_are_kept_nowhere() {
    let (bmc, bench) = (bmc(), Bench::new());
    let (task, wanted) =
        (task(&bmc), || vec![setting("SetupPassword", json!("c4lvin")), setting("Cores", json!(16))]);

    begin(&bench, &task, wanted()).await;

    let kept = Value::Object(task.refresh().await.unwrap().driver_internal_info).to_string();
    assert!(kept.contains("Cores") && !kept.contains("c4lvin"), "{kept}");
    take_over(&bmc);
    assert_eq!(bench.bios.apply_configuration(&task, wanted()).await.unwrap(), StepOutcome::Done);
}

#[tokio::test]
async fn a_factory_reset_is_asked_for_once_and_followed_by_a_start() {
    let (bmc, bench) = (bmc(), Bench::new());
    bmc.rule("POST", RESET_BIOS, 9, Reply::status(204));
    let task = task(&bmc);

    for _ in 0..2 {
        assert!(matches!(bench.bios.factory_reset(&task).await.unwrap(), StepOutcome::Wait { .. }));
    }
    assert_eq!(bench.bios.factory_reset(&task).await.unwrap(), StepOutcome::Done);

    assert_eq!((bmc.count("POST", RESET_BIOS), bmc.count("POST", RESET)), (1, 1));
}

#[tokio::test]
async fn a_factory_reset_needs_no_place_for_settings_to_come() {
    let (bmc, bench) = (bmc(), Bench::new());
    bmc.change(BIOS, &json!({"@Redfish.Settings": null}));
    bmc.state().resources.remove(SETTINGS);
    bmc.rule("POST", RESET_BIOS, 9, Reply::status(204));
    let task = task(&bmc);

    for _ in 0..2 {
        assert!(matches!(bench.bios.factory_reset(&task).await.unwrap(), StepOutcome::Wait { .. }));
    }

    assert_eq!(bench.bios.factory_reset(&task).await.unwrap(), StepOutcome::Done);
}

#[tokio::test]
async fn of_several_registries_the_one_of_the_version_counts() {
    let (bmc, bench) = (bmc(), Bench::new());
    let registries = "/redfish/v1/Registries";
    bmc.change(ROOT, &json!({"Registries": {"@odata.id": registries}}));
    let named = |version: &str| format!("{registries}/BiosAttributeRegistry.{version}");
    let members: Vec<Value> =
        ["v1_0_0", "v2_0_0"].map(|version| json!({"@odata.id": named(version)})).to_vec();
    bmc.change(registries, &json!({"Members": members}));
    for (version, highest) in [("v1_0_0", 8), ("v2_0_0", 64)] {
        let file = format!("/redfish/v1/{version}");
        let about = json!({"Registry": format!("BiosAttributeRegistry.{version}"), "Location": [{"Language": "en", "Uri": file}]});
        bmc.change(&named(version), &about);
        let attribute =
            json!({"AttributeName": "Cores", "Type": "Integer", "LowerBound": 1, "UpperBound": highest});
        bmc.change(&file, &json!({"RegistryEntries": {"Attributes": [attribute]}}));
    }
    let wanted = || vec![setting("Cores", json!(16))];

    bmc.change(BIOS, &json!({"AttributeRegistry": "BiosAttributeRegistry.v1_0_0"}));
    assert!(bench.bios.apply_configuration(&task(&bmc), wanted()).await.is_err());
    bmc.change(BIOS, &json!({"AttributeRegistry": "BiosAttributeRegistry.v2_0_0"}));

    assert!(bench.bios.apply_configuration(&task(&bmc), wanted()).await.is_ok());
}

#[tokio::test]
async fn settings_are_read_as_they_are_and_descriptions_as_text() {
    let (bmc, bench) = (bmc(), Bench::new());

    let settings = bench.bios.cache_bios_settings(&task(&bmc)).await.unwrap();

    assert!(settings.contains(&setting("Cores", json!(8))));
    assert!(settings.contains(&setting("Menu", json!("{\"a\":1}"))));
    let none = Bmc::start();
    assert_eq!(
        bench.bios.cache_bios_settings(&crate::bench::task(&none)).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
}

#[tokio::test]
async fn a_step_that_another_conductor_began_is_gone_on_with() {
    let bmc = bmc();
    let begun = json!({"names": ["Cores"], "wanted": {"Cores": 16}, "started": 4_000_000_000_i64, "restarted": true, "said": ""});
    let task = node(
        &json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": USER, "redfish_password": PASSWORD},
        "driver_internal_info": {"redfish_bios": begun}}),
    );

    let outcome =
        Bench::new().bios.apply_configuration(&task, vec![setting("Cores", json!(16))]).await.unwrap();

    assert!(matches!(outcome, StepOutcome::Wait { .. }));
    assert!(sent(&bmc).is_empty() && bmc.count("POST", RESET) == 0);
    let other =
        Bench::new().bios.apply_configuration(&task, vec![setting("Cores", json!(32))]).await.unwrap();
    assert!(matches!(other, StepOutcome::Wait { .. }));
    assert_eq!((sent(&bmc).len(), bmc.count("POST", RESET)), (1, 0));
}

/// A node whose step was begun so far by somebody else.
fn begun_so_far(bmc: &Bmc, state: &str, turn: &Value) -> Task {
    let begun = json!({"names": ["Cores"], "wanted": {"Cores": 16}, "started": 4_000_000_000_i64, "restarted": false,
        "said": "", "turn": turn});
    node(
        &json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": USER, "redfish_password": PASSWORD},
        "driver_internal_info": {"redfish_bios": begun}, "provision_state": state}),
    )
}

/// Reset types that were asked for.
fn resets(bmc: &Bmc) -> Vec<Value> {
    let log = bmc.state().log.clone();
    log.iter()
        .filter(|request| request.path == RESET)
        .map(|request| request.json()["ResetType"].clone())
        .collect()
}

#[tokio::test]
async fn what_somebody_did_before_his_end_is_not_done_again() {
    let rows = [
        ("off", "Off", vec!["On"]),
        ("on", "On", vec![]),
        // Nothing came of it in the time it is given: it was not asked for.
        ("off", "On", vec!["ForceOff", "On"]),
        ("on", "Off", vec!["On"]),
    ];
    for (turn, state, wanted) in rows {
        let bmc = bmc();
        bmc.change(SYSTEM, &json!({"PowerState": state}));
        let task = begun_so_far(&bmc, "clean wait", &json!(turn));
        let bench = Bench::with(json!({"power_state_change_timeout": 0.2}));

        let outcome = bench.bios.apply_configuration(&task, vec![setting("Cores", json!(16))]).await.unwrap();

        assert!(matches!(outcome, StepOutcome::Wait { .. }));
        assert_eq!(resets(&bmc), wanted, "{turn} {state}");
        assert!(sent(&bmc).is_empty());
    }
}

#[tokio::test]
async fn a_step_that_was_given_up_begins_anew() {
    let bmc = bmc();
    let task = begun_so_far(&bmc, "cleaning", &json!("off"));

    Bench::new().bios.apply_configuration(&task, vec![setting("Cores", json!(16))]).await.unwrap();

    assert_eq!((sent(&bmc).len(), resets(&bmc).len()), (1, 0));
}
