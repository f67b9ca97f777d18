//! Going on without anybody's call.
//!
//! Some steps end without an agent that could tell: a BMC that updates its firmware is asked from time to time
//! whether it is done. A driver that answers `Wait` with a time is asked again after it: the same step is called
//! with the same arguments, until it answers `Done`. What it needs to know of its progress it keeps in
//! `driver_internal_info`. The same way a pause of some seconds ends, and inspections and rescues are asked.
//!
//! - When to ask is on the node, so that nothing is lost when a conductor ends: [`sweep`] finds it again.
//! - The node is not locked in between, and does not leave its waiting state before the step is over.
//! - Meanwhile the agent's heartbeats do not end the step.
//! - An answer is a sign of life, as a heartbeat is: the time-out of the waiting state begins anew, except that of
//!   inspections, which counts from their beginning. An error that may pass is not the end, and no sign of life
//!   either.

use std::sync::Arc;
use std::time::Duration;

use farrier_model::node::{Node, NodeId};
use farrier_model::provision::{Event, ProvisionState};
use farrier_sdk::error::Chain;
use farrier_sdk::step::StepOutcome;
use farrier_store::{NodeFilter, Page, StoreError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::{debug, warn};

use super::execute::{call_step, failed};
use super::resume::{go_on, name};
use super::{Flow, agent, contain, flag};
use crate::error::ConductorError;
use crate::operation::{self, inspect, rescue};
use crate::service::Conductor;
use crate::task::{Acquire, ExclusiveTask, Job, JobError, JobFuture, Shared, TaskManager};

/// Shortest and longest time between two questions: a BMC is not flooded, and not forgotten.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// How often a busy node, or a conductor without a free worker, is tried before the next sweep has to.
const ATTEMPTS_MAX: u32 = 30;

/// Pause between such tries.
const ATTEMPT_PAUSE: Duration = Duration::from_secs(1);

/// How late the conductor that armed it may be before others believe that it is gone.
const GRACE: Duration = Duration::from_secs(5);

/// What is asked again whether it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    /// The current step of a list, or its preparation.
    Steps(Flow),
    /// An inspection.
    Inspection,
    /// The boot of the rescue system.
    Rescue,
}

impl From<Flow> for Asked {
    fn from(flow: Flow) -> Self {
        Self::Steps(flow)
    }
}

impl Asked {
    const ALL: [Self; 5] = [
        Self::Steps(Flow::Clean),
        Self::Steps(Flow::Deploy),
        Self::Steps(Flow::Service),
        Self::Inspection,
        Self::Rescue,
    ];

    /// The state in which nodes wait.
    const fn waiting(self) -> ProvisionState {
        match self {
            Self::Steps(flow) => flow.waiting(),
            Self::Inspection => ProvisionState::InspectWait,
            Self::Rescue => ProvisionState::RescueWait,
        }
    }

    /// Where it is said when to ask, in `driver_internal_info`.
    const fn key(self) -> &'static str {
        match self {
            Self::Steps(flow) => flow.keys().wake,
            Self::Inspection => "inspection_wake",
            Self::Rescue => "rescue_wake",
        }
    }

    /// Where it is said that heartbeats mean nothing.
    const fn polling_key(self) -> &'static str {
        match self {
            Self::Steps(flow) => flow.keys().polling,
            Self::Inspection => "inspection_polling",
            Self::Rescue => "rescue_polling",
        }
    }

    /// What the job is called that asks.
    const fn job(self) -> &'static str {
        match self {
            Self::Steps(flow) => name(flow),
            Self::Inspection => "continue_inspection",
            Self::Rescue => "continue_node_rescue",
        }
    }
}

/// What happens when the time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// The current step, or the preparation if there is none, is asked again whether it is over.
    Again,
    /// The current step is over.
    Next,
}

/// When the conductor goes on with a node, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wake {
    at: Timestamp,
    pause_ms: u64,
    what: What,
}

impl Wake {
    fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_ms)
    }

    /// How long it is until then.
    fn left(&self) -> Duration {
        Duration::try_from(self.at.duration_since(Timestamp::now())).unwrap_or_default()
    }

    /// Whether somebody should have come and did not.
    fn is_overdue(&self) -> bool {
        Duration::try_from(Timestamp::now().duration_since(self.at)).is_ok_and(|late| GRACE <= late)
    }
}

