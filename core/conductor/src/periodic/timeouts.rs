//! Nodes that wait too long for their agent.
//!
//! A heartbeat says that a node is still being worked on, so what counts is the time since the last one.
//!
//! Source: Ironic's conductor manager.

use std::time::Duration;

use farrier_model::node::Node;
use farrier_model::provision::{Event, ProvisionState};
use farrier_store::NodeFilter;
use jiff::Timestamp;
use tracing::warn;

use super::{NodePass, Outcome, Pass, WithoutDriver};
use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::operation::upkeep::Failure;
use crate::operation::{clean, deploy, inspect, kept_target, rescue, service};
use crate::steps::Flow;
use crate::task::{ExclusiveTask, Job, ProcessEvent};

/// What a node waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Deploy,
    Clean,
    Service,
    Rescue,
    Inspect,
}

impl Wait {
    const fn state(self) -> ProvisionState {
        match self {
            Self::Deploy => ProvisionState::DeployWait,
            Self::Clean => ProvisionState::CleanWait,
            Self::Service => ProvisionState::ServiceWait,
            Self::Rescue => ProvisionState::RescueWait,
            Self::Inspect => ProvisionState::InspectWait,
        }
    }

    /// How long it may wait; none: for ever.
    fn limit(self, config: &ConductorConfig) -> Option<Duration> {
        let seconds = match self {
            Self::Deploy => config.deploy_callback_timeout,
            Self::Clean => config.clean_callback_timeout,
            Self::Service => config.service_callback_timeout,
            Self::Rescue => config.rescue_callback_timeout,
            Self::Inspect => config.inspect_wait_timeout,
        };
        (0 < seconds).then(|| Duration::from_secs(seconds))
    }

    /// The field that says since when it waits.
    const fn sort_key(self) -> &'static str {
        match self {
            Self::Inspect => "inspection_started_at",
            Self::Deploy | Self::Clean | Self::Service | Self::Rescue => "provision_updated_at",
        }
    }

    /// Since when a node waits.
    fn since(self, node: &Node) -> Option<Timestamp> {
        match self {
            Self::Inspect => node.inspection_started_at,
            Self::Deploy | Self::Clean | Self::Service | Self::Rescue => node.provision_updated_at,
        }
    }

    /// Nodes that wait since before `time`.
    fn filter(self, time: Timestamp) -> NodeFilter {
        let filter = NodeFilter {
            provision_states: vec![self.state()],
            maintenance: Some(false),
            reserved: Some(false),
            ..NodeFilter::default()
        };
        match self {
            Self::Inspect => NodeFilter { inspection_started_before: Some(time), ..filter },
            Self::Deploy | Self::Clean | Self::Service | Self::Rescue => {
                NodeFilter { provision_updated_before: Some(time), ..filter }
            }
        }
    }

    /// What the node is left with.
    fn message(self, node: &Node) -> String {
        let uuid = node.uuid;
        let step = |flow: Flow| match flow.current(node) {
            Some(step) => format!(" Its step was `{}`.", step.id()),
            None => String::new(),
        };
        match self {
            Self::Deploy => format!("Timeout reached while waiting for callback for node {uuid}"),
            Self::Clean => {
                let step = step(Flow::Clean);
                format!("Timeout reached while cleaning node {uuid}: its agent has not called.{step}")
            }
            Self::Service => {
                let step = step(Flow::Service);
                format!("Timeout reached while servicing node {uuid}: its agent has not called.{step}")
            }
            Self::Rescue => {
                format!("Timeout reached while waiting for the rescue system of node {uuid} to call.")
            }
            Self::Inspect => format!("Timeout reached while inspecting node {uuid}: nothing was found."),
        }
    }

    /// Puts away what the operation prepared; the event has been processed.
    fn clean_up(self, message: String) -> Job {
        match self {
            Self::Deploy => Job::new("cleanup_after_timeout", move |task| {
                let failure = deploy::Failure { clean_up: true, process_fail: false };
                Box::pin(async move { Ok(deploy::fail(task, &message, failure).await?) })
            }),
            Self::Clean => Job::new("cleanup_cleanwait_timeout", move |task| {
                let failure = Failure { tear_down: true, process_fail: false, maintenance: None };
                Box::pin(async move { Ok(clean::fail(task, &message, failure).await?) })
            }),
            Self::Service => Job::new("cleanup_servicewait_timeout", move |task| {
                let failure = Failure { tear_down: true, process_fail: false, maintenance: None };
                Box::pin(async move { Ok(service::fail(task, &message, failure).await?) })
            }),
            Self::Rescue => Job::new("cleanup_rescuewait_timeout", move |task| {
                Box::pin(async move { Ok(rescue::clean_up(task, message).await?) })
            }),
            Self::Inspect => Job::new("cleanup_inspectwait_timeout", move |task| {
                Box::pin(async move { Ok(inspect::give_up(task, message).await?) })
            }),
        }
    }
}

/// Fails nodes that have waited too long.
pub(super) async fn run(pass: Pass, wait: Wait) -> Result<(), ConductorError> {
    run_at(&pass, wait, Timestamp::now()).await.map(drop)
}

/// Fails nodes that at `now` have waited too long, longest first; answers how many.
async fn run_at(pass: &Pass, wait: Wait, now: Timestamp) -> Result<usize, ConductorError> {
    let config = &pass.conductor.tasks().shared().config;
    let Some(limit) = wait.limit(config) else { return Ok(0) };
    // A limit that reaches beyond the beginning of time is never exceeded.
    let Ok(before) = now.checked_sub(limit) else { return Ok(0) };
    let nodes = NodePass {
        sort_key: wait.sort_key(),
        limit: Some(config.periodic_max_workers),
        // Whoever waits for a driver that is gone waits for ever.
        without_driver: WithoutDriver::Worked,
        ..NodePass::new("failing a node that waits too long", wait.filter(before))
    };
    nodes.run_exclusive(pass, async |task| expire(task, wait, before).await).await
}

/// Fails a node unless its agent has called meanwhile.
async fn expire(mut task: ExclusiveTask, wait: Wait, before: Timestamp) -> Result<Outcome, ConductorError> {
    let node = task.node();
    let overdue = wait.since(node).is_some_and(|since| since < before);
    if node.maintenance || node.provision_state != wait.state() || !overdue {
        task.finish().await?;
        return Ok(Outcome::Nothing);
    }
    // Failing and coming back would be as good as a heartbeat.
    let Ok(worker) = task.shared().workers.acquire() else {
        warn!(state = %wait.state(), "every worker is busy, nodes that wait too long are failed later");
        task.finish().await?;
        return Ok(Outcome::Stop);
    };
    let message = wait.message(node);
    let options = ProcessEvent {
        job: Some(wait.clean_up(message.clone())),
        target: kept_target(&task),
        last_error: Some(message),
        ..ProcessEvent::default()
    };
    if let Err(error) = task.process_event(Event::Fail, options).await {
        task.abandon().await;
        return Err(error);
    }
    task.finish_with(worker).await?;
    Ok(Outcome::Acted)
}

#[cfg(test)]
mod tests;
