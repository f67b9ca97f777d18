//! Notifications in the log, under the target `notification`.

use std::sync::Arc;
use std::time::Duration;

use farrier_model::notification::Level;

use super::queue::{BatchLimits, Message, Queue};

/// Messages are written as they come; this many are taken out of the queue at once.
const LIMITS: BatchLimits = BatchLimits { size: 64, bytes: 1024 * 1024, interval: Duration::ZERO };

/// Writes what comes until the queue is closed: a record for each topic.
pub(super) async fn run(queue: Arc<Queue>, topics: Vec<String>) {
    while let Some(batch) = queue.batch(LIMITS).await {
        for message in &batch {
            topics.iter().for_each(|topic| write(message, topic));
        }
        queue.sent(&batch);
        // A long queue is no reason to keep other work from this thread.
        tokio::task::yield_now().await;
    }
}

fn write(message: &Message, topic: &str) {
    let Message { event_type, level, json } = message;
    // A callsite has a fixed level, hence one for each.
    match level {
        Level::Debug => tracing::debug!(target: "notification", event_type, topic, json, "notification"),
        Level::Info => tracing::info!(target: "notification", event_type, topic, json, "notification"),
        Level::Warning => tracing::warn!(target: "notification", event_type, topic, json, "notification"),
        Level::Error | Level::Critical => {
            tracing::error!(target: "notification", event_type, topic, json, "notification");
        }
    }
}
