//! Tasks that hold the lock.

use std::sync::Arc;

use farrier_model::node::{Node, NodeId};
use farrier_model::port::Port;
use farrier_model::portgroup::Portgroup;
use farrier_model::provision::machine::Machine;
use farrier_model::volume::{VolumeConnector, VolumeTarget};
use farrier_store::Admission;
use tracing::error;

use super::event::Pending;
use super::held::HeldLock;
use super::job::{Job, SpawnErrorHook, run_job};
use super::{Acquire, Core, RequestContext, Shared, SharedTask};
use crate::access::Grip;
use crate::error::ConductorError;
use crate::registry::Driver;
use crate::workers::Permit;

/// A node held by this conductor for one purpose.
///
/// End it with [`finish`](Self::finish). A task that is dropped instead gives the lock back in the background
/// and starts no job.
///
/// ```
/// # use farrier_conductor::{error::ConductorError, task::{ExclusiveTask, ProcessEvent, SharedTask}};
/// # use farrier_model::provision::Event;
/// async fn manage(task: &mut ExclusiveTask) -> Result<(), ConductorError> {
///     task.node_mut().description = Some("under control".to_owned());
///     task.process_event(Event::Manage, ProcessEvent::default()).await
/// }
///
/// async fn look(task: SharedTask) -> Result<(), ConductorError> {
///     let mut task = task.upgrade(|_| ()).await.map_err(|(_, error)| error)?;
///     manage(&mut task).await?;
///     task.finish().await
/// }
/// ```
pub struct ExclusiveTask {
    /// Taken when the task turns into something else.
    core: Option<Box<Core>>,
    lock: Option<HeldLock>,
    pub(super) job: Option<Job>,
    pub(super) hook: Option<SpawnErrorHook>,
    pub(super) pending: Option<Pending>,
}

impl std::fmt::Debug for ExclusiveTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExclusiveTask")
            .field("core", &self.core)
            .field("lock", &self.lock)
            .field("job", &self.job)
            .finish_non_exhaustive()
    }
}

impl ExclusiveTask {
    /// Takes the lock, then reads the node, then loads the driver; gives the lock back when one of them fails.
    pub(super) async fn acquire(
        shared: Arc<Shared>,
        node: NodeId,
        acquire: Acquire,
    ) -> Result<Self, ConductorError> {
        let (lock, node) = HeldLock::take(&shared, node, &acquire).await?;
        Self::on_or_release(shared, lock, Box::new(node), acquire).await
    }

    /// Takes over the lock that a conductor which is gone has on `node`, as that was read before. Nobody can take the
    /// node in between, nor need those who wait for it let us pass.
    ///
    /// However the task ends, the lock goes back to that conductor, so that the node is found again, until what it was
    /// doing is [settled](Self::settle). If it has come back by then, the node is set free.
    ///
    /// # Errors
    ///
    /// `NodeLocked`, `NodeNotLocked`: the lock is not what it was, or the conductor is back; those of
    /// [`acquire`](Self::acquire).
    pub(crate) async fn take_over(
        shared: Arc<Shared>,
        node: &Node,
        acquire: Acquire,
    ) -> Result<Self, ConductorError> {
        let (lock, node) = HeldLock::take_over(&shared, node, &acquire.purpose).await?;
        Self::on_or_release(shared, lock, Box::new(node), acquire).await
    }

    /// What the conductor was doing from whom the lock was taken over is settled: the lock is as any other now.
    pub(crate) fn settle(&mut self) {
        if let Some(lock) = &mut self.lock {
            lock.settle();
        }
    }

    /// A task that has its lock, which is given back if there can be none.
    async fn on_or_release(
        shared: Arc<Shared>,
        lock: HeldLock,
        node: Box<Node>,
        acquire: Acquire,
    ) -> Result<Self, ConductorError> {
        let core = Core::new(shared, *node, acquire, Grip::exclusive()).and_then(|mut core| {
            if core.acquire.load_driver {
                core.load_driver()?;
            }
            Ok(core)
        });
        match core {
            Ok(core) => Ok(Self::new(core, lock)),
            Err(error) => {
                lock.release_after(&error).await;
                Err(error)
            }
        }
    }

