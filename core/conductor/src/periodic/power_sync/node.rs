//! Keeping the recorded and the actual power state of one node the same.
//!
//! Source: Ironic's conductor manager.

use std::sync::Arc;
use std::time::Duration;

use farrier_model::node::{Fault, Node};
use farrier_model::provision::{FAILURE, POWER_SYNC_EXCLUDED, ProvisionState};
use farrier_sdk::error::{Chain, DriverError, ErrorKind};
use farrier_sdk::interface::management::ManagementClient;
use farrier_sdk::interface::power::{PowerClient, PowerState};
use tracing::{info, warn};
use uuid::Uuid;

use crate::dispatch::DriverCaller;
use crate::error::ConductorError;
use crate::operation::{power, record_error};
use crate::task::{ExclusiveTask, SharedTask};

use super::facts::{self, Wanted};

/// What the power state is: none when the BMC does not say and nobody expected it to.
type Actual = Option<PowerState>;

/// Whether the state of the node forbids to touch its power.
pub(crate) fn is_excluded(node: &Node) -> bool {
    node.maintenance || POWER_SYNC_EXCLUDED.contains(&node.provision_state)
}

/// Compares what is recorded with what is, and does something about it; answers the number of consecutive failures,
/// which were `failures` before.
///
/// A state that was put right counts as a failure until the next pass finds it right.
///
/// # Errors
///
/// `NodeLocked`, `NodeNotFound` and those of the store: nothing is known of the node, its count stays.
pub(crate) async fn synchronize(
    mut task: SharedTask,
    failures: u32,
    wanted: Wanted,
) -> Result<u32, ConductorError> {
    let count = failures.saturating_add(1);
    if task.node().power_state.is_none() && !is_valid(&mut task).await? {
        return Ok(0);
    }
    // So that a driver can answer all of it from what it reads once.
    let pass: Arc<str> = Uuid::new_v4().to_string().into();
    let actual = match read(&mut task, &pass).await? {
        Ok(actual) => actual,
        Err(failure) => return unreadable(task, count, &failure).await,
    };
    let management = ManagementClient(task.management()?.0.with_timeout(timeout(&task)).in_pass(&pass));
    let facts = facts::read(&management, task.node(), wanted).await;
    if !facts.differ(task.node()) && task.node().power_state == actual {
        if !clears_error(&task) {
            return Ok(0);
        }
        return finish(upgrade(task).await?, async |task| clear_error(task, actual).await).await;
    }
    let read_at = task.node().updated_at;
    finish(upgrade(task).await?, async |task| {
        let moved = task.node().updated_at != read_at;
        // What was read before is not true any more, perhaps: a later pass reads it again.
        if !moved && facts.differ(task.node()) {
            facts.apply(task).await;
            task.save().await?;
        }
        if is_settled(task, actual) {
            return Ok(0);
        }
        // Somebody may have switched the machine between our question and our lock.
        let actual = if moved { ask_again(task).await? } else { Ok(actual) };
        match actual {
            Ok(actual) if is_settled(task, actual) => Ok(0),
            Ok(actual) => correct(task, actual, count).await,
            Err(failure) => {
                warn!(node = %task.node().uuid, error = failure, "power state could not be read");
                Ok(count)
            }
        }
    })
    .await
}

/// Whether there is nothing to do, or nothing that we may do.
fn is_settled(task: &ExclusiveTask, actual: Actual) -> bool {
    is_excluded(task.node()) || task.node().power_state == actual
}

/// Whether the driver has what it needs: a node that nobody ever reached may be waiting for its credentials.
async fn is_valid(task: &mut SharedTask) -> Result<bool, ConductorError> {
    let power = power_of(task)?;
    Ok(match power.validate().await {
        Err(error) => !matches!(error.kind(), ErrorKind::InvalidParameter | ErrorKind::MissingParameter),
        Ok(()) => true,
    })
}

/// Asks the BMC. The text of a failure is for people.
async fn read(task: &mut SharedTask, pass: &Arc<str>) -> Result<Result<Actual, String>, ConductorError> {
    let power = PowerClient(power_of(task)?.0.in_pass(pass));
    Ok(judge(power.get_power_state().await, task.node().power_state))
}

/// Asks the BMC under the lock.
async fn ask_again(task: &mut ExclusiveTask) -> Result<Result<Actual, String>, ConductorError> {
    let timeout = Duration::from_secs(task.shared().config.sync_power_state_timeout);
    let power = PowerClient(task.power()?.0.with_timeout(timeout));
    Ok(judge(power.get_power_state().await, task.node().power_state))
}

/// A machine that does not say has not failed as long as nobody expects it to be on or off.
fn judge(answer: Result<PowerState, DriverError>, recorded: Option<PowerState>) -> Result<Actual, String> {
    match answer {
        Ok(PowerState::Error) => Err("the BMC reports an error instead of a power state".to_owned()),
        Ok(PowerState::Unknown) if recorded.is_some() => {
            Err("the BMC answers, but does not say whether the machine is on".to_owned())
        }
        Ok(PowerState::Unknown) => Ok(None),
        Ok(state) => Ok(Some(state)),
        Err(error) => Err(Chain(&error).to_string()),
    }
}

