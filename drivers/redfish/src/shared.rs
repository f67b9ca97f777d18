//! What all implementations of the plugin share.

use farrier_sdk::prelude::*;
use tokio::time::Instant;

use crate::client::operation::Operation;
use crate::client::pool::Pool;
use crate::client::tls::{TlsError, Verify};
use crate::driver_info::RedfishInfo;
use crate::options::RedfishOptions;

/// Limit of an operation that only reads.
pub(crate) const READ_LIMIT: Duration = Duration::from_secs(120);

/// Limit of an operation that changes something, waits for the machine apart.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_secs(300);

/// An operation ends this long before its call, so that its error still arrives.
const ERROR_TIME: Duration = Duration::from_millis(500);

/// Clients and options.
#[derive(Debug)]
pub struct Shared {
    pool: Pool,
    options: RedfishOptions,
}

impl Shared {
    /// Starts without any client; they are made when first needed.
    ///
    /// # Errors
    ///
    /// None today.
    pub fn start(options: RedfishOptions) -> Result<Self> {
        Ok(Self { pool: Pool::new(options.tuning()), options })
    }

    /// Logs out of all BMCs, at most for five seconds.
    pub async fn close(&self, patience: Duration) {
        self.pool.close(patience).await;
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &RedfishOptions {
        &self.options
    }

    /// Starts an operation on the BMC of the task's node.
    pub(crate) async fn operation(
        &self,
        task: &DriverTask<RedfishInfo>,
        name: &'static str,
        limit: Duration,
    ) -> Result<Operation> {
        let account = task.info().account(task, &self.options).await?;
        let unchecked = account.verify == Verify::Nothing;
        let address = account.address.to_string();
        let call_ends =
            task.time_left().map(|left| Instant::now() + left.saturating_sub(ERROR_TIME.min(left / 10)));
        let operation = self.pool.operation(&task.node().uuid, account, name, limit, call_ends);
        let (operation, new) = operation.map_err(|error| tls_error(&error))?;
        if new && unchecked && address.starts_with("https") {
            warn!(node = task.node().uuid, bmc = address, "the certificate of the BMC is not checked");
        }
        Ok(operation)
    }
}

fn tls_error(error: &TlsError) -> DriverError {
    DriverError::invalid_parameter("`redfish_verify_ca`: no connection can be made").caused_by(error)
}
