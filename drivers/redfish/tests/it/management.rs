//! Boot mode, secure boot, sensors, lights, clock and addresses.

use farrier_redfish::management::ClockArguments;
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};

use crate::bench::{Bench, node, task};
use crate::bmc::{Bmc, RESET, ROOT, Reply, SYSTEM};

const SECURE_BOOT: &str = "/redfish/v1/Systems/1/SecureBoot";
const CHASSIS: &str = "/redfish/v1/Chassis/1";
const MANAGER: &str = "/redfish/v1/Managers/1";

fn mode(bmc: &Bmc) -> Value {
    bmc.state().resources[SYSTEM]["Boot"]["BootSourceOverrideMode"].clone()
}

fn patches(bmc: &Bmc) -> Vec<Value> {
    let log = bmc.state().log.clone();
    log.iter().filter(|request| request.method == "PATCH").map(|request| request.json()).collect()
}

#[tokio::test]
async fn a_boot_mode_is_set_once_and_shown() {
    let (bmc, bench) = (Bmc::start(), Bench::new());

    bench.management.set_boot_mode(&task(&bmc), BootMode::Bios).await.unwrap();
    bench.management.set_boot_mode(&task(&bmc), BootMode::Bios).await.unwrap();

    assert_eq!(mode(&bmc), "Legacy");
    assert_eq!(patches(&bmc), [json!({"Boot": {"BootSourceOverrideMode": "Legacy"}})]);
    assert_eq!(bench.management.get_boot_mode(&task(&bmc)).await.unwrap(), Some(BootMode::Bios));
    assert_eq!(bmc.count("POST", RESET), 0);
}

#[tokio::test]
async fn a_boot_mode_that_waits_for_a_start_gets_one_and_the_power_comes_back() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("PATCH", SYSTEM, 1, Reply::status(204));
    // As it was for three looks (before, after, and at the power), and then as wanted.
    let on = |mode: &str, state: &str| {
        let mut system = bmc.state().resources[SYSTEM].clone();
        system["Boot"]["BootSourceOverrideMode"] = json!(mode);
        system["PowerState"] = json!(state);
        Reply::Answer(200, vec![], system.to_string())
    };
    let shown = on("Legacy", "On");
    bmc.rule_after("GET", SYSTEM, 6, 1, shown);

    bench.management.set_boot_mode(&task(&bmc), BootMode::Bios).await.unwrap();

    let resets: Vec<Value> = {
        let log = bmc.state().log.clone();
        log.iter()
            .filter(|request| request.path == RESET)
            .map(|request| request.json()["ResetType"].clone())
            .collect()
    };
    assert_eq!(resets, ["On", "ForceOff"]);
    assert_eq!(bmc.state().resources[SYSTEM]["PowerState"], "Off");
}

#[tokio::test]
async fn a_boot_mode_that_never_comes_is_an_error_in_time() {
    let bmc = Bmc::start();
    let bench = Bench::with(json!({"boot_mode_config_timeout": 0.05, "boot_mode_config_interval": 0.01}));
    bmc.rule("PATCH", SYSTEM, 1, Reply::status(204));

    let error = bench.management.set_boot_mode(&task(&bmc), BootMode::Bios).await.unwrap_err();

    assert!(error.message().contains("does not show boot mode `bios`"), "{error}");
    assert_eq!(bmc.state().resources[SYSTEM]["PowerState"], "Off");
}

#[tokio::test]
async fn a_machine_without_a_boot_mode_may_refuse_or_accept_one() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.change(SYSTEM, &json!({"Boot": {"BootSourceOverrideMode": null}}));
    bmc.rule("PATCH", SYSTEM, 1, Reply::error(400, "Base.1.8.PropertyNotWritable", "no"));
    let refused = bench.management.set_boot_mode(&task(&bmc), BootMode::Uefi).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");

    bmc.rule("PATCH", SYSTEM, 1, Reply::status(204));
    bench.management.set_boot_mode(&task(&bmc), BootMode::Uefi).await.unwrap();
    assert_eq!(bmc.count("POST", RESET), 0);
}

