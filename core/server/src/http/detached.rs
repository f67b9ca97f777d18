//! Changes that go on when their client has gone.
//!
//! The future of a handler is dropped when its client disconnects. Mostly that is right: a read needs no reader, a
//! change that is one transaction is done or not done, and a task gives its lock back when it is dropped. What would
//! be left half done, in a machine or between the conductor's record and its job, is run to its end here.

use farrier_api::error::{ErrorName, Fault};
use farrier_conductor::error::ConductorError;
use farrier_conductor::service::Conductor;

use super::error::HttpError;

/// Runs `work` to its end, whoever waits for it; the conductor waits for it when it stops.
///
/// # Errors
///
/// Those of `work`; 503 when the process shuts down meanwhile.
pub(super) async fn to_its_end<T: Send + 'static>(
    conductor: &Conductor,
    work: impl Future<Output = Result<T, ConductorError>> + Send + 'static,
) -> Result<T, HttpError> {
    match conductor.detached(work).await {
        Ok(result) => result.map_err(HttpError::from),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Fault::new(ErrorName::TemporaryFailure, "The service is shutting down.").into()),
    }
}
