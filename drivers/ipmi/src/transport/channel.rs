//! Messages inside one session, one at a time.

use std::time::Duration;

use ipmi_rs::connection::Message;
use rand::Rng;
use tokio::time::{Instant, sleep_until};

use super::link::Job;
use super::pool::Fingerprint;
use super::rtt::RoundTrip;
use super::wire::Wire;
use super::work::Work;
use crate::command::Repeat;
use crate::command::session::CloseSession;
use crate::crypto::{BLOCK_SIZE, CipherSuite};
use crate::packet::Discard;
use crate::packet::bridge::{self, Bridged};
use crate::packet::message::{Reply, RequestSequence, encode_request};
use crate::packet::wrapper::PayloadType;
use crate::session::{SequenceExhausted, Session};
use crate::target::Route;

/// How long the answer to Close Session is waited for.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Sends of Close Session: a BMC that has closed the session ignores the second, one that did not get the
/// first would keep a place occupied.
const CLOSE_SENDS_MAX: u32 = 2;

/// Authentic packets in a row that cannot be deciphered before the session is given up.
const UNDECIPHERABLE_MAX: u32 = 3;

/// A message and who is to get it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) message: &'a Message,
    /// Unit of the controller.
    pub(super) unit: u8,
    /// The way to a controller behind the BMC.
    pub(super) route: Option<&'a Route>,
    /// Shortest wait for its answer.
    pub(super) wait_min: Duration,
}

impl<'a> Request<'a> {
    /// For the BMC itself.
    pub(super) fn to_bmc(message: &'a Message) -> Self {
        Self { message, unit: 0, route: None, wait_min: Duration::ZERO }
    }

    fn encode(self, sequence: RequestSequence) -> Vec<u8> {
        match self.route {
            None => encode_request(self.message, self.unit, sequence),
            Some(route) => {
                encode_request(&bridge::wrap(self.message, self.unit, route, sequence), 0, sequence)
            }
        }
    }

    /// What a reply means for this request.
    fn heard(self, reply: Reply, sequence: RequestSequence) -> Result<Heard, Discard> {
        if self.route.is_none() {
            return if reply.answers(self.message, sequence) {
                Ok(Heard::Reply(reply))
            } else {
                Err(Discard::Unasked)
            };
        }
        match bridge::unwrap(reply, self.message, sequence) {
            Bridged::Answer(reply) | Bridged::Refused(reply) => Ok(Heard::Reply(reply)),
            Bridged::Sent => Ok(Heard::Sent),
            Bridged::Unasked => Err(Discard::Unasked),
        }
    }
}

/// What a datagram brought.
enum Heard {
    Reply(Reply),
    /// The BMC has sent the request on; the reply follows.
    Sent,
    /// The session cannot be used any longer.
    Broken,
}

/// A session and the wire it runs on.
#[derive(Debug)]
pub(super) struct Channel {
    wire: Wire,
    session: Session,
    /// Whose session it is.
    pub(super) fingerprint: Fingerprint,
    /// A request that changes something and was sent more than once: a copy may still be on its way.
    pub(super) under_way: Option<Message>,
    /// Logins given up after RAKP 3, whose sessions may have come into being since.
    ghosts: Vec<Session>,
    last_sent: Option<Instant>,
    last_heard: Instant,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// The BMC's answer.
    Reply(Reply),
    /// No answer, however often it was sent.
    Silence,
    /// The session cannot be used any longer.
    Broken,
}

impl Channel {
    pub(super) fn new(wire: Wire, session: Session, fingerprint: Fingerprint, ghosts: Vec<Session>) -> Self {
        let last_heard = Instant::now();
        Self { wire, session, fingerprint, under_way: None, ghosts, last_sent: None, last_heard }
    }

    /// Whether a late copy of an earlier request could undo what `job` does. Only the end of the session
    /// makes sure that the BMC ignores it.
    pub(super) fn may_be_overtaken_by(&self, job: &Job) -> bool {
        job.repeat != Repeat::Freely && self.under_way.as_ref().is_some_and(|sent| *sent != job.message)
    }

    /// How long ago the BMC was last heard in this session.
    pub(super) fn silent_for(&self) -> Duration {
        self.last_heard.elapsed()
    }

    /// Waits until the BMC may get the next message.
    pub(super) async fn pace(&self, interval: Duration, work: &Work<'_>) {
        if let Some(last) = self.last_sent {
            sleep_until((last + interval).min(work.deadline())).await;
        }
    }

