//! Looking at many nodes at once, so that a machine that does not answer holds up nobody.
//!
//! There are two lanes. A node goes into the fast one if its BMC answered last time, and gives its place up after
//! [`SLOW_AFTER`], whether it is done or not. What is slow, or did not answer last time, is in the slow lane, which is
//! wider: waiting costs a few kilobytes and no thread.

use std::sync::Arc;
use std::time::Duration;

use farrier_sdk::error::Chain;
use farrier_store::{NodeBrief, NodeFilter, Page};
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{Instrument, error, info, warn};
use uuid::Uuid;

use super::Pass;
use crate::error::ConductorError;
use crate::task::{Acquire, SharedTask};

/// How many nodes each of the configured workers has under way at once: it only waits.
const NODES_PER_WORKER: usize = 32;

/// How much wider the slow lane is.
const SLOW_FACTOR: usize = 4;

/// How long a node may take before it counts as slow: well beyond what a BMC takes that is well.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// How many nodes are read at once.
const BATCH_SIZE: usize = 200;

/// What is done with a node.
pub(crate) type Visit =
    Arc<dyn Fn(SharedTask) -> BoxFuture<'static, Result<(), ConductorError>> + Send + Sync>;

/// Where a node begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Its BMC answered last time.
    Fast,
    /// It did not.
    Slow,
}

/// Places for nodes. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    fast: Arc<Semaphore>,
    slow: Arc<Semaphore>,
}

/// What goes through a lane.
pub(crate) struct Traffic<'a> {
    /// What for; shown with locks and in the log.
    pub(crate) purpose: &'static str,
    /// The nodes, in their order.
    pub(crate) nodes: &'a [NodeBrief],
    /// Where they begin.
    pub(crate) lane: Lane,
    /// When no further node is begun with.
    pub(crate) until: Option<Instant>,
    /// What is done with each.
    pub(crate) visit: Visit,
}

impl Lanes {
    /// Lanes for `workers` workers.
    pub(crate) fn new(workers: usize) -> Self {
        let places =
            workers.clamp(1, Semaphore::MAX_PERMITS / NODES_PER_WORKER / SLOW_FACTOR) * NODES_PER_WORKER;
        Self { fast: Arc::new(Semaphore::new(places)), slow: Arc::new(Semaphore::new(places * SLOW_FACTOR)) }
    }

    /// Visits every node, and waits until all visits have ended. What goes wrong with one is logged.
    ///
    /// # Errors
    ///
    /// Those of the store, when it does not tell of nodes.
    pub(crate) async fn run(&self, pass: &Pass, traffic: Traffic<'_>) -> Result<(), ConductorError> {
        let mut visits = JoinSet::new();
        let begun = self.begin(pass, &traffic, &mut visits).await;
        while let Some(ended) = visits.join_next().await {
            check(ended);
        }
        begun
    }

    async fn begin(
        &self,
        pass: &Pass,
        traffic: &Traffic<'_>,
        visits: &mut JoinSet<()>,
    ) -> Result<(), ConductorError> {
        let lane = match traffic.lane {
            Lane::Fast => &self.fast,
            Lane::Slow => &self.slow,
        };
        for batch in traffic.nodes.chunks(BATCH_SIZE) {
            // What is read waits for a place no longer than one batch does.
            let filter = NodeFilter {
                ids: Some(batch.iter().map(|brief| brief.id).collect()),
                ..NodeFilter::default()
            };
            for node in pass.conductor.store().node_list(&filter, &Page::default()).await? {
                let Ok(place) = Arc::clone(lane).acquire_owned().await else { return Ok(()) };
                if pass.stop.is_cancelled() || traffic.until.is_some_and(|until| until <= Instant::now()) {
                    return Ok(());
                }
                let uuid = node.uuid;
                let task = pass.conductor.tasks().shared_on(node, Acquire::new(traffic.purpose));
                match task {
                    Ok(task) => {
                        let work = (traffic.visit)(task);
                        let visit = self.clone().visit(uuid, place, traffic.purpose, work);
                        visits.spawn(visit.in_current_span());
                    }
                    Err(error) => settle(uuid, traffic.purpose, Err(error)),
                }
                while let Some(ended) = visits.try_join_next() {
                    check(ended);
                }
            }
        }
        Ok(())
    }

    /// One visit; its place in the fast lane goes to the next when it takes long.
    async fn visit(
        self,
        node: Uuid,
        place: OwnedSemaphorePermit,
        purpose: &'static str,
        mut work: BoxFuture<'static, Result<(), ConductorError>>,
    ) {
        let (result, _place) = tokio::select! {
            result = &mut work => (result, place),
            () = tokio::time::sleep(SLOW_AFTER) => {
                let place = Arc::clone(&self.slow).try_acquire_owned().unwrap_or(place);
                (work.await, place)
            }
        };
        settle(node, purpose, result);
    }
}

/// A visit that panicked is a defect of ours, but not the end of the pass.
fn check(ended: Result<(), tokio::task::JoinError>) {
    if let Err(failure) = ended {
        error!(error = %failure, "looking at a node failed");
    }
}

fn settle(node: Uuid, purpose: &'static str, result: Result<(), ConductorError>) {
    match result {
        Ok(()) => {}
        Err(error) if error.is_node_not_found() => info!(%node, purpose, "node is gone, skipped"),
        Err(error) if error.is_node_locked() => info!(%node, purpose, %error, "node is locked, skipped"),
        Err(failure) => warn!(%node, purpose, error = %Chain(&failure), "node could not be looked after"),
    }
}
