//! A machine of three plugins: power of the fake driver, boot and management of one that has a drive, networks of the
//! conductor itself.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use farrier_host::{Builtin, Plugin};
use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::config::{ConductorConfig, DriverConfig};
use crate::error::ConductorError;
use crate::images::{Images, Server, show_address};
use crate::script::stage::context;
use crate::service::ProvisionRequest;
use crate::task::tests::{Fixture, fake_drivers, quick};

const ISO: &str = "http://198.51.100.7/boot.iso";

/// The drive of a machine, and what goes wrong with it.
#[derive(Debug, Clone, Default)]
struct Drive(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    medium: Option<String>,
    journal: Vec<String>,
    broken: Option<&'static str>,
    boots_nothing: bool,
}

impl Drive {
    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn journal(&self) -> Vec<String> {
        self.state(|state| state.journal.clone())
    }

    fn medium(&self) -> Option<String> {
        self.state(|state| state.medium.clone())
    }

    /// Lets whatever touches the drive fail, until it is repaired.
    fn breaks(&self, why: Option<&'static str>) {
        self.state(|state| state.broken = why);
    }

    fn touch(&self, entry: String, medium: Option<String>) -> Result<()> {
        self.state(|state| {
            state.journal.push(entry);
            if let Some(why) = state.broken {
                return Err(DriverError::hardware(why));
            }
            state.medium = medium;
            Ok(())
        })
    }

    fn plugin(&self) -> Plugin {
        let (boot, management) = (self.clone(), self.clone());
        let parts = vec![
            Builtin::new(move || Boot(boot.clone())),
            Builtin::new(move || Management(management.clone())),
        ];
        Plugin::builtin("drive", parts).unwrap()
    }
}

struct Boot(Drive);

#[interface(boot, name = "drive")]
impl BootInterface for Boot {
    type Info = NoInfo;

    async fn prepare_ramdisk(&self, _task: &DriverTask<NoInfo>, _params: Map<String, Value>) -> Result<()> {
        Err(DriverError::unsupported("agents"))
    }

    async fn clean_up_ramdisk(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Err(DriverError::unsupported("agents"))
    }

    async fn prepare_instance(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        let image = task.node().instance_info.get("boot_iso").and_then(Value::as_str).unwrap_or_default();
        let management = task.management();
        management.attach_virtual_media("cdrom".to_owned(), image.to_owned()).await?;
        management.set_boot_device(BootDevice::Cdrom, true).await
    }

    async fn clean_up_instance(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        task.management().detach_virtual_media(None).await
    }

    async fn get_capabilities(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<String>> {
        let nothing = self.0.state(|state| state.boots_nothing);
        Ok(if nothing { Vec::new() } else { vec!["ramdisk_boot".to_owned()] })
    }
}

struct Management(Drive);

impl Management {
    /// What the machine's power is, whoever switches it.
    async fn power(task: &DriverTask<NoInfo>) -> Result<PowerState> {
        task.power().get_power_state().await
    }
}

#[interface(management, name = "drive")]
impl ManagementInterface for Management {
    type Info = NoInfo;

