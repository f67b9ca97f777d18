//! Options of notifications.

use std::collections::BTreeMap;
use std::path::PathBuf;

use farrier_model::notification::Level;
use farrier_sdk::secret::Secret;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::ConductorError;

/// What is told to whom: the table `[notifications]`. Times are in seconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationConfig {
    /// What matters at least this much is sent: `debug`, `info`, `warning`, `error` or `critical`. Nothing is sent
    /// unless this is set.
    pub notification_level: Option<Level>,
    /// Topics to send to; each gets a copy.
    pub versioned_notifications_topics: Vec<String>,
    /// Whether the log is one of the destinations.
    pub log: bool,
    /// Most notifications that wait for one destination; beyond it the oldest are dropped.
    pub queue_size_max: usize,
    /// Most bytes they may have together.
    pub queue_bytes_max: usize,
    /// Seconds that destinations have to take what waits when the conductor stops.
    pub shutdown_timeout: u64,
    /// A receiver over HTTP.
    pub webhook: Option<WebhookConfig>,
}

impl Default for NotificationConfig {
    fn default() -> Self {
        Self {
            notification_level: None,
            versioned_notifications_topics: vec!["ironic_versioned_notifications".to_owned()],
            log: true,
            queue_size_max: 10_000,
            queue_bytes_max: 64 * 1024 * 1024,
            shutdown_timeout: 5,
            webhook: None,
        }
    }
}

/// A receiver of notifications over HTTP: the table `[notifications.webhook]`. Times are in seconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to send them, beginning with `http://` or `https://`; not shown anywhere, because it may hold a secret.
    #[serde(deserialize_with = "secret")]
    pub url: Secret<String>,
    /// Sent as `Authorization: Bearer`.
    #[serde(default, deserialize_with = "optional_secret")]
    pub token: Option<Secret<String>>,
    /// More headers of each request.
    #[serde(default, deserialize_with = "secrets")]
    pub headers: BTreeMap<String, Secret<String>>,
    /// Whose certificates are believed: true for the system's roots, false for anybody's, or a PEM file of roots.
    #[serde(default)]
    pub verify_ca: VerifyCa,
    /// Seconds a request may take.
    #[serde(default = "defaults::timeout")]
    pub timeout: u64,
    /// Most notifications in a request.
    #[serde(default = "defaults::batch_size_max")]
    pub batch_size_max: usize,
    /// Most bytes in a request, unless one notification alone has more.
    #[serde(default = "defaults::batch_bytes_max")]
    pub batch_bytes_max: usize,
    /// Seconds to wait for more after the first notification of a request.
    #[serde(default = "defaults::batch_interval")]
    pub batch_interval: f64,
    /// How often a request is tried before its notifications are dropped.
    #[serde(default = "defaults::attempts")]
    pub attempts: u32,
    /// Seconds before the second try; doubled before each further one, less a random part.
    #[serde(default = "defaults::retry_interval")]
    pub retry_interval: f64,
    /// Most seconds between two tries.
    #[serde(default = "defaults::retry_interval_max")]
    pub retry_interval_max: f64,
}

impl WebhookConfig {
    /// A receiver at `url`, with every other option at its default.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url.into()),
            token: None,
            headers: BTreeMap::new(),
            verify_ca: VerifyCa::default(),
            timeout: defaults::timeout(),
            batch_size_max: defaults::batch_size_max(),
            batch_bytes_max: defaults::batch_bytes_max(),
            batch_interval: defaults::batch_interval(),
            attempts: defaults::attempts(),
            retry_interval: defaults::retry_interval(),
            retry_interval_max: defaults::retry_interval_max(),
        }
    }
}

