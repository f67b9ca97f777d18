//! How many nodes may be worked on at once.
//!
//! Whether there is room is looked at twice: [`check`] refuses before anything else is looked at, [`spawn`] counts
//! and takes the place in one, so that of many requests at one moment, on any conductor, no more get through.
//!
//! Source: Ironic's conductor manager.

use farrier_model::provision::{Event, ProvisionState};
use farrier_store::{Admission, StoreError};

use super::in_a_job;
use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::task::{ExclusiveTask, JobFuture, ProcessEvent};

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

    /// What is done to the nodes, as a participle.
    const fn what(self) -> &'static str {
        match self {
            Self::Deploy => "deployed",
            Self::Clean => "cleaned",
        }
    }

    const fn most(self, config: &ConductorConfig) -> u32 {
        match self {
            Self::Deploy => config.max_concurrent_deploy,
            Self::Clean => config.max_concurrent_clean,
        }
    }

    fn admission(self, task: &ExclusiveTask) -> Admission {
        let config = &task.shared().config;
        Admission {
            states: self.states().to_vec(),
            conductor_group: config
                .max_concurrent_per_conductor_group
                .then(|| task.node().conductor_group.clone()),
            most: self.most(config),
        }
    }

    const fn reached(self, running: i64, limit: u32) -> ConductorError {
        ConductorError::ConcurrentActionLimit { what: self.what(), running, limit }
    }
}

/// Refuses another node when as many as allowed are being worked on.
///
/// # Errors
///
/// [`ConductorError::ConcurrentActionLimit`]; those of the store.
pub(crate) async fn check(task: &ExclusiveTask, limit: Limit) -> Result<(), ConductorError> {
    let admission = limit.admission(task);
    let running = task.shared().store.node_count(&admission.filter()).await?;
    if i64::from(admission.most) <= running {
        return Err(limit.reached(running, admission.most));
    }
    Ok(())
}

/// As [`spawn_towards`](super::spawn_towards), unless the last place was taken meanwhile.
///
/// # Errors
///
/// [`ConductorError::ConcurrentActionLimit`]: nothing has changed, and what was not saved is forgotten; those of the
/// state machine and of the store.
pub(crate) async fn spawn(
    task: &mut ExclusiveTask,
    limit: Limit,
    event: Event,
    target: Option<ProvisionState>,
    name: &'static str,
    job: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send + Sync + 'static,
) -> Result<(), ConductorError> {
    let options = ProcessEvent { admission: Some(limit.admission(task)), ..in_a_job(target, name, job) };
    match task.process_event(event, options).await {
        Err(ConductorError::Store(StoreError::LimitReached { running, most })) => {
            task.forget_unsaved()?;
            Err(limit.reached(running, most))
        }
        other => other,
    }
}
