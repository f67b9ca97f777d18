//! Waiting for the lock of a node.
//!
//! Within this conductor waiters queue: first come, first served, each node by itself. Against other conductors
//! the database decides, tried again at intervals.
//!
//! Source: Ironic's task manager.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use farrier_model::node::{Node, NodeId};
use farrier_store::{Store, StoreError};
use tokio::sync::OwnedMutexGuard;
use tracing::{debug, warn};

use crate::error::ConductorError;

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
    /// `None`: without limit.
    pub(crate) attempts: Option<u32>,
    pub(crate) interval: Duration,
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
    async fn enter(&self, node: NodeId, patience: Option<Duration>) -> Option<GateGuard> {
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
/// # Errors
///
/// [`StoreError::NodeLocked`] of the last attempt; any other error of the store at once.
pub(crate) async fn lock(
    store: &Store,
    gates: &Gates,
    node: &Node,
    holder: &str,
    purpose: &str,
    policy: LockPolicy,
) -> Result<(Node, GateGuard), ConductorError> {
    let start = Instant::now();
    let patience = policy.attempts.map(|attempts| policy.interval * attempts.saturating_sub(1));
    let Some(gate) = gates.enter(node.id, patience).await else {
        // The holder is another task of this conductor, unless it has just left.
        let now = store.node_get(node.id).await?;
        let holder = now.reservation.unwrap_or_else(|| holder.to_owned());
        return Err(StoreError::NodeLocked { node: node.uuid, holder }.into());
    };
    let mut left = policy.attempts.map(|attempts| attempts_left(attempts, start.elapsed(), policy.interval));
    loop {
        let error = match store.node_reserve(node.id, holder, purpose).await {
            Ok(reserved) => {
                debug!(node = %node.uuid, purpose, elapsed_ms = %start.elapsed().as_millis(), "node is locked");
                return Ok((reserved, gate));
            }
            Err(error) => error,
        };
        let StoreError::NodeLocked { holder, .. } = &error else { return Err(error.into()) };
        if let Some(left) = &mut left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Err(error.into());
            }
        }
        if patience.is_some_and(|patience| patience + policy.interval < start.elapsed()) || patience.is_none()
        {
            warn!(node = %node.uuid, holder, elapsed_ms = %start.elapsed().as_millis(), purpose, "node lock is busy");
        }
        tokio::time::sleep(policy.interval).await;
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
mod tests {
    use super::*;

    #[test]
    fn waiting_at_the_gate_uses_up_attempts() {
        let second = Duration::from_secs(1);

        assert_eq!(attempts_left(3, Duration::ZERO, second), 3);
        assert_eq!(attempts_left(3, Duration::from_millis(1500), second), 2);
        assert_eq!(attempts_left(3, Duration::from_secs(9), second), 1);
        assert_eq!(attempts_left(3, Duration::from_secs(9), Duration::ZERO), 3);
    }

    #[tokio::test]
    async fn waiters_are_served_in_the_order_they_came() {
        let gates = Arc::new(Gates::default());
        let first = gates.enter(NodeId(1), None).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut jobs = Vec::new();
        for number in 0..5 {
            let (gates, order) = (Arc::clone(&gates), Arc::clone(&order));
            let mut waiting = Box::pin(async move {
                let guard = gates.enter(NodeId(1), None).await.unwrap();
                order.lock().unwrap().push(number);
                drop(guard);
            });
            // The first poll takes the place in the queue.
            assert!(futures_util::poll!(&mut waiting).is_pending());
            jobs.push(waiting);
        }

        drop(first);
        for job in jobs.into_iter().rev() {
            tokio::spawn(job);
        }
        drop(gates.enter(NodeId(1), None).await);

        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_gate_that_is_taken_is_not_waited_for_without_patience() {
        let gates = Gates::default();
        let _held = gates.enter(NodeId(1), None).await.unwrap();

        assert!(gates.enter(NodeId(1), Some(Duration::ZERO)).await.is_none());
        assert!(gates.enter(NodeId(2), Some(Duration::ZERO)).await.is_some());
    }
}
