//! The RMCP+ session wrapper: which session a payload belongs to, and what guards it.
//!
//! Source: IPMI 2.0, section 13.6.

use super::reader::Reader;
use super::{Discard, RMCP_HEADER, strip_rmcp};
use crate::crypto::CipherSuite;

/// Authentication type that marks the RMCP+ format.
const RMCP_PLUS: u8 = 0x06;

/// Bit of the payload type: the payload is encrypted.
const ENCRYPTED: u8 = 0x80;

/// Bit of the payload type: an authentication code follows.
const AUTHENTICATED: u8 = 0x40;

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadType(u8);

impl PayloadType {
    /// An IPMI message.
    pub const IPMI: Self = Self(0x00);
    /// Characters of a serial console.
    pub const SOL: Self = Self(0x01);
    /// OEM payload; the only one with an explicit number, which we never ask for.
    const OEM_EXPLICIT: Self = Self(0x02);
    /// First message of a login.
    pub const OPEN_SESSION_REQUEST: Self = Self(0x10);
    /// Answer to it.
    pub const OPEN_SESSION_RESPONSE: Self = Self(0x11);
    /// Console's random number and user name.
    pub const RAKP_1: Self = Self(0x12);
    /// BMC's random number and proof of the password.
    pub const RAKP_2: Self = Self(0x13);
    /// Console's proof of the password.
    pub const RAKP_3: Self = Self(0x14);
    /// BMC's proof of the session key.
    pub const RAKP_4: Self = Self(0x15);

    /// The number on the wire, without flags.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A packet taken apart; nothing in it has been verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What the payload is.
    pub payload_type: PayloadType,
    /// Whether the payload is encrypted.
    pub encrypted: bool,
    /// Whether an authentication code follows the payload.
    pub authenticated: bool,
    /// The receiver's session ID, 0 outside a session.
    pub session_id: u32,
    /// Session sequence number, 0 outside a session.
    pub sequence: u32,
    /// The payload, as it was sent.
    pub payload: &'a [u8],
    /// Everything behind the RMCP header; the authentication code at its end covers the rest of it.
    pub covered: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Takes a datagram apart.
    ///
    /// # Errors
    ///
    /// Those of [`strip_rmcp`]; [`Discard::Unexpected`] for IPMI 1.5 packets and OEM payloads;
    /// [`Discard::Truncated`] where lengths promise more than there is.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Discard> {
        let covered = strip_rmcp(datagram)?;
        let mut reader = Reader::new(covered);
        if reader.byte().ok_or(Discard::Truncated)? != RMCP_PLUS {
            return Err(Discard::Unexpected);
        }
        let flagged = reader.byte().ok_or(Discard::Truncated)?;
        let payload_type = PayloadType(flagged & 0x3F);
        if payload_type == PayloadType::OEM_EXPLICIT {
            return Err(Discard::Unexpected);
        }
        let session_id = reader.double().ok_or(Discard::Truncated)?;
        let sequence = reader.double().ok_or(Discard::Truncated)?;
        let size = reader.word().ok_or(Discard::Truncated)?;
        let payload = reader.take(usize::from(size)).ok_or(Discard::Truncated)?;
        Ok(Self {
            payload_type,
            encrypted: flagged & ENCRYPTED != 0,
            authenticated: flagged & AUTHENTICATED != 0,
            session_id,
            sequence,
            payload,
            covered,
        })
    }

    /// Splits what is covered by an authentication code of `size` bytes from the code itself.
    ///
    /// # Errors
    ///
    /// [`Discard::Truncated`] when code, pad length and next header do not fit behind the payload.
    pub fn split_auth_code(&self, size: usize) -> Result<(&'a [u8], &'a [u8]), Discard> {
        let header_size = 12;
        let trailer_size = self.covered.len().saturating_sub(header_size + self.payload.len());
        if trailer_size < size + 2 {
            return Err(Discard::Truncated);
        }
        self.covered.split_at_checked(self.covered.len() - size).ok_or(Discard::Truncated)
    }
}

/// Writes a packet outside any session: session ID and sequence 0, no authentication code.
#[must_use]
pub fn encode_plain(payload_type: PayloadType, payload: &[u8]) -> Vec<u8> {
    let mut datagram = RMCP_HEADER.to_vec();
    push_header(&mut datagram, payload_type.get(), 0, 0, payload);
    datagram
}

