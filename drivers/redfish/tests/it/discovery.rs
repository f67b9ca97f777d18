//! Which System belongs to a node.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};

use crate::bench::{Bench, Task, node, task};
use crate::bmc::{Bmc, PASSWORD, RESET, ROOT, SYSTEM, SYSTEMS, USER};

/// A node that names no System.
fn unnamed(bmc: &Bmc) -> Task {
    node(&json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": USER,
        "redfish_password": PASSWORD}}))
}

fn members(bmc: &Bmc, paths: &[&str]) {
    let members: Vec<Value> = paths.iter().map(|path| json!({"@odata.id": path})).collect();
    bmc.change(SYSTEMS, &json!({"Members": members}));
}

#[tokio::test]
async fn the_only_system_is_found_once() {
    let (bmc, bench) = (Bmc::start(), Bench::new());

    for _ in 0..3 {
        assert_eq!(bench.power.get_power_state(&unnamed(&bmc)).await.unwrap(), PowerState::Off);
    }

    assert_eq!((bmc.count("GET", ROOT), bmc.count("GET", SYSTEMS), bmc.count("GET", SYSTEM)), (1, 1, 3));
}

#[tokio::test]
async fn of_several_the_only_one_that_can_be_reset_is_taken() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    members(&bmc, &["/redfish/v1/Systems/Board", "/redfish/v1/Systems/Gone", SYSTEM]);
    bmc.change("/redfish/v1/Systems/Board", &json!({"PowerState": "On"}));

    assert_eq!(bench.power.get_power_state(&unnamed(&bmc)).await.unwrap(), PowerState::Off);
}

#[tokio::test]
async fn several_that_can_be_reset_are_all_named() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    members(&bmc, &[SYSTEM, "/redfish/v1/Systems/2"]);
    bmc.change("/redfish/v1/Systems/2", &json!({"Actions": {"#ComputerSystem.Reset": {"target": RESET}}}));

    let error = bench.power.get_power_state(&unnamed(&bmc)).await.unwrap_err();

    let text = "`redfish_system_id` has to name one of `/redfish/v1/Systems/1`, `/redfish/v1/Systems/2`";
    assert!(error.message().ends_with(text), "{error}");
}

#[tokio::test]
async fn a_service_without_systems_is_an_error_that_says_so() {
    for change in
        [json!({"Members": null}), json!({"Members": []}), json!({"Members": [{"@odata.id": SYSTEMS}]})]
    {
        let (bmc, bench) = (Bmc::start(), Bench::new());
        bmc.state().resources.insert(SYSTEMS.to_owned(), change);

        let error = bench.power.get_power_state(&unnamed(&bmc)).await.unwrap_err();

        assert!(error.message().contains("the service has no System"), "{error}");
    }
}

#[tokio::test]
async fn a_system_that_has_moved_is_found_again() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bench.power.get_power_state(&unnamed(&bmc)).await.unwrap();
    bmc.state().resources.remove(SYSTEM);
    bmc.change("/redfish/v1/Systems/new", &json!({"PowerState": "On"}));
    members(&bmc, &["/redfish/v1/Systems/new"]);

    assert_eq!(bench.power.get_power_state(&unnamed(&bmc)).await.unwrap(), PowerState::On);
}

#[tokio::test]
async fn a_named_system_that_is_missing_is_named() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let task = crate::bench::task_with(&bmc, &json!({"redfish_system_id": "/redfish/v1/Systems/none"}));

    let error = bench.power.get_power_state(&task).await.unwrap_err();

    assert!(
        error.message().contains("`/redfish/v1/Systems/none`") && error.message().contains("404"),
        "{error}"
    );
}

#[tokio::test]
async fn two_nodes_behind_one_bmc_share_its_session() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.change("/redfish/v1/Systems/2", &json!({"PowerState": "On"}));
    let ask = |uuid: &str, path: &str| {
        let info = json!({"redfish_address": bmc.url(), "redfish_username": USER,
            "redfish_password": PASSWORD, "redfish_system_id": path});
        node(&json!({"uuid": uuid, "driver_info": info}))
    };

    let first = bench.power.get_power_state(&ask("a", SYSTEM)).await.unwrap();
    let second = bench.power.get_power_state(&ask("b", "/redfish/v1/Systems/2")).await.unwrap();

    assert_eq!((first, second), (PowerState::Off, PowerState::On));
    assert_eq!(bmc.state().tokens.len(), 1);
}

#[tokio::test]
async fn links_that_lead_elsewhere_stay_on_the_bmc() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    members(
        &bmc,
        &["https://10.255.255.1/redfish/v1/Systems/1", "//evil.invalid/redfish/v1/x", "/etc/passwd"],
    );

    assert_eq!(bench.power.get_power_state(&unnamed(&bmc)).await.unwrap(), PowerState::Off);
}

#[tokio::test]
async fn the_only_manager_of_a_service_is_looked_for_once_and_again_when_it_is_gone() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let (managers, task) = ("/redfish/v1/Managers", task(&bmc));
    let at = |name: &str| format!("{managers}/{name}");
    bmc.change(ROOT, &json!({"Managers": {"@odata.id": managers}}));
    let moves_to = |name: &str| {
        bmc.change(managers, &json!({"Members": [{"@odata.id": at(name)}]}));
        bmc.change(&at(name), &json!({"ManagerType": "BMC", "FirmwareVersion": name}));
    };
    let versions = async || {
        bench.firmware.cache_firmware_components(&task).await.map(|found| found[0].current_version.clone())
    };

    moves_to("1");
    for _ in 0..3 {
        assert_eq!(versions().await.unwrap(), "1");
    }
    assert_eq!(bmc.count("GET", managers), 1);

    bmc.state().resources.remove(&at("1"));
    moves_to("2");
    assert!(versions().await.is_err(), "what is gone is found out by asking for it");
    assert_eq!(versions().await.unwrap(), "2");
}

#[tokio::test]
async fn a_manager_that_is_shown_only_later_is_found() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let (managers, task) = ("/redfish/v1/Managers", task(&bmc));
    let only = format!("{managers}/1");
    bmc.change(ROOT, &json!({"Managers": {"@odata.id": managers}}));
    assert!(bench.firmware.cache_firmware_components(&task).await.is_err(), "there is none yet");

    bmc.change(managers, &json!({"Members": []}));
    assert!(bench.firmware.cache_firmware_components(&task).await.is_err(), "there is still none");

    bmc.change(managers, &json!({"Members": [{"@odata.id": only}]}));
    bmc.change(&only, &json!({"ManagerType": "BMC", "FirmwareVersion": "3"}));
    let found = bench.firmware.cache_firmware_components(&task).await.unwrap();
    assert_eq!(found[0].current_version, "3");
}
