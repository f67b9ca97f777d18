//! A console that nobody can reach.

use farrier_sdk::prelude::*;

/// Starts and stops; has no address. It has no delay either.
pub(crate) struct FakeConsole;

#[interface(console, name = "fake")]
impl ConsoleInterface for FakeConsole {
    type Info = NoInfo;

    async fn start_console(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn stop_console(&self, _task: &DriverTask<NoInfo>) -> Result<()> {
        Ok(())
    }

    async fn get_console(&self, _task: &DriverTask<NoInfo>) -> Result<Option<ConsoleInfo>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;

    use super::*;

    #[test]
    fn a_started_console_has_no_address() {
        let task = testing::task(json!({})).unwrap();

        task.block_on(FakeConsole.start_console(&task)).unwrap();

        assert_eq!(task.block_on(FakeConsole.get_console(&task)), Ok(None));
    }
}