#[tokio::test]
async fn makers_that_want_the_whole_of_boot_get_it_with_the_mode() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.change(ROOT, &json!({"Vendor": "AMI"}));

    bench.management.set_boot_mode(&task(&bmc), BootMode::Bios).await.unwrap();

    assert_eq!(
        patches(&bmc),
        [json!({"Boot": {"BootSourceOverrideMode": "Legacy", "BootSourceOverrideTarget": "None",
            "BootSourceOverrideEnabled": "Disabled"}})]
    );
}

#[tokio::test]
async fn secure_boot_is_switched_and_needs_uefi() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let none = bench.management.set_secure_boot_state(&task(&bmc), true).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Unsupported);
    bmc.change(SYSTEM, &json!({"SecureBoot": {"@odata.id": SECURE_BOOT}}));
    bmc.change(SECURE_BOOT, &json!({"SecureBootEnable": false}));

    bench.management.set_secure_boot_state(&task(&bmc), true).await.unwrap();
    bench.management.set_secure_boot_state(&task(&bmc), true).await.unwrap();
    assert_eq!(patches(&bmc), [json!({"SecureBootEnable": true})]);
    assert_eq!(bench.management.get_secure_boot_state(&task(&bmc)).await.unwrap(), Some(true));

    bmc.change(SECURE_BOOT, &json!({"SecureBootEnable": false}));
    bmc.change(SYSTEM, &json!({"Boot": {"BootSourceOverrideMode": "Legacy"}}));
    let error = bench.management.set_secure_boot_state(&task(&bmc), true).await.unwrap_err();
    assert!(error.message().contains("needs boot mode `uefi`"), "{error}");
}

#[tokio::test]
async fn keys_of_secure_boot_are_reset_where_the_machine_can() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let target = format!("{SECURE_BOOT}/Actions/SecureBoot.ResetKeys");
    bmc.change(SYSTEM, &json!({"SecureBoot": {"@odata.id": SECURE_BOOT}}));
    bmc.change(
        SECURE_BOOT,
        &json!({"SecureBootEnable": false, "Actions": {"#SecureBoot.ResetKeys": {"target": target,
            "ResetKeysType@Redfish.AllowableValues": ["ResetAllKeysToDefault"]}}}),
    );
    bmc.rule("POST", &target, 1, Reply::status(204));

    bench.management.reset_secure_boot_keys_to_default(&task(&bmc)).await.unwrap();
    let error = bench.management.clear_secure_boot_keys(&task(&bmc)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let log = bmc.state().log.clone();
    let sent: Vec<Value> =
        log.iter().filter(|request| request.path == target).map(|request| request.json()).collect();
    assert_eq!(sent, [json!({"ResetKeysType": "ResetAllKeysToDefault"})]);
}

/// A machine with one chassis.
fn with_chassis(chassis: &Value) -> Bmc {
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"Id": "1", "Links": {"Chassis": [{"@odata.id": CHASSIS}]}}));
    bmc.change(CHASSIS, &json!({"Id": "C1"}));
    bmc.change(CHASSIS, chassis);
    bmc
}

