//! Saying that this conductor lives, where others can hear it; and hearing whether another of its name does.
//!
//! Source: Ironic's conductor manager.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farrier_model::conductor::Conductor as ConductorRecord;
use farrier_sdk::error::Chain;
use farrier_store::{Store, StoreError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::task::Shared;

/// The shortest time between two heartbeats.
const INTERVAL_MIN: Duration = Duration::from_millis(50);

/// How many intervals a conductor may be silent before it is believed to be dead by one that wants its name.
const SILENT_INTERVALS: f64 = 1.5;

/// How much longer, for a database that is slow.
const SILENT_MARGIN: Duration = Duration::from_secs(1);

/// The heartbeat of a running conductor.
#[derive(Debug, Default)]
pub(crate) struct Heartbeat {
    /// Whether it goes on saying that the conductor is there while the conductor stops.
    stays_registered: AtomicBool,
    end: CancellationToken,
    job: Mutex<Option<JoinHandle<()>>>,
}

fn interval(config: &ConductorConfig) -> Duration {
    Duration::try_from_secs_f64(config.heartbeat_interval).unwrap_or_default().max(INTERVAL_MIN)
}

impl Heartbeat {
    /// Begins to say so.
    pub(super) fn start(shared: &Arc<Shared>) {
        // Not one of the jobs: it outlives them.
        let job = tokio::spawn(beat(Arc::clone(shared)));
        *shared.heartbeat.job.lock().unwrap_or_else(PoisonError::into_inner) = Some(job);
    }

    /// Lets the conductor count as being there until it has ended.
    pub(super) fn stay_registered(&self) {
        self.stays_registered.store(true, Ordering::Relaxed);
    }

    /// Falls silent.
    pub(super) async fn stop(&self) {
        self.end.cancel();
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(job) = job
            && let Err(failure) = job.await
        {
            warn!(error = %failure, "the heartbeat did not end well");
        }
    }
}

/// Says it until told to end. Where nobody else can hear it, nothing is said.
pub(super) async fn beat(shared: Arc<Shared>) {
    if !shared.store.is_shared() {
        return;
    }
    let heartbeat = &shared.heartbeat;
    let mut ticks = tokio::time::interval(interval(&shared.config));
    loop {
        tokio::select! {
            biased;
            () = heartbeat.end.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let leaving =
            shared.workers.stopping().is_cancelled() && !heartbeat.stays_registered.load(Ordering::Relaxed);
        let written = if leaving {
            shared.store.conductor_offline(&shared.host).await
        } else {
            shared.store.conductor_touch(&shared.host).await
        };
        if let Err(failure) = written {
            warn!(conductor = shared.host, error = %Chain(&failure), "heartbeat could not be written");
        }
    }
}

/// Makes sure that no other process is at work under this name.
///
/// A record that was written to just now may have been left by a crash: only one that is written to again is alive.
///
/// # Errors
///
/// - [`StoreError::ConductorAlreadyRegistered`]: there is one.
/// - Those of the store.
pub(super) async fn refuse_twin(store: &Store, config: &ConductorConfig) -> Result<(), ConductorError> {
    let timeout = Duration::from_secs(config.heartbeat_timeout);
    let Some(first) = living(store, config, timeout).await? else { return Ok(()) };
    let interval = interval(config);
    let patience = (interval.mul_f64(SILENT_INTERVALS) + SILENT_MARGIN).min(timeout);
    info!(
        conductor = config.host,
        patience_ms = %patience.as_millis(),
        "a conductor of this name was there just now, listening whether it still is"
    );
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        tokio::time::sleep((interval / 10).clamp(INTERVAL_MIN, Duration::from_secs(1))).await;
        match living(store, config, timeout).await? {
            Some(now) if now.updated_at != first.updated_at => {
                return Err(StoreError::ConductorAlreadyRegistered { hostname: now.hostname }.into());
            }
            Some(_) => {}
            None => break,
        }
    }
    warn!(conductor = config.host, "the conductor of this name ended without saying so, taking its place");
    Ok(())
}

/// The record of this name, if it says that its conductor lives. Without heartbeats it can say that for ever.
async fn living(
    store: &Store,
    config: &ConductorConfig,
    timeout: Duration,
) -> Result<Option<ConductorRecord>, ConductorError> {
    if !store.is_shared() {
        return Ok(None);
    }
    match store.conductor_get(&config.host).await {
        Ok(record) => Ok(Some(record).filter(|record| store.conductor_is_alive(record, timeout))),
        Err(StoreError::ConductorNotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
