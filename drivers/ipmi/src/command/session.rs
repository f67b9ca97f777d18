//! Commands about sessions themselves.
//!
//! Source: IPMI 2.0, sections 22.15, 22.18 and 22.19.

use ipmi_rs::connection::{IpmiCommand, Message, NetFn};

use super::{Command, Malformed, Repeat};
use crate::crypto::CipherSuite;
use crate::packet::reader::Reader;
use crate::target::Privilege;

/// Most requests for one list of cipher suites: the index has 6 bits.
pub const SUITE_LIST_INDEX_MAX: u8 = 0x3F;

/// Bytes of a full part of a list of cipher suites.
pub const SUITE_LIST_PART_SIZE: usize = 16;

/// Raises or lowers what the session may do; a new session may do what a USER may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetSessionPrivilege(pub Privilege);

impl SetSessionPrivilege {
    /// Completion codes: the level is not available to this user, or on this channel, or cannot be left.
    pub const REFUSALS: [u8; 3] = [0x80, 0x81, 0x82];
}

impl From<SetSessionPrivilege> for Message {
    fn from(command: SetSessionPrivilege) -> Self {
        Self::new_request(NetFn::App, 0x3B, vec![command.0.level()])
    }
}

impl IpmiCommand for SetSessionPrivilege {
    type Output = ();
    type Error = Malformed;

    fn parse_success_response(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

impl Command for SetSessionPrivilege {
    const NAME: &'static str = "Set Session Privilege Level";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

/// Ends the session of this BMC session ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseSession(pub u32);

impl From<CloseSession> for Message {
    fn from(command: CloseSession) -> Self {
        Self::new_request(NetFn::App, 0x3C, command.0.to_le_bytes().to_vec())
    }
}

impl IpmiCommand for CloseSession {
    type Output = ();
    type Error = Malformed;

    fn parse_success_response(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

impl Command for CloseSession {
    const NAME: &'static str = "Close Session";
}

/// Asks for one part of the list of cipher suites of the channel in use; works outside a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetChannelCipherSuites {
    /// Which part, 0 to [`SUITE_LIST_INDEX_MAX`].
    pub index: u8,
}

impl From<GetChannelCipherSuites> for Message {
    fn from(command: GetChannelCipherSuites) -> Self {
        let this_channel = 0x0E;
        let ipmi_payload = 0x00;
        let list_by_suite = 0x80;
        let index = command.index & SUITE_LIST_INDEX_MAX;
        Self::new_request(NetFn::App, 0x54, vec![this_channel, ipmi_payload, list_by_suite | index])
    }
}

impl IpmiCommand for GetChannelCipherSuites {
    /// The bytes of this part; fewer than [`SUITE_LIST_PART_SIZE`] end the list.
    type Output = Vec<u8>;
    type Error = Malformed;

    fn parse_success_response(data: &[u8]) -> Result<Vec<u8>, Malformed> {
        let (_channel, part) = data.split_first().ok_or(Malformed)?;
        Ok(part.iter().take(SUITE_LIST_PART_SIZE).copied().collect())
    }
}

impl Command for GetChannelCipherSuites {
    const NAME: &'static str = "Get Channel Cipher Suites";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

/// Which of our suites a list of cipher suites offers, best first.
///
/// A suite counts only when its number and its three algorithms agree. OEM suites are skipped; the list ends
/// where it stops making sense.
#[must_use]
pub fn offered_suites(list: &[u8]) -> Vec<CipherSuite> {
    let mut offered = Vec::new();
    let mut reader = Reader::new(list);
    while let Some((id, algorithms)) = suite_record(&mut reader) {
        offered.extend(
            CipherSuite::from_id(id).filter(|suite| algorithms.is_some_and(|all| all == suite.algorithms())),
        );
    }
    CipherSuite::ALL.into_iter().filter(|suite| offered.contains(suite)).collect()
}

/// Number and algorithms of the next record; OEM records have none.
fn suite_record(reader: &mut Reader<'_>) -> Option<(u8, Option<[u8; 3]>)> {
    let start = reader.byte()?;
    let id = reader.byte()?;
    let oem = match start {
        0xC0 => false,
        0xC1 => reader.take(3).is_some(),
        _ => return None,
    };
    // Algorithms follow until the next start of a record; bits 7 and 6 tell their kind.
    let mut algorithms = [0; 3];
    while let Some(&byte) = reader.rest().first() {
        if byte & 0xC0 == 0xC0 {
            break;
        }
        reader.byte()?;
        if let Some(algorithm) = algorithms.get_mut(usize::from(byte >> 6)) {
            *algorithm = byte & 0x3F;
        }
    }
    Some((id, (!oem).then_some(algorithms)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_suites_are_found_best_first() {
        let list = [0xC0, 3, 0x01, 0x41, 0x81, 0xC0, 17, 0x03, 0x44, 0x81, 0xC0, 8, 0x02, 0x42, 0x81];

        assert_eq!(offered_suites(&list), [CipherSuite::Sha256, CipherSuite::Sha1]);
    }

    #[test]
    fn a_suite_with_other_algorithms_than_its_own_does_not_count() {
        assert_eq!(offered_suites(&[0xC0, 17, 0x01, 0x41, 0x81]), []);
    }

    #[test]
    fn records_of_vendors_are_skipped() {
        let list = [0xC1, 17, 1, 2, 3, 0x03, 0x44, 0x81, 0xC0, 3, 0x01, 0x41, 0x81];

        assert_eq!(offered_suites(&list), [CipherSuite::Sha1]);
    }

    #[test]
    fn the_list_is_asked_for_by_suite() {
        let message = Message::from(GetChannelCipherSuites { index: 2 });

        assert_eq!((message.netfn_raw(), message.cmd(), message.data()), (6, 0x54, &[0x0E, 0, 0x82][..]));
    }

    proptest! {
        #[test]
        fn no_list_panics(list in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(offered_suites(&list).len() <= 2);
            drop(GetChannelCipherSuites::parse_success_response(&list));
        }
    }
}
