//! Telling what machines measure of themselves.
//!
//! Nodes are asked without their lock, side by side, and told of one by one. Two things differ from Ironic: a
//! collection that is cut short is over when the next one comes, and nodes that did not answer last time have a lane
//! of their own.
//!
//! Source: Ironic's conductor manager.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farrier_model::node::{Node, NodeId};
use farrier_model::notification::sensor::LEVEL;
use farrier_model::provision::ProvisionState;
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::interface::management::ManagementClient;
use farrier_store::{NodeBrief, NodeFilter, Page};
use futures_util::FutureExt;
use serde_json::{Map, Value};
use tracing::{debug, warn};

use super::Pass;
use super::lanes::{Lane, Lanes, Traffic, Visit};
use crate::config::SensorDataConfig;
use crate::dispatch::DriverCaller;
use crate::error::ConductorError;
use crate::notify::Notifier;
use crate::service::Conductor;
use crate::task::SharedTask;

/// What is remembered from collection to collection; gone with the process.
#[derive(Debug, Default)]
pub(super) struct Sensors {
    /// Nodes that were asked and have not answered.
    silent: Mutex<HashSet<NodeId>>,
}

impl Sensors {
    /// Goes once through the nodes of this conductor, and tells what they read.
    ///
    /// # Errors
    ///
    /// Those of the store, when it does not tell of nodes.
    pub(super) async fn run(self: Arc<Self>, pass: Pass) -> Result<(), ConductorError> {
        let shared = pass.conductor.tasks().shared();
        let config = &shared.config.sensor_data;
        if !shared.notifier.is_wanted(LEVEL) {
            warn!(
                "sensors are not read: nobody is told of them unless `notification_level` is `info` or `debug`"
            );
            return Ok(());
        }
        let mut nodes = pass.conductor.store().node_brief_list(&filter(config), &Page::default()).await?;
        pass.conductor.retain_mapped(&mut nodes).await?;
        let count = nodes.len();
        let (answering, silent) = self.parted(nodes);
        let visited = Arc::<AtomicUsize>::default();
        let visit = Arc::clone(&self).visit(shared.notifier.clone(), Arc::clone(&visited));
        let traffic = |nodes, lane| Traffic {
            purpose: "getting sensors data",
            nodes,
            lane,
            until: None,
            visit: Arc::clone(&visit),
        };
        let lanes = Lanes::new(config.workers);
        let visits = async {
            tokio::join!(
                lanes.run(&pass, traffic(&answering, Lane::Fast)),
                lanes.run(&pass, traffic(&silent, Lane::Slow)),
            )
        };
        let ended = match config.limit() {
            Some(limit) => tokio::time::timeout(limit, visits).await.ok(),
            None => Some(visits.await),
        };
        // Whoever is still being asked is not any more.
        let Some((first, second)) = ended else {
            let missed = count.saturating_sub(visited.load(Ordering::Relaxed));
            warn!(
                nodes = missed,
                "reading sensors takes too long, the rest is left out this time: raise `workers`, `wait_timeout` or \
                 `interval` of `sensor_data`, or add conductors"
            );
            return Ok(());
        };
        first.and(second)
    }

    /// Nodes that answered last time or were not asked, and those that did not answer; forgets the silence of all
    /// others.
    fn parted(&self, nodes: Vec<NodeBrief>) -> (Vec<NodeBrief>, Vec<NodeBrief>) {
        let mut known = self.silent();
        let (silent, answering): (Vec<_>, Vec<_>) =
            nodes.into_iter().partition(|node| known.contains(&node.id));
        *known = silent.iter().map(|node| node.id).collect();
        (answering, silent)
    }

    fn silent(&self) -> MutexGuard<'_, HashSet<NodeId>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is done with a node; `visited` counts those that this has ended with.
    fn visit(self: Arc<Self>, notifier: Notifier, visited: Arc<AtomicUsize>) -> Visit {
        Arc::new(move |task| {
            let (sensors, notifier, visited) = (Arc::clone(&self), notifier.clone(), Arc::clone(&visited));
            async move {
                let result = sensors.look(task, &notifier).await;
                visited.fetch_add(1, Ordering::Relaxed);
                result
            }
            .boxed()
        })
    }

    /// Reads the sensors of one node and tells of them.
    async fn look(&self, mut task: SharedTask, notifier: &Notifier) -> Result<(), ConductorError> {
        let id = task.node().id;
        if !is_asked(task.node(), &task.config().sensor_data) {
            self.silent().remove(&id);
            return Ok(());
        }
        let management = task.management()?;
        // Before the question: it may never come to an end.
        self.silent().insert(id);
        match read(&management).await {
            Ok(mut readings) => {
                readings.retain(|kind, _| task.config().sensor_data.wants(kind));
                if !readings.is_empty() {
                    notifier.sensors(task.node(), &readings);
                }
            }
            Err((_, error)) if error.kind() == ErrorKind::Unsupported => {
                debug!(node = %task.node().uuid, "the driver of a node reads no sensors");
            }
            Err((operation, error)) => return Err(management.0.failed(operation)(error)),
        }
        self.silent().remove(&id);
        Ok(())
    }
}

/// What a driver answers, by type of sensor; or what it failed to do.
async fn read(
    management: &ManagementClient<DriverCaller>,
) -> Result<Map<String, Value>, (&'static str, DriverError)> {
    management.validate().await.map_err(|error| ("validate", error))?;
    management.get_sensors_data().await.map_err(|error| ("get_sensors_data", error))
}

/// Which nodes are asked, for the database.
fn filter(config: &SensorDataConfig) -> NodeFilter {
    let states = if config.enable_for_undeployed_nodes { Vec::new() } else { vec![ProvisionState::Active] };
    NodeFilter { provision_states: states, maintenance: Some(false), ..NodeFilter::default() }
}

/// The same for a node, which may have changed since.
fn is_asked(node: &Node, config: &SensorDataConfig) -> bool {
    let in_use = node.provision_state == ProvisionState::Active;
    !node.maintenance && (in_use || config.enable_for_undeployed_nodes)
}

impl Conductor {
    /// Reads and tells the sensors of all nodes once, whatever the interval says; silence in other collections is not
    /// known here.
    ///
    /// For embedders and measurements.
    ///
    /// # Errors
    ///
    /// Those of the store, when it does not tell of nodes.
    pub async fn collect_sensor_data(&self) -> Result<(), ConductorError> {
        Arc::<Sensors>::default().run(Pass::new(self)).await
    }
}

#[cfg(test)]
mod tests;
