//! The usual operations on every vendor's machine.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use super::Mockup;
use crate::bench::Bench;

/// What a bundle is and what its BMC is known to say.
struct Machine {
    bundle: &'static str,
    system: &'static str,
    /// Whether the System has to be named.
    named: bool,
    vendor: Option<&'static str>,
    mode: Option<BootMode>,
    /// The target that `cdrom` becomes.
    cdrom: Option<&'static str>,
    /// Whether it has virtual media.
    media: bool,
}

#[rustfmt::skip]
const MACHINES: &[Machine] = &[
    Machine { bundle: "cray-ex425-multinode.json", system: "/redfish/v1/Systems/Node1", named: true, vendor: Some("hpe"), mode: None, cdrom: Some("Cd"), media: false },
    Machine { bundle: "dell-poweredge-r750.json", system: "/redfish/v1/Systems/System.Embedded.1", named: false, vendor: Some("dell"), mode: Some(BootMode::Uefi), cdrom: Some("Cd"), media: true },
    Machine { bundle: "dmtf-public-rackmount1.json", system: "/redfish/v1/Systems/437XR1138R2", named: false, vendor: Some("contoso"), mode: Some(BootMode::Uefi), cdrom: Some("Cd"), media: true },
    Machine { bundle: "gigabyte-ami.json", system: "/redfish/v1/Systems/Self", named: false, vendor: Some("ami"), mode: Some(BootMode::Bios), cdrom: Some("Cd"), media: true },
    Machine { bundle: "hpe-dl325-gen10plus.json", system: "/redfish/v1/Systems/1", named: false, vendor: Some("hpe"), mode: Some(BootMode::Uefi), cdrom: Some("Cd"), media: true },
    Machine { bundle: "nvidia-gh200.json", system: "/redfish/v1/Systems/System_0", named: false, vendor: Some("nvidia"), mode: None, cdrom: Some("Cd"), media: true },
    Machine { bundle: "openbmc-stock.json", system: "/redfish/v1/Systems/system", named: false, vendor: None, mode: Some(BootMode::Uefi), cdrom: Some("Cd"), media: false },
    Machine { bundle: "supermicro-sys821ge.json", system: "/redfish/v1/Systems/1", named: false, vendor: Some("supermicro"), mode: Some(BootMode::Uefi), cdrom: Some("UsbCd"), media: true },
    Machine { bundle: "supermicro-x10sdv.json", system: "/redfish/v1/Systems/1", named: false, vendor: Some("supermicro"), mode: None, cdrom: Some("UsbCd"), media: false },
    // next machine above this line
];

fn start(machine: &Machine) -> (Mockup, crate::bench::Task) {
    let mockup = Mockup::start(machine.bundle, &[]);
    let task = if machine.named {
        mockup.task(&json!({"redfish_system_id": machine.system}))
    } else {
        mockup.plain_task()
    };
    (mockup, task)
}

fn shown(mockup: &Mockup, machine: &Machine, member: &str) -> Value {
    mockup.request("GET", machine.system, None)[member].clone()
}

#[test]
fn every_bundle_of_the_labs_is_in_the_table() {
    let bundles = farrier_sim::mockup::Mockup::names().unwrap();

    assert_eq!(bundles, MACHINES.iter().map(|machine| machine.bundle).collect::<Vec<_>>());
}

#[tokio::test]
async fn every_machine_is_switched_off_on_and_round() {
    for machine in MACHINES {
        let ((mockup, task), bench) = (start(machine), Bench::new());
        let (power, bundle) = (&bench.power, machine.bundle);

        power.set_power_state(&task, PowerState::Off, None).await.unwrap();
        assert_eq!(shown(&mockup, machine, "PowerState"), "Off", "{bundle}");
        power.set_power_state(&task, PowerState::On, None).await.unwrap();
        assert_eq!(power.get_power_state(&task).await.unwrap(), PowerState::On, "{bundle}");
        assert_eq!(shown(&mockup, machine, "PowerState"), "On", "{bundle}");
        power.reboot(&task, None).await.unwrap();
        assert_eq!(shown(&mockup, machine, "PowerState"), "On", "{bundle}");
        assert_eq!(mockup.logins(), 1, "{bundle}");
    }
}

