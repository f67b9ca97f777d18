//! Boot device, boot mode, secure boot, health and identity.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};

use crate::bench::{Bench, Task, node, task};
use crate::bmc::{Bmc, PASSWORD, ROOT, Reply, SYSTEM, USER};

const SETTINGS: &str = "/redfish/v1/Systems/1/SD";

/// What each PATCH carried, with its path.
fn patches(bmc: &Bmc) -> Vec<(String, Value)> {
    let log = bmc.state().log.clone();
    let patches = log.iter().filter(|request| request.method == "PATCH");
    patches.map(|request| (request.path.clone(), request.json()["Boot"].clone())).collect()
}

async fn set(bmc: &Bmc, device: BootDevice, persistent: bool) -> Result<()> {
    Bench::new().management.set_boot_device(&task(bmc), device, persistent).await
}

fn remembered(task: &Task) -> Option<String> {
    // A second task sees what was saved; the first keeps the node as of its call.
    let saved = task.block_on(async {
        let mut seen = None;
        task.save_internal_info(|info| seen = info.get("redfish_boot_device").cloned()).await.unwrap();
        seen
    });
    saved.and_then(|value| value.as_str().map(str::to_owned))
}

#[tokio::test]
async fn only_what_differs_is_sent() {
    let bmc = Bmc::start();
    set(&bmc, BootDevice::Pxe, false).await.unwrap();
    set(&bmc, BootDevice::Disk, false).await.unwrap();
    set(&bmc, BootDevice::Disk, true).await.unwrap();

    let bodies: Vec<Value> = patches(&bmc).into_iter().map(|(_, body)| body).collect();
    assert_eq!(
        bodies,
        [
            json!({"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}),
            json!({"BootSourceOverrideTarget": "Hdd"}),
            json!({"BootSourceOverrideTarget": "Hdd", "BootSourceOverrideEnabled": "Continuous"}),
        ]
    );
}

#[tokio::test]
async fn what_the_answer_shows_is_not_read_again() {
    let bmc = Bmc::start();
    bmc.state().shows_changes = true;
    set(&bmc, BootDevice::Pxe, false).await.unwrap();

    set(&bmc, BootDevice::Disk, false).await.unwrap();

    let asked = bmc.asked();
    let last: Vec<_> = asked.iter().rev().take(3).map(String::as_str).collect();
    assert_eq!(last[0], "PATCH /Systems/1 200", "{asked:?}");
    // An answer that shows nothing of it is no reason to believe it.
    bmc.rule("PATCH", SYSTEM, 1, Reply::Answer(200, vec![], "{\"@Message.ExtendedInfo\": []}".to_owned()));
    set(&bmc, BootDevice::Pxe, false).await.unwrap();
    assert_eq!(bmc.asked().last().unwrap(), "GET /Systems/1 200");
}

#[tokio::test]
async fn what_was_set_is_read_back() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let none = bench.management.get_boot_device(&task(&bmc)).await.unwrap();
    assert_eq!((none.boot_device, none.persistent), (None, None));

    for (device, persistent) in [(BootDevice::Cdrom, false), (BootDevice::Bios, true)] {
        bench.management.set_boot_device(&task(&bmc), device.clone(), persistent).await.unwrap();
        let current = bench.management.get_boot_device(&task(&bmc)).await.unwrap();
        assert_eq!((current.boot_device, current.persistent), (Some(device), Some(persistent)));
    }
}

#[tokio::test]
async fn a_device_the_machine_does_not_take_is_refused_before_anything_is_sent() {
    let bmc = Bmc::start();

    let error = set(&bmc, BootDevice::Floppy, false).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(error.message().contains("it has `pxe`, `disk`, `cdrom`, `bios`"), "{error}");
    assert!(patches(&bmc).is_empty());
}

#[tokio::test]
async fn makers_that_want_more_get_more() {
    let bmc = Bmc::start();
    bmc.change(ROOT, &json!({"Vendor": "AMI"}));
    bmc.change(SYSTEM, &json!({"Boot": {"BootSourceOverrideEnabled": "Once"}}));
    set(&bmc, BootDevice::Pxe, false).await.unwrap();
    let whole = json!({"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "UEFI"});
    assert_eq!(patches(&bmc)[0].1, whole);

    let bmc = Bmc::start();
    let targets = ["Pxe", "Cd", "UsbCd"];
    bmc.change(
        SYSTEM,
        &json!({"Manufacturer": "Supermicro", "Boot": {"BootSourceOverrideEnabled": "Once",
        "BootSourceOverrideTarget@Redfish.AllowableValues": targets}}),
    );
    set(&bmc, BootDevice::Cdrom, false).await.unwrap();
    assert_eq!(
        patches(&bmc)[0].1,
        json!({"BootSourceOverrideTarget": "UsbCd", "BootSourceOverrideEnabled": "Once"})
    );
}

#[tokio::test]
async fn a_mode_that_changed_with_the_device_is_put_back() {
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"Manufacturer": "Supermicro"}));
    let mut changed = bmc.state().resources[SYSTEM].clone();
    changed["Boot"]["BootSourceOverrideMode"] = json!("Legacy");
    bmc.rule_after("GET", SYSTEM, 1, 1, Reply::Answer(200, vec![], changed.to_string()));

    set(&bmc, BootDevice::Pxe, false).await.unwrap();

    assert_eq!(patches(&bmc)[1].1["BootSourceOverrideMode"], "UEFI");
}

