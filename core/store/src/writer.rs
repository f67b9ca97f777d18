//! The one connection that writes to a SQLite file.
//!
//! SQLite lets one connection write at a time, so that all writes stand in one queue. What every write does besides
//! its own work, the others wait for:
//!
//! - The connection goes from one write to the next by hand. A pool looks whether a connection still works whenever
//!   it comes back, which costs as much as a write.
//! - What is committed stands in the write-ahead log. Bringing it into the database waits for the disk; another
//!   connection does that while this one goes on writing. Only a log that outgrows
//!   [`LOG_PAGES_MAX`] is brought in by the writer itself, so that it cannot grow without end.
//!
//! Source: SQLite's documentation of the write-ahead log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Transaction};
use tokio::sync::{Mutex, MutexGuard};
use tracing::debug;

use crate::error::{DatabaseError, StoreError};
use crate::statement::{Row, Statement};

/// Pages in the write-ahead log beyond which the writer empties it at its next commit: 32 MiB.
pub(crate) const LOG_PAGES_MAX: u32 = 8_000;

/// Writes after which another connection empties the log: about a thousand pages, SQLite's own measure.
const WRITES_BETWEEN_CHECKPOINTS: u32 = 300;

/// The connection that writes, and the queue before it.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Has the one connection while nobody keeps it.
    pool: AnyPool,
    reader: AnyPool,
    /// How long a write may wait for its turn.
    patience: Duration,
    /// The connection between two writes; waiters are served in the order in which they came.
    kept: Mutex<Option<PoolConnection<Any>>>,
    writes: AtomicU32,
    /// Held while the log is emptied.
    checkpoint: Arc<Mutex<()>>,
}

impl Writer {
    /// A queue before the only connection of `pool`; `reader` is another pool for the same file.
    pub(crate) fn new(pool: AnyPool, reader: AnyPool, patience: Duration) -> Self {
        let (kept, writes, checkpoint) = (Mutex::default(), AtomicU32::default(), Arc::default());
        Self { pool, reader, patience, kept, writes, checkpoint }
    }

    /// Runs a single statement; it is its own transaction.
    ///
    /// A call that is dropped while the statement runs leaves it to run to its end, before whatever comes next.
    pub(crate) async fn run(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let operation = statement.operation();
        let failed = |error| StoreError::database(operation, error);
        let mut kept = self.turn().await.map_err(failed)?;
        let connection = match kept.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await.map_err(failed)?,
        };
        let answer = statement.run(kept.insert(connection)).await;
        if answer.is_err() {
            // The pool looks whether it is the connection that is broken.
            drop(kept.take());
        }
        drop(kept);
        self.count();
        answer
    }

    /// Begins a transaction by `statement`.
    pub(crate) async fn begin(
        &self,
        statement: &'static str,
    ) -> Result<Transaction<'static, Any>, sqlx::Error> {
        let mut kept = self.turn().await?;
        // A transaction takes its connection from the pool, and gives it back there whatever becomes of it.
        drop(kept.take());
        self.count();
        self.pool.begin_with(statement).await
    }

    /// Waits until what is under way has ended, and closes the connection; later calls fail.
    pub(crate) async fn close(&self) {
        // From here on nobody gets a connection from the pool.
        let closed = self.pool.close();
        drop(self.kept.lock().await.take());
        closed.await;
    }

    /// Waits for the head of the queue.
    async fn turn(&self) -> Result<MutexGuard<'_, Option<PoolConnection<Any>>>, sqlx::Error> {
        if let Ok(kept) = self.kept.try_lock() {
            return Ok(kept);
        }
        let waited = tokio::time::timeout(self.patience, self.kept.lock()).await;
        waited.map_err(|_| sqlx::Error::PoolTimedOut)
    }

    /// Counts a write, and has the log emptied when it is time to.
    fn count(&self) {
        let before = self.writes.fetch_add(1, Ordering::Relaxed);
        if before % WRITES_BETWEEN_CHECKPOINTS != WRITES_BETWEEN_CHECKPOINTS - 1 {
            return;
        }
        // The last time is still under way: the next one does it.
        let Ok(alone) = Arc::clone(&self.checkpoint).try_lock_owned() else { return };
        let reader = self.reader.clone();
        tokio::spawn(async move {
            let emptied = sqlx::raw_sql("PRAGMA wal_checkpoint(PASSIVE)").execute(&reader).await;
            if let Err(error) = emptied {
                debug!(error = %DatabaseError::new(error), "the write-ahead log is left for the writer to empty");
            }
            drop(alone);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use farrier_model::node::Node;
    use tokio::time::{sleep, timeout};
    use uuid::Uuid;

    use super::WRITES_BETWEEN_CHECKPOINTS;
    use crate::{Store, StoreConfig};

    /// How long the disk may take.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn contains(path: &Path, text: &str) -> bool {
        let bytes = fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[tokio::test]
    async fn what_was_written_gets_from_the_log_into_the_database_without_the_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("farrier.db");
        let store = Store::open(&StoreConfig::new(format!("sqlite://{}", path.display()))).await.unwrap();
        let node =
            Node { description: Some("canary".to_owned()), ..Node::new(Uuid::new_v4(), "fake-hardware") };
        let node = store.node_create(&node).await.unwrap();
        let early = contains(&path, "canary");

        for _ in 0..WRITES_BETWEEN_CHECKPOINTS {
            store.node_touch_provisioning(node.id).await.unwrap();
        }

        let arrived = async {
            while !contains(&path, "canary") {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, arrived).await.expect("the log is brought into the database");
        assert!(!early, "it was there before");
    }

    #[tokio::test]
    async fn a_closed_store_refuses_writes() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("farrier.db").display());
        let store = Store::open(&StoreConfig::new(url)).await.unwrap();
        let node = store.node_create(&Node::new(Uuid::new_v4(), "fake-hardware")).await.unwrap();
        store.node_touch_provisioning(node.id).await.unwrap();

        timeout(PATIENCE, store.close()).await.expect("the connection that was kept is given back");

        assert!(store.node_touch_provisioning(node.id).await.is_err());
    }
}
