//! What is left on a node for people: its last error and its history.
//!
//! Source: Ironic's conductor utilities.

use farrier_model::history::{HistoryEntry, Severity};
use farrier_model::node::Node;
use jiff::Timestamp;
use tracing::warn;
use uuid::Uuid;

use crate::task::ExclusiveTask;

/// Leaves `message` as the node's last error, which the caller saves, and writes it into the history.
///
/// `event_type` says what was going on, as in `cleaning`. What is too long is cut when it is saved.
pub(crate) async fn record_error(
    task: &mut ExclusiveTask,
    message: impl Into<String> + Send,
    event_type: &str,
) {
    let message = message.into();
    task.node_mut().last_error = Some(message.clone());
    record(task, Severity::Error, message, event_type).await;
}

/// Writes `message` into the node's history.
pub(crate) async fn record_info(task: &ExclusiveTask, message: impl Into<String> + Send, event_type: &str) {
    record(task, Severity::Info, message.into(), event_type).await;
}

/// Writes an entry, unless the operator wants none. Work does not fail because its history could not be written.
pub(crate) async fn record(task: &ExclusiveTask, severity: Severity, event: String, event_type: &str) {
    let (shared, node, context) = (task.shared(), task.node(), task.context());
    if !shared.config.node_history {
        return;
    }
    let entry = HistoryEntry {
        severity,
        event_type: event_type.to_owned(),
        user: context.user.clone(),
        project: context.project.clone(),
        ..entry(node, &shared.host, event)
    };
    if let Err(error) = shared.store.history_create(&entry).await {
        warn!(node = %node.uuid, %error, "an entry of the history could not be written");
    }
}

/// What the conductor `host` has to say of a node where it is now.
pub(crate) fn entry(node: &Node, host: &str, event: impl Into<String>) -> HistoryEntry {
    let since = node.provision_updated_at;
    HistoryEntry {
        state: Some(node.provision_state),
        target_provision_state: node.target_provision_state,
        duration_seconds: since.map(|since| Timestamp::now().duration_since(since).as_secs().max(0)),
        ..HistoryEntry::new(Uuid::new_v4(), node.id, host, event)
    }
}
