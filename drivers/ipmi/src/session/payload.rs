//! The payloads of a login: open session and RAKP messages.
//!
//! Writers make what we send, parsers read what a BMC sends; a parser checks lengths only, judging the values
//! is up to [`login`](super::login).
//!
//! Source: IPMI 2.0, sections 13.17 to 13.23.

use crate::crypto::CipherSuite;
use crate::packet::reader::Reader;

use super::status::Status;

/// Writes an open session request for the highest level the BMC allows (0).
#[must_use]
pub fn open_session_request(tag: u8, console_id: u32, suite: CipherSuite) -> Vec<u8> {
    let mut payload = vec![tag, 0, 0, 0];
    payload.extend_from_slice(&console_id.to_le_bytes());
    for (kind, algorithm) in (0..).zip(suite.algorithms()) {
        payload.extend_from_slice(&[kind, 0, 0, 8, algorithm, 0, 0, 0]);
    }
    payload
}

/// What a BMC says to an open session request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSessionResponse {
    /// Tag of the request.
    pub tag: u8,
    /// Whether the BMC agrees.
    pub status: Status,
    /// Our session ID; absent from short refusals.
    pub console_id: Option<u32>,
    /// The BMC's part; absent from refusals.
    pub accepted: Option<Accepted>,
}

/// The BMC's choice for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The BMC's session ID.
    pub bmc_id: u32,
    /// The authentication, integrity and confidentiality algorithm it chose.
    pub algorithms: [u8; 3],
}

impl OpenSessionResponse {
    /// Reads a response; refusals may be as short as 2 bytes.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let tag = reader.byte()?;
        let status = Status(reader.byte()?);
        let mut response = Self { tag, status, console_id: None, accepted: None };
        // The level granted is not looked at: some BMCs say 0 whatever they grant.
        if reader.take(2).is_none() {
            return Some(response);
        }
        response.console_id = reader.double();
        response.accepted = Self::accepted(&mut reader);
        Some(response)
    }

    fn accepted(reader: &mut Reader<'_>) -> Option<Accepted> {
        let bmc_id = reader.double()?;
        let mut algorithms = [0; 3];
        for (kind, algorithm) in (0u8..).zip(&mut algorithms) {
            let [found, _, _, _, chosen, _, _, _] = reader.array()?;
            if found != kind {
                return None;
            }
            *algorithm = chosen & 0x3F;
        }
        Some(Accepted { bmc_id, algorithms })
    }
}

/// Writes RAKP 1: the console's random number, level and user.
#[must_use]
pub fn rakp_1(tag: u8, bmc_id: u32, random: &[u8; 16], role: u8, user: &str) -> Vec<u8> {
    let mut payload = vec![tag, 0, 0, 0];
    payload.extend_from_slice(&bmc_id.to_le_bytes());
    payload.extend_from_slice(random);
    payload.extend_from_slice(&[role, 0, 0, u8::try_from(user.len()).unwrap_or(u8::MAX)]);
    payload.extend_from_slice(user.as_bytes());
    payload
}

/// What a BMC answers to RAKP 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp2<'a> {
    /// Tag of RAKP 1.
    pub tag: u8,
    /// Whether the BMC goes on.
    pub status: Status,
    /// Our session ID; absent from short refusals.
    pub console_id: Option<u32>,
    /// The BMC's proof of the password; absent from refusals.
    pub proof: Option<Rakp2Proof<'a>>,
}

/// The BMC's part of the key exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rakp2Proof<'a> {
    /// The BMC's random number.
    pub random: [u8; 16],
    /// The BMC's GUID.
    pub guid: [u8; 16],
    /// The key exchange code.
    pub code: &'a [u8],
}

impl<'a> Rakp2<'a> {
    /// Reads RAKP 2; refusals may be as short as 2 bytes.
    #[must_use]
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let tag = reader.byte()?;
        let status = Status(reader.byte()?);
        let mut message = Self { tag, status, console_id: None, proof: None };
        if reader.take(2).is_none() {
            return Some(message);
        }
        message.console_id = reader.double();
        message.proof = match (reader.array(), reader.array()) {
            (Some(random), Some(guid)) => Some(Rakp2Proof { random, guid, code: reader.rest() }),
            _ => None,
        };
        Some(message)
    }
}

/// Writes RAKP 3: the console's proof of the password, or with another status than [`Status::OK`] the end of
/// the login, so that the BMC need not wait for its time limit.
#[must_use]
pub fn rakp_3(tag: u8, status: Status, bmc_id: u32, code: &[u8]) -> Vec<u8> {
    let mut payload = vec![tag, status.0, 0, 0];
    payload.extend_from_slice(&bmc_id.to_le_bytes());
    payload.extend_from_slice(code);
    payload
}

/// What a BMC answers to RAKP 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rakp4<'a> {
    /// Tag of RAKP 3.
    pub tag: u8,
    /// Whether the session exists now.
    pub status: Status,
    /// Our session ID; absent from short refusals.
    pub console_id: Option<u32>,
    /// The BMC's proof of the session key.
    pub check_value: &'a [u8],
}

impl<'a> Rakp4<'a> {
    /// Reads RAKP 4; refusals may be as short as 2 bytes.
    #[must_use]
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let tag = reader.byte()?;
        let status = Status(reader.byte()?);
        let console_id = reader.take(2).and_then(|_| reader.double());
        Some(Self { tag, status, console_id, check_value: reader.rest() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_open_session_request_has_32_bytes() {
        let payload = open_session_request(7, 0xA0A1_A2A3, CipherSuite::Sha256);

        assert_eq!(payload.len(), 32);
        assert_eq!(payload[..8], [7, 0, 0, 0, 0xA3, 0xA2, 0xA1, 0xA0]);
        assert_eq!(payload[8..16], [0, 0, 0, 8, 3, 0, 0, 0]);
        assert_eq!(payload[16..24], [1, 0, 0, 8, 4, 0, 0, 0]);
        assert_eq!(payload[24..], [2, 0, 0, 8, 1, 0, 0, 0]);
    }

    #[test]
    fn a_refusal_may_have_two_bytes() {
        let response = OpenSessionResponse::parse(&[7, 0x11]).unwrap();

        assert_eq!((response.tag, response.status), (7, Status(0x11)));
        assert_eq!((response.console_id, response.accepted), (None, None));
    }

    proptest! {
        #[test]
        fn no_payload_panics(payload in proptest::collection::vec(any::<u8>(), 0..96)) {
            prop_assert_eq!(OpenSessionResponse::parse(&payload).is_some(), payload.len() >= 2);
            prop_assert_eq!(Rakp2::parse(&payload).is_some(), payload.len() >= 2);
            prop_assert_eq!(Rakp4::parse(&payload).is_some(), payload.len() >= 2);
        }
    }
}