#[tokio::test]
async fn sensors_are_read_from_the_older_resources() {
    let bmc = with_chassis(
        &json!({"Thermal": {"@odata.id": format!("{CHASSIS}/Thermal")}, "Power": {"@odata.id": format!("{CHASSIS}/Power")}}),
    );
    bmc.change(
        &format!("{CHASSIS}/Thermal"),
        &json!({"Temperatures": [{"MemberId": "CPU", "ReadingCelsius": 41, "Status": {"State": "Enabled", "Health": "OK"}}, null, 3],
            "Fans": [{"Name": "Fan 1", "Reading": "2300"}]}),
    );
    bmc.change(
        &format!("{CHASSIS}/Power"),
        &json!({"PowerSupplies": [{"MemberId": "0", "LastPowerOutputWatts": 90.5}]}),
    );

    let sensors = Bench::new().management.get_sensors_data(&task(&bmc)).await.unwrap();

    assert_eq!(sensors["Temperature"]["CPU@C1"]["reading_celsius"], 41);
    assert_eq!(sensors["Temperature"]["CPU@C1"]["health"], "OK");
    assert_eq!(sensors["Fan"]["0@C1"]["reading"], "2300");
    assert_eq!(sensors["Power"]["0@C1"]["last_power_output_watts"], 90.5);
}

#[tokio::test]
async fn sensors_are_read_from_the_newer_resources() {
    let at = |name: &str| format!("{CHASSIS}/{name}");
    let bmc = with_chassis(&json!({"ThermalSubsystem": {"@odata.id": at("ThermalSubsystem")},
        "PowerSubsystem": {"@odata.id": at("PowerSubsystem")}, "Sensors": {"@odata.id": at("Sensors")}}));
    bmc.change(&at("ThermalSubsystem"), &json!({"Fans": {"@odata.id": at("Fans")}}));
    bmc.change(
        &at("Fans"),
        &json!({"Members": [{"@odata.id": at("Fans/1")}, {"@odata.id": at("Fans/gone")}]}),
    );
    bmc.change(&at("Fans/1"), &json!({"Id": "1", "SpeedPercent": {"Reading": 37}}));
    bmc.change(&at("PowerSubsystem"), &json!({"PowerSupplies": {"@odata.id": at("PSU")}}));
    bmc.change(&at("PSU"), &json!({"Members": null}));
    bmc.change(
        &at("Sensors"),
        &json!({"Members": [{"@odata.id": at("Sensors/t")}, {"@odata.id": at("Sensors/v")}]}),
    );
    bmc.change(&at("Sensors/t"), &json!({"Id": "t", "ReadingType": "Temperature", "Reading": 30.5}));
    bmc.change(&at("Sensors/v"), &json!({"Id": "v", "ReadingType": "Voltage", "Reading": 12}));

    let sensors = Bench::new().management.get_sensors_data(&task(&bmc)).await.unwrap();

    assert_eq!(sensors["Fan"]["1@C1"]["reading"], 37);
    assert_eq!(sensors["Temperature"]["t@C1"]["reading_celsius"], 30.5);
    assert_eq!(sensors["Temperature"].as_object().unwrap().len(), 1);
    assert!(!sensors.contains_key("Power"));
}

#[tokio::test]
async fn sensors_of_a_broken_chassis_are_left_out() {
    let bmc = with_chassis(&json!({"Thermal": {"@odata.id": format!("{CHASSIS}/Thermal")}}));
    bmc.rule("GET", &format!("{CHASSIS}/Thermal"), 100, Reply::Answer(200, vec![], "<html>".to_owned()));

    assert!(Bench::new().management.get_sensors_data(&task(&bmc)).await.unwrap().is_empty());
}

#[tokio::test]
async fn addresses_are_those_of_enabled_cards_in_lower_case() {
    let bmc = Bmc::start();
    let at = "/redfish/v1/Systems/1/EthernetInterfaces";
    bmc.change(SYSTEM, &json!({"EthernetInterfaces": {"@odata.id": at}}));
    let cards = [
        json!({"MACAddress": "AA:BB:CC:00:11:22", "Status": {"State": "Enabled"}}),
        json!({"MACAddress": "AA:BB:CC:00:11:22"}),
        json!({"MACAddress": "aa-bb-cc-00-11-33"}),
        json!({"MACAddress": "AA:BB:CC:00:11:44", "Status": {"State": "Disabled"}}),
        json!({"MACAddress": "none"}),
        json!({"MACAddress": null, "PermanentMACAddress": "00:00:00:00:00:00"}),
    ];
    let members: Vec<Value> = (0..cards.len()).map(|n| json!({"@odata.id": format!("{at}/{n}")})).collect();
    bmc.change(at, &json!({"Members": members}));
    for (n, card) in cards.iter().enumerate() {
        bmc.change(&format!("{at}/{n}"), card);
    }

    let found = Bench::new().management.get_mac_addresses(&task(&bmc)).await.unwrap();

    assert_eq!(found, ["aa:bb:cc:00:11:22", "aa:bb:cc:00:11:33"]);
}

