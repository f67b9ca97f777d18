//! How many nodes may be worked on at once.
//!
//! Requests of one moment are not kept apart, so that a few more may get through.
//!
//! Source: Ironic's conductor manager.

use farrier_model::provision::ProvisionState;
use farrier_store::NodeFilter;

use crate::error::ConductorError;
use crate::task::ExclusiveTask;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `max_concurrent_deploy`.
    Deploy,
    /// `max_concurrent_clean`.
    Clean,
}

impl Limit {
    const fn states(self) -> &'static [ProvisionState] {
        match self {
            Self::Deploy => &[ProvisionState::Deploying, ProvisionState::DeployWait],
            Self::Clean => &[ProvisionState::Deleting, ProvisionState::Cleaning, ProvisionState::CleanWait],
        }
    }
}

/// Refuses another node when as many as allowed are being worked on.
///
/// # Errors
///
/// [`ConductorError::ConcurrentActionLimit`]; those of the store.
pub(crate) async fn check(task: &ExclusiveTask, limit: Limit) -> Result<(), ConductorError> {
    let config = &task.shared().config;
    let (what, most) = match limit {
        Limit::Deploy => ("deployed", config.max_concurrent_deploy),
        Limit::Clean => ("cleaned", config.max_concurrent_clean),
    };
    let group = config.max_concurrent_per_conductor_group.then(|| task.node().conductor_group.clone());
    let filter = NodeFilter {
        provision_states: limit.states().to_vec(),
        conductor_group: group,
        ..NodeFilter::default()
    };
    let running = task.shared().store.node_count(&filter).await?;
    if i64::from(most) <= running {
        return Err(ConductorError::ConcurrentActionLimit { what, running, limit: most });
    }
    Ok(())
}
