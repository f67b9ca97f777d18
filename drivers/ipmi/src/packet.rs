//! What IPMI over LAN puts into a datagram: RMCP header, RMCP+ session wrapper, IPMI message.
//!
//! **Invariant:** every parser here is a total function over byte slices. What is wrong with a datagram is a
//! [`Discard`] reason, never an error of the operation it arrived in.
//!
//! Source: IPMI 2.0, section 13.

pub mod bridge;
pub mod message;
pub mod old;
pub mod reader;
pub mod wrapper;

use std::fmt;

/// Largest datagram that is looked at, in bytes; no BMC sends longer ones.
pub const DATAGRAM_SIZE_MAX: usize = 1024;

/// RMCP version 6, no acknowledgement wanted (sequence FFh), class IPMI.
pub const RMCP_HEADER: [u8; 4] = [0x06, 0x00, 0xFF, 0x07];

/// Strips the RMCP header from a datagram.
///
/// # Errors
///
/// [`Discard::Oversized`] beyond [`DATAGRAM_SIZE_MAX`], [`Discard::NotRmcp`] for another version or less than
/// a header, [`Discard::NotIpmi`] for other classes (ASF) and for acknowledgements.
pub fn strip_rmcp(datagram: &[u8]) -> Result<&[u8], Discard> {
    if datagram.len() > DATAGRAM_SIZE_MAX {
        return Err(Discard::Oversized);
    }
    let ([version, _, _, class], rest) = datagram.split_first_chunk().ok_or(Discard::NotRmcp)?;
    if *version != 0x06 {
        return Err(Discard::NotRmcp);
    }
    if *class != 0x07 {
        return Err(Discard::NotIpmi);
    }
    Ok(rest)
}

/// Why a datagram was ignored.
///
/// Anybody can send a datagram, so none of these is ever an error: it is counted, and the wait goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discard {
    /// Longer than [`DATAGRAM_SIZE_MAX`].
    Oversized,
    /// No RMCP header of version 6.
    NotRmcp,
    /// RMCP, but not a message of class IPMI.
    NotIpmi,
    /// Ends before what its lengths promise.
    Truncated,
    /// Not in the RMCP+ format, or of a payload type that was not asked for.
    Unexpected,
    /// Addressed to another session or another login attempt.
    Foreign,
    /// Without an authentication code inside a session that has one.
    Unauthenticated,
    /// The authentication code does not fit the bytes.
    BadAuthCode,
    /// The session sequence number was seen before, or is too old to tell.
    Repeated,
    /// Authentic, but the decrypted payload makes no sense.
    Undecipherable,
    /// A checksum of an unauthenticated IPMI message is wrong.
    BadChecksum,
    /// Answers a request that is not outstanding.
    Unasked,
}

impl Discard {
    /// All reasons, in the order they are counted in.
    pub const ALL: [Self; 12] = [
        Self::Oversized,
        Self::NotRmcp,
        Self::NotIpmi,
        Self::Truncated,
        Self::Unexpected,
        Self::Foreign,
        Self::Unauthenticated,
        Self::BadAuthCode,
        Self::Repeated,
        Self::Undecipherable,
        Self::BadChecksum,
        Self::Unasked,
    ];

    /// The name used in logs and counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oversized => "oversized",
            Self::NotRmcp => "not_rmcp",
            Self::NotIpmi => "not_ipmi",
            Self::Truncated => "truncated",
            Self::Unexpected => "unexpected",
            Self::Foreign => "foreign",
            Self::Unauthenticated => "unauthenticated",
            Self::BadAuthCode => "bad_auth_code",
            Self::Repeated => "repeated",
            Self::Undecipherable => "undecipherable",
            Self::BadChecksum => "bad_checksum",
            Self::Unasked => "unasked",
        }
    }
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rmcp_of_class_ipmi_passes() {
        assert_eq!(strip_rmcp(&[6, 0, 0xFF, 7, 1, 2]), Ok(&[1, 2][..]));
        assert_eq!(strip_rmcp(&[6, 0, 0xFF]), Err(Discard::NotRmcp));
        assert_eq!(strip_rmcp(&[5, 0, 0xFF, 7]), Err(Discard::NotRmcp));
        assert_eq!(strip_rmcp(&[6, 0, 0xFF, 6]), Err(Discard::NotIpmi));
        assert_eq!(strip_rmcp(&[6, 0, 0xFF, 0x87]), Err(Discard::NotIpmi));
        assert_eq!(strip_rmcp(&[6; DATAGRAM_SIZE_MAX + 1]), Err(Discard::Oversized));
    }
}
