//! Whether a task may still change its node.

use std::sync::atomic::{AtomicBool, Ordering};

use farrier_sdk::error::{DriverError, ErrorKind};
use tracing::error;
use uuid::Uuid;

/// How names of methods begin that change nothing, neither on the machine nor in the database.
const READING: [&str; 3] = ["get_", "validate", "supports_"];

/// Methods whose names begin otherwise and that change nothing either.
const READING_ALSO: [&str; 4] = ["detect_vendor", "need_power_on", "should_write_image", "vif_list"];

/// Methods that the conductor calls under a shared task as well: what they need is said elsewhere, or they take the
/// lock when they have something to change.
const DECIDED_BY_CALLER: [&str; 2] = ["heartbeat", "vendor_call"];

/// What one task holds of its node, for as long as it does.
#[derive(Debug)]
pub(crate) struct Grip {
    exclusive: bool,
    lost: AtomicBool,
    /// Whether somebody tried to change something under a shared task.
    refused: AtomicBool,
}

impl Grip {
    /// That of a task that has the lock.
    pub(crate) const fn exclusive() -> Self {
        Self::new(true)
    }

    /// That of a task that has not.
    pub(crate) const fn shared() -> Self {
        Self::new(false)
    }

    const fn new(exclusive: bool) -> Self {
        Self { exclusive, lost: AtomicBool::new(false), refused: AtomicBool::new(false) }
    }

    /// From now on nothing can be done through the task any more.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Whether somebody was refused for want of the lock since this was last asked.
    pub(crate) fn take_refused(&self) -> bool {
        self.refused.swap(false, Ordering::AcqRel)
    }

    /// Lets a call of the conductor through.
    pub(crate) fn admit(&self, node: Uuid, method: &str) -> Result<(), DriverError> {
        if is_reading(method) || DECIDED_BY_CALLER.contains(&method) {
            return self.admit_reading(node, method);
        }
        self.admit_change(node, method)
    }

    /// Lets a call from one driver to another through.
    pub(crate) fn admit_sibling(&self, node: Uuid, method: &str) -> Result<(), DriverError> {
        if is_reading(method) { self.admit_reading(node, method) } else { self.admit_change(node, method) }
    }

    /// Lets something through that changes the machine or the node.
    pub(crate) fn admit_change(&self, node: Uuid, what: &str) -> Result<(), DriverError> {
        self.admit_reading(node, what)?;
        if self.exclusive {
            return Ok(());
        }
        self.refused.store(true, Ordering::Release);
        error!(%node, operation = what, "a driver wanted to change a node without its exclusive lock");
        let text = format!("`{what}` needs the exclusive lock of node {node}");
        Err(DriverError::new(ErrorKind::Conflict, text))
    }

    fn admit_reading(&self, node: Uuid, what: &str) -> Result<(), DriverError> {
        if self.lost.load(Ordering::Acquire) {
            let text = format!("`{what}` came after the task on node {node} had ended");
            return Err(DriverError::new(ErrorKind::TaskClosed, text));
        }
        Ok(())
    }
}

/// Whether a method of an interface changes nothing.
fn is_reading(method: &str) -> bool {
    READING.iter().any(|start| method.starts_with(start)) || READING_ALSO.contains(&method)
}

#[cfg(test)]
mod tests {
    use farrier_sdk::interface::{
        bios, boot, console, deploy, firmware, inspect, management, network, power, raid, rescue, storage,
        vendor,
    };

    use super::*;

    #[test]
    fn what_may_be_called_without_the_lock_was_reviewed() {
        let all = [
            bios::METHODS,
            boot::METHODS,
            console::METHODS,
            deploy::METHODS,
            firmware::METHODS,
            inspect::METHODS,
            management::METHODS,
            network::METHODS,
            power::METHODS,
            raid::METHODS,
            rescue::METHODS,
            storage::METHODS,
            vendor::METHODS,
        ];

        let mut reading: Vec<&str> = all.concat().into_iter().filter(|method| is_reading(method)).collect();

        reading.sort_unstable();
        reading.dedup();
        insta::assert_snapshot!(reading.join("\n"), @r"
        detect_vendor
        get_boot_device
        get_boot_mode
        get_capabilities
        get_console
        get_current_vif
        get_indicator_state
        get_logical_disk_properties
        get_mac_addresses
        get_node_health
        get_node_network_data
        get_power_state
        get_secure_boot_state
        get_sensors_data
        get_supported_boot_devices
        get_supported_boot_modes
        get_supported_indicators
        get_supported_power_states
        get_virtual_media
        need_power_on
        should_write_image
        supports_deploy
        supports_power_sync
        validate
        validate_inspection
        validate_raid_config
        validate_rescue
        vif_list
        ");
    }
}