    /// Takes the lock and binds the node as it then is; the task stays as it was when one of them fails.
    pub(super) async fn upgrade(mut core: Box<Core>) -> Result<Self, (Box<Core>, ConductorError)> {
        let (lock, node) = match HeldLock::take(&core.shared, core.node.id, &core.acquire).await {
            Ok(locked) => locked,
            Err(error) => return Err((core, error)),
        };
        match core.bind(node, Grip::exclusive()) {
            Ok(()) => Ok(Self::new(core, lock)),
            Err(error) => {
                lock.release_after(&error).await;
                Err((core, error))
            }
        }
    }

    fn new(core: Box<Core>, lock: HeldLock) -> Self {
        Self { core: Some(core), lock: Some(lock), job: None, hook: None, pending: None }
    }

    #[expect(clippy::expect_used, reason = "the core is taken only by methods that consume the task")]
    pub(crate) fn core(&self) -> &Core {
        self.core.as_ref().expect("the task was not consumed")
    }

    #[expect(clippy::expect_used, reason = "the core is taken only by methods that consume the task")]
    pub(crate) fn core_mut(&mut self) -> &mut Core {
        self.core.as_mut().expect("the task was not consumed")
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.core().shared
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.core().node
    }

    /// The node, to be changed; [`save`](Self::save) writes it.
    #[must_use]
    pub fn node_mut(&mut self) -> &mut Node {
        &mut self.core_mut().node
    }

    /// Who asked.
    #[must_use]
    pub fn context(&self) -> &RequestContext {
        &self.core().acquire.context
    }

