//! What only one vendor has.

use farrier_sdk_macros::contract;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::task::DriverTask;

/// Vendor methods of one machine, each marked `#[vendor_method(...)]` in the implementation.
///
/// ```
/// use farrier_sdk::prelude::*;
///
/// struct AcmeVendor;
///
/// #[interface(vendor, name = "acme")]
/// impl VendorInterface for AcmeVendor {
///     type Info = NoInfo;
///
///     /// Blink the locator light
///     #[vendor_method(http_methods = ["POST"], asynchronous = false, exclusive = false)]
///     async fn blink(&self, _task: &DriverTask<NoInfo>, arguments: Map<String, Value>) -> Result<Value> {
///         Ok(arguments.get("seconds").cloned().unwrap_or_default())
///     }
/// }
/// # fn main() {}
/// ```
///
/// Source: Ironic `VendorInterface`.
#[contract(vendor)]
pub trait VendorInterface {
    /// Checks a call of `method` before the lock is taken for it; `None`: checks `driver_info` only.
    ///
    /// # Errors
    ///
    /// `MissingParameter` or `InvalidParameter`.
    async fn validate(
        &self,
        task: &DriverTask<Self::Info>,
        method: Option<String>,
        #[default(Map::new())] arguments: Map<String, Value>,
    ) -> Result<()> {
        Ok(())
    }
}
