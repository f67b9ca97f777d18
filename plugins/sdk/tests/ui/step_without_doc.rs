use farrier_sdk::prelude::*;

struct AcmeDeploy;

#[interface(management, name = "acme")]
impl ManagementInterface for AcmeDeploy {
    type Info = NoInfo;

    #[step(clean, priority = 10)]
    async fn reset_bmc(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }
}

fn main() {}
