//! Serial or graphical console.

use farrier_sdk_macros::contract;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::task::DriverTask;

/// Where a console can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleInfo {
    /// Kind of console: `socat`, `shellinabox`, `vnc`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Its address.
    pub url: String,
}

/// Offers the console of one machine.
///
/// Source: Ironic `ConsoleInterface`.
#[contract(console)]
pub trait ConsoleInterface {
    /// Makes the console reachable.
    async fn start_console(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Ends it; succeeds when there is none.
    async fn stop_console(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Where the console can be reached; `None` if it has no address. Never disturbs it.
    async fn get_console(&self, task: &DriverTask<Self::Info>) -> Result<Option<ConsoleInfo>>;
}
