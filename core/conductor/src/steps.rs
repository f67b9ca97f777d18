//! Running steps one after the other: cleaning, deployment and service.
//!
//! The list and the place in it are on the node, so that any conductor can go on after a wait:
//!
//! ```text
//! execute ──► step ──► done ──► next step ... ──► finish
//!               ├────► waits ──► event `wait` ──► heartbeat, or the time to ask again ──► resume ──► execute
//!               ├────► holds ──► event `hold` ──► unhold ──► resume ──► execute
//!               └────► fails ──► the operation's own handling of failures
//! ```
//!
//! Source: Ironic's conductor steps.

use farrier_model::node::{Fields, Node};
use farrier_model::provision::ProvisionState;
use farrier_model::step::{Step, StepKind};
use serde_json::Value;

use crate::error::ConductorError;
use crate::operation::agent::remove;
use crate::task::ExclusiveTask;

/// An operation that is a list of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flow {
    Clean,
    Deploy,
    Service,
}

/// Where a flow keeps what it needs to go on, in `driver_internal_info`.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The steps to run.
    pub(crate) steps: &'static str,
    /// The steps a client gave, as it gave them.
    pub(crate) requested: &'static str,
    /// The index of the step that is running.
    pub(crate) index: &'static str,
    /// Whether the step is over when the node goes on; false runs it again.
    pub(crate) skip: &'static str,
    /// Whether we rebooted the machine inside the step.
    pub(crate) reboot: &'static str,
    /// Whether somebody asks for the step's end by himself, so that heartbeats mean nothing.
    pub(crate) polling: &'static str,
    /// When the conductor goes on by itself.
    pub(crate) wake: &'static str,
    /// Whether the agent is not used.
    pub(crate) disable_ramdisk: &'static str,
    /// What the agent can do.
    pub(crate) agent_steps: &'static str,
}

const CLEAN: Keys = Keys {
    steps: "clean_steps",
    requested: "user_clean_steps",
    index: "clean_step_index",
    skip: "skip_current_clean_step",
    reboot: "cleaning_reboot",
    polling: "cleaning_polling",
    wake: "cleaning_wake",
    disable_ramdisk: "cleaning_disable_ramdisk",
    agent_steps: "agent_cached_clean_steps",
};

const DEPLOY: Keys = Keys {
    steps: "deploy_steps",
    requested: "user_deploy_steps",
    index: "deploy_step_index",
    skip: "skip_current_deploy_step",
    reboot: "deployment_reboot",
    polling: "deployment_polling",
    wake: "deployment_wake",
    disable_ramdisk: "deployment_disable_ramdisk",
    agent_steps: "agent_cached_deploy_steps",
};

const SERVICE: Keys = Keys {
    steps: "service_steps",
    requested: "user_service_steps",
    index: "service_step_index",
    skip: "skip_current_service_step",
    reboot: "servicing_reboot",
    polling: "servicing_polling",
    wake: "servicing_wake",
    disable_ramdisk: "service_disable_ramdisk",
    agent_steps: "agent_cached_service_steps",
};

impl Flow {
    pub(crate) const ALL: [Self; 3] = [Self::Clean, Self::Deploy, Self::Service];

    pub(crate) const fn keys(self) -> &'static Keys {
        match self {
            Self::Clean => &CLEAN,
            Self::Deploy => &DEPLOY,
            Self::Service => &SERVICE,
        }
    }

    pub(crate) const fn kind(self) -> StepKind {
        match self {
            Self::Clean => StepKind::Clean,
            Self::Deploy => StepKind::Deploy,
            Self::Service => StepKind::Service,
        }
    }

    /// The state in which its steps run.
    pub(crate) const fn working(self) -> ProvisionState {
        match self {
            Self::Clean => ProvisionState::Cleaning,
            Self::Deploy => ProvisionState::Deploying,
            Self::Service => ProvisionState::Servicing,
        }
    }

    /// The state in which a step waits.
    pub(crate) const fn waiting(self) -> ProvisionState {
        match self {
            Self::Clean => ProvisionState::CleanWait,
            Self::Deploy => ProvisionState::DeployWait,
            Self::Service => ProvisionState::ServiceWait,
        }
    }

    /// The state in which it waits for an operator.
    pub(crate) const fn holding(self) -> ProvisionState {
        match self {
            Self::Clean => ProvisionState::CleanHold,
            Self::Deploy => ProvisionState::DeployHold,
            Self::Service => ProvisionState::ServiceHold,
        }
    }

    /// The flow of a node that is in one of its three states.
    pub(crate) fn of(state: ProvisionState) -> Option<Self> {
        Self::ALL.into_iter().find(|flow| [flow.working(), flow.waiting(), flow.holding()].contains(&state))
    }

    /// The step that is running, as the node keeps it; empty when there is none.
    pub(crate) fn current_fields(self, node: &mut Node) -> &mut Fields {
        match self {
            Self::Clean => &mut node.clean_step,
            Self::Deploy => &mut node.deploy_step,
            Self::Service => &mut node.service_step,
        }
    }

    /// The step that is running or waiting.
    pub(crate) fn current(self, node: &Node) -> Option<Step> {
        Step::from_fields(match self {
            Self::Clean => &node.clean_step,
            Self::Deploy => &node.deploy_step,
            Self::Service => &node.service_step,
        })
    }

    /// Whether somebody asks for the end of the current step by himself, so that heartbeats must not go on.
    pub(crate) fn is_polling(self, node: &Node) -> bool {
        flag(node, self.keys().polling) == Some(true)
    }

    /// Whether the flow does without the agent.
    pub(crate) fn is_ramdisk_disabled(self, node: &Node) -> bool {
        flag(node, self.keys().disable_ramdisk) == Some(true)
    }

    /// Forgets the operation: its steps, where it was among them, what its agent can do.
    pub(crate) fn forget(self, node: &mut Node) {
        let keys = self.keys();
        remove(node, &[keys.steps, keys.requested, keys.index, keys.disable_ramdisk, keys.agent_steps]);
        self.forget_flags(node);
        self.current_fields(node).clear();
    }

    /// Forgets everything about the current step but the step itself.
    pub(crate) fn forget_flags(self, node: &mut Node) {
        let keys = self.keys();
        remove(node, &[keys.skip, keys.reboot, keys.polling, keys.wake]);
    }
}

/// A yes or no in `driver_internal_info`.
pub(crate) fn flag(node: &Node, key: &str) -> Option<bool> {
    node.driver_internal_info.get(key).and_then(Value::as_bool)
}

/// Goes on with the steps of a node that waits, after its current step is over: event `resume` and a job.
///
/// The node must be in the flow's waiting state. Where it was left is on the node: a step with `skip` set to false
/// is run again, one with `abort_after` is the last.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]: the node does not wait; those of the store.
#[expect(clippy::unused_async, reason = "what comes here waits")]
pub(crate) async fn resume(task: &mut ExclusiveTask, _flow: Flow) -> Result<(), ConductorError> {
    Err(ConductorError::invalid_parameter(format!("node {}: not written yet", task.node().uuid)))
}

/// Lets a node go on that was held: at once if it does without the agent, otherwise with its next heartbeat.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]: the node is not held; those of the store.
#[expect(clippy::unused_async, reason = "what comes here waits")]
pub(crate) async fn unhold(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    Err(ConductorError::invalid_parameter(format!("node {}: not written yet", task.node().uuid)))
}
