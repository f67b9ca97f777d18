use farrier_sdk::prelude::*;

struct AcmeStorage;

#[interface(storage, name = "acme")]
impl StorageInterface for AcmeStorage {
    type Info = NoInfo;

    async fn attach_volume(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn detach_volumes(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn should_write_image(&self, _task: &DriverTask<NoInfo>) -> Result<bool> {
        Ok(true)
    }
}

fn main() {}
