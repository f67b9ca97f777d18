//! The console of a node: where it is, and switching it on and off.

use farrier_model::node::NodeName;
use farrier_model::notification::Status;
use farrier_model::notification::node::ConsoleAction;
use farrier_sdk::error::Chain;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::console::{ConsoleClient, ConsoleInfo};
use tracing::{info, warn};

use super::Conductor;
use super::management::start;
use crate::error::ConductorError;
use crate::operation::record_error;
use crate::task::{Acquire, ExclusiveTask, Job, JobError, RequestContext};

/// Whether a console runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleMode {
    /// It runs.
    On,
    /// It does not.
    Off,
}

impl Conductor {
    /// The console of a node: `None` while it is off, and no address when it has none. Takes no lock.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`; what the driver answers.
    pub async fn console(
        &self,
        context: RequestContext,
        name: &NodeName,
    ) -> Result<Option<Option<ConsoleInfo>>, ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("getting console information") };
        let mut task = self.tasks.acquire_shared(&node, acquire).await?;
        if !task.node().console_enabled {
            return Ok(None);
        }
        let console = ConsoleClient(task.caller(InterfaceType::Console)?);
        console.validate().await.map_err(console.0.failed("validate"))?;
        console.get_console().await.map(Some).map_err(console.0.failed("get_console"))
    }

    /// Starts to switch the console of a node on or off; nothing happens when it is so already.
    ///
    /// The settings are checked without the lock, which is taken for the work alone.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`, what the driver says of its settings, `NoFreeConductorWorker`.
    pub async fn set_console_mode(
        &self,
        context: RequestContext,
        name: &NodeName,
        mode: ConsoleMode,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("setting console mode") };
        let mut task = self.tasks.acquire_shared(&node, acquire).await?;
        let console = ConsoleClient(task.caller(InterfaceType::Console)?);
        console.validate().await.map_err(console.0.failed("validate"))?;
        if task.node().console_enabled == (mode == ConsoleMode::On) {
            info!(node = %node.uuid, ?mode, "the console is as wanted already");
            return Ok(());
        }
        let task = task.upgrade(|_| ()).await.map_err(|(_, error)| error)?;
        let job = Job::new("set_console_mode", move |task| {
            Box::pin(async move { switch(task, mode).await.map_err(JobError::from) })
        });
        start(task, job).await
    }
}

async fn switch(task: &mut ExclusiveTask, mode: ConsoleMode) -> Result<(), ConductorError> {
    notify(task, Status::Start);
    let console = task.console()?;
    let (switched, what) = match mode {
        ConsoleMode::On => {
            (console.start_console().await.map_err(console.0.failed("start_console")), "enabling")
        }
        ConsoleMode::Off => {
            (console.stop_console().await.map_err(console.0.failed("stop_console")), "disabling")
        }
    };
    if let Err(error) = switched {
        record_error(task, format!("Error {what} console. Error: {}", Chain(&error)), "console").await;
        task.save().await?;
        notify(task, Status::Error);
        return Err(error);
    }
    let node = task.node_mut();
    node.console_enabled = mode == ConsoleMode::On;
    node.last_error = None;
    task.save().await?;
    notify(task, Status::End);
    Ok(())
}

/// Stops the console of a node that is going to be deleted; one that does not stop does not keep the node.
pub(super) async fn stop_with_node(task: &mut ExclusiveTask) {
    if !task.node().console_enabled {
        return;
    }
    notify(task, Status::Start);
    let stopped = async {
        let console = task.console()?;
        console.stop_console().await.map_err(console.0.failed("stop_console"))
    };
    if let Err(error) = stopped.await {
        warn!(node = %task.node().uuid, error = %Chain(&error), "the console of a node to be deleted does not stop");
        notify(task, Status::Error);
        return;
    }
    task.node_mut().console_enabled = false;
    notify(task, Status::End);
}

fn notify(task: &ExclusiveTask, status: Status) {
    task.shared().notifier.console(task.node(), ConsoleAction::Set, status);
}
