//! Deployment: putting an instance on a node, and putting it there again.
//!
//! Source: Ironic's conductor, deployments.

use farrier_model::node::Node;
use farrier_model::notification::Status;
use farrier_model::notification::node::ConsoleAction;
use farrier_model::provision::{Event, ProvisionState, Verb};
use farrier_model::step::check::{Leniency, check};
use farrier_model::step::merge::{check_deploy_source, deploy_steps, stronger};
use farrier_model::step::{RequestedStep, Step, StepId, StepKind, order};
use farrier_sdk::error::{Chain, DriverError};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::management::BootMode;
use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::capability::capability;
use super::limit::{self, Limit};
use super::{agent, facts, image, interface, process, record_error};
use crate::error::ConductorError;
use crate::steps::{Flow, STEPS_VALIDATED, automatic, contain, execute_from_start, known, refuse_disallowed};
use crate::task::{ExclusiveTask, JobError};

/// What the history calls it.
const EVENT_TYPE: &str = "deploying";

/// What happens to a node whose deployment failed, besides its last error and its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Whether the deploy interface still has to clean up.
    pub(crate) clean_up: bool,
    /// Whether the event `fail` is still to be processed: not when an abort or a timeout has been.
    pub(crate) process_fail: bool,
}

impl Default for Failure {
    fn default() -> Self {
        Self { clean_up: true, process_fail: true }
    }
}

/// Starts a deployment; `verb` is `active` or `rebuild`.
///
/// # Errors
///
/// - [`ConductorError::ConcurrentActionLimit`], [`ConductorError::NodeProtected`],
///   [`ConductorError::BootModeNotAllowed`], [`ConductorError::StepNotAllowed`].
/// - [`ConductorError::InstanceDeployFailure`]: what the drivers, the traits or the steps lack; with every problem
///   of the steps.
pub(crate) async fn start(
    task: &mut ExclusiveTask,
    verb: Verb,
    steps: Vec<RequestedStep>,
    configdrive: Option<Value>,
) -> Result<(), ConductorError> {
    limit::check(task, Limit::Deploy).await?;
    let node = task.node();
    if verb == Verb::Rebuild && node.protected {
        return Err(ConductorError::NodeProtected { node: node.uuid, what: "rebuilt" });
    }
    check_boot_mode(task)?;
    refuse_disallowed(&task.shared().config, StepKind::Deploy, &steps)?;
    interface::switch_deploy(task).await?;
    if let Err(source) = validate(task, &steps).await {
        interface::restore_deploy(task).await?;
        let message = format!("Failed to validate deploy or power info for node {}", task.node().uuid);
        return Err(ConductorError::InstanceDeployFailure { message, source: Box::new(source) });
    }
    agent::forget_url(task.node_mut());
    let spawned = limit::spawn(task, Limit::Deploy, verb.event(), None, "node_deploy", move |task| {
        Box::pin(contain(task, Flow::Deploy, move |task| {
            Box::pin(async move { deploy(task, &steps, configdrive).await.map_err(JobError::from) })
        }))
    })
    .await;
    if let Err(ConductorError::ConcurrentActionLimit { .. }) = &spawned {
        interface::restore_deploy(task).await?;
    }
    spawned
}

/// Refuses a boot mode that the operator does not want.
fn check_boot_mode(task: &ExclusiveTask) -> Result<(), ConductorError> {
    let (node, mode) = (task.node().uuid, boot_mode(task.node()));
    let disallowed = &task.shared().config.disallowed_deployment_boot_modes;
    if disallowed.iter().any(|other| other.eq_ignore_ascii_case(&mode)) {
        return Err(ConductorError::BootModeNotAllowed { node, mode });
    }
    Ok(())
}

/// How an instance would boot: as it asks for, else as its machine is said to, else as its machine is.
fn boot_mode(node: &Node) -> String {
    let asked = node.instance_info.get("deploy_boot_mode").and_then(Value::as_str).map(str::to_owned);
    asked
        .or_else(|| capability(&node.instance_info, "boot_mode"))
        .or_else(|| capability(&node.properties, "boot_mode"))
        .or_else(|| node.boot_mode.clone())
        .unwrap_or_else(|| BootMode::Uefi.to_string())
}

async fn validate(task: &mut ExclusiveTask, steps: &[RequestedStep]) -> Result<(), ConductorError> {
    let power = task.power()?;
    power.validate().await.map_err(power.0.failed("validate"))?;
    let deploy = task.deploy()?;
    deploy.validate().await.map_err(deploy.0.failed("validate"))?;
    if !deploy.supports_deploy().await.map_err(deploy.0.failed("supports_deploy"))? {
        let unsupported = DriverError::unsupported("this deploy interface does not deploy");
        return Err(deploy.0.failed("deploy")(unsupported));
    }
    check_traits(task.node())?;
    given(task, steps, Leniency { unknown_allowed: true, ramdisk_disabled: false }).map(drop)
}