#[tokio::test]
async fn lights_are_found_and_switched_by_the_property_they_have() {
    let (bmc, bench) = (with_chassis(&json!({"IndicatorLED": "Off"})), Bench::new());
    bmc.change(SYSTEM, &json!({"LocationIndicatorActive": false, "IndicatorLED": "Off"}));
    let (management, task) = (&bench.management, task(&bmc));

    let lights = management.get_supported_indicators(&task, None).await.unwrap();
    let shown: Vec<_> = lights
        .iter()
        .map(|light| (light.component.as_str(), light.name.as_str(), light.states.len()))
        .collect();
    assert_eq!(shown, [("system", "1", 2), ("chassis", "C1", 3)]);

    let set = |component: &str, name: &str, state: &str| {
        management.set_indicator_state(&task, component.to_owned(), name.to_owned(), state.to_owned())
    };
    set("system", "1", "on").await.unwrap();
    set("chassis", "C1", "blinking").await.unwrap();
    assert_eq!(bmc.state().resources[SYSTEM]["LocationIndicatorActive"], true);
    assert_eq!(bmc.state().resources[CHASSIS]["IndicatorLED"], "Blinking");
    let state = management.get_indicator_state(&task, "chassis".to_owned(), "C1".to_owned()).await.unwrap();
    assert_eq!(state, "blinking");

    assert_eq!(set("system", "1", "blinking").await.unwrap_err().kind(), ErrorKind::InvalidParameter);
    assert_eq!(set("system", "2", "on").await.unwrap_err().kind(), ErrorKind::MissingParameter);
    assert_eq!(set("door", "1", "on").await.unwrap_err().kind(), ErrorKind::MissingParameter);
}

fn with_clock(shown: &str) -> Bmc {
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"Links": {"ManagedBy": [{"@odata.id": MANAGER}]}}));
    bmc.change(MANAGER, &json!({"DateTime": shown, "DateTimeLocalOffset": "+00:00"}));
    bmc
}

#[tokio::test]
async fn the_clock_is_set_in_the_form_it_is_shown_in() {
    let (bmc, bench) = (with_clock("1994-11-06T08:49:37+00:00"), Bench::new());
    let arguments = || ClockArguments {
        target_datetime: "2025-05-31T10:00:00+00:00".to_owned(),
        datetime_local_offset: Some("+02:00".to_owned()),
    };

    bench.management.set_bmc_clock(&task(&bmc), arguments()).await.unwrap();

    assert_eq!(
        patches(&bmc),
        [json!({"DateTime": "2025-05-31T12:00:00+02:00", "DateTimeLocalOffset": "+02:00"})]
    );
    bmc.rule("PATCH", MANAGER, 1, Reply::status(204));
    bmc.change(MANAGER, &json!({"DateTime": "1994-11-06T08:49:37+00:00"}));
    let error = bench.management.set_bmc_clock(&task(&bmc), arguments()).await.unwrap_err();
    assert!(error.message().contains("was set and shows"), "{error}");
}

