//! Says what happened.
//!
//! Source: Ironic's notifications.

use std::fmt;

use farrier_model::node::Node;
use farrier_model::provision::{Event, ProvisionState, UNSTABLE};
use farrier_sdk::interface::power::PowerState;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;
use tracing::debug;

/// How many notifications a listener may be behind before it misses some.
const BACKLOG_MAX: usize = 1024;

/// How much a notification matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For people who look for a defect.
    Debug,
    /// Something happened as it should.
    Info,
    /// Something is not as it should be.
    Warning,
    /// Something failed.
    Error,
    /// Something failed that must not.
    Critical,
}

/// Which part of an action a notification tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It begins.
    Start,
    /// It has ended.
    End,
    /// It has failed.
    Error,
    /// It was done at once.
    Success,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Error => "error",
            Self::Success => "success",
        })
    }
}

/// One notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// `baremetal.<object>.<action>.<status>`.
    pub event_type: String,
    /// How much it matters.
    pub level: Level,
    /// What it tells.
    pub payload: Map<String, Value>,
}

/// Publishes notifications; never waits for a listener.
#[derive(Debug, Clone)]
pub struct Notifier {
    listeners: broadcast::Sender<Notification>,
}

impl Default for Notifier {
    fn default() -> Self {
        Self { listeners: broadcast::Sender::new(BACKLOG_MAX) }
    }
}

impl Notifier {
    /// Hears every notification from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Notification> {
        self.listeners.subscribe()
    }

    /// Publishes one.
    pub fn publish(&self, notification: Notification) {
        debug!(target: "notification", event_type = notification.event_type, level = ?notification.level, "notification");
        // Nobody may be listening.
        self.listeners.send(notification).map(drop).unwrap_or_default();
    }

    /// Tells of a processed event of the state machine; `node` is as it was saved.
    pub(crate) fn provision_set(&self, node: &Node, change: &StateChange) {
        let (status, level) = change.classify(node.provision_state);
        let mut payload = node_payload(node);
        payload.insert("event".to_owned(), json!(change.event.as_str()));
        payload.insert("previous_provision_state".to_owned(), json!(change.previous.as_str()));
        payload.insert(
            "previous_target_provision_state".to_owned(),
            json!(change.previous_target.map(ProvisionState::as_str)),
        );
        self.publish(Notification {
            event_type: format!("baremetal.node.provision_set.{status}"),
            level,
            payload,
        });
    }

    /// Tells of a power action.
    pub(crate) fn power_set(&self, node: &Node, request: &str, status: Status) {
        let mut payload = node_payload(node);
        payload.insert("to_power".to_owned(), json!(request));
        let level = if status == Status::Error { Level::Error } else { Level::Info };
        self.publish(Notification {
            event_type: format!("baremetal.node.power_set.{status}"),
            level,
            payload,
        });
    }

    /// Tells that the recorded power state was corrected, from `from_power` to the one of `node`.
    ///
    /// To be called after the node was saved with its new state, and only when the state is another one.
    pub fn power_state_corrected(&self, node: &Node, from_power: Option<PowerState>) {
        let mut payload = node_payload(node);
        payload.insert("from_power".to_owned(), json!(from_power.map(PowerState::as_str)));
        self.publish(Notification {
            event_type: format!("baremetal.node.power_state_corrected.{}", Status::Success),
            level: Level::Info,
            payload,
        });
    }

    /// Tells of a console that is switched, restored or stopped; a failure is an error, anything else is not.
    pub fn console(&self, node: &Node, action: ConsoleAction, status: Status) {
        self.publish(Notification {
            event_type: format!("baremetal.node.{action}.{status}"),
            level: if status == Status::Error { Level::Error } else { Level::Info },
            payload: node_payload(node),
        });
    }
}

/// What happens to a node's console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleAction {
    /// Somebody switches it on or off, or its node is deleted.
    Set,
    /// It is on again: after the start of a conductor, a takeover, the end of a deployment.
    Restore,
    /// It goes with the instance.
    Stop,
}

