//! Steps: methods that cleaning, deployment, verification and service run one after the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a step or another long operation answers.
///
/// Source: Ironic: nothing for done, a waiting state for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It is finished.
    Done,
    /// It goes on by itself: the conductor waits for the agent's call, or asks again.
    Wait {
        /// Milliseconds until the conductor asks again, by calling the same method with the same arguments; without
        /// them it waits for the agent's call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        poll_after_ms: Option<u64>,
    },
}

impl StepOutcome {
    /// It goes on; the conductor asks again after `pause`, by calling the same method with the same arguments.
    #[must_use]
    pub fn wait(pause: Duration) -> Self {
        Self::Wait { poll_after_ms: u64::try_from(pause.as_millis()).ok() }
    }
}

/// What a step may answer.
#[diagnostic::on_unimplemented(
    message = "a step answers `Result<StepOutcome>` or `Result<()>`",
    label = "the result of this step"
)]
pub trait IntoOutcome {
    /// The outcome; nothing is [`Done`](StepOutcome::Done).
    fn into_outcome(self) -> StepOutcome;
}

impl IntoOutcome for StepOutcome {
    fn into_outcome(self) -> StepOutcome {
        self
    }
}

impl IntoOutcome for () {
    fn into_outcome(self) -> StepOutcome {
        StepOutcome::Done
    }
}

/// The arguments of a step, read with serde. Written by `#[derive(StepArgs)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe the arguments of a step",
    note = "derive `StepArgs` for it, beside `Deserialize`"
)]
pub trait StepArgs {
    /// The arguments for the descriptor, a JSON object.
    const DESCRIPTOR: &'static str;
}
