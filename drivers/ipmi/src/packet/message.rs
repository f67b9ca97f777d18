//! The IPMI message: who asks whom for what, guarded by two checksums.
//!
//! Source: IPMI 2.0, section 13.8.

use ipmi_rs::connection::Message;

use super::Discard;
use super::reader::Reader;

/// Address of the BMC on its own bus.
const BMC_ADDRESS: u8 = 0x20;

/// Address of a remote console.
const CONSOLE_ADDRESS: u8 = 0x81;

/// Sequence number of a request, 6 bits; a reply carries the number of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RequestSequence(u8);

impl RequestSequence {
    /// Keeps the low 6 bits of a number.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number & 0x3F)
    }

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0.wrapping_add(1))
    }

    /// The number, 0 to 63.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Writes a request to unit `lun` of the BMC.
#[must_use]
pub fn encode_request(message: &Message, lun: u8, sequence: RequestSequence) -> Vec<u8> {
    encode_request_between(CONSOLE_ADDRESS, BMC_ADDRESS, message, lun, sequence)
}

/// Writes a request from one address to unit `lun` of another.
#[must_use]
pub fn encode_request_between(
    from: u8,
    to: u8,
    message: &Message,
    lun: u8,
    sequence: RequestSequence,
) -> Vec<u8> {
    let head = [to, message.netfn_raw() << 2 | lun & 0x03];
    let mut bytes = Vec::with_capacity(7 + message.data().len());
    bytes.extend_from_slice(&head);
    bytes.push(checksum(&head));
    let body_start = bytes.len();
    bytes.extend_from_slice(&[from, sequence.get() << 2, message.cmd()]);
    bytes.extend_from_slice(message.data());
    let body = checksum(bytes.get(body_start..).unwrap_or_default());
    bytes.push(body);
    bytes
}

/// A reply taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Network function of the request plus one.
    pub netfn: u8,
    /// Command number of the request.
    pub cmd: u8,
    /// Sequence number of the request.
    pub sequence: RequestSequence,
    /// 00h for success; see the completion codes of the command.
    pub completion_code: u8,
    /// What follows the completion code.
    pub data: Vec<u8>,
    /// Whether both checksums are right. Some BMCs compute them wrongly; inside an authenticated packet that
    /// does no harm.
    pub checksums_good: bool,
}

impl Reply {
    /// Takes a reply apart.
    ///
    /// # Errors
    ///
    /// [`Discard::Truncated`] below 8 bytes, [`Discard::Unexpected`] for what is a request.
    pub fn parse(bytes: &[u8]) -> Result<Self, Discard> {
        let (_, covered) = bytes.split_last().ok_or(Discard::Truncated)?;
        let mut reader = Reader::new(covered);
        let head: [u8; 3] = reader.array().ok_or(Discard::Truncated)?;
        let [_, netfn_lun, _] = head;
        let [_, sequence_lun, cmd, completion_code] = reader.array().ok_or(Discard::Truncated)?;
        let netfn = netfn_lun >> 2;
        if netfn & 1 == 0 {
            return Err(Discard::Unexpected);
        }
        let checksums_good = sum(&head) == 0 && sum(bytes.get(head.len()..).unwrap_or_default()) == 0;
        Ok(Self {
            netfn,
            cmd,
            sequence: RequestSequence::new(sequence_lun >> 2),
            completion_code,
            data: reader.rest().to_vec(),
            checksums_good,
        })
    }

    /// Whether this answers `request` sent with `sequence`.
    #[must_use]
    pub fn answers(&self, request: &Message, sequence: RequestSequence) -> bool {
        self.netfn == request.netfn_raw() | 1 && self.cmd == request.cmd() && self.sequence == sequence
    }
}

/// The byte that makes `bytes` plus itself sum to 0.
fn checksum(bytes: &[u8]) -> u8 {
    sum(bytes).wrapping_neg()
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use ipmi_rs::connection::NetFn;
    use proptest::prelude::*;

    use super::*;

    fn chassis_status() -> Message {
        Message::new_request(NetFn::Chassis, 0x01, Vec::new())
    }

    #[test]
    fn get_chassis_status_looks_as_published() {
        let bytes = encode_request(&chassis_status(), 0, RequestSequence::new(1));

        assert_eq!(bytes, [0x20, 0x00, 0xE0, 0x81, 0x04, 0x01, 0x7A]);
    }

    #[test]
    fn a_reply_is_matched_by_function_command_and_sequence() {
        let bytes = [0x81, 0x04, 0x7B, 0x20, 0x04, 0x01, 0x00, 0x21, 0x10, 0x60, 0x4A];

        let reply = Reply::parse(&bytes).unwrap();

        assert!(reply.checksums_good);
        assert_eq!(reply.data, [0x21, 0x10, 0x60]);
        assert!(reply.answers(&chassis_status(), RequestSequence::new(1)));
        assert!(!reply.answers(&chassis_status(), RequestSequence::new(2)));
        assert!(
            !reply.answers(&Message::new_request(NetFn::Chassis, 0x02, vec![1]), RequestSequence::new(1))
        );
    }

    #[test]
    fn a_reply_below_eight_bytes_is_truncated() {
        let bytes = [0x81, 0x04, 0x7B, 0x20, 0x04, 0x01, 0x00];

        assert_eq!(Reply::parse(&bytes), Err(Discard::Truncated));
    }

    #[test]
    fn a_damaged_byte_shows_in_the_checksums() {
        let good = [0x81, 0x04, 0x7B, 0x20, 0x04, 0x01, 0x00, 0xDB];
        for position in 0..good.len() {
            let mut bytes = good;
            bytes[position] ^= 0x40;
            if let Ok(reply) = Reply::parse(&bytes) {
                assert!(!reply.checksums_good, "byte {position}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_reply_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let parsed = Reply::parse(&bytes);
            prop_assert!(parsed.is_err() || bytes.len() >= 8);
        }

        #[test]
        fn every_request_has_good_checksums(
            netfn in 0u8..0x3F, cmd: u8, lun: u8, sequence: u8,
            data in proptest::collection::vec(any::<u8>(), 0..255),
        ) {
            let request = Message::new_raw(netfn & 0x3E, cmd, data);

            let bytes = encode_request(&request, lun, RequestSequence::new(sequence));

            prop_assert_eq!(sum(&bytes[..3]), 0);
            prop_assert_eq!(sum(&bytes[3..]), 0);
        }
    }
}
