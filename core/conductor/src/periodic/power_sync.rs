//! Keeping recorded and actual power states the same.
//!
//! Two things differ from Ironic: nodes that failed go last and in a lane of their own, not first, and what a machine
//! hardly ever changes is not asked for in every pass.
//!
//! Source: Ironic's conductor manager.

mod facts;
mod node;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farrier_model::node::{Node, NodeId};
use farrier_store::{NodeBrief, NodeFilter, Page};
use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::warn;

use super::Pass;
use super::lanes::{Lane, Lanes, Traffic, Visit};
use crate::error::ConductorError;
use crate::service::Conductor;
use crate::task::SharedTask;

use facts::Wanted;
pub(super) use node::{store, timeout};

/// In how many passes each node is asked once for what hardly ever changes.
const LASTING_EVERY: u64 = 10;

/// A pass that takes longer than so many intervals needs the operator's attention.
const INTERVALS_MAX: f64 = 3.0;

/// Members of `driver_internal_info` that are there while firmware is being updated: the BMC may be away.
const FIRMWARE_UPDATES: [&str; 2] = ["firmware_updates", "redfish_fw_updates"];

/// What is remembered from pass to pass; gone with the process.
#[derive(Debug, Default)]
pub(crate) struct PowerSync {
    /// Consecutive failures of the nodes that have any.
    failures: Mutex<HashMap<NodeId, u32>>,
    passes: AtomicU64,
}

impl PowerSync {
    /// Goes once through all nodes of this conductor.
    ///
    /// # Errors
    ///
    /// Those of the store, when it does not tell of nodes.
    pub(crate) async fn run(self: Arc<Self>, pass: Pass) -> Result<(), ConductorError> {
        let config = &pass.conductor.tasks().shared().config;
        let start = Instant::now();
        let interval = Duration::try_from_secs_f64(config.sync_power_state_interval).ok();
        let filter = NodeFilter { maintenance: Some(false), ..NodeFilter::default() };
        let mut nodes = pass.conductor.store().node_brief_list(&filter, &Page::default()).await?;
        pass.conductor.retain_mapped(&mut nodes).await?;
        let (healthy, failing) = self.parted(nodes);
        let lanes = Lanes::new(config.sync_power_state_workers);
        let visit = Arc::clone(&self).visit(self.passes.fetch_add(1, Ordering::Relaxed));
        let traffic = |nodes, lane, until| Traffic {
            purpose: "power state sync",
            nodes,
            lane,
            until,
            visit: Arc::clone(&visit),
        };
        // Whoever fails for long must not keep the next pass from the others.
        let until = interval.map(|interval| start + interval);
        let (first, second) = tokio::join!(
            lanes.run(&pass, traffic(&healthy, Lane::Fast, None)),
            lanes.run(&pass, traffic(&failing, Lane::Slow, until)),
        );
        if let Some(interval) = interval.filter(|interval| interval.mul_f64(INTERVALS_MAX) < start.elapsed())
        {
            warn!(
                nodes = healthy.len() + failing.len(),
                elapsed_ms = %start.elapsed().as_millis(),
                interval_ms = %interval.as_millis(),
                "synchronizing power states takes too long: raise `sync_power_state_workers` or \
                 `sync_power_state_interval`, or add conductors"
            );
        }
        first.and(second)
    }

    /// Nodes without failures, and those with, most failures first; forgets the failures of all others.
    fn parted(&self, nodes: Vec<NodeBrief>) -> (Vec<NodeBrief>, Vec<NodeBrief>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut failing, healthy): (Vec<_>, Vec<_>) =
            nodes.into_iter().partition(|node| failures.contains_key(&node.id));
        failing.sort_by_key(|node| std::cmp::Reverse(failures.get(&node.id).copied().unwrap_or_default()));
        let kept = failing.iter().filter_map(|node| failures.get_key_value(&node.id));
        *failures = kept.map(|(id, count)| (*id, *count)).collect();
        (healthy, failing)
    }

    /// What pass number `pass` does with a node.
    fn visit(self: Arc<Self>, pass: u64) -> Visit {
        Arc::new(move |task| Arc::clone(&self).look(task, pass).boxed())
    }

    async fn look(self: Arc<Self>, task: SharedTask, pass: u64) -> Result<(), ConductorError> {
        if is_left_alone(task.node()) || task.node().target_power_state.is_some() {
            return Ok(());
        }
        let id = task.node().id;
        let turn = pass.wrapping_add(id.0.unsigned_abs());
        let health = task.config().enable_health_monitoring;
        let wanted = Wanted { lasting: turn.is_multiple_of(LASTING_EVERY), health };
        let count = node::synchronize(task, self.failures_of(id), wanted).await?;
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match count {
            0 => failures.remove(&id),
            count => failures.insert(id, count),
        };
        Ok(())
    }

    fn failures_of(&self, node: NodeId) -> u32 {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&node).copied().unwrap_or_default()
    }
}

impl Conductor {
    /// Goes once through all nodes, whatever the interval says; failures of other passes are not known here.
    ///
    /// For embedders and measurements.
    ///
    /// # Errors
    ///
    /// Those of the store, when it does not tell of nodes.
    pub async fn synchronize_power(&self) -> Result<(), ConductorError> {
        Arc::<PowerSync>::default().run(Pass::new(self)).await
    }
}

/// Whether the power of the node is somebody else's business now.
fn is_left_alone(node: &Node) -> bool {
    node.reservation.is_some() || node::is_excluded(node) || is_updating_firmware(node)
}

fn is_updating_firmware(node: &Node) -> bool {
    FIRMWARE_UPDATES
        .iter()
        .any(|key| node.driver_internal_info.get(*key).is_some_and(|value| !value.is_null()))
}

#[cfg(test)]
mod tests;
