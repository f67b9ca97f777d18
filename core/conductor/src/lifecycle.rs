//! Starting and stopping a conductor: load first, listen last.
//!
//! Source: Ironic's conductor manager.

mod consoles;
mod heartbeat;
mod stuck;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use farrier_model::conductor::{
    Conductor as ConductorRecord, GROUP_NAME_SIZE_MAX, HardwareInterface, is_group_name,
};
use farrier_sdk::error::Chain;
use farrier_sdk::interface::InterfaceType;
use farrier_store::{Registration, Store};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::config::{ConductorConfig, NotificationConfig};
use crate::error::ConductorError;
use crate::images::Images;
use crate::notify::Notifier;
use crate::periodic;
use crate::registry::Registry;
use crate::service::Conductor;
use crate::steps::wake::{self, Sweep};
use crate::task::{Shared, TaskManager};

pub(crate) use heartbeat::Heartbeat;

/// What is left on nodes whose power action died with an earlier run of this conductor.
const POWER_ACTION_ABORTED: &str = "Pending power operation was aborted due to conductor restart";

/// How a conductor leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Departure {
    /// What others see meanwhile and afterwards.
    pub registration: Registered,
    /// How much time running work has.
    pub pace: Pace,
}

/// Whether a conductor that leaves says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registered {
    /// It does: others take its nodes.
    #[default]
    Withdraw,
    /// It does not: it is back at once.
    Stay,
}

/// How much time running work has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// `graceful_shutdown_timeout`.
    #[default]
    Graceful,
    /// `drain_shutdown_timeout`.
    Drain,
}

/// How long plugins may take to end what they run.
const PLUGIN_PATIENCE: Duration = Duration::from_secs(5);

