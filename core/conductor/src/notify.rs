//! Says what happened: builds notifications and hands them to their destinations.
//!
//! | module | about |
//! |---|---|
//! | `queue` | what waits for a destination: bounded, the oldest goes first |
//! | `log`, `webhook` | the destinations |
//!
//! Publishing puts a message into the queue of each destination and returns: it never waits, fails or holds
//! anything a task needs. One job per destination takes from its queue, so that what was published in an order
//! arrives in that order. The payload is built from the node that is handed over, at once.
//!
//! Source: Ironic's notifications.

mod log;
mod queue;
mod tls;
mod webhook;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farrier_model::node::Node;
use farrier_model::notification::node::{self as told, ConsoleAction, StateChange};
use farrier_model::notification::{Level, Notification, Status, Told, sensor};
use farrier_sdk::interface::power::PowerState;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use uuid::Uuid;

use crate::config::NotificationConfig;
use crate::error::ConductorError;
use queue::{Message, Queue};
use webhook::Webhook;

pub use queue::Counters;

/// How many notifications a listener may be behind before it misses some.
const BACKLOG_MAX: usize = 1024;

/// Publishes notifications. Cheap to clone.
///
/// The default has no destinations; listeners of this process hear everything all the same.
#[derive(Debug, Clone)]
pub struct Notifier {
    bus: Arc<Bus>,
    service: Service,
}

/// In whose name something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Conductor,
    Api,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conductor => "ironic-conductor",
            Self::Api => "ironic-api",
        })
    }
}

struct Bus {
    host: String,
    /// None sends nothing.
    level: Option<Level>,
    /// Keys that drivers declare secret.
    secret_keys: Vec<String>,
    listeners: broadcast::Sender<Notification>,
    queues: Vec<Arc<Queue>>,
    jobs: Mutex<Vec<JoinHandle<()>>>,
    shutdown_timeout: Duration,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("host", &self.host).field("level", &self.level).finish_non_exhaustive()
    }
}

/// Without anybody who publishes, destinations end when they have sent what they have.
impl Drop for Bus {
    fn drop(&mut self) {
        self.queues.iter().for_each(|queue| queue.close());
    }
}

impl Default for Notifier {
    fn default() -> Self {
        Self::with("", &NotificationConfig::default(), Vec::new(), Vec::new())
    }
}

impl Notifier {
    /// Starts the configured destinations, in the runtime that is running.
    ///
    /// `secret_keys` are the keys that drivers declare secret.
    ///
    /// # Errors
    ///
    /// [`ConductorError::IncorrectConfiguration`].
    pub fn start(
        host: &str,
        config: &NotificationConfig,
        secret_keys: &[&str],
    ) -> Result<Self, ConductorError> {
        config.check()?;
        let secret_keys = secret_keys.iter().map(|key| (*key).to_owned()).collect();
        if config.notification_level.is_none() {
            return Ok(Self::with(host, config, secret_keys, Vec::new()));
        }
        let webhook = config.webhook.as_ref().map(|webhook| Webhook::new(webhook, config)).transpose()?;
        let queue = |destination| Arc::new(Queue::new(destination, config));
        let mut queues = Vec::new();
        let mut jobs = Vec::new();
        if config.log {
            let queue = queue("log");
            jobs.push(tokio::spawn(log::run(
                Arc::clone(&queue),
                config.versioned_notifications_topics.clone(),
            )));
            queues.push(queue);
        }
        if let Some(webhook) = webhook {
            let queue = queue("webhook");
            jobs.push(tokio::spawn(webhook.run(Arc::clone(&queue))));
            queues.push(queue);
        }
        let notifier = Self::with(host, config, secret_keys, queues);
        notifier.jobs().extend(jobs);
        Ok(notifier)
    }

    fn with(
        host: &str,
        config: &NotificationConfig,
        secret_keys: Vec<String>,
        queues: Vec<Arc<Queue>>,
    ) -> Self {
        let bus = Bus {
            host: host.to_owned(),
            level: config.notification_level,
            secret_keys,
            listeners: broadcast::Sender::new(BACKLOG_MAX),
            queues,
            jobs: Mutex::default(),
            shutdown_timeout: Duration::from_secs(config.shutdown_timeout),
        };
        Self { bus: Arc::new(bus), service: Service::Conductor }
    }

