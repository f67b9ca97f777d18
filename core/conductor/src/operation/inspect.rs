//! Finding out what a machine is made of.
//!
//! ```text
//! start ──► inspect_hardware ──► done ──► what was found is stored, `done`
//!                 ├────► waits ──► event `wait` ──┬► continue_inspection ──► resume ──► done
//!                 │                               └► asked again ──► done
//!                 └────► fails ──► error recorded, inspection torn down, `fail`
//! ```
//!
//! Source: Ironic's inspection.

use std::time::Duration;

use farrier_model::inventory::{Inventory, network_cards};
use farrier_model::node::Fields;
use farrier_model::notification::Status;
use farrier_model::port::Port;
use farrier_model::provision::{Event, ProvisionState};
use farrier_sdk::error::{Chain, ErrorKind};
use farrier_sdk::interface::inspect::{InspectClient, Inspection};
use farrier_sdk::step::StepOutcome;
use farrier_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::{info, warn};
use uuid::Uuid;

use crate::error::ConductorError;
use crate::operation::contain::contained;
use crate::operation::{agent, process, record_error, spawn};
use crate::steps::step_timeout;
use crate::steps::wake::{self, Asked, What};
use crate::task::{ExclusiveTask, JobError, JobFuture, ProcessEvent};

/// What entries of the history about an inspection are called.
const EVENT_TYPE: &str = "introspection";

/// What the agent found, in `driver_internal_info`: for a driver that wants to be asked again what to make of it.
const FOUND: &str = "inspection_found";

/// What the agent found.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Found {
    inventory: Fields,
    plugin_data: Fields,
}

/// Checks that the machine can be inspected, and leaves the inspection to a job.
///
/// # Errors
///
/// [`ConductorError::Driver`]: power or inspection lacks what it needs; [`ConductorError::InvalidState`]. Nothing has
/// changed.
pub(crate) async fn start(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let power = task.power()?;
    power.validate().await.map_err(power.0.failed("validate"))?;
    let inspect = task.inspect()?;
    inspect.validate().await.map_err(inspect.0.failed("validate"))?;
    spawn(task, Event::Inspect, "inspect_hardware", |task| {
        Box::pin(contain(task, |task| Box::pin(async move { Ok(run(task).await?) })))
    })
    .await
}

/// Runs `work`; an error or a panic that escapes it is a failed inspection.
pub(super) async fn contain(
    task: &mut ExclusiveTask,
    work: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send,
) -> Result<(), JobError> {
    contained(task, &[ProvisionState::Inspecting, ProvisionState::InspectWait], work, |task, error| {
        Box::pin(async move { Ok(fail(task, format!("Failed to inspect: {error}")).await?) })
    })
    .await
}

/// Inspects; a failure ends on the node.
async fn run(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    // An agent that still runs knows nothing of an inspection.
    agent::forget_token_and_url(task.node_mut());
    forget_wait(task);
    task.save().await?;
    let inspected = ask(task, None).await;
    settle(task, inspected, None).await
}

/// Asks the driver: to inspect, or what to make of what the agent found.
async fn ask(task: &mut ExclusiveTask, found: Option<&Found>) -> Result<StepOutcome, ConductorError> {
    let limit = step_timeout(task);
    let inspect = InspectClient(task.inspect()?.0.with_timeout(limit));
    match found.cloned() {
        None => inspect.inspect_hardware().await.map_err(inspect.0.failed("inspect_hardware")),
        Some(Found { inventory, plugin_data }) => {
            let answer = inspect.continue_inspection(inventory, Some(plugin_data)).await;
            answer.map_err(inspect.0.failed("continue_inspection"))
        }
    }
}

/// Asks a driver again that wanted to be asked: the same as before. An error that may pass lets the node wait for
/// another `pause`; any other failure, and a panic, ends on the node.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn ask_again(task: &mut ExclusiveTask, pause: Duration) -> Result<(), JobError> {
    contain(task, move |task| {
        Box::pin(async move {
            let found = task.node().driver_internal_info.get(FOUND).cloned();
            let found: Option<Found> = found.and_then(|found| serde_json::from_value(found).ok());
            let answer = ask(task, found.as_ref()).await;
            if let Err(error) = &answer
                && wake::is_retryable(error)
            {
                warn!(node = %task.node().uuid, error = %Chain(error), "an inspection could not tell whether it is over, asking later");
                return Ok(wake::ask_later(task, Asked::Inspection, pause).await?);
            }
            Ok(settle(task, answer, found).await?)
        })
    })
    .await
}

/// Forgets that the node waits to be asked.
fn forget_wait(task: &mut ExclusiveTask) {
    let node = task.node_mut();
    wake::disarm(node, Asked::Inspection);
    agent::remove(node, &[FOUND]);
}

/// What the agent of a node in `inspect wait` found; leaves the rest to a job.
///
/// # Errors
///
/// [`ConductorError::InvalidState`]: the node does not wait for an inspection.
pub(crate) async fn resume(
    task: &mut ExclusiveTask,
    inventory: Fields,
    plugin_data: Fields,
) -> Result<(), ConductorError> {
    spawn(task, Event::Resume, "continue_inspection", move |task| {
        Box::pin(contain(task, move |task| {
            Box::pin(async move { Ok(go_on(task, inventory, plugin_data).await?) })
        }))
    })
    .await
}

async fn go_on(
    task: &mut ExclusiveTask,
    inventory: Fields,
    plugin_data: Fields,
) -> Result<(), ConductorError> {
    forget_wait(task);
    let found = Found { inventory, plugin_data };
    let inspected = ask(task, Some(&found)).await;
    settle(task, inspected, Some(found)).await
}

