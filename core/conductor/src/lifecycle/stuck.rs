//! States that did not survive the end of the conductor that worked on them.
//!
//! Source: Ironic's conductor manager.

use farrier_model::node::NodeId;
use farrier_model::provision::{Event, ProvisionState, STUCK_TREATED_AS_FAIL};
use farrier_sdk::error::Chain;
use farrier_store::{NodeFilter, Page};
use tracing::{error, info, warn};

use crate::error::ConductorError;
use crate::operation::{process, record_error, rescue};
use crate::service::Conductor;
use crate::task::{Acquire, ExclusiveTask};

/// What entries of the history about such states are called.
const EVENT_TYPE: &str = "transition";

/// Fails every node of this conductor on which somebody must be at work and nobody is, longest first; answers how
/// many.
///
/// Waiting states are left alone: their agents call, or they take too long.
///
/// # Errors
///
/// Those of the store, when it cannot even say which nodes there are.
pub(super) async fn fail_stuck(conductor: &Conductor) -> Result<usize, ConductorError> {
    let page = Page { sort_key: "provision_updated_at".to_owned(), ..Page::default() };
    let mut failed = 0;
    for &state in STUCK_TREATED_AS_FAIL {
        let filter =
            NodeFilter { provision_states: vec![state], reserved: Some(false), ..NodeFilter::default() };
        let mut nodes = conductor.store().node_brief_list(&filter, &page).await?;
        conductor.retain_mapped(&mut nodes).await?;
        for node in nodes {
            match fail(conductor, node.id, state).await {
                Ok(()) => failed += 1,
                Err(error) if error.is_node_locked() || error.is_node_not_found() => {
                    info!(node = %node.uuid, %error, "somebody else is at work on the node");
                }
                Err(error) => {
                    error!(node = %node.uuid, %state, error = %Chain(&error), "the node stays in its state");
                }
            }
        }
    }
    Ok(failed)
}

/// Fails one node. Its driver is not needed, and may be what is missing.
async fn fail(conductor: &Conductor, node: NodeId, state: ProvisionState) -> Result<(), ConductorError> {
    let acquire = Acquire::new("failing a state that nobody works in").without_driver();
    let mut task = conductor.tasks().acquire_exclusive(node, acquire).await?;
    let failed = fail_locked(&mut task, state).await;
    match failed {
        Ok(()) => task.finish().await,
        Err(error) => {
            task.abandon().await;
            Err(error)
        }
    }
}

async fn fail_locked(task: &mut ExclusiveTask, state: ProvisionState) -> Result<(), ConductorError> {
    if task.node().provision_state != state {
        return Ok(());
    }
    let host = &task.shared().host;
    let message = format!("The {state} state can't be resumed by conductor {host}. Moving to fail state.");
    warn!(node = %task.node().uuid, %state, "nobody works on the node any more");
    if state == ProvisionState::Rescuing {
        rescue::forget_password(task.node_mut());
    }
    record_error(task, message, EVENT_TYPE).await;
    process(task, Event::Fail).await
}

#[cfg(test)]
mod tests;
