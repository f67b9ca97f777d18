//! Logging in: three requests, each answered, and a [`Session`] at the end.
//!
//! A login is used once. When the BMC falls silent after RAKP 1 or 3 it must be given up and a new one started
//! with new random numbers: the BMC's state has moved on, and most ignore a repeated message.
//!
//! Source: IPMI 2.0, sections 13.15 and 13.16.

use std::sync::Arc;

use crate::crypto::{CipherSuite, Digest};
use crate::packet::Discard;
use crate::packet::wrapper::{Packet, PayloadType, encode_plain};
use crate::target::Target;

use super::payload::{self, OpenSessionResponse, Rakp2, Rakp4};
use super::rakp::{self, Exchange};
use super::status::Status;
use super::{Session, SessionKeys};

/// The numbers a login needs; all of them must be random and used once.
#[derive(Debug, Clone, Copy)]
pub struct LoginRandom {
    /// Our session ID; 0 is replaced by 1.
    pub console_id: u32,
    /// Our part of the key exchange.
    pub console_random: [u8; 16],
    /// Tag of the first message; the next two follow it.
    pub tag: u8,
}

/// One attempt to log in.
#[derive(Debug)]
pub struct Login {
    target: Arc<Target>,
    suite: CipherSuite,
    console_id: u32,
    console_random: [u8; 16],
    tag: u8,
    stage: Stage,
    /// Places the BMC has given for repeated open session requests, beside the one in use.
    orphans: Vec<u32>,
}

/// Most places that are given back: one for each time an open session request may be sent, and as many again for
/// a network that doubles them.
const ORPHANS_MAX: usize = 8;

/// How far a login has come: what was sent last and what it needs to judge the answer.
#[derive(Debug)]
enum Stage {
    OpenSession,
    Rakp1 { bmc_id: u32 },
    Rakp3 { bmc_id: u32, proof: Digest, session_proof: Digest, keys: SessionKeys },
    Ended,
}

/// What a datagram did to a login.
#[derive(Debug)]
pub enum Progress {
    /// The next message is due: [`Login::datagram`].
    Send,
    /// The session exists.
    Established(Box<Session>),
}

/// The message a login waits for an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Open session request; may be repeated.
    OpenSession,
    /// RAKP 1; must not be repeated.
    Rakp1,
    /// RAKP 3; must not be repeated.
    Rakp3,
}

/// Why a login ended without a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginFault {
    /// The BMC refused.
    #[error("{status}")]
    Refused {
        /// What it said.
        status: Status,
        /// The refusal came with all the fields of an agreement: perhaps only the status was damaged.
        contradictory: bool,
    },
    /// The BMC chose other algorithms than the ones asked for.
    #[error("asked for algorithms {asked:?}, the BMC chose {chosen:?}")]
    Downgrade {
        /// Authentication, integrity, confidentiality we asked for.
        asked: [u8; 3],
        /// Those the BMC chose.
        chosen: [u8; 3],
    },
    /// The BMC named its session 0, which means none.
    #[error("the BMC gave session ID 0")]
    NoSessionId,
    /// The BMC's proof does not fit our password.
    #[error("the proof of the password does not fit")]
    Password,
    /// The BMC's proof of the session key does not fit, though the password did.
    #[error("the proof of the session key does not fit")]
    BmcKey,
}

impl Login {
    /// Starts an attempt; [`Self::datagram`] is to be sent.
    #[must_use]
    pub fn new(target: Arc<Target>, suite: CipherSuite, random: LoginRandom) -> Self {
        Self {
            target,
            suite,
            console_id: random.console_id.max(1),
            console_random: random.console_random,
            tag: random.tag,
            stage: Stage::OpenSession,
            orphans: Vec::new(),
        }
    }

