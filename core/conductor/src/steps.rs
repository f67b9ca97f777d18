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
//! | module | about |
//! |---|---|
//! | [`collect`] | which steps there are, and which of them run by themselves |
//! | [`execute`] | one step after the other |
//! | [`children`] | steps on the children of a node |
//! | [`resume`] | going on after a wait or a hold |
//! | [`wake`] | going on without anybody's call: asking a step again whether it is over |
//! | [`mod@contain`] | nothing that goes wrong leaves a node in a passing state |
//! | [`flow_history`] | the beginning and the end of a list of steps, in the history |
//!
//! Source: Ironic's conductor steps.

mod children;
mod collect;
mod contain;
mod execute;
mod flow_history;
mod resume;
pub(crate) mod wake;

use farrier_model::node::{Fields, Node};
use farrier_model::provision::ProvisionState;
use farrier_model::step::{RequestedStep, Step, StepKind};
use farrier_sdk::interface::deploy::DeployClient;
use farrier_sdk::step::StepOutcome;
use serde_json::{Value, json};

use crate::error::ConductorError;
use crate::operation::agent::{self, remove};
use crate::operation::{clean, deploy, service, upkeep};
use crate::task::ExclusiveTask;

pub(crate) use collect::{automatic, known, refuse_disallowed};
pub(crate) use contain::contain;
pub(crate) use execute::{call_step, execute_from_start, prepared, step_timeout};
pub(crate) use resume::{call_back, unhold};

/// Whether the steps of a deployment were checked against those of the agent, in `driver_internal_info`.
pub(crate) const STEPS_VALIDATED: &str = "steps_validated";

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

    /// The steps to run.
    pub(crate) fn steps(self, node: &Node) -> Vec<Step> {
        let steps = node.driver_internal_info.get(self.keys().steps).cloned();
        steps.and_then(|steps| serde_json::from_value(steps).ok()).unwrap_or_default()
    }

    /// The steps a client gave.
    pub(crate) fn requested(self, node: &Node) -> Option<Vec<RequestedStep>> {
        let requested = node.driver_internal_info.get(self.keys().requested).cloned();
        requested.and_then(|steps| serde_json::from_value(steps).ok())
    }

    /// Remembers the steps a client gave.
    pub(crate) fn set_requested(self, node: &mut Node, steps: &[RequestedStep]) {
        node.driver_internal_info.insert(self.keys().requested.to_owned(), json!(steps));
    }

    /// Sets the steps to run. None of them is running yet.
    pub(crate) fn set_steps(self, node: &mut Node, steps: &[Step]) {
        node.driver_internal_info.insert(self.keys().steps.to_owned(), json!(steps));
        node.driver_internal_info.remove(self.keys().index);
        self.current_fields(node).clear();
    }

    /// The place of the step that is running or waiting.
    pub(crate) fn index(self, node: &Node) -> Option<usize> {
        let index = node.driver_internal_info.get(self.keys().index)?.as_u64()?;
        usize::try_from(index).ok()
    }

    /// Forgets the operation: its steps, where it was among them, what its agent can do.
    pub(crate) fn forget(self, node: &mut Node) {
        let keys = self.keys();
        remove(node, &[keys.steps, keys.requested, keys.index, keys.disable_ramdisk, keys.agent_steps]);
        remove(node, &[STEPS_VALIDATED]);
        self.forget_flags(node);
        self.current_fields(node).clear();
    }

    /// Forgets everything about the current step but the step itself.
    pub(crate) fn forget_flags(self, node: &mut Node) {
        let keys = self.keys();
        remove(node, &[keys.skip, keys.reboot, keys.polling, keys.wake]);
    }
}

impl Flow {
    /// Lets the operation fail: what went wrong is left on the node, which ends in the flow's failure state.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) async fn fail(self, task: &mut ExclusiveTask, message: &str) -> Result<(), ConductorError> {
        match self {
            Self::Clean => clean::fail(task, message, upkeep::Failure::default()).await,
            Self::Deploy => deploy::fail(task, message, deploy::Failure::default()).await,
            Self::Service => service::fail(task, message, upkeep::Failure::default()).await,
        }
    }

    /// Ends the operation after its last step.
    async fn finish(self, task: &mut ExclusiveTask) -> Result<(), ConductorError> {
        match self {
            Self::Clean => clean::finish(task).await,
            Self::Deploy => deploy::finish(task).await,
            Self::Service => service::finish(task).await,
        }
    }

    /// Works out which steps run, and sets them.
    async fn compose(self, task: &mut ExclusiveTask) -> Result<(), ConductorError> {
        match self {
            Self::Clean => clean::compose(task).await,
            Self::Deploy => deploy::compose(task).await,
            Self::Service => service::compose(task).await,
        }
    }

    /// Boots what the steps need, if they need it; asking again tells whether it is there.
    pub(crate) async fn prepare(self, task: &mut ExclusiveTask) -> Result<StepOutcome, ConductorError> {
        let limit = step_timeout(task);
        let deploy = task.deploy()?;
        let deploy = DeployClient(deploy.0.with_timeout(limit));
        match self {
            Self::Clean => deploy.prepare_cleaning().await.map_err(deploy.0.failed("prepare_cleaning")),
            Self::Service => deploy.prepare_service().await.map_err(deploy.0.failed("prepare_service")),
            Self::Deploy => {
                deploy.prepare().await.map_err(deploy.0.failed("prepare")).map(|()| StepOutcome::Done)
            }
        }
    }

    /// Puts away what [`Flow::prepare`] prepared.
    pub(crate) async fn put_away(self, task: &mut ExclusiveTask) -> Result<(), ConductorError> {
        let limit = step_timeout(task);
        let deploy = DeployClient(task.deploy()?.0.with_timeout(limit));
        match self {
            Self::Clean => deploy.tear_down_cleaning().await.map_err(deploy.0.failed("tear_down_cleaning")),
            Self::Deploy => deploy.clean_up().await.map_err(deploy.0.failed("clean_up")),
            Self::Service => deploy.tear_down_service().await.map_err(deploy.0.failed("tear_down_service")),
        }
    }
}

/// Whether the agent will call: it has before, and was not cut off since.
fn agent_is_expected(node: &Node, flow: Flow) -> bool {
    !flow.is_ramdisk_disabled(node) && agent::is_known(node)
}

/// A yes or no in `driver_internal_info`.
pub(crate) fn flag(node: &Node, key: &str) -> Option<bool> {
    node.driver_internal_info.get(key).and_then(Value::as_bool)
}

#[cfg(test)]
mod tests;
