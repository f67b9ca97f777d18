//! Opening a session: which cipher suite, how often, and when to give up.

use std::sync::Arc;
use std::time::Duration;

use farrier_sdk::prelude::{debug, info};
use ipmi_rs::connection::{IpmiCommand, Message};
use rand::Rng;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::channel::{Answer, Channel, Request, abandon_all};
use super::error::{AuthenticationFault, Result, TransportError};
use super::link::{Link, SENDS_MAX};
use super::pool::Fingerprint;
use super::wire::{ConnectError, Wire};
use super::work::Work;
use crate::command::Command;
use crate::command::completion::CompletionCode;
use crate::command::session::{
    GetChannelCipherSuites, SUITE_LIST_INDEX_MAX, SUITE_LIST_PART_SIZE, SetSessionPrivilege, offered_suites,
};
use crate::crypto::CipherSuite;
use crate::packet::Discard;
use crate::packet::message::{Reply, RequestSequence, encode_request};
use crate::packet::wrapper::{Packet, PayloadType, encode_plain};
use crate::quirks;
use crate::session::login::{LoginFault, LoginRandom, Phase, Progress};
use crate::session::status::{Status, StatusClass};
use crate::session::{Handshake, Session};
use crate::target::{Target, Version};

/// Most logins without any answer.
const UNANSWERED_MAX: u32 = 4;

/// Most logins in which the BMC falls silent after RAKP 1.
const SILENT_MAX: u32 = 8;

/// The same for a user whose password the BMC has proven to know: then silence has other reasons.
const SILENT_PROVEN_MAX: u32 = 24;

/// Most logins with a password or BMC key that does not fit: more could lock the account. Also the most with a
/// fault that may come from a damaged datagram.
const FAULTY_MAX: u32 = 2;

/// Pause before another try when all sessions of the BMC are taken.
const SLOTS_PAUSE: Duration = Duration::from_secs(5);

/// How long an answer to the question for cipher suites is waited for; many BMCs never give one.
const SUITE_LIST_PATIENCE: Duration = Duration::from_millis(300);

/// First pause after a failed name resolution; doubled each time.
const RESOLVE_PAUSE: Duration = Duration::from_secs(1);

/// How one login ended.
enum Outcome {
    Established(Session),
    /// No answer to any open session request.
    Unanswered,
    /// Silence after RAKP 1 or 3, where a repetition does not help.
    Silent,
    Fault(LoginFault),
}

/// What came of asking for the level of a new session.
enum Raised {
    Done(Box<Channel>),
    Silent,
    /// The BMC does not set levels here, whatever the level.
    Refused(String),
}

/// What went wrong so far, by kind.
#[derive(Default)]
struct Tally {
    unanswered: u32,
    silent: u32,
    /// The BMC has shown that it knows the password.
    proven: bool,
    unresolved: u32,
    password: u32,
    bmc_key: u32,
    user: u32,
    other: u32,
    contradictions: u32,
}

/// The cipher suites of one login, at least one, and how far we are through them.
struct Suites {
    order: Vec<CipherSuite>,
    turn: usize,
}

impl Suites {
    fn current(&self) -> CipherSuite {
        let [best, ..] = CipherSuite::GOOD;
        self.order.get(self.turn).copied().unwrap_or(best)
    }

    /// Goes on to the next suite; false when this is the last.
    fn next(&mut self) -> bool {
        let is_there = self.turn + 1 < self.order.len();
        self.turn += usize::from(is_there);
        is_there
    }

    /// The numbers tried so far.
    fn tried(&self) -> String {
        let tried: Vec<_> =
            self.order.iter().take(self.turn + 1).map(|suite| suite.id().to_string()).collect();
        tried.join(", ")
    }
}

