//! A serial console over a session of its own.

use std::sync::Arc;
use std::time::Duration;

use farrier_sdk::prelude::debug;
use ipmi_rs::connection::{IpmiCommand, Message};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use super::GRACE;
use super::channel::{Answer, Channel, Request};
use super::error::{Effort, Result, TransportError};
use super::link::{OpenJob, Opened, SENDS_MAX};
use super::pool::Pool;
use super::rtt::RoundTrip;
use super::work::Work;
use crate::command::Command;
use crate::command::completion::CompletionCode;
use crate::command::payload::{ActivateConsole, ActiveConsole, DeactivateConsole, GetConsoleOwner};
use crate::crypto::CipherSuite;
use crate::packet::message::{Reply, RequestSequence, encode_request};
use crate::packet::wrapper::PayloadType;
use crate::sol::{Sol, SolEnd};
use crate::target::{Endpoint, Target};

/// How often a BMC is asked whether the console is still ours; below the time after which it forgets a session.
const ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// The same after it did not answer.
const ALIVE_AGAIN: Duration = Duration::from_secs(5);

/// Questions without an answer before the console counts as lost.
const MISSES_MAX: u32 = 3;

/// Pause between taking a console away from somebody and taking it.
const TAKE_OVER_PAUSE: Duration = Duration::from_secs(1);

/// Most time for giving a console back.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Opens serial consoles. Cheap to clone; outlived by the transport it was made by.
#[derive(Debug, Clone)]
pub struct SerialOpener {
    pool: Arc<Pool>,
}

impl SerialOpener {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::clone(pool) }
    }

    /// Logs in and takes the console, from somebody else if need be; until `deadline`.
    ///
    /// # Errors
    ///
    /// Those of any command; [`Completion`](TransportError::Completion) when the BMC does not give it.
    pub async fn open(&self, target: &Arc<Target>, deadline: Instant) -> Result<Serial> {
        let started = Instant::now();
        let (reply, answer) = oneshot::channel();
        let fingerprint = self.pool.fingerprint(target);
        self.pool.submit_open(OpenJob {
            target: Arc::clone(target),
            fingerprint,
            started,
            deadline,
            reply,
        })?;
        let endpoint = target.endpoint.clone();
        let Opened { channel, round_trip } = match timeout_at(deadline + GRACE, answer).await {
            Ok(Ok(opened)) => opened?,
            Ok(Err(_)) => return Err(TransportError::Closing(endpoint)),
            Err(_) => {
                let effort = Effort { elapsed: started.elapsed(), ..Effort::default() };
                return Err(TransportError::Queued { endpoint, effort });
            }
        };
        Serial::activate(channel, round_trip, endpoint, deadline).await
    }
}

/// A console that is ours. Dropping it leaves it to the BMC's time limit; [`close`](Self::close) gives it back.
#[derive(Debug)]
pub struct Serial {
    channel: Channel,
    round_trip: RoundTrip,
    endpoint: Endpoint,
    work: Work<'static>,
    sol: Sol,
    /// When the BMC is asked next whether the console is ours.
    alive_due: Instant,
    /// The question that waits for its answer.
    asked: Option<RequestSequence>,
    misses: u32,
}

/// Why a console is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SerialEnd {
    /// The BMC does not answer any more.
    #[error("the BMC does not answer")]
    Silent,
    /// Another session has the console.
    #[error("somebody else has taken the console")]
    Taken,
    /// What the console protocol says.
    #[error(transparent)]
    Sol(#[from] SolEnd),
    /// The session has used up its numbers, or the clock of the BMC went wrong.
    #[error("the session cannot be used any longer")]
    Broken,
}

impl Serial {
    async fn activate(
        mut channel: Channel,
        mut round_trip: RoundTrip,
        endpoint: Endpoint,
        deadline: Instant,
    ) -> Result<Self> {
        let mut work = Work::new(Instant::now(), deadline, None);
        match take(&mut channel, &mut round_trip, &endpoint, &mut work).await {
            Ok(console) => Ok(Self {
                channel,
                round_trip,
                endpoint,
                work: Work::unlimited(),
                sol: Sol::new(console.size_to_bmc),
                alive_due: Instant::now() + ALIVE_INTERVAL,
                asked: None,
                misses: 0,
            }),
            Err(error) => {
                channel.close(round_trip).await;
                Err(error)
            }
        }
    }

