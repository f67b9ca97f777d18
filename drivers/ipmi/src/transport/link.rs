//! The job that speaks to one BMC: commands in the order they come, and a session kept between them.
//!
//! There may be thousands, most of which wait with a session nobody uses at the moment. What is needed to wait is
//! part of the job; what is needed to speak is in boxes that are gone as soon as it is said.

use std::sync::Arc;
use std::time::Duration;

use farrier_sdk::prelude::{debug, warn};
use ipmi_rs::app::GetDeviceId;
use ipmi_rs::connection::Message;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::channel::{Answer, Channel, Request};
use super::error::{AuthenticationFault, Result, TransportError};
use super::mailbox::Mails;
use super::pool::{Fingerprint, Known, Pool, Refusal};
use super::rtt::RoundTrip;
use super::work::{Caller, Work};
use crate::command::Repeat;
use crate::command::completion::CompletionCode;
use crate::command::session::SetSessionPrivilege;
use crate::packet::message::Reply;
use crate::target::{Endpoint, Target};

/// Most sends of one request in one session.
pub(super) const SENDS_MAX: u32 = 4;

/// Most sends in a session that has been quiet for a while: the BMC may have forgotten it, and then it does
/// not say so.
const SENDS_QUIET_MAX: u32 = 2;

/// When a session counts as quiet.
const QUIET_AFTER: Duration = Duration::from_secs(5);

/// Sessions that may fall silent during one command before the BMC counts as not answering.
const SESSIONS_LOST_MAX: u32 = 3;

/// How long the answer to a request that is sent once is waited for.
const ONCE_PATIENCE: Duration = Duration::from_secs(5);

/// How long the answer to an order is waited for at least that should not be given twice.
const ORDER_PATIENCE: Duration = Duration::from_secs(2);

/// First pause before a request is repeated that the BMC was too busy for; doubled each time.
const BUSY_PAUSE_MIN: Duration = Duration::from_millis(500);

/// Longest of these pauses.
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Most times a request is repeated that the BMC takes for a duplicate.
const DUPLICATES_MAX: u32 = 3;

/// How long a BMC that resets itself is not logged in to.
const RESET_TIME: Duration = Duration::from_secs(10);

/// How often a session is kept alive, if it is to be.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long a keep-alive may take.
const KEEPALIVE_PATIENCE: Duration = Duration::from_secs(5);

/// From so many links on all of them close their sessions in another way than one does.
const CROWD: usize = 100;

/// What a link is told.
#[derive(Debug)]
pub(super) enum Mail {
    /// Carry out a command.
    Job(Job),
    /// Open a session that somebody else uses.
    Open(OpenJob),
    /// Close the session: others need the room.
    CloseSession,
}

/// A command on its way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) target: Arc<Target>,
    pub(super) fingerprint: Fingerprint,
    pub(super) message: Message,
    /// Name of the command.
    pub(super) command: &'static str,
    pub(super) repeat: Repeat,
    /// Unit of the controller that carries it out.
    pub(super) unit: u8,
    /// Whether the BMC resets itself.
    pub(super) resets_bmc: bool,
    /// Completion codes that are not retried.
    pub(super) handled: &'static [CompletionCode],
    /// Whether nobody waits for it: credentials that were just refused are not tried again then.
    pub(super) background: bool,
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    pub(super) reply: Caller,
}

/// A session to be opened and handed over.
#[derive(Debug)]
pub(super) struct OpenJob {
    pub(super) target: Arc<Target>,
    pub(super) fingerprint: Fingerprint,
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<Opened>>,
}

/// A session that was opened for somebody.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) channel: Channel,
    pub(super) round_trip: RoundTrip,
}

/// One BMC, its session and what is known about it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) pool: Arc<Pool>,
    pub(super) endpoint: Endpoint,
    pub(super) known: Known,
    mails: Mails<Mail>,
    channel: Option<Channel>,
}

/// Also a link that panics is counted out.
impl Drop for Link {
    fn drop(&mut self) {
        self.pool.link_ended();
    }
}

