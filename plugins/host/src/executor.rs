//! One small executor per plugin.
//!
//! A driver that blocks inside an `async fn` blocks this executor and nothing else. The time of every poll is
//! taken, so that a slow one is named and a stalled one refused.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tracing::warn;

/// A poll that takes longer is logged: nothing may block for so long.
const POLL_SLOW: Duration = Duration::from_millis(50);

/// A poll that takes longer means that the plugin does not come back.
const POLL_STALLED: Duration = Duration::from_secs(10);

/// Threads for calls in the blocking style, per plugin.
const BLOCKING_THREADS_MAX: usize = 64;

/// The executor of one plugin.
#[derive(Debug)]
pub(crate) struct Executor {
    /// Taken at the end only.
    runtime: Option<Runtime>,
    handle: Handle,
    watch: Arc<Watch>,
}

/// What is known of the poll that runs now.
#[derive(Debug)]
struct Watch {
    plugin: String,
    start: Instant,
    /// Milliseconds from `start` to the beginning of the present poll, plus one; 0 when idle.
    polling_since: AtomicU64,
}

impl Executor {
    /// Starts the executor of `plugin`, one worker thread named after it.
    pub(crate) fn start(plugin: &str) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name(format!("plugin-{plugin}"))
            .enable_all()
            .build()?;
        let watch =
            Watch { plugin: plugin.to_owned(), start: Instant::now(), polling_since: AtomicU64::new(0) };
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime), watch: Arc::new(watch) })
    }

    /// Where jobs of the plugin run.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// `future` with its polls timed; `what` names it in the log.
    pub(crate) fn timed<F: Future>(&self, future: F, what: String) -> Timed<F> {
        self.runner().timed(future, what)
    }

    /// What runs jobs of the plugin without owning its threads.
    pub(crate) fn runner(&self) -> Runner {
        Runner { handle: self.handle.clone(), watch: Arc::clone(&self.watch) }
    }

    /// How long the present poll has been running, if that is too long to wait for it.
    pub(crate) fn stalled(&self) -> Option<Duration> {
        let since = self.watch.polling_since.load(Ordering::Relaxed).checked_sub(1)?;
        let running = self.watch.start.elapsed().checked_sub(Duration::from_millis(since))?;
        (POLL_STALLED < running).then_some(running)
    }
}

/// Runs jobs on an executor.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    handle: Handle,
    watch: Arc<Watch>,
}

impl Runner {
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// As [`Executor::timed`].
    pub(crate) fn timed<F: Future>(&self, future: F, what: String) -> Timed<F> {
        Timed { future: Box::pin(future), watch: Arc::clone(&self.watch), what }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // Waiting here could be waiting for ever, and is forbidden on an async worker.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A future whose polls are timed.
pub(crate) struct Timed<F> {
    future: Pin<Box<F>>,
    watch: Arc<Watch>,
    what: String,
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let begin = Instant::now();
        let since = begin.duration_since(this.watch.start).as_millis();
        this.watch.polling_since.store(u64::try_from(since).unwrap_or(u64::MAX - 1) + 1, Ordering::Relaxed);
        let polled = this.future.as_mut().poll(context);
        this.watch.polling_since.store(0, Ordering::Relaxed);
        let elapsed = begin.elapsed();
        if POLL_SLOW < elapsed {
            let elapsed_ms = elapsed.as_millis();
            warn!(plugin = this.watch.plugin, call = this.what, %elapsed_ms, "plugin blocked its executor");
        }
        polled
    }
}