#[tokio::test]
async fn the_clock_is_only_verified_where_the_option_says_so() {
    let bmc = with_clock("1994-11-06T08:49:37+00:00");

    Bench::new().management.verify_bmc_clock(&task(&bmc)).await.unwrap();
    assert!(patches(&bmc).is_empty());

    let bench = Bench::with(json!({"enable_verify_bmc_clock": true}));
    bench.management.verify_bmc_clock(&task(&bmc)).await.unwrap();
    bench.management.verify_bmc_clock(&task(&bmc)).await.unwrap();
    assert_eq!(patches(&bmc).len(), 1);
}

#[tokio::test]
async fn a_light_of_a_part_of_a_resource_is_shown_and_never_written() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let storage = "/redfish/v1/Systems/1/Storage";
    bmc.change(SYSTEM, &json!({"Storage": {"@odata.id": storage}}));
    bmc.change(storage, &json!({"Members": [{"@odata.id": format!("{storage}/1")}]}));
    bmc.change(
        &format!("{storage}/1"),
        &json!({"IndicatorLED": "Off", "Drives": [{"@odata.id": "/redfish/v1/Box#/Drives/0"}]}),
    );
    bmc.change(
        "/redfish/v1/Box",
        &json!({"IndicatorLED": "Off", "Drives": [{"Id": "d0", "IndicatorLED": "Lit"}]}),
    );
    let (management, task) = (&bench.management, task(&bmc));

    let lights = management.get_supported_indicators(&task, Some("disk".to_owned())).await.unwrap();
    let state = management.get_indicator_state(&task, "disk".to_owned(), "d0".to_owned()).await.unwrap();
    let set =
        management.set_indicator_state(&task, "disk".to_owned(), "d0".to_owned(), "off".to_owned()).await;

    assert_eq!((lights.len(), lights[0].readonly, state.as_str()), (1, true, "on"));
    assert_eq!(set.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(bmc.state().resources["/redfish/v1/Box"]["IndicatorLED"], "Off");
}

/// Spec 3.1: state is never cached, but one pass of the conductor reads the System once.
#[tokio::test]
async fn the_questions_of_one_pass_are_answered_by_one_look_at_the_system() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.change(SYSTEM, &json!({"Status": {"Health": "OK"}, "SecureBoot": {"@odata.id": SECURE_BOOT}}));
    bmc.change(SECURE_BOOT, &json!({"SecureBootEnable": true}));
    let of_pass = |pass: &str| {
        let info = json!({"redfish_address": bmc.url(), "redfish_username": crate::bmc::USER,
            "redfish_password": crate::bmc::PASSWORD, "redfish_system_id": SYSTEM});
        node(&json!({"driver_info": info, "pass": pass}))
    };
    let (first, second) = (of_pass("first"), of_pass("second"));

    bench.power.get_power_state(&first).await.unwrap();
    let health = bench.management.get_node_health(&first).await.unwrap();
    let mode = bench.management.get_boot_mode(&first).await.unwrap();
    let secure = bench.management.get_secure_boot_state(&first).await.unwrap();
    assert_eq!((health.as_deref(), mode, secure), (Some("OK"), Some(BootMode::Uefi), Some(true)));
    assert_eq!(bmc.count("GET", SYSTEM), 1);

    // What is asked for outside of the pass, in another one or for the power state is read anew.
    bmc.change(SYSTEM, &json!({"Status": {"Health": "Critical"}}));
    bench.management.get_node_health(&task(&bmc)).await.unwrap();
    bench.power.get_power_state(&first).await.unwrap();
    assert_eq!(bmc.count("GET", SYSTEM), 3);
    let health = bench.management.get_node_health(&second).await.unwrap();
    assert_eq!((health.as_deref(), bmc.count("GET", SYSTEM)), (Some("Critical"), 4));

    // And what was changed since.
    bench.management.set_boot_mode(&task(&bmc), BootMode::Bios).await.unwrap();
    let before = bmc.count("GET", SYSTEM);
    assert_eq!(bench.management.get_boot_mode(&second).await.unwrap(), Some(BootMode::Bios));
    assert_eq!(bmc.count("GET", SYSTEM), before + 1);
}
