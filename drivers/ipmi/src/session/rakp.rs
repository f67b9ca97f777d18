//! The key exchange: what both sides mix into their proofs and keys.
//!
//! Source: IPMI 2.0, sections 13.28 to 13.32.

use crate::crypto::{CipherSuite, Digest};
use crate::target::Privilege;

/// Bit of the role byte: look the user up by name alone, not by name and level.
const NAME_ONLY_LOOKUP: u8 = 0x10;

/// The role byte of RAKP 1 for a level.
///
/// Name-only lookup is always asked for: without it several BMCs refuse users whose highest level differs from
/// the one asked for.
#[must_use]
pub fn role(privilege: Privilege) -> u8 {
    privilege.level() | NAME_ONLY_LOOKUP
}

/// What the two sides have told each other by the time of RAKP 2.
#[derive(Debug, Clone)]
pub struct Exchange<'a> {
    /// The suite agreed on.
    pub suite: CipherSuite,
    /// Our session ID.
    pub console_id: u32,
    /// The BMC's session ID.
    pub bmc_id: u32,
    /// Our random number.
    pub console_random: [u8; 16],
    /// The BMC's random number.
    pub bmc_random: [u8; 16],
    /// The BMC's GUID.
    pub guid: [u8; 16],
    /// Role byte of RAKP 1.
    pub role: u8,
    /// User name.
    pub user: &'a str,
}

impl Exchange<'_> {
    /// The BMC's proof of the password, in RAKP 2.
    #[must_use]
    pub fn bmc_proof(&self, password: &[u8]) -> Digest {
        self.suite.hmac(
            password,
            &[
                &self.console_id.to_le_bytes(),
                &self.bmc_id.to_le_bytes(),
                &self.console_random,
                &self.bmc_random,
                &self.guid,
                &self.role_and_size(),
                self.user.as_bytes(),
            ],
        )
    }

    /// Our proof of the password, in RAKP 3.
    #[must_use]
    pub fn console_proof(&self, password: &[u8]) -> Digest {
        self.suite.hmac(
            password,
            &[&self.bmc_random, &self.console_id.to_le_bytes(), &self.role_and_size(), self.user.as_bytes()],
        )
    }

    /// The session integrity key, from the BMC key or the password.
    #[must_use]
    pub fn session_key(&self, key: &[u8]) -> Digest {
        self.suite
            .hmac(key, &[&self.console_random, &self.bmc_random, &self.role_and_size(), self.user.as_bytes()])
    }

    /// The BMC's proof of the session key, in RAKP 4; only its first bytes are sent.
    #[must_use]
    pub fn session_proof(&self, session_key: &Digest) -> Digest {
        self.suite
            .hmac(session_key.as_bytes(), &[&self.console_random, &self.bmc_id.to_le_bytes(), &self.guid])
    }

    fn role_and_size(&self) -> [u8; 2] {
        [self.role, u8::try_from(self.user.len()).unwrap_or(u8::MAX)]
    }
}
