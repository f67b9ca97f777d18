//! Changing the power state of a node.
//!
//! Source: Ironic `states`.

use std::time::Duration;

use farrier_model::notification::Status;
use farrier_model::power::{check_action, check_request, may_skip, target_power_state};
use farrier_model::provision::{FAILURE, ProvisionState};
use farrier_sdk::error::{Chain, ErrorKind};
use farrier_sdk::interface::power::{PowerClient, PowerState};
use jiff::Timestamp;
use serde_json::json;
use tracing::{info, warn};

use crate::error::ConductorError;
use crate::operation::{agent, record_error};
use crate::task::{ExclusiveTask, Job, JobError, SpawnErrorHook};

/// What entries of the history about a change of power are called.
const EVENT_TYPE: &str = "power";

/// Checks a request under the lock, notes what is wanted and leaves the work to a job.
///
/// # Errors
///
/// - [`ConductorError::PowerRefused`], [`ConductorError::PowerStateUnsupported`]: nothing has changed.
/// - [`ConductorError::Driver`]: the driver lacks what it needs to know of the node; nothing has changed.
pub(crate) async fn request(
    task: &mut ExclusiveTask,
    request: PowerState,
    timeout: Option<Duration>,
) -> Result<(), ConductorError> {
    let node = task.node().uuid;
    let target = check_request(task.node(), request)
        .map_err(|source| ConductorError::PowerRefused { node, source })?;
    let power = task.power()?;
    power.validate().await.map_err(power.0.failed("validate"))?;
    let supported =
        power.get_supported_power_states().await.map_err(power.0.failed("get_supported_power_states"))?;
    if !supported.contains(&request) {
        let supported = supported.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(ConductorError::PowerStateUnsupported { node, request, supported });
    }
    let before = task.node().power_state;
    task.node_mut().target_power_state = Some(target);
    task.node_mut().last_error = None;
    task.save().await?;
    task.set_spawn_error_hook(restore(before));
    let soft = matches!(request, PowerState::SoftOff | PowerState::SoftReboot);
    let timeout =
        timeout.or_else(|| soft.then(|| Duration::from_secs(task.shared().config.soft_power_off_timeout)));
    task.spawn_after(Job::new("node_power_action", move |task| {
        Box::pin(async move { action(task, request, timeout).await.map_err(JobError::from) })
    }));
    Ok(())
}

/// Puts the node back when the job could not be started.
fn restore(before: Option<PowerState>) -> SpawnErrorHook {
    Box::new(move |error, task| {
        Box::pin(async move {
            let node = task.node_mut();
            node.power_state = before;
            node.target_power_state = None;
            record_error(task, error.to_string(), EVENT_TYPE).await;
            task.save().await
        })
    })
}

/// Changes the power state and records what came of it.
///
/// # Errors
///
/// [`ConductorError::Driver`] after the failure was left on the node; those of the store.
pub(crate) async fn action(
    task: &mut ExclusiveTask,
    request: PowerState,
    timeout: Option<Duration>,
) -> Result<(), ConductorError> {
    let uuid = task.node().uuid;
    notify(task, request, Status::Start);
    let Some(target) = target_power_state(request) else {
        let source = farrier_model::power::PowerRefusal::NotARequest { request };
        let error = ConductorError::PowerRefused { node: uuid, source };
        return fail(task, request, request, error).await;
    };
    if let Err(source) = check_action(task.node(), request) {
        return fail(task, request, target, ConductorError::PowerRefused { node: uuid, source }).await;
    }
    let power = task.power()?;
    if may_skip(request) {
        match power.get_power_state().await.map_err(power.0.failed("get_power_state")) {
            Err(error) => return fail(task, request, target, error).await,
            Ok(state) if state == target => return already_there(task, request, target).await,
            Ok(_) => {}
        }
    }
    begin(task, request, target).await?;
    match change(task, request, target, timeout).await {
        Err(error) => {
            read_back(task, &error).await;
            fail(task, request, target, error).await
        }
        Ok(()) => {
            let node = task.node_mut();
            node.power_state = Some(target);
            node.target_power_state = None;
            task.save().await?;
            notify(task, request, Status::End);
            info!(node = %uuid, to = %target, operation = %request, "node changed its power state");
            if target == PowerState::Off {
                detach_volumes(task).await;
            }
            Ok(())
        }
    }
}

