//! Moving a node through its life.
//!
//! Source: Ironic `states`, verbs.

use std::fmt;

use farrier_model::node::{Node, NodeName};
use farrier_model::provision::machine::next;
use farrier_model::provision::{ProvisionState, Verb};
use farrier_model::step::{RequestedStep, StepKind};
use farrier_sdk::secret::Secret;
use farrier_store::StoreError;
use serde_json::Value;

use super::{Conductor, end};
use crate::error::ConductorError;
use crate::lock::Retry;
use crate::operation::{self, abort, adopt, clean, deploy, inspect, rescue, service, tear_down, verify};
use crate::steps::{self, Flow};
use crate::task::{Acquire, ExclusiveTask, RequestContext};

/// What a client asks of a node. Its `Debug` shows neither config drive nor password.
#[derive(Clone)]
pub struct ProvisionRequest {
    /// What is to be done.
    pub verb: Verb,
    /// Steps of a cleaning, a deployment or a service.
    pub steps: Option<Vec<RequestedStep>>,
    /// Configuration for the instance: an address, text in base64, or an object.
    pub configdrive: Option<Value>,
    /// Password of the rescue system.
    pub rescue_password: Option<Secret<String>>,
    /// Whether a cleaning or a service does without the deploy agent.
    pub disable_ramdisk: bool,
    /// Name or UUID of the runbook that has the steps.
    pub runbook: Option<String>,
}

impl ProvisionRequest {
    /// A request of nothing but `verb`.
    #[must_use]
    pub fn new(verb: Verb) -> Self {
        Self {
            verb,
            steps: None,
            configdrive: None,
            rescue_password: None,
            disable_ramdisk: false,
            runbook: None,
        }
    }
}

impl fmt::Debug for ProvisionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvisionRequest").field("verb", &self.verb).finish_non_exhaustive()
    }
}

impl Conductor {
    /// Starts what `request` asks for: checks without the lock, then under it, then works in the background.
    ///
    /// # Errors
    ///
    /// Nothing has changed, and the node is not locked:
    ///
    /// - `NodeNotFound`; `NodeLocked`: somebody else works on it.
    /// - [`ConductorError::InvalidStateRequested`]: the verb leads nowhere from where the node is.
    /// - [`ConductorError::NodeInMaintenance`], [`ConductorError::NodeProtected`],
    ///   [`ConductorError::NodeIsRetired`], [`ConductorError::StepNotAllowed`],
    ///   [`ConductorError::ConcurrentActionLimit`], [`ConductorError::NoFreeConductorWorker`].
    /// - [`ConductorError::InvalidParameter`], [`ConductorError::Driver`]: something in the request or on the node
    ///   does not fit; for an instance as [`ConductorError::InstanceDeployFailure`] and kin.
    pub async fn provision(
        &self,
        context: RequestContext,
        name: &NodeName,
        request: ProvisionRequest,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        check_provision(&node, request.verb)?;
        check_request(&request)?;
        let mut task = self.exclusive(context, &node, purpose(request.verb)).await?;
        let started = Box::pin(start(&mut task, request)).await;
        end(task, started).await
    }
}

impl Conductor {
    /// Goes on with the steps of a node whose current step is over: called for whoever knows that. Waits for the
    /// lock as long as it takes.
    ///
    /// # Errors
    ///
    /// - [`ConductorError::WrongState`]: the node does not wait for such a step.
    /// - [`ConductorError::InvalidParameter`]: steps of this kind do not wait.
    /// - [`ConductorError::NoFreeConductorWorker`]: the node still waits.
    pub async fn continue_steps(
        &self,
        context: RequestContext,
        name: &NodeName,
        kind: StepKind,
    ) -> Result<(), ConductorError> {
        let flow = Flow::ALL.into_iter().find(|flow| flow.kind() == kind);
        let flow = flow.ok_or_else(|| {
            ConductorError::invalid_parameter(format!("{kind} steps do not wait for anybody"))
        })?;
        let node = self.node(name).await?;
        let acquire =
            Acquire { context, retry: Retry::Patient, ..Acquire::new("going on with the steps of a node") };
        let mut task = self.tasks.acquire_exclusive(&node, acquire).await?;
        let started = steps::call_back(&mut task, flow).await;
        end(task, started).await
    }
}