impl fmt::Display for ConsoleAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "console_set",
            Self::Restore => "console_restore",
            Self::Stop => "console_stop",
        })
    }
}

/// An event that was processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateChange {
    pub(crate) event: Event,
    pub(crate) previous: ProvisionState,
    pub(crate) previous_target: Option<ProvisionState>,
}

impl StateChange {
    /// Source: Ironic's task manager.
    fn classify(self, now: ProvisionState) -> (Status, Level) {
        if matches!(self.event, Event::Fail) {
            return (Status::Error, Level::Error);
        }
        match (UNSTABLE.contains(&self.previous), UNSTABLE.contains(&now)) {
            (false, true) => (Status::Start, Level::Info),
            (true, false) => (Status::End, Level::Info),
            (true, true) | (false, false) => (Status::Success, Level::Info),
        }
    }
}

/// What every notification of a node tells; its mappings, which may hold credentials, are left out.
fn node_payload(node: &Node) -> Map<String, Value> {
    let payload = json!({
        "uuid": node.uuid.to_string(),
        "name": node.name,
        "driver": node.driver,
        "power_state": node.power_state.map(PowerState::as_str),
        "target_power_state": node.target_power_state.map(PowerState::as_str),
        "provision_state": node.provision_state.as_str(),
        "target_provision_state": node.target_provision_state.map(ProvisionState::as_str),
        "maintenance": node.maintenance,
        "last_error": node.last_error,
    });
    match payload {
        Value::Object(payload) => payload,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_corrected_power_state_is_told_with_the_one_before() {
        let notifier = Notifier::default();
        let mut heard = notifier.subscribe();
        let mut node = Node::new(Uuid::from_u128(1), "fake-hardware");
        node.power_state = Some(PowerState::Off);

        notifier.power_state_corrected(&node, Some(PowerState::On));

        let told = heard.try_recv().unwrap();
        assert_eq!(told.event_type, "baremetal.node.power_state_corrected.success");
        assert_eq!(
            (&told.payload["from_power"], &told.payload["power_state"]),
            (&json!("power on"), &json!("power off"))
        );
    }

    #[test]
    fn a_console_is_told_by_what_happens_to_it() {
        let notifier = Notifier::default();
        let mut heard = notifier.subscribe();
        let node = Node::new(Uuid::from_u128(1), "fake-hardware");

        notifier.console(&node, ConsoleAction::Set, Status::Start);
        notifier.console(&node, ConsoleAction::Restore, Status::End);
        notifier.console(&node, ConsoleAction::Stop, Status::Error);

        let told: Vec<_> =
            std::iter::from_fn(|| heard.try_recv().ok()).map(|n| (n.event_type, n.level)).collect();
        assert_eq!(
            told,
            [
                ("baremetal.node.console_set.start".to_owned(), Level::Info),
                ("baremetal.node.console_restore.end".to_owned(), Level::Info),
                ("baremetal.node.console_stop.error".to_owned(), Level::Error),
            ]
        );
    }

    fn classify(event: Event, from: ProvisionState, to: ProvisionState) -> (Status, Level) {
        StateChange { event, previous: from, previous_target: None }.classify(to)
    }

    #[test]
    fn the_matrix_of_states_decides() {
        use ProvisionState as S;

        assert_eq!(classify(Event::Fail, S::Deploying, S::DeployFail), (Status::Error, Level::Error));
        assert_eq!(classify(Event::Resume, S::DeployWait, S::Deploying), (Status::Success, Level::Info));
        assert_eq!(classify(Event::Deploy, S::Available, S::Deploying), (Status::Start, Level::Info));
        assert_eq!(classify(Event::Done, S::Deploying, S::Active), (Status::End, Level::Info));
        assert_eq!(classify(Event::Manage, S::Available, S::Manageable), (Status::Success, Level::Info));
        assert_eq!(classify(Event::Abort, S::DeployWait, S::DeployFail), (Status::End, Level::Info));
    }
}
