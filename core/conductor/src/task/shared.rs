//! Tasks without the lock.

use farrier_model::node::Node;
use farrier_model::port::Port;
use farrier_model::portgroup::Portgroup;
use farrier_model::provision::machine::Machine;
use farrier_model::volume::{VolumeConnector, VolumeTarget};

use super::{Acquire, Core, ExclusiveTask, RequestContext};
use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::registry::Driver;

/// A look at one node: takes no lock, changes nothing.
///
/// What changes a node is not there:
///
/// ```compile_fail,E0599
/// # use farrier_conductor::{error::ConductorError, task::SharedTask};
/// async fn rename(task: &mut SharedTask) -> Result<(), ConductorError> {
///     task.node_mut().name = Some("n1".to_owned());
///     task.save().await
/// }
/// ```
///
/// ```compile_fail,E0308
/// # use farrier_conductor::{error::ConductorError, task::{ExclusiveTask, ProcessEvent, SharedTask}};
/// # use farrier_model::provision::Event;
/// async fn manage(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
///     task.process_event(Event::Manage, ProcessEvent::default()).await
/// }
///
/// async fn look(task: &mut SharedTask) -> Result<(), ConductorError> {
///     manage(task).await
/// }
/// ```
///
/// [`upgrade`](Self::upgrade) makes a task of it that can. What a driver wants to change when it is asked through a
/// shared task is refused at run time.
#[derive(Debug)]
pub struct SharedTask {
    core: Box<Core>,
}

impl SharedTask {
    pub(super) fn new(mut core: Box<Core>) -> Result<Self, ConductorError> {
        if core.acquire.load_driver {
            core.load_driver()?;
        }
        Ok(Self { core })
    }

    pub(super) fn from_core(core: Box<Core>) -> Self {
        Self { core }
    }

    pub(crate) fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The options of the conductor.
    pub(crate) fn config(&self) -> &ConductorConfig {
        &self.core.shared.config
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.core.node
    }

    /// Who asked.
    #[must_use]
    pub fn context(&self) -> &RequestContext {
        &self.core.acquire.context
    }

    /// What for.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.core.acquire.purpose
    }

    /// The driver, if it was asked for.
    #[must_use]
    pub fn driver(&self) -> Option<&Driver> {
        self.core.driver.as_ref()
    }

    /// Where the node is and where it is going.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.core.machine
    }

    /// The node's ports, loaded once.
    ///
    /// # Errors
    ///
    /// Those of the store, after which the task is released.
    pub async fn ports(&mut self) -> Result<&[Port], ConductorError> {
        let loaded = self.core.load_ports().await;
        self.keep_or_end(loaded)?;
        Ok(self.core.resources.ports.as_deref().unwrap_or_default())
    }

    /// The node's port groups, loaded once.
    ///
    /// # Errors
    ///
    /// Those of the store, after which the task is released.
    pub async fn portgroups(&mut self) -> Result<&[Portgroup], ConductorError> {
        let loaded = self.core.load_portgroups().await;
        self.keep_or_end(loaded)?;
        Ok(self.core.resources.portgroups.as_deref().unwrap_or_default())
    }

    /// The node's volume connectors, loaded once.
    ///
    /// # Errors
    ///
    /// Those of the store, after which the task is released.
    pub async fn volume_connectors(&mut self) -> Result<&[VolumeConnector], ConductorError> {
        let loaded = self.core.load_volume_connectors().await;
        self.keep_or_end(loaded)?;
        Ok(self.core.resources.volume_connectors.as_deref().unwrap_or_default())
    }

    /// The node's volume targets, loaded once.
    ///
    /// # Errors
    ///
    /// Those of the store, after which the task is released.
    pub async fn volume_targets(&mut self) -> Result<&[VolumeTarget], ConductorError> {
        let loaded = self.core.load_volume_targets().await;
        self.keep_or_end(loaded)?;
        Ok(self.core.resources.volume_targets.as_deref().unwrap_or_default())
    }

    fn keep_or_end(&mut self, loaded: Result<(), ConductorError>) -> Result<(), ConductorError> {
        if loaded.is_err() {
            self.core.end();
        }
        loaded
    }

    /// Takes the lock. The node is read anew; the driver stays, unless the node has chosen another one meanwhile.
    ///
    /// `change` sets another purpose or patience first, which stays also when this fails.
    ///
    /// # Errors
    ///
    /// `NodeLocked` and kin, [`ConductorError::Released`]; with the task as it was.
    pub async fn upgrade(
        mut self,
        change: impl FnOnce(&mut Acquire),
    ) -> Result<ExclusiveTask, (Self, ConductorError)> {
        change(&mut self.core.acquire);
        if let Err(error) = self.core.check_released() {
            return Err((self, error));
        }
        ExclusiveTask::upgrade(self.core).await.map_err(|(core, error)| (Self { core }, error))
    }
}
