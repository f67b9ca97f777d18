//! The boot device as the conductor sets it.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::ipmi::{self, Bmc};
use farrier_sim::ipmi_sim::{IpmiSim, PASSWORD, USER};

use crate::bench::{Bench, Task, task, task_on};
use crate::ipmitool::ipmitool;
use crate::{bmc, bmc_with};

fn on_bmc(bmc: &Bmc, info: &Value, node: &Value) -> Task {
    let mut pinned = json!({"ipmi_cipher_suite": 17});
    pinned.as_object_mut().unwrap().extend(info.as_object().unwrap().clone());
    task_on(bmc.address(), ipmi::USER, ipmi::PASSWORD, &pinned, node)
}

/// Data of the set boot options commands a BMC has carried out.
fn settings(bmc: &Bmc) -> Vec<Vec<u8>> {
    bmc.state().data_of((0, 8))
}

#[tokio::test]
async fn devices_are_set_and_read_back_in_both_modes() {
    let bmc = bmc();
    let bench = Bench::new();
    for (mode, persistent, first) in
        [("bios", false, 0x80), ("bios", true, 0xC0), ("uefi", false, 0xA0), ("uefi", true, 0xE0)]
    {
        let node = json!({"properties": {"capabilities": format!("boot_mode:{mode}")}});
        let task = on_bmc(&bmc, &json!({}), &node);
        for device in bench.management.get_supported_boot_devices(&task).await.unwrap() {
            bench.management.set_boot_device(&task, device.clone(), persistent).await.unwrap();

            let read = bench.management.get_boot_device(&task).await.unwrap();
            assert_eq!(read, CurrentBootDevice { boot_device: Some(device), persistent: Some(persistent) });
            assert_eq!(bmc.state().machine.boot_flags()[0], first);
        }
    }
}