    /// What for.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.core().acquire.purpose
    }

    /// Sets another purpose or patience; what [`SharedTask::upgrade`] does besides taking the lock.
    pub fn amend(&mut self, change: impl FnOnce(&mut Acquire)) {
        change(&mut self.core_mut().acquire);
    }

    /// The driver, if it was asked for and the task was not released.
    #[must_use]
    pub fn driver(&self) -> Option<&Driver> {
        self.core().driver.as_ref()
    }

    /// Assembles the driver if that was not done before.
    ///
    /// # Errors
    ///
    /// Those of the registry; [`ConductorError::Released`].
    pub fn load_driver(&mut self) -> Result<(), ConductorError> {
        self.core().check_released()?;
        self.core_mut().load_driver()
    }

    /// Assembles the driver anew: the node has other interfaces now.
    ///
    /// # Errors
    ///
    /// Those of the registry, after which the next call of a driver tries again.
    pub(crate) fn reload_driver(&mut self) -> Result<(), ConductorError> {
        let core = self.core_mut();
        core.driver = None;
        core.access = None;
        core.load_driver()
    }

    /// Takes back what was changed and not saved, on the node and of its place in the state machine; not where drivers
    /// have switched the machine, which is there whatever became of the rest.
    ///
    /// # Errors
    ///
    /// [`ConductorError::InvalidState`]: the stored node is nowhere; [`ConductorError::Released`].
    pub(crate) fn forget_unsaved(&mut self) -> Result<(), ConductorError> {
        let core = self.core_mut();
        core.check_released()?;
        let switched = core.access.as_ref().and_then(super::TaskAccess::take_switched);
        let stored = Node { interfaces: core.chosen.clone(), ..core.stored.clone() };
        core.bind(stored, Grip::exclusive())?;
        if let Some(switched) = switched {
            core.node.power_state = switched.0;
        }
        Ok(())
    }

    /// Where the node is and where it is going.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.core().machine
    }

    pub(super) fn machine_mut(&mut self) -> &mut Machine {
        &mut self.core_mut().machine
    }

    /// Whether the lock is still ours.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.lock.is_none()
    }

    /// Writes what was changed on the node.
    ///
    /// # Errors
    ///
    /// Those of the store; [`ConductorError::Released`].
    pub async fn save(&mut self) -> Result<(), ConductorError> {
        self.save_if(None).await
    }

    /// As [`save`](Self::save), if `admission` has room.
    pub(super) async fn save_if(&mut self, admission: Option<&Admission>) -> Result<(), ConductorError> {
        let core = self.core_mut();
        core.check_released()?;
        if let Some((revision, info)) = core.access.as_ref().and_then(super::TaskAccess::take_saved) {
            adopt_internal_info(core, revision, &info);
        }
        if let Some(switched) = core.access.as_ref().and_then(super::TaskAccess::take_switched) {
            core.node.power_state = switched.0;
        }
        if let Some(target) = core.access.as_ref().and_then(super::TaskAccess::take_raid_config) {
            core.node.target_raid_config = target;
        }
        let store = &core.shared.store;
        let mut saved = match admission {
            None => store.node_update(&core.stored, &core.node).await?,
            Some(admission) => store.node_admit(&core.stored, &core.node, admission).await?,
        };
        core.chosen = saved.interfaces.clone();
        if core.driver.is_some() {
            saved.interfaces = core.node.interfaces.clone();
        }
        core.stored = saved.clone();
        core.node = saved;
        core.access = None;
        Ok(())
    }

    /// What a driver handed over in an inspection since the node was last saved, once.
    pub(crate) fn take_found(&self) -> Option<farrier_sdk::interface::inspect::Inspection> {
        self.core().access.as_ref().and_then(super::TaskAccess::take_found)
    }

    /// Forgets that the node exists, so that nothing is released: it was deleted under the lock.
    pub(crate) fn node_destroyed(&mut self) {
        if let Some(lock) = self.lock.take() {
            lock.forget();
        }
        self.core_mut().end();
    }

    /// The node's ports, loaded once.
    ///
    /// # Errors
    ///
    /// Those of the store, after which the lock is given back.
    pub async fn ports(&mut self) -> Result<&[Port], ConductorError> {
        let loaded = self.core_mut().load_ports().await;
        self.keep_or_release(loaded).await?;
        Ok(self.core().resources.ports.as_deref().unwrap_or_default())
    }

    /// The node's port groups, loaded once.
    ///
    /// # Errors
    ///
    /// Those of the store, after which the lock is given back.
    pub async fn portgroups(&mut self) -> Result<&[Portgroup], ConductorError> {
        let loaded = self.core_mut().load_portgroups().await;
        self.keep_or_release(loaded).await?;
        Ok(self.core().resources.portgroups.as_deref().unwrap_or_default())
    }

    /// The node's volume connectors, loaded once.
    ///
    /// # Errors
    ///
    /// Those of the store, after which the lock is given back.
    pub async fn volume_connectors(&mut self) -> Result<&[VolumeConnector], ConductorError> {
        let loaded = self.core_mut().load_volume_connectors().await;
        self.keep_or_release(loaded).await?;
        Ok(self.core().resources.volume_connectors.as_deref().unwrap_or_default())
    }

    /// The node's volume targets, loaded once.
    ///
    /// # Errors
    ///
    /// Those of the store, after which the lock is given back.
    pub async fn volume_targets(&mut self) -> Result<&[VolumeTarget], ConductorError> {
        let loaded = self.core_mut().load_volume_targets().await;
        self.keep_or_release(loaded).await?;
        Ok(self.core().resources.volume_targets.as_deref().unwrap_or_default())
    }

    async fn keep_or_release(&mut self, loaded: Result<(), ConductorError>) -> Result<(), ConductorError> {
        if loaded.is_err()
            && let Err(error) = self.release().await
        {
            error!(node = %self.node().uuid, %error, "lock could not be released");
        }
        loaded
    }

    /// Remembers a job for the end of the scope; a second one replaces the first.
    pub fn spawn_after(&mut self, job: Job) {
        self.job = Some(job);
    }

    /// Remembers what to do if the job cannot be started.
    pub fn set_spawn_error_hook(&mut self, hook: SpawnErrorHook) {
        self.hook = Some(hook);
    }

    /// Gives the lock back now; harmless when that was done before.
    ///
    /// # Errors
    ///
    /// Those of the store, when the lock was no longer ours.
    pub async fn release(&mut self) -> Result<(), ConductorError> {
        self.core_mut().end();
        match self.lock.take() {
            Some(lock) => lock.release().await,
            None => Ok(()),
        }
    }

    /// Gives the lock up and keeps looking. What was not saved is lost.
    ///
    /// # Errors
    ///
    /// [`ConductorError::Released`]; those of the store.
    pub async fn downgrade(mut self) -> Result<SharedTask, ConductorError> {
        let released = ConductorError::Released { node: self.node().uuid };
        let (Some(lock), Some(mut core)) = (self.lock.take(), self.core.take()) else { return Err(released) };
        core.grip.lose();
        lock.release().await?;
        let node = core.shared.store.node_get(core.node.id).await?;
        core.bind(node, Grip::shared())?;
        Ok(SharedTask::from_core(core))
    }

    /// Ends the scope well: starts the job if there is one, which then has the lock; gives the lock back otherwise.
    ///
    /// # Errors
    ///
    /// - [`ConductorError::NoFreeConductorWorker`]: the hook has run, the lock is given back, no job runs.
    /// - Those of the store.
    pub async fn finish(mut self) -> Result<(), ConductorError> {
        let Some(job) = self.job.take() else { return self.release().await };
        match self.shared().workers.acquire() {
            Ok(permit) => {
                self.start(job, permit);
                Ok(())
            }
            Err(error) => {
                self.spawn_failed(&error).await;
                Err(error)
            }
        }
    }

    /// As [`finish`](Self::finish) with a worker that was taken before, so that the job cannot fail to start.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) async fn finish_with(mut self, permit: Permit) -> Result<(), ConductorError> {
        let Some(job) = self.job.take() else { return self.release().await };
        self.start(job, permit);
        Ok(())
    }

    /// Leaves the lock to the job.
    fn start(mut self, job: Job, permit: Permit) {
        // Published before the job can publish anything of its own.
        self.publish_pending();
        let workers = self.shared().workers.clone();
        workers.spawn(permit, run_job(self, job));
    }

    /// Ends the scope after an error of its body: no job is started, the lock is given back.
    pub async fn abandon(mut self) {
        self.job = None;
        if let Err(error) = self.release().await {
            error!(node = %self.node().uuid, %error, "lock could not be released");
        }
    }

    async fn spawn_failed(&mut self, error: &ConductorError) {
        if let Some(hook) = self.hook.take()
            && let Err(failure) = hook(error, self).await
        {
            tracing::warn!(node = %self.node().uuid, error = %failure, "the hook for a job that did not start failed");
        }
        if let Err(error) = self.release().await {
            error!(node = %self.node().uuid, %error, "lock could not be released");
        }
    }
}

/// Takes over what a driver saved meanwhile; changes of our own to other members stay.
fn adopt_internal_info(core: &mut Core, revision: i64, saved: &farrier_model::node::Fields) {
    let before = std::mem::replace(&mut core.stored.driver_internal_info, saved.clone());
    let ours = std::mem::replace(&mut core.node.driver_internal_info, saved.clone());
    for (key, value) in &ours {
        if before.get(key) != Some(value) {
            core.node.driver_internal_info.insert(key.clone(), value.clone());
        }
    }
    for key in before.keys().filter(|key| !ours.contains_key(*key)) {
        core.node.driver_internal_info.remove(key);
    }
    core.stored.driver_internal_info_revision = revision;
    core.node.driver_internal_info_revision = revision;
}