/// Whether a node allows a verb as far as can be seen without its lock; [`Conductor::provision`] looks again.
///
/// # Errors
///
/// - [`ConductorError::NodeInMaintenance`].
/// - [`ConductorError::InvalidStateRequested`]: the verb leads nowhere from where the node is; `NodeLocked` when
///   somebody works on it, who may take it elsewhere.
pub fn check_provision(node: &Node, verb: Verb) -> Result<(), ConductorError> {
    if matches!(verb, Verb::Active | Verb::Rebuild) {
        check_maintenance(node, verb)?;
    }
    check_state(node, verb).map_err(|error| match &node.reservation {
        Some(holder) => StoreError::NodeLocked { node: node.uuid, holder: holder.clone() }.into(),
        None => error,
    })?;
    check_maintenance(node, verb)
}

/// What a node is locked for.
const fn purpose(verb: Verb) -> &'static str {
    match verb {
        Verb::Manage => "node manage",
        Verb::Provide => "node provide",
        Verb::Inspect => "node inspection",
        Verb::Clean => "node manual cleaning",
        Verb::Adopt => "node adoption",
        Verb::Active => "node deployment",
        Verb::Rebuild => "node rebuild",
        Verb::Deleted => "node tear down",
        Verb::Rescue => "node rescue",
        Verb::Unrescue => "node unrescue",
        Verb::Service => "node service",
        Verb::Abort => "node abort",
        Verb::Unhold => "node unhold",
    }
}

/// What the verb needs to be asked with.
fn check_request(request: &ProvisionRequest) -> Result<(), ConductorError> {
    if let Some(runbook) = &request.runbook {
        return Err(ConductorError::invalid_parameter(format!(
            "runbook `{runbook}`: this conductor has no runbooks, give the steps themselves"
        )));
    }
    let member = match request.verb {
        Verb::Clean => "clean_steps",
        Verb::Service => "service_steps",
        Verb::Manage
        | Verb::Provide
        | Verb::Inspect
        | Verb::Adopt
        | Verb::Active
        | Verb::Rebuild
        | Verb::Deleted
        | Verb::Rescue
        | Verb::Unrescue
        | Verb::Abort
        | Verb::Unhold => return Ok(()),
    };
    if request.steps.as_ref().is_none_or(Vec::is_empty) {
        return Err(ConductorError::invalid_parameter(format!(
            "`{member}` is required when the target is `{}`",
            request.verb
        )));
    }
    Ok(())
}

fn check_state(node: &Node, verb: Verb) -> Result<(), ConductorError> {
    let (uuid, state) = (node.uuid, node.provision_state);
    next(state, verb.event()).map(drop).map_err(|_| ConductorError::InvalidStateRequested {
        node: uuid,
        verb,
        state,
    })
}

/// Verbs that a node in maintenance refuses whatever the configuration says.
fn check_maintenance(node: &Node, verb: Verb) -> Result<(), ConductorError> {
    let what = match verb {
        Verb::Clean => "cleaned",
        Verb::Active => "deployed",
        Verb::Rebuild => "rebuilt",
        Verb::Rescue => "rescued",
        Verb::Unrescue => "unrescued",
        Verb::Service => "serviced",
        Verb::Manage
        | Verb::Provide
        | Verb::Inspect
        | Verb::Adopt
        | Verb::Deleted
        | Verb::Abort
        | Verb::Unhold => return Ok(()),
    };
    if node.maintenance {
        return Err(ConductorError::NodeInMaintenance { node: node.uuid, what });
    }
    Ok(())
}

/// Repeats the checks under the lock, makes those of the operation, and leaves its job on the task.
async fn start(task: &mut ExclusiveTask, request: ProvisionRequest) -> Result<(), ConductorError> {
    let ProvisionRequest { verb, steps, configdrive, rescue_password, disable_ramdisk, .. } = request;
    check_state(task.node(), verb)?;
    check_maintenance(task.node(), verb)?;
    let steps = steps.unwrap_or_default();
    match verb {
        Verb::Manage if task.node().provision_state == ProvisionState::Enroll => verify::start(task).await,
        Verb::Manage => {
            task.node_mut().last_error = None;
            operation::process(task, verb.event()).await
        }
        Verb::Provide => clean::start_automated(task).await,
        Verb::Clean => clean::start_manual(task, steps, disable_ramdisk).await,
        Verb::Inspect => inspect::start(task).await,
        Verb::Adopt => adopt::start(task).await,
        Verb::Active | Verb::Rebuild => deploy::start(task, verb, steps, configdrive).await,
        Verb::Deleted => tear_down::start(task).await,
        Verb::Rescue => rescue::start(task, rescue_password).await,
        Verb::Unrescue => rescue::start_unrescue(task).await,
        Verb::Service => service::start(task, steps, disable_ramdisk).await,
        Verb::Abort => abort::start(task).await,
        Verb::Unhold => steps::unhold(task).await,
    }
}

#[cfg(test)]
mod tests;