/// Lets a node wait until it is asked again; without a time, for somebody's call.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]; those of the store.
pub(crate) async fn wait(
    task: &mut ExclusiveTask,
    asked: impl Into<Asked>,
    wake: Option<(Duration, What)>,
) -> Result<(), ConductorError> {
    let asked = asked.into();
    let armed = wake.map(|(pause, what)| arm(task.node_mut(), asked, pause, what));
    operation::process(task, Event::Wait).await?;
    if let Some(wake) = armed {
        schedule(task.shared(), task.node().id, asked, wake);
    }
    Ok(())
}

/// Notes on the node when to go on; [`schedule`] follows when that is saved.
fn arm(node: &mut Node, asked: Asked, pause: Duration, what: What) -> Wake {
    let pause = if what == What::Again { pause.clamp(PAUSE_MIN, PAUSE_MAX) } else { pause };
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let at = Timestamp::now().checked_add(pause).unwrap_or(Timestamp::MAX);
    let wake = Wake { at, pause_ms, what };
    node.driver_internal_info.insert(asked.key().to_owned(), json!(wake));
    node.driver_internal_info.insert(asked.polling_key().to_owned(), json!(true));
    wake
}

/// When the conductor goes on with a node by itself; none when somebody else lets it go on.
pub(crate) fn of(node: &Node, asked: impl Into<Asked>) -> Option<Wake> {
    let wake = node.driver_internal_info.get(asked.into().key())?;
    serde_json::from_value(wake.clone()).ok()
}

/// Whether the conductor asks by itself, so that heartbeats mean nothing.
pub(crate) fn is_polling(node: &Node, asked: impl Into<Asked>) -> bool {
    flag(node, asked.into().polling_key()) == Some(true)
}

/// Forgets that a node was to be asked.
pub(crate) fn disarm(node: &mut Node, asked: impl Into<Asked>) {
    let asked = asked.into();
    agent::remove(node, &[asked.key(), asked.polling_key()]);
}

/// Goes on when the time has come, unless somebody was quicker or the conductor stops before.
fn schedule(shared: &Arc<Shared>, node: NodeId, asked: Asked, wake: Wake) {
    let (shared, workers) = (Arc::clone(shared), shared.workers.clone());
    workers.spawn_cleanup(async move {
        let stop = shared.workers.stopping().clone();
        let come = async {
            tokio::time::sleep(wake.left()).await;
            for _ in 0..ATTEMPTS_MAX {
                match fire(&shared, node, asked, &wake).await {
                    Ok(()) => return,
                    Err(error) if may_pass(&error) => tokio::time::sleep(ATTEMPT_PAUSE).await,
                    Err(error) if error.is_node_not_found() => return,
                    Err(error) => {
                        warn!(node = %node, error = %Chain(&error), "a node could not be asked again");
                        return;
                    }
                }
            }
        };
        tokio::select! {
            () = come => {}
            () = stop.cancelled() => {}
        }
    });
}

/// Whether the node or a worker may be free a moment later.
fn may_pass(error: &ConductorError) -> bool {
    error.is_node_locked()
        || matches!(
            error,
            ConductorError::NoFreeConductorWorker { .. } | ConductorError::Store(StoreError::Busy { .. })
        )
}

/// Takes the lock and starts the job, if the node still waits for just this.
pub(super) async fn fire(
    shared: &Arc<Shared>,
    node: NodeId,
    asked: impl Into<Asked>,
    wake: &Wake,
) -> Result<(), ConductorError> {
    let asked = asked.into();
    let now = shared.store.node_get(node).await?;
    if !is_wanted(shared, &now, asked, wake) {
        if waits_for(&now, asked, wake) {
            // The time-out of the waiting state does not run while the node may not go on.
            shared.store.node_touch_provisioning(node).await?;
        }
        return Ok(());
    }
    let tasks = TaskManager { shared: Arc::clone(shared) };
    let mut task = tasks.acquire_exclusive(node, Acquire::new("asking again")).await?;
    if !is_wanted(shared, task.node(), asked, wake) {
        return task.finish().await;
    }
    let (wake, allowed) = (wake.clone(), is_allowed(shared, task.node(), asked));
    task.spawn_after(Job::new(asked.job(), move |task| match asked {
        Asked::Steps(flow) => ask_steps(task, flow, wake, allowed),
        Asked::Inspection => Box::pin(inspect::ask_again(task, wake.pause())),
        Asked::Rescue => Box::pin(rescue::ask_again(task, wake.pause(), allowed)),
    }));
    task.finish().await
}

fn ask_steps(task: &mut ExclusiveTask, flow: Flow, wake: Wake, allowed: bool) -> JobFuture<'_> {
    Box::pin(contain(task, flow, move |task| {
        Box::pin(async move {
            let woken = if allowed { wake_up(task, flow, &wake).await } else { give_up(task, flow).await };
            woken.map_err(JobError::from)
        })
    }))
}