    /// How many characters may be typed now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.sol.room()
    }

    /// Takes what the client types; no more than [`room`](Self::room). It is sent by [`serve`](Self::serve).
    pub fn type_text(&mut self, text: &[u8]) {
        self.sol.type_text(text);
    }

    /// What the machine has printed since it was last asked for.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.sol.take_output()
    }

    /// Speaks to the BMC until there is output, if that is `wanted`, and otherwise forever. May be dropped at any
    /// time and begun again.
    ///
    /// # Errors
    ///
    /// [`SerialEnd`] says why the console is lost.
    pub async fn serve(&mut self, wanted: bool) -> Result<(), SerialEnd> {
        loop {
            let now = Instant::now();
            while let Some(packet) = self.sol.poll(now) {
                self.send(PayloadType::SOL, &packet).await?;
            }
            if let Some(end) = self.sol.end() {
                return Err(end.into());
            }
            if wanted && self.sol.has_output() {
                return Ok(());
            }
            if self.alive_due <= now {
                self.ask_whether_alive().await?;
            }
            let until = self.sol.due().map_or(self.alive_due, |due| due.min(self.alive_due));
            match self.channel.receive(until, &mut self.work).await {
                Some((PayloadType::SOL, packet)) => {
                    if let Err(reason) = self.sol.receive(&packet, Instant::now()) {
                        self.channel.discard(reason);
                    }
                }
                Some((PayloadType::IPMI, message)) => self.heard(&message)?,
                Some(_) | None => {}
            }
        }
    }

    /// Gives the console back and ends its session.
    pub async fn close(mut self) {
        let mut work = Work::errand(CLOSE_PATIENCE);
        let message = Message::from(DeactivateConsole);
        let request = Request::to_bmc(&message);
        // Ending the session ends the console as well, so nothing is lost if this is.
        self.channel.exchange(request, SENDS_MAX, None, &mut self.round_trip, &mut work).await;
        self.channel.close(self.round_trip).await;
        debug!(bmc = %self.endpoint, "console given back");
    }

    /// Ends the session of a console that is lost, without waiting.
    pub async fn abandon(self) {
        self.channel.abandon(&mut Work::errand(CLOSE_PATIENCE)).await;
    }

    async fn send(&mut self, payload_type: PayloadType, payload: &[u8]) -> Result<(), SerialEnd> {
        let sent = self.channel.send(payload_type, payload, &mut self.work).await;
        sent.map_err(|_| SerialEnd::Broken)
    }

    async fn ask_whether_alive(&mut self) -> Result<(), SerialEnd> {
        if self.asked.is_some() {
            self.misses += 1;
            if self.misses == MISSES_MAX {
                return Err(SerialEnd::Silent);
            }
        }
        let again = if self.misses == 0 { ALIVE_INTERVAL } else { ALIVE_AGAIN };
        self.alive_due = Instant::now() + again;
        let sequence = self.channel.next_request();
        self.asked = Some(sequence);
        let payload = encode_request(&Message::from(GetConsoleOwner), 0, sequence);
        self.send(PayloadType::IPMI, &payload).await
    }

    /// Takes an answer: any shows that the BMC is alive, and a good one whose the console is.
    fn heard(&mut self, message: &[u8]) -> Result<(), SerialEnd> {
        let Ok(reply) = Reply::parse(message) else { return Ok(()) };
        let Some(sequence) = self.asked.filter(|_| reply.cmd == Message::from(GetConsoleOwner).cmd()) else {
            return Ok(());
        };
        if reply.sequence != sequence {
            return Ok(());
        }
        self.asked = None;
        self.misses = 0;
        self.alive_due = Instant::now() + ALIVE_INTERVAL;
        let owner =
            (reply.completion_code == 0).then(|| GetConsoleOwner::parse_success_response(&reply.data));
        match owner {
            // Some answer 0 although the console is ours.
            Some(Ok(owner)) if owner != 0 && owner != self.channel.bmc_id() => Err(SerialEnd::Taken),
            Some(Ok(_) | Err(_)) | None => Ok(()),
        }
    }
}

/// Takes the console; from somebody else, if he has it.
async fn take(
    channel: &mut Channel,
    round_trip: &mut RoundTrip,
    endpoint: &Endpoint,
    work: &mut Work<'_>,
) -> Result<ActiveConsole> {
    let suite = channel.suite().unwrap_or(CipherSuite::Open);
    match ask(channel, ActivateConsole { suite }, round_trip, endpoint, work).await {
        Err(TransportError::Completion { code: ActivateConsole::TAKEN, .. }) => {}
        other => return other,
    }
    match ask(channel, DeactivateConsole, round_trip, endpoint, work).await {
        // It became free by itself.
        Ok(()) | Err(TransportError::Completion { code: DeactivateConsole::FREE, .. }) => {}
        Err(error) => return Err(error),
    }
    sleep(TAKE_OVER_PAUSE).await;
    ask(channel, ActivateConsole { suite }, round_trip, endpoint, work).await
}

/// Has the BMC carry out a command in the console's own session.
async fn ask<C>(
    channel: &mut Channel,
    command: C,
    round_trip: &mut RoundTrip,
    endpoint: &Endpoint,
    work: &mut Work<'_>,
) -> Result<C::Output>
where
    C: Command,
    Message: From<C>,
{
    let message = Message::from(command);
    let (netfn, cmd) = (message.netfn_raw(), message.cmd());
    let answer = channel.exchange(Request::to_bmc(&message), SENDS_MAX, None, round_trip, work).await;
    let endpoint = endpoint.clone();
    let Answer::Reply(reply) = answer else { return Err(work.gave_up(&endpoint)) };
    let code = CompletionCode(reply.completion_code);
    if code != CompletionCode::SUCCESS {
        return Err(TransportError::Completion { endpoint, command: C::NAME, netfn, cmd, code });
    }
    let parsed = C::parse_success_response(&reply.data);
    parsed.map_err(|_| TransportError::Malformed { endpoint, command: C::NAME, netfn, cmd })
}