impl Conductor {
    /// As [`start_with`](Self::start_with), without destinations of notifications and without images.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn start(
        config: ConductorConfig,
        store: Store,
        registry: Arc<Registry>,
    ) -> Result<Self, ConductorError> {
        Self::start_with(config, &NotificationConfig::default(), store, registry, None).await
    }

    /// Takes up the name in the configuration: registers, says so from time to time, and clears what an earlier run
    /// left. The caller loads plugins before and listens after. Without `images` no file of this machine can be
    /// deployed.
    ///
    /// Where the database is shared, a record of this name that says it is alive costs a wait for another heartbeat.
    ///
    /// # Errors
    ///
    /// - [`ConductorError::IncorrectConfiguration`].
    /// - [`StoreError::ConductorAlreadyRegistered`](farrier_store::StoreError): another process of this name is at work.
    /// - Those of the store.
    ///
    /// Nothing stays registered.
    pub async fn start_with(
        config: ConductorConfig,
        notifications: &NotificationConfig,
        store: Store,
        registry: Arc<Registry>,
        images: Option<Arc<dyn Images>>,
    ) -> Result<Self, ConductorError> {
        let host = config.host.clone();
        if host.is_empty() {
            let reason = "`host` is empty, and the name of this host is not known".to_owned();
            return Err(ConductorError::IncorrectConfiguration { reason });
        }
        check_group(&config.conductor_group)?;
        let notifier = Notifier::start(&host, notifications, &registry.secret_keys())?;
        let tasks = TaskManager::serving(&host, config, store.clone(), registry, notifier, images)?;
        let conductor = Self::new(tasks);
        let shared = conductor.tasks().shared();
        heartbeat::refuse_twin(&store, &shared.config).await?;
        let record = conductor.register().await?;
        // Before what was left is put in order, which may take longer than others wait for a sign of life: they would
        // take the locks that are held for it.
        Heartbeat::start(shared);
        if let Err(failure) = conductor.take_up(&record).await {
            error!(conductor = host, error = %Chain(&failure), "conductor does not start, its registration is withdrawn");
            // Another heartbeat would say that it is there after all.
            shared.heartbeat.stop().await;
            conductor.withdraw().await;
            return Err(failure);
        }
        if let Err(error) = wake::sweep(&conductor, Sweep::All).await {
            warn!(conductor = host, error = %Chain(&error), "nodes that wait could not be taken up, trying again later");
        }
        periodic::start(&shared.workers, periodic::tasks(&conductor));
        watch_ring(shared).await;
        if let Err(error) = consoles::restore_consoles(&conductor).await {
            warn!(conductor = host, error = %Chain(&error), "consoles could not be restarted");
        }
        info!(conductor = host, hardware_types = ?record.drivers, "conductor is started");
        Ok(conductor)
    }

    /// Says what this conductor offers, and deals with what an earlier run left half done.
    async fn take_up(&self, record: &ConductorRecord) -> Result<(), ConductorError> {
        let (store, host) = (self.store(), &record.hostname);
        // Not before it is registered: until then a lock that was taken over may be handed back to its name.
        store.node_target_power_states_clear(host, POWER_ACTION_ABORTED).await?;
        store.node_reservations_clear(host).await?;
        self.register_interfaces(record).await?;
        let failed = stuck::fail_stuck(self).await?;
        if 0 < failed {
            warn!(
                conductor = record.hostname,
                nodes = failed,
                "nodes did not survive the end of their conductor"
            );
        }
        Ok(())
    }

    async fn register(&self) -> Result<ConductorRecord, ConductorError> {
        let shared = self.tasks().shared();
        let registration = Registration {
            hostname: shared.host.clone(),
            conductor_group: shared.config.conductor_group.to_lowercase(),
            drivers: self.registry().hardware_types().map(|hardware| hardware.name.clone()).collect(),
            replace_online: true,
        };
        Ok(self.store().conductor_register(&registration).await?)
    }

    async fn register_interfaces(&self, record: &ConductorRecord) -> Result<(), ConductorError> {
        let registry = self.registry();
        let mut rows = Vec::new();
        for hardware in registry.hardware_types() {
            for kind in InterfaceType::ALL {
                let default = registry.default_interface(&hardware.name, kind, None)?.name().to_owned();
                for name in registry.enabled_supported(&hardware.name, kind)? {
                    rows.push(HardwareInterface {
                        hardware_type: hardware.name.clone(),
                        interface_type: kind,
                        interface_name: name.to_owned(),
                        is_default: name == default,
                    });
                }
            }
        }
        self.store().conductor_interfaces_clear(record).await?;
        Ok(self.store().conductor_interfaces_register(record, &rows).await?)
    }

    /// Is gone, for others.
    async fn withdraw(&self) {
        let shared = self.tasks().shared();
        let withdraw = async {
            shared.store.conductor_offline(&shared.host).await?;
            let record = shared.store.conductor_get(&shared.host).await?;
            shared.store.conductor_interfaces_clear(&record).await
        };
        if let Err(failure) = withdraw.await {
            error!(conductor = shared.host, error = %Chain(&failure), "conductor could not be marked offline");
        }
    }

    /// Ends, and says so.
    pub async fn stop(&self) {
        self.stop_work(Departure::default()).await;
        self.end().await;
    }

    /// The first part of the end: takes no more work, waits for what is running, and gives other conductors time to
    /// notice. What they still send is to be answered until then.
    pub async fn stop_work(&self, departure: Departure) {
        let shared = self.tasks().shared();
        let seconds = match departure.pace {
            Pace::Graceful => shared.config.graceful_shutdown_timeout,
            Pace::Drain => shared.config.drain_shutdown_timeout,
        };
        let noticed = Instant::now() + Duration::from_secs(shared.config.hash_ring_reset_interval);
        if departure.registration == Registered::Stay {
            shared.heartbeat.stay_registered();
        }
        shared.workers.stopping().cancel();
        if departure.registration == Registered::Withdraw {
            self.withdraw().await;
        }
        let patience = (seconds != 0).then(|| Duration::from_secs(seconds));
        if !shared.workers.stop(patience).await {
            warn!(
                conductor = shared.host,
                "jobs are still running, their nodes stay locked until the next start"
            );
        }
        if departure.registration == Registered::Withdraw && self.has_company().await {
            info!(conductor = shared.host, "waiting until other conductors have noticed");
            tokio::time::sleep_until(noticed).await;
        }
    }

    /// Whether others share the nodes.
    async fn has_company(&self) -> bool {
        let shared = self.tasks().shared();
        let timeout = Duration::from_secs(shared.config.heartbeat_timeout);
        match shared.store.conductor_list_alive(timeout).await {
            Ok(alive) => {
                shared.store.is_shared() && alive.iter().any(|conductor| conductor.hostname != shared.host)
            }
            Err(failure) => {
                warn!(error = %Chain(&failure), "whether other conductors are there is not known");
                false
            }
        }
    }

    /// The second part of the end: closes the plugins, sends what was told meanwhile, and falls silent.
    pub async fn end(&self) {
        let shared = self.tasks().shared();
        for plugin in self.registry().plugins() {
            if let Err(error) = plugin.close(PLUGIN_PATIENCE).await {
                warn!(plugin = plugin.name(), %error, "plugin did not close");
            }
        }
        shared.notifier.stop().await;
        shared.heartbeat.stop().await;
        info!(conductor = shared.host, "conductor is stopped");
    }
}

/// Makes sure that nodes can be given to this conductor: no node can name a group that is none.
fn check_group(name: &str) -> Result<(), ConductorError> {
    if is_group_name(name) {
        return Ok(());
    }
    let reason = format!(
        "`conductor_group` is `{name}`, it may have letters, digits, `_`, `-` and `.`, at most {GROUP_NAME_SIZE_MAX}"
    );
    Err(ConductorError::IncorrectConfiguration { reason })
}

/// Looks from time to time which conductors there are, so that what is shown of owners is true.
async fn watch_ring(shared: &Arc<Shared>) {
    read_ring(shared).await;
    let shared_for_job = Arc::clone(shared);
    shared.workers.spawn_cleanup(async move {
        let interval = Duration::from_secs(shared_for_job.config.hash_ring_reset_interval.max(1));
        loop {
            tokio::select! {
                biased;
                () = shared_for_job.workers.stopping().cancelled() => return,
                () = tokio::time::sleep(interval) => read_ring(&shared_for_job).await,
            }
        }
    });
}

async fn read_ring(shared: &Shared) {
    if let Err(failure) = shared.rings.read(&shared.store, &shared.config).await {
        warn!(error = %Chain(&failure), "which conductors there are could not be read");
    }
}
