//! IPMI commands as types, on the command traits of `ipmi-rs`.
//!
//! A command turns into a [`Message`] and reads its own response; [`Command`] adds what a transport must know:
//! what to call it and what to do when no answer comes.
//!
//! [`Message`]: ipmi_rs::connection::Message

pub mod completion;
pub mod payload;
pub mod raw;
pub mod sensor;
pub mod session;

use completion::CompletionCode;
use ipmi_rs::app::GetDeviceId;
use ipmi_rs::connection::IpmiCommand;

/// A command the transport can carry.
pub trait Command: IpmiCommand {
    /// Name in the specification, for messages.
    const NAME: &'static str;

    /// Completion codes that are not retried although they usually are: the caller knows better.
    const HANDLED: &'static [CompletionCode] = &[];

    /// What to do on silence; the careful choice unless the command says otherwise.
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    /// Unit of the controller that carries it out, 0 to 3.
    fn unit(&self) -> u8 {
        0
    }

    /// Whether the BMC forgets its sessions and is away for a while when it carries this out.
    fn resets_bmc(&self) -> bool {
        false
    }
}

impl Command for GetDeviceId {
    const NAME: &'static str = "Get Device ID";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

/// What to do when a request was sent and no answer came: the BMC may have carried it out or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// It changes nothing: send again, also in a new session.
    Freely,
    /// Doing it twice is the same as once, but it undoes what came before: send again, also in a new session,
    /// and let no copy of it arrive after the next command that changes something.
    Idempotent,
    /// Doing it twice in a row does little harm: send again in the same session, then look what happened.
    SameSession,
    /// Send once; on silence the outcome is unknown.
    Never,
}

impl Repeat {
    /// Whether the request may be sent again in another session.
    #[must_use]
    pub const fn outlives_session(self) -> bool {
        matches!(self, Self::Freely | Self::Idempotent)
    }
}

/// A response that does not have the form its command promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed response")]
pub struct Malformed;
