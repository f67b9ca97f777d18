//! A session with a BMC, without any I/O: datagrams go in, datagrams come out.
//!
//! [`login`] sets one up by RMCP+, [`old`] by IPMI 1.5; [`Handshake`] is either. [`Session`] seals requests and
//! opens replies. Time, sockets and repetition are the business of [`transport`](crate::transport).

pub mod login;
pub mod old;
pub mod payload;
pub mod rakp;
pub mod replay;
pub mod status;

use std::sync::Arc;

use crate::crypto::{self, BLOCK_SIZE, CipherSuite, Digest};
use crate::packet::message::RequestSequence;
use crate::packet::wrapper::{Packet, PayloadType, encode_sealed};
use crate::packet::{Discard, RMCP_HEADER};
use crate::target::{Target, Version};
use login::{Login, LoginFault, LoginRandom, Phase, Progress};
use old::{OldGuard, OldLogin};
use replay::ReplayWindow;

/// The keys that guard the packets of a session.
#[derive(Debug, Clone)]
pub struct SessionKeys {
    /// Guards integrity.
    pub integrity: Digest,
    /// Its first 16 bytes encrypt.
    pub confidentiality: Digest,
}

impl SessionKeys {
    /// Derives both keys from the session integrity key.
    ///
    /// Source: IPMI 2.0, section 13.32.
    #[must_use]
    pub fn derive(suite: CipherSuite, session_key: &Digest) -> Self {
        let key = |constant| suite.hmac(session_key.as_bytes(), &[&[constant; 20]]);
        Self { integrity: key(1), confidentiality: key(2) }
    }
}

/// What guards the packets of a session.
#[derive(Debug)]
enum Guard {
    /// The keys of a cipher suite.
    Plus { suite: CipherSuite, console_id: u32, keys: SessionKeys },
    /// The password, as IPMI 1.5 uses it.
    Old(OldGuard),
}

/// One session: its IDs, keys and counters.
#[derive(Debug)]
pub struct Session {
    bmc_id: u32,
    guard: Guard,
    /// Number of the last packet sent.
    sequence: u32,
    request_sequence: RequestSequence,
    received: ReplayWindow,
}

impl Session {
    /// A session of RMCP+ both sides have agreed on.
    #[must_use]
    pub fn new(suite: CipherSuite, bmc_id: u32, console_id: u32, keys: SessionKeys) -> Self {
        Self::guarded(bmc_id, Guard::Plus { suite, console_id, keys }, 0)
    }

    /// A session of IPMI 1.5; `first` is the number of its first packet.
    #[must_use]
    pub(crate) fn old(bmc_id: u32, guard: OldGuard, first: u32) -> Self {
        Self::guarded(bmc_id, Guard::Old(guard), first.wrapping_sub(1))
    }

    fn guarded(bmc_id: u32, guard: Guard, sequence: u32) -> Self {
        let (request_sequence, received) = (RequestSequence::default(), ReplayWindow::default());
        Self { bmc_id, guard, sequence, request_sequence, received }
    }

    /// The BMC's name for this session.
    #[must_use]
    pub fn bmc_id(&self) -> u32 {
        self.bmc_id
    }

    /// The cipher suite in use; sessions of IPMI 1.5 have none.
    #[must_use]
    pub fn suite(&self) -> Option<CipherSuite> {
        match &self.guard {
            Guard::Plus { suite, .. } => Some(*suite),
            Guard::Old(_) => None,
        }
    }