    fn jobs(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.bus.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, telling in the name of the API.
    #[must_use]
    pub fn of_api(&self) -> Self {
        Self { bus: Arc::clone(&self.bus), service: Service::Api }
    }

    /// Hears every notification from now on, whatever is sent.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Notification> {
        self.bus.listeners.subscribe()
    }

    /// What became of the messages so far, by destination.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, Counters)> {
        self.bus.queues.iter().map(|queue| (queue.destination(), queue.counters())).collect()
    }

    /// Whether anybody wants to hear of what matters as much as `level`.
    #[must_use]
    pub fn is_wanted(&self, level: Level) -> bool {
        self.is_sent(level) || self.bus.listeners.receiver_count() != 0
    }

    fn is_sent(&self, level: Level) -> bool {
        !self.bus.queues.is_empty() && self.bus.level.is_some_and(|least| least <= level)
    }

    /// Publishes what `build` makes, unless nobody wants to hear of it; `build` gets the keys that drivers declare
    /// secret.
    fn tell(&self, level: Level, build: impl FnOnce(&[&str]) -> Notification) {
        if !self.is_wanted(level) {
            return;
        }
        let declared: Vec<&str> = self.bus.secret_keys.iter().map(String::as_str).collect();
        self.publish(build(&declared));
    }

    fn publish(&self, notification: Notification) {
        if self.is_sent(notification.level) {
            let publisher_id = format!("{}.{}", self.service, self.bus.host);
            let message = Message::new(&notification, Uuid::new_v4(), &publisher_id, Timestamp::now());
            match message.map(Arc::new) {
                Ok(message) => self.bus.queues.iter().for_each(|queue| queue.push(Arc::clone(&message))),
                Err(error) => {
                    warn!(event_type = notification.event_type, %error, "a notification is not sent");
                }
            }
        }
        // Nobody may be listening.
        self.bus.listeners.send(notification).map(drop).unwrap_or_default();
    }

    /// Tells of a processed event of the state machine; `node` is as it was saved.
    pub(crate) fn provision_set(&self, node: &Node, change: StateChange) {
        let level = change.status(node.provision_state).level();
        self.tell(level, |declared| told::provision_set(node, change, declared));
    }

    /// Tells of a power action, by the state that was asked for.
    pub(crate) fn power_set(&self, node: &Node, request: PowerState, status: Status) {
        self.tell(status.level(), |declared| told::power_set(node, request, status, declared));
    }

    /// Tells that the recorded power state was corrected, from `from_power` to the one of `node`.
    ///
    /// To be called after the node was saved with its new state, and only when the state is another one.
    pub fn power_state_corrected(&self, node: &Node, from_power: Option<PowerState>) {
        self.tell(Level::Info, |declared| told::power_state_corrected(node, from_power, declared));
    }

    /// Tells what the sensors of a node read, by type of sensor.
    pub(crate) fn sensors(&self, node: &Node, readings: &Map<String, Value>) {
        self.tell(sensor::LEVEL, |declared| {
            sensor::metrics(node, readings, Uuid::new_v4(), Timestamp::now(), declared)
        });
    }

    /// Tells of a console that is switched, restored or stopped.
    pub fn console(&self, node: &Node, action: ConsoleAction, status: Status) {
        self.tell(status.level(), |declared| told::console(node, action, status, declared));
    }

    /// Tells that a node is put into maintenance, or out of it.
    pub fn maintenance_set(&self, node: &Node, status: Status) {
        self.tell(status.level(), |declared| told::maintenance_set(node, status, declared));
    }

    /// Tells how far `action` on a record is.
    pub fn changed<T: Told>(&self, record: &T, action: &str, status: Status) {
        self.tell(status.level(), |declared| {
            Notification::new(T::OBJECT, action, status, record.payload(declared))
        });
    }

    /// Takes nothing more, and waits until what was published is sent; at most as long as configured.
    pub async fn stop(&self) {
        self.bus.queues.iter().for_each(|queue| queue.close());
        let jobs = std::mem::take(&mut *self.jobs());
        let deadline = tokio::time::Instant::now() + self.bus.shutdown_timeout;
        for job in jobs {
            let abort = job.abort_handle();
            if tokio::time::timeout_at(deadline, job).await.is_err() {
                abort.abort();
            }
        }
        for queue in &self.bus.queues {
            queue.give_up();
            let (destination, Counters { sent, dropped }) = (queue.destination(), queue.counters());
            info!(destination, sent, dropped, "notifications have ended");
        }
    }
}

#[cfg(test)]
mod tests;