fn power_of(task: &mut SharedTask) -> Result<PowerClient<DriverCaller>, ConductorError> {
    let timeout = timeout(task);
    Ok(PowerClient(task.power()?.0.with_timeout(timeout)))
}

/// How long the BMC may take to answer one question.
pub(crate) fn timeout(task: &SharedTask) -> Duration {
    Duration::from_secs(task.config().sync_power_state_timeout)
}

async fn upgrade(task: SharedTask) -> Result<ExclusiveTask, ConductorError> {
    task.upgrade(|_| {}).await.map_err(|(_, error)| error)
}

/// Runs `work` with the lock and gives it back.
async fn finish(
    mut task: ExclusiveTask,
    work: impl AsyncFnOnce(&mut ExclusiveTask) -> Result<u32, ConductorError>,
) -> Result<u32, ConductorError> {
    match work(&mut task).await {
        Ok(count) => task.finish().await.map(|()| count),
        Err(error) => {
            task.abandon().await;
            Err(error)
        }
    }
}

/// The BMC does not answer: give up if that has gone on for too long.
async fn unreadable(task: SharedTask, count: u32, failure: &str) -> Result<u32, ConductorError> {
    let (node, attempts) = (task.node().uuid, task.config().power_state_sync_max_retries);
    if attempts < count {
        return finish(upgrade(task).await?, async |task| {
            give_up(task, None, Some(failure)).await?;
            Ok(count)
        })
        .await;
    }
    warn!(%node, error = failure, attempt = count, attempts, "power state could not be read");
    Ok(count)
}

/// Whether the last error is to be forgotten now that the machine is as recorded. One that explains why the node is
/// where it is stays, unlike Ironic's; one that the history does not keep stays too.
fn clears_error(task: &SharedTask) -> bool {
    task.config().node_history && has_old_error(task.node())
}

fn has_old_error(node: &Node) -> bool {
    let explains = FAILURE.contains(&node.provision_state) || node.provision_state == ProvisionState::Error;
    node.last_error.is_some() && !explains
}

/// Forgets the last error, if nothing has happened to the node since it was read.
async fn clear_error(task: &mut ExclusiveTask, actual: Actual) -> Result<u32, ConductorError> {
    let node = task.node();
    if !is_excluded(node) && node.power_state == actual && has_old_error(node) {
        task.node_mut().last_error = None;
        task.save().await?;
    }
    Ok(0)
}

/// Puts right what is wrong: the machine, or the record of it.
async fn correct(task: &mut ExclusiveTask, actual: Actual, count: u32) -> Result<u32, ConductorError> {
    let Some(recorded) = task.node().power_state else {
        if task.shared().config.node_history && has_old_error(task.node()) {
            task.node_mut().last_error = None;
        }
        store(task, actual).await?;
        return Ok(0);
    };
    if task.shared().config.power_state_sync_max_retries < count {
        give_up(task, actual, None).await?;
        return Ok(count);
    }
    let node = task.node().uuid;
    if is_forced(task, recorded).await? {
        warn!(%node, from = ?actual, to = %recorded, attempt = count, "machine is not as recorded, changing it");
        if let Err(error) = power::action(task, recorded, None).await {
            warn!(%node, error = %Chain(&error), "power state could not be put back");
        }
        return Ok(count);
    }
    warn!(%node, from = %recorded, to = ?actual, attempt = count, "machine is not as recorded, correcting the record");
    store(task, actual).await?;
    Ok(count)
}

/// Whether the machine is to follow the record, and can.
async fn is_forced(task: &mut ExclusiveTask, recorded: PowerState) -> Result<bool, ConductorError> {
    let possible = matches!(recorded, PowerState::On | PowerState::Off);
    if !possible || !task.shared().config.force_power_state_during_sync || task.node().disable_power_off {
        return Ok(false);
    }
    let power = task.power()?;
    power.supports_power_sync().await.map_err(power.0.failed("supports_power_sync"))
}

/// Records the actual power state and tells of it.
pub(crate) async fn store(task: &mut ExclusiveTask, actual: Actual) -> Result<(), ConductorError> {
    let before = task.node().power_state;
    task.node_mut().power_state = actual;
    task.save().await?;
    if before != actual {
        info!(node = %task.node().uuid, from = ?before, to = ?actual, "recorded power state is corrected");
        task.shared().notifier.power_state_corrected(task.node(), before);
    }
    Ok(())
}

/// Believes the machine, and leaves the node to people.
async fn give_up(
    task: &mut ExclusiveTask,
    actual: Actual,
    failure: Option<&str>,
) -> Result<(), ConductorError> {
    let node = task.node();
    let name = |state: Actual| state.map_or("unknown", PowerState::as_str);
    let (state, expected) = (name(actual), name(node.power_state));
    let mut text = format!(
        "During sync_power_state, max retries exceeded for node {}, node state {state} does not match expected \
         state '{expected}'. Updating DB state to '{state}' Switching node to maintenance mode.",
        node.uuid
    );
    if let Some(failure) = failure {
        text.push_str(&format!(" Error: {failure}"));
    }
    warn!(node = %node.uuid, error = text, "power state is given up");
    record_error(task, text.clone(), "power sync").await;
    let node = task.node_mut();
    if !node.maintenance {
        node.maintenance = true;
        node.maintenance_reason = Some(text);
        node.fault = Some(Fault::PowerFailure);
    }
    store(task, actual).await
}
