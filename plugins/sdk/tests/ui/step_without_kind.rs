use farrier_sdk::prelude::*;

struct AcmeVendor;

#[interface(vendor, name = "acme")]
impl VendorInterface for AcmeVendor {
    type Info = NoInfo;

    /// Reset the BMC
    #[step(priority = 10)]
    async fn reset_bmc(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }
}

fn main() {}
