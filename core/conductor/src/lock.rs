//! Waiting for the lock of a node.
//!
//! Within this conductor waiters queue: first come, first served, each node by itself. Against other conductors
//! the database decides; whoever waits is told of the release and tries at once, and at intervals in case that he
//! was not told.
//!
//! Source: Ironic's task manager.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use farrier_model::node::{Node, NodeId};
use farrier_store::{Store, StoreError};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::error::ConductorError;

/// How far attempts without limit are apart at least.
const PATIENT_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// How long a task may wait for a busy node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// As often as the conductor is configured to.
    Configured,
    /// Not at all.
    Never,
    /// Until it is free.
    Patient,
}

/// How often, and how far apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockPolicy {
    pub(crate) retry: Retry,
    /// How often a busy lock is tried that is neither waited for without limit nor not at all.
    pub(crate) attempts: u32,
    pub(crate) interval: Duration,
}

impl LockPolicy {
    /// How often it is tried; none without limit.
    fn attempts(self) -> Option<u32> {
        match self.retry {
            Retry::Configured => Some(self.attempts.max(1)),
            Retry::Never => Some(1),
            Retry::Patient => None,
        }
    }

    /// How long it may take; none without limit.
    fn patience(self) -> Option<Duration> {
        self.attempts().map(|attempts| self.interval.saturating_mul(attempts - 1))
    }

    /// How far attempts are apart.
    fn pause(self) -> Duration {
        match self.retry {
            Retry::Configured | Retry::Never => self.interval,
            Retry::Patient => self.interval.max(PATIENT_INTERVAL_MIN),
        }
    }

    /// When waiting has become remarkable.
    fn remarkable(self) -> Duration {
        self.interval.saturating_mul(self.attempts.max(1))
    }
}

/// The queues of this conductor, one per node in use.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    gates: Mutex<HashMap<NodeId, Weak<tokio::sync::Mutex<()>>>>,
}

/// The head of a node's queue.
pub(crate) type GateGuard = OwnedMutexGuard<()>;

impl Gates {
    fn gate(&self, node: NodeId) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(&node).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() != 0);
        let gate = Arc::new(tokio::sync::Mutex::new(()));
        gates.insert(node, Arc::downgrade(&gate));
        gate
    }

    /// Waits at the node's gate; `None` when the time is over.
    pub(crate) async fn enter(&self, node: NodeId, patience: Option<Duration>) -> Option<GateGuard> {
        let gate = self.gate(node);
        match patience {
            None => Some(gate.lock_owned().await),
            Some(Duration::ZERO) => gate.try_lock_owned().ok(),
            Some(patience) => tokio::time::timeout(patience, gate.lock_owned()).await.ok(),
        }
    }
}

/// Takes the lock of a node for `holder`.
///
/// A busy lock is tried as often as the policy says, once every interval, and besides whenever it was released.
///
/// # Errors
///
/// [`StoreError::NodeLocked`] of the last attempt; any other error of the store at once.
pub(crate) async fn lock(
    store: &Store,
    gates: &Gates,
    node: NodeId,
    holder: &str,
    purpose: &str,
    policy: LockPolicy,
) -> Result<(Node, GateGuard), ConductorError> {
    let start = Instant::now();
    // Before the first attempt, so that no release after it is missed.
    let mut releases = store.node_releases();
    let Some(gate) = gates.enter(node, policy.patience()).await else {
        // The holder is another task of this conductor, unless it has just left.
        let now = store.node_get(node).await?;
        let holder = now.reservation.unwrap_or_else(|| holder.to_owned());
        return Err(StoreError::NodeLocked { node: now.uuid, holder }.into());
    };
    let mut left =
        policy.attempts().map(|attempts| attempts_left(attempts, start.elapsed(), policy.interval));
    // Attempts that are due count, those that a release leads to are on top.
    let (mut is_due, mut due) = (true, start);
    loop {
        if is_due {
            due = Instant::now() + policy.pause();
        }
        let error = match store.node_reserve(node, holder, purpose).await {
            Ok(reserved) => {
                debug!(node = %reserved.uuid, purpose, elapsed_ms = %start.elapsed().as_millis(), "node is locked");
                return Ok((reserved, gate));
            }
            Err(error) => error,
        };
        let StoreError::NodeLocked { node: uuid, holder: other } = &error else { return Err(error.into()) };
        if is_due && let Some(left) = &mut left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Err(error.into());
            }
        }
        if store.node_want(node, holder).await? {
            tokio::select! {
                () = releases.of(node) => {}
                () = tokio::time::sleep_until(due) => {}
            }
        }
        is_due = due <= Instant::now();
        if is_due && policy.remarkable() < start.elapsed() {
            warn!(node = %uuid, holder = other, elapsed_ms = %start.elapsed().as_millis(), purpose, "node lock is busy");
        }
    }
}

/// Attempts that are left after a wait at the gate, at least one.
fn attempts_left(attempts: u32, waited: Duration, interval: Duration) -> u32 {
    if interval.is_zero() {
        return attempts.max(1);
    }
    let used = u32::try_from(waited.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
    attempts.saturating_sub(used).max(1)
}

#[cfg(test)]
mod tests;