/// Moves the node to where the answer of its driver leads. What the driver handed over wins over `found`.
async fn settle(
    task: &mut ExclusiveTask,
    answer: Result<StepOutcome, ConductorError>,
    found: Option<Found>,
) -> Result<(), ConductorError> {
    let handed_over = task.take_found();
    match answer {
        Ok(StepOutcome::Wait { poll_after_ms }) => {
            wait(task, poll_after_ms.map(Duration::from_millis), found).await
        }
        Ok(StepOutcome::Done) => {
            forget_wait(task);
            let found = handed_over.or_else(|| found.map(Inspection::from));
            let stored = match found {
                Some(found) => store(task, found).await,
                None => Ok(()),
            };
            match stored {
                Ok(()) => process(task, Event::Done).await,
                Err(error) => fail(task, format!("Failed to store what was found: {}", Chain(&error))).await,
            }
        }
        Err(error) => fail(task, format!("Failed to inspect: {}", Chain(&error))).await,
    }
}

/// Lets the node wait: for its agent or, with a `pause`, until the driver is asked again.
async fn wait(
    task: &mut ExclusiveTask,
    pause: Option<Duration>,
    found: Option<Found>,
) -> Result<(), ConductorError> {
    // What the driver has saved meanwhile is on the node from here on.
    task.save().await?;
    forget_wait(task);
    if let (Some(_), Some(found)) = (pause, found) {
        task.node_mut().driver_internal_info.insert(FOUND.to_owned(), json!(found));
    }
    match (task.node().provision_state, pause) {
        (ProvisionState::InspectWait, Some(pause)) => wake::ask_later(task, Asked::Inspection, pause).await,
        (ProvisionState::InspectWait, None) => task.save().await,
        (_, pause) => wake::wait(task, Asked::Inspection, pause.map(|pause| (pause, What::Again))).await,
    }
}

impl From<Found> for Inspection {
    fn from(Found { inventory, plugin_data }: Found) -> Self {
        Self { inventory, plugin_data, ..Self::default() }
    }
}

/// Stores what was found; members of `properties` are saved with the node's next state.
async fn store(task: &mut ExclusiveTask, found: Inspection) -> Result<(), ConductorError> {
    let Inspection { inventory, plugin_data, properties } = found;
    let inventory = Inventory::new(task.node().id, inventory, plugin_data);
    task.shared().store.inventory_save(&inventory).await?;
    for (key, value) in properties {
        if value.is_null() {
            task.node_mut().properties.remove(&key);
        } else {
            task.node_mut().properties.insert(key, value);
        }
    }
    create_ports(task, &inventory).await?;
    info!(node = %task.node().uuid, "node is inspected");
    Ok(())
}

/// Gives a node without ports one for each network card that was found.
async fn create_ports(task: &mut ExclusiveTask, inventory: &Inventory) -> Result<(), ConductorError> {
    if !task.ports().await?.is_empty() {
        return Ok(());
    }
    let node = task.node().uuid;
    for card in network_cards(&inventory.inventory) {
        let port = Port::new(Uuid::new_v4(), inventory.node_id, card.address);
        let port = Port { pxe_enabled: card.pxe_enabled, node_uuid: node, ..port };
        let notifier = &task.shared().notifier;
        notifier.changed(&port, "create", Status::Start);
        match task.shared().store.port_create(&port).await {
            Ok(port) => {
                info!(%node, port = %port.uuid, address = port.address, "port is created");
                notifier.changed(&port, "create", Status::End);
            }
            Err(error) => {
                notifier.changed(&port, "create", Status::Error);
                if !matches!(error, StoreError::Duplicate { .. }) {
                    return Err(error.into());
                }
                warn!(%node, address = port.address, %error, "a network card belongs to another node");
            }
        }
    }
    Ok(())
}

/// Leaves `message` on the node, removes what the inspection left behind, and lets it fail.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn fail(task: &mut ExclusiveTask, message: String) -> Result<(), ConductorError> {
    give_up(task, message).await?;
    process(task, Event::Fail).await
}

/// Leaves `message` on the node and removes what the inspection left behind.
///
/// # Errors
///
/// Those of the store.
pub(crate) async fn give_up(task: &mut ExclusiveTask, message: String) -> Result<(), ConductorError> {
    warn!(node = %task.node().uuid, error = message, "inspection failed");
    record_error(task, message, EVENT_TYPE).await;
    task.save().await?;
    tear_down(task).await;
    agent::forget_token_and_url(task.node_mut());
    forget_wait(task);
    task.save().await
}

/// Removes what the inspection left behind; what cannot be removed is for the operator.
async fn tear_down(task: &mut ExclusiveTask) {
    let torn_down = match task.inspect() {
        Ok(inspect) => match inspect.tear_down().await {
            // Built before there was anything to tear down.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
            answer => answer.map_err(inspect.0.failed("tear_down")),
        },
        Err(error) => Err(error),
    };
    if let Err(error) = torn_down {
        warn!(node = %task.node().uuid, error = %Chain(&error), "inspection could not be torn down");
    }
}

/// Ends an inspection that waits, because a client asks so.
///
/// # Errors
///
/// [`ConductorError::Driver`]: the driver cannot end it, and the node waits on; [`ConductorError::InvalidState`].
pub(crate) async fn abort(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
    let inspect = task.inspect()?;
    inspect.abort().await.map_err(inspect.0.failed("abort"))?;
    record_error(task, "Inspection was aborted by request.", EVENT_TYPE).await;
    agent::forget_token_and_url(task.node_mut());
    forget_wait(task);
    let last_error = task.node().last_error.clone();
    task.process_event(Event::Abort, ProcessEvent { last_error, ..ProcessEvent::default() }).await
}

#[cfg(test)]
mod tests;
