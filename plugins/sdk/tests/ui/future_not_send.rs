use std::rc::Rc;

use farrier_sdk::prelude::*;

struct AcmeVendor;

#[interface(vendor, name = "acme")]
impl VendorInterface for AcmeVendor {
    type Info = NoInfo;

    async fn validate(
        &self,
        task: &DriverTask<NoInfo>,
        _method: Option<String>,
        _arguments: Map<String, Value>,
    ) -> Result<()> {
        let shared = Rc::new(1);
        task.progress(50, "checking").await?;
        drop(shared);
        Ok(())
    }
}

fn main() {}
