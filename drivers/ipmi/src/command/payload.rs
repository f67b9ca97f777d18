//! The serial console as a payload of a session: taking it, giving it back, asking who has it.
//!
//! Source: IPMI 2.0, sections 24.1, 24.2 and 24.5.

use ipmi_rs::connection::{IpmiCommand, Message, NetFn};

use super::completion::CompletionCode;
use super::{Command, Malformed, Repeat};
use crate::crypto::CipherSuite;
use crate::packet::reader::Reader;

/// Payload type and instance of the only console there is.
const CONSOLE: [u8; 2] = [0x01, 0x01];

/// Takes the console for this session, guarded as the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivateConsole {
    /// The session's cipher suite.
    pub suite: CipherSuite,
}

/// What a BMC says about a console that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveConsole {
    /// Most bytes of a packet to the BMC. Nonsense occurs.
    pub size_to_bmc: u16,
}

impl ActivateConsole {
    /// Completion code: somebody has the console.
    pub const TAKEN: CompletionCode = CompletionCode(0x80);
}

impl From<ActivateConsole> for Message {
    fn from(command: ActivateConsole) -> Self {
        let encrypted = u8::from(command.suite.encrypts()) << 7;
        let authenticated = u8::from(command.suite.auth_code_size() != 0) << 6;
        let [kind, instance] = CONSOLE;
        Self::new_request(NetFn::App, 0x48, vec![kind, instance, encrypted | authenticated, 0, 0, 0])
    }
}

impl IpmiCommand for ActivateConsole {
    type Output = ActiveConsole;
    type Error = Malformed;

    /// The port is not looked at: another one than the session's was never seen to work, and some swap its bytes.
    fn parse_success_response(data: &[u8]) -> Result<ActiveConsole, Malformed> {
        let mut reader = Reader::new(data);
        reader.take(4).ok_or(Malformed)?;
        Ok(ActiveConsole { size_to_bmc: reader.word().ok_or(Malformed)? })
    }
}

impl Command for ActivateConsole {
    const NAME: &'static str = "Activate Payload";

    fn repeat(&self) -> Repeat {
        Repeat::SameSession
    }
}

/// Takes the console away from whoever has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeactivateConsole;

impl DeactivateConsole {
    /// Completion code: nobody has the console.
    pub const FREE: CompletionCode = CompletionCode(0x80);
}

impl From<DeactivateConsole> for Message {
    fn from(_: DeactivateConsole) -> Self {
        let [kind, instance] = CONSOLE;
        Self::new_request(NetFn::App, 0x49, vec![kind, instance, 0, 0, 0, 0])
    }
}

impl IpmiCommand for DeactivateConsole {
    type Output = ();
    type Error = Malformed;

    fn parse_success_response(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

impl Command for DeactivateConsole {
    const NAME: &'static str = "Deactivate Payload";

    fn repeat(&self) -> Repeat {
        Repeat::SameSession
    }
}

/// Asks whose the console is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetConsoleOwner;

impl From<GetConsoleOwner> for Message {
    fn from(_: GetConsoleOwner) -> Self {
        Self::new_request(NetFn::App, 0x4B, CONSOLE.to_vec())
    }
}

impl IpmiCommand for GetConsoleOwner {
    /// The BMC's ID of the session that has it, 0 for none.
    type Output = u32;
    type Error = Malformed;

    fn parse_success_response(data: &[u8]) -> Result<u32, Malformed> {
        Reader::new(data).double().ok_or(Malformed)
    }
}

impl Command for GetConsoleOwner {
    const NAME: &'static str = "Get Payload Instance Info";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_console_is_guarded_as_its_session() {
        let data = |suite| Message::from(ActivateConsole { suite }).data().to_vec();

        assert_eq!(data(CipherSuite::Sha256), [1, 1, 0xC0, 0, 0, 0]);
        assert_eq!(data(CipherSuite::Sha1Plain), [1, 1, 0x40, 0, 0, 0]);
        assert_eq!(data(CipherSuite::Open), [1, 1, 0x00, 0, 0, 0]);
    }

    #[test]
    fn the_size_stands_behind_the_auxiliary_data() {
        let answer = [0, 0, 0, 0, 0x20, 0, 0x40, 0, 0xAB, 0x25, 0xFF, 0xFF];

        assert_eq!(ActivateConsole::parse_success_response(&answer).unwrap().size_to_bmc, 32);
    }

    proptest! {
        #[test]
        fn no_answer_panics(data in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(ActivateConsole::parse_success_response(&data).is_ok(), 6 <= data.len());
            prop_assert_eq!(GetConsoleOwner::parse_success_response(&data).is_ok(), 4 <= data.len());
        }
    }
}