impl Link {
    pub(super) fn new(pool: Arc<Pool>, endpoint: Endpoint, mails: Mails<Mail>, known: Known) -> Self {
        Self { pool, endpoint, known, mails, channel: None }
    }

    /// Works until nobody needs this BMC any longer; closes the session at the end.
    pub(super) async fn run(mut self: Box<Self>) {
        while let Some(mail) = self.next_mail().await {
            Box::pin(self.follow(mail)).await;
        }
        self.close_session().await;
    }

    /// Does what it is told.
    async fn follow(&mut self, mail: Mail) {
        match mail {
            Mail::Job(job) => {
                if !job.reply.is_closed() {
                    let result = self.serve(&job).await;
                    if job.resets_bmc {
                        self.be_away().await;
                    }
                    // Nobody listens any more when the caller was dropped.
                    job.reply.send(result).unwrap_or_default();
                }
            }
            Mail::Open(job) => self.open_for(job).await,
            Mail::CloseSession => self.close_session().await,
        }
    }

    /// The next mail; `None` when the link is to end.
    async fn next_mail(&mut self) -> Option<Mail> {
        loop {
            if self.channel.is_none() && self.pool.park(&self.endpoint, &self.mails, self.known) {
                return None;
            }
            let keepalive = self.pool.options.session_keepalive;
            let idle = if keepalive { KEEPALIVE_INTERVAL } else { self.pool.options.session_idle_timeout };
            match timeout(idle, self.mails.next()).await {
                Ok(mail) => return mail,
                Err(_) if keepalive => Box::pin(self.keep_alive()).await,
                Err(_) => self.close_session().await,
            }
        }
    }

    async fn close_session(&mut self) {
        let Some(channel) = self.channel.take() else { return };
        if self.pool.is_closing() && CROWD <= self.pool.links() {
            Box::pin(channel.close_with_others(self.known.round_trip)).await;
        } else {
            Box::pin(channel.close(self.known.round_trip)).await;
        }
        debug!(bmc = %self.endpoint, "session closed");
    }

    async fn keep_alive(&mut self) {
        let Some(channel) = &mut self.channel else { return };
        let mut work = Work::errand(KEEPALIVE_PATIENCE);
        let message = Message::from(GetDeviceId);
        let request = Request::to_bmc(&message);
        let answer = channel.exchange(request, SENDS_MAX, None, &mut self.known.round_trip, &mut work).await;
        if !matches!(answer, Answer::Reply(_)) {
            self.abandon_session(&mut work).await;
        }
    }

    async fn abandon_session(&mut self, work: &mut Work<'_>) {
        if let Some(channel) = self.channel.take() {
            Box::pin(channel.abandon(work)).await;
        }
    }

    /// Opens a session beside our own and hands it over.
    async fn open_for(&mut self, job: OpenJob) {
        let is_gone = || job.reply.is_closed();
        let mut work = Work::new(job.started, job.deadline, Some(&is_gone));
        let opened = match self.hold_back(&work).await {
            Ok(()) => self.login_or_remember(&job.target, job.fingerprint, &mut work).await,
            Err(error) => Err(error),
        };
        let opened = opened.map(|channel| Opened { channel, round_trip: self.known.round_trip });
        if let Err(Ok(unwanted)) = job.reply.send(opened) {
            unwanted.channel.close(self.known.round_trip).await;
        }
    }

    /// Lets a BMC that resets itself alone for a while.
    async fn be_away(&mut self) {
        // Should it have swallowed the order, its session is still to be ended.
        self.abandon_session(&mut Work::errand(RESET_TIME)).await;
        self.known.away_until = Some(Instant::now() + RESET_TIME);
    }

