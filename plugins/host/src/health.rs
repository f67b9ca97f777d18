//! Whether a plugin can be called at present.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use farrier_sdk::error::{DriverError, ErrorKind};
use tracing::{info, warn};

/// So many panics within [`PANIC_WINDOW`] make a plugin degraded.
const PANICS_MAX: usize = 3;

/// How far back panics count.
const PANIC_WINDOW: Duration = Duration::from_secs(60);

/// A degraded plugin is tried again after so long.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);

/// Counts the panics of one plugin.
#[derive(Debug, Default)]
pub(crate) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    panics: VecDeque<Instant>,
    /// Set while degraded: when the next call may be tried.
    degraded: Option<Instant>,
}

impl Health {
    /// Lets a call through, or says why not. While degraded, one call each [`PROBE_INTERVAL`] is a probe.
    pub(crate) fn admit(&self, plugin: &str) -> Result<(), DriverError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = state.degraded else { return Ok(()) };
        let now = Instant::now();
        if next <= now {
            state.degraded = Some(now + PROBE_INTERVAL);
            return Ok(());
        }
        let text = format!(
            "plugin `{plugin}` panicked {PANICS_MAX} times within a minute and is not called for now"
        );
        Err(DriverError::new(ErrorKind::PluginPanicked, text).retryable(true))
    }

    /// Notes how a call ended.
    pub(crate) fn record<T>(&self, plugin: &str, result: &Result<T, DriverError>) {
        let panicked = matches!(result, Err(error) if error.kind() == ErrorKind::PluginPanicked);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !panicked {
            if state.degraded.take().is_some() {
                state.panics.clear();
                info!(plugin, "plugin answers again");
            }
            return;
        }
        let now = Instant::now();
        state.panics.push_back(now);
        while state.panics.front().is_some_and(|at| PANIC_WINDOW < now.duration_since(*at)) {
            state.panics.pop_front();
        }
        if state.degraded.is_none() && PANICS_MAX <= state.panics.len() {
            state.degraded = Some(now + PROBE_INTERVAL);
            warn!(plugin, "plugin keeps panicking, its calls are refused for now");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panic() -> Result<(), DriverError> {
        Err(DriverError::new(ErrorKind::PluginPanicked, "index out of bounds"))
    }

    #[test]
    fn three_panics_close_the_door_and_other_errors_do_not() {
        let health = Health::default();
        for _ in 0..5 {
            health.record::<()>("acme", &Err(DriverError::unreachable("no answer")));
        }
        assert!(health.admit("acme").is_ok());

        for _ in 0..PANICS_MAX {
            health.record("acme", &panic());
        }

        let error = health.admit("acme").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PluginPanicked);
        assert!(error.is_retryable());
    }

    #[test]
    fn an_answer_opens_the_door_again() {
        let health = Health::default();
        for _ in 0..PANICS_MAX {
            health.record("acme", &panic());
        }

        health.record("acme", &Ok(()));

        assert!(health.admit("acme").is_ok());
    }
}
