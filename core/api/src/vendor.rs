//! Vendor methods: what only one vendor's driver has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What `GET .../vendor_passthru/methods` answers: the methods by name.
pub type VendorMethods = BTreeMap<String, VendorMethod>;

/// A vendor method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VendorMethod {
    /// The HTTP methods it can be called with, upper case.
    pub http_methods: Vec<String>,
    /// Whether it answers before it is done.
    #[serde(rename = "async")]
    pub asynchronous: bool,
    /// What it does.
    pub description: String,
    /// Whether its result is a file.
    pub attach: bool,
    /// Whether nobody else works on the node meanwhile.
    pub require_exclusive_lock: bool,
}