#[tokio::test]
async fn the_settings_resource_is_used_where_it_holds_boot_settings() {
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"@Redfish.Settings": {"SettingsObject": {"@odata.id": SETTINGS}}}));
    bmc.change(
        SETTINGS,
        &json!({"Boot": {"BootSourceOverrideTarget": "None", "BootSourceOverrideEnabled": "Once"}}),
    );
    set(&bmc, BootDevice::Pxe, false).await.unwrap();
    assert_eq!(patches(&bmc), [(SETTINGS.to_owned(), json!({"BootSourceOverrideTarget": "Pxe"}))]);

    // It may be missing, or hold other things.
    bmc.state().resources.insert(SETTINGS.to_owned(), json!({"Boot": {"BootOrder": []}}));
    set(&bmc, BootDevice::Pxe, false).await.unwrap();
    bmc.state().resources.remove(SETTINGS);
    set(&bmc, BootDevice::Pxe, false).await.unwrap();
    assert!(patches(&bmc)[1..].iter().all(|(path, _)| path == SYSTEM));
}

#[tokio::test]
async fn a_bmc_that_points_to_its_settings_resource_is_followed() {
    let bmc = Bmc::start();
    bmc.change("/redfish/v1/Systems/1/Later", &json!({"Boot": {}}));
    let text = "Support of this Operation for Boot Properties is moved to FutureState URI (/redfish/v1/Systems/1/Later).";
    bmc.rule("PATCH", SYSTEM, 1, Reply::error(400, "Ami.1.0.OperationSupportedInFutureStateURI", text));

    set(&bmc, BootDevice::Pxe, false).await.unwrap();

    assert_eq!(patches(&bmc)[1].0, "/redfish/v1/Systems/1/Later");
}

#[tokio::test]
async fn a_change_refused_during_post_is_tried_again() {
    let during_post =
        Reply::error(400, "iLO.2.14.UnableToModifyDuringSystemPOST", "The value cannot be modified.");
    let bmc = Bmc::start();
    bmc.rule("PATCH", SYSTEM, 5, during_post.clone());
    set(&bmc, BootDevice::Pxe, true).await.unwrap();
    assert_eq!(patches(&bmc).len(), 6);

    bmc.rule("PATCH", SYSTEM, 9, during_post);
    let error = set(&bmc, BootDevice::Pxe, true).await.unwrap_err();
    assert!(error.message().contains("UnableToModifyDuringSystemPOST"), "{error}");
    assert_eq!(patches(&bmc).len(), 12);
}

#[tokio::test]
async fn a_device_that_cannot_stay_is_set_again_before_each_start() {
    let refusal = Reply::error(400, "Base.1.8.PropertyValueNotInList", "Continuous is not in the list.");
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("PATCH", SYSTEM, 1, refusal);
    let first = task(&bmc);
    bench.management.set_boot_device(&first, BootDevice::Pxe, true).await.unwrap();
    let sent: Vec<Value> =
        patches(&bmc).iter().map(|(_, body)| body["BootSourceOverrideEnabled"].clone()).collect();
    assert_eq!(sent, ["Continuous", "Once"]);
    assert_eq!(remembered(&first).as_deref(), Some("pxe"));

    let info = json!({"redfish_address": bmc.url(), "redfish_username": USER, "redfish_password": PASSWORD,
        "redfish_system_id": SYSTEM});
    let next = node(&json!({"driver_info": info, "driver_internal_info": {"redfish_boot_device": "pxe"}}));
    bench.power.set_power_state(&next, PowerState::On, None).await.unwrap();
    bench.power.reboot(&next, None).await.unwrap();
    bench.power.set_power_state(&next, PowerState::SoftReboot, None).await.unwrap();
    assert_eq!(patches(&bmc).len(), 5);

    // A machine that refuses it is started all the same.
    bmc.rule("PATCH", SYSTEM, 9, Reply::status(500));
    bench.power.reboot(&next, None).await.unwrap();

    bmc.state().log.clear();
    let bmc = Bmc::start();
    let task = node(&json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": USER,
        "redfish_password": PASSWORD, "redfish_system_id": SYSTEM},
        "driver_internal_info": {"redfish_boot_device": "pxe"}}));
    bench.management.set_boot_device(&task, BootDevice::Disk, true).await.unwrap();
    assert_eq!(remembered(&task), None);
}

