//! A machine that boots what is deployed on it, and is given back.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use farrier_sim::boot_iso::{self, Firmware};
use farrier_sim::farrierd::{Farrierd, Settings};
use farrier_sim::redfish_vm::{RedfishVm, Transport};
use farrier_sim::wait::wait_for;
use serde_json::json;

use super::act::{call, member};
use super::{settings, shown};
use crate::error::TaskError;
use crate::workspace::Workspace;

/// Name of the node.
const NODE: &str = "demo-machine";
/// What tells the image from others.
const MARKER: &str = "demo";
/// How long a verb may take, and firmware without KVM.
const PATIENCE: Duration = Duration::from_secs(180);

/// The life of a node: what is asked for, and where that leads.
const BEFORE: [(&str, &str); 2] = [("manage", "manageable"), ("provide", "available")];
const DEPLOYMENT: (&str, &str) = ("active", "active");
const END: (&str, &str) = ("deleted", "available");

/// Starts a virtual machine and a conductor, deploys an image, shows the machine's console, and undeploys.
pub(super) fn show(workspace: &Workspace, directory: &Path) -> Result<(), TaskError> {
    let room = |name: &str| {
        let room = directory.join(name);
        fs::create_dir_all(&room).map_err(TaskError::io(format!("make `{}`", room.display())))?;
        Ok::<_, TaskError>(room)
    };
    let images = room("images")?;
    let image = images.join("boot.iso");
    boot_iso::write(&image, MARKER)?;
    println!("image: {}", shown(&image));
    let vm = RedfishVm::start(&room("machine")?, Firmware::Uefi, Transport::Https)?;
    println!("machine: QEMU with UEFI, its BMC is sushy-emulator at {}", vm.url());
    let conductor = conductor(settings(workspace, directory)?, &images)?;
    println!("conductor: http://{}", conductor.address());

    let node = json!({
        "name": NODE, "driver": "redfish", "driver_info": vm.driver_info(),
        "boot_interface": "redfish-virtual-media", "deploy_interface": "ramdisk",
        "instance_info": { "boot_iso": format!("file://{}", image.display()) },
    });
    call(&conductor, "POST", "/v1/nodes", Some(&node))?;
    println!("enrolled {NODE}");
    for (verb, state) in BEFORE {
        provision(&conductor, verb, state)?;
    }
    let start = Instant::now();
    provision(&conductor, DEPLOYMENT.0, DEPLOYMENT.1)?;
    tell(&vm)?;
    vm.wait_for_serial(&boot_iso::greeting(MARKER, Firmware::Uefi), PATIENCE)?;
    println!("the machine's console, {:.1} s after the request:", start.elapsed().as_secs_f64());
    for line in vm.serial().lines().filter(|line| line.contains("boot-iso")) {
        println!("  | {}", line.trim());
    }
    provision(&conductor, END.0, END.1)?;
    tell(&vm)
}

fn conductor(mut settings: Settings, images: &Path) -> Result<Farrierd, TaskError> {
    settings.hardware_types = vec!["redfish".to_owned()];
    settings.drivers = vec![
        "enabled_boot_interfaces = [\"redfish-virtual-media\", \"noop\"]".to_owned(),
        "enabled_deploy_interfaces = [\"ramdisk\", \"noop\"]".to_owned(),
    ];
    let directory = json!(images);
    settings.tables = format!("[image_server]\nport = 0\ndirectories = [{directory}]\n");
    Ok(Farrierd::start(&settings)?)
}

/// Asks for a verb and waits until the node is where it leads.
fn provision(conductor: &Farrierd, verb: &str, state: &str) -> Result<(), TaskError> {
    let path = format!("/v1/nodes/{NODE}");
    let start = Instant::now();
    call(conductor, "PUT", &format!("{path}/states/provision"), Some(&json!({ "target": verb })))?;
    let what = format!("the end of `{verb}`");
    let node = wait_for(&what, PATIENCE, || match call(conductor, "GET", &path, None) {
        Ok(node) => member(&node, "reservation").is_none().then_some(Ok(node)),
        Err(error) => Some(Err(error)),
    })??;
    let (reached, error) = (member(&node, "provision_state"), member(&node, "last_error"));
    println!(
        "{NODE}: {verb} -> {} in {:.1} s",
        reached.as_deref().unwrap_or("?"),
        start.elapsed().as_secs_f64()
    );
    if let Some(error) = error {
        println!("{NODE}: {error}");
    }
    if reached.as_deref() == Some(state) {
        return Ok(());
    }
    Err(TaskError::Demo { node: NODE.to_owned(), action: state.to_owned() })
}

/// Says what the BMC itself says, asked without Farrier.
fn tell(vm: &RedfishVm) -> Result<(), TaskError> {
    let power = if vm.is_on()? { "on" } else { "off" };
    let medium = vm.medium()?;
    println!("the BMC says: power {power}, CD drive {}", medium.as_deref().unwrap_or("empty"));
    Ok(())
}
