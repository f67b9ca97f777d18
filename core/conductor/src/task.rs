//! The task manager: scopes over one node.
//!
//! A [`SharedTask`] promises not to change anything; an [`ExclusiveTask`] holds the node's lock. What changes a
//! node takes `&mut ExclusiveTask`, so that misuse does not compile. The lock goes away on every path: at
//! [`ExclusiveTask::finish`], when a lazy load fails, when the background job ends however it ends, and when the
//! task is dropped.
//!
//! **Invariant:** nobody else takes or releases a node's lock.
//!
//! Source: Ironic's task manager.

mod event;
mod exclusive;
mod held;
mod job;
mod shared;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use farrier_model::node::{Interfaces, Node, NodeIdent};
use farrier_model::port::Port;
use farrier_model::portgroup::Portgroup;
use farrier_model::provision::machine::Machine;
use farrier_model::volume::{VolumeConnector, VolumeTarget};
use farrier_sdk::interface::InterfaceType;
use farrier_store::{Gone, Store, StoreError};

use crate::access::{Grip, TaskAccess};
use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::images;
use crate::lifecycle::Heartbeat;
use crate::lock::{Gates, LockPolicy, Retry};
use crate::notify::Notifier;
use crate::registry::{Driver, Registry, instance_override};
use crate::ring::Rings;
use crate::workers::Workers;

pub use event::{ErrorHandler, ProcessEvent};
pub use exclusive::ExclusiveTask;
pub(crate) use job::panic_text;
pub use job::{Job, JobError, JobFuture, SpawnErrorHook};
pub use shared::SharedTask;

/// What all tasks of a conductor share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) registry: Arc<Registry>,
    pub(crate) config: ConductorConfig,
    /// Name of this conductor: the tag of its locks.
    pub(crate) host: String,
    pub(crate) workers: Workers,
    pub(crate) rings: Rings,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) notifier: Notifier,
    pub(crate) images: images::Server,
    gates: Gates,
}

impl Shared {
    fn policy(&self, retry: Retry) -> LockPolicy {
        let (attempts, interval) = (self.config.node_locked_retry_attempts, self.config.lock_interval());
        LockPolicy { retry, attempts, interval }
    }

    /// What it is for a conductor to be gone.
    fn gone(&self, conductor: &str) -> Gone {
        let timeout = Duration::from_secs(self.config.heartbeat_timeout);
        Gone { conductor: conductor.to_owned(), timeout }
    }

