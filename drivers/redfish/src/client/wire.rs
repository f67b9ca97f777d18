//! Watches the connections of one client: which are reused, and that none is made in vain.
//!
//! After an answer its connection goes back to the pool of the HTTP library, a moment later. A request in that
//! moment would find no idle connection and make another one, with a handshake that costs a BMC a good part of
//! a second. So a connection begun right after an answer is held for that moment; the request then either has
//! found the old one, or is sent again.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::{Layer, Service};

/// Failures of reused connections in a row after which connections are no longer kept.
const REUSE_FAILURES_MAX: u32 = 2;

/// How long connections are not kept after such failures.
const REUSE_PAUSE: Duration = Duration::from_hours(1);

/// How long after an answer its connection may be on its way back.
const RETURN_TIME_MAX: Duration = Duration::from_millis(20);

/// How long a new connection is held meanwhile.
const HOLD_TIME: Duration = Duration::from_millis(2);

/// A connection was not made, because one should be coming back.
#[derive(Debug, thiserror::Error)]
#[error("a connection in use is coming back")]
pub(super) struct Held;

/// What is known about the connections of one client.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// When the last answer ended whose connection can be used again.
    answered: Mutex<Option<Instant>>,
    /// The next connection is not held.
    insists: AtomicBool,
    /// The last one was held in vain: this BMC closes connections and does not say so.
    was_in_vain: AtomicBool,
    started: AtomicU64,
    connecting: AtomicU32,
    connected: Mutex<Option<Instant>>,
    reuse_failures: AtomicU32,
    close_until: Mutex<Option<Instant>>,
}

impl Wire {
    /// Connections begun so far.
    pub(super) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Until when a request begun at `start` may wait for its answer: the time to connect does not count
    /// against the time to answer.
    pub(super) fn patience(&self, start: Instant, connect: Duration, read: Duration) -> Instant {
        let connected = *self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        match connected.filter(|at| *at > start) {
            Some(at) => at + read,
            None if self.connecting.load(Ordering::Relaxed) > 0 => start + connect + read,
            None => start + read,
        }
    }

    /// Notes the end of an answer.
    pub(super) fn answered(&self, reusable: bool) {
        let now = reusable.then(Instant::now);
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Makes the next connection in any case, and holds none until one was used again.
    pub(super) fn insist(&self) {
        self.insists.store(true, Ordering::Relaxed);
        self.was_in_vain.store(true, Ordering::Relaxed);
    }

    /// Whether a new connection is to be held.
    fn holds(&self) -> bool {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        !self.insists.swap(false, Ordering::Relaxed)
            && !self.was_in_vain.load(Ordering::Relaxed)
            && answered.is_some_and(|at| at.elapsed() < RETURN_TIME_MAX)
    }

    /// Notes that a reused connection failed before its answer began.
    pub(super) fn reuse_failed(&self, now: Instant) {
        if self.reuse_failures.fetch_add(1, Ordering::Relaxed) + 1 >= REUSE_FAILURES_MAX {
            self.reuse_failures.store(0, Ordering::Relaxed);
            *self.close_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + REUSE_PAUSE);
        }
    }

    /// Notes an answer on a reused connection.
    pub(super) fn reuse_worked(&self) {
        self.reuse_failures.store(0, Ordering::Relaxed);
        self.was_in_vain.store(false, Ordering::Relaxed);
    }

    /// Whether the BMC is to be asked to close the connection after the answer.
    pub(super) fn closes(&self, now: Instant) -> bool {
        let until = *self.close_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| now < until)
    }
}

/// Puts a [`Wire`] around the connector of the HTTP library.
#[derive(Debug, Clone)]
pub(super) struct Watch(pub(super) Arc<Wire>);

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched { inner, wire: Arc::clone(&self.0) }
    }
}

/// A connector whose connections are counted.
#[derive(Debug, Clone)]
pub(super) struct Watched<S> {
    inner: S,
    wire: Arc<Wire>,
}

impl<S, R> Service<R> for Watched<S>
where
    S: Service<R>,
    S::Error: From<Held>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        if self.wire.holds() {
            return Box::pin(async {
                sleep(HOLD_TIME).await;
                Err(Held.into())
            });
        }
        let connecting = Connecting::begin(Arc::clone(&self.wire));
        let connection = self.inner.call(request);
        Box::pin(async move {
            let outcome = connection.await;
            if outcome.is_ok() {
                connecting.done();
            }
            outcome
        })
    }
}

/// One connection being made; counted until dropped.
struct Connecting(Arc<Wire>);

impl Connecting {
    fn begin(wire: Arc<Wire>) -> Self {
        wire.started.fetch_add(1, Ordering::Relaxed);
        wire.connecting.fetch_add(1, Ordering::Relaxed);
        Self(wire)
    }

    fn done(&self) {
        *self.0.connected.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.connecting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_failures_in_a_row_stop_reuse_for_an_hour() {
        let (wire, now) = (Wire::default(), Instant::now());

        wire.reuse_failed(now);
        wire.reuse_worked();
        wire.reuse_failed(now);
        assert!(!wire.closes(now));
        wire.reuse_failed(now);

        assert!(wire.closes(now) && wire.closes(now + Duration::from_secs(3599)));
        assert!(!wire.closes(now + Duration::from_secs(3600)));
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_held_for_a_moment_after_an_answer() {
        let wire = Wire::default();
        assert!(!wire.holds());

        wire.answered(true);
        assert!(wire.holds());
        wire.insist();
        assert!(!wire.holds() && !wire.holds());
        wire.reuse_worked();
        assert!(wire.holds());
        tokio::time::advance(RETURN_TIME_MAX).await;
        assert!(!wire.holds());

        wire.answered(false);
        assert!(!wire.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn time_to_connect_does_not_count_against_the_answer() {
        let (wire, start) = (Arc::new(Wire::default()), Instant::now());
        let (connect, read) = (Duration::from_secs(30), Duration::from_secs(60));
        assert_eq!(wire.patience(start, connect, read), start + read);

        let connecting = Connecting::begin(Arc::clone(&wire));
        assert_eq!(wire.patience(start, connect, read), start + connect + read);

        tokio::time::advance(Duration::from_secs(5)).await;
        connecting.done();
        drop(connecting);
        assert_eq!(wire.patience(start, connect, read), start + Duration::from_secs(65));
    }
}
