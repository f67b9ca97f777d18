//! Forgets conductors that have been gone for long.
//!
//! Source: Ironic's conductor manager.

use std::time::Duration;

use farrier_sdk::error::Chain;
use farrier_store::StoreError;
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::Pass;
use crate::error::ConductorError;

/// A conductor is not forgotten before it could have been heard of so many times.
const HEARTBEAT_TIMEOUTS_MIN: u64 = 3;

/// What is left on nodes whose power action died with a conductor that is forgotten.
const POWER_ACTION_ABORTED: &str =
    "Pending power operation was aborted because its conductor is gone for good";

/// Deletes what conductors left that are not coming back: their records, locks and pending power actions.
pub(super) async fn run(pass: Pass) -> Result<(), ConductorError> {
    let shared = pass.conductor.tasks().shared();
    let config = &shared.config;
    let least = config.heartbeat_timeout.saturating_mul(HEARTBEAT_TIMEOUTS_MIN);
    if config.conductor_cleanup_timeout < least {
        warn!(
            "conductors are not forgotten: `conductor_cleanup_timeout` is {}, but must be at least {least}, three times \
             `heartbeat_timeout`",
            config.conductor_cleanup_timeout
        );
        return Ok(());
    }
    let alive_within = Duration::from_secs(config.heartbeat_timeout);
    let age = SignedDuration::try_from(Duration::from_secs(config.conductor_cleanup_timeout))
        .unwrap_or(SignedDuration::MAX);
    let mut forgotten = 0;
    for conductor in shared.store.conductor_list().await? {
        if pass.stop.is_cancelled() || config.conductor_cleanup_batch_size <= forgotten {
            break;
        }
        let gone = !shared.store.conductor_is_alive(&conductor, alive_within)
            && age <= Timestamp::now().duration_since(conductor.updated_at);
        if !gone || conductor.hostname == shared.host {
            continue;
        }
        match shared.store.conductor_destroy(&conductor.hostname, POWER_ACTION_ABORTED).await {
            Ok(()) => {
                info!(conductor = conductor.hostname, last_seen = %conductor.updated_at, "a conductor that is gone is forgotten");
                forgotten += 1;
            }
            Err(StoreError::ConductorNotFound { .. }) => {}
            Err(failure) => {
                warn!(conductor = conductor.hostname, error = %Chain(&failure), "a conductor could not be forgotten");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use farrier_store::Registration;

    use super::*;
    use crate::config::ConductorConfig;
    use crate::log_capture::LogCapture;
    use crate::task::tests::{Fixture, quick};

    /// Conductors that count as gone at once, and are forgotten at once.
    fn hasty() -> ConductorConfig {
        ConductorConfig { heartbeat_timeout: 0, conductor_cleanup_timeout: 0, ..quick() }
    }

    async fn conductors(fixture: &Fixture, gone: &[&str], alive: &[&str]) {
        for hostname in gone.iter().chain(alive) {
            let registration = Registration {
                hostname: (*hostname).to_owned(),
                conductor_group: String::new(),
                drivers: Vec::new(),
                replace_online: false,
            };
            fixture.store.conductor_register(&registration).await.unwrap();
        }
        for hostname in gone {
            fixture.store.conductor_offline(hostname).await.unwrap();
        }
    }

    async fn left(fixture: &Fixture) -> Vec<String> {
        let left = fixture.store.conductor_list().await.unwrap();
        left.into_iter().map(|conductor| conductor.hostname).collect()
    }

    #[tokio::test]
    async fn conductors_that_are_gone_for_long_are_forgotten_with_their_locks() {
        let fixture = Fixture::new(hasty()).await;
        conductors(&fixture, &["gone"], &["alive"]).await;
        let node = fixture.node().await;
        fixture.store.node_reserve(node.id, "gone", "testing").await.unwrap();

        run(Pass::new(&fixture.conductor)).await.unwrap();

        assert_eq!(left(&fixture).await, ["host-1", "alive"]);
        assert_eq!(fixture.stored(&node).await.reservation, None);
    }

    #[tokio::test]
    async fn conductors_that_went_just_now_are_remembered() {
        let fixture = Fixture::new(quick()).await;
        conductors(&fixture, &["gone"], &[]).await;

        run(Pass::new(&fixture.conductor)).await.unwrap();

        assert_eq!(left(&fixture).await, ["host-1", "gone"]);
    }

    #[tokio::test]
    async fn no_more_are_forgotten_at_once_than_a_batch() {
        let config = ConductorConfig { conductor_cleanup_batch_size: 2, ..hasty() };
        let fixture = Fixture::new(config).await;
        conductors(&fixture, &["a", "b", "c"], &[]).await;

        run(Pass::new(&fixture.conductor)).await.unwrap();

        assert_eq!(left(&fixture).await, ["host-1", "c"]);
    }

    #[tokio::test]
    async fn with_a_timeout_below_three_heartbeat_timeouts_nothing_is_forgotten_and_that_is_logged() {
        let config = ConductorConfig { heartbeat_timeout: 60, conductor_cleanup_timeout: 179, ..quick() };
        let fixture = Fixture::new(config).await;
        conductors(&fixture, &["gone"], &[]).await;
        let log = LogCapture::start();

        run(Pass::new(&fixture.conductor)).await.unwrap();

        assert_eq!(left(&fixture).await, ["host-1", "gone"]);
        assert_eq!(log.lines(|line| line.starts_with("WARN") && line.contains("at least 180")).len(), 1);
    }
}