impl Link {
    /// Opens a session at the target's level.
    pub(super) async fn login(
        &mut self,
        target: &Arc<Target>,
        fingerprint: Fingerprint,
        work: &mut Work<'_>,
    ) -> Result<Channel> {
        self.known.last_login = Some(Instant::now());
        let mut permit = self.login_permit(work).await?;
        let mut tally = Tally { proven: self.known.proven == Some(fingerprint), ..Tally::default() };
        let mut suites = None;
        let mut wire = None;
        let mut ghosts = Vec::new();
        loop {
            self.check(work)?;
            let ready = match wire.take() {
                Some(wire) => wire,
                None => match self.connect(&mut tally, work).await? {
                    Some(wire) => wire,
                    None => continue,
                },
            };
            let suites = match &mut suites {
                Some(suites) => suites,
                none => none.insert(self.suites(target, &ready, work).await),
            };
            let suite = suites.current();
            work.login_started();
            let mut login = Handshake::new(Arc::clone(target), suite, random());
            let outcome = self.attempt(&ready, &mut login, tally.silent, &mut permit, work).await;
            give_back(&ready, suite, &mut login, &mut ghosts, work).await;
            match outcome {
                Outcome::Established(session) => {
                    tally.proven = true;
                    abandon_all(&ready, &mut ghosts, work).await;
                    let ghosts = std::mem::take(&mut ghosts);
                    let channel = Channel::new(ready, session, fingerprint, ghosts);
                    match self.set_privilege(channel, target, work).await? {
                        Raised::Done(channel) => {
                            self.remember(suite, target, fingerprint);
                            return Ok(*channel);
                        }
                        Raised::Silent => self.silent(&mut tally, work)?,
                        // Some BMCs do so in sessions of one suite and not of the other.
                        Raised::Refused(reason) if suites.next() => {
                            info!(bmc = %self.endpoint, suite = suite.id(), reason, "cipher suite not usable");
                        }
                        Raised::Refused(reason) => {
                            let endpoint = self.endpoint.clone();
                            return Err(TransportError::Login { endpoint, reason });
                        }
                    }
                }
                Outcome::Unanswered => {
                    tally.unanswered += 1;
                    if tally.unanswered == UNANSWERED_MAX {
                        return Err(work.gave_up(&self.endpoint));
                    }
                }
                Outcome::Silent => {
                    tally.proven |= login.phase() == Some(Phase::Rakp3);
                    if quirks::takes_early_farewells(suite) {
                        say_farewell(&ready, &login, work).await;
                    }
                    self.silent(&mut tally, work)?;
                    wire = Some(ready);
                }
                Outcome::Fault(fault) => {
                    self.consider(fault, target, suites, &mut tally, work).await?;
                    wire = Some(ready);
                }
            }
        }
    }

    /// Remembers what has worked.
    fn remember(&mut self, suite: CipherSuite, target: &Target, fingerprint: Fingerprint) {
        if target.version == Version::V2_0 {
            self.known.suite = Some(suite);
        }
        self.known.proven = Some(fingerprint);
        self.known.refusal = None;
        debug!(bmc = %self.endpoint, suite = suite.id(), "session opened");
    }

    /// Keeps logins to one BMC apart.
    pub(super) async fn hold_back(&self, work: &Work<'_>) -> Result<()> {
        let paced = self.known.last_login.map(|last| last + self.pool.options.login_interval);
        if let Some(earliest) = paced.max(self.known.away_until) {
            let wait = earliest.saturating_duration_since(Instant::now());
            if !wait.is_zero() && !work.has_time_for(wait) {
                return Err(TransportError::HeldBack { endpoint: self.endpoint.clone(), wait });
            }
            work.pause(wait).await;
        }
        Ok(())
    }

    async fn login_permit(&self, work: &Work<'_>) -> Result<Option<OwnedSemaphorePermit>> {
        match timeout_at(work.deadline(), Arc::clone(&self.pool.logins).acquire_owned()).await {
            Ok(permit) => Ok(permit.ok()),
            Err(_) => Err(TransportError::Queued { endpoint: self.endpoint.clone(), effort: work.effort() }),
        }
    }

