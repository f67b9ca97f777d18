//! The rescue system: into it, and back to the instance.
//!
//! The password is on the node, plain and hashed, for as long as somebody needs it: what boots the rescue system
//! takes the hash.
//!
//! Source: Ironic's conductor manager.

mod password;

use std::time::Duration;

use farrier_model::node::{Fault, Node};
use farrier_model::provision::{Event, ProvisionState};
use farrier_sdk::error::Chain;
use farrier_sdk::interface::power::PowerState;
use farrier_sdk::interface::rescue::RescueClient;
use farrier_sdk::secret::Secret;
use farrier_sdk::step::StepOutcome;
use serde_json::json;
use tracing::warn;

use crate::dispatch::DriverCaller;
use crate::error::ConductorError;
use crate::operation::contain::contained;
use crate::operation::{agent, power, process, put_back, record_error, spawn};
use crate::steps::step_timeout;
use crate::steps::wake::{self, Asked, What};
use crate::task::{ErrorHandler, ExclusiveTask, Job, JobError, JobFuture, ProcessEvent};
pub use password::RescueHash;

/// What entries of the history about a rescue are called.
const EVENT_TYPE: &str = "rescue";

/// Where the password is, in `instance_info`.
const PASSWORD: &str = "rescue_password";
/// Where its hash is.
const PASSWORD_HASHED: &str = "hashed_rescue_password";

/// Notes the password, checks that the node can be rescued, and leaves the rescue to a job.
///
/// # Errors
///
/// The password is not on the node then:
///
/// - [`ConductorError::InvalidParameter`]: no password, or one that is none.
/// - [`ConductorError::InstanceRescueFailure`]: power, rescue or network lack what they need.
/// - [`ConductorError::InvalidState`]; those of the store.
pub(crate) async fn start(
    task: &mut ExclusiveTask,
    password: Option<Secret<String>>,
) -> Result<(), ConductorError> {
    let password = password.filter(|password| !password.expose().is_empty()).ok_or_else(|| {
        ConductorError::invalid_parameter("`rescue_password` is required when the target is `rescue`")
    })?;
    let hashed = password::hash(&password, task.shared().config.rescue_password_hash_algorithm)?;
    let node = task.node_mut();
    agent::forget_token_and_url(node);
    node.instance_info.insert(PASSWORD.to_owned(), json!(password.expose()));
    node.instance_info.insert(PASSWORD_HASHED.to_owned(), json!(hashed));
    task.save().await?;
    let started = match validate(task).await {
        Ok(()) => spawn_rescue(task).await,
        Err(source) => {
            let message = format!("node {} can not be rescued", task.node().uuid);
            Err(ConductorError::InstanceRescueFailure { message, source: Box::new(source) })
        }
    };
    if started.is_err() {
        forget_password(task.node_mut());
        task.save().await?;
    }
    started
}

async fn validate(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let power = task.power()?;
    power.validate().await.map_err(power.0.failed("validate"))?;
    let rescue = task.rescue()?;
    rescue.validate().await.map_err(rescue.0.failed("validate"))?;
    let network = task.network()?;
    network.validate().await.map_err(network.0.failed("validate"))
}

async fn spawn_rescue(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let job = Job::new("do_node_rescue", |task| {
        Box::pin(contain(task, |task| Box::pin(async move { Ok(run(task).await?) })))
    });
    let options =
        ProcessEvent { job: Some(job), error_handler: Some(put_back_password()), ..ProcessEvent::default() };
    task.process_event(Event::Rescue, options).await
}

/// Removes the password of a rescue that found no worker, and puts the node back.
fn put_back_password() -> ErrorHandler {
    Box::new(|error, task, state, target| {
        Box::pin(async move {
            forget_password(task.node_mut());
            put_back()(error, task, state, target).await?;
            task.save().await
        })
    })
}

/// Runs `work`; an error or a panic that escapes it is a failed rescue.
pub(super) async fn contain(
    task: &mut ExclusiveTask,
    work: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send,
) -> Result<(), JobError> {
    contained(task, &[ProvisionState::Rescuing, ProvisionState::RescueWait], work, |task, error| {
        Box::pin(async move { Ok(give_up(task, format!("Failed to rescue: {error}.")).await?) })
    })
    .await
}