    async fn get_supported_boot_devices(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BootDevice>> {
        Ok(vec![BootDevice::Cdrom])
    }

    async fn set_boot_device(
        &self,
        _task: &DriverTask<NoInfo>,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        let medium = self.0.medium();
        self.0.touch(format!("boot from {device}, persistent {persistent}"), medium)
    }

    async fn get_boot_device(&self, _task: &DriverTask<NoInfo>) -> Result<CurrentBootDevice> {
        Ok(CurrentBootDevice { boot_device: None, persistent: None })
    }

    async fn get_sensors_data(&self, _task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }

    async fn get_virtual_media(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<VirtualMedia>> {
        let image = self.0.medium();
        Ok(vec![VirtualMedia { media_types: vec!["cdrom".to_owned()], inserted: image.is_some(), image }])
    }

    async fn attach_virtual_media(
        &self,
        task: &DriverTask<NoInfo>,
        device_type: String,
        image_url: String,
    ) -> Result<()> {
        let entry = format!("insert {image_url} as {device_type} while {}", Self::power(task).await?);
        self.0.touch(entry, Some(image_url))
    }

    async fn detach_virtual_media(
        &self,
        task: &DriverTask<NoInfo>,
        _device_types: Option<Vec<String>>,
    ) -> Result<()> {
        self.0.touch(format!("eject while {}", Self::power(task).await?), None)
    }
}

fn drivers() -> DriverConfig {
    let list = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    DriverConfig {
        enabled_boot_interfaces: list(["fake", "drive"]),
        enabled_management_interfaces: list(["fake", "drive"]),
        enabled_deploy_interfaces: list(["fake", "ramdisk"]),
        ..fake_drivers()
    }
}

fn without_cleaning() -> ConductorConfig {
    ConductorConfig { automated_clean: false, ..quick() }
}

/// A conductor, and a machine that is off, still to be enrolled in `state` with the image `boot_iso`.
async fn machine(state: S, boot_iso: Value) -> (Fixture, Drive, Node) {
    let drive = Drive::default();
    let fixture = Fixture::with_drivers(without_cleaning(), drivers(), vec![drive.plugin()]).await;
    let mut node = Node::new(Uuid::new_v4(), "fake-hardware");
    node.provision_state = state;
    node.target_provision_state = state.default_target();
    node.power_state = Some(PowerState::Off);
    node.instance_info.insert("boot_iso".to_owned(), boot_iso);
    for (kind, name) in [
        (InterfaceType::Power, "fake"),
        (InterfaceType::Boot, "drive"),
        (InterfaceType::Management, "drive"),
        (InterfaceType::Deploy, "ramdisk"),
    ] {
        node.interfaces.set(kind, Some(name.to_owned()));
    }
    let node = fixture.enrol(node).await;
    (fixture, drive, node)
}

async fn ask(fixture: &Fixture, node: &Node, verb: Verb) -> std::result::Result<(), ConductorError> {
    fixture.conductor.provision(context(), &node.uuid.into(), ProvisionRequest::new(verb)).await
}

async fn settled(fixture: &Fixture, node: &Node, state: S) -> Node {
    fixture.eventually(node, |node| node.provision_state == state && node.reservation.is_none()).await
}

/// The same machine with its image in it and running.
async fn deployed() -> (Fixture, Drive, Node) {
    let (fixture, drive, node) = machine(S::Available, json!(ISO)).await;
    ask(&fixture, &node, Verb::Active).await.unwrap();
    let node = settled(&fixture, &node, S::Active).await;
    drive.state(|state| state.journal.clear());
    (fixture, drive, node)
}

/// Why a deployment is refused at once.
async fn refusal(boot_iso: Value) -> DriverError {
    let (fixture, drive, node) = machine(S::Available, boot_iso).await;
    let refused = ask(&fixture, &node, Verb::Active).await;
    assert_eq!(fixture.unlocked(&node).await.provision_state, S::Available);
    assert!(drive.journal().is_empty());
    let Err(ConductorError::InstanceDeployFailure { source, .. }) = refused else { panic!("{refused:?}") };
    let ConductorError::Driver { source, .. } = *source else { panic!("{source:?}") };
    *source
}

#[tokio::test]
async fn a_machine_of_three_plugins_boots_its_image() {
    let (fixture, drive, node) = machine(S::Available, json!(ISO)).await;

    ask(&fixture, &node, Verb::Active).await.unwrap();

    let node = settled(&fixture, &node, S::Active).await;
    assert_eq!(
        drive.journal(),
        [format!("insert {ISO} as cdrom while power off"), "boot from cdrom, persistent true".to_owned()]
    );
    assert_eq!((node.power_state, node.target_power_state), (Some(PowerState::On), None));
    assert_eq!((node.last_error, node.target_provision_state), (None, None));
}

#[tokio::test]
async fn a_machine_that_runs_is_switched_off_before_its_medium_is_changed() {
    let (fixture, drive, node) = deployed().await;

    ask(&fixture, &node, Verb::Rebuild).await.unwrap();

    let node = settled(&fixture, &node, S::Active).await;
    assert_eq!(drive.journal().first().unwrap(), &format!("insert {ISO} as cdrom while power off"));
    assert_eq!(node.power_state, Some(PowerState::On));
}

#[tokio::test]
async fn changes_of_power_are_told() {
    let (fixture, _, node) = machine(S::Available, json!(ISO)).await;
    let mut told = fixture.tasks().shared().notifier.subscribe();

    ask(&fixture, &node, Verb::Active).await.unwrap();

    settled(&fixture, &node, S::Active).await;
    let mut events = Vec::new();
    while let Ok(notification) = told.try_recv() {
        events.push(notification.event_type);
    }
    let power: Vec<_> = events.iter().filter(|event| event.contains("power_set")).collect();
    // Off in the preparation, off in the step, on.
    assert_eq!(
        power,
        [
            "baremetal.node.power_set.start",
            "baremetal.node.power_set.end",
            "baremetal.node.power_set.start",
            "baremetal.node.power_set.end",
            "baremetal.node.power_set.start",
            "baremetal.node.power_set.end",
        ]
    );
}

#[tokio::test]
async fn an_undeployed_machine_is_off_before_its_medium_is_taken() {
    let (fixture, drive, node) = deployed().await;

    ask(&fixture, &node, Verb::Deleted).await.unwrap();

    let node = settled(&fixture, &node, S::Available).await;
    assert_eq!(drive.journal(), ["eject while power off"]);
    assert_eq!((drive.medium(), node.power_state), (None, Some(PowerState::Off)));
    assert!(node.instance_info.is_empty());
}

#[tokio::test]
async fn an_image_that_is_refused_ends_in_deploy_failed_and_can_be_undeployed() {
    let (fixture, drive, node) = machine(S::Available, json!(ISO)).await;
    drive.breaks(Some("the BMC can not fetch the image"));

    ask(&fixture, &node, Verb::Active).await.unwrap();

    let failed = settled(&fixture, &node, S::DeployFail).await;
    let error = failed.last_error.unwrap();
    assert!(error.contains("deploy.deploy") && error.contains("can not fetch the image"), "{error}");
    assert!(error.contains("Also failed to clean up"), "the drive is still broken: {error}");
    assert_eq!(failed.power_state, Some(PowerState::Off));
    drive.breaks(None);
    ask(&fixture, &node, Verb::Deleted).await.unwrap();
    settled(&fixture, &node, S::Available).await;
}

#[tokio::test]
async fn an_undeployment_that_fails_ends_in_error_and_is_done_again_later() {
    let (fixture, drive, node) = deployed().await;
    drive.breaks(Some("the BMC is dead"));

    ask(&fixture, &node, Verb::Deleted).await.unwrap();

    let failed = settled(&fixture, &node, S::Error).await;
    assert!(failed.last_error.unwrap().contains("the BMC is dead"));
    assert_eq!(
        failed.power_state,
        Some(PowerState::Off),
        "or the power synchronization would switch it on again"
    );
    assert_eq!(drive.medium().as_deref(), Some(ISO));
    drive.breaks(None);
    ask(&fixture, &node, Verb::Deleted).await.unwrap();
    let node = settled(&fixture, &node, S::Available).await;
    assert_eq!((drive.medium(), node.last_error), (None, None));
}

#[tokio::test]
async fn what_can_not_be_an_image_is_refused_before_anything_happens() {
    for (image, kind, text) in [
        (json!(null), ErrorKind::MissingParameter, "missing `boot_iso`"),
        (json!(""), ErrorKind::MissingParameter, "missing `boot_iso`"),
        (json!(7), ErrorKind::InvalidParameter, "has to be text"),
        (json!("file:///etc/passwd"), ErrorKind::InvalidParameter, "does not serve"),
        (json!("http:///boot.iso"), ErrorKind::InvalidParameter, "with a host"),
        (json!("ftp://198.51.100.7/boot.iso"), ErrorKind::InvalidParameter, "with a host"),
        (json!("boot.iso"), ErrorKind::InvalidParameter, "with a host"),
        (json!("http://198.51.100.7/a b.iso"), ErrorKind::InvalidParameter, "spaces"),
        (json!(format!("http://h/{}", "a".repeat(8192))), ErrorKind::InvalidParameter, "longer than"),
    ] {
        let error = refusal(image.clone()).await;
        assert_eq!(error.kind(), kind, "{image}: {error}");
        assert!(error.to_string().contains(text), "{image}: {error}");
    }
}

#[tokio::test]
async fn a_boot_interface_that_boots_no_images_is_named_at_once() {
    let (fixture, drive, node) = machine(S::Available, json!(ISO)).await;
    drive.state(|state| state.boots_nothing = true);

    let refused = ask(&fixture, &node, Verb::Active).await.unwrap_err();

    let text = farrier_sdk::error::Chain(&refused).to_string();
    assert!(text.contains("ramdisk_boot") && text.contains("redfish-virtual-media"), "{text}");
}

#[tokio::test]
async fn a_machine_that_must_not_be_off_is_restarted() {
    let (fixture, drive, node) = machine(S::Available, json!(ISO)).await;
    let before = fixture.stored(&node).await;
    let mut after = before.clone();
    (after.disable_power_off, after.power_state) = (true, Some(PowerState::On));
    let node = fixture.store.node_update(&before, &after).await.unwrap();

    ask(&fixture, &node, Verb::Active).await.unwrap();

    let node = settled(&fixture, &node, S::Active).await;
    assert_eq!(drive.journal().first().unwrap(), &format!("insert {ISO} as cdrom while power on"));
    assert_eq!(node.power_state, Some(PowerState::On));
}

#[tokio::test]
async fn a_takeover_leaves_the_medium_that_a_machine_runs_from() {
    for (medium, inserted) in [(Some(ISO.to_owned()), false), (None, true)] {
        let (fixture, drive, node) = deployed().await;
        drive.state(|state| state.medium = medium);
        let acquire = crate::task::Acquire::new("test");
        let mut task = fixture.tasks().acquire_exclusive(&node, acquire).await.unwrap();

        crate::operation::takeover::take_over(&mut task).await.unwrap();

        task.finish().await.unwrap();
        assert_eq!(!drive.journal().is_empty(), inserted, "{:?}", drive.journal());
        assert_eq!(drive.medium().as_deref(), Some(ISO));
    }
}

/// Serves everything below `/srv`.
#[derive(Debug)]
struct Shelf;

impl Images for Shelf {
    fn address(&self, node: Uuid, file: &Path) -> Option<String> {
        let name = file.strip_prefix("/srv").ok()?;
        Some(format!("http://198.51.100.1/{node}/{}", name.display()))
    }
}

#[test]
fn drivers_see_the_address_of_a_file_and_never_the_file() {
    let server: Server = Some(Arc::new(Shelf));
    let node = Uuid::nil();
    for (image, expected) in [
        (json!("file:///srv/a.iso"), json!(format!("http://198.51.100.1/{node}/a.iso"))),
        (json!("file:///etc/passwd"), json!("file:///etc/passwd")),
        (json!(ISO), json!(ISO)),
        (json!(7), json!(7)),
    ] {
        let mut snapshot = farrier_sdk::task::Node::default();
        snapshot.instance_info.insert("boot_iso".to_owned(), image);
        show_address(&server, node, &mut snapshot);
        assert_eq!(snapshot.instance_info["boot_iso"], expected);
    }
}
