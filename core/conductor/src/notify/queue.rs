//! What waits for one destination.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use farrier_model::notification::{Level, Notification};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use crate::config::NotificationConfig;

/// Least time between two records in the log that tell of dropped messages.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// A notification as it stands on the wire.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) event_type: String,
    pub(super) level: Level,
    pub(super) json: String,
}

impl Message {
    pub(super) fn new(
        notification: &Notification,
        message_id: Uuid,
        publisher_id: &str,
        timestamp: Timestamp,
    ) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(&notification.message(message_id, publisher_id, timestamp))?;
        Ok(Self { event_type: notification.event_type.clone(), level: notification.level, json })
    }
}

/// What became of the messages for a destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages it has taken.
    pub sent: u64,
    /// Messages it never got: it was too slow, or refused them.
    pub dropped: u64,
}

/// How much one batch may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLimits {
    /// Messages.
    pub(super) size: usize,
    /// Bytes, unless the first message alone has more.
    pub(super) bytes: usize,
    /// How long to wait for more after the first one.
    pub(super) interval: Duration,
}

/// Messages that wait for a destination. When there are too many, the oldest are dropped: what is true now matters
/// more than what was.
#[derive(Debug)]
pub(super) struct Queue {
    destination: &'static str,
    size_max: usize,
    bytes_max: usize,
    state: Mutex<State>,
    changed: Notify,
    closed: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Message>>,
    bytes: usize,
    /// Taken out and neither sent nor dropped yet.
    under_way: u64,
    counters: Counters,
    complained: Option<Instant>,
}

impl State {
    fn pop(&mut self) -> Option<Arc<Message>> {
        let message = self.waiting.pop_front()?;
        self.bytes -= message.json.len();
        Some(message)
    }
}

impl Queue {
    pub(super) fn new(destination: &'static str, config: &NotificationConfig) -> Self {
        let (size_max, bytes_max) = (config.queue_size_max, config.queue_bytes_max);
        let closed = CancellationToken::new();
        Self { destination, size_max, bytes_max, state: Mutex::default(), changed: Notify::new(), closed }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn destination(&self) -> &'static str {
        self.destination
    }

    pub(super) fn counters(&self) -> Counters {
        self.state().counters
    }

    /// Adds a message; drops older ones if it must, or the message when it is too large or too late.
    pub(super) fn push(&self, message: Arc<Message>) {
        let mut state = self.state();
        let mut dropped = 0;
        if self.closed.is_cancelled() || self.bytes_max < message.json.len() {
            dropped = 1;
        } else {
            while self.size_max <= state.waiting.len() || self.bytes_max < state.bytes + message.json.len() {
                // Both limits leave room for one message, hence this ends.
                if state.pop().is_none() {
                    break;
                }
                dropped += 1;
            }
            state.bytes += message.json.len();
            state.waiting.push_back(message);
        }
        let complaint = self.count_dropped(&mut state, dropped);
        drop(state);
        self.complain(complaint, "it is too slow, its queue is full");
        self.changed.notify_one();
    }

    /// Counts; answers the sum when it is time to tell it.
    fn count_dropped(&self, state: &mut State, dropped: u64) -> Option<u64> {
        state.counters.dropped += dropped;
        let told = state.complained.is_some_and(|at| at.elapsed() < COMPLAINT_INTERVAL);
        if dropped == 0 || told {
            return None;
        }
        state.complained = Some(Instant::now());
        Some(state.counters.dropped)
    }

    fn complain(&self, dropped: Option<u64>, reason: &str) {
        if let Some(dropped) = dropped {
            warn!(destination = self.destination, dropped, reason, "notifications are dropped");
        }
    }

    /// The next messages, in their order; none when the queue is closed and empty.
    ///
    /// After the first message more are waited for, but not once the queue is closed.
    pub(super) async fn batch(&self, limits: BatchLimits) -> Option<Vec<Arc<Message>>> {
        while !self.wait_for_first().await? {}
        let full = self.wait_until_full(limits);
        tokio::time::timeout(limits.interval, full).await.unwrap_or_default();
        Some(self.take(limits))
    }

    /// Whether there is a message now; none when there will be none any more.
    async fn wait_for_first(&self) -> Option<bool> {
        {
            // In this order: what was published before the end is not overlooked.
            let closed = self.closed.is_cancelled();
            match (self.state().waiting.is_empty(), closed) {
                (false, _) => return Some(true),
                (true, true) => return None,
                (true, false) => {}
            }
        }
        self.changed.notified().await;
        Some(false)
    }

    async fn wait_until_full(&self, limits: BatchLimits) {
        loop {
            {
                let state = self.state();
                if self.closed.is_cancelled()
                    || limits.size <= state.waiting.len()
                    || limits.bytes <= state.bytes
                {
                    return;
                }
            }
            self.changed.notified().await;
        }
    }

    fn take(&self, limits: BatchLimits) -> Vec<Arc<Message>> {
        let mut state = self.state();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(next) = state.waiting.front() {
            bytes += next.json.len();
            if limits.size <= batch.len() || (limits.bytes < bytes && !batch.is_empty()) {
                break;
            }
            batch.extend(state.pop());
        }
        state.under_way += batch.len() as u64;
        batch
    }

    /// Tells that the destination has taken a batch.
    pub(super) fn sent(&self, batch: &[Arc<Message>]) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(batch.len() as u64);
        state.counters.sent += batch.len() as u64;
    }

    /// Tells that a batch is given up.
    pub(super) fn failed(&self, batch: &[Arc<Message>], reason: &str) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(batch.len() as u64);
        let complaint = self.count_dropped(&mut state, batch.len() as u64);
        drop(state);
        self.complain(complaint, reason);
    }

    /// Takes no more messages; what waits is still sent.
    pub(super) fn close(&self) {
        self.closed.cancel();
        self.changed.notify_one();
    }

    /// Ready once the queue is closed.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Drops what was not sent until now.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        let left = state.waiting.len() as u64 + std::mem::take(&mut state.under_way);
        state.waiting.clear();
        state.bytes = 0;
        state.complained = None;
        let complaint = self.count_dropped(&mut state, left);
        drop(state);
        self.complain(complaint, "the conductor stops");
    }
}

#[cfg(test)]
mod tests;
