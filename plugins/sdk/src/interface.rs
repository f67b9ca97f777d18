//! The 13 interface types and what all of them share.

pub mod bios;
pub mod boot;
pub mod console;
pub mod deploy;
pub mod firmware;
pub mod inspect;
pub mod management;
pub mod network;
pub mod power;
pub mod raid;
pub mod rescue;
pub mod storage;
pub mod vendor;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the 13 kinds of interface a driver is made of.
///
/// Source: Ironic's driver factory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InterfaceType {
    /// Prepares what a machine boots.
    Boot,
    /// Puts an image on a machine.
    Deploy,
    /// Boot device, boot mode, sensors, identity.
    Management,
    /// Attaches a machine to networks.
    Network,
    /// Main power.
    Power,
    /// BIOS settings.
    Bios,
    /// Serial or graphical console.
    Console,
    /// Firmware updates.
    Firmware,
    /// Finds out what a machine is made of.
    Inspect,
    /// RAID volumes.
    Raid,
    /// Rescue system.
    Rescue,
    /// Remote volumes.
    Storage,
    /// What only one vendor has.
    Vendor,
}

impl InterfaceType {
    /// All types: the core ones, the optional ones, vendor.
    pub const ALL: [Self; 13] = [
        Self::Boot,
        Self::Deploy,
        Self::Management,
        Self::Network,
        Self::Power,
        Self::Bios,
        Self::Console,
        Self::Firmware,
        Self::Inspect,
        Self::Raid,
        Self::Rescue,
        Self::Storage,
        Self::Vendor,
    ];

    /// All types but vendor, in the order a validation lists them.
    pub const NON_VENDOR: [Self; 12] = [
        Self::Boot,
        Self::Deploy,
        Self::Management,
        Self::Network,
        Self::Power,
        Self::Bios,
        Self::Console,
        Self::Firmware,
        Self::Inspect,
        Self::Raid,
        Self::Rescue,
        Self::Storage,
    ];

    /// The name in configuration, API and descriptors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Deploy => "deploy",
            Self::Management => "management",
            Self::Network => "network",
            Self::Power => "power",
            Self::Bios => "bios",
            Self::Console => "console",
            Self::Firmware => "firmware",
            Self::Inspect => "inspect",
            Self::Raid => "raid",
            Self::Rescue => "rescue",
            Self::Storage => "storage",
            Self::Vendor => "vendor",
        }
    }

    /// Whether every driver needs a real implementation of this type.
    #[must_use]
    pub const fn is_core(self) -> bool {
        matches!(self, Self::Boot | Self::Deploy | Self::Management | Self::Network | Self::Power)
    }

    /// The registry group that operators know from Ironic.
    #[must_use]
    pub fn group(self) -> String {
        format!("ironic.hardware.interfaces.{self}")
    }
}

impl fmt::Display for InterfaceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names none of the 13 interface types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an interface type")]
pub struct UnknownInterfaceType(pub String);

impl FromStr for InterfaceType {
    type Err = UnknownInterfaceType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownInterfaceType(text.to_owned()))
    }
}