/// Writes a packet of a session, all but its authentication code.
///
/// `payload` is what the suite's encryption made of the payload. The code is to be computed over everything
/// behind the RMCP header and appended, if the suite has one.
#[must_use]
pub fn encode_sealed(
    suite: CipherSuite,
    payload_type: PayloadType,
    session_id: u32,
    sequence: u32,
    payload: &[u8],
) -> Vec<u8> {
    let encrypted = if suite.encrypts() { ENCRYPTED } else { 0 };
    let authenticated = if suite.auth_code_size() == 0 { 0 } else { AUTHENTICATED };
    let mut datagram = Vec::with_capacity(RMCP_HEADER.len() + 12 + payload.len() + 5 + 16);
    datagram.extend_from_slice(&RMCP_HEADER);
    push_header(&mut datagram, payload_type.get() | encrypted | authenticated, session_id, sequence, payload);
    if authenticated == 0 {
        return datagram;
    }
    let covered = datagram.len() - RMCP_HEADER.len() + 2;
    let pad: u8 = match covered % 4 {
        0 => 0,
        1 => 3,
        2 => 2,
        _ => 1,
    };
    datagram.extend(std::iter::repeat_n(0xFF, usize::from(pad)));
    datagram.extend_from_slice(&[pad, 0x07]);
    datagram
}

fn push_header(datagram: &mut Vec<u8>, flagged: u8, session_id: u32, sequence: u32, payload: &[u8]) {
    let size = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    datagram.extend_from_slice(&[RMCP_PLUS, flagged]);
    datagram.extend_from_slice(&session_id.to_le_bytes());
    datagram.extend_from_slice(&sequence.to_le_bytes());
    datagram.extend_from_slice(&size.to_le_bytes());
    datagram.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_packet_is_read_back() {
        let datagram = encode_plain(PayloadType::RAKP_1, &[1, 2, 3]);

        let packet = Packet::parse(&datagram).unwrap();

        assert_eq!(packet.payload_type, PayloadType::RAKP_1);
        assert_eq!((packet.session_id, packet.sequence), (0, 0));
        assert!(!packet.encrypted && !packet.authenticated);
        assert_eq!(packet.payload, [1, 2, 3]);
        assert_eq!(packet.split_auth_code(12), Err(Discard::Truncated));
    }

    #[test]
    fn a_length_beyond_the_datagram_is_truncated() {
        let mut datagram = encode_plain(PayloadType::IPMI, &[1, 2, 3]);
        datagram.pop();

        assert_eq!(Packet::parse(&datagram), Err(Discard::Truncated));
    }

    #[test]
    fn packets_of_the_older_protocol_are_unexpected() {
        let datagram = [6, 0, 0xFF, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];

        assert_eq!(Packet::parse(&datagram), Err(Discard::Unexpected));
    }

    proptest! {
        #[test]
        fn no_datagram_panics(datagram in proptest::collection::vec(any::<u8>(), 0..128)) {
            if let Ok(packet) = Packet::parse(&datagram) {
                prop_assert!(packet.split_auth_code(16).is_err() || datagram.len() >= 34);
            }
        }

        #[test]
        fn almost_right_datagrams_do_not_panic(
            flags: u8, size: u16, rest in proptest::collection::vec(any::<u8>(), 0..128),
        ) {
            let mut datagram = vec![6, 0, 0xFF, 7, 6, flags, 1, 2, 3, 4, 5, 6, 7, 8];
            datagram.extend_from_slice(&size.to_le_bytes());
            datagram.extend_from_slice(&rest);
            if let Ok(packet) = Packet::parse(&datagram) {
                prop_assert_eq!(packet.payload.len(), usize::from(size));
                let code = packet.split_auth_code(12).map(|(_, code)| code.len());
                prop_assert!(matches!(code, Ok(12) | Err(Discard::Truncated)));
            }
        }

        #[test]
        fn what_a_code_covers_is_a_multiple_of_four(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut datagram = encode_sealed(CipherSuite::Sha1, PayloadType::IPMI, 1, 2, &payload);
            datagram.extend_from_slice(&[0; 12]);

            let packet = Packet::parse(&datagram).unwrap();
            let (covered, code) = packet.split_auth_code(12).unwrap();

            prop_assert_eq!(covered.len() % 4, 0);
            prop_assert_eq!(code.len(), 12);
            prop_assert_eq!(packet.payload, &payload[..]);
        }
    }
}
