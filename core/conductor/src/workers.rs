//! Jobs that outlive their request: bounded, never queued.
//!
//! Source: Ironic's conductor manager.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

use crate::config::ConductorConfig;
use crate::error::ConductorError;

/// The smallest pool that leaves room for periodic work.
const POOL_SIZE_MIN: usize = 3;

/// Share of the pool that may be reserved, in percent.
const RESERVED_PERCENT_MAX: usize = 50;

/// The workers of one conductor.
#[derive(Debug, Clone)]
pub struct Workers {
    size: usize,
    reserved_size: usize,
    normal: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    jobs: TaskTracker,
    stop: CancellationToken,
}

/// The right to run one job.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
}

impl Workers {
    /// A pool of the configured size.
    ///
    /// # Errors
    ///
    /// [`ConductorError::IncorrectConfiguration`]: too small, or too much of it reserved.
    pub fn new(config: &ConductorConfig) -> Result<Self, ConductorError> {
        let (size, percent) = (config.workers_pool_size, config.reserved_workers_pool_percentage);
        let incorrect = |reason: String| ConductorError::IncorrectConfiguration { reason };
        if !(POOL_SIZE_MIN..=Semaphore::MAX_PERMITS).contains(&size) {
            return Err(incorrect(format!(
                "`workers_pool_size` is {size}, at least {POOL_SIZE_MIN} are needed"
            )));
        }
        if RESERVED_PERCENT_MAX < percent {
            return Err(incorrect(format!(
                "`reserved_workers_pool_percentage` is {percent}, at most {RESERVED_PERCENT_MAX} are allowed"
            )));
        }
        let reserved = size * percent / 100;
        Ok(Self {
            size,
            reserved_size: reserved,
            normal: Arc::new(Semaphore::new(size - reserved)),
            reserved: Arc::new(Semaphore::new(reserved)),
            jobs: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// A worker: of the normal pool, else of the reserved one; none once the conductor stops.
    ///
    /// # Errors
    ///
    /// [`ConductorError::NoFreeConductorWorker`].
    pub fn acquire(&self) -> Result<Permit, ConductorError> {
        if self.stop.is_cancelled() {
            return Err(ConductorError::NoFreeConductorWorker { size: self.size });
        }
        let permit = Arc::clone(&self.normal)
            .try_acquire_owned()
            .or_else(|_| Arc::clone(&self.reserved).try_acquire_owned());
        permit
            .map(|permit| Permit { _permit: permit })
            .map_err(|_| ConductorError::NoFreeConductorWorker { size: self.size })
    }

    /// A worker of the normal pool: for what can be done later as well.
    ///
    /// # Errors
    ///
    /// [`ConductorError::NoFreeConductorWorker`].
    pub(crate) fn acquire_normal(&self) -> Result<Permit, ConductorError> {
        let busy = || ConductorError::NoFreeConductorWorker { size: self.size };
        if self.stop.is_cancelled() {
            return Err(busy());
        }
        let permit = Arc::clone(&self.normal).try_acquire_owned();
        permit.map(|permit| Permit { _permit: permit }).map_err(|_| busy())
    }

    /// How many workers the normal pool has.
    pub(crate) fn normal_size(&self) -> usize {
        self.size - self.reserved_size
    }

    /// Runs a job; the worker is free again when it ends.
    pub fn spawn(&self, permit: Permit, job: impl Future<Output = ()> + Send + 'static) {
        let job = async move {
            job.await;
            drop(permit);
        };
        self.jobs.spawn(job.instrument(Span::current()));
    }

    /// Runs something small that needs no worker, such as the release of a lock that was dropped.
    pub(crate) fn spawn_cleanup(&self, job: impl Future<Output = ()> + Send + 'static) {
        self.jobs.spawn(job.instrument(Span::current()));
    }

    /// Runs something to its end that needs no worker and has somebody waiting, perhaps.
    pub(crate) fn spawn_detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.jobs.spawn(work.instrument(Span::current()))
    }

    /// Cancelled when the conductor stops: what runs for ever ends then.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Takes no more jobs that run for ever, and waits for the running ones, at most for `patience`.
    ///
    /// Answers whether all have ended.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.stop.cancel();
        self.jobs.close();
        tokio::time::timeout(patience, self.jobs.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(size: usize, percent: usize) -> ConductorConfig {
        ConductorConfig {
            workers_pool_size: size,
            reserved_workers_pool_percentage: percent,
            ..ConductorConfig::default()
        }
    }

    #[test]
    fn the_reserved_part_is_used_when_the_rest_is_taken() {
        let workers = Workers::new(&config(4, 25)).unwrap();
        let held: Vec<_> = (0..4).map(|_| workers.acquire().unwrap()).collect();

        let error = workers.acquire().unwrap_err();

        assert!(matches!(error, ConductorError::NoFreeConductorWorker { size: 4 }));
        drop(held);
        assert!(workers.acquire().is_ok());
    }

    #[test]
    fn a_pool_that_is_too_small_is_refused() {
        assert!(matches!(Workers::new(&config(2, 0)), Err(ConductorError::IncorrectConfiguration { .. })));
        assert!(matches!(Workers::new(&config(300, 51)), Err(ConductorError::IncorrectConfiguration { .. })));
    }

    #[tokio::test]
    async fn stopping_waits_for_jobs() {
        let workers = Workers::new(&config(3, 0)).unwrap();
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        workers.spawn(workers.acquire().unwrap(), async move { drop(receiver.await) });

        assert!(!workers.stop(Duration::ZERO).await);

        drop(sender);
        assert!(workers.stop(Duration::from_secs(30)).await);
    }
}
