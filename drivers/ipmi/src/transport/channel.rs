//! Messages inside one session, one at a time.

use std::time::Duration;

use ipmi_rs::connection::Message;
use rand::Rng;
use tokio::time::{Instant, sleep_until};

use super::pool::Fingerprint;
use super::rtt::RoundTrip;
use super::wire::Wire;
use super::work::Work;
use crate::command::session::CloseSession;
use crate::crypto::BLOCK_SIZE;
use crate::packet::Discard;
use crate::packet::message::{Reply, encode_request};
use crate::packet::wrapper::PayloadType;
use crate::session::Session;

/// How long the answer to Close Session is waited for; it is never repeated.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Authentic packets in a row that cannot be deciphered before the session is given up.
const UNDECIPHERABLE_MAX: u32 = 3;

/// Unit of the BMC that answers the commands of sessions and chassis.
const BMC_UNIT: u8 = 0;

/// A session and the wire it runs on.
#[derive(Debug)]
pub(super) struct Channel {
    wire: Wire,
    session: Session,
    /// Whose session it is.
    pub(super) fingerprint: Fingerprint,
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
    pub(super) fn new(wire: Wire, session: Session, fingerprint: Fingerprint) -> Self {
        Self { wire, session, fingerprint, last_sent: None, last_heard: Instant::now() }
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
        message: &Message,
        sends_max: u32,
        patience: Option<Duration>,
        round_trip: &mut RoundTrip,
        work: &mut Work<'_>,
    ) -> Answer {
        let sequence = self.session.next_request();
        let payload = encode_request(message, BMC_UNIT, sequence);
        let mut undecipherable = 0;
        for sends in 1..=sends_max {
            let Ok(datagram) = self.session.seal(PayloadType::IPMI, &payload, random_iv()) else {
                return Answer::Broken;
            };
            self.wire.send(&datagram, work).await;
            let sent = Instant::now();
            self.last_sent = Some(sent);
            let wait = patience.filter(|_| sends == sends_max).unwrap_or(round_trip.wait_after(sends));
            let Self { wire, session, .. } = self;
            let accept = |datagram: &[u8]| {
                let opened = session.open(datagram);
                undecipherable = match opened {
                    Err(Discard::Undecipherable) => undecipherable + 1,
                    Ok(_) => 0,
                    Err(_) => undecipherable,
                };
                if undecipherable == UNDECIPHERABLE_MAX {
                    return Ok(None);
                }
                let (payload_type, opened) = opened?;
                if payload_type != PayloadType::IPMI {
                    return Err(Discard::Unexpected);
                }
                let reply = Reply::parse(&opened)?;
                if !reply.checksums_good {
                    // The packet is authentic, so nothing was damaged: the BMC sums up wrongly.
                    wire.tolerate(Discard::BadChecksum);
                }
                if reply.answers(message, sequence) { Ok(Some(reply)) } else { Err(Discard::Unasked) }
            };
            match wire.receive(work.until(wait), work, accept).await {
                Some(Some(reply)) => {
                    self.last_heard = Instant::now();
                    if sends == 1 {
                        round_trip.sample(sent.elapsed());
                    }
                    return Answer::Reply(reply);
                }
                Some(None) => return Answer::Broken,
                None if work.is_over() => return Answer::Silence,
                None => {}
            }
        }
        Answer::Silence
    }

    /// Ends the session and waits a moment for the BMC to say so.
    pub(super) async fn close(mut self) {
        let mut work = Work::errand(CLOSE_PATIENCE);
        let message = Message::from(CloseSession(self.session.bmc_id()));
        // Its answer changes nothing, nor does silence: the BMC ends the session by its own time limit.
        let mut round_trip = RoundTrip::default();
        self.exchange(&message, 1, Some(CLOSE_PATIENCE), &mut round_trip, &mut work).await;
    }

    /// Ends the session without waiting: the BMC is silent anyway.
    pub(super) async fn abandon(self, work: &mut Work<'_>) {
        let Self { wire, session, .. } = self;
        abandon(&wire, session, work).await;
    }
}

/// Tells a BMC to end a session that may or may not exist.
pub(super) async fn abandon(wire: &Wire, mut session: Session, work: &mut Work<'_>) {
    let sequence = session.next_request();
    let message = Message::from(CloseSession(session.bmc_id()));
    let payload = encode_request(&message, BMC_UNIT, sequence);
    if let Ok(datagram) = session.seal(PayloadType::IPMI, &payload, random_iv()) {
        wire.send(&datagram, work).await;
    }
}

fn random_iv() -> [u8; BLOCK_SIZE] {
    let mut iv = [0; BLOCK_SIZE];
    rand::rng().fill_bytes(&mut iv);
    iv
}