#[tokio::test]
async fn continuous_is_not_tried_where_it_is_not_allowed() {
    let bmc = Bmc::start();
    let allowed = ["Disabled", "Once"];
    bmc.change(SYSTEM, &json!({"Boot": {"BootSourceOverrideEnabled@Redfish.AllowableValues": allowed}}));

    set(&bmc, BootDevice::Pxe, true).await.unwrap();

    assert_eq!(patches(&bmc)[0].1["BootSourceOverrideEnabled"], "Once");
}

#[tokio::test]
async fn a_missing_privilege_is_not_taken_for_a_refusal_of_continuous() {
    let bmc = Bmc::start();
    bmc.rule("PATCH", SYSTEM, 9, Reply::error(403, "Base.1.8.InsufficientPrivilege", "No."));

    let error = set(&bmc, BootDevice::Pxe, true).await.unwrap_err();

    assert_eq!((error.kind(), patches(&bmc).len()), (ErrorKind::AuthFailed, 1));
}

#[tokio::test]
async fn boot_mode_is_read_from_the_settings_if_the_system_does_not_say() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    assert_eq!(bench.management.get_boot_mode(&task(&bmc)).await.unwrap(), Some(BootMode::Uefi));

    bmc.change(SYSTEM, &json!({"Boot": {"BootSourceOverrideMode": null}}));
    assert_eq!(bench.management.get_boot_mode(&task(&bmc)).await.unwrap(), None);

    bmc.change(SYSTEM, &json!({"@Redfish.Settings": {"SettingsObject": {"@odata.id": SETTINGS}}}));
    bmc.change(SETTINGS, &json!({"Boot": {"BootSourceOverrideMode": "Legacy"}}));
    assert_eq!(bench.management.get_boot_mode(&task(&bmc)).await.unwrap(), Some(BootMode::Bios));
}

#[tokio::test]
async fn secure_boot_is_read_where_there_is_one() {
    const SECURE_BOOT: &str = "/redfish/v1/Systems/1/SecureBoot";
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let missing = bench.management.get_secure_boot_state(&task(&bmc)).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Unsupported);

    bmc.change(SYSTEM, &json!({"SecureBoot": {"@odata.id": SECURE_BOOT}}));
    let missing = bench.management.get_secure_boot_state(&task(&bmc)).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Unsupported);

    for (value, state) in [(json!(true), Some(true)), (json!("false"), Some(false)), (json!(null), None)] {
        bmc.state().resources.insert(SECURE_BOOT.to_owned(), json!({"SecureBootEnable": value}));
        assert_eq!(bench.management.get_secure_boot_state(&task(&bmc)).await.unwrap(), state);
    }

    bmc.rule("GET", SECURE_BOOT, 1, Reply::error(403, "SMC.1.0.OemLicenseNotPassed", "Not licensed."));
    assert_eq!(bench.management.get_secure_boot_state(&task(&bmc)).await.unwrap(), None);
}

#[tokio::test]
async fn vendor_is_the_roots_or_the_systems() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    assert_eq!(bench.management.detect_vendor(&task(&bmc)).await.unwrap().as_deref(), Some("acme inc."));

    let bmc = Bmc::start();
    bmc.change(ROOT, &json!({"Vendor": "Dell"}));
    assert_eq!(bench.management.detect_vendor(&task(&bmc)).await.unwrap().as_deref(), Some("dell"));
}

#[tokio::test]
async fn health_is_the_machines_or_that_of_its_parts() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    assert_eq!(bench.management.get_node_health(&task(&bmc)).await.unwrap().as_deref(), Some("OK"));

    bmc.change(SYSTEM, &json!({"Status": {"Health": null, "HealthRollup": "Critical"}}));
    assert_eq!(bench.management.get_node_health(&task(&bmc)).await.unwrap().as_deref(), Some("Critical"));
}
