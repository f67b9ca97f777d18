//! An authenticated session with a BMC, without any I/O: datagrams go in, datagrams come out.
//!
//! [`login`] sets one up, [`Session`] seals requests and opens replies. Time, sockets and repetition are the
//! business of [`transport`](crate::transport).

pub mod login;
pub mod payload;
pub mod rakp;
pub mod replay;
pub mod status;

use crate::crypto::{self, BLOCK_SIZE, CipherSuite, Digest};
use crate::packet::message::RequestSequence;
use crate::packet::wrapper::{Packet, PayloadType, encode_sealed};
use crate::packet::{Discard, RMCP_HEADER};
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

/// One session: its IDs, keys and counters.
#[derive(Debug)]
pub struct Session {
    suite: CipherSuite,
    bmc_id: u32,
    console_id: u32,
    keys: SessionKeys,
    /// Number of the last packet sent.
    sequence: u32,
    request_sequence: RequestSequence,
    received: ReplayWindow,
}

impl Session {
    /// A session both sides have agreed on.
    #[must_use]
    pub fn new(suite: CipherSuite, bmc_id: u32, console_id: u32, keys: SessionKeys) -> Self {
        Self {
            suite,
            bmc_id,
            console_id,
            keys,
            sequence: 0,
            request_sequence: RequestSequence::default(),
            received: ReplayWindow::default(),
        }
    }

    /// The BMC's name for this session.
    #[must_use]
    pub fn bmc_id(&self) -> u32 {
        self.bmc_id
    }

    /// The cipher suite in use.
    #[must_use]
    pub fn suite(&self) -> CipherSuite {
        self.suite
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
    /// sent again must be sealed again. `iv` must be random and is used once.
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
        let sealed = crypto::encrypt(&self.keys.confidentiality, iv, payload);
        let mut datagram = encode_sealed(payload_type, self.bmc_id, self.sequence, &sealed);
        let covered = datagram.get(RMCP_HEADER.len()..).unwrap_or_default();
        let code = self.suite.hmac(self.keys.integrity.as_bytes(), &[covered]);
        datagram.extend_from_slice(code.truncated(self.suite.auth_code_size()));
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
        let packet = Packet::parse(datagram)?;
        if packet.session_id != self.console_id {
            return Err(Discard::Foreign);
        }
        if !packet.authenticated || !packet.encrypted {
            return Err(Discard::Unauthenticated);
        }
        let size = self.suite.auth_code_size();
        let (covered, code) = packet.split_auth_code(size)?;
        if !self.suite.hmac(self.keys.integrity.as_bytes(), &[covered]).verifies(code, size) {
            return Err(Discard::BadAuthCode);
        }
        if !self.received.accept(packet.sequence) {
            return Err(Discard::Repeated);
        }
        let payload =
            crypto::decrypt(&self.keys.confidentiality, packet.payload).ok_or(Discard::Undecipherable)?;
        Ok((packet.payload_type, payload))
    }
}

/// A session has used up its sequence numbers; a new one must be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session has used up its sequence numbers")]
pub struct SequenceExhausted;

#[cfg(test)]
mod tests;