/// The traits an instance asks for have to be among those of its node.
fn check_traits(node: &Node) -> Result<(), ConductorError> {
    instance_traits(node)?.iter().find(|wanted| !node.traits.contains(wanted)).map_or(Ok(()), |lacking| {
        Err(ConductorError::invalid_parameter(format!(
            "cannot deploy node {} with instance trait {lacking}, its traits are: {}",
            node.uuid,
            if node.traits.is_empty() { "none".to_owned() } else { node.traits.join(", ") }
        )))
    })
}

/// `traits` of `instance_info`.
fn instance_traits(node: &Node) -> Result<Vec<String>, ConductorError> {
    let Some(traits) = node.instance_info.get("traits").filter(|traits| !traits.is_null()) else {
        return Ok(Vec::new());
    };
    serde_json::from_value(traits.clone()).map_err(|_| {
        let message = format!("`traits` in instance_info of node {} has to be a list of texts", node.uuid);
        ConductorError::invalid_parameter(message)
    })
}

/// The steps that do not come from the drivers: those of deploy templates, and the stronger ones of the request.
fn given(
    task: &mut ExclusiveTask,
    requested: &[RequestedStep],
    leniency: Leniency,
) -> Result<Vec<Step>, ConductorError> {
    let invalid = |problems: farrier_model::step::check::InvalidSteps| {
        ConductorError::invalid_parameter(problems.to_string())
    };
    check_deploy_source(requested).map_err(invalid)?;
    let templates = template_steps(task.node())?;
    check_deploy_source(&templates).map_err(invalid)?;
    let known = known(task, StepKind::Deploy)?;
    check(StepKind::Deploy, &stronger(templates, requested), &known, leniency).map_err(invalid)
}

/// The steps of the deploy templates that the instance's traits name. There are no templates yet: this is where
/// they come in, when the store has them.
fn template_steps(node: &Node) -> Result<Vec<RequestedStep>, ConductorError> {
    let _names = instance_traits(node)?;
    Ok(Vec::new())
}

async fn deploy(
    task: &mut ExclusiveTask,
    steps: &[RequestedStep],
    configdrive: Option<Value>,
) -> Result<(), ConductorError> {
    let node = task.node_mut();
    wipe(node);
    image::note_type(node);
    if let Some(configdrive) = configdrive {
        node.instance_info.insert("configdrive".to_owned(), configdrive);
    }
    if !steps.is_empty() {
        Flow::Deploy.set_requested(node, steps);
    }
    task.save().await?;
    let prepared = Flow::Deploy.prepare(task).await;
    task.save().await?;
    if let Err(error) = prepared {
        let message = format!("Failed to prepare to deploy node {}: {}", task.node().uuid, Chain(&error));
        return fail(task, &message, Failure { clean_up: false, ..Failure::default() }).await;
    }
    if let Err(error) = compose(task).await {
        let message = format!("Cannot get deploy steps of node {}: {}", task.node().uuid, Chain(&error));
        return fail(task, &message, Failure::default()).await;
    }
    if Flow::Deploy.steps(task.node()).is_empty() {
        let message = format!("No deploy steps returned by the drivers of node {}", task.node().uuid);
        return fail(task, &message, Failure::default()).await;
    }
    let host = task.shared().host.clone();
    let conductor = task.shared().store.conductor_get(&host).await?;
    task.node_mut().conductor_affinity = Some(conductor.id);
    task.save().await?;
    execute_from_start(task, Flow::Deploy).await
}

/// Works out which steps run: those of the drivers with a priority, replaced and added to by the given ones. Given
/// steps that nobody knows are left for the agent.
///
/// # Errors
///
/// [`ConductorError::InvalidParameter`]: every problem of the given steps; those of the store.
pub(crate) async fn compose(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let leniency = Leniency { unknown_allowed: true, ramdisk_disabled: false };
    let steps = composed(task, leniency)?;
    Flow::Deploy.set_steps(task.node_mut(), &steps);
    task.save().await
}

