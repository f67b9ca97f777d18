//! The request surface: everything the daemon may ask of a conductor, one method per request.
//!
//! Names of nodes are resolved here; locks are taken here and end here or with a job.

mod agent;
mod console;
mod driver;
mod hardware;
mod history;
mod management;
mod media;
mod node;
mod port;
mod provision;
mod raid;
mod traits;
mod vendor;
mod vif;

use std::sync::Arc;
use std::time::Duration;

use farrier_model::conductor::Conductor as ConductorRecord;
use farrier_model::node::{Node, NodeName};
use farrier_sdk::interface::management::{BootDevice, CurrentBootDevice};
use farrier_sdk::interface::power::PowerState;
use farrier_store::{NodeBrief, Store};

use crate::error::ConductorError;
use crate::notify::Notifier;
use crate::operation::{power, validate};
use crate::registry::{Registry, RegistryError};
use crate::ring::Unowned;
use crate::task::{Acquire, ExclusiveTask, RequestContext, TaskManager};

pub use crate::operation::validate::Validation;
pub use agent::{AgentInventory, Heartbeat, LookedUp, Lookup};
pub use console::ConsoleMode;
pub use driver::{DriverEntry, DriverInterfaces};
pub use management::{IndicatorName, SecureBoot};
pub use node::{NodeUpdate, ResetInterfaces};
pub use provision::{ProvisionRequest, check_provision};
pub use traits::TraitChange;
pub use vendor::{VendorAnswer, VendorCall};

/// Longest time a power action may be given: a week is longer than any machine takes.
const POWER_TIMEOUT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// A running conductor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Conductor {
    tasks: TaskManager,
}

impl Conductor {
    pub(crate) fn new(tasks: TaskManager) -> Self {
        Self { tasks }
    }