    /// Carries out one command.
    async fn serve(&mut self, job: &Job) -> Result<Reply> {
        let is_gone = || job.reply.is_closed();
        let mut work = Work::new(job.started, job.deadline, Some(&is_gone));
        let mut retries = Retries::default();
        loop {
            let answer = self.ask(job, &mut work).await?;
            match answer {
                Answer::Reply(reply) => {
                    if let Some(reply) = self.judge(job, reply, &mut retries, &mut work).await? {
                        return Ok(reply);
                    }
                }
                Answer::Silence | Answer::Broken => {
                    self.abandon_session(&mut work).await;
                    if !job.repeat.outlives_session() {
                        return Err(self.outcome_unknown(job, &work));
                    }
                    retries.sessions_lost += 1;
                    debug!(bmc = %self.endpoint, command = job.command, "session fell silent");
                    if retries.sessions_lost == SESSIONS_LOST_MAX {
                        return Err(work.gave_up(&self.endpoint));
                    }
                }
            }
        }
    }

    /// An error when there is no use in going on.
    pub(super) fn check(&self, work: &Work<'_>) -> Result<()> {
        if self.pool.is_closing() {
            return Err(TransportError::Closing(self.endpoint.clone()));
        }
        if work.is_over() {
            return Err(work.gave_up(&self.endpoint));
        }
        Ok(())
    }

    /// Sends the request of a job in its session, which is opened if there is none.
    async fn ask(&mut self, job: &Job, work: &mut Work<'_>) -> Result<Answer> {
        self.check(work)?;
        let stale = self.channel.as_ref().is_some_and(|channel| channel.fingerprint != job.fingerprint);
        let unsettled = self.channel.as_ref().is_some_and(|channel| channel.may_be_overtaken_by(job));
        if stale || unsettled {
            self.close_session().await;
        }
        if let Some(channel) = &self.channel {
            channel.pace(self.pool.options.message_interval, work).await;
        } else {
            if job.background {
                self.check_refusal(job.fingerprint)?;
            }
            if !unsettled {
                self.hold_back(work).await?;
            }
            self.channel = Some(self.login_or_remember(&job.target, job.fingerprint, work).await?);
        }
        // A caller who gave up meanwhile must not find its command carried out.
        self.check(work)?;
        let Some(channel) = &mut self.channel else { return Ok(Answer::Broken) };
        let (sends_max, patience) = match job.repeat {
            Repeat::Freely | Repeat::Idempotent if QUIET_AFTER < channel.silent_for() => {
                (SENDS_QUIET_MAX, None)
            }
            Repeat::Freely | Repeat::Idempotent | Repeat::SameSession => (SENDS_MAX, None),
            Repeat::Never => (1, Some(ONCE_PATIENCE)),
        };
        let sends = work.effort().sends;
        let route = job.target.route.as_ref();
        // A machine that is reset or asked to shut down twice suffers; its BMC may be slow to say that it is done.
        let wait_min = if job.repeat == Repeat::SameSession { ORDER_PATIENCE } else { Duration::ZERO };
        let request = Request { message: &job.message, unit: job.unit, route, wait_min };
        let answer = channel.exchange(request, sends_max, patience, &mut self.known.round_trip, work).await;
        if job.repeat != Repeat::Freely && sends + 1 < work.effort().sends {
            channel.under_way = Some(job.message.clone());
        }
        Ok(answer)
    }

    /// Logs in; remembers credentials that were refused.
    async fn login_or_remember(
        &mut self,
        target: &Arc<Target>,
        fingerprint: Fingerprint,
        work: &mut Work<'_>,
    ) -> Result<Channel> {
        let channel = Box::pin(self.login(target, fingerprint, work)).await;
        if let Err(TransportError::Authentication { fault, .. }) = &channel {
            self.known.refusal = Some(Refusal::new(fingerprint, *fault, self.known.refusal));
        }
        channel
    }

    /// An error while credentials that were refused must rest.
    fn check_refusal(&self, fingerprint: Fingerprint) -> Result<()> {
        let refusal = self.known.refusal.filter(|refusal| refusal.fingerprint == fingerprint);
        let Some(refusal) = refusal.filter(|refusal| Instant::now() < refusal.until) else { return Ok(()) };
        let (endpoint, fault) = (self.endpoint.clone(), refusal.fault);
        let wait = refusal.until.saturating_duration_since(Instant::now());
        Err(TransportError::AuthenticationHeld { endpoint, fault, wait })
    }

