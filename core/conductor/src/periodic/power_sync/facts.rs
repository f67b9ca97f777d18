//! What a pass finds out besides the power state: vendor, boot mode, secure boot, health.
//!
//! Each is one more question to a BMC, so that the caller says which are due; a BMC that has not answered one of them
//! is not asked the others.
//!
//! Source: Ironic's conductor utilities.

use farrier_model::history::Severity;
use farrier_model::node::Node;
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::interface::management::{BootMode, ManagementClient};
use serde_json::Value;
use tracing::warn;

use crate::dispatch::DriverCaller;
use crate::operation::record::record;
use crate::task::ExclusiveTask;

/// The vendor of a machine, in `properties`.
const VENDOR: &str = "vendor";

/// The health that is no reason to worry.
const HEALTHY: &str = "OK";

/// Which facts to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What hardly ever changes: the vendor, if it is not known yet, the boot mode and secure boot.
    pub(super) lasting: bool,
    /// The health.
    pub(super) health: bool,
}

/// What a machine said; `None` for what it was not asked, could not be asked or did not answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    vendor: Option<String>,
    boot_mode: Option<Option<BootMode>>,
    secure_boot: Option<Option<bool>>,
    health: Option<Option<String>>,
}

/// Asks a machine; what it does not answer is only logged.
pub(super) async fn read(management: &ManagementClient<DriverCaller>, node: &Node, wanted: Wanted) -> Facts {
    let mut facts = Facts::default();
    if let Err(Silent { operation, error }) = ask(management, node, wanted, &mut facts).await {
        warn!(node = %node.uuid, operation, %error, "a machine does not answer what is kept of it");
    }
    facts
}

/// The BMC did not answer a question that its driver can ask.
struct Silent {
    operation: &'static str,
    error: DriverError,
}

async fn ask(
    management: &ManagementClient<DriverCaller>,
    node: &Node,
    wanted: Wanted,
    facts: &mut Facts,
) -> Result<(), Silent> {
    if wanted.health {
        facts.health = answer("get_node_health", management.get_node_health().await)?;
    }
    if wanted.lasting {
        if vendor_of(node).is_none() {
            facts.vendor = answer("detect_vendor", management.detect_vendor().await)?.flatten();
        }
        facts.boot_mode = answer("get_boot_mode", management.get_boot_mode().await)?;
        facts.secure_boot = answer("get_secure_boot_state", management.get_secure_boot_state().await)?;
    }
    Ok(())
}

fn answer<T>(operation: &'static str, answer: Result<T, DriverError>) -> Result<Option<T>, Silent> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(Silent { operation, error }),
    }
}

fn vendor_of(node: &Node) -> Option<&Value> {
    node.properties.get(VENDOR).filter(|vendor| !vendor.is_null())
}

impl Facts {
    /// Whether the node has something else recorded.
    pub(super) fn differ(&self, node: &Node) -> bool {
        (self.vendor.is_some() && vendor_of(node).is_none())
            || self.boot_mode.is_some_and(|mode| mode.map(BootMode::as_str) != node.boot_mode.as_deref())
            || self.secure_boot.is_some_and(|state| state != node.secure_boot)
            || self.health.as_ref().is_some_and(|health| *health != node.health)
    }

    /// Records them on the node, which the caller saves; another health goes into the history too.
    pub(super) async fn apply(self, task: &mut ExclusiveTask) {
        let node = task.node_mut();
        if let Some(vendor) = self.vendor
            && vendor_of(node).is_none()
        {
            node.properties.insert(VENDOR.to_owned(), Value::String(vendor));
        }
        if let Some(mode) = self.boot_mode {
            node.boot_mode = mode.map(|mode| mode.as_str().to_owned());
        }
        if let Some(state) = self.secure_boot {
            node.secure_boot = state;
        }
        let Some(health) = self.health.filter(|health| *health != node.health) else { return };
        let text = |health: &Option<String>| health.clone().unwrap_or_else(|| "unknown".to_owned());
        let event = format!("Health of the machine changed from {} to {}", text(&node.health), text(&health));
        let fine = health.as_ref().is_none_or(|health| health == HEALTHY);
        node.health = health;
        record(task, if fine { Severity::Info } else { Severity::Error }, event, "health").await;
    }
}
