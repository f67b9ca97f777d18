//! `sushy-emulator`: somebody else's Redfish service.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::sushy::{PASSWORD, SYSTEM, Sushy, USER};

use crate::bench::{Bench, Task, node};

/// One emulator for all claims: it takes a second to start.
struct Lab {
    sushy: Sushy,
    bench: Bench,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sushy = Sushy::start(folder.path(), Duration::ZERO).unwrap();
        Self { sushy, bench: Bench::new(), _folder: folder }
    }

    fn task(&self) -> Task {
        self.task_at(Some(SYSTEM), PASSWORD)
    }

    fn task_at(&self, system: Option<&str>, password: &str) -> Task {
        node(&json!({"driver_info": {"redfish_address": format!("http://{}", self.sushy.address()),
            "redfish_username": USER, "redfish_password": password, "redfish_system_id": system}}))
    }
}

#[tokio::test]
async fn power_goes_on_and_off_and_round() {
    let lab = Lab::start();
    let (power, task) = (&lab.bench.power, lab.task());
    assert_eq!(power.get_power_state(&task).await.unwrap(), PowerState::Off);

    power.set_power_state(&task, PowerState::On, None).await.unwrap();
    assert!(lab.sushy.is_on().unwrap());
    assert_eq!(power.get_power_state(&task).await.unwrap(), PowerState::On);

    power.reboot(&task, None).await.unwrap();
    assert!(lab.sushy.is_on().unwrap());

    power.set_power_state(&task, PowerState::SoftReboot, None).await.unwrap();
    power.set_power_state(&task, PowerState::SoftOff, None).await.unwrap();
    assert!(!lab.sushy.is_on().unwrap());

    power.set_power_state(&task, PowerState::On, None).await.unwrap();
    power.set_power_state(&task, PowerState::Off, None).await.unwrap();
    assert!(!lab.sushy.is_on().unwrap());
}

#[tokio::test]
async fn a_boot_device_is_set_and_shown() {
    let lab = Lab::start();
    let (management, task) = (&lab.bench.management, lab.task());

    for (device, target) in [(BootDevice::Pxe, "Pxe"), (BootDevice::Cdrom, "Cd"), (BootDevice::Disk, "Hdd")] {
        management.set_boot_device(&task, device.clone(), true).await.unwrap();

        let current = management.get_boot_device(&task).await.unwrap();
        assert_eq!((current.boot_device, current.persistent), (Some(device), Some(true)));
        assert_eq!(lab.sushy.system().unwrap()["Boot"]["BootSourceOverrideTarget"], target);
    }
    let error = management.set_boot_device(&task, BootDevice::Floppy, false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
}

/// Serves one file, for as long as the process lives.
fn image() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(io::Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nCD01").ok();
        }
    });
    format!("http://127.0.0.1:{port}/boot.iso")
}

#[tokio::test]
async fn a_disc_is_inserted_shown_booted_and_ejected() {
    let (lab, url) = (Lab::start(), image());
    let (management, task) = (&lab.bench.management, lab.task());
    let disc = || Some(vec!["cdrom".to_owned()]);

    management.attach_virtual_media(&task, "cdrom".to_owned(), url.clone()).await.unwrap();
    let full = management.get_virtual_media(&task).await.unwrap();
    assert!(
        full.iter().any(|media| media.inserted && media.media_types.contains(&"cdrom".to_owned())),
        "{full:?}"
    );
    management.attach_virtual_media(&task, "cdrom".to_owned(), url.clone()).await.unwrap();

    management.detach_virtual_media(&task, disc()).await.unwrap();
    assert!(management.get_virtual_media(&task).await.unwrap().iter().all(|media| !media.inserted));
    management.detach_virtual_media(&task, disc()).await.unwrap();

    let instance = json!({"driver_info": {"redfish_address": format!("http://{}", lab.sushy.address()),
        "redfish_username": USER, "redfish_password": PASSWORD}, "instance_info": {"boot_iso": url}});
    let task = node(&instance);
    lab.bench.boot.prepare_instance(&task).await.unwrap();
    assert_eq!(lab.sushy.system().unwrap()["Boot"]["BootSourceOverrideTarget"], "Cd");
    lab.bench.boot.clean_up_instance(&task).await.unwrap();
    assert!(management.get_virtual_media(&task).await.unwrap().iter().all(|media| !media.inserted));
}

#[tokio::test]
async fn an_image_that_nobody_serves_is_refused_with_the_emulators_words() {
    let lab = Lab::start();
    let url = "http://127.0.0.1:9/none.iso".to_owned();

    let error =
        lab.bench.management.attach_virtual_media(&lab.task(), "cdrom".to_owned(), url).await.unwrap_err();

    assert!(error.message().contains("InsertMedia"), "{error}");
}

#[tokio::test]
async fn mode_vendor_and_health_are_read() {
    let lab = Lab::start();
    let (management, task) = (&lab.bench.management, lab.task());

    management.get_boot_mode(&task).await.unwrap();
    assert!(management.detect_vendor(&task).await.unwrap().is_some());
    assert_eq!(management.get_node_health(&task).await.unwrap().as_deref(), Some("OK"));
}

#[tokio::test]
async fn the_only_machine_needs_no_name() {
    let lab = Lab::start();

    let state = lab.bench.power.get_power_state(&lab.task_at(None, PASSWORD)).await.unwrap();

    assert_eq!(state, PowerState::Off);
}

#[tokio::test]
async fn a_machine_can_be_named_by_its_name() {
    let lab = Lab::start();

    let task = lab.task_at(Some("/redfish/v1/Systems/machine"), PASSWORD);

    assert_eq!(lab.bench.power.get_power_state(&task).await.unwrap(), PowerState::Off);
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let lab = Lab::start();

    let error = lab.bench.power.get_power_state(&lab.task_at(Some(SYSTEM), "wrong")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::AuthFailed);
}

#[tokio::test]
async fn an_emulator_that_is_gone_is_unreachable() {
    let mut lab = Lab::start();
    lab.bench.power.get_power_state(&lab.task()).await.unwrap();
    lab.sushy.process().stop().unwrap();

    let error = lab.bench.power.get_power_state(&lab.task()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unreachable);
}
