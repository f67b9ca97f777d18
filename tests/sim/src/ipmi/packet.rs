//! What travels in a datagram: RMCP header, session wrapper of either version, IPMI message.
//!
//! Source: IPMI 2.0, section 13.

/// Version 6, no acknowledgement wanted, class IPMI.
const RMCP_IPMI: [u8; 4] = [0x06, 0x00, 0xFF, 0x07];

/// Authentication type that marks the RMCP+ format.
const RMCP_PLUS: u8 = 0x06;

/// Number of ASF at IANA, and the type of a presence ping.
const ASF_PING: [u8; 5] = [0x00, 0x00, 0x11, 0xBE, 0x80];

/// Bit of the payload type: encrypted.
pub(super) const ENCRYPTED: u8 = 0x80;
/// Bit of the payload type: an authentication code follows.
pub(super) const AUTHENTICATED: u8 = 0x40;

/// Payload types.
pub(super) mod payload {
    pub(in crate::ipmi) const IPMI: u8 = 0x00;
    pub(in crate::ipmi) const SOL: u8 = 0x01;
    pub(in crate::ipmi) const OPEN_SESSION_REQUEST: u8 = 0x10;
    pub(in crate::ipmi) const OPEN_SESSION_RESPONSE: u8 = 0x11;
    pub(in crate::ipmi) const RAKP_1: u8 = 0x12;
    pub(in crate::ipmi) const RAKP_2: u8 = 0x13;
    pub(in crate::ipmi) const RAKP_3: u8 = 0x14;
    pub(in crate::ipmi) const RAKP_4: u8 = 0x15;
}

/// Takes little-endian fields off the front of a slice.
#[derive(Debug, Clone)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn word(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn double(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }
}

/// A datagram taken apart; nothing in it has been verified.
#[derive(Debug)]
pub(super) enum Packet<'a> {
    /// Somebody asks whether anybody is there.
    Ping {
        tag: u8,
    },
    /// The format of IPMI 1.5.
    Old(Old<'a>),
    Plus(Plus<'a>),
}

/// A packet in the format of IPMI 1.5.
#[derive(Debug)]
pub(super) struct Old<'a> {
    pub(super) auth_type: u8,
    pub(super) sequence: u32,
    pub(super) session_id: u32,
    pub(super) auth_code: [u8; 16],
    pub(super) message: &'a [u8],
}

/// A packet in the format of RMCP+.
#[derive(Debug)]
pub(super) struct Plus<'a> {
    pub(super) payload_type: u8,
    pub(super) encrypted: bool,
    pub(super) authenticated: bool,
    pub(super) session_id: u32,
    pub(super) sequence: u32,
    pub(super) payload: &'a [u8],
    /// Everything behind the RMCP header.
    pub(super) body: &'a [u8],
}

impl<'a> Packet<'a> {
    pub(super) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let mut bytes = Bytes(datagram);
        let [version, _, _, class] = bytes.array()?;
        match (version, class) {
            (0x06, 0x06) => {
                let ping = bytes.take(ASF_PING.len())? == ASF_PING;
                let tag = bytes.byte()?;
                ping.then_some(Self::Ping { tag })
            }
            (0x06, 0x07) if bytes.0.first() == Some(&RMCP_PLUS) => Plus::parse(bytes).map(Self::Plus),
            (0x06, 0x07) => Old::parse(bytes).map(Self::Old),
            _ => None,
        }
    }
}

impl<'a> Old<'a> {
    fn parse(mut bytes: Bytes<'a>) -> Option<Self> {
        let auth_type = bytes.byte()?;
        let (sequence, session_id) = (bytes.double()?, bytes.double()?);
        let auth_code = if auth_type == 0 { [0; 16] } else { bytes.array()? };
        let size = bytes.byte()?;
        let message = bytes.take(usize::from(size))?;
        Some(Self { auth_type, sequence, session_id, auth_code, message })
    }

    /// The bytes of this packet.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut datagram = RMCP_IPMI.to_vec();
        datagram.push(self.auth_type);
        datagram.extend(self.sequence.to_le_bytes());
        datagram.extend(self.session_id.to_le_bytes());
        if self.auth_type != 0 {
            datagram.extend(self.auth_code);
        }
        datagram.push(u8::try_from(self.message.len()).unwrap_or(u8::MAX));
        datagram.extend(self.message);
        datagram
    }
}

impl<'a> Plus<'a> {
    fn parse(mut bytes: Bytes<'a>) -> Option<Self> {
        let body = bytes.0;
        bytes.byte()?;
        let flagged = bytes.byte()?;
        let (session_id, sequence) = (bytes.double()?, bytes.double()?);
        let size = bytes.word()?;
        let payload = bytes.take(usize::from(size))?;
        Some(Self {
            payload_type: flagged & 0x3F,
            encrypted: flagged & ENCRYPTED != 0,
            authenticated: flagged & AUTHENTICATED != 0,
            session_id,
            sequence,
            payload,
            body,
        })
    }

