//! Trouble: what a simulated BMC does wrong, late or not at all.
//!
//! Every switch is off at first and can be thrown while the BMC runs.

use std::collections::HashMap;
use std::time::Duration;

/// Network function and number of a command.
pub type CommandId = (u8, u8);

/// Switches of one BMC. What no switch mentions is done as the specification says.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    /// Answers nothing at all; its port stays open.
    pub deaf: bool,
    /// Answers every datagram this much later.
    pub delay: Duration,
    /// Sends this much junk before each answer: parts of it, damaged, foreign and too long datagrams.
    pub junk: u32,
    /// Trouble while somebody logs in.
    pub login: LoginTrouble,
    /// Trouble inside sessions.
    pub session: SessionTrouble,
    /// Completion codes to answer instead of carrying out the next commands of this number, in order.
    pub codes: Vec<(CommandId, u8)>,
    /// Commands that are carried out, but not answered, this many times.
    pub mute: HashMap<CommandId, u32>,
    /// Commands that are neither carried out nor answered this many times.
    pub ignore: HashMap<CommandId, u32>,
    /// Commands whose answers are cut to this many bytes behind the completion code.
    pub short: HashMap<CommandId, usize>,
    /// Trouble with the machine.
    pub chassis: ChassisTrouble,
    /// Trouble with the sensor data records.
    pub records: RecordTrouble,
    /// Trouble with the serial console.
    pub console: ConsoleTrouble,
}

/// What a BMC says about its cipher suites to those who have not logged in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SuiteList {
    /// The truth.
    #[default]
    True,
    /// Nothing: many do not answer this outside of a session.
    Silent,
    /// These bytes.
    Given(Vec<u8>),
}

/// Trouble while somebody logs in.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "switches")]
pub struct LoginTrouble {
    /// Answers presence pings; most do, this one does not unless told.
    pub pong: bool,
    /// What it says about its cipher suites.
    pub suites: SuiteList,
    /// Algorithms it chooses whatever it is asked for.
    pub downgrade: Option<[u8; 3]>,
    /// Statuses to answer to the next open session requests.
    pub open_statuses: Vec<u8>,
    /// Statuses to answer to the next RAKP 1 messages.
    pub rakp_2_statuses: Vec<u8>,
    /// Statuses to answer to the next RAKP 3 messages.
    pub rakp_4_statuses: Vec<u8>,
    /// Says nothing to these many open session requests, and so on for RAKP 1 and RAKP 3.
    pub silent: [u32; 3],
    /// Names its sessions 0.
    pub session_id_zero: bool,
    /// Answers RAKP messages with tag 0.
    pub tag_zero: bool,
    /// Looks users up by name and level although asked to go by the name alone.
    pub level_lookup: bool,
    /// Says that it grants no level, whatever it grants.
    pub level_zero: bool,
    /// Ignores RAKP 1 of unknown users instead of refusing.
    pub silent_for_unknown_user: bool,
    /// Ignores RAKP 3 with a wrong proof instead of refusing.
    pub silent_for_wrong_password: bool,
    /// Dies of a login that is given up before it has answered RAKP 1.
    pub dies_of_early_farewell: bool,
    /// Refusals have two bytes only.
    pub short_refusals: bool,
    /// Appends this many bytes to the key exchange code of RAKP 2.
    pub long_code: usize,
    /// Cuts this many bytes off the check value of RAKP 4.
    pub short_check: usize,
    /// Derives the session key with the level of the open session request in place of that of RAKP 1.
    pub key_from_open_level: bool,
    /// Gives a login a new session ID when its open session request is repeated, and from then on answers with that,
    /// whatever ID it is asked with.
    pub renames: bool,
}

