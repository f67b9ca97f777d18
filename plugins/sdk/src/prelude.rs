//! What a driver imports: `use farrier_sdk::prelude::*;`.

pub use std::sync::Arc;
pub use std::time::Duration;

pub use farrier_sdk_macros::{Options, Properties, StepArgs, export_plugin, interface};
pub use serde_json::{Map, Value};
#[cfg(feature = "tracing")]
pub use tracing::{debug, error, info, trace, warn};

pub use crate::error::{Chain, DriverError, ErrorKind, Result};
pub use crate::interface::InterfaceType;
pub use crate::interface::bios::{BiosInterface, BiosSetting};
pub use crate::interface::boot::BootInterface;
pub use crate::interface::console::{ConsoleInfo, ConsoleInterface};
pub use crate::interface::deploy::DeployInterface;
pub use crate::interface::firmware::{FirmwareComponent, FirmwareInterface, FirmwareUpdate};
pub use crate::interface::inspect::{InspectInterface, Inspection};
pub use crate::interface::management::{
    BootDevice, BootMode, CurrentBootDevice, Indicator, ManagementInterface, VirtualMedia,
};
pub use crate::interface::network::{NetworkInterface, PortData};
pub use crate::interface::power::{PowerInterface, PowerState};
pub use crate::interface::raid::RaidInterface;
pub use crate::interface::rescue::RescueInterface;
pub use crate::interface::storage::StorageInterface;
pub use crate::interface::vendor::VendorInterface;
pub use crate::property::{NoInfo, Options, Properties};
pub use crate::secret::{Secret, SecretRef};
pub use crate::step::{StepArgs, StepOutcome};
pub use crate::task::DriverTask;
