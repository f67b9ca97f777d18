//! Being told of released locks.

use farrier_model::node::NodeId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How many released locks a receiver may be behind before it is told to look for itself.
const RELEASES_MAX: usize = 1024;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// The lock of this node was released.
    Node(NodeId),
    /// Some may have been that were not told.
    Missed,
}

/// Tells all who wait.
#[derive(Debug, Clone)]
pub(crate) struct ReleaseSender(broadcast::Sender<Release>);

impl Default for ReleaseSender {
    fn default() -> Self {
        Self(broadcast::Sender::new(RELEASES_MAX))
    }
}

impl ReleaseSender {
    pub(crate) fn send(&self, release: Release) {
        // Nobody may be waiting, which is what the error says.
        self.0.send(release).ok();
    }

    /// Tells all to look for themselves.
    pub(crate) fn missed(&self) {
        self.send(Release::Missed);
    }

    pub(crate) fn subscribe(&self) -> Releases {
        Releases(self.0.subscribe())
    }
}

/// Hears of every lock that is released from its making on.
#[derive(Debug)]
pub struct Releases(broadcast::Receiver<Release>);

impl Releases {
    /// Waits until the lock of `node` was released, or may have been: whoever waits looks for himself.
    ///
    /// Where several processes share the database, releases by others are told only while somebody has said that
    /// he waits: see [`Store::node_want`](crate::Store::node_want). A call that is dropped misses nothing.
    pub async fn of(&mut self, node: NodeId) {
        loop {
            match self.0.recv().await {
                Ok(Release::Node(released)) if released != node => {}
                Ok(Release::Node(_) | Release::Missed) | Err(RecvError::Lagged(_)) => return,
                // The store is closed: what is done next will say so.
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// The next thing told.
    #[cfg(test)]
    pub(crate) async fn next(&mut self) -> Release {
        self.0.recv().await.unwrap()
    }
}
