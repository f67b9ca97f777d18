//! Work that is done at intervals.
//!
//! - The first run comes after one interval; an interval of zero or less means never.
//! - A run that is still going is never joined by a second one.
//! - Each run takes a worker of the normal pool and is left out when there is none.
//! - A run that fails is logged, and the next one comes as if nothing had been.
//! - When the conductor stops, a run ends at the next node.
//!
//! Source: Ironic's conductor manager.

mod conductors;
mod history;
mod lanes;
mod local_state;
mod orphans;
mod pass;
mod power_recovery;
mod power_sync;
mod sensors;
mod timeouts;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_sdk::error::Chain;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info_span, warn};

use crate::error::ConductorError;
use crate::service::Conductor;
use crate::steps::wake::{self, Sweep};
use crate::workers::Workers;
use power_sync::PowerSync;
use sensors::Sensors;
use timeouts::Wait;

pub(crate) use pass::{NodePass, Outcome, WithoutDriver};

/// A run of a periodic task.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    /// Who does it.
    pub(crate) conductor: Conductor,
    /// Cancelled when the pass shall end at the next node.
    pub(crate) stop: CancellationToken,
}

impl Pass {
    /// A pass that ends early when the conductor stops.
    pub(crate) fn new(conductor: &Conductor) -> Self {
        let stop = conductor.tasks().shared().workers.stopping().child_token();
        Self { conductor: conductor.clone(), stop }
    }
}

type Run = Box<dyn Fn() -> BoxFuture<'static, Result<(), ConductorError>> + Send + Sync>;

/// Something to do at intervals.
pub(crate) struct PeriodicTask {
    name: &'static str,
    /// Seconds between the beginnings of two runs; zero or less: never.
    interval: f64,
    run: Run,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It came to its end.
    Ended,
    /// It failed, which was logged.
    Failed,
    /// There was no worker for it.
    NoWorker,
}

impl fmt::Debug for PeriodicTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeriodicTask")
            .field("name", &self.name)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl PeriodicTask {
    /// A task of `conductor`, every `interval` seconds.
    pub(crate) fn new<F>(
        name: &'static str,
        interval: f64,
        conductor: &Conductor,
        run: impl Fn(Pass) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), ConductorError>> + Send + 'static,
    {
        let conductor = conductor.clone();
        Self { name, interval, run: Box::new(move || run(Pass::new(&conductor)).boxed()) }
    }

    /// The time between two runs; none when it is switched off.
    fn interval(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.interval).ok().filter(|interval| !interval.is_zero())
    }

    /// Runs once, now.
    pub(crate) async fn run(&self, workers: &Workers) -> Ran {
        let name = self.name;
        let Ok(_worker) = workers.acquire_normal() else {
            warn!(task = name, "every worker is busy, a periodic task is left out this time");
            return Ran::NoWorker;
        };
        let start = Instant::now();
        let ended = AssertUnwindSafe((self.run)().instrument(info_span!("periodic", task = name)));
        match ended.catch_unwind().await {
            Ok(Ok(())) => {
                debug!(task = name, elapsed_ms = %start.elapsed().as_millis(), "a periodic task has run");
                return Ran::Ended;
            }
            Ok(Err(failure)) => error!(task = name, error = %Chain(&failure), "a periodic task failed"),
            Err(_) => error!(task = name, "a periodic task panicked"),
        }
        Ran::Failed
    }

    /// Runs at intervals until the conductor stops.
    async fn run_forever(self, workers: Workers) {
        let Some(interval) = self.interval() else {
            debug!(task = self.name, "a periodic task is switched off");
            return;
        };
        let mut ticks = tokio::time::interval(interval);
        // A run that took longer is followed by one whole interval of rest.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            tokio::select! {
                biased;
                () = workers.stopping().cancelled() => return,
                _ = ticks.tick() => {}
            }
            self.run(&workers).await;
        }
    }
}

/// Starts to run `tasks` at their intervals; they end with `workers`.
pub(crate) fn start(workers: &Workers, tasks: Vec<PeriodicTask>) {
    let enabled = tasks.iter().filter(|task| task.interval().is_some()).count();
    if workers.normal_size() < enabled {
        warn!(tasks = enabled, workers = workers.normal_size(), "there are more periodic tasks than workers");
    }
    for task in tasks {
        workers.spawn_cleanup(task.run_forever(workers.clone()));
    }
}

/// Everything that `conductor` does at intervals.
pub(crate) fn tasks(conductor: &Conductor) -> Vec<PeriodicTask> {
    let config = &conductor.tasks().shared().config;
    let wait = |name, interval, wait| {
        PeriodicTask::new(name, interval, conductor, move |pass| timeouts::run(pass, wait))
    };
    let power_sync = Arc::<PowerSync>::default();
    let sensors = Arc::<Sensors>::default();
    vec![
        PeriodicTask::new("power sync", config.sync_power_state_interval, conductor, move |pass| {
            Arc::clone(&power_sync).run(pass)
        }),
        PeriodicTask::new(
            "power failure recovery",
            config.power_failure_recovery_interval,
            conductor,
            power_recovery::run,
        ),
        PeriodicTask::new("conductors", config.conductor_cleanup_interval, conductor, conductors::run),
        PeriodicTask::new("history", config.node_history_cleanup_interval, conductor, history::run),
        PeriodicTask::new("steps", config.check_provision_state_interval, conductor, |pass| async move {
            wake::sweep(&pass.conductor, Sweep::Overdue).await
        }),
        wait("deploy timeouts", config.check_provision_state_interval, Wait::Deploy),
        wait("clean timeouts", config.check_provision_state_interval, Wait::Clean),
        wait("service timeouts", config.check_provision_state_interval, Wait::Service),
        wait("inspection timeouts", config.check_provision_state_interval, Wait::Inspect),
        wait("rescue timeouts", config.check_rescue_state_interval, Wait::Rescue),
        PeriodicTask::new("orphans", config.check_provision_state_interval, conductor, orphans::run),
        PeriodicTask::new("local state", config.sync_local_state_interval, conductor, local_state::run),
        PeriodicTask::new("sensor data", config.sensor_data.interval(), conductor, move |pass| {
            Arc::clone(&sensors).run(pass)
        }),
        // next periodic task above this line
    ]
}

#[cfg(test)]
pub(crate) mod tests;
