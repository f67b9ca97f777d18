//! RMCP+ over UDP: commands go in, answers come out, whatever the network does in between.
//!
//! ```text
//! Transport::execute ──► Pool: one mailbox per BMC ──► Link: the job of that BMC
//!                                                       │  one request at a time, one session kept
//!                                                       ├─ login.rs    opens a session
//!                                                       ├─ channel.rs  exchanges messages inside it
//!                                                       └─ wire.rs     sends and receives datagrams
//! ```
//!
//! A caller may be dropped at any time: what a BMC must still be told is the link's business, so no session
//! is left behind. Sessions are shared by all who speak to the BMC with the same credentials, and closed after
//! a short idle time.

mod channel;
pub mod error;
mod link;
mod login;
mod mailbox;
mod pool;
mod rtt;
pub mod serial;
mod wire;
mod work;

use std::sync::Arc;
use std::time::Duration;

use ipmi_rs::connection::Message;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::command::Command;
use crate::command::completion::CompletionCode;
use crate::crypto::CipherSuite;
use crate::packet::Discard;
use crate::packet::bridge::SEND_MESSAGE;
use crate::target::Target;
use error::{Effort, Result, TransportError};
use link::Job;
use pool::Pool;
use serial::SerialOpener;

/// How much longer than its deadline a command is waited for: its link reports at the deadline what was
/// tried, and only a link busy with other commands does not.
const GRACE: Duration = Duration::from_millis(250);

/// How the transport treats BMCs.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// Logins to one BMC are at least this far apart.
    pub login_interval: Duration,
    /// Messages inside one session are at least this far apart.
    pub message_interval: Duration,
    /// A session nobody uses is closed after this time; below the limit of any BMC.
    pub session_idle_timeout: Duration,
    /// Keep idle sessions alive instead of closing them.
    pub session_keepalive: bool,
    /// Most sessions at a time; the least recently used is closed first.
    pub sessions_max: usize,
    /// Cipher suites in the order they are tried, for targets that name none.
    pub suites: Vec<CipherSuite>,
    /// Completion codes to retry on besides [`CompletionCode::RETRYABLE`].
    pub retryable: Vec<CompletionCode>,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            login_interval: Duration::from_secs(5),
            message_interval: Duration::from_millis(100),
            session_idle_timeout: Duration::from_secs(20),
            session_keepalive: false,
            sessions_max: 10_000,
            suites: CipherSuite::GOOD.to_vec(),
            retryable: Vec::new(),
        }
    }
}

/// Speaks to any number of BMCs. Needs a tokio runtime with time and sockets around every call.
#[derive(Debug)]
pub struct Transport {
    pool: Arc<Pool>,
}

impl Transport {
    /// A transport without any session yet.
    #[must_use]
    pub fn new(options: TransportOptions) -> Self {
        Self { pool: Arc::new(Pool::new(options)) }
    }

    /// Has a BMC carry out a command and reads its answer.
    ///
    /// Opens a session if there is none, repeats what was lost as far as the command allows, and retries while
    /// the BMC says it is busy; all that until `deadline`. Commands to one BMC are carried out one after
    /// another.
    ///
    /// # Errors
    ///
    /// [`TransportError`] says what was tried; a completion code other than success is
    /// [`Completion`](TransportError::Completion).
    pub async fn execute<C>(&self, target: &Arc<Target>, command: C, deadline: Instant) -> Result<C::Output>
    where
        C: Command,
        Message: From<C>,
    {
        self.carry(target, command, deadline, false).await
    }

    /// The same for what is done again and again without anybody asking for it: credentials that the BMC has
    /// refused are not tried again at once, so that no account is locked.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute), and [`AuthenticationHeld`](TransportError::AuthenticationHeld).
    pub async fn execute_in_background<C>(
        &self,
        target: &Arc<Target>,
        command: C,
        deadline: Instant,
    ) -> Result<C::Output>
    where
        C: Command,
        Message: From<C>,
    {
        self.carry(target, command, deadline, true).await
    }

    async fn carry<C>(
        &self,
        target: &Arc<Target>,
        command: C,
        deadline: Instant,
        background: bool,
    ) -> Result<C::Output>
    where
        C: Command,
        Message: From<C>,
    {
        let (repeat, unit, resets_bmc) = (command.repeat(), command.unit(), command.resets_bmc());
        let message = Message::from(command);
        let (netfn, cmd) = (message.netfn_raw(), message.cmd());
        let endpoint = &target.endpoint;
        let started = Instant::now();
        let (reply, answer) = oneshot::channel();
        let job = Job {
            target: Arc::clone(target),
            fingerprint: self.pool.fingerprint(target),
            message,
            command: C::NAME,
            repeat,
            unit,
            resets_bmc,
            handled: C::HANDLED,
            background,
            started,
            deadline,
            reply,
        };
        self.pool.submit(job)?;
        let reply = match timeout_at(deadline + GRACE, answer).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) => return Err(TransportError::Closing(endpoint.clone())),
            Err(_) => {
                let effort = Effort { elapsed: started.elapsed(), ..Effort::default() };
                return Err(TransportError::Queued { endpoint: endpoint.clone(), effort });
            }
        };
        let code = CompletionCode(reply.completion_code);
        if code != CompletionCode::SUCCESS {
            let endpoint = endpoint.clone();
            if reply.cmd == SEND_MESSAGE && cmd != SEND_MESSAGE {
                let (command, netfn, cmd) = ("Send Message", reply.netfn & !1, reply.cmd);
                return Err(TransportError::Completion { endpoint, command, netfn, cmd, code });
            }
            return Err(TransportError::Completion { endpoint, command: C::NAME, netfn, cmd, code });
        }
        C::parse_success_response(&reply.data).map_err(|_| TransportError::Malformed {
            endpoint: endpoint.clone(),
            command: C::NAME,
            netfn,
            cmd,
        })
    }

    /// What opens serial consoles. Their sessions are not closed with the others.
    #[must_use]
    pub fn serial_opener(&self) -> SerialOpener {
        SerialOpener::new(&self.pool)
    }

    /// Closes all sessions, waiting at most `patience` for the BMCs to say so. Commands fail from now on.
    ///
    /// All BMCs are told before any is waited for.
    pub async fn close(&self, patience: Duration) {
        self.pool.shut();
        // Whoever did not answer by then ends the session by its own time limit.
        timeout(patience, self.pool.all_links_ended()).await.unwrap_or_default();
    }

    /// How many BMCs are spoken to or have a session, at the moment.
    #[must_use]
    pub fn bmcs(&self) -> usize {
        self.pool.links()
    }

    /// How many datagrams were ignored, by reason.
    #[must_use]
    pub fn discards(&self) -> [(Discard, u64); Discard::ALL.len()] {
        self.pool.discards.counts()
    }
}

/// The sessions are closed by their links, as long as the runtime lives.
impl Drop for Transport {
    fn drop(&mut self) {
        self.pool.shut();
    }
}
