//! What only a task with the lock can do: rows T38 to T41 of the reference's tests of its task manager.
//!
//! Within the conductor the compiler forbids the rest: see the examples of [`SharedTask`] and [`ExclusiveTask`].

use std::sync::Mutex;

use farrier_host::{Builtin, Plugin};
use farrier_sdk::interface::power::PowerState;
use farrier_sdk::prelude::{
    BootDevice, CurrentBootDevice, DriverTask, ManagementInterface, Map, NoInfo, Value, interface,
};

use super::super::*;
use super::{Calls, Fixture, fake_drivers, quick};
use crate::config::DriverConfig;
use crate::log_capture::LogCapture;

type Result<T> = farrier_sdk::error::Result<T>;
type Devices = Arc<Mutex<Vec<(BootDevice, bool)>>>;

/// Changes something whatever it is asked.
struct Meddler(Devices);

#[interface(management, name = "meddler")]
impl ManagementInterface for Meddler {
    type Info = NoInfo;

    async fn get_supported_boot_devices(&self, _task: &DriverTask<NoInfo>) -> Result<Vec<BootDevice>> {
        Ok(vec![BootDevice::Pxe, BootDevice::Disk])
    }

    async fn set_boot_device(
        &self,
        _task: &DriverTask<NoInfo>,
        device: BootDevice,
        persistent: bool,
    ) -> Result<()> {
        self.0.lock().unwrap().push((device, persistent));
        Ok(())
    }

    /// Saves internal data.
    async fn get_boot_device(&self, task: &DriverTask<NoInfo>) -> Result<CurrentBootDevice> {
        task.save_internal_info(|info| {
            info.insert("asked".to_owned(), true.into());
        })
        .await?;
        Ok(CurrentBootDevice { boot_device: Some(BootDevice::Pxe), persistent: None })
    }

    /// Switches the machine on.
    async fn get_sensors_data(&self, task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        assert_eq!(task.power().get_power_state().await?, PowerState::Unknown);
        task.power().set_power_state(PowerState::On, None).await?;
        Ok(Map::new())
    }
}

async fn meddled() -> (Fixture, Devices) {
    let devices = Devices::default();
    let made = Arc::clone(&devices);
    let meddler = Plugin::builtin("meddler", vec![Builtin::new(move || Meddler(Arc::clone(&made)))]).unwrap();
    let drivers = DriverConfig {
        enabled_management_interfaces: vec!["meddler".to_owned()],
        default_management_interface: Some("meddler".to_owned()),
        ..fake_drivers()
    };
    (Fixture::with_drivers(quick(), drivers, vec![meddler]).await, devices)
}

/// Differs: that the lock is needed is said by types, not by an argument that is looked for; what is left to check at
/// run time is what drivers do.
#[tokio::test]
async fn row_t38_t39_with_the_lock_changes_reach_the_driver_as_they_are() {
    let (fixture, devices) = meddled().await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let management = task.management().unwrap();
    management.set_boot_device(BootDevice::Disk, true).await.unwrap();
    management.get_boot_device().await.unwrap();
    management.get_sensors_data().await.unwrap();

    assert_eq!(*devices.lock().unwrap(), [(BootDevice::Disk, true)]);
    task.finish().await.unwrap();
    assert_eq!(fixture.stored(&node).await.driver_internal_info["asked"], true);
}

/// Differs: as T38 and T39.
#[tokio::test]
async fn row_t40_t41_without_the_lock_a_driver_can_change_nothing() {
    let (fixture, devices) = meddled().await;
    let node = fixture.node().await;
    let (log, before) = (LogCapture::start(), fixture.stored(&node).await);
    let mut task = fixture.tasks().acquire_shared(&node, Acquire::default()).await.unwrap();
    let calls = Calls::from_now_on(&fixture.store);

    let management = task.management().unwrap();
    let direct = management.set_boot_device(BootDevice::Disk, true).await;
    let direct = management.0.failed("set_boot_device")(direct.unwrap_err());
    let saving = management.get_boot_device().await;
    let saving = management.0.failed("get_boot_device")(saving.unwrap_err());
    let sibling = management.get_sensors_data().await;
    let sibling = management.0.failed("get_sensors_data")(sibling.unwrap_err());

    for error in [direct, saving, sibling] {
        assert!(matches!(&error, ConductorError::ExclusiveLockRequired { .. }), "{error:?}");
    }
    assert!(devices.lock().unwrap().is_empty());
    assert!(fixture.stored(&node).await == before);
    assert_eq!(calls.all(), [("node_get", 1)], "that of this test");
    assert_eq!(log.lines(|line| line.starts_with("ERROR") && line.contains("exclusive lock")).len(), 3);
    assert!(management.get_supported_boot_devices().await.is_ok());
}