/// Trouble inside sessions.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "switches")]
pub struct SessionTrouble {
    /// Computes the checksums of its messages wrongly.
    pub bad_checksums: bool,
    /// Answers outside of the session's protection.
    pub unprotected: bool,
    /// Fills the padding of encrypted payloads with zeros.
    pub zero_padding: bool,
    /// The next answers are authentic but cannot be deciphered.
    pub undecipherable: u32,
    /// Every answer has the session sequence number of the first.
    pub stuck_sequence: bool,
    /// The next answers carry another request's sequence number.
    pub wrong_request: u32,
    /// The next answers come from another session's ID.
    pub wrong_session: u32,
    /// Answers are this many bytes longer than a datagram may be.
    pub oversized: bool,
    /// Sends every answer this many times more.
    pub repeats: u32,
    /// Answers each request with the answer to the one before, and then with the right one.
    pub stale_first: bool,
    /// Refuses to set the privilege level from within a session, with this code.
    pub privilege_code: Option<u8>,
    /// Does so in sessions of the newer cipher suite only.
    pub privilege_code_in_newer_suite_only: bool,
}

/// Trouble with the machine.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "switches")]
pub struct ChassisTrouble {
    /// Answers D5h to what would change nothing, as Dell does.
    pub strict: bool,
    /// Accepts power changes and does nothing.
    pub stuck: bool,
    /// The operating system ignores the power button.
    pub ignores_soft_off: bool,
    /// Power changes take this long.
    pub delay: Duration,
    /// Answers nothing for this long after a power change.
    pub silence: Duration,
    /// The machine turns itself on or off when the next order arrives, before it is looked at.
    pub moves_before_order: Option<bool>,
    /// Code for boot option parameter 3, which keeps boot flags beyond a minute.
    pub keep_flags_code: Option<u8>,
    /// Refuses boot flags with this selector, unless the first byte has every bit.
    pub wants_all_flags: Option<u8>,
    /// Accepts boot flags and keeps the device alone.
    pub forgets_flag_bits: bool,
    /// How long a cold or warm reset of the BMC takes, in which it is deaf.
    pub reset_time: Duration,
    /// Does not answer a reset of itself.
    pub silent_reset: bool,
}

/// Trouble with the sensor data records.
#[derive(Debug, Clone, Default)]
pub struct RecordTrouble {
    /// Most bytes of a record it gives at a time; beyond it answers with this code.
    pub chunk: Option<(u8, u8)>,
    /// Adds this many bytes behind each record.
    pub padding: usize,
    /// Takes away the reservation before the next reads.
    pub lost_reservations: u32,
    /// Leads from the last record to the first.
    pub endless: bool,
    /// Leads from every record to a new one, forever.
    pub boundless: bool,
    /// What it says how many records there are.
    pub count: Option<u16>,
}

/// Trouble with the serial console.
#[derive(Debug, Clone, Default)]
pub struct ConsoleTrouble {
    /// Code for the next activations.
    pub activation_codes: Vec<u8>,
    /// Sizes it announces instead of the right ones: to the BMC, from it.
    pub sizes: Option<(u16, u16)>,
    /// Port it announces instead of its own.
    pub port: Option<u16>,
    /// Takes only this many characters of each packet.
    pub accepts: Option<usize>,
    /// Refuses the next packets: not acknowledged, cannot transfer now.
    pub busy: u32,
    /// Answers Get Payload Activation Status with this code.
    pub status_code: Option<u8>,
    /// Accepts the console only unencrypted.
    pub refuses_encryption: bool,
}

impl Trouble {
    /// Answers the next `times` commands of this number with `code`.
    pub fn refuse(&mut self, command: CommandId, code: u8, times: usize) {
        self.codes.extend(std::iter::repeat_n((command, code), times));
    }

    /// The code to answer a command with instead of carrying it out; each is given once.
    pub(crate) fn take_code(&mut self, command: CommandId) -> Option<u8> {
        let index = self.codes.iter().position(|(of, _)| *of == command)?;
        Some(self.codes.remove(index).1)
    }
}

/// Takes one of what is left of something; whether there was one.
pub(crate) fn take_one(left: &mut u32) -> bool {
    let some = 0 < *left;
    *left = left.saturating_sub(1);
    some
}

/// The same for one command.
pub(crate) fn take_one_of(left: &mut HashMap<CommandId, u32>, command: CommandId) -> bool {
    left.get_mut(&command).is_some_and(take_one)
}

/// Takes the first of a list, if there is one.
pub(crate) fn take_first<T>(list: &mut Vec<T>) -> Option<T> {
    if list.is_empty() { None } else { Some(list.remove(0)) }
}
