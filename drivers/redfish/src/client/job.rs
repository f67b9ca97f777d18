//! Work that a BMC goes on with after it has answered 202.
//!
//! Source: DSP0266, section 13.6.

use farrier_sdk::prelude::warn;
use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};

use super::error::{Failure, RedfishError, Result};
use super::message::Messages;
use super::operation::Operation;
use super::retry;
use super::transport::Answer;
use crate::resource;
use crate::resource::task::{Task, TaskPhase};

/// Longest pause between two looks at a task, in first pauses.
const PAUSE_GROWTH_MAX: u32 = 10;

/// What one look at work under way shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// It goes on; its state, if it says so.
    Running(Option<String>),
    /// It ended well.
    Done,
    /// It ended badly; what the BMC says.
    Failed(String),
    /// It is gone, and how it ended is unknown.
    Gone,
}

impl Operation {
    /// Looks once at work that goes on after its answer.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub(crate) async fn look_at_job(&self, monitor: &str) -> Result<Look> {
        let look = self.fetch(monitor).await?;
        let task: Task = resource::read(&look.body).unwrap_or_default();
        Ok(match (look.status.as_u16(), task.phase()) {
            (200..=299, Some(TaskPhase::Failed)) => {
                let state = task.task_state.unwrap_or_default();
                Look::Failed(format!("it ended as `{state}`: {}", Messages::of_list(&task.messages)))
            }
            (202, _) | (200, Some(TaskPhase::Running)) => Look::Running(task.task_state),
            (200..=299, _) => Look::Done,
            (404 | 410, _) => Look::Gone,
            _ => {
                let asked = self.asked(Method::GET, monitor);
                return Err(self.lease().status_error(asked, &look));
            }
        })
    }

    /// Where to watch the work behind an answer; `None` when it is over, or nothing is named.
    pub(crate) fn monitor_of(&self, answer: &Answer) -> Option<String> {
        (answer.status == StatusCode::ACCEPTED).then(|| self.monitor(answer)).flatten()
    }

    /// Waits for the work behind a 202; any other answer is finished already.
    ///
    /// A BMC that names no place to look has accepted the request; its outcome is read from the resource, as
    /// is that of a task that vanishes.
    pub(crate) async fn settle(&self, method: Method, path: &str, answer: &Answer) -> Result<()> {
        if answer.status != StatusCode::ACCEPTED {
            return Ok(());
        }
        let Some(monitor) = self.monitor(answer) else { return Ok(()) };
        let mut pause = self.poll_interval();
        let mut wait = retry::retry_after(&answer.headers);
        loop {
            if self.time_left().is_zero() {
                let waited = self.name();
                let text = format!(
                    "{} at `{monitor}` did not end in time ({waited})",
                    self.asked(method.clone(), path)
                );
                return Err(self.error(method, path, Failure::Failed(text)));
            }
            self.pause(wait.unwrap_or(pause)).await;
            pause = (pause * 2).min(self.poll_interval() * PAUSE_GROWTH_MAX);
            let look = self.fetch(&monitor).await?;
            wait = retry::retry_after(&look.headers);
            match self.judge(&method, path, &monitor, &look)? {
                TaskPhase::Running => {}
                TaskPhase::Done | TaskPhase::Failed => return Ok(()),
            }
        }
    }

    fn judge(&self, method: &Method, path: &str, monitor: &str, look: &Answer) -> Result<TaskPhase> {
        let task: Task = resource::read(&look.body).unwrap_or_default();
        match (look.status.as_u16(), task.phase()) {
            (200..=299, Some(TaskPhase::Failed)) => Err(self.task_failed(method, path, &task)),
            (202, _) | (200, Some(TaskPhase::Running)) => Ok(TaskPhase::Running),
            (200..=299, _) => Ok(TaskPhase::Done),
            (404 | 410, _) => {
                warn!(monitor, "a task is gone; its outcome is unknown");
                Ok(TaskPhase::Done)
            }
            _ => {
                let asked = self.asked(Method::GET, monitor);
                Err(self.lease().status_error(asked, look))
            }
        }
    }

    fn task_failed(&self, method: &Method, path: &str, task: &Task) -> RedfishError {
        let state = task.task_state.as_deref().unwrap_or("failed");
        let messages = Messages::of_list(&task.messages);
        let text = format!("{} ended as `{state}`: {messages}", self.asked(method.clone(), path));
        self.error(method.clone(), path, Failure::Failed(text))
    }

    fn monitor(&self, answer: &Answer) -> Option<String> {
        let header = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        if let Some(monitor) = header.and_then(|link| self.link(link)) {
            return Some(monitor);
        }
        let task: Task = resource::read(&answer.body).ok()?;
        self.link(task.task_monitor.or(task.odata_id)?.as_str())
    }
}