/// Switches the machine; an instance that is to run gets its volumes first.
async fn change(
    task: &mut ExclusiveTask,
    request: PowerState,
    target: PowerState,
    timeout: Option<Duration>,
) -> Result<(), ConductorError> {
    if target == PowerState::On && task.node().provision_state == ProvisionState::Active {
        let storage = task.storage()?;
        storage.attach_volumes().await.map_err(storage.0.failed("attach_volumes"))?;
    }
    let power = with_limits(task, timeout)?;
    let wait = timeout_of(task, timeout);
    if request == PowerState::Reboot {
        return power.reboot(wait).await.map_err(power.0.failed("reboot"));
    }
    power.set_power_state(request, wait).await.map_err(power.0.failed("set_power_state"))
}

/// Takes the volumes from an instance that was switched off. The machine is off whatever comes of it.
async fn detach_volumes(task: &mut ExclusiveTask) {
    if task.node().provision_state != ProvisionState::Active {
        return;
    }
    let detached = match task.storage() {
        Ok(storage) => storage.detach_volumes().await.map_err(storage.0.failed("detach_volumes")),
        Err(error) => Err(error),
    };
    if let Err(error) = detached {
        warn!(node = %task.node().uuid, error = %Chain(&error), "volumes could not be detached");
    }
}

/// Finds out where the machine is after a change that was cut short, while the lock is still ours.
async fn read_back(task: &mut ExclusiveTask, error: &ConductorError) {
    let ConductorError::Driver { source, .. } = error else { return };
    let cut_short = matches!(
        source.kind(),
        ErrorKind::Timeout | ErrorKind::Cancelled | ErrorKind::PluginPanicked | ErrorKind::PluginStalled
    );
    if !cut_short {
        return;
    }
    let Ok(power) = task.power() else { return };
    match power.get_power_state().await {
        Ok(state @ (PowerState::On | PowerState::Off)) => task.node_mut().power_state = Some(state),
        Ok(_) => task.node_mut().power_state = None,
        // Nothing is known, and nothing is said: the power synchronisation goes on from what was recorded.
        Err(error) => warn!(node = %task.node().uuid, %error, "power state could not be read back"),
    }
}

/// How long the machine may take to get there.
fn timeout_of(task: &ExclusiveTask, timeout: Option<Duration>) -> Option<Duration> {
    timeout.or_else(|| Some(Duration::from_secs(task.shared().config.power_state_change_timeout)))
}

/// The power interface with a deadline that leaves the driver the time it was given: off, and on again.
fn with_limits(
    task: &mut ExclusiveTask,
    timeout: Option<Duration>,
) -> Result<PowerClient<crate::dispatch::DriverCaller>, ConductorError> {
    let wait = timeout_of(task, timeout).unwrap_or_default();
    let limit = wait.saturating_mul(2).saturating_add(task.shared().call_timeout());
    let power = task.power()?;
    Ok(PowerClient(power.0.with_timeout(limit)))
}

async fn begin(
    task: &mut ExclusiveTask,
    request: PowerState,
    target: PowerState,
) -> Result<(), ConductorError> {
    let node = task.node_mut();
    node.target_power_state = Some(target);
    if !FAILURE.contains(&node.provision_state) {
        node.last_error = None;
    }
    node.driver_internal_info
        .insert("last_power_state_change".to_owned(), json!(Timestamp::now().to_string()));
    if request != PowerState::On {
        agent::forget(task.node_mut());
    }
    task.save().await
}

async fn already_there(
    task: &mut ExclusiveTask,
    request: PowerState,
    target: PowerState,
) -> Result<(), ConductorError> {
    let node = task.node_mut();
    node.last_error = None;
    node.power_state = Some(target);
    node.target_power_state = None;
    if target == PowerState::Off {
        agent::forget(task.node_mut());
    }
    task.save().await?;
    notify(task, request, Status::End);
    Ok(())
}

async fn fail(
    task: &mut ExclusiveTask,
    request: PowerState,
    target: PowerState,
    error: ConductorError,
) -> Result<(), ConductorError> {
    let text = Chain(&error).to_string();
    task.node_mut().target_power_state = None;
    let message = format!("Failed to change power state to '{target}' by '{request}': {text}");
    record_error(task, message, EVENT_TYPE).await;
    task.save().await?;
    notify(task, request, Status::Error);
    Err(error)
}

fn notify(task: &ExclusiveTask, request: PowerState, status: Status) {
    task.shared().notifier.power_set(task.node(), request, status);
}

#[cfg(test)]
mod tests;
