//! How long to wait for an answer before sending again.

use std::time::Duration;

/// Shortest wait: a BMC is a slow computer.
const WAIT_MIN: Duration = Duration::from_millis(250);

/// Longest wait.
const WAIT_MAX: Duration = Duration::from_secs(4);

/// Wait as long as nothing is known about a BMC.
const WAIT_UNKNOWN: Duration = Duration::from_secs(1);

/// Smoothed round-trip time of one BMC.
///
/// Source: the estimator of RFC 6298 with other bounds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoundTrip {
    estimate: Option<Estimate>,
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    smoothed: Duration,
    variation: Duration,
}

impl RoundTrip {
    /// Takes the time of one exchange. Exchanges that needed more than one send must not be taken: nobody
    /// knows which send was answered.
    pub(super) fn sample(&mut self, time: Duration) {
        self.estimate = Some(match self.estimate {
            None => Estimate { smoothed: time, variation: time / 2 },
            Some(Estimate { smoothed, variation }) => Estimate {
                smoothed: (smoothed * 7 + time) / 8,
                variation: (variation * 3 + smoothed.abs_diff(time)) / 4,
            },
        });
    }

    /// The wait after the first send.
    #[must_use]
    pub(super) fn wait(&self) -> Duration {
        self.estimate.map_or(WAIT_UNKNOWN, |estimate| {
            (estimate.smoothed + 4 * estimate.variation).clamp(WAIT_MIN, WAIT_MAX)
        })
    }

    /// The wait after send number `sends` (1 is the first): doubled each time, up to [`WAIT_MAX`].
    #[must_use]
    pub(super) fn wait_after(&self, sends: u32) -> Duration {
        let doublings = sends.saturating_sub(1).min(8);
        (self.wait() * (1 << doublings)).min(WAIT_MAX)
    }

    /// The wait for an answer that may well never come: four round trips, or `unknown` without any.
    #[must_use]
    pub(super) fn short_wait(&self, unknown: Duration) -> Duration {
        self.estimate.map_or(unknown, |estimate| (estimate.smoothed * 4).min(unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_known_waits_a_second_and_doubles() {
        let waits: Vec<_> = (1..=5).map(|sends| RoundTrip::default().wait_after(sends).as_secs()).collect();

        assert_eq!(waits, [1, 2, 4, 4, 4]);
    }

    #[test]
    fn a_quick_bmc_is_not_asked_again_at_once() {
        let mut round_trip = RoundTrip::default();
        round_trip.sample(Duration::from_micros(200));

        assert_eq!(round_trip.wait(), WAIT_MIN);
    }

    #[test]
    fn a_slow_bmc_is_given_time() {
        let mut round_trip = RoundTrip::default();
        for _ in 0..50 {
            round_trip.sample(Duration::from_millis(900));
        }

        assert!(round_trip.wait() >= Duration::from_millis(900));
        assert!(round_trip.wait_after(4) <= WAIT_MAX);
    }
}