#[tokio::test]
async fn another_client_reads_what_was_set() {
    let bmc = bmc();
    let bench = Bench::new();
    let task = on_bmc(&bmc, &json!({}), &json!({}));

    bench.management.set_boot_device(&task, BootDevice::Pxe, true).await.unwrap();

    let address = bmc.address();
    let read = move || ipmitool(address, 17, &["chassis", "bootparam", "get", "5"]);
    let text = tokio::task::spawn_blocking(read).await.unwrap();
    for line in ["Boot Flag Valid", "all future boots", "BIOS EFI boot", "Force PXE"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[tokio::test]
async fn what_another_client_sets_is_read() {
    let bmc = bmc();
    let bench = Bench::new();
    let address = bmc.address();
    let set = move || ipmitool(address, 17, &["chassis", "bootdev", "cdrom", "options=persistent"]);
    tokio::task::spawn_blocking(set).await.unwrap();

    let read = bench.management.get_boot_device(&on_bmc(&bmc, &json!({}), &json!({}))).await.unwrap();

    assert_eq!(read, CurrentBootDevice { boot_device: Some(BootDevice::Cdrom), persistent: Some(true) });
}

#[tokio::test]
async fn the_simulator_takes_a_device() {
    let directory = tempfile::tempdir().unwrap();
    let sim = IpmiSim::start(directory.path()).unwrap();
    let (bench, task) = (Bench::new(), task(sim.address(), USER, PASSWORD, &json!({})));

    bench.management.set_boot_device(&task, BootDevice::Pxe, false).await.unwrap();
    assert_eq!(sim.boot_device(), "pxe");
    let refused = bench.management.set_boot_device(&task, BootDevice::Safe, false).await.unwrap_err();

    assert_eq!(refused.kind(), ErrorKind::Hardware);
    assert!(refused.message().contains("refused Set System Boot Options"), "{refused}");
}

#[tokio::test]
async fn an_unknown_device_is_refused_before_anybody_is_asked() {
    let bmc = bmc();
    let bench = Bench::new();
    let task = on_bmc(&bmc, &json!({}), &json!({}));

    let error = bench.management.set_boot_device(&task, BootDevice::Wanboot, false).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert_eq!(bmc.open_requests(), 0);
}

#[tokio::test]
async fn flags_are_kept_unless_the_node_or_the_option_says_otherwise() {
    for (info, option, kept) in [
        (json!({}), true, true),
        (json!({}), false, false),
        (json!({"ipmi_disable_boot_timeout": false}), true, false),
        (json!({"ipmi_disable_boot_timeout": "yes"}), false, true),
    ] {
        let bmc = bmc();
        let bench = Bench::with(&json!({"disable_boot_timeout": option}));
        let task = on_bmc(&bmc, &info, &json!({}));

        bench.management.set_boot_device(&task, BootDevice::Disk, false).await.unwrap();

        assert_eq!(settings(&bmc).contains(&vec![3, 8]), kept, "{info} {option}");
    }
}

#[tokio::test]
async fn a_bmc_that_cannot_keep_flags_takes_the_device_all_the_same() {
    let bmc = bmc_with(|trouble| trouble.chassis.keep_flags_code = Some(0x80));
    let bench = Bench::new();
    let task = on_bmc(&bmc, &json!({}), &json!({}));

    bench.management.set_boot_device(&task, BootDevice::Disk, true).await.unwrap();

    assert_eq!(bmc.state().machine.boot_flags()[..2], [0xE0, 0x08]);
}

#[tokio::test]
async fn a_change_that_was_never_ended_is_ended() {
    let bmc = bmc();
    bmc.state().trouble.codes = vec![((0x00, 0x08), 0x81)];
    let bench = Bench::with(&json!({"disable_boot_timeout": false}));
    let task = on_bmc(&bmc, &json!({}), &json!({}));

    bench.management.set_boot_device(&task, BootDevice::Bios, false).await.unwrap();

    assert_eq!(settings(&bmc), [vec![0, 0], vec![5, 0xA0, 0x18, 0, 0, 0]]);
}

#[tokio::test]
async fn a_forced_device_is_set_before_each_start() {
    let bmc = bmc();
    let bench = Bench::with(&json!({"disable_boot_timeout": false}));
    let forced = json!({"ipmi_force_boot_device": true});
    let stored = json!({"driver_internal_info": {"persistent_boot_device": "pxe"}});
    let task = on_bmc(&bmc, &forced, &stored);

    bench.power.set_power_state(&task, PowerState::On, None).await.unwrap();
    let read = bench.management.get_boot_device(&task).await.unwrap();

    assert_eq!(settings(&bmc), [vec![5, 0xA0, 0x04, 0, 0, 0]]);
    assert_eq!(read, CurrentBootDevice { boot_device: Some(BootDevice::Pxe), persistent: Some(true) });
}

#[tokio::test]
async fn a_device_for_one_boot_takes_the_place_of_the_forced_one() {
    let bmc = bmc();
    let bench = Bench::with(&json!({"disable_boot_timeout": false}));
    let forced = json!({"ipmi_force_boot_device": true});
    let stored = json!({
        "driver_internal_info": {"persistent_boot_device": "pxe", "is_next_boot_persistent": false},
    });

    let task = on_bmc(&bmc, &forced, &stored);
    bench.power.set_power_state(&task, PowerState::On, None).await.unwrap();

    assert_eq!(settings(&bmc), Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn a_forced_device_is_set_for_one_boot_at_a_time() {
    let bmc = bmc();
    let bench = Bench::with(&json!({"disable_boot_timeout": false}));
    let task = on_bmc(&bmc, &json!({"ipmi_force_boot_device": true}), &json!({}));

    bench.management.set_boot_device(&task, BootDevice::Disk, true).await.unwrap();

    assert_eq!(settings(&bmc), [vec![5, 0xA0, 0x08, 0, 0, 0]]);
}

#[tokio::test]
async fn the_maker_is_known_by_its_number() {
    let bmc = bmc();
    let bench = Bench::new();

    let vendor = bench.management.detect_vendor(&on_bmc(&bmc, &json!({}), &json!({}))).await.unwrap();

    assert_eq!(vendor.as_deref(), Some("supermicro"));
}

#[tokio::test]
async fn an_interrupt_is_sent_once() {
    let bmc = bmc();
    let bench = Bench::new();

    bench.management.inject_nmi(&on_bmc(&bmc, &json!({}), &json!({}))).await.unwrap();

    assert_eq!(bmc.count((0x00, 0x02)), 1);
}