    /// What this conductor offers.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.tasks.shared().registry
    }

    /// The task manager: for embedders and tests; the daemon uses the methods below.
    #[must_use]
    pub fn tasks(&self) -> &TaskManager {
        &self.tasks
    }

    /// Runs `work` to its end, whoever waits for it; [`Conductor::stop`] waits for it as for jobs.
    pub fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.shared().workers.spawn_detached(work)
    }

    /// Tells what becomes of requests, in the name of the API.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.tasks.shared().notifier.of_api()
    }

    /// Name of this conductor.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.tasks.shared().host
    }

    pub(crate) fn store(&self) -> &Store {
        &self.tasks.shared().store
    }

    /// Asks every interface of a node but vendor whether it has what it needs. Takes no lock.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`; those of the registry.
    pub async fn validate(
        &self,
        context: RequestContext,
        name: &NodeName,
    ) -> Result<Vec<Validation>, ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("driver interface validation") };
        let mut task = self.tasks.acquire_shared(&node, acquire).await?;
        validate::validate(&mut task, self.host()).await
    }

    /// Starts a power action: checks under the lock, then works in the background.
    ///
    /// # Errors
    ///
    /// What can be refused at once: see [`ConductorError`]; `NodeLocked`, `NoFreeConductorWorker`.
    pub async fn change_power(
        &self,
        context: RequestContext,
        name: &NodeName,
        request: PowerState,
        timeout: Option<Duration>,
    ) -> Result<(), ConductorError> {
        if let Some(timeout) = timeout.filter(|timeout| POWER_TIMEOUT_MAX < *timeout) {
            let (asked, most) = (timeout.as_secs(), POWER_TIMEOUT_MAX.as_secs());
            return Err(ConductorError::invalid_parameter(format!(
                "timeout is {asked}, at most {most} seconds are allowed"
            )));
        }
        let node = self.node(name).await?;
        farrier_model::power::check_request(&node, request)
            .map_err(|source| ConductorError::PowerRefused { node: node.uuid, source })?;
        let mut task = self.exclusive(context, &node, "changing node power state").await?;
        match power::request(&mut task, request, timeout).await {
            Ok(()) => task.finish().await,
            Err(error) => abandon(task, error).await,
        }
    }

    /// Boot devices a node supports. Takes no lock.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`; what the driver answers.
    pub async fn supported_boot_devices(
        &self,
        context: RequestContext,
        name: &NodeName,
    ) -> Result<Vec<BootDevice>, ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("getting supported boot devices") };
        let mut task = self.tasks.acquire_shared(&node, acquire).await?;
        let management = task.management()?;
        let failed = management.0.failed("get_supported_boot_devices");
        management.get_supported_boot_devices().await.map_err(failed)
    }

    /// The boot device of a node, asked under its lock: some BMCs cannot be asked twice at once.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`; what the driver answers.
    pub async fn boot_device(
        &self,
        context: RequestContext,
        name: &NodeName,
    ) -> Result<CurrentBootDevice, ConductorError> {
        let node = self.node(name).await?;
        let mut task = self.exclusive(context, &node, "getting boot device").await?;
        let answer = match task.management() {
            Ok(management) => {
                let validated = management.validate().await.map_err(management.0.failed("validate"));
                let asked = async {
                    validated?;
                    management.get_boot_device().await.map_err(management.0.failed("get_boot_device"))
                };
                asked.await
            }
            Err(error) => Err(error),
        };
        end(task, answer).await
    }

    /// Sets the boot device of a node.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`; what the driver answers.
    pub async fn set_boot_device(
        &self,
        context: RequestContext,
        name: &NodeName,
        device: BootDevice,
        persistent: bool,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        let mut task = self.exclusive(context, &node, "setting boot device").await?;
        let answer = match task.management() {
            Ok(management) => {
                let set = async {
                    management.validate().await.map_err(management.0.failed("validate"))?;
                    let set = management.set_boot_device(device, persistent).await;
                    set.map_err(management.0.failed("set_boot_device"))
                };
                set.await
            }
            Err(error) => Err(error),
        };
        end(task, answer).await
    }

    /// All conductors that registered here, with whether each can be counted on.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn conductors(&self) -> Result<Vec<(ConductorRecord, bool)>, ConductorError> {
        let conductors = self.store().conductor_list().await?;
        Ok(conductors.into_iter().map(|conductor| self.with_life(conductor)).collect())
    }

    /// One conductor.
    ///
    /// # Errors
    ///
    /// `ConductorNotFound`.
    pub async fn conductor(&self, hostname: &str) -> Result<(ConductorRecord, bool), ConductorError> {
        Ok(self.with_life(self.store().conductor_get(hostname).await?))
    }

    fn with_life(&self, conductor: ConductorRecord) -> (ConductorRecord, bool) {
        let timeout = Duration::from_secs(self.tasks.shared().config.heartbeat_timeout);
        let alive = self.store().conductor_is_alive(&conductor, timeout);
        (conductor, alive)
    }

    /// A node by what a client calls it.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`.
    pub async fn node(&self, name: &NodeName) -> Result<Node, ConductorError> {
        Ok(self.store().node_get_by_name(name.clone()).await?)
    }

    /// Name of the conductor that owns a node, as far as was known when last looked; none when nobody offers its
    /// hardware type to its group.
    ///
    /// For showing it. Whoever acts on it asks [`owner`](Self::owner).
    #[must_use]
    pub fn owner_of(&self, node: &Node) -> Option<String> {
        let known = self.tasks.shared().rings.last()?;
        known.owner(&node.conductor_group, &node.driver, node.uuid).ok().map(str::to_owned)
    }

    /// Name of the conductor that owns a node.
    ///
    /// # Errors
    ///
    /// [`ConductorError::NoValidHost`], [`ConductorError::NoConductors`]; those of the store.
    pub async fn owner(&self, node: &Node) -> Result<String, ConductorError> {
        let shared = self.tasks.shared();
        let (group, driver) = (&node.conductor_group, &node.driver);
        let known = shared.rings.fresh(&shared.store, &shared.config).await?;
        if let Ok(owner) = known.owner(group, driver, node.uuid) {
            return Ok(owner.to_owned());
        }
        // A conductor may have come since.
        let known = shared.rings.read(&shared.store, &shared.config).await?;
        match known.owner(group, driver, node.uuid) {
            Ok(owner) => Ok(owner.to_owned()),
            Err(Unowned::NoConductors) => Err(ConductorError::NoConductors),
            Err(Unowned::NoValidHost) => {
                let refused = match self.registry().hardware_type(driver) {
                    Err(RegistryError::DriverNotFound { refused, .. }) => refused,
                    Ok(_) | Err(_) => None,
                };
                Err(ConductorError::NoValidHost { driver: driver.clone(), group: group.clone(), refused })
            }
        }
    }

    /// Leaves only the nodes this conductor owns.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) async fn retain_mapped(&self, nodes: &mut Vec<NodeBrief>) -> Result<(), ConductorError> {
        let shared = self.tasks.shared();
        let known = shared.rings.fresh(&shared.store, &shared.config).await?;
        nodes.retain(|node| {
            known.owner(&node.conductor_group, &node.driver, node.uuid) == Ok(shared.host.as_str())
        });
        Ok(())
    }

    /// The group of nodes this conductor works for.
    #[must_use]
    pub fn group(&self) -> String {
        self.tasks.shared().config.conductor_group.to_lowercase()
    }

    async fn exclusive(
        &self,
        context: RequestContext,
        node: &Node,
        purpose: &str,
    ) -> Result<ExclusiveTask, ConductorError> {
        self.tasks.acquire_exclusive(node, Acquire { context, ..Acquire::new(purpose) }).await
    }
}

/// Ends a task whose body has failed.
async fn abandon<T>(task: ExclusiveTask, error: ConductorError) -> Result<T, ConductorError> {
    task.abandon().await;
    Err(error)
}

/// Ends a task with the answer of its body.
async fn end<T>(task: ExclusiveTask, answer: Result<T, ConductorError>) -> Result<T, ConductorError> {
    match answer {
        Ok(value) => task.finish().await.map(|()| value),
        Err(error) => abandon(task, error).await,
    }
}
