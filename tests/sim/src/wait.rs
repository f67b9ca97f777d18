//! Waiting for a state, with a deadline.

use std::time::{Duration, Instant};

use crate::error::SimError;

/// Pause between two looks: short beside what is waited for, long beside a look.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` answers `Some`, at most for `within`; looks at least once.
///
/// `what` completes the sentence "... did not happen": `"the API answers"`.
///
/// # Errors
///
/// [`Late`](SimError::Late) when the time is over.
pub fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T, SimError> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        if Instant::now() >= deadline {
            return Err(SimError::Late { what: what.to_owned(), within });
        }
        pause();
    }
}

/// Gives what is waited for time to happen.
#[expect(clippy::disallowed_methods, reason = "the one place that pauses between two looks at a state")]
pub(crate) fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_is_seen() {
        let mut looks = 0;

        let seen = wait_for("third look", Duration::from_secs(60), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });

        assert_eq!(seen.unwrap(), 3);
    }

    #[test]
    fn what_never_comes_is_named() {
        let error = wait_for("sunrise", Duration::ZERO, || None::<()>).unwrap_err();

        assert_eq!(error.to_string(), "sunrise did not happen within 0 ms");
    }
}