    /// A socket, or `None` to try again.
    async fn connect(&self, tally: &mut Tally, work: &mut Work<'_>) -> Result<Option<Wire>> {
        match Wire::connect(&self.endpoint, tally.unanswered, work, &self.pool.discards).await {
            Ok(wire) => Ok(Some(wire)),
            Err(ConnectError::Unresolved(reason)) => {
                tally.unresolved += 1;
                let pause = RESOLVE_PAUSE * (1 << tally.unresolved.min(4));
                if tally.unresolved == UNANSWERED_MAX || !work.has_time_for(pause) {
                    let (endpoint, effort) = (self.endpoint.clone(), work.effort());
                    return Err(TransportError::Unresolved { endpoint, reason, effort });
                }
                work.pause(pause).await;
                Ok(None)
            }
            Err(ConnectError::Socket(error)) => {
                work.unsent(error.to_string());
                tally.unanswered += 1;
                if tally.unanswered == UNANSWERED_MAX {
                    return Err(work.gave_up(&self.endpoint));
                }
                work.pause(self.known.round_trip.wait_after(tally.unanswered)).await;
                Ok(None)
            }
        }
    }

    /// The suites to try: the pinned one; or the one that worked last first; or as the BMC's list says.
    async fn suites(&self, target: &Target, wire: &Wire, work: &mut Work<'_>) -> Suites {
        let allowed = match self.pool.options.suites.as_slice() {
            [] => &CipherSuite::GOOD,
            some => some,
        };
        let order = match (target.suite, self.known.suite) {
            (Some(pinned), _) => vec![pinned],
            // It has no suites; this stands for its only way.
            (None, _) if target.version == Version::V1_5 => vec![CipherSuite::Sha1],
            (None, Some(known)) => preferred(&[known], allowed),
            (None, None) if allowed.len() < 2 => allowed.to_vec(),
            (None, None) => preferred(&self.offered(wire, work).await, allowed),
        };
        Suites { order, turn: 0 }
    }

    /// Asks the BMC for its cipher suites, once; no answer and nonsense are the same.
    async fn offered(&self, wire: &Wire, work: &mut Work<'_>) -> Vec<CipherSuite> {
        let mut list = Vec::new();
        let patience = self.known.round_trip.short_wait(SUITE_LIST_PATIENCE);
        for index in 0..=SUITE_LIST_INDEX_MAX {
            let message = Message::from(GetChannelCipherSuites { index });
            let sequence = RequestSequence::new(index);
            let request = encode_plain(PayloadType::IPMI, &encode_request(&message, 0, sequence));
            wire.send(&request, work).await;
            let accept = |datagram: &[u8]| sessionless_reply(datagram, &message, sequence);
            let Some(reply) = wire.receive(work.until(patience), work, accept).await else { break };
            let part = match CompletionCode(reply.completion_code) {
                CompletionCode::SUCCESS => GetChannelCipherSuites::parse_success_response(&reply.data),
                _ => break,
            };
            let Ok(part) = part else { break };
            list.extend_from_slice(&part);
            if part.len() < SUITE_LIST_PART_SIZE {
                break;
            }
        }
        offered_suites(&list)
    }

    /// One login from open session request to RAKP 4.
    async fn attempt(
        &mut self,
        wire: &Wire,
        login: &mut Handshake,
        restarts: u32,
        permit: &mut Option<OwnedSemaphorePermit>,
        work: &mut Work<'_>,
    ) -> Outcome {
        let mut sends = 0;
        while let (Some(phase), Some(datagram)) = (login.phase(), login.datagram()) {
            wire.send(&datagram, work).await;
            sends += 1;
            let sent = Instant::now();
            let wait = match phase {
                Phase::OpenSession => self.known.round_trip.wait_after(sends),
                // Two restarts with each wait: 250, 250, 500, 500, ... ms for a quick BMC.
                Phase::Rakp1 | Phase::Rakp3 => self.known.round_trip.wait_after(1 + restarts / 2),
            };
            match wire.receive(work.until(wait), work, |datagram| login.receive(datagram)).await {
                Some(Ok(Progress::Send)) => {
                    if sends == 1 {
                        self.known.round_trip.sample(sent.elapsed());
                    }
                    sends = 0;
                }
                Some(Ok(Progress::Established(session))) => return Outcome::Established(*session),
                Some(Err(fault)) => {
                    if fault == LoginFault::Password {
                        say_farewell(wire, login, work).await;
                    }
                    return Outcome::Fault(fault);
                }
                None if phase != Phase::OpenSession => return Outcome::Silent,
                None if sends == SENDS_MAX || work.is_over() => return Outcome::Unanswered,
                // A silent BMC does not keep others from logging in.
                None => drop(permit.take()),
            }
        }
        Outcome::Unanswered
    }

