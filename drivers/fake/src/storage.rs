//! Remote volumes that are not there.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// Attaches nothing, so that an image is always written.
pub(crate) struct FakeStorage {
    delay: Delay,
}

impl FakeStorage {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.storage }
    }
}

#[interface(storage, name = "fake")]
impl StorageInterface for FakeStorage {
    type Info = NoInfo;

    async fn attach_volumes(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.delay.pass(task).await
    }

    async fn detach_volumes(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.delay.pass(task).await
    }

    async fn should_write_image(&self, task: &DriverTask<NoInfo>) -> Result<bool> {
        self.delay.pass(task).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    #[test]
    fn an_image_is_written_even_after_volumes_were_attached() {
        let storage = FakeStorage { delay: Delay::NONE };
        let task = testing::task(json!({})).unwrap();

        task.block_on(storage.attach_volumes(&task)).unwrap();

        assert_eq!(task.block_on(storage.should_write_image(&task)), Ok(true));
    }
}