/// Works out the steps again once the agent has told of its own: every given step has to be known now. What has
/// run stays where it is, and so does the current step.
///
/// # Errors
///
/// [`ConductorError::InvalidParameter`]: every problem of the given steps; those of the store.
pub(crate) async fn compose_again(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let leniency = Leniency { unknown_allowed: false, ramdisk_disabled: false };
    let now = composed(task, leniency)?;
    let reached = Flow::Deploy.index(task.node()).map_or(0, |index| index + 1);
    let mut steps = Flow::Deploy.steps(task.node());
    steps.truncate(reached);
    let has_run: Vec<StepId> = steps.iter().map(Step::id).collect();
    let mut left: Vec<Step> = now.into_iter().filter(|step| !has_run.contains(&step.id())).collect();
    order::sort(StepKind::Deploy, &mut left);
    steps.extend(left);
    let node = task.node_mut();
    node.driver_internal_info.insert(Flow::Deploy.keys().steps.to_owned(), json!(steps));
    node.driver_internal_info.insert(STEPS_VALIDATED.to_owned(), json!(true));
    task.save().await
}

fn composed(task: &mut ExclusiveTask, leniency: Leniency) -> Result<Vec<Step>, ConductorError> {
    let requested = Flow::Deploy.requested(task.node()).unwrap_or_default();
    let given = given(task, &requested, leniency)?;
    Ok(deploy_steps(&automatic(task, StepKind::Deploy)?, &given))
}

/// Ends a deployment after its last step.
///
/// # Errors
///
/// Those of the store. What goes wrong in the drivers is handled.
pub(crate) async fn finish(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let missed = never_known(task)?;
    if !missed.is_empty() {
        let message = format!(
            "Node {} has deploy steps that neither its drivers nor an agent know: {}",
            task.node().uuid,
            missed.join(", ")
        );
        return fail(task, &message, Failure::default()).await;
    }
    let changes_facts = |step: &Step| matches!(step.interface, InterfaceType::Bios | InterfaceType::Firmware);
    let changed = Flow::Deploy.steps(task.node()).iter().any(changes_facts);
    wipe(task.node_mut());
    task.save().await?;
    if changed {
        facts::refresh(task).await;
    }
    if task.node().console_enabled {
        start_console(task).await?;
    }
    info!(node = %task.node().uuid, "node is deployed");
    process(task, Event::Done).await
}

/// Steps of the request that were left for an agent which never came: a deployment without them is not what was
/// asked for.
fn never_known(task: &mut ExclusiveTask) -> Result<Vec<String>, ConductorError> {
    let requested = Flow::Deploy.requested(task.node()).unwrap_or_default();
    let known = known(task, StepKind::Deploy)?;
    let unknown = requested.iter().filter(|step| {
        step.is_of_driver() && step.priority != Some(0) && !known.iter().any(|known| known.id() == step.id())
    });
    Ok(unknown.map(|step| step.id().to_string()).collect())
}

/// Makes the console reachable again that was on before the node was deployed.
async fn start_console(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let notifier = task.shared().notifier.clone();
    notifier.console(task.node(), ConsoleAction::Restore, Status::Start);
    let console = task.console()?;
    let started = console.start_console().await.map_err(console.0.failed("start_console"));
    task.save().await?;
    let status = match started {
        Ok(()) => Status::End,
        Err(error) => {
            warn!(node = %task.node().uuid, error = %Chain(&error), "the console of a deployed node could not be started");
            let message = format!("Failed to start console after deployment: {}", Chain(&error));
            record_error(task, message, "console").await;
            task.node_mut().console_enabled = false;
            task.save().await?;
            Status::Error
        }
    };
    notifier.console(task.node(), ConsoleAction::Restore, status);
    Ok(())
}

/// Forgets the steps and the agent.
pub(super) fn wipe(node: &mut Node) {
    agent::forget_token_and_url(node);
    Flow::Deploy.forget(node);
}

/// Records that the deployment of a node failed, and lets it fail: last error, history, `deploy failed`. Does
/// nothing for a node that is there already.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn fail(
    task: &mut ExclusiveTask,
    message: &str,
    failure: Failure,
) -> Result<(), ConductorError> {
    if failure.process_fail && task.node().provision_state == ProvisionState::DeployFail {
        return Ok(());
    }
    error!(node = %task.node().uuid, error = message, "deployment failed");
    let mut message = message.to_owned();
    if failure.clean_up
        && let Err(error) = Flow::Deploy.put_away(task).await
    {
        error!(node = %task.node().uuid, error = %Chain(&error), "deployment could not be cleaned up");
        message = format!("{message}. Also failed to clean up: {}", Chain(&error));
    }
    // What the driver has saved meanwhile is on the node from here on.
    task.save().await?;
    let node = task.node_mut();
    wipe(node);
    record_error(task, message, EVENT_TYPE).await;
    interface::restore_deploy(task).await?;
    task.save().await?;
    if failure.process_fail {
        process(task, Event::Fail).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