/// Rescues; a failure ends on the node.
async fn run(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let rescue = at_length(task)?;
    match rescue.rescue().await.map_err(rescue.0.failed("rescue")) {
        Ok(StepOutcome::Done) => process(task, Event::Done).await,
        Ok(StepOutcome::Wait { poll_after_ms }) => {
            let pause = poll_after_ms.map(Duration::from_millis);
            wake::wait(task, Asked::Rescue, pause.map(|pause| (pause, What::Again))).await
        }
        Err(error) => {
            forget_password(task.node_mut());
            fail(task, format!("Failed to rescue: {}", Chain(&error))).await
        }
    }
}

/// Asks a driver again that wanted to be asked whether the rescue system runs. An error that may pass lets the node
/// wait for another `pause`; any other failure, and a panic, ends on the node, and so does maintenance where work is
/// not `allowed` in it.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn ask_again(
    task: &mut ExclusiveTask,
    pause: Duration,
    allowed: bool,
) -> Result<(), JobError> {
    if !allowed {
        let message = format!("Node {} is in maintenance, so its rescue does not go on.", task.node().uuid);
        return Ok(give_up(task, message).await?);
    }
    contain(task, move |task| Box::pin(async move { Ok(ask(task, pause).await?) })).await
}

async fn ask(task: &mut ExclusiveTask, pause: Duration) -> Result<(), ConductorError> {
    let rescue = at_length(task)?;
    let answer = rescue.rescue().await.map_err(rescue.0.failed("rescue"));
    // What the driver has saved meanwhile is on the node from here on.
    task.save().await?;
    match answer {
        Ok(StepOutcome::Done) => {
            wake::disarm(task.node_mut(), Asked::Rescue);
            process(task, Event::Resume).await?;
            process(task, Event::Done).await
        }
        Ok(StepOutcome::Wait { poll_after_ms: Some(pause) }) => {
            task.shared().store.node_touch_provisioning(task.node().id).await?;
            wake::ask_later(task, Asked::Rescue, Duration::from_millis(pause)).await
        }
        Ok(StepOutcome::Wait { poll_after_ms: None }) => {
            wake::disarm(task.node_mut(), Asked::Rescue);
            task.save().await
        }
        Err(error) if wake::is_retryable(&error) => {
            warn!(node = %task.node().uuid, error = %Chain(&error), "a rescue could not tell whether it is over, asking later");
            wake::ask_later(task, Asked::Rescue, pause).await
        }
        Err(error) => give_up(task, format!("Failed to rescue: {}.", Chain(&error))).await,
    }
}

/// Cleans up after a rescue that waited, and lets it fail.
async fn give_up(task: &mut ExclusiveTask, message: String) -> Result<(), ConductorError> {
    clean_up(task, message).await?;
    process(task, Event::Fail).await
}

/// The rescue system has called: gives it the networks of the instance, and ends the rescue.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]: the node does not wait to be rescued; those of the store.
pub(crate) async fn finalize(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    process(task, Event::Resume).await?;
    let network = task.network()?;
    match network.configure_tenant_networks().await.map_err(network.0.failed("configure_tenant_networks")) {
        Ok(()) => process(task, Event::Done).await,
        Err(error) => {
            let message = format!("Failed to finish the rescue: {}", Chain(&error));
            give_up(task, message).await
        }
    }
}

/// Gives up a rescue that failed while or before it waited: powers the machine off, removes what the rescue left
/// behind, and leaves `message` on the node, which the caller lets fail.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn clean_up(task: &mut ExclusiveTask, message: String) -> Result<(), ConductorError> {
    let off = power::action(task, PowerState::Off, None).await;
    let cleaned = clean_up_driver(task).await;
    agent::forget_url(task.node_mut());
    wake::disarm(task.node_mut(), Asked::Rescue);
    let mut message = message;
    for error in [off.err(), cleaned.err()].into_iter().flatten() {
        message = format!("{message} Clean up failed too: {}", Chain(&error));
    }
    forget_password(task.node_mut());
    warn!(node = %task.node().uuid, error = message, "rescue failed");
    record_error(task, message, EVENT_TYPE).await;
    task.save().await
}

