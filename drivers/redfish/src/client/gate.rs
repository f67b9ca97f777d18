//! How many requests one BMC gets at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a few reads through at a time, or one write alone; first come, first served.
///
/// A push lasts far too long to keep everything else out: pushes only wait for each other.
///
/// Shared by all clients of one BMC, never by two BMCs: small BMCs crash under parallel requests, and a BMC
/// that hangs must delay no other.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    permits: Arc<Semaphore>,
    pushes: Arc<Semaphore>,
    reads_max: u32,
}

impl Gate {
    pub(super) fn new(reads_max: u32) -> Self {
        let reads_max = reads_max.max(1);
        let permits = Arc::new(Semaphore::new(reads_max as usize));
        Self { permits, pushes: Arc::new(Semaphore::new(1)), reads_max }
    }

    /// Waits for a place among the reads.
    pub(super) async fn read(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Waits until all others are done, and keeps new ones out.
    pub(super) async fn write(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_many_owned(self.reads_max).await.ok()
    }

    /// Waits until no other file is pushed.
    pub(super) async fn push(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.pushes).acquire_owned().await.ok()
    }

    /// Whether nobody else uses this gate.
    pub(super) fn is_unshared(&self) -> bool {
        Arc::strong_count(&self.permits) == 1
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_write_waits_for_reads_and_later_reads_wait_for_it() {
        let gate = Gate::new(2);
        let first = gate.read().await;
        let mut write = pin!(gate.write());
        let mut later = pin!(gate.read());
        let waiting = poll_fn(|context| {
            Poll::Ready(
                write.as_mut().poll(context).is_pending() && later.as_mut().poll(context).is_pending(),
            )
        });
        assert!(waiting.await);

        drop(first);
        let alone = write.await;
        let still = poll_fn(|context| Poll::Ready(later.as_mut().poll(context).is_pending()));
        assert!(still.await);
        drop(alone);

        assert!(later.await.is_some());
    }
}
