//! The lock of a task: taken, given back, handed over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_model::node::{Node, NodeId};
use farrier_sdk::error::Chain;
use farrier_store::{HandOver, StoreError};
use jiff::Timestamp;
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
    /// Taken when it is given back, or gone.
    held: Option<Held>,
    runtime: Handle,
}

/// What there is to give back. Dropping it does nothing: a runtime that is going down drops jobs at once, which must
/// not start others.
#[derive(Debug)]
struct Held {
    shared: Arc<Shared>,
    node: NodeId,
    uuid: Uuid,
    since: Instant,
    /// Tells this lock from a later one of this conductor.
    reserved_at: Option<Timestamp>,
    /// Gives the place at the head of the queue to the next waiter, after the lock is free. None: it was taken over from
    /// a holder for whom nobody stood there.
    _gate: Option<GateGuard>,
    /// The conductor, gone, that the lock goes back to: what it was doing is not settled yet, and nobody would find a
    /// free node again.
    before: Option<String>,
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
        Ok((Self::new(shared, &node, Some(gate), None), node))
    }

    /// Takes the lock that the holder of `node` has, who is gone: the one that `node` shows, no later one. Whoever
    /// stands at the gate waits for it to be free. Until it is [settled](Self::settle) it goes back to him.
    pub(super) async fn take_over(
        shared: &Arc<Shared>,
        node: &Node,
        purpose: &str,
    ) -> Result<(Self, Node), ConductorError> {
        let not_locked = StoreError::NodeNotLocked { node: node.uuid };
        let Some(from) = node.reservation.clone() else { return Err(not_locked.into()) };
        let order = HandOver {
            from: from.clone(),
            since: node.reserved_at,
            holder: shared.host.clone(),
            purpose: purpose.to_owned(),
            gone: Some(shared.gone(&from)),
        };
        let node = shared.store.node_hand_over(node.id, order).await?;
        Ok((Self::new(shared, &node, None, Some(from)), node))
    }

    fn new(shared: &Arc<Shared>, node: &Node, gate: Option<GateGuard>, before: Option<String>) -> Self {
        let held = Held {
            shared: Arc::clone(shared),
            node: node.id,
            uuid: node.uuid,
            since: Instant::now(),
            reserved_at: node.reserved_at,
            _gate: gate,
            before,
        };
        Self { held: Some(held), runtime: Handle::current() }
    }

    /// What the former holder was doing is settled: from now on the lock is given back by setting the node free.
    pub(super) fn settle(&mut self) {
        if let Some(held) = &mut self.held {
            held.before = None;
        }
    }

    /// Forgets the lock: it is gone with its node.
    pub(super) fn forget(mut self) {
        self.held = None;
    }

    /// Gives the lock back after `cause`, which is what the caller hears.
    pub(super) async fn release_after(self, cause: &ConductorError) {
        let node = self.held.as_ref().map(|held| held.uuid).unwrap_or_default();
        if let Err(error) = self.release().await {
            error!(%node, error = %Chain(&error), cause = %Chain(cause), "lock could not be released");
        }
    }

    /// Gives the lock back. Once begun it comes to its end, also when the caller stops waiting.
    pub(super) async fn release(mut self) -> Result<(), ConductorError> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let workers = held.shared.workers.clone();
        match workers.spawn_detached(held.give_back()).await {
            Ok(given_back) => given_back,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::ShuttingDown { operation: "node_release" }.into()),
        }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        let (workers, uuid) = (held.shared.workers.clone(), held.uuid);
        let _entered = self.runtime.enter();
        workers.spawn_cleanup(async move {
            if let Err(error) = held.give_back().await {
                error!(node = %uuid, error = %Chain(&error), "the lock of a dropped task could not be released");
            }
        });
    }
}

impl Held {
    /// Gives the lock back: to whoever it was taken from as long as that is not settled, to nobody otherwise.
    async fn give_back(mut self) -> Result<(), ConductorError> {
        if let Some(before) = self.before.take() {
            match self.hand_back(&before).await {
                Ok(()) => return Ok(()),
                Err(StoreError::NodeNotFound { .. }) => return Ok(()),
                // He may be back and would not know of it, and a lock must not stay for ever.
                Err(error) => {
                    let error = Chain(&error);
                    error!(node = %self.uuid, holder = before, %error, "a lock could not be handed back, it is released");
                }
            }
        }
        self.release().await
    }

    async fn hand_back(&self, before: &str) -> Result<(), StoreError> {
        let order = HandOver {
            from: self.shared.host.clone(),
            since: self.reserved_at,
            holder: before.to_owned(),
            purpose: "what its conductor has left".to_owned(),
            gone: Some(self.shared.gone(before)),
        };
        self.shared.store.node_hand_over(self.node, order).await.map(drop)
    }

    /// Sets the node free. A database that cannot do it now is asked again in the background until it can.
    async fn release(self) -> Result<(), ConductorError> {
        let released = self.ask_release().await;
        debug!(node = %self.uuid, elapsed_ms = %self.since.elapsed().as_millis(), "node was locked");
        match released {
            // The node was deleted under the lock: nothing is left to release.
            Ok(()) | Err(StoreError::NodeNotFound { .. }) => Ok(()),
            Err(error) if is_decided(&error) => Err(error.into()),
            Err(error) => {
                error!(node = %self.uuid, error = %Chain(&error), "a lock could not be released, trying again");
                let workers = self.shared.workers.clone();
                workers.spawn_cleanup(self.release_until_decided());
                Ok(())
            }
        }
    }

    async fn release_until_decided(self) {
        let mut pause = RELEASE_PAUSE_MIN;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.workers.stopping().cancelled() => return,
            }
            match self.ask_release().await {
                Err(error) if !is_decided(&error) => pause = (pause * 2).min(RELEASE_PAUSE_MAX),
                Ok(()) | Err(_) => {
                    debug!(node = %self.uuid, "a lock is released at last");
                    return;
                }
            }
        }
    }

    /// Releases just this lock. An attempt whose answer was lost may have done it, and somebody else of this conductor
    /// may have the node by now.
    async fn ask_release(&self) -> Result<(), StoreError> {
        let Self { shared, node, reserved_at, .. } = self;
        shared.store.node_release_since(*node, &shared.host, *reserved_at).await
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
