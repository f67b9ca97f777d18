//! Notifications by HTTP: a POST of a JSON array for each batch and topic.
//!
//! At least once: a receiver that took a batch and could not say so gets it again. Batches keep their order, a batch
//! is tried until it is taken, refused or tried often enough.

use std::sync::Arc;
use std::time::Duration;

use farrier_sdk::error::Chain;
use rand::RngExt;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, StatusCode, Url, redirect};
use tracing::{debug, warn};

use super::queue::{BatchLimits, Message, Queue};
use super::tls;
use crate::config::{NotificationConfig, WebhookConfig};
use crate::error::ConductorError;

/// The header that names the topic of a batch.
const TOPIC: &str = "farrier-topic";

/// How long a connection may lie idle before it is closed.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// The longest pause between two tries once the conductor stops: it does not wait for long.
const STOPPING_PAUSE_MAX: Duration = Duration::from_millis(250);

/// A receiver of notifications.
pub(super) struct Webhook {
    client: Client,
    url: Url,
    topics: Vec<HeaderValue>,
    limits: BatchLimits,
    attempts: u32,
    pause: Duration,
    pause_max: Duration,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the receiver could not be reached: {0}")]
    Unreachable(String),
    #[error("the receiver answers {0}")]
    Status(StatusCode),
}

impl Refusal {
    /// Whether the same batch may be taken later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status(status) => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
                    )
            }
        }
    }
}

impl Webhook {
    /// Prepares everything but the connection.
    ///
    /// # Errors
    ///
    /// [`ConductorError::IncorrectConfiguration`]: what is configured can never work.
    pub(super) fn new(config: &WebhookConfig, common: &NotificationConfig) -> Result<Self, ConductorError> {
        let url = address(config)?;
        let tls = tls::configuration(url.scheme() == "https", &config.verify_ca).map_err(incorrect)?;
        let timeout = Duration::from_secs(config.timeout);
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(headers(config)?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(timeout)
            .timeout(timeout)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .build()
            .map_err(|error| incorrect(Chain(&error)))?;
        let topics = common.versioned_notifications_topics.iter().map(|topic| {
            HeaderValue::from_str(topic).map_err(|_| incorrect(format!("`{topic}` can not be a topic")))
        });
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Ok(Self {
            client,
            url,
            topics: topics.collect::<Result<_, _>>()?,
            limits: BatchLimits {
                size: config.batch_size_max,
                bytes: config.batch_bytes_max,
                interval: seconds(config.batch_interval),
            },
            attempts: config.attempts,
            pause: seconds(config.retry_interval),
            pause_max: seconds(config.retry_interval_max),
        })
    }

    /// Sends what comes until the queue is closed and empty.
    pub(super) async fn run(self, queue: Arc<Queue>) {
        while let Some(batch) = queue.batch(self.limits).await {
            let body = array(&batch);
            let mut outcome = Ok(());
            for topic in &self.topics {
                let delivered = self.deliver(&queue, topic, &body).await;
                outcome = outcome.and(delivered);
            }
            match outcome {
                Ok(()) => queue.sent(&batch),
                Err(refusal) => queue.failed(&batch, &refusal.to_string()),
            }
        }
    }

    /// Sends a batch to one topic, as often as it takes.
    async fn deliver(&self, queue: &Queue, topic: &HeaderValue, body: &str) -> Result<(), Refusal> {
        let mut attempt = 1;
        loop {
            let refusal = match self.post(topic, body).await {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            if self.attempts <= attempt || !refusal.is_passing() {
                return Err(refusal);
            }
            if attempt == 1 {
                warn!(destination = "webhook", error = %refusal, "notifications are not taken, trying again");
            } else {
                debug!(destination = "webhook", attempt, error = %refusal, "notifications are not taken");
            }
            let pause = self.pause_after(attempt);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = queue.closed() => tokio::time::sleep(pause.min(STOPPING_PAUSE_MAX)).await,
            }
            attempt += 1;
        }
    }

    /// Doubles with each attempt up to the longest, less a random part of up to one half.
    fn pause_after(&self, attempt: u32) -> Duration {
        let doubled = self.pause.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
        doubled.min(self.pause_max).mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    async fn post(&self, topic: &HeaderValue, body: &str) -> Result<(), Refusal> {
        let request = self.client.post(self.url.clone()).header(TOPIC, topic.clone()).body(body.to_owned());
        // The address may hold what lets others in.
        let unreachable =
            |error: reqwest::Error| Refusal::Unreachable(Chain(&error.without_url()).to_string());
        let status = request.send().await.map_err(unreachable)?.status();
        if status.is_success() { Ok(()) } else { Err(Refusal::Status(status)) }
    }
}

/// A JSON array of what is JSON already.
fn array(batch: &[Arc<Message>]) -> String {
    let messages: Vec<&str> = batch.iter().map(|message| message.json.as_str()).collect();
    format!("[{}]", messages.join(","))
}

fn incorrect(reason: impl std::fmt::Display) -> ConductorError {
    ConductorError::IncorrectConfiguration { reason: format!("`notifications.webhook`: {reason}") }
}

/// The address, which no message repeats.
fn address(config: &WebhookConfig) -> Result<Url, ConductorError> {
    let url =
        Url::parse(config.url.expose()).map_err(|error| incorrect(format!("`url` is none: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(incorrect("`url` has to begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(incorrect("`url` holds a user; use `token` or `headers`"));
    }
    Ok(url)
}

fn headers(config: &WebhookConfig) -> Result<HeaderMap, ConductorError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("farrier/", env!("CARGO_PKG_VERSION"))));
    let secret = |name: &str, text: &str| {
        let value = HeaderValue::from_str(text);
        let mut value =
            value.map_err(|_| incorrect(format!("`{name}` has characters that headers do not have")))?;
        value.set_sensitive(true);
        Ok::<_, ConductorError>(value)
    };
    if let Some(token) = &config.token {
        headers.insert(AUTHORIZATION, secret("token", &format!("Bearer {}", token.expose()))?);
    }
    for (name, value) in &config.headers {
        let parsed = HeaderName::try_from(name.as_str());
        let parsed = parsed.map_err(|_| incorrect(format!("`{name}` is not the name of a header")))?;
        headers.insert(parsed, secret(name, value.expose())?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
