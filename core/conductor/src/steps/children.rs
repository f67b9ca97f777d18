//! Steps that run on the children of a node.

use std::sync::Arc;

use farrier_model::node::Node;
use farrier_model::step::{Step, StepKind};
use farrier_sdk::step::StepOutcome;
use farrier_store::{Children, NodeFilter, Page};

use super::execute::{call_step, power_step};
use crate::error::ConductorError;
use crate::task::{Acquire, ExclusiveTask, TaskManager};

/// Runs `step` on the children it names, or on all, one after the other, each under its own lock.
///
/// # Errors
///
/// Names the child. A child that goes on by itself is an error unless the operator permits it.
pub(super) async fn run(task: &mut ExclusiveTask, kind: StepKind, step: &Step) -> Result<(), ConductorError> {
    let tasks = TaskManager { shared: Arc::clone(task.shared()) };
    for child in children(task, step).await? {
        let acquire = Acquire { context: task.context().clone(), ..Acquire::new("step of the parent node") };
        let mut child = tasks.acquire_exclusive(child.id, acquire).await?;
        match run_on(&mut child, kind, step).await {
            Ok(()) => child.finish().await?,
            Err(error) => {
                child.abandon().await;
                return Err(error);
            }
        }
    }
    Ok(())
}

async fn children(task: &ExclusiveTask, step: &Step) -> Result<Vec<Node>, ConductorError> {
    let parent = task.node().uuid;
    let filter = NodeFilter { children: Children::Of(parent), ..NodeFilter::default() };
    let all = task.shared().store.node_list(&filter, &Page::default()).await?;
    if step.limit_child_node_execution.is_empty() {
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for name in &step.limit_child_node_execution {
        let child = all.iter().find(|child| child.uuid.to_string() == name.to_ascii_lowercase());
        let child = child.ok_or_else(|| {
            ConductorError::invalid_parameter(format!("node {name} is not a child of node {parent}"))
        })?;
        chosen.push(child.clone());
    }
    Ok(chosen)
}

async fn run_on(child: &mut ExclusiveTask, kind: StepKind, step: &Step) -> Result<(), ConductorError> {
    if let Some(reserved) = step.reserved() {
        return power_step(child, reserved).await;
    }
    let outcome = call_step(child, kind, step).await;
    child.save().await?;
    match outcome? {
        StepOutcome::Done => Ok(()),
        StepOutcome::Wait { .. } if child.shared().config.permit_child_node_step_async_result => Ok(()),
        StepOutcome::Wait { .. } => Err(ConductorError::invalid_parameter(format!(
            "step {} on child node {} goes on by itself, which only \
             `permit_child_node_step_async_result` allows",
            step.id(),
            child.node().uuid
        ))),
    }
}
