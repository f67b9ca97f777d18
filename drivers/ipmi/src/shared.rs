//! What the implementations share: options, the transport, and how a task uses them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use farrier_sdk::prelude::*;
use ipmi_rs::connection::Message;
use tokio::time::{Instant, timeout};

use crate::command::Command;
use crate::console::Consoles;
use crate::driver_info::{self, IpmiInfo};
use crate::options::{IpmiOptions, duration};
use crate::sensors::Repositories;
use crate::target::Target;
use crate::transport::Transport;
use crate::transport::error::TransportError;
use crate::transport::serial::SerialOpener;

/// Longest time a stop waits for BMCs to close their sessions, if there are not many.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// How many are not many.
const BMCS_FEW: u32 = 1000;

/// More time for each BMC beyond those: what a slow machine needs to tell it.
const CLOSE_PATIENCE_EACH: Duration = Duration::from_micros(250);

/// Kept free of the time that the host gives for a stop, so that it does not count as late.
const STOP_RESERVE: Duration = Duration::from_millis(250);

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
    /// The sensors of the BMCs.
    pub(crate) repositories: Repositories,
    /// The consoles that run.
    pub(crate) consoles: Consoles,
    /// Nodes, and what of them was logged.
    reported: Mutex<HashSet<(String, String)>>,
    /// How many datagrams were ignored, as last told to the host.
    discards_told: AtomicU64,
}

impl Shared {
    /// Starts the plugin. Nothing is looked for and nobody is spoken to.
    ///
    /// # Errors
    ///
    /// As [`IpmiOptions::check`].
    pub fn start(options: IpmiOptions) -> Result<Self> {
        options.check()?;
        let ignored = options.ignored();
        if !ignored.is_empty() {
            info!(options = ignored.join(", "), "options of a tool that is not used are ignored");
        }
        let transport = Transport::new(options.transport());
        Ok(Self {
            options,
            transport,
            repositories: Repositories::default(),
            consoles: Consoles::default(),
            reported: Mutex::default(),
            discards_told: AtomicU64::new(0),
        })
    }

    /// Closes all consoles and sessions, waiting at most `patience`: up to a thousand BMCs never longer than two
    /// seconds.
    pub async fn close(&self, patience: Duration) {
        let bmcs = u32::try_from(self.transport.bmcs()).unwrap_or(u32::MAX);
        let enough = CLOSE_PATIENCE + CLOSE_PATIENCE_EACH * bmcs.saturating_sub(BMCS_FEW);
        let patience = patience.saturating_sub(STOP_RESERVE).min(enough);
        // Consoles have sessions of their own.
        let consoles = timeout(patience, self.consoles.stop_all());
        tokio::join!(self.transport.close(patience), async { consoles.await.unwrap_or_default() });
    }

    /// How to reach the BMC of a task's node.
    ///
    /// # Errors
    ///
    /// As [`driver_info::target`].
    pub(crate) async fn bmc<'a>(&'a self, task: &DriverTask<IpmiInfo>) -> Result<Bmc<'a>> {
        self.report(task).await;
        let target = driver_info::target(&self.options, task).await?;
        let limit = duration(self.options.command_retry_timeout);
        Ok(Bmc { shared: self, target, limit, task_end: task_end(task), background: is_background(task) })
    }

    /// Tells the host how many datagrams were ignored, by reason, when there are more than last time.
    async fn report(&self, task: &DriverTask<IpmiInfo>) {
        let discards = self.transport.discards();
        let total = discards.iter().map(|(_, count)| count).sum();
        if self.discards_told.swap(total, Ordering::Relaxed) == total {
            return;
        }
        for (reason, count) in discards.into_iter().filter(|(_, count)| *count != 0) {
            #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
            let value = count as f64;
            // Only a host without metrics refuses, and then nobody misses them.
            task.observe(&format!("ignored_datagrams_{reason}"), value).await.unwrap_or_default();
        }
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

/// Whether nobody has asked for anything of this node: then the host looks at it by itself.
fn is_background(task: &DriverTask<IpmiInfo>) -> bool {
    let node = task.node();
    node.target_power_state.is_none() && node.target_provision_state.is_none()
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
    /// Nobody waits for what is only looked at.
    background: bool,
}

impl Bmc<'_> {
    /// Looks at something. Credentials that the BMC has just refused rest if nobody has asked for it.
    pub(crate) async fn look<C>(&self, command: C) -> Result<C::Output, TransportError>
    where
        C: Command,
        Message: From<C>,
    {
        if !self.background {
            return self.execute(command).await;
        }
        let deadline = self.deadline_from_now();
        self.shared.transport.execute_in_background(&self.target, command, deadline).await
    }

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
        self.shared.transport.execute(&self.target, command, self.deadline(end)).await
    }

    /// `end`, unless the limit of a command or of the task comes first.
    fn deadline(&self, end: Instant) -> Instant {
        let limit = (Instant::now() + self.limit).min(end);
        self.task_end.map_or(limit, |task_end| task_end.min(limit))
    }

    /// What opens the serial console of this BMC.
    pub(crate) fn serial(&self) -> (SerialOpener, Arc<Target>) {
        (self.shared.transport.serial_opener(), Arc::clone(&self.target))
    }

    /// When a command that begins now has to be done.
    pub(crate) fn deadline_from_now(&self) -> Instant {
        self.deadline(Instant::now() + self.limit)
    }

    /// The BMC, the credentials for it and the way.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Address and port, for messages.
    pub(crate) fn endpoint(&self) -> String {
        self.target.endpoint.to_string()
    }
}