/// Reads a text without repeating it when it is none, as a number from the environment is none.
fn text<E: serde::de::Error>(value: Value) -> Result<Secret<String>, E> {
    match value {
        Value::String(text) => Ok(Secret::new(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(E::custom("this has to be text; in the environment put it into double quotes"))
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret<String>, D::Error> {
    text(Value::deserialize(deserializer)?)
}

fn optional_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    secret(deserializer).map(Some)
}

fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Secret<String>>, D::Error> {
    let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
    values.into_iter().map(|(name, value)| Ok((name, text(value)?))).collect()
}

mod defaults {
    pub(super) fn timeout() -> u64 {
        10
    }

    pub(super) fn batch_size_max() -> usize {
        100
    }

    pub(super) fn batch_bytes_max() -> usize {
        1024 * 1024
    }

    pub(super) fn batch_interval() -> f64 {
        0.5
    }

    pub(super) fn attempts() -> u32 {
        6
    }

    pub(super) fn retry_interval() -> f64 {
        1.0
    }

    pub(super) fn retry_interval_max() -> f64 {
        30.0
    }
}

/// Whose certificates are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum VerifyCa {
    /// Those that the system's roots vouch for.
    #[default]
    System,
    /// Anybody's.
    Nothing,
    /// Those that the certificates of this PEM file vouch for.
    Path(PathBuf),
}

impl<'de> Deserialize<'de> for VerifyCa {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum FlagOrPath {
            Flag(bool),
            Path(PathBuf),
        }

        Ok(match FlagOrPath::deserialize(deserializer)? {
            FlagOrPath::Flag(true) => Self::System,
            FlagOrPath::Flag(false) => Self::Nothing,
            FlagOrPath::Path(path) => Self::Path(path),
        })
    }
}

impl NotificationConfig {
    /// Refuses what can never work.
    ///
    /// # Errors
    ///
    /// [`ConductorError::IncorrectConfiguration`].
    pub(crate) fn check(&self) -> Result<(), ConductorError> {
        let refuse = |reason: &str| {
            Err(ConductorError::IncorrectConfiguration { reason: format!("`notifications`: {reason}") })
        };
        if self.versioned_notifications_topics.is_empty() {
            return refuse(
                "`versioned_notifications_topics` is empty; leave `notification_level` out to send nothing",
            );
        }
        if self.queue_size_max == 0 || self.queue_bytes_max == 0 {
            return refuse("a queue has to have room for one notification");
        }
        let Some(webhook) = &self.webhook else { return Ok(()) };
        if webhook.batch_size_max == 0
            || webhook.batch_bytes_max == 0
            || webhook.attempts == 0
            || webhook.timeout == 0
        {
            return refuse(
                "`timeout`, `attempts`, `batch_size_max` and `batch_bytes_max` of the webhook are at least 1",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_work_is_refused() {
        let webhook = |change: fn(&mut WebhookConfig)| {
            let mut webhook = WebhookConfig::new("http://localhost/");
            change(&mut webhook);
            NotificationConfig { webhook: Some(webhook), ..NotificationConfig::default() }
        };
        let refused = [
            NotificationConfig {
                versioned_notifications_topics: Vec::new(),
                ..NotificationConfig::default()
            },
            NotificationConfig { queue_size_max: 0, ..NotificationConfig::default() },
            NotificationConfig { queue_bytes_max: 0, ..NotificationConfig::default() },
            webhook(|webhook| webhook.attempts = 0),
            webhook(|webhook| webhook.timeout = 0),
            webhook(|webhook| webhook.batch_size_max = 0),
            webhook(|webhook| webhook.batch_bytes_max = 0),
        ];

        for config in refused {
            assert!(config.check().is_err(), "{config:?}");
        }
        assert!(webhook(|_| ()).check().is_ok());
    }

    #[test]
    fn debug_shows_neither_address_nor_token() {
        let mut webhook = WebhookConfig::new("https://hooks/CANARY");
        webhook.token = Some(Secret::new("CANARY".to_owned()));
        webhook.headers.insert("x-key".to_owned(), Secret::new("CANARY".to_owned()));

        assert!(!format!("{webhook:?}").contains("CANARY"));
    }

    #[test]
    fn a_secret_that_is_no_text_is_refused_without_being_shown() {
        let read = |text| serde_json::from_str::<WebhookConfig>(text);

        let good = read(r#"{"url": "http://a/", "token": "t", "headers": {"x-key": "k"}}"#).unwrap();
        assert_eq!(good.token.unwrap().expose(), "t");
        assert_eq!(good.headers["x-key"].expose(), "k");
        for text in [
            r#"{"url": 4711}"#,
            r#"{"url": "http://a/", "token": 4711}"#,
            r#"{"url": "http://a/", "headers": {"x-key": [4711]}}"#,
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("has to be text") && !error.contains("4711"), "{error}");
        }
    }

    #[test]
    fn certificates_are_verified_unless_told_otherwise() {
        let read = |text| serde_json::from_str::<VerifyCa>(text).unwrap();

        assert_eq!(VerifyCa::default(), VerifyCa::System);
        assert_eq!(read("true"), VerifyCa::System);
        assert_eq!(read("false"), VerifyCa::Nothing);
        assert_eq!(read("\"/a/b.pem\""), VerifyCa::Path("/a/b.pem".into()));
    }
}
