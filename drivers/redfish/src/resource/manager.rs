//! A manager: the BMC as it sees itself.

use serde::Deserialize;

use super::{link, text};

/// Source: DSP0268, Manager.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Manager {
    /// What it is: BMC, `EnclosureManager`, ...
    #[serde(deserialize_with = "text")]
    pub manager_type: Option<String>,
    /// Version of its firmware.
    #[serde(deserialize_with = "text")]
    pub firmware_version: Option<String>,
    /// Collection of virtual media devices.
    #[serde(deserialize_with = "link")]
    pub virtual_media: Option<String>,
    /// Its clock.
    #[serde(deserialize_with = "text")]
    pub date_time: Option<String>,
    /// Its time zone.
    #[serde(deserialize_with = "text")]
    pub date_time_local_offset: Option<String>,
}