    /// Raises a session to the target's level.
    async fn set_privilege(
        &mut self,
        mut channel: Channel,
        target: &Target,
        work: &mut Work<'_>,
    ) -> Result<Raised> {
        let privilege = target.credentials.privilege;
        let message = Message::from(SetSessionPrivilege(privilege));
        let request = Request::to_bmc(&message);
        let answer = channel.exchange(request, SENDS_MAX, None, &mut self.known.round_trip, work).await;
        let Answer::Reply(reply) = answer else {
            channel.abandon(work).await;
            return Ok(Raised::Silent);
        };
        let code = CompletionCode(reply.completion_code);
        if code == CompletionCode::SUCCESS {
            return Ok(Raised::Done(Box::new(channel)));
        }
        channel.close(self.known.round_trip).await;
        if SetSessionPrivilege::REFUSALS.contains(&code.0) || code == CompletionCode::INSUFFICIENT_PRIVILEGE {
            let (endpoint, fault) = (self.endpoint.clone(), AuthenticationFault::Privilege(privilege));
            return Err(TransportError::Authentication { endpoint, fault });
        }
        let text = code.text(message.netfn_raw(), message.cmd());
        Ok(Raised::Refused(format!("{} refused: {text} ({code})", SetSessionPrivilege::NAME)))
    }

    /// Counts a BMC that fell silent within a login.
    fn silent(&self, tally: &mut Tally, work: &Work<'_>) -> Result<()> {
        tally.silent += 1;
        if tally.proven {
            return if tally.silent < SILENT_PROVEN_MAX {
                self.check(work)
            } else {
                Err(work.gave_up(&self.endpoint))
            };
        }
        // Once may be bad luck, twice is a habit.
        if tally.silent < SILENT_MAX && (tally.silent < 2 || !work.is_over()) {
            return self.check(work);
        }
        Err(TransportError::LoginUnanswered { endpoint: self.endpoint.clone(), effort: work.effort() })
    }

    /// Decides what follows a fault: another login, which this returns for, or an error.
    async fn consider(
        &mut self,
        fault: LoginFault,
        target: &Target,
        suites: &mut Suites,
        tally: &mut Tally,
        work: &Work<'_>,
    ) -> Result<()> {
        debug!(bmc = %self.endpoint, fault = %fault, "login failed");
        let class = match fault {
            LoginFault::Refused { contradictory: true, .. } if tally.contradictions == 0 => {
                tally.contradictions += 1;
                return Ok(());
            }
            LoginFault::Refused { status, .. } => status.class(),
            LoginFault::Downgrade { .. } => StatusClass::NextSuite,
            LoginFault::NoSessionId => StatusClass::StartOver,
            LoginFault::Password => StatusClass::Password,
            LoginFault::BmcKey => {
                tally.bmc_key += 1;
                return self.again(tally.bmc_key, AuthenticationFault::BmcKey);
            }
        };
        match class {
            StatusClass::Slots if work.has_time_for(SLOTS_PAUSE) => {
                work.pause(SLOTS_PAUSE).await;
                Ok(())
            }
            StatusClass::Slots => {
                let (endpoint, effort) = (self.endpoint.clone(), work.effort());
                Err(TransportError::TooManySessions { endpoint, effort })
            }
            StatusClass::NextSuite => self.next_suite(fault, target, suites, tally),
            StatusClass::Password => {
                tally.password += 1;
                self.again(tally.password, AuthenticationFault::Password)
            }
            StatusClass::User => self.user_refused(AuthenticationFault::User, tally),
            StatusClass::Privilege => {
                let fault = AuthenticationFault::Privilege(target.credentials.privilege);
                self.user_refused(fault, tally)
            }
            StatusClass::StartOver => {
                tally.other += 1;
                if tally.other < FAULTY_MAX {
                    return Ok(());
                }
                let (endpoint, reason) = (self.endpoint.clone(), fault.to_string());
                Err(TransportError::Login { endpoint, reason })
            }
        }
    }

