//! What an operator says about each node.

use farrier_sdk::prelude::*;

/// `driver_info` of a node.
#[derive(Debug, Properties)]
#[expect(
    dead_code,
    reason = "what a property says is shown by `Debug` alone; that it is there and right is what counts"
)]
pub(crate) struct WaywardInfo {
    /// Base URL of a machine that speaks Redfish
    pub(crate) wayward_url: Option<String>,
    /// Address and port of a machine that speaks by datagrams
    pub(crate) wayward_address: Option<String>,
    /// Name of the account
    #[property(default = "admin".to_owned())]
    pub(crate) wayward_user: String,
    /// Password of the account
    #[property(secret)]
    pub(crate) wayward_password: Option<SecretRef>,
    /// Where the machine stands
    pub(crate) wayward_site: String,
    /// How much to say about it
    #[property(default = 1)]
    pub(crate) wayward_detail: u16,
    /// Whether the conductor asks the machine for its power, and keeps what the machine wants kept
    #[property(default)]
    pub(crate) wayward_through_host: bool,
}
