//! Completion codes: what a BMC says about a command it did not carry out.
//!
//! Source: IPMI 2.0, section 5.2, and the sections of the commands for codes 80h to BEh.

use std::fmt;

/// Completion code of a response other than success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CompletionCode(pub u8);

impl CompletionCode {
    /// The command succeeded.
    pub const SUCCESS: Self = Self(0x00);
    /// The BMC has no time now.
    pub const NODE_BUSY: Self = Self(0xC0);
    /// The BMC does not know the command.
    pub const INVALID_COMMAND: Self = Self(0xC1);
    /// The BMC gave up on the command.
    pub const TIMEOUT: Self = Self(0xC3);
    /// The BMC has no room.
    pub const OUT_OF_SPACE: Self = Self(0xC4);
    /// The reservation of the repository was lost.
    pub const RESERVATION_LOST: Self = Self(0xC5);
    /// The request has a length the BMC does not expect.
    pub const INVALID_LENGTH: Self = Self(0xC7);
    /// The sensor, record or data is not there.
    pub const NOT_PRESENT: Self = Self(0xCB);
    /// A field of the request has a value the BMC does not take.
    pub const INVALID_FIELD: Self = Self(0xCC);
    /// The BMC takes the request for a repeated one.
    pub const DUPLICATE: Self = Self(0xCF);
    /// The session may not do this.
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(0xD4);
    /// The machine is in a state that does not allow this.
    pub const NOT_IN_THIS_STATE: Self = Self(0xD5);

    /// Codes after which the same request may succeed a little later.
    pub const RETRYABLE: [Self; 6] =
        [Self::NODE_BUSY, Self::TIMEOUT, Self::OUT_OF_SPACE, Self(0xD0), Self(0xD1), Self(0xD2)];

    /// The code of an operator's text: `0xNN`, or a part of the text of a code in any case.
    #[must_use]
    pub fn from_setting(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if let Some(digits) = text.strip_prefix("0x") {
            return u8::from_str_radix(digits, 16).ok().map(Self);
        }
        if text.is_empty() {
            return None;
        }
        GENERIC.iter().find(|row| row.1.to_ascii_lowercase().contains(&text)).map(|row| Self(row.0))
    }

    /// What the code says in response to a command.
    #[must_use]
    pub fn text(self, netfn: u8, cmd: u8) -> &'static str {
        if let Some(row) = SPECIFIC.iter().find(|row| (row.0, row.1, row.2) == (netfn, cmd, self.0)) {
            return row.3;
        }
        match GENERIC.iter().find(|row| row.0 == self.0) {
            Some(row) => row.1,
            None if (0x01..=0x7E).contains(&self.0) => "OEM-specific error",
            None if (0x80..=0xBE).contains(&self.0) => "command-specific error",
            None => "reserved completion code",
        }
    }
}

/// Prints the number alone; its text depends on the command.
impl fmt::Display for CompletionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}h", self.0)
    }
}

/// Text of each code that means the same for all commands.
#[rustfmt::skip]
const GENERIC: &[(u8, &str)] = &[
    (0x00, "success"),
    (0xC0, "node busy"),
    (0xC1, "invalid command"),
    (0xC2, "command invalid for this unit"),
    (0xC3, "timeout while processing the command"),
    (0xC4, "out of space"),
    (0xC5, "reservation cancelled or invalid"),
    (0xC6, "request data truncated"),
    (0xC7, "request data length invalid"),
    (0xC8, "request data field length limit exceeded"),
    (0xC9, "parameter out of range"),
    (0xCA, "cannot return the number of bytes asked for"),
    (0xCB, "requested sensor, data or record not present"),
    (0xCC, "invalid data field in request"),
    (0xCD, "command illegal for this sensor or record type"),
    (0xCE, "response could not be provided"),
    (0xCF, "cannot execute duplicate request"),
    (0xD0, "sensor data repository in update mode"),
    (0xD1, "device in firmware update mode"),
    (0xD2, "BMC initialization in progress"),
    (0xD3, "destination unavailable"),
    (0xD4, "insufficient privilege level"),
    (0xD5, "command not supported in the present state"),
    (0xD6, "command sub-function disabled"),
    (0xFF, "unspecified error"),
];

/// Network function, command, code and text of codes that mean something for one command only.
#[rustfmt::skip]
const SPECIFIC: &[(u8, u8, u8, &str)] = &[
    (0x00, 0x08, 0x80, "boot option parameter not supported"),
    (0x00, 0x08, 0x81, "boot options are being set by somebody else"),
    (0x00, 0x08, 0x82, "boot option parameter is read-only"),
    (0x00, 0x09, 0x80, "boot option parameter not supported"),
    (0x06, 0x34, 0x80, "invalid session handle"),
    (0x06, 0x34, 0x81, "lost arbitration on the bus behind the BMC"),
    (0x06, 0x34, 0x82, "error on the bus behind the BMC"),
    (0x06, 0x34, 0x83, "the controller behind the BMC does not answer"),
    (0x06, 0x3B, 0x80, "privilege level not available to this user"),
    (0x06, 0x3B, 0x81, "privilege level exceeds the limit of user or channel"),
    (0x06, 0x3B, 0x82, "cannot disable user level authentication"),
    (0x06, 0x3C, 0x87, "invalid session ID"),
    (0x06, 0x48, 0x80, "somebody else has the console"),
    (0x06, 0x48, 0x81, "the console is disabled on the BMC"),
    (0x06, 0x48, 0x82, "the BMC has no console left to give"),
    (0x06, 0x48, 0x83, "the BMC gives its console only unencrypted"),
    (0x06, 0x48, 0x84, "the BMC gives its console only encrypted"),
    (0x06, 0x49, 0x80, "nobody has the console"),
    (0x06, 0x49, 0x81, "the console is disabled on the BMC"),
    // next specific code above this line
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_text() {
        assert!((0..=u8::MAX).all(|code| !CompletionCode(code).text(0, 2).is_empty()));
    }

    #[test]
    fn a_specific_text_goes_before_the_general_one() {
        assert_eq!(
            CompletionCode(0x81).text(0x06, 0x3B),
            "privilege level exceeds the limit of user or channel"
        );
        assert_eq!(CompletionCode(0x81).text(0x06, 0x01), "command-specific error");
    }

    #[test]
    fn operators_name_codes_by_number_or_text() {
        assert_eq!(CompletionCode::from_setting("0xc0"), Some(CompletionCode::NODE_BUSY));
        assert_eq!(CompletionCode::from_setting("Node busy"), Some(CompletionCode::NODE_BUSY));
        assert_eq!(CompletionCode::from_setting("Out of space"), Some(CompletionCode::OUT_OF_SPACE));
        assert_eq!(
            CompletionCode::from_setting("BMC initialization in progress"),
            Some(CompletionCode(0xD2))
        );
        assert_eq!(CompletionCode::from_setting("0xnn"), None);
        assert_eq!(CompletionCode::from_setting("weather"), None);
        assert_eq!(CompletionCode::from_setting(" "), None);
    }
}