    /// A user that was let in before is not believed gone because of one datagram; others are.
    fn user_refused(&self, fault: AuthenticationFault, tally: &mut Tally) -> Result<()> {
        tally.user += 1;
        self.again(if tally.proven { tally.user } else { FAULTY_MAX }, fault)
    }

    /// Another login, or the error once there were enough.
    fn again(&self, attempts: u32, fault: AuthenticationFault) -> Result<()> {
        if attempts < FAULTY_MAX {
            return Ok(());
        }
        Err(TransportError::Authentication { endpoint: self.endpoint.clone(), fault })
    }

    /// Goes on to the next suite; the last one gets a second chance, in case a datagram was damaged.
    fn next_suite(
        &mut self,
        fault: LoginFault,
        target: &Target,
        suites: &mut Suites,
        tally: &mut Tally,
    ) -> Result<()> {
        info!(bmc = %self.endpoint, suite = suites.current().id(), reason = %fault, "cipher suite not usable");
        if suites.next() {
            return Ok(());
        }
        tally.other += 1;
        if tally.other < FAULTY_MAX {
            return Ok(());
        }
        self.known.suite = None;
        let endpoint = self.endpoint.clone();
        if let LoginFault::Downgrade { .. } = fault {
            let (tried, reason) = (suites.tried(), fault.to_string());
            return Err(TransportError::Downgrade { endpoint, tried, reason });
        }
        if let LoginFault::Refused { status: Status::ROLE_NOT_ALLOWED, .. } = fault {
            let fault = AuthenticationFault::Privilege(target.credentials.privilege);
            return Err(TransportError::Authentication { endpoint, fault });
        }
        Err(self.no_suite(suites, &fault.to_string()))
    }

    fn no_suite(&self, suites: &Suites, reason: &str) -> TransportError {
        TransportError::NoCipherSuite {
            endpoint: self.endpoint.clone(),
            tried: suites.tried(),
            reason: reason.to_owned(),
        }
    }
}

/// Tells the BMC that a login is given up, so that its place is free at once.
async fn say_farewell(wire: &Wire, login: &Handshake, work: &mut Work<'_>) {
    if let Some(datagram) = login.farewell() {
        wire.send(&datagram, work).await;
    }
}

/// Gives back what the BMC may hold for us without need: places for copies of a request, and a session whose
/// beginning we have not seen because its last answer was lost or damaged.
async fn give_back(
    wire: &Wire,
    suite: CipherSuite,
    login: &mut Handshake,
    ghosts: &mut Vec<Session>,
    work: &mut Work<'_>,
) {
    if quirks::takes_early_farewells(suite) {
        for farewell in login.orphan_farewells() {
            wire.send(&farewell, work).await;
        }
    }
    if let Some(ghost) = login.unconfirmed_session() {
        ghosts.push(ghost);
        abandon_all(wire, ghosts, work).await;
    }
}

/// `first` as far as they are allowed, then the others that are.
fn preferred(first: &[CipherSuite], allowed: &[CipherSuite]) -> Vec<CipherSuite> {
    let mut order: Vec<_> = first.iter().copied().filter(|suite| allowed.contains(suite)).collect();
    order.extend(allowed.iter().filter(|suite| !first.contains(suite)));
    order
}

fn sessionless_reply(
    datagram: &[u8],
    request: &Message,
    sequence: RequestSequence,
) -> Result<Reply, Discard> {
    let packet = Packet::parse(datagram)?;
    if packet.session_id != 0 || packet.payload_type != PayloadType::IPMI || packet.authenticated {
        return Err(Discard::Unexpected);
    }
    let reply = Reply::parse(packet.payload)?;
    if !reply.checksums_good {
        return Err(Discard::BadChecksum);
    }
    if reply.answers(request, sequence) { Ok(reply) } else { Err(Discard::Unasked) }
}

/// Numbers for one login, of a generator that the operating system seeds.
fn random() -> LoginRandom {
    let mut generator = rand::rng();
    let mut console_random = [0; 16];
    generator.fill_bytes(&mut console_random);
    let [tag, ..] = generator.next_u32().to_le_bytes();
    // 1 to 64: tags of one login stay away from 0, which some BMCs answer with.
    LoginRandom { console_id: generator.next_u32(), console_random, tag: (tag & 0x3F) + 1 }
}
