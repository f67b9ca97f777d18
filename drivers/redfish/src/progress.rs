//! Where a step stands that outlives its call: kept in the node, found again by any conductor.

use farrier_sdk::prelude::*;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// States in which a step begins. It is asked again in a waiting state: what is kept in one of these is of a step that
/// was given up.
///
/// Source: Ironic, states.
const BEGINNINGS: [&str; 3] = ["cleaning", "deploying", "servicing"];

/// Reads where a step stands; `None` when it has not begun, or what is there is not ours.
pub(crate) async fn load<I, T: DeserializeOwned>(task: &DriverTask<I>, key: &str) -> Result<Option<T>> {
    let node = task.refresh().await?;
    if BEGINNINGS.contains(&node.provision_state.as_str()) {
        return Ok(None);
    }
    let saved = node.driver_internal_info.get(key).cloned();
    Ok(saved.and_then(|saved| serde_json::from_value(saved).ok()))
}

/// Keeps where a step stands.
pub(crate) async fn save<I, T: Serialize + Sync>(
    task: &DriverTask<I>,
    key: &str,
    progress: &T,
) -> Result<()> {
    let value = serde_json::to_value(progress)
        .map_err(|error| DriverError::internal("the progress of a step cannot be saved").caused_by(&error))?;
    task.save_internal_info(|info| {
        info.insert(key.to_owned(), value.clone());
    })
    .await
}

/// Forgets a step that is over.
pub(crate) async fn clear<I>(task: &DriverTask<I>, key: &str) -> Result<()> {
    task.save_internal_info(|info| {
        info.remove(key);
    })
    .await
}

/// Now, in seconds: what two conductors can compare.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Whether something that began at `since` has lasted longer than `limit`.
pub(crate) fn is_over(since: i64, limit: Duration) -> bool {
    let passed = now().saturating_sub(since);
    u64::try_from(passed).is_ok_and(|passed| limit.as_secs() < passed || limit.is_zero())
}
