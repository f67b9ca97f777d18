//! What was tried for one command, and until when.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::error::{Effort, Result, TransportError};
use crate::packet::message::Reply;
use crate::target::Endpoint;

/// Longer than any console is open.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Where the answer to a command goes.
pub(super) type Caller = oneshot::Sender<Result<Reply>>;

/// Tells whether whoever waits for an outcome has gone.
pub(super) type IsGone<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// The effort for one command so far.
pub(super) struct Work<'a> {
    started: Instant,
    deadline: Instant,
    /// Whether nobody waits for the outcome any longer; `None` for the link's own errands.
    is_gone: Option<IsGone<'a>>,
    sends: u32,
    logins: u32,
    /// The last that was heard is that nothing listens there.
    refused: bool,
    /// Why the last datagram could not be sent.
    unsent: Option<String>,
}

impl std::fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("effort", &self.effort()).finish_non_exhaustive()
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(started: Instant, deadline: Instant, is_gone: Option<IsGone<'a>>) -> Self {
        Self { started, deadline, is_gone, sends: 0, logins: 0, refused: false, unsent: None }
    }

    /// Work of the link itself, for at most `patience`.
    pub(super) fn errand(patience: Duration) -> Self {
        let now = Instant::now();
        Self::new(now, now + patience, None)
    }

    /// Work without an end.
    pub(super) fn unlimited() -> Self {
        Self::errand(FOREVER)
    }

    pub(super) fn login_started(&mut self) {
        self.logins += 1;
    }

    pub(super) fn sent(&mut self) {
        self.sends += 1;
        self.unsent = None;
    }

    pub(super) fn heard(&mut self) {
        self.refused = false;
    }

    pub(super) fn refused(&mut self) {
        self.refused = true;
    }

    pub(super) fn unsent(&mut self, reason: String) {
        self.unsent = Some(reason);
    }

    /// Whether to stop: the deadline has come, or nobody waits any longer.
    pub(super) fn is_over(&self) -> bool {
        self.deadline <= Instant::now() || self.is_gone.is_some_and(|is_gone| is_gone())
    }

    /// The end of a wait that begins now; never beyond the deadline.
    pub(super) fn until(&self, wait: Duration) -> Instant {
        (Instant::now() + wait).min(self.deadline)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether a wait fits before the deadline.
    pub(super) fn has_time_for(&self, wait: Duration) -> bool {
        Instant::now() + wait < self.deadline
    }

    /// Waits, but not beyond the deadline.
    pub(super) async fn pause(&self, wait: Duration) {
        sleep_until(self.until(wait)).await;
    }

    pub(super) fn effort(&self) -> Effort {
        Effort { sends: self.sends, logins: self.logins, elapsed: self.started.elapsed() }
    }

    /// The error of a BMC that was not heard.
    pub(super) fn gave_up(&self, endpoint: &Endpoint) -> TransportError {
        let (endpoint, effort) = (endpoint.clone(), self.effort());
        match &self.unsent {
            Some(reason) => TransportError::Unsent { endpoint, reason: reason.clone(), effort },
            None if self.refused => TransportError::Refused { endpoint, effort },
            None => TransportError::NoReply { endpoint, effort },
        }
    }
}
