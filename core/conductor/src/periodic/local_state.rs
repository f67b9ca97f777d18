//! Nodes in use that another conductor prepared, and that are ours now.
//!
//! Source: Ironic's conductor manager.

use farrier_model::provision::ProvisionState;
use farrier_store::NodeFilter;

use super::{NodePass, Outcome, Pass};
use crate::error::ConductorError;
use crate::operation::takeover;
use crate::task::{ExclusiveTask, Job};

/// Takes over the nodes in use that name another conductor, or none.
pub(super) async fn run(pass: Pass) -> Result<(), ConductorError> {
    let shared = pass.conductor.tasks().shared();
    let ours = shared.store.conductor_get(&shared.host).await?.id;
    let filter = NodeFilter {
        provision_states: vec![ProvisionState::Active],
        maintenance: Some(false),
        reserved: Some(false),
        conductor_affinity_other_than: Some(ours),
        ..NodeFilter::default()
    };
    let nodes = NodePass {
        limit: Some(shared.config.periodic_max_workers),
        ..NodePass::new("taking over a node in use", filter)
    };
    nodes.run_exclusive(&pass, async |task| take_over(task, ours).await).await.map(drop)
}

/// Leaves the takeover of one node to a job.
async fn take_over(mut task: ExclusiveTask, ours: i64) -> Result<Outcome, ConductorError> {
    let node = task.node();
    let wanted = node.provision_state == ProvisionState::Active
        && !node.maintenance
        && node.conductor_affinity != Some(ours);
    if !wanted {
        task.finish().await?;
        return Ok(Outcome::Nothing);
    }
    task.spawn_after(Job::new("do_takeover", |task| {
        Box::pin(async move { Ok(takeover::take_over(task).await?) })
    }));
    match task.finish().await {
        Ok(()) => Ok(Outcome::Acted),
        Err(ConductorError::NoFreeConductorWorker { .. }) => Ok(Outcome::Stop),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
