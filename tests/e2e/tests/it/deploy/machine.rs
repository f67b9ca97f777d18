//! Virtual machines, which boot what is deployed.

use std::time::Duration;

use farrier_sim::boot_iso::{self, Firmware};
use farrier_sim::files::FileServer;
use farrier_sim::redfish_vm::{RedfishVm, Transport};

use super::{arrived_within, assert_empty, available, daemon, images};
use crate::harness::Daemon;

/// How long firmware may take without KVM on a busy machine.
const BOOT_PATIENCE: Duration = Duration::from_secs(180);

/// How long a deployment may take there: its BMC is a program of Python that asks libvirt for everything.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(180);

/// Runs a command of the unchanged client that must succeed.
fn baremetal(daemon: &Daemon, arguments: &[&str]) {
    let output = daemon.baremetal(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "baremetal {}: {error}", arguments.join(" "));
}

/// Deploys an image on a machine, sees it boot, and takes it away again.
fn life(daemon: &Daemon, vm: &RedfishVm, boot_iso: &str, greeting: &str) {
    available(daemon, &vm.driver_info());
    baremetal(daemon, &["node", "set", "n1", "--instance-info", &format!("boot_iso={boot_iso}")]);
    assert!(!vm.is_on().unwrap());

    baremetal(daemon, &["node", "deploy", "n1"]);

    let active = arrived_within(daemon, "active", DEPLOY_PATIENCE);

    assert_eq!((active["power_state"].as_str(), active["last_error"].as_str()), (Some("power on"), None));
    assert!(vm.medium().unwrap().is_some());
    vm.wait_for_serial(greeting, BOOT_PATIENCE).unwrap();
    assert!(vm.is_on().unwrap());
    baremetal(daemon, &["node", "undeploy", "n1"]);
    let available = arrived_within(daemon, "available", DEPLOY_PATIENCE);
    assert_empty(&available);
    assert_eq!(vm.medium().unwrap(), None);
    assert!(!vm.is_on().unwrap());
}

#[test]
fn a_machine_with_bios_boots_the_image_at_an_address() {
    let room = tempfile::tempdir().unwrap();
    let images = images(room.path(), "e2e-bios");
    let files = FileServer::start(&images).unwrap();
    let vm = RedfishVm::start(room.path(), Firmware::Bios, Transport::Http)
        .unwrap_or_else(|error| panic!("{error}"));
    let daemon = daemon("");

    life(&daemon, &vm, &files.url("boot.iso"), &boot_iso::greeting("e2e-bios", Firmware::Bios));
}

#[test]
fn a_machine_with_uefi_boots_a_file_of_the_conductor_and_its_bmc_speaks_tls() {
    let room = tempfile::tempdir().unwrap();
    let images = images(room.path(), "e2e-uefi");
    let vm = RedfishVm::start(room.path(), Firmware::Uefi, Transport::Https)
        .unwrap_or_else(|error| panic!("{error}"));
    let daemon =
        daemon(&format!("[image_server]\nport = 0\ndirectories = [{:?}]\n", images.display().to_string()));
    let file = format!("file://{}", images.join("boot.iso").display());

    life(&daemon, &vm, &file, &boot_iso::greeting("e2e-uefi", Firmware::Uefi));
}
