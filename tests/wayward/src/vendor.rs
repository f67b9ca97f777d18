//! A vendor method.

use farrier_sdk::prelude::*;

use crate::driver_info::WaywardInfo;
use crate::habits::Make;
use crate::machine;
use crate::shared::Shared;

/// Vendor methods of the machine.
pub(crate) struct GoodVendor {
    shared: Arc<Shared>,
}

impl Make for GoodVendor {
    fn make(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl GoodVendor {
    /// How long to blink.
    fn seconds(&self, arguments: &Map<String, Value>) -> Result<u64> {
        let Some(seconds) = arguments.get("seconds") else {
            if self.shared.breaks("VND-004") {
                return Ok(1);
            }
            return Err(DriverError::missing_parameter("missing `seconds`"));
        };
        match seconds.as_u64() {
            Some(seconds) if !self.shared.breaks("VND-003") => Ok(seconds),
            None if self.shared.breaks("VND-005") => Ok(1),
            _ => Err(DriverError::invalid_parameter("`seconds`: expected a number")),
        }
    }
}

#[interface(vendor, name = "wayward")]
impl VendorInterface for GoodVendor {
    type Info = WaywardInfo;

    async fn validate(
        &self,
        _task: &DriverTask<WaywardInfo>,
        method: Option<String>,
        arguments: Map<String, Value>,
    ) -> Result<()> {
        if method.as_deref() == Some("blink") { self.seconds(&arguments).map(drop) } else { Ok(()) }
    }

    /// Blink, so that somebody finds the machine
    #[vendor_method(http_methods = ["POST"], asynchronous = false)]
    async fn blink(&self, task: &DriverTask<WaywardInfo>, arguments: Map<String, Value>) -> Result<u64> {
        // What was validated is not looked at again.
        let seconds = arguments.get("seconds").and_then(Value::as_u64).unwrap_or(1);
        match machine::power(&self.shared, task).await {
            Err(_) if self.shared.breaks("VND-002") => Err(DriverError::unsupported("wayward cannot blink")),
            Err(error) => Err(error),
            Ok(_) if self.shared.breaks("VND-006") => Err(DriverError::hardware("the lamp is broken")),
            Ok(_) => Ok(seconds),
        }
    }
}
