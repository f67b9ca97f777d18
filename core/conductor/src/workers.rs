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

/// Workers that are kept for what is done at intervals besides what has options of its own.
const PERIODIC_EXTRA: usize = 2;

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
        let least = config.sync_power_state_workers + 2 * config.periodic_max_workers + PERIODIC_EXTRA;
        if size - reserved <= least {
            return Err(incorrect(format!(
                "`workers_pool_size` is {size}, of which {reserved} workers are reserved; more than {least} must be left \
                 for `sync_power_state_workers`, twice `periodic_max_workers` and {PERIODIC_EXTRA} others"
            )));
        }
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

    /// Takes no more jobs, tells those that run for ever to end, and waits for all, at most for `patience` if there is one.
    ///
    /// Answers whether all have ended.
    pub async fn stop(&self, patience: Option<Duration>) -> bool {
        self.stop.cancel();
        self.jobs.close();
        match patience {
            Some(patience) => tokio::time::timeout(patience, self.jobs.wait()).await.is_ok(),
            None => {
                self.jobs.wait().await;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool as small as a test wants it: without those that periodic work needs.
    fn pool(size: usize, percent: usize) -> Workers {
        let config = ConductorConfig {
            workers_pool_size: size,
            reserved_workers_pool_percentage: percent,
            sync_power_state_workers: 0,
            periodic_max_workers: 0,
            ..ConductorConfig::default()
        };
        Workers::new(&config).unwrap()
    }

    /// All workers that can be had, and that they were as many.
    fn take(workers: usize, acquire: impl Fn() -> Result<Permit, ConductorError>) -> Vec<Permit> {
        let held: Vec<_> = std::iter::from_fn(|| acquire().ok()).take(workers).collect();
        assert_eq!(held.len(), workers);
        held
    }

    fn is_busy<T>(acquired: Result<T, ConductorError>) -> bool {
        matches!(acquired, Err(ConductorError::NoFreeConductorWorker { .. }))
    }

    #[test]
    fn row_w1_a_free_normal_pool_is_used_and_the_reserved_one_is_not() {
        let workers = pool(4, 25);

        let _held = take(3, || workers.acquire());

        assert_eq!((workers.normal.available_permits(), workers.reserved.available_permits()), (0, 1));
    }

    #[test]
    fn row_w2_the_reserved_pool_is_used_when_the_normal_one_is_taken() {
        let workers = pool(4, 25);
        let _normal = take(3, || workers.acquire_normal());

        let _reserved = workers.acquire().unwrap();

        assert_eq!(workers.reserved.available_permits(), 0);
    }

    #[test]
    fn row_w3_whoever_opts_out_gets_no_reserved_worker() {
        let workers = pool(4, 25);
        let _normal = take(3, || workers.acquire_normal());

        assert!(is_busy(workers.acquire_normal()));

        assert_eq!(workers.reserved.available_permits(), 1);
    }

    #[test]
    fn row_w4_without_a_reserved_pool_there_is_nothing_else() {
        let workers = pool(4, 0);
        let _normal = take(4, || workers.acquire_normal());

        assert!(is_busy(workers.acquire()));
    }

    #[test]
    fn row_w5_with_both_pools_taken_there_is_no_worker() {
        let workers = pool(4, 25);
        let held = take(4, || workers.acquire());

        assert!(is_busy(workers.acquire()));

        drop(held);
        assert!(workers.acquire().is_ok());
    }

    /// Nothing waits in a queue here, so that what the reference counts as running or waiting is a worker that is taken.
    #[test]
    fn row_w6_w7_the_last_worker_is_given_and_no_more() {
        let workers = pool(5, 0);
        let _running = take(3, || workers.acquire());
        let _waiting = take(1, || workers.acquire());

        let last = workers.acquire();
        let one_too_many = workers.acquire();

        assert!(last.is_ok());
        assert!(is_busy(one_too_many));
    }

    #[test]
    fn a_twentieth_of_the_default_pool_is_reserved() {
        let workers = Workers::new(&ConductorConfig::default()).unwrap();

        assert_eq!((workers.normal_size(), workers.reserved_size), (285, 15));
    }

    /// Also row C13.
    #[test]
    fn row_c13_a_pool_without_room_for_periodic_work_is_refused() {
        let sized = |size, percent| {
            let (workers_pool_size, reserved_workers_pool_percentage) = (size, percent);
            let defaults = ConductorConfig::default();
            Workers::new(&ConductorConfig { workers_pool_size, reserved_workers_pool_percentage, ..defaults })
        };

        for (size, percent) in [(24, 5), (26, 0), (27, 5), (2, 0), (300, 51)] {
            let refused = sized(size, percent);

            assert!(
                matches!(refused, Err(ConductorError::IncorrectConfiguration { .. })),
                "{size} {percent}"
            );
        }
        assert!(sized(27, 0).is_ok());
        assert!(sized(28, 5).is_ok());
    }

    #[tokio::test]
    async fn stopping_waits_for_jobs() {
        let workers = pool(3, 0);
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        workers.spawn(workers.acquire().unwrap(), async move { drop(receiver.await) });

        assert!(!workers.stop(Some(Duration::ZERO)).await);

        drop(sender);
        assert!(workers.stop(None).await);
    }
}