    /// What an authentication code of `size` bytes covers, and the code; strict about pad and next header.
    pub(super) fn split_code(&self, size: usize) -> Option<(&'a [u8], &'a [u8])> {
        let (covered, code) = self.body.split_at_checked(self.body.len().checked_sub(size)?)?;
        let trailer = covered.get(12 + self.payload.len()..)?;
        let [pad @ .., pad_size, 0x07] = trailer else { return None };
        let fits = covered.len().is_multiple_of(4)
            && pad.len() == usize::from(*pad_size)
            && pad.iter().all(|byte| *byte == 0xFF);
        fits.then_some((covered, code))
    }
}

/// A packet outside of any session.
pub(super) fn encode_plain(payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut datagram = RMCP_IPMI.to_vec();
    push_header(&mut datagram, payload_type, 0, 0, payload);
    datagram
}

/// A packet of a session; `code` computes what guards it, over everything behind the RMCP header.
pub(super) fn encode_sealed(
    flagged: u8,
    session_id: u32,
    sequence: u32,
    payload: &[u8],
    code: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let mut datagram = RMCP_IPMI.to_vec();
    push_header(&mut datagram, flagged, session_id, sequence, payload);
    if flagged & AUTHENTICATED != 0 {
        let covered = datagram.len() - RMCP_IPMI.len() + 2;
        let pad = covered.next_multiple_of(4) - covered;
        datagram.extend(std::iter::repeat_n(0xFF, pad));
        datagram.extend([u8::try_from(pad).unwrap_or_default(), 0x07]);
        let code = code(datagram.get(RMCP_IPMI.len()..).unwrap_or_default());
        datagram.extend(code);
    }
    datagram
}

fn push_header(datagram: &mut Vec<u8>, flagged: u8, session_id: u32, sequence: u32, payload: &[u8]) {
    datagram.extend([RMCP_PLUS, flagged]);
    datagram.extend(session_id.to_le_bytes());
    datagram.extend(sequence.to_le_bytes());
    datagram.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes());
    datagram.extend(payload);
}

/// The answer to a presence ping.
pub(super) fn encode_pong(tag: u8) -> Vec<u8> {
    let mut datagram = vec![0x06, 0x00, 0xFF, 0x06, 0x00, 0x00, 0x11, 0xBE, 0x40, tag, 0x00, 0x10];
    datagram.extend([0x00, 0x00, 0x11, 0xBE, 0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0]);
    datagram
}

/// An IPMI request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) to: u8,
    pub(super) netfn: u8,
    pub(super) lun: u8,
    pub(super) from: u8,
    /// Sequence number and unit of the sender, to be given back as they came.
    pub(super) sequence_lun: u8,
    pub(super) cmd: u8,
    pub(super) data: Vec<u8>,
}

impl Request {
    /// Reads a request; `None` also when a checksum is wrong.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let (head, body) = message.split_first_chunk::<3>()?;
        let [to, netfn_lun, _] = *head;
        let [from, sequence_lun, cmd, data @ .., _] = body else { return None };
        if sum(head) != 0 || sum(body) != 0 || netfn_lun >> 2 & 1 == 1 {
            return None;
        }
        Some(Self {
            to,
            netfn: netfn_lun >> 2,
            lun: netfn_lun & 0x03,
            from: *from,
            sequence_lun: *sequence_lun,
            cmd: *cmd,
            data: data.to_vec(),
        })
    }

    /// The answer: completion code and data.
    pub(super) fn answer(&self, body: &[u8]) -> Vec<u8> {
        let head = [self.from, (self.netfn | 1) << 2 | self.sequence_lun & 0x03];
        let mut message = head.to_vec();
        message.push(sum(&head).wrapping_neg());
        let mut rest = vec![self.to, self.sequence_lun & 0xFC | self.lun, self.cmd];
        rest.extend(body);
        rest.push(sum(&rest).wrapping_neg());
        message.extend(rest);
        message
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_answered() {
        let request = Request::parse(&[0x20, 0x00, 0xE0, 0x81, 0x04, 0x01, 0x7A]).unwrap();

        assert_eq!((request.netfn, request.cmd, request.lun), (0, 1, 0));
        assert_eq!(
            request.answer(&[0, 0x21, 0x10, 0x60]),
            [0x81, 0x04, 0x7B, 0x20, 0x04, 0x01, 0x00, 0x21, 0x10, 0x60, 0x4A]
        );
        assert_eq!(Request::parse(&[0x20, 0x00, 0xE0, 0x81, 0x04, 0x01, 0x7B]), None);
    }

    #[test]
    fn a_pad_that_is_not_filled_as_specified_is_refused() {
        let good = encode_sealed(0x40, 1, 2, &[1, 2, 3], |_| vec![0; 12]);
        let mut bad = good.clone();
        let pad = bad.len() - 12 - 2 - 1;
        bad[pad] = 0;
        let codes = |datagram: &[u8]| match Packet::parse(datagram) {
            Some(Packet::Plus(plus)) => plus.split_code(12).is_some(),
            _ => false,
        };

        assert_eq!((codes(&good), codes(&bad)), (true, false));
    }
}
