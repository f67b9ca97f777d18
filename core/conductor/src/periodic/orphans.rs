//! Nodes that a conductor held when it went away.
//!
//! Source: Ironic's conductor manager.

use std::sync::Arc;
use std::time::Duration;

use farrier_model::node::{Node, NodeId};
use farrier_model::provision::{Event, ProvisionState, STUCK_TREATED_AS_FAIL};
use farrier_sdk::error::Chain;
use farrier_store::{NodeFilter, Page, StoreError};
use tracing::{info, warn};

use super::Pass;
use crate::error::ConductorError;
use crate::operation::takeover::EVENT_TYPE;
use crate::operation::upkeep::Failure;
use crate::operation::{clean, kept_target, record_error, rescue, service};
use crate::task::{Acquire, ExclusiveTask, Job, ProcessEvent};

/// What a node is left with that was being worked on.
const OPERATION_ABORTED: &str = "Operation was aborted due to conductor take over";

/// What a node is left with whose power was being changed.
const POWER_ACTION_ABORTED: &str = "Pending power operation was aborted due to conductor take over";

/// Frees the nodes of conductors that are gone, and fails what they were doing to them.
pub(super) async fn run(pass: Pass) -> Result<(), ConductorError> {
    let gone = conductors_gone(&pass).await?;
    if gone.is_empty() {
        return Ok(());
    }
    let filter = NodeFilter { reserved_by: gone.clone(), ..NodeFilter::default() };
    let mut nodes = pass.conductor.store().node_brief_list(&filter, &Page::default()).await?;
    pass.conductor.retain_mapped(&mut nodes).await?;
    for node in nodes {
        if pass.stop.is_cancelled() {
            return Ok(());
        }
        match take(&pass, node.id, &gone).await {
            Ok(()) => {}
            Err(error) if error.is_node_not_found() || is_not_theirs(&error) => {
                info!(node = %node.uuid, %error, "somebody was quicker with the node of a conductor that is gone");
            }
            Err(error @ ConductorError::NoFreeConductorWorker { .. }) => {
                warn!(%error, "nodes of conductors that are gone are taken over later");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Names of conductors that cannot be counted on; never our own.
async fn conductors_gone(pass: &Pass) -> Result<Vec<String>, ConductorError> {
    let shared = pass.conductor.tasks().shared();
    let timeout = Duration::from_secs(shared.config.heartbeat_timeout);
    let mut gone = Vec::new();
    for conductor in shared.store.conductor_list().await? {
        if shared.store.conductor_is_alive(&conductor, timeout) {
            continue;
        }
        if conductor.hostname == shared.host {
            warn!(
                conductor = shared.host,
                "this conductor looks gone to others; does it write its heartbeats?"
            );
            continue;
        }
        gone.push(conductor.hostname);
    }
    Ok(gone)
}

/// Whether the lock is not any more what it was when we looked.
fn is_not_theirs(error: &ConductorError) -> bool {
    error.is_node_locked() || matches!(error, ConductorError::Store(StoreError::NodeNotLocked { .. }))
}

/// Frees a node, and fails what was being done to it.
///
/// What goes wrong leaves the node with the conductor that is gone: once it is free, nobody would find it again. So a
/// worker is taken before anything else, and the lock changes hands without being free in between. Only the lock that
/// was seen while its conductor was gone is taken: it may come back at any time, and lock the node anew.
async fn take(pass: &Pass, id: NodeId, gone: &[String]) -> Result<(), ConductorError> {
    let shared = pass.conductor.tasks().shared();
    let node = shared.store.node_get(id).await?;
    let Some(holder) = node.reservation.clone().filter(|holder| gone.contains(holder)) else { return Ok(()) };
    // After the node was read, so that this is the lock of one that was gone then.
    if !shared.is_gone(&holder).await? {
        info!(node = %node.uuid, %holder, "a conductor that was gone is back, the node stays with it");
        return Ok(());
    }
    if !is_unfinished(&node) {
        shared.store.node_release_since(id, &holder, node.reserved_at).await?;
        warn!(node = %node.uuid, %holder, "the lock of a conductor that is gone is released");
        return Ok(());
    }
    let worker = shared.workers.acquire()?;
    let acquire = Acquire::new("taking over from a conductor that is gone").without_driver();
    let mut task = ExclusiveTask::take_over(Arc::clone(shared), &node, acquire).await?;
    warn!(node = %node.uuid, %holder, "the lock of a conductor that is gone is taken over");
    match give_up(&mut task).await {
        Ok(()) => {
            task.settle();
            task.finish_with(worker).await
        }
        Err(error) => {
            task.abandon().await;
            Err(error)
        }
    }
}

/// Whether something was being done to the node that nobody will end. Nodes in maintenance are left as they are.
fn is_unfinished(node: &Node) -> bool {
    let under_way =
        STUCK_TREATED_AS_FAIL.contains(&node.provision_state) || node.target_power_state.is_some();
    under_way && !node.maintenance
}

/// Fails what was being done to the node.
async fn give_up(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    if !is_unfinished(task.node()) {
        return Ok(());
    }
    if let Some(pending) = task.node().target_power_state {
        warn!(node = %task.node().uuid, %pending, "a pending power action is given up");
        task.node_mut().target_power_state = None;
        record_error(task, POWER_ACTION_ABORTED, EVENT_TYPE).await;
        task.save().await?;
    }
    let state = task.node().provision_state;
    if !STUCK_TREATED_AS_FAIL.contains(&state) {
        return Ok(());
    }
    warn!(node = %task.node().uuid, %state, "an operation is given up");
    if state == ProvisionState::Rescuing {
        rescue::forget_password(task.node_mut());
    }
    record_error(task, OPERATION_ABORTED, EVENT_TYPE).await;
    let job = clean_up(state).filter(|_| match task.load_driver() {
        Ok(()) => true,
        Err(error) => {
            warn!(node = %task.node().uuid, error = %Chain(&error), "nothing is put away without a driver");
            false
        }
    });
    let options = ProcessEvent {
        job,
        error_handler: None,
        target: kept_target(task),
        last_error: Some(OPERATION_ABORTED.to_owned()),
        ..ProcessEvent::default()
    };
    task.process_event(Event::Fail, options).await
}

/// Puts away what an operation prepared; the event has been processed.
fn clean_up(state: ProvisionState) -> Option<Job> {
    if state == ProvisionState::Cleaning {
        return Some(Job::new("abort_on_conductor_take_over", |task| {
            let failure = Failure { tear_down: true, process_fail: false, maintenance: None };
            Box::pin(async move { Ok(clean::fail(task, OPERATION_ABORTED, failure).await?) })
        }));
    }
    (state == ProvisionState::Servicing).then(|| {
        Job::new("abort_on_conductor_take_over", |task| {
            let failure = Failure { tear_down: true, process_fail: false, maintenance: None };
            Box::pin(async move { Ok(service::fail(task, OPERATION_ABORTED, failure).await?) })
        })
    })
}

#[cfg(test)]
mod tests;