    /// Whether a conductor cannot be counted on now. One that is not registered can not.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) async fn is_gone(&self, conductor: &str) -> Result<bool, ConductorError> {
        let Gone { conductor, timeout } = self.gone(conductor);
        match self.store.conductor_get(&conductor).await {
            Ok(known) => Ok(!self.store.conductor_is_alive(&known, timeout)),
            Err(StoreError::ConductorNotFound { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// How long a call of a driver may take that has no limit of its own.
    pub(crate) fn call_timeout(&self) -> Duration {
        Duration::from_secs(self.config.driver_call_timeout)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Who asks, for logs and history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// `req-` and a UUID.
    pub request_id: Option<String>,
    /// The user, if the API knows one.
    pub user: Option<String>,
    /// The user's project, if the API knows one.
    pub project: Option<String>,
}

/// How a task is taken.
#[derive(Debug, Clone)]
pub struct Acquire {
    /// Who asks.
    pub context: RequestContext,
    /// What for; shown with the lock and in the log.
    pub purpose: String,
    /// How long to wait for a busy node.
    pub retry: Retry,
    /// Whether to assemble the node's driver.
    pub load_driver: bool,
}

impl Default for Acquire {
    fn default() -> Self {
        Self {
            context: RequestContext::default(),
            purpose: "unspecified action".to_owned(),
            retry: Retry::Configured,
            load_driver: true,
        }
    }
}

impl Acquire {
    /// A task with its driver, for `purpose`.
    #[must_use]
    pub fn new(purpose: &str) -> Self {
        Self { purpose: purpose.to_owned(), ..Self::default() }
    }

    /// The same without its driver.
    #[must_use]
    pub fn without_driver(mut self) -> Self {
        self.load_driver = false;
        self
    }
}

/// Hands out tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TaskManager {
    pub(crate) shared: Arc<Shared>,
}

impl TaskManager {
    /// A manager that locks nodes as `host`.
    ///
    /// # Errors
    ///
    /// [`ConductorError::IncorrectConfiguration`].
    pub fn new(
        host: &str,
        config: ConductorConfig,
        store: Store,
        registry: Arc<Registry>,
        notifier: Notifier,
    ) -> Result<Self, ConductorError> {
        Self::serving(host, config, store, registry, notifier, None)
    }

    /// The same with somebody who serves images.
    pub(crate) fn serving(
        host: &str,
        config: ConductorConfig,
        store: Store,
        registry: Arc<Registry>,
        notifier: Notifier,
        images: images::Server,
    ) -> Result<Self, ConductorError> {
        let workers = Workers::new(&config)?;
        let rings = Rings::new(&config)?;
        let heartbeat = Heartbeat::default();
        let host = host.to_owned();
        let gates = Gates::default();
        Ok(Self {
            shared: Arc::new(Shared {
                store,
                registry,
                config,
                host,
                workers,
                rings,
                heartbeat,
                notifier,
                images,
                gates,
            }),
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Takes the exclusive lock of a node, and its driver if asked for.
    ///
    /// The node of the task is read after the lock was taken. A call that is dropped leaves no lock.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked` after the configured time, `InvalidState`, and those of the registry; the lock
    /// is released again before any of them is answered.
    pub async fn acquire_exclusive(
        &self,
        ident: impl Into<NodeIdent>,
        acquire: Acquire,
    ) -> Result<ExclusiveTask, ConductorError> {
        let node = match ident.into() {
            NodeIdent::Id(id) => id,
            // The queue of a node goes by its number.
            ident @ NodeIdent::Uuid(_) => self.shared.store.node_get(ident).await?.id,
        };
        ExclusiveTask::acquire(Arc::clone(&self.shared), node, acquire).await
    }

    /// Takes a shared task: it neither blocks nor is blocked by anything.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `InvalidState`, and those of the registry.
    pub async fn acquire_shared(
        &self,
        ident: impl Into<NodeIdent>,
        acquire: Acquire,
    ) -> Result<SharedTask, ConductorError> {
        let node = self.shared.store.node_get(ident).await?;
        SharedTask::new(Core::new(Arc::clone(&self.shared), node, acquire, Grip::shared())?)
    }
}

impl TaskManager {
    /// A shared task on a node that was read just now.
    ///
    /// # Errors
    ///
    /// As [`TaskManager::acquire_shared`], but for `NodeNotFound`.
    pub(crate) fn shared_on(&self, node: Node, acquire: Acquire) -> Result<SharedTask, ConductorError> {
        SharedTask::new(Core::new(Arc::clone(&self.shared), node, acquire, Grip::shared())?)
    }
}

/// What both kinds of task have.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    acquire: Acquire,
    /// The node as the store has it.
    pub(crate) stored: Node,
    /// The node as this task wants it.
    pub(crate) node: Node,
    /// The interfaces that the stored node chooses itself: `node` and `stored` have defaults for the others.
    chosen: Interfaces,
    machine: Machine,
    pub(crate) driver: Option<Driver>,
    pub(crate) access: Option<TaskAccess>,
    /// What drivers may do with the node.
    pub(crate) grip: Arc<Grip>,
    resources: Resources,
    released: bool,
}

/// Records that belong to the node, loaded when they are first asked for.
#[derive(Debug, Default)]
struct Resources {
    ports: Option<Vec<Port>>,
    portgroups: Option<Vec<Portgroup>>,
    volume_connectors: Option<Vec<VolumeConnector>>,
    volume_targets: Option<Vec<VolumeTarget>>,
}

impl Core {
    /// Boxed: two whole nodes are too much for the futures that hold a task.
    fn new(
        shared: Arc<Shared>,
        node: Node,
        acquire: Acquire,
        grip: Grip,
    ) -> Result<Box<Self>, ConductorError> {
        let machine = Machine::new(node.provision_state, node.target_provision_state)?;
        Ok(Box::new(Self {
            shared,
            acquire,
            stored: node.clone(),
            chosen: node.interfaces.clone(),
            node,
            machine,
            driver: None,
            access: None,
            grip: Arc::new(grip),
            resources: Resources::default(),
            released: false,
        }))
    }

    /// Assembles the driver; missing interface names are filled in on the task's node, in memory.
    pub(crate) fn load_driver(&mut self) -> Result<(), ConductorError> {
        if self.driver.is_none() {
            self.driver = Some(self.shared.registry.assemble(&mut self.node)?);
            // Defaults are recomputed for every task and never saved by accident.
            self.stored.interfaces = self.node.interfaces.clone();
        }
        Ok(())
    }

    /// Binds another state of the node: after the lock was taken or given up. Nothing changes when this fails.
    ///
    /// The driver stays, unless the node has chosen another one meanwhile.
    fn bind(&mut self, mut node: Node, grip: Grip) -> Result<(), ConductorError> {
        let machine = Machine::new(node.provision_state, node.target_provision_state)?;
        let (chosen, mut stored) = (node.interfaces.clone(), node.clone());
        if self.driver.is_some() {
            if self.has_same_driver(&node) {
                node.interfaces = self.node.interfaces.clone();
            } else {
                self.driver = Some(self.shared.registry.assemble(&mut node)?);
            }
            stored.interfaces = node.interfaces.clone();
        }
        (self.stored, self.node, self.chosen, self.machine) = (stored, node, chosen, machine);
        self.access = None;
        self.grip = Arc::new(grip);
        Ok(())
    }

    /// Whether the task's driver is that of `node`.
    fn has_same_driver(&self, node: &Node) -> bool {
        self.node.driver == node.driver
            && self.chosen == node.interfaces
            && InterfaceType::ALL
                .into_iter()
                .all(|kind| instance_override(&self.stored, kind) == instance_override(node, kind))
    }

    /// Forgets what the task has of the node, but not which one it was: its scope has ended.
    fn end(&mut self) {
        self.released = true;
        self.grip.lose();
        self.access = None;
        self.driver = None;
        self.resources = Resources::default();
    }

    pub(crate) fn check_released(&self) -> Result<(), ConductorError> {
        if self.released {
            return Err(ConductorError::Released { node: self.node.uuid });
        }
        Ok(())
    }

    async fn load_ports(&mut self) -> Result<(), ConductorError> {
        self.check_released()?;
        if self.resources.ports.is_none() {
            self.resources.ports = Some(self.shared.store.ports_by_node(self.node.id).await?);
        }
        Ok(())
    }

    async fn load_portgroups(&mut self) -> Result<(), ConductorError> {
        self.check_released()?;
        if self.resources.portgroups.is_none() {
            self.resources.portgroups = Some(self.shared.store.portgroups_by_node(self.node.id).await?);
        }
        Ok(())
    }

    async fn load_volume_connectors(&mut self) -> Result<(), ConductorError> {
        self.check_released()?;
        if self.resources.volume_connectors.is_none() {
            let loaded = self.shared.store.volume_connectors_by_node(self.node.id).await?;
            self.resources.volume_connectors = Some(loaded);
        }
        Ok(())
    }

    async fn load_volume_targets(&mut self) -> Result<(), ConductorError> {
        self.check_released()?;
        if self.resources.volume_targets.is_none() {
            let loaded = self.shared.store.volume_targets_by_node(self.node.id).await?;
            self.resources.volume_targets = Some(loaded);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
