//! The session wrapper of IPMI 1.5.
//!
//! Source: IPMI 2.0, section 13.6.

use super::reader::Reader;
use super::{Discard, RMCP_HEADER, strip_rmcp};

/// Bytes of an authentication code.
pub const AUTH_CODE_SIZE: usize = 16;

/// What guards a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuthType(u8);

impl AuthType {
    /// Nothing.
    pub const NONE: Self = Self(0x00);
    /// An MD5 hash.
    pub const MD5: Self = Self(0x02);
    /// Marks the RMCP+ format.
    const RMCP_PLUS: Self = Self(0x06);

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A packet taken apart, or to be put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldPacket<'a> {
    /// What guards it.
    pub auth_type: AuthType,
    /// Session sequence number, 0 outside a session.
    pub sequence: u32,
    /// The session, 0 outside of any.
    pub session_id: u32,
    /// The code, unless nothing guards it.
    pub auth_code: Option<[u8; AUTH_CODE_SIZE]>,
    /// An IPMI message.
    pub message: &'a [u8],
}

impl<'a> OldPacket<'a> {
    /// Takes a datagram apart. What follows the message is padding.
    ///
    /// # Errors
    ///
    /// Those of [`strip_rmcp`]; [`Discard::Unexpected`] for RMCP+ packets; [`Discard::Truncated`] where the
    /// length promises more than there is.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Discard> {
        let mut reader = Reader::new(strip_rmcp(datagram)?);
        let auth_type = AuthType(reader.byte().ok_or(Discard::Truncated)? & 0x0F);
        if auth_type == AuthType::RMCP_PLUS {
            return Err(Discard::Unexpected);
        }
        let sequence = reader.double().ok_or(Discard::Truncated)?;
        let session_id = reader.double().ok_or(Discard::Truncated)?;
        let auth_code = match auth_type {
            AuthType::NONE => None,
            _ => Some(reader.array().ok_or(Discard::Truncated)?),
        };
        let size = reader.byte().ok_or(Discard::Truncated)?;
        let message = reader.take(usize::from(size)).ok_or(Discard::Truncated)?;
        Ok(Self { auth_type, sequence, session_id, auth_code, message })
    }

    /// Puts the datagram together. The message has at most 255 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut datagram = RMCP_HEADER.to_vec();
        datagram.push(self.auth_type.0);
        datagram.extend_from_slice(&self.sequence.to_le_bytes());
        datagram.extend_from_slice(&self.session_id.to_le_bytes());
        datagram.extend_from_slice(self.auth_code.as_ref().map_or(&[][..], |code| &code[..]));
        datagram.push(u8::try_from(self.message.len()).unwrap_or(u8::MAX));
        datagram.extend_from_slice(self.message);
        datagram
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rmcp_plus_is_not_of_this_kind() {
        let datagram = [6, 0, 0xFF, 7, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

        assert_eq!(OldPacket::parse(&datagram), Err(Discard::Unexpected));
    }

    proptest! {
        #[test]
        fn packets_are_read_back(
            sequence: u32, session_id: u32, code: Option<[u8; 16]>,
            message in proptest::collection::vec(any::<u8>(), 0..200), pad in 0usize..2,
        ) {
            let auth_type = if code.is_some() { AuthType::MD5 } else { AuthType::NONE };
            let packet = OldPacket { auth_type, sequence, session_id, auth_code: code, message: &message };
            let mut datagram = packet.encode();
            datagram.resize(datagram.len() + pad, 0);

            prop_assert_eq!(OldPacket::parse(&datagram), Ok(packet));
        }

        #[test]
        fn no_datagram_panics(rest in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut datagram = RMCP_HEADER.to_vec();
            datagram.extend_from_slice(&rest);
            if let Ok(packet) = OldPacket::parse(&datagram) {
                prop_assert!(packet.message.len() < datagram.len());
            }
        }
    }
}