#[tokio::test]
async fn every_machine_boots_once_from_where_it_is_told_to() {
    for machine in MACHINES {
        let ((mockup, task), bench) = (start(machine), Bench::new());
        let bundle = machine.bundle;

        bench.management.set_boot_device(&task, BootDevice::Cdrom, false).await.unwrap();
        let current = bench.management.get_boot_device(&task).await.unwrap();
        assert_eq!(
            (current.boot_device, current.persistent),
            (Some(BootDevice::Cdrom), Some(false)),
            "{bundle}"
        );
        bench.power.reboot(&task, None).await.unwrap();

        let booted = shown(&mockup, machine, "Oem")["Lab"]["BootedFrom"].clone();
        assert_eq!(booted.as_str(), machine.cdrom, "{bundle}");
        let current = bench.management.get_boot_device(&task).await.unwrap();
        assert_eq!(current.boot_device, None, "{bundle}");
    }
}

#[tokio::test]
async fn every_machine_boots_from_then_on_from_where_it_is_told_to() {
    for machine in MACHINES {
        let ((mockup, task), bench) = (start(machine), Bench::new());
        let bundle = machine.bundle;

        bench.management.set_boot_device(&task, BootDevice::Pxe, true).await.unwrap();
        for _ in 0..2 {
            bench.power.reboot(&task, None).await.unwrap();
            assert_eq!(shown(&mockup, machine, "Oem")["Lab"]["BootedFrom"], "Pxe", "{bundle}");
        }

        let current = bench.management.get_boot_device(&task).await.unwrap();
        assert_eq!(
            (current.boot_device, current.persistent),
            (Some(BootDevice::Pxe), Some(true)),
            "{bundle}"
        );
    }
}

#[tokio::test]
async fn every_machine_says_what_it_is_and_how_it_is() {
    for machine in MACHINES {
        let ((_mockup, task), bench) = (start(machine), Bench::new());
        let (management, bundle) = (&bench.management, machine.bundle);

        assert_eq!(management.detect_vendor(&task).await.unwrap().as_deref(), machine.vendor, "{bundle}");
        assert_eq!(management.get_boot_mode(&task).await.unwrap(), machine.mode, "{bundle}");
        management.get_node_health(&task).await.unwrap();
        match management.get_secure_boot_state(&task).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported, "{bundle}: {error}"),
        }
    }
}

#[tokio::test]
async fn every_machine_with_virtual_media_takes_a_disc_and_gives_it_back() {
    const IMAGE: &str = "http://images.example.com/a.iso";
    for machine in MACHINES {
        let ((mockup, task), bench) = (start(machine), Bench::new());
        let (management, bundle) = (&bench.management, machine.bundle);
        let disc = || Some(vec!["cdrom".to_owned()]);
        let held = || {
            let media = mockup.request("GET", "/__lab/state", None)["media"].clone();
            media.as_object().unwrap().values().filter(|slot| slot["Image"] == IMAGE).count()
        };

        let emptied = management.detach_virtual_media(&task, disc()).await;
        if !machine.media {
            assert_eq!(emptied.unwrap_err().kind(), ErrorKind::Unsupported, "{bundle}");
            continue;
        }
        emptied.unwrap();
        management.attach_virtual_media(&task, "cdrom".to_owned(), IMAGE.to_owned()).await.unwrap();

        let shown = management.get_virtual_media(&task).await.unwrap();
        let full: Vec<_> = shown.iter().filter(|media| media.image.as_deref() == Some(IMAGE)).collect();
        assert!(
            matches!(full.as_slice(), [one] if one.media_types.contains(&"cdrom".to_owned())),
            "{bundle}: {shown:?}"
        );

        management.detach_virtual_media(&task, disc()).await.unwrap();
        assert!(
            management
                .get_virtual_media(&task)
                .await
                .unwrap()
                .iter()
                .all(|media| media.image.as_deref() != Some(IMAGE)),
            "{bundle}"
        );
        assert_eq!(held(), 0, "{bundle}");
        assert_eq!(mockup.logins(), 1, "{bundle}");
    }
}

/// Whether a machine told something, or said that it has nothing of the kind.
fn told<T>(answer: Result<T>, bundle: &str) -> Option<T> {
    match answer {
        Ok(told) => Some(told),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{bundle}: {error}");
            None
        }
    }
}