/// Whether a node waits for this and nobody has come. One in maintenance waits until that ends, or is given up.
fn is_wanted(shared: &Shared, node: &Node, asked: Asked, wake: &Wake) -> bool {
    let pauses = node.maintenance && is_allowed(shared, node, asked);
    waits_for(node, asked, wake) && !pauses
}

/// Whether a node waits for just this.
fn waits_for(node: &Node, asked: Asked, wake: &Wake) -> bool {
    node.provision_state == asked.waiting() && of(node, asked).as_ref() == Some(wake)
}

/// Whether the node may go on with what it does, now or after its maintenance. Nothing ends an inspection.
fn is_allowed(shared: &Shared, node: &Node, asked: Asked) -> bool {
    !node.maintenance || shared.config.allow_provisioning_in_maintenance || asked == Asked::Inspection
}

async fn give_up(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    let message =
        format!("Node {} is in maintenance, so its {} steps do not go on", task.node().uuid, flow.kind());
    flow.fail(task, &message).await
}

async fn wake_up(task: &mut ExclusiveTask, flow: Flow, wake: &Wake) -> Result<(), ConductorError> {
    match wake.what {
        What::Next => over(task, flow).await,
        What::Again => ask(task, flow, wake.pause()).await,
    }
}

/// The current step is over: goes on.
async fn over(task: &mut ExclusiveTask, flow: Flow) -> Result<(), ConductorError> {
    disarm(task.node_mut(), flow);
    operation::process(task, Event::Resume).await?;
    go_on(task, flow).await
}

/// Asks the current step, or the preparation, whether it is over.
async fn ask(task: &mut ExclusiveTask, flow: Flow, pause: Duration) -> Result<(), ConductorError> {
    let step = flow.current(task.node());
    let answer = match &step {
        Some(step) => call_step(task, flow.kind(), step).await,
        None => flow.prepare(task).await,
    };
    // What the driver has saved meanwhile is on the node from here on.
    task.save().await?;
    match answer {
        Ok(StepOutcome::Done) => over(task, flow).await,
        Ok(StepOutcome::Wait { poll_after_ms: Some(pause) }) => {
            task.shared().store.node_touch_provisioning(task.node().id).await?;
            ask_later(task, flow, Duration::from_millis(pause)).await
        }
        Ok(StepOutcome::Wait { poll_after_ms: None }) => {
            disarm(task.node_mut(), flow);
            task.save().await
        }
        Err(error) if is_retryable(&error) => {
            warn!(node = %task.node().uuid, error = %Chain(&error), "a step could not tell whether it is over, asking later");
            ask_later(task, flow, pause).await
        }
        Err(error) => match step {
            Some(step) => failed(task, flow, &step, &error).await,
            None => Err(error),
        },
    }
}

/// Lets a node wait on until it is asked again.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn ask_later(
    task: &mut ExclusiveTask,
    asked: impl Into<Asked>,
    pause: Duration,
) -> Result<(), ConductorError> {
    let asked = asked.into();
    let wake = arm(task.node_mut(), asked, pause, What::Again);
    task.save().await?;
    schedule(task.shared(), task.node().id, asked, wake);
    Ok(())
}

/// Whether an error may pass, so that asking later is worth it.
pub(crate) fn is_retryable(error: &ConductorError) -> bool {
    matches!(error, ConductorError::Driver { source, .. } if source.is_retryable())
}

/// Which nodes a sweep takes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweep {
    /// All of this conductor: nobody has come for them since its start.
    All,
    /// Those that somebody should have come for: their conductor is gone, or they were in maintenance.
    Overdue,
}

/// Takes up nodes that wait for this conductor to go on by itself.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn sweep(conductor: &Conductor, which: Sweep) -> Result<(), ConductorError> {
    let shared = conductor.tasks().shared();
    for asked in Asked::ALL {
        let filter = NodeFilter {
            provision_states: vec![asked.waiting()],
            reserved: Some(false),
            ..NodeFilter::default()
        };
        for node in shared.store.node_list(&filter, &Page::default()).await? {
            let Some(wake) = of(&node, asked) else { continue };
            let ours = conductor.owner_of(&node).is_some_and(|owner| owner == shared.host);
            if ours && (which == Sweep::All || wake.is_overdue()) {
                debug!(node = %node.uuid, state = %asked.waiting(), "a node that waits is taken up");
                schedule(shared, node.id, asked, wake);
            }
        }
    }
    Ok(())
}
