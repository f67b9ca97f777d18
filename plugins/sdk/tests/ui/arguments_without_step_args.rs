use farrier_sdk::prelude::*;

struct AcmeVendor;

#[derive(serde::Deserialize)]
struct ResetArgs {
    /// Whether to reset even while the BMC is busy
    force: bool,
}

#[interface(vendor, name = "acme")]
impl VendorInterface for AcmeVendor {
    type Info = NoInfo;

    /// Reset the BMC
    #[step(clean)]
    async fn reset_bmc(&self, _task: &DriverTask<NoInfo>, args: ResetArgs) -> Result<()> {
        let _ = args.force;
        Ok(())
    }
}

fn main() {}
