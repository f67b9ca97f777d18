//! The lock of a task: taken, given back, handed over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_model::node::{Node, NodeId};
use farrier_store::StoreError;
use tokio::runtime::Handle;
use tracing::{debug, error};
use uuid::Uuid;

use super::{Acquire, Shared};
use crate::error::ConductorError;
use crate::lock::{self, GateGuard};

/// Pauses between attempts to release a lock while the database does not answer.
const RELEASE_PAUSE_MIN: Duration = Duration::from_millis(100);
const RELEASE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The lock itself. Dropping it gives it back in the background.
#[derive(Debug)]
pub(super) struct HeldLock {
    shared: Arc<Shared>,
    node: NodeId,
    uuid: Uuid,
    since: Instant,
    runtime: Handle,
    /// Whether it is still to be given back when this is dropped.
    is_held: bool,
    /// Gives the place at the head of the queue to the next waiter, after the lock is free. None: it was taken over from
    /// a holder for whom nobody stood there.
    gate: Option<GateGuard>,
}

impl HeldLock {
    pub(super) async fn take(
        shared: &Arc<Shared>,
        node: NodeId,
        acquire: &Acquire,
    ) -> Result<(Self, Node), ConductorError> {
        let policy = shared.policy(acquire.retry);
        let (store, gates, host) = (&shared.store, &shared.gates, &shared.host);
        let (node, gate) = lock::lock(store, gates, node, host, &acquire.purpose, policy).await?;
        Ok((Self::new(shared, &node, Some(gate)), node))
    }

    /// Takes the lock that `from` has, who is gone. Whoever stands at the gate waits for it to be free.
    pub(super) async fn take_over(
        shared: &Arc<Shared>,
        node: NodeId,
        from: &str,
        purpose: &str,
    ) -> Result<(Self, Node), ConductorError> {
        let node = shared.store.node_hand_over(node, from, &shared.host, purpose).await?;
        Ok((Self::new(shared, &node, None), node))
    }

    fn new(shared: &Arc<Shared>, node: &Node, gate: Option<GateGuard>) -> Self {
        Self {
            shared: Arc::clone(shared),
            node: node.id,
            uuid: node.uuid,
            since: Instant::now(),
            runtime: Handle::current(),
            is_held: true,
            gate,
        }
    }

    /// Hands the lock to `holder`; gives it back if that fails.
    pub(super) async fn hand_back(mut self, holder: &str, purpose: &str) -> Result<(), ConductorError> {
        let (store, host) = (&self.shared.store, &self.shared.host);
        // Dropped meanwhile, or after an error, this gives the lock back.
        store.node_hand_over(self.node, host, holder, purpose).await?;
        self.is_held = false;
        Ok(())
    }

    /// Forgets the lock: it is gone with its node.
    pub(super) fn forget(mut self) {
        self.is_held = false;
    }

    /// Gives the lock back after `cause`, which is what the caller hears.
    pub(super) async fn release_after(self, cause: &ConductorError) {
        let node = self.uuid;
        if let Err(error) = self.release().await {
            error!(%node, %error, %cause, "lock could not be released");
        }
    }

    /// Gives the lock back.
    pub(super) async fn release(mut self) -> Result<(), ConductorError> {
        // The store finishes a release whoever waits for it.
        self.is_held = false;
        let gate = self.gate.take();
        release(&self.shared, self.node, self.uuid, self.since, gate).await
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if !self.is_held {
            return;
        }
        let gate = self.gate.take();
        let (shared, node, uuid, since) = (Arc::clone(&self.shared), self.node, self.uuid, self.since);
        let _entered = self.runtime.enter();
        // Not a `HeldLock`: a runtime that is going down drops the job at once, which must not start another.
        self.shared.workers.spawn_cleanup(async move {
            if let Err(error) = release(&shared, node, uuid, since, gate).await {
                error!(node = %uuid, %error, "the lock of a dropped task could not be released");
            }
        });
    }
}

/// Gives the lock back. A database that cannot do it now is asked again in the background until it can.
async fn release(
    shared: &Arc<Shared>,
    node: NodeId,
    uuid: Uuid,
    since: Instant,
    gate: Option<GateGuard>,
) -> Result<(), ConductorError> {
    let released = shared.store.node_release(node, &shared.host).await;
    debug!(node = %uuid, elapsed_ms = %since.elapsed().as_millis(), "node was locked");
    match released {
        // The node was deleted under the lock: nothing is left to release.
        Ok(()) | Err(StoreError::NodeNotFound { .. }) => Ok(()),
        Err(error) if is_decided(&error) => Err(error.into()),
        Err(error) => {
            error!(node = %uuid, %error, "a lock could not be released, trying again");
            let shared_for_job = Arc::clone(shared);
            shared.workers.spawn_cleanup(async move {
                release_until_decided(&shared_for_job, node, uuid).await;
                drop(gate);
            });
            Ok(())
        }
    }
}

/// Whether trying again can not change the answer.
fn is_decided(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NodeNotFound { .. }
            | StoreError::NodeLocked { .. }
            | StoreError::NodeNotLocked { .. }
            | StoreError::ShuttingDown { .. }
    )
}

async fn release_until_decided(shared: &Shared, node: NodeId, uuid: Uuid) {
    let mut pause = RELEASE_PAUSE_MIN;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.workers.stopping().cancelled() => return,
        }
        match shared.store.node_release(node, &shared.host).await {
            Err(error) if !is_decided(&error) => pause = (pause * 2).min(RELEASE_PAUSE_MAX),
            Ok(()) | Err(_) => {
                debug!(node = %uuid, "a lock is released at last");
                return;
            }
        }
    }
}