async fn clean_up_driver(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let rescue = at_length(task)?;
    rescue.clean_up().await.map_err(rescue.0.failed("clean_up"))
}

/// The rescue interface, with the time that booting a machine takes.
fn at_length(task: &mut ExclusiveTask) -> Result<RescueClient<DriverCaller>, ConductorError> {
    let limit = step_timeout(task);
    Ok(RescueClient(task.rescue()?.0.with_timeout(limit)))
}

async fn fail(task: &mut ExclusiveTask, message: String) -> Result<(), ConductorError> {
    warn!(node = %task.node().uuid, error = message, "rescue failed");
    record_error(task, message, EVENT_TYPE).await;
    process(task, Event::Fail).await
}

/// Gives up a rescue that waits, because a client asks so: `rescue failed`, and a job that cleans up.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]; those of the store.
pub(crate) async fn abort(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    forget_password(task.node_mut());
    wake::disarm(task.node_mut(), Asked::Rescue);
    task.save().await?;
    spawn(task, Event::Abort, "do_node_rescue_abort", |task| {
        Box::pin(async move { Ok(run_abort(task).await?) })
    })
    .await
}

/// Removes what a rescue left behind; if that fails, nobody knows what the machine would boot next.
async fn run_abort(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let cleaned = clean_up_driver(task).await;
    let message = match cleaned {
        Ok(()) => "By request, the rescue operation was aborted".to_owned(),
        Err(error) => {
            let text = Chain(&error);
            let message = format!("Failed to clean up the rescue after it was aborted: {text}");
            warn!(node = %task.node().uuid, error = message, "node goes into maintenance");
            let node = task.node_mut();
            if !node.maintenance {
                node.maintenance = true;
                node.fault = Some(Fault::RescueAbortFailure);
            }
            node.maintenance_reason.get_or_insert_with(|| message.clone());
            message
        }
    };
    agent::forget_token_and_url(task.node_mut());
    record_error(task, message, EVENT_TYPE).await;
    task.save().await
}

/// Checks that the node can go back to its instance, and leaves that to a job.
///
/// # Errors
///
/// [`ConductorError::InstanceUnrescueFailure`]: power lacks what it needs; [`ConductorError::InvalidState`].
pub(crate) async fn start_unrescue(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    agent::forget_url(task.node_mut());
    task.save().await?;
    let power = task.power()?;
    power.validate().await.map_err(power.0.failed("validate")).map_err(|source| {
        let message = format!("node {} can not leave its rescue system", task.node().uuid);
        ConductorError::InstanceUnrescueFailure { message, source: Box::new(source) }
    })?;
    spawn(task, Event::Unrescue, "do_node_unrescue", |task| {
        Box::pin(contain_unrescue(task, |task| Box::pin(async move { Ok(run_unrescue(task).await?) })))
    })
    .await
}

/// Runs `work`; an error or a panic that escapes it is a failed way back.
pub(super) async fn contain_unrescue(
    task: &mut ExclusiveTask,
    work: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send,
) -> Result<(), JobError> {
    contained(task, &[ProvisionState::Unrescuing], work, |task, error| {
        Box::pin(async move { Ok(fail(task, format!("Failed to unrescue: {error}")).await?) })
    })
    .await
}

/// Goes back to the instance; a failure ends on the node.
async fn run_unrescue(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let rescue = at_length(task)?;
    let answer = rescue.unrescue().await.map_err(rescue.0.failed("unrescue"));
    agent::forget_token_and_url(task.node_mut());
    match answer {
        Ok(StepOutcome::Done) => {
            forget_password(task.node_mut());
            process(task, Event::Done).await
        }
        Ok(StepOutcome::Wait { .. }) => {
            fail(task, "Failed to unrescue: the driver wants to go on later, which it cannot.".to_owned())
                .await
        }
        Err(error) => fail(task, format!("Failed to unrescue: {}", Chain(&error))).await,
    }
}

/// Removes the password of the rescue system from a node.
pub(crate) fn forget_password(node: &mut Node) {
    node.instance_info.remove(PASSWORD);
    node.instance_info.remove(PASSWORD_HASHED);
}

#[cfg(test)]
mod tests;
