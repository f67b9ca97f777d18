//! What the implementations share: options, the transport, and how a task uses them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use farrier_sdk::prelude::*;
use ipmi_rs::connection::Message;
use tokio::time::Instant;

use crate::command::Command;
use crate::driver_info::{self, IpmiInfo};
use crate::options::{IpmiOptions, duration};
use crate::target::Target;
use crate::transport::Transport;
use crate::transport::error::TransportError;

/// Longest time a stop waits for BMCs to close their sessions.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Kept free at the end of a call's time, to report what happened.
const REPORT_TIME: Duration = Duration::from_millis(200);

/// Most things that are remembered as logged.
const REPORTED_MAX: usize = 10_000;

/// Options and sessions of the plugin.
#[derive(Debug)]
pub struct Shared {
    /// The table `[ipmi]`.
    pub options: IpmiOptions,
    transport: Transport,
    /// Nodes, and what of them was logged.
    reported: Mutex<HashSet<(String, String)>>,
}

impl Shared {
    /// Starts the plugin. Nothing is looked for and nobody is spoken to.
    ///
    /// # Errors
    ///
    /// None so far.
    pub fn start(options: IpmiOptions) -> Result<Self> {
        let ignored = options.ignored();
        if !ignored.is_empty() {
            info!(options = ignored.join(", "), "options of a tool that is not used are ignored");
        }
        let transport = Transport::new(options.transport());
        Ok(Self { options, transport, reported: Mutex::default() })
    }

    /// Closes all sessions, waiting at most `patience`, and never longer than two seconds.
    pub async fn close(&self, patience: Duration) {
        self.transport.close(patience.min(CLOSE_PATIENCE)).await;
    }

    /// How to reach the BMC of a task's node.
    ///
    /// # Errors
    ///
    /// As [`driver_info::target`].
    pub(crate) async fn bmc<'a>(&'a self, task: &DriverTask<IpmiInfo>) -> Result<Bmc<'a>> {
        let limit = duration(self.options.command_retry_timeout);
        Ok(Bmc { shared: self, target: driver_info::target(task).await?, limit, task_end: task_end(task) })
    }

    /// True the first time it is asked about something of a node, so that the log says it once.
    pub(crate) fn is_news(&self, task: &DriverTask<IpmiInfo>, what: &str) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if REPORTED_MAX <= reported.len() {
            reported.clear();
        }
        reported.insert((task.node().uuid.clone(), what.to_owned()))
    }
}

/// When a task has to have answered.
fn task_end(task: &DriverTask<IpmiInfo>) -> Option<Instant> {
    task.time_left().map(|left| Instant::now() + left.saturating_sub(REPORT_TIME))
}

/// The BMC of one node, for the length of one task.
#[derive(Debug)]
pub(crate) struct Bmc<'a> {
    shared: &'a Shared,
    target: Arc<Target>,
    /// Most time for one command.
    limit: Duration,
    task_end: Option<Instant>,
}

impl Bmc<'_> {
    /// Has a command carried out within `[ipmi]command_retry_timeout`.
    pub(crate) async fn execute<C>(&self, command: C) -> Result<C::Output, TransportError>
    where
        C: Command,
        Message: From<C>,
    {
        self.execute_before(Instant::now() + self.limit, command).await
    }

    /// The same, but not beyond `end`.
    pub(crate) async fn execute_before<C>(
        &self,
        end: Instant,
        command: C,
    ) -> Result<C::Output, TransportError>
    where
        C: Command,
        Message: From<C>,
    {
        let limit = Instant::now() + self.limit;
        let deadline = [Some(limit), Some(end), self.task_end].into_iter().flatten().min().unwrap_or(limit);
        self.shared.transport.execute(&self.target, command, deadline).await
    }

    /// Address and port, for messages.
    pub(crate) fn endpoint(&self) -> String {
        self.target.endpoint.to_string()
    }
}