    /// What an answer is awaited to; `None` once the login has ended.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        match self.stage {
            Stage::OpenSession => Some(Phase::OpenSession),
            Stage::Rakp1 { .. } => Some(Phase::Rakp1),
            Stage::Rakp3 { .. } => Some(Phase::Rakp3),
            Stage::Ended => None,
        }
    }

    /// The message to send now; `None` once the login has ended.
    #[must_use]
    pub fn datagram(&self) -> Option<Vec<u8>> {
        let (payload_type, payload) = match &self.stage {
            Stage::OpenSession => (
                PayloadType::OPEN_SESSION_REQUEST,
                payload::open_session_request(self.tag, self.console_id, self.suite),
            ),
            Stage::Rakp1 { bmc_id } => {
                let credentials = &self.target.credentials;
                let role = rakp::role(credentials.privilege);
                let random = &self.console_random;
                let user = credentials.user();
                (PayloadType::RAKP_1, payload::rakp_1(self.tag, *bmc_id, random, role, user))
            }
            Stage::Rakp3 { bmc_id, proof, .. } => {
                (PayloadType::RAKP_3, payload::rakp_3(self.tag, Status::OK, *bmc_id, proof.as_bytes()))
            }
            Stage::Ended => return None,
        };
        Some(encode_plain(payload_type, &payload))
    }

    /// Takes a datagram: the answer, or one to ignore.
    ///
    /// # Errors
    ///
    /// A [`LoginFault`] inside `Ok` ends the login; a [`Discard`] leaves it as it was.
    pub fn receive(&mut self, datagram: &[u8]) -> Result<Result<Progress, LoginFault>, Discard> {
        let packet = Packet::parse(datagram)?;
        if packet.session_id != 0 || packet.encrypted || packet.authenticated {
            return Err(Discard::Foreign);
        }
        let (expected, phase) = match self.phase() {
            Some(phase @ Phase::OpenSession) => (PayloadType::OPEN_SESSION_RESPONSE, phase),
            Some(phase @ Phase::Rakp1) => (PayloadType::RAKP_2, phase),
            Some(phase @ Phase::Rakp3) => (PayloadType::RAKP_4, phase),
            None => return Err(Discard::Unasked),
        };
        if packet.payload_type != expected {
            if packet.payload_type == PayloadType::OPEN_SESSION_RESPONSE {
                self.note_orphan(packet.payload);
            }
            return Err(Discard::Unexpected);
        }
        let outcome = match phase {
            Phase::OpenSession => self.receive_open_session(packet.payload)?,
            Phase::Rakp1 => self.receive_rakp_2(packet.payload)?,
            Phase::Rakp3 => self.receive_rakp_4(packet.payload)?,
        };
        match &outcome {
            Ok(Progress::Send) => self.tag = self.tag.wrapping_add(1),
            // The stage of a refused login is kept for its farewell.
            Ok(Progress::Established(_)) => self.stage = Stage::Ended,
            Err(_) => {}
        }
        Ok(outcome)
    }

    /// What frees the BMC's place for this session when the login is given up, if there is such a message.
    ///
    /// Before RAKP 3 it is a RAKP 3 that reports an error. After it the session may exist without our
    /// knowing, see [`Self::unconfirmed_session`].
    #[must_use]
    pub fn farewell(&self) -> Option<Vec<u8>> {
        let Stage::Rakp1 { bmc_id } = self.stage else { return None };
        let payload = payload::rakp_3(self.tag, Status::BAD_CHECK_VALUE, bmc_id, &[]);
        Some(encode_plain(PayloadType::RAKP_3, &payload))
    }

    /// What gives back the places the BMC has given beside the one in use: it answers every copy of an open session
    /// request with another, and has few.
    pub fn orphan_farewells(&mut self) -> Vec<Vec<u8>> {
        let farewell =
            |id| encode_plain(PayloadType::RAKP_3, &payload::rakp_3(0, Status::BAD_CHECK_VALUE, id, &[]));
        self.orphans.drain(..).map(farewell).collect()
    }

    fn note_orphan(&mut self, payload: &[u8]) {
        let used = match self.stage {
            Stage::Rakp1 { bmc_id } | Stage::Rakp3 { bmc_id, .. } => bmc_id,
            Stage::OpenSession | Stage::Ended => return,
        };
        let Some(response) = OpenSessionResponse::parse(payload) else { return };
        let (Some(accepted), Some(id)) = (response.accepted, response.console_id) else { return };
        let another = id == self.console_id && response.status == Status::OK && accepted.bmc_id != used;
        if another && self.orphans.len() < ORPHANS_MAX && !self.orphans.contains(&accepted.bmc_id) {
            self.orphans.push(accepted.bmc_id);
        }
    }

    /// The session as the BMC sees it if RAKP 3 arrived but its answer did not; good for closing it only.
    #[must_use]
    pub fn unconfirmed_session(&self) -> Option<Session> {
        let Stage::Rakp3 { bmc_id, keys, .. } = &self.stage else { return None };
        Some(Session::new(self.suite, *bmc_id, self.console_id, keys.clone()))
    }

    fn receive_open_session(&mut self, payload: &[u8]) -> Result<Result<Progress, LoginFault>, Discard> {
        let response = OpenSessionResponse::parse(payload).ok_or(Discard::Truncated)?;
        self.check_addressee(response.tag, response.console_id, response.status)?;
        if response.status != Status::OK {
            let contradictory = response.accepted.is_some_and(|accepted| {
                accepted.bmc_id != 0 && accepted.algorithms == self.suite.algorithms()
            });
            return Ok(Err(LoginFault::Refused { status: response.status, contradictory }));
        }
        let accepted = response.accepted.ok_or(Discard::Truncated)?;
        if accepted.algorithms != self.suite.algorithms() {
            let asked = self.suite.algorithms();
            return Ok(Err(LoginFault::Downgrade { asked, chosen: accepted.algorithms }));
        }
        if accepted.bmc_id == 0 {
            return Ok(Err(LoginFault::NoSessionId));
        }
        self.stage = Stage::Rakp1 { bmc_id: accepted.bmc_id };
        Ok(Ok(Progress::Send))
    }

    fn receive_rakp_2(&mut self, payload: &[u8]) -> Result<Result<Progress, LoginFault>, Discard> {
        let Stage::Rakp1 { bmc_id } = self.stage else { return Err(Discard::Unasked) };
        let message = Rakp2::parse(payload).ok_or(Discard::Truncated)?;
        self.check_addressee(message.tag, message.console_id, message.status)?;
        let target = Arc::clone(&self.target);
        let password = target.credentials.password().expose();
        let code_size = self.suite.exchange_code_size();
        let proven = message.proof.and_then(|proof| {
            // A BMC may have gone on with the place it gave for a copy of the open session request.
            let ids = std::iter::once(bmc_id).chain(self.orphans.iter().copied());
            let mut exchanges = ids.map(|bmc_id| Exchange {
                suite: self.suite,
                console_id: self.console_id,
                bmc_id,
                console_random: self.console_random,
                bmc_random: proof.random,
                guid: proof.guid,
                role: rakp::role(target.credentials.privilege),
                user: target.credentials.user(),
            });
            exchanges.find(|exchange| exchange.bmc_proof(password).verifies(proof.code, code_size))
        });
        if message.status != Status::OK {
            let contradictory = proven.is_some();
            return Ok(Err(LoginFault::Refused { status: message.status, contradictory }));
        }
        if message.proof.is_none() {
            return Err(Discard::Truncated);
        }
        let Some(exchange) = proven else { return Ok(Err(LoginFault::Password)) };
        for orphan in &mut self.orphans {
            if *orphan == exchange.bmc_id {
                *orphan = bmc_id;
            }
        }
        let session_key = exchange.session_key(target.credentials.derivation_key().expose());
        self.stage = Stage::Rakp3 {
            bmc_id: exchange.bmc_id,
            proof: exchange.console_proof(password),
            session_proof: exchange.session_proof(&session_key),
            keys: SessionKeys::derive(self.suite, &session_key),
        };
        Ok(Ok(Progress::Send))
    }

    fn receive_rakp_4(&self, payload: &[u8]) -> Result<Result<Progress, LoginFault>, Discard> {
        let Stage::Rakp3 { bmc_id, session_proof, keys, .. } = &self.stage else {
            return Err(Discard::Unasked);
        };
        let message = Rakp4::parse(payload).ok_or(Discard::Truncated)?;
        self.check_addressee(message.tag, message.console_id, message.status)?;
        let proven = session_proof.verifies(message.check_value, self.suite.check_value_size());
        if message.status != Status::OK {
            return Ok(Err(LoginFault::Refused { status: message.status, contradictory: proven }));
        }
        if !proven {
            return Ok(Err(LoginFault::BmcKey));
        }
        let session = Session::new(self.suite, *bmc_id, self.console_id, keys.clone());
        Ok(Ok(Progress::Established(Box::new(session))))
    }

    /// Refuses what answers another attempt. A tag of 0 passes: a BMC was seen to answer so. Short refusals
    /// carry no session ID, and some carry 0, so those must have the right tag.
    fn check_addressee(&self, tag: u8, console_id: Option<u32>, status: Status) -> Result<(), Discard> {
        let tag_fits = tag == self.tag;
        let fits = match console_id {
            Some(id) if id == self.console_id => tag_fits || tag == 0,
            None | Some(0) => tag_fits && status != Status::OK,
            Some(_) => false,
        };
        if fits { Ok(()) } else { Err(Discard::Foreign) }
    }
}
