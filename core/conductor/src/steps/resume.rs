//! Going on after a wait or a hold.

use farrier_model::node::Node;
use farrier_model::provision::Event;

use super::execute::{begin, execute};
use super::{Flow, agent_is_expected, contain, flag};
use crate::error::ConductorError;
use crate::operation::{self, abort, agent, facts, spawn_towards};
use crate::task::{ExclusiveTask, Job, JobError};

/// Goes on with the steps of a node that waits, after its current step is over: event `resume` and a job.
///
/// Where it was left is on the node: a step whose `skip` is false is run again, one with `abort_after` is the last.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]: the node does not wait; those of the store.
pub(crate) async fn resume(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    let target = operation::kept_target(task);
    spawn_towards(task, Event::Resume, target, name(flow), move |task| {
        Box::pin(contain(task, flow, move |task| {
            Box::pin(async move { go_on_after_call(task, flow).await.map_err(JobError::from) })
        }))
    })
    .await
}

/// Lets a node go on that was held: at once if no agent will call, otherwise with its next heartbeat.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]: the node is not held; those of the store.
pub(crate) async fn unhold(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let Some(flow) = Flow::of(task.node().provision_state) else {
        return operation::process(task, Event::Unhold).await;
    };
    if flow != Flow::Service && agent_is_expected(task.node(), flow) {
        return operation::process(task, Event::Unhold).await;
    }
    let target = operation::kept_target(task);
    spawn_towards(task, Event::Unhold, target, name(flow), move |task| {
        Box::pin(contain(task, flow, move |task| {
            Box::pin(async move {
                operation::process(task, Event::Resume).await?;
                go_on(task, flow).await.map_err(JobError::from)
            })
        }))
    })
    .await
}

/// What the job is called that goes on.
pub(super) const fn name(flow: Flow) -> &'static str {
    match flow {
        Flow::Clean => "continue_node_clean",
        Flow::Deploy => "continue_node_deploy",
        Flow::Service => "continue_node_service",
    }
}

/// As [`go_on`] because somebody says that the current step is over: reads what it may have changed of what is kept of
/// the machine, which its driver could not know when it was begun.
async fn go_on_after_call(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    if let Some(step) = flow.current(task.node())
        && !runs_again(task.node(), flow)
    {
        facts::refresh_after_step(task, step.interface).await;
    }
    go_on(task, flow).await
}

/// Runs what comes after the current step; the node is in the flow's working state again.
pub(super) async fn go_on(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    let Some(step) = flow.current(task.node()) else { return begin(task, flow).await };
    if step.abort_after {
        operation::process(task, Event::Fail).await?;
        return abort::clean_up(task, flow).await;
    }
    let next = next_index(task.node_mut(), flow);
    execute(task, flow, next).await
}

/// Whether the current step is run again instead of being over.
fn runs_again(node: &Node, flow: Flow) -> bool {
    flag(node, flow.keys().skip) == Some(false)
}

/// The place to go on at: after the current step, or at it when it is to be run again, which is forgotten then.
fn next_index(node: &mut Node, flow: Flow) -> usize {
    let again = runs_again(node, flow);
    let current = flow.index(node);
    agent::remove(node, &[flow.keys().skip]);
    match current {
        None => 0,
        Some(index) if again => index,
        Some(index) => index + 1,
    }
}

/// Goes on because somebody says that the current step is over: the agent, a driver.
///
/// A node that still works, because the step was over before its answer was heard, goes on without an event.
///
/// # Errors
///
/// [`ConductorError::WrongState`]: the node is not in this flow, or not at a step; those of the store.
pub(crate) async fn call_back(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    let (node, state) = (task.node().uuid, task.node().provision_state);
    if state == flow.waiting() {
        return resume(task, flow).await;
    }
    if flow == Flow::Clean || state != flow.working() {
        return Err(ConductorError::WrongState { node, what: "go on with its steps", state });
    }
    task.spawn_after(Job::new(name(flow), move |task| {
        Box::pin(contain(task, flow, move |task| {
            Box::pin(async move { go_on_after_call(task, flow).await.map_err(JobError::from) })
        }))
    }));
    Ok(())
}
