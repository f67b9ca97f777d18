//! The store: a database that is open.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use tracing::{Instrument, info};

use crate::config::StoreConfig;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::listener::Listener;
use crate::node::ReleaseSender;
use crate::pool::Pools;
use crate::probe::Probe;
use crate::schema;

/// A database that is open, its schema up to date. Cheap to clone; every clone is the same database.
///
/// Calls that are dropped before they end leave whole records: what they wrote is written, or nothing is.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Pools,
    label: String,
    text_size_max: usize,
    releases: ReleaseSender,
    listener: Option<Listener>,
}

impl Store {
    /// Opens the database of `config` and brings its schema up to date. Several processes may do so at once.
    ///
    /// # Errors
    ///
    /// - [`InvalidUrl`](StoreError::InvalidUrl): the URL is of no database we can use.
    /// - [`Open`](StoreError::Open): the file or the server cannot be opened.
    /// - [`Migration`](StoreError::Migration): the schema is newer than we are, was edited, or cannot be made.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let pools = Pools::open(config).await?;
        let label = pools.dialect().label(config.connection.expose());
        if let Err(error) = schema::migrate(&pools, &label).await {
            pools.close().await;
            return Err(error);
        }
        info!(database = %label, "database is open");
        let releases = ReleaseSender::default();
        let listener = pools.dialect().is_shared();
        let listener = listener.then(|| Listener::start(config.connection.clone(), releases.clone()));
        let inner = Inner { pools, label, text_size_max: config.log_in_db_max_size, releases, listener };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits for the calls that are under way and closes every connection; later calls fail.
    pub async fn close(&self) {
        if let Some(listener) = &self.inner.listener {
            listener.stop();
        }
        self.inner.pools.close().await;
    }

    /// The database as people may see it: a file, or a server without credentials.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// Whether several conductors can share this database, so that each must say from time to time that it
    /// lives. On SQLite nobody does.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.inner.pools.dialect().is_shared()
    }

    /// What statements were run, and a way to let some fail.
    #[must_use]
    pub fn probe(&self) -> &Probe {
        self.inner.pools.probe()
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.inner.pools
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.inner.pools.dialect()
    }

    pub(crate) fn releases(&self) -> &ReleaseSender {
        &self.inner.releases
    }

    /// `text` cut to what is kept of messages.
    pub(crate) fn cut(&self, text: Option<String>) -> Option<String> {
        text.map(|text| match text.char_indices().nth(self.inner.text_size_max) {
            Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
            None => text,
        })
    }

    /// Runs `work` to its end even if the caller stops waiting for it.
    pub(crate) async fn detached<T: Send + 'static>(
        operation: &'static str,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        match tokio::spawn(work.in_current_span()).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::ShuttingDown { operation }),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("database", &self.inner.label).finish_non_exhaustive()
    }
}

/// The time now, as precise as it is stored.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests;
