//! Work that a BMC goes on with after its answer.

use serde::Deserialize;
use serde_json::Value;

use super::{link, percent, text};

/// Source: DSP0268, Task.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Task {
    /// Where it is.
    #[serde(rename = "@odata.id", deserialize_with = "text")]
    pub odata_id: Option<String>,
    /// Where to watch it.
    #[serde(deserialize_with = "link")]
    pub task_monitor: Option<String>,
    /// How far it is.
    #[serde(deserialize_with = "text")]
    pub task_state: Option<String>,
    /// How well it went.
    #[serde(deserialize_with = "text")]
    pub task_status: Option<String>,
    /// How much of it is done.
    #[serde(deserialize_with = "percent")]
    pub percent_complete: Option<u8>,
    /// What it has to say.
    pub messages: Value,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskPhase {
    /// Not finished, or the task does not say.
    Running,
    /// Finished well.
    Done,
    /// Finished badly.
    Failed,
}

impl Task {
    /// How far the task is; `None` when the body is no task at all.
    #[must_use]
    pub fn phase(&self) -> Option<TaskPhase> {
        let good = self.task_status.as_deref().is_none_or(|status| matches!(status, "OK" | "Warning"));
        Some(match self.task_state.as_deref()? {
            "Completed" if good => TaskPhase::Done,
            "Completed" | "Exception" | "Killed" | "Cancelled" => TaskPhase::Failed,
            _ => TaskPhase::Running,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_become_phases() {
        let rows = [
            (None, None, None),
            (Some("New"), None, Some(TaskPhase::Running)),
            (Some("Stopping"), Some("OK"), Some(TaskPhase::Running)),
            (Some("Cancelling"), None, Some(TaskPhase::Running)),
            (Some("Completed"), None, Some(TaskPhase::Done)),
            (Some("Completed"), Some("Warning"), Some(TaskPhase::Done)),
            (Some("Completed"), Some("Critical"), Some(TaskPhase::Failed)),
            (Some("Exception"), Some("OK"), Some(TaskPhase::Failed)),
            (Some("Killed"), None, Some(TaskPhase::Failed)),
            (Some("Cancelled"), None, Some(TaskPhase::Failed)),
            (Some("Dreaming"), None, Some(TaskPhase::Running)),
        ];
        for (state, status, phase) in rows {
            let task = Task {
                task_state: state.map(str::to_owned),
                task_status: status.map(str::to_owned),
                ..Task::default()
            };
            assert_eq!(task.phase(), phase, "{state:?} {status:?}");
        }
    }
}
