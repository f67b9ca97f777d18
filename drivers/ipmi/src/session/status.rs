//! Why a BMC refuses a login.
//!
//! Source: IPMI 2.0, section 13.24.

use std::fmt;

/// Status of an open session response, RAKP 2 or RAKP 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

impl Status {
    /// No refusal.
    pub const OK: Self = Self(0x00);
    /// The level asked for is not allowed with this cipher suite, or at all.
    pub const ROLE_NOT_ALLOWED: Self = Self(0x09);
    /// The integrity check value is wrong; also what we tell a BMC whose proof does not fit.
    pub const BAD_CHECK_VALUE: Self = Self(0x0F);

    /// What to do about it.
    #[must_use]
    pub fn class(self) -> StatusClass {
        ROWS.iter().find(|row| row.0 == self.0).map_or(StatusClass::StartOver, |row| row.1)
    }

    /// What it says.
    #[must_use]
    pub fn text(self) -> &'static str {
        ROWS.iter().find(|row| row.0 == self.0).map_or("unknown status", |row| row.2)
    }
}

/// Prints text and number.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:02x}h)", self.text(), self.0)
    }
}

/// What a refusal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// Wait until a session ends on the BMC.
    Slots,
    /// Try the next cipher suite.
    NextSuite,
    /// The user is not known.
    User,
    /// The user may not have this level.
    Privilege,
    /// The password is wrong.
    Password,
    /// Log in again from the first message.
    StartOver,
}

/// Number, class and text of each status.
#[rustfmt::skip]
const ROWS: &[(u8, StatusClass, &str)] = &[
    (0x00, StatusClass::StartOver, "no error"),
    (0x01, StatusClass::Slots,     "no resources for another session"),
    (0x02, StatusClass::StartOver, "invalid session ID"),
    (0x03, StatusClass::StartOver, "invalid payload type"),
    (0x04, StatusClass::NextSuite, "authentication algorithm not supported"),
    (0x05, StatusClass::NextSuite, "integrity algorithm not supported"),
    (0x06, StatusClass::NextSuite, "no matching authentication payload"),
    (0x07, StatusClass::NextSuite, "no matching integrity payload"),
    (0x08, StatusClass::StartOver, "inactive session ID"),
    (0x09, StatusClass::NextSuite, "role not allowed"),
    (0x0A, StatusClass::Privilege, "privilege level not allowed"),
    (0x0B, StatusClass::Slots,     "no resources for another session at this level"),
    (0x0C, StatusClass::User,      "user name of invalid length"),
    (0x0D, StatusClass::User,      "unknown user name"),
    (0x0E, StatusClass::StartOver, "invalid GUID"),
    (0x0F, StatusClass::Password,  "integrity check value does not fit"),
    (0x10, StatusClass::NextSuite, "confidentiality algorithm not supported"),
    (0x11, StatusClass::NextSuite, "no cipher suite matches"),
    (0x12, StatusClass::StartOver, "illegal parameter"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defined_status_has_a_text() {
        assert!((0x00..=0x12).all(|number| Status(number).text() != "unknown status"));
        assert_eq!(Status(0x40).to_string(), "unknown status (40h)");
    }

    #[test]
    fn the_refusal_of_a_suite_leads_to_the_next() {
        for number in [0x04, 0x05, 0x06, 0x07, 0x09, 0x10, 0x11] {
            assert_eq!(Status(number).class(), StatusClass::NextSuite, "{number:02x}");
        }
    }
}