    /// Whether what arrives is known to be the BMC's, so that a wrong checksum is the BMC's own mistake.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.suite().is_none_or(|suite| 0 < suite.auth_code_size())
    }

    /// The sequence number for a new request.
    ///
    /// Numbers go round all 64, so one that was never answered is not used again for the next 63 requests.
    pub fn next_request(&mut self) -> RequestSequence {
        self.request_sequence = self.request_sequence.next();
        self.request_sequence
    }

    /// Wraps a payload for sending.
    ///
    /// Every call uses a new session sequence number: a BMC drops numbers it has seen, so the same request
    /// sent again must be sealed again. `iv` must be random and is used once. Sessions of IPMI 1.5 carry
    /// messages only.
    ///
    /// # Errors
    ///
    /// [`SequenceExhausted`] after 2^32 - 1 packets.
    pub fn seal(
        &mut self,
        payload_type: PayloadType,
        payload: &[u8],
        iv: [u8; BLOCK_SIZE],
    ) -> Result<Vec<u8>, SequenceExhausted> {
        self.sequence = self.sequence.checked_add(1).ok_or(SequenceExhausted)?;
        let (suite, keys) = match &self.guard {
            Guard::Plus { suite, keys, .. } => (*suite, keys),
            Guard::Old(guard) => return Ok(guard.seal(self.bmc_id, self.sequence, payload)),
        };
        let sealed = suite.encrypts().then(|| crypto::encrypt(&keys.confidentiality, iv, payload));
        let carried = sealed.as_deref().unwrap_or(payload);
        let mut datagram = encode_sealed(suite, payload_type, self.bmc_id, self.sequence, carried);
        let covered = datagram.get(RMCP_HEADER.len()..).unwrap_or_default();
        let code = suite.hmac(keys.integrity.as_bytes(), &[covered]);
        datagram.extend_from_slice(code.truncated(suite.auth_code_size()));
        Ok(datagram)
    }

    /// Unwraps a datagram of this session and answers what it carries.
    ///
    /// The authentication code is checked before anything is decrypted.
    ///
    /// # Errors
    ///
    /// The [`Discard`] reason for everything that is not a new, authentic packet of this session.
    pub fn open(&mut self, datagram: &[u8]) -> Result<(PayloadType, Vec<u8>), Discard> {
        let (suite, console_id, keys) = match &self.guard {
            Guard::Plus { suite, console_id, keys } => (*suite, *console_id, keys),
            Guard::Old(guard) => {
                let (sequence, message) = guard.open(self.bmc_id, datagram)?;
                return if self.received.accept(sequence) {
                    Ok((PayloadType::IPMI, message.to_vec()))
                } else {
                    Err(Discard::Repeated)
                };
            }
        };
        let packet = Packet::parse(datagram)?;
        if packet.session_id != console_id {
            return Err(Discard::Foreign);
        }
        let size = suite.auth_code_size();
        if packet.authenticated != (0 < size) || packet.encrypted != suite.encrypts() {
            return Err(Discard::Unauthenticated);
        }
        if packet.authenticated {
            let (covered, code) = packet.split_auth_code(size)?;
            if !suite.hmac(keys.integrity.as_bytes(), &[covered]).verifies(code, size) {
                return Err(Discard::BadAuthCode);
            }
        }
        if !self.received.accept(packet.sequence) {
            return Err(Discard::Repeated);
        }
        let payload = if packet.encrypted {
            crypto::decrypt(&keys.confidentiality, packet.payload).ok_or(Discard::Undecipherable)?
        } else {
            packet.payload.to_vec()
        };
        Ok((packet.payload_type, payload))
    }
}

/// A session has used up its sequence numbers; a new one must be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session has used up its sequence numbers")]
pub struct SequenceExhausted;

/// One attempt to log in, by either version of the protocol.
#[derive(Debug)]
pub enum Handshake {
    /// By RMCP+.
    Plus(Login),
    /// By IPMI 1.5.
    Old(OldLogin),
}

impl Handshake {
    /// Starts an attempt by the target's version of the protocol; only RMCP+ looks at `suite`.
    #[must_use]
    pub fn new(target: Arc<Target>, suite: CipherSuite, random: LoginRandom) -> Self {
        match target.version {
            Version::V2_0 => Self::Plus(Login::new(target, suite, random)),
            Version::V1_5 => Self::Old(OldLogin::new(target, random)),
        }
    }

    /// What an answer is awaited to; `None` once the login has ended.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        match self {
            Self::Plus(login) => login.phase(),
            Self::Old(login) => login.phase(),
        }
    }

    /// The message to send now; `None` once the login has ended.
    #[must_use]
    pub fn datagram(&self) -> Option<Vec<u8>> {
        match self {
            Self::Plus(login) => login.datagram(),
            Self::Old(login) => login.datagram(),
        }
    }

    /// Takes a datagram: the answer, or one to ignore.
    ///
    /// # Errors
    ///
    /// As [`Login::receive`].
    pub fn receive(&mut self, datagram: &[u8]) -> Result<Result<Progress, LoginFault>, Discard> {
        match self {
            Self::Plus(login) => login.receive(datagram),
            Self::Old(login) => login.receive(datagram),
        }
    }

    /// What frees the BMC's place for this session when the login is given up, if there is such a message.
    #[must_use]
    pub fn farewell(&self) -> Option<Vec<u8>> {
        match self {
            Self::Plus(login) => login.farewell(),
            Self::Old(_) => None,
        }
    }

    /// What gives back places that were given beside the one in use.
    pub fn orphan_farewells(&mut self) -> Vec<Vec<u8>> {
        match self {
            Self::Plus(login) => login.orphan_farewells(),
            Self::Old(_) => Vec::new(),
        }
    }

    /// The session as the BMC sees it if our last message arrived but its answer did not; good for closing
    /// it only.
    #[must_use]
    pub fn unconfirmed_session(&self) -> Option<Session> {
        match self {
            Self::Plus(login) => login.unconfirmed_session(),
            // Its first sequence number is in the answer that is missing.
            Self::Old(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