#[tokio::test]
async fn every_machine_tells_what_it_is_made_of_as_far_as_it_knows() {
    for machine in MACHINES {
        let ((mockup, task), bench) = (start(machine), Bench::new());
        let bundle = machine.bundle;

        match bench.inspect.survey(&task).await {
            Ok(found) => assert!(found.properties["memory_mb"].as_u64().unwrap() >= 1024, "{bundle}"),
            Err(error) => assert!(error.message().contains("does not tell"), "{bundle}: {error}"),
        }
        bench.management.get_sensors_data(&task).await.unwrap();
        bench.management.get_mac_addresses(&task).await.unwrap();
        for light in bench.management.get_supported_indicators(&task, None).await.unwrap() {
            let (component, name) = (light.component, light.name);
            let state = bench.management.get_indicator_state(&task, component, name).await.unwrap();
            assert!(light.states.contains(&state) || state == "unknown", "{bundle}: {state}");
        }
        let settings = told(bench.bios.cache_bios_settings(&task).await, bundle);
        assert!(
            settings.is_none_or(|settings| settings.iter().all(|setting| !setting.name.is_empty())),
            "{bundle}"
        );
        told(bench.firmware.cache_firmware_components(&task).await, bundle);
        assert_eq!(mockup.logins(), 1, "{bundle}");
    }
}

#[tokio::test]
async fn every_machine_with_settings_to_come_takes_one_over_at_a_start() {
    for machine in MACHINES {
        let ((mockup, task), bench) = (start(machine), Bench::new());
        let bundle = machine.bundle;
        let Some(settings) = told(bench.bios.cache_bios_settings(&task).await, bundle) else { continue };
        // A truth value can be turned round on any machine, whatever it means there.
        let Some(setting) = settings.into_iter().find(|setting| setting.value.is_boolean()) else { continue };
        let turned = BiosSetting { value: json!(setting.value == json!(false)), ..setting };

        let Some(mut outcome) =
            told(bench.bios.apply_configuration(&task, vec![turned.clone()]).await, bundle)
        else {
            continue;
        };
        for _ in 0..5 {
            if outcome != StepOutcome::Done {
                outcome = bench.bios.apply_configuration(&task, vec![turned.clone()]).await.unwrap();
            }
        }

        assert_eq!(outcome, StepOutcome::Done, "{bundle}");
        let now = bench.bios.cache_bios_settings(&task).await.unwrap();
        assert!(now.contains(&turned), "{bundle}: {turned:?}");
        let resets = mockup
            .log()
            .iter()
            .filter(|entry| entry.path.contains(".Reset") && entry.method == "POST")
            .count();
        assert!((1..=2).contains(&resets), "{bundle}: {resets}");
    }
}

#[tokio::test]
async fn every_machine_that_fetches_firmware_is_updated_and_others_are_sent_it() {
    let room = tempfile::tempdir().unwrap();
    std::fs::write(room.path().join("x.bin"), "firmware").unwrap();
    let files = farrier_sim::files::FileServer::start(room.path()).unwrap();
    for machine in MACHINES {
        let ((mockup, task), bench) = (start(machine), Bench::new());
        let (bundle, url) = (machine.bundle, files.url("x.bin"));
        let service = mockup.request("GET", "/redfish/v1/UpdateService", None);
        let fetches = service["Actions"]["#UpdateService.SimpleUpdate"]["target"].as_str();
        let pushed =
            ["MultipartHttpPushUri", "HttpPushUri"].into_iter().find_map(|name| service[name].as_str());
        let update = vec![FirmwareUpdate { component: "bmc".to_owned(), url, wait: None }];

        // Each look is short; on a busy machine all of them together are not.
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        let mut outcome = bench.firmware.update(&task, update.clone()).await;
        while matches!(outcome, Ok(StepOutcome::Wait { .. })) && std::time::Instant::now() < deadline {
            outcome = bench.firmware.update(&task, update.clone()).await;
        }

        let posts = |path: &str| {
            let log = mockup.log();
            log.iter().filter(|entry| entry.method == "POST" && entry.path == path).count()
        };
        match (fetches, pushed) {
            (Some(target), _) => {
                assert_eq!((outcome.unwrap(), posts(target)), (StepOutcome::Done, 1), "{bundle}");
            }
            // The labs play no BMC that takes what is sent to it; that it is sent can be seen.
            (None, Some(target)) => {
                let error = outcome.unwrap_err();
                assert!(error.message().contains(target), "{bundle}: {error}");
                assert_eq!(posts(target), 1, "{bundle}");
            }
            (None, None) => {
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unsupported, "{bundle}");
            }
        }
    }
}

#[tokio::test]
async fn boot_modes_are_changed_where_machines_have_them() {
    for machine in MACHINES {
        let ((mockup, task), bench) = (start(machine), Bench::new());
        let Some(mode) = machine.mode else { continue };
        let other = if mode == BootMode::Uefi { BootMode::Bios } else { BootMode::Uefi };

        bench.management.set_boot_mode(&task, other).await.unwrap();

        assert_eq!(bench.management.get_boot_mode(&task).await.unwrap(), Some(other), "{}", machine.bundle);
        assert_eq!(mockup.logins(), 1, "{}", machine.bundle);
    }
}