    /// Decides what a completion code means: `Some` for an answer, `None` to send the request again.
    async fn judge(
        &mut self,
        job: &Job,
        reply: Reply,
        retries: &mut Retries,
        work: &mut Work<'_>,
    ) -> Result<Option<Reply>> {
        let code = CompletionCode(reply.completion_code);
        match code {
            CompletionCode::SUCCESS => Ok(Some(reply)),
            CompletionCode::DUPLICATE if job.repeat == Repeat::Idempotent && self.has_repeated(job) => {
                // An earlier copy was carried out, and its answer lost.
                Ok(Some(Reply { completion_code: CompletionCode::SUCCESS.0, ..reply }))
            }
            CompletionCode::DUPLICATE
                if job.repeat.outlives_session() && retries.duplicates < DUPLICATES_MAX =>
            {
                retries.duplicates += 1;
                Ok(None)
            }
            CompletionCode::DUPLICATE if job.repeat != Repeat::Freely => Err(self.outcome_unknown(job, work)),
            CompletionCode::INSUFFICIENT_PRIVILEGE => {
                let privilege = job.target.credentials.privilege;
                if retries.privilege_set {
                    let fault = AuthenticationFault::Insufficient(privilege);
                    return Err(TransportError::Authentication { endpoint: self.endpoint.clone(), fault });
                }
                retries.privilege_set = true;
                if let Some(channel) = &mut self.channel {
                    let message = Message::from(SetSessionPrivilege(privilege));
                    // Its answer shows in the next one to the command itself.
                    let request = Request::to_bmc(&message);
                    channel.exchange(request, SENDS_MAX, None, &mut self.known.round_trip, work).await;
                }
                Ok(None)
            }
            code if self.is_retryable(code, job) && work.has_time_for(retries.busy_pause()) => {
                warn!(bmc = %self.endpoint, command = job.command, code = %code, "the BMC is busy");
                work.pause(retries.busy_pause()).await;
                retries.busy += 1;
                Ok(None)
            }
            _ => Ok(Some(reply)),
        }
    }

    /// Whether the request of a job that changes something was sent more than once in this session.
    fn has_repeated(&self, job: &Job) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.under_way.as_ref() == Some(&job.message))
    }

    fn is_retryable(&self, code: CompletionCode, job: &Job) -> bool {
        if job.handled.contains(&code) {
            return false;
        }
        // A command the BMC gave up on may have been carried out in part.
        if code == CompletionCode::TIMEOUT && !job.repeat.outlives_session() {
            return false;
        }
        CompletionCode::RETRYABLE.contains(&code) || self.pool.options.retryable.contains(&code)
    }

    fn outcome_unknown(&self, job: &Job, work: &Work<'_>) -> TransportError {
        TransportError::OutcomeUnknown {
            endpoint: self.endpoint.clone(),
            command: job.command,
            effort: work.effort(),
        }
    }
}

/// What was already tried again for one command.
#[derive(Debug, Default)]
struct Retries {
    sessions_lost: u32,
    duplicates: u32,
    busy: u32,
    privilege_set: bool,
}

impl Retries {
    fn busy_pause(&self) -> Duration {
        (BUSY_PAUSE_MIN * (1 << self.busy.min(8))).min(BUSY_PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TransportOptions, mailbox};
    use super::*;

    /// Most bytes of a link that waits with its session, together with its mailbox: one and a half of the four KiB
    /// that a kept session may need. The rest is for tokio, the socket and what the pool knows.
    const WAITING_SIZE_MAX: usize = 1536;

    #[test]
    fn a_link_that_waits_is_small() {
        let pool = Arc::new(Pool::new(TransportOptions::default()));
        let endpoint = Endpoint { host: "192.0.2.1".to_owned(), port: 623 };
        let (mailbox, mails) = mailbox::open::<Mail>(1);
        let link = Box::new(Link::new(pool, endpoint, mails, Known::default()));
        let sizes = [size_of_val(&*link), mailbox.size(), size_of_val(&link.run())];

        assert!(sizes.iter().sum::<usize>() <= WAITING_SIZE_MAX, "link, mailbox, job: {sizes:?}");
    }
}
