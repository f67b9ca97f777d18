//! Starting and stopping a conductor: load first, listen last.
//!
//! Source: Ironic's conductor manager.

mod consoles;
mod stuck;

use std::sync::Arc;
use std::time::Duration;

use farrier_model::conductor::{Conductor as ConductorRecord, HardwareInterface};
use farrier_sdk::interface::InterfaceType;
use farrier_store::{Registration, Store};
use tracing::{error, info, warn};

use crate::config::{ConductorConfig, NotificationConfig};
use crate::error::ConductorError;
use crate::notify::Notifier;
use crate::periodic;
use crate::registry::Registry;
use crate::service::Conductor;
use crate::steps::wake::{self, Sweep};
use crate::task::TaskManager;

/// What is left on nodes whose power action died with an earlier run of this conductor.
const POWER_ACTION_ABORTED: &str = "Pending power operation was aborted due to conductor restart";

/// How long plugins may take to end what they run.
const PLUGIN_PATIENCE: Duration = Duration::from_secs(5);

impl Conductor {
    /// As [`start_with`](Self::start_with), without destinations of notifications.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn start(
        config: ConductorConfig,
        store: Store,
        registry: Arc<Registry>,
    ) -> Result<Self, ConductorError> {
        Self::start_with(config, &NotificationConfig::default(), store, registry).await
    }

    /// Takes up the name in the configuration: clears what an earlier run left, registers, and says so from time
    /// to time. The caller loads plugins before and listens after.
    ///
    /// # Errors
    ///
    /// [`ConductorError::IncorrectConfiguration`]; those of the store. Nothing stays registered.
    pub async fn start_with(
        config: ConductorConfig,
        notifications: &NotificationConfig,
        store: Store,
        registry: Arc<Registry>,
    ) -> Result<Self, ConductorError> {
        let host = config.host.clone();
        if host.is_empty() {
            let reason = "`host` is empty, and the name of this host is not known".to_owned();
            return Err(ConductorError::IncorrectConfiguration { reason });
        }
        let notifier = Notifier::start(&host, notifications, &registry.secret_keys())?;
        let tasks = TaskManager::new(&host, config, store.clone(), registry, notifier)?;
        let conductor = Self::new(tasks);
        store.node_target_power_states_clear(&host, POWER_ACTION_ABORTED).await?;
        store.node_reservations_clear(&host).await?;
        let record = conductor.register().await?;
        if let Err(error) = conductor.take_up(&record).await {
            store.conductor_offline(&host).await?;
            return Err(error);
        }
        conductor.start_heartbeat();
        wake::sweep(&conductor, Sweep::All).await?;
        periodic::start(&conductor.tasks().shared().workers, periodic::tasks(&conductor));
        consoles::restore_consoles(&conductor);
        info!(conductor = host, hardware_types = ?record.drivers, "conductor is started");
        Ok(conductor)
    }

    /// Says what this conductor offers, and deals with what an earlier run left half done.
    async fn take_up(&self, record: &ConductorRecord) -> Result<(), ConductorError> {
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

    /// Says from time to time that this conductor lives, where others can hear it.
    fn start_heartbeat(&self) {
        let shared = Arc::clone(self.tasks().shared());
        if !shared.store.is_shared() {
            return;
        }
        let interval = Duration::from_secs(shared.config.heartbeat_interval.max(1));
        let workers = shared.workers.clone();
        workers.spawn_cleanup(async move {
            let mut ticks = tokio::time::interval(interval);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = shared.workers.stopping().cancelled() => break,
                }
                if let Err(error) = shared.store.conductor_touch(&shared.host).await {
                    warn!(conductor = shared.host, %error, "heartbeat could not be written");
                }
            }
        });
    }

    /// Ends: marks itself offline, waits for running jobs, closes the plugins, sends what was told meanwhile.
    pub async fn stop(&self) {
        let shared = self.tasks().shared();
        if let Err(error) = shared.store.conductor_offline(&shared.host).await {
            error!(conductor = shared.host, %error, "conductor could not be marked offline");
        }
        let patience = Duration::from_secs(shared.config.graceful_shutdown_timeout);
        if !shared.workers.stop(patience).await {
            warn!(
                conductor = shared.host,
                "jobs are still running, their nodes stay locked until the next start"
            );
        }
        for plugin in self.registry().plugins() {
            if let Err(error) = plugin.close(PLUGIN_PATIENCE).await {
                warn!(plugin = plugin.name(), %error, "plugin did not close");
            }
        }
        shared.notifier.stop().await;
        info!(conductor = shared.host, "conductor is stopped");
    }
}