    /// Sends a request up to `sends_max` times, each time with a new session sequence number, until it is
    /// answered. `patience` replaces the wait after the last send.
    pub(super) async fn exchange(
        &mut self,
        request: Request<'_>,
        sends_max: u32,
        patience: Option<Duration>,
        round_trip: &mut RoundTrip,
        work: &mut Work<'_>,
    ) -> Answer {
        let sequence = self.session.next_request();
        let payload = request.encode(sequence);
        let mut undecipherable = 0;
        for sends in 1..=sends_max {
            let Ok(datagram) = self.session.seal(PayloadType::IPMI, &payload, random_iv()) else {
                return Answer::Broken;
            };
            self.wire.send(&datagram, work).await;
            let sent = Instant::now();
            self.last_sent = Some(sent);
            let wait = patience.filter(|_| sends == sends_max).unwrap_or(round_trip.wait_after(sends));
            let wait = wait.max(request.wait_min);
            let Self { wire, session, .. } = self;
            let mut accept = |datagram: &[u8]| {
                let opened = session.open(datagram);
                undecipherable = match opened {
                    Err(Discard::Undecipherable) => undecipherable + 1,
                    Ok(_) => 0,
                    Err(_) => undecipherable,
                };
                if undecipherable == UNDECIPHERABLE_MAX {
                    return Ok(Heard::Broken);
                }
                let (payload_type, opened) = opened?;
                if payload_type != PayloadType::IPMI {
                    return Err(Discard::Unexpected);
                }
                let reply = Reply::parse(&opened)?;
                if !reply.checksums_good {
                    if !session.is_authenticated() {
                        return Err(Discard::BadChecksum);
                    }
                    // The packet is authentic, so nothing was damaged: the BMC sums up wrongly.
                    wire.tolerate(Discard::BadChecksum);
                }
                request.heard(reply, sequence)
            };
            let until = work.until(wait);
            loop {
                match wire.receive(until, work, &mut accept).await {
                    Some(Heard::Reply(reply)) => {
                        self.last_heard = Instant::now();
                        if sends == 1 {
                            round_trip.sample(sent.elapsed());
                        }
                        return Answer::Reply(reply);
                    }
                    Some(Heard::Sent) => {}
                    Some(Heard::Broken) => return Answer::Broken,
                    None if work.is_over() => return Answer::Silence,
                    None => break,
                }
            }
        }
        Answer::Silence
    }

    /// The BMC's name for the session.
    pub(super) fn bmc_id(&self) -> u32 {
        self.session.bmc_id()
    }

    /// The cipher suite of the session, if it has one.
    pub(super) fn suite(&self) -> Option<CipherSuite> {
        self.session.suite()
    }

    /// The sequence number for a request that is sent by [`send`](Self::send).
    pub(super) fn next_request(&mut self) -> RequestSequence {
        self.session.next_request()
    }

    /// Sends a payload once.
    pub(super) async fn send(
        &mut self,
        payload_type: PayloadType,
        payload: &[u8],
        work: &mut Work<'_>,
    ) -> Result<(), SequenceExhausted> {
        let datagram = self.session.seal(payload_type, payload, random_iv())?;
        self.wire.send(&datagram, work).await;
        Ok(())
    }

    /// Waits for the next payload of any type; `None` when `until` has come.
    pub(super) async fn receive(
        &mut self,
        until: Instant,
        work: &mut Work<'_>,
    ) -> Option<(PayloadType, Vec<u8>)> {
        let Self { wire, session, .. } = self;
        wire.receive(until, work, |datagram| session.open(datagram)).await
    }

    /// Counts a payload that was ignored.
    pub(super) fn discard(&self, reason: Discard) {
        self.wire.tolerate(reason);
    }

    /// Ends the session and waits a moment for the BMC to say so.
    pub(super) async fn close(self, round_trip: RoundTrip) {
        self.close_in(round_trip, CLOSE_PATIENCE, Duration::ZERO).await;
    }

    /// The same while thousands of others do so: to look at their answers takes longer than a BMC needs for one, and
    /// to ask again meanwhile would take longer still.
    pub(super) async fn close_with_others(self, round_trip: RoundTrip) {
        self.close_in(round_trip, CLOSE_PATIENCE + CLOSE_PATIENCE / 2, CLOSE_PATIENCE).await;
    }

    /// Ends the session within `patience`; asks again when the BMC is silent, but not before `wait_min`.
    async fn close_in(mut self, mut round_trip: RoundTrip, patience: Duration, wait_min: Duration) {
        let mut work = Work::errand(patience);
        let message = Message::from(CloseSession(self.session.bmc_id()));
        abandon_all(&self.wire, &mut self.ghosts, &mut work).await;
        let request = Request { wait_min, ..Request::to_bmc(&message) };
        let answer =
            self.exchange(request, CLOSE_SENDS_MAX, Some(CLOSE_PATIENCE), &mut round_trip, &mut work).await;
        if !matches!(answer, Answer::Reply(_)) {
            // Once more: on a busy machine there was time for one send only. What silence means then, the BMC
            // settles by its own time limit.
            self.abandon(&mut work).await;
        }
    }

    /// Ends the session without waiting: the BMC is silent anyway.
    pub(super) async fn abandon(mut self, work: &mut Work<'_>) {
        self.ghosts.push(self.session);
        abandon_all(&self.wire, &mut self.ghosts, work).await;
    }
}

/// Tells a BMC to end sessions that may or may not exist.
pub(super) async fn abandon_all(wire: &Wire, sessions: &mut [Session], work: &mut Work<'_>) {
    for session in sessions {
        let sequence = session.next_request();
        let message = Message::from(CloseSession(session.bmc_id()));
        let payload = encode_request(&message, 0, sequence);
        if let Ok(datagram) = session.seal(PayloadType::IPMI, &payload, random_iv()) {
            wire.send(&datagram, work).await;
        }
    }
}

fn random_iv() -> [u8; BLOCK_SIZE] {
    let mut iv = [0; BLOCK_SIZE];
    rand::rng().fill_bytes(&mut iv);
    iv
}
