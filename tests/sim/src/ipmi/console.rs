//! The serial console over a session.
//!
//! Source: IPMI 2.0, section 15 for the packets, 24 for the commands, 26 for the parameters.

use std::time::{Duration, Instant};

use super::controller::{Controller, Outgoing};
use super::packet::{Bytes, payload};
use crate::inject::{take_first, take_one};

/// Characters per packet, to the BMC and from it; both sizes count the four bytes before the characters.
const SIZES: (u16, u16) = (132, 132);
/// Bytes before the characters.
const HEADER: usize = 4;
/// Pause before a packet that nobody acknowledged is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// How often it is sent again before its characters are given up.
const RETRIES_MAX: u32 = 20;

/// Bits of the operation of a packet to the BMC.
mod operation {
    pub(super) const NACK: u8 = 0x40;
    pub(super) const BREAK: u8 = 0x10;
}

/// Bits of the status of a packet from the BMC.
mod status {
    pub(super) const NACK: u8 = 0x40;
    pub(super) const CANNOT_TRANSFER: u8 = 0x20;
    pub(super) const DEACTIVATING: u8 = 0x10;
}

/// Completion codes.
mod code {
    pub(super) const OK: u8 = 0x00;
    pub(super) const TAKEN: u8 = 0x80;
    pub(super) const NO_ENCRYPTION: u8 = 0x83;
    pub(super) const LENGTH: u8 = 0xC7;
    pub(super) const INVALID_FIELD: u8 = 0xCC;
    pub(super) const PARAMETER: u8 = 0x80;
}

/// An active console.
#[derive(Debug)]
pub(super) struct Sol {
    /// Whose it is.
    pub(super) session: u32,
    /// Number of the last packet taken, and how many of its characters.
    taken: (u8, u8),
    /// Number of the last packet sent.
    sent: u8,
    /// What was sent and not acknowledged.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: u8,
    text: Vec<u8>,
    since: Instant,
    retries: u32,
}

impl Controller {
    pub(super) fn activate_payload(&mut self, id: u32, data: &[u8]) -> Vec<u8> {
        let [kind, instance, options, ..] = data else { return vec![code::LENGTH] };
        if (*kind, *instance) != (payload::SOL, 1) {
            return vec![code::INVALID_FIELD];
        }
        if let Some(refusal) = take_first(&mut self.trouble.console.activation_codes) {
            return vec![refusal];
        }
        if self.trouble.console.refuses_encryption && options & 0x80 != 0 {
            return vec![code::NO_ENCRYPTION];
        }
        self.expire();
        if self.sol.is_some() {
            return vec![code::TAKEN];
        }
        self.sol = Some(Sol { session: id, taken: (0, 0), sent: 0, waiting: None });
        let (inbound, outbound) = self.trouble.console.sizes.unwrap_or(SIZES);
        let port = self.trouble.console.port.unwrap_or(self.port);
        let mut body = vec![code::OK, 0, 0, 0, 0];
        for word in [inbound, outbound, port, 0xFFFF] {
            body.extend(word.to_le_bytes());
        }
        body
    }

    pub(super) fn deactivate_payload(&mut self, data: &[u8]) -> Vec<u8> {
        let [kind, instance, ..] = data else { return vec![code::LENGTH] };
        if (*kind, *instance) != (payload::SOL, 1) {
            return vec![code::INVALID_FIELD];
        }
        match self.sol.take() {
            Some(_) => vec![code::OK],
            None => vec![code::TAKEN],
        }
    }

    pub(super) fn payload_status(&mut self, data: &[u8]) -> Vec<u8> {
        let [_kind] = data else { return vec![code::LENGTH] };
        if let Some(refusal) = self.trouble.console.status_code {
            return vec![refusal];
        }
        vec![code::OK, 1, u8::from(self.sol.is_some()), 0]
    }

    pub(super) fn payload_info(&mut self, data: &[u8]) -> Vec<u8> {
        let [_kind, _instance] = data else { return vec![code::LENGTH] };
        let owner = self.sol.as_ref().map_or(0, |sol| sol.session);
        let mut body = vec![code::OK];
        body.extend(owner.to_le_bytes());
        body.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        body
    }

    /// Get SOL Configuration Parameters.
    pub(super) fn sol_parameter(&self, data: &[u8]) -> Vec<u8> {
        let [_channel, parameter, ..] = data else { return vec![code::LENGTH] };
        let value: Vec<u8> = match parameter {
            0 => vec![0],
            1 => vec![1],
            // Encryption and authentication are forced; operators may.
            2 => vec![0xC3],
            3 => vec![4, 64],
            4 => vec![7, 25],
            5 | 6 => vec![0x0A],
            7 => vec![1],
            8 => self.port.to_le_bytes().to_vec(),
            _ => return vec![code::PARAMETER],
        };
        [&[code::OK, 0x11], value.as_slice()].concat()
    }

    /// A packet of characters.
    pub(super) fn console_packet(&mut self, id: u32, packet: &[u8]) {
        let mut bytes = Bytes(packet);
        let Some([number, acknowledged, count, operation]) = bytes.array() else { return };
        let text = bytes.0;
        let Some(sol) = self.sol.as_mut().filter(|sol| sol.session == id) else { return };
        if let Some(waiting) =
            sol.waiting.take_if(|waiting| acknowledged != 0 && waiting.number == acknowledged)
        {
            let taken = if operation & operation::NACK != 0 {
                usize::from(count).min(waiting.text.len())
            } else {
                usize::from(count)
            };
            if let Some(rest) = waiting.text.get(taken..) {
                self.machine.console.put_back(rest);
            }
        }
        if operation & operation::BREAK != 0 {
            self.machine.console.breaks += 1;
        }
        if number & 0x0F == 0 {
            return;
        }
        let (last, last_count) = sol.taken;
        if number == last {
            self.acknowledge(number, last_count, 0);
            return;
        }
        if take_one(&mut self.trouble.console.busy) {
            self.acknowledge(number, 0, status::NACK | status::CANNOT_TRANSFER);
            return;
        }
        let most = self.trouble.console.accepts.unwrap_or(text.len());
        let (accepted, _) = text.split_at_checked(most).unwrap_or((text, &[]));
        let size = u8::try_from(accepted.len()).unwrap_or(u8::MAX);
        sol.taken = (number, size);
        self.machine.console.receive(accepted);
        self.acknowledge(number, size, 0);
    }

    fn acknowledge(&mut self, number: u8, count: u8, status: u8) {
        self.pending_console.push([0, number, count, status].to_vec());
    }

    /// What the console has to say: acknowledgements, new characters, old ones again.
    pub(super) fn poll_console(&mut self) -> Vec<Outgoing> {
        let mut packets = std::mem::take(&mut self.pending_console);
        let Some(sol) = &mut self.sol else { return Vec::new() };
        let session_id = sol.session;
        match &mut sol.waiting {
            Some(waiting) if RETRY_PAUSE <= waiting.since.elapsed() => {
                waiting.since = Instant::now();
                waiting.retries += 1;
                packets.push([&[waiting.number, 0, 0, 0], waiting.text.as_slice()].concat());
                if waiting.retries == RETRIES_MAX {
                    sol.waiting = None;
                }
            }
            Some(_) => {}
            None if self.machine.console.has_output() => {
                let text = self.machine.console.take_output(usize::from(SIZES.1) - HEADER);
                sol.sent = sol.sent % 15 + 1;
                packets.push([&[sol.sent, 0, 0, 0], text.as_slice()].concat());
                sol.waiting = Some(Waiting { number: sol.sent, text, since: Instant::now(), retries: 0 });
            }
            None => {}
        }
        let Some(session) = self.sessions.get_mut(&session_id) else { return Vec::new() };
        let to = session.peer;
        let mut sealed = Vec::new();
        for packet in packets {
            sealed.extend(session.seal(payload::SOL, &packet, &mut self.trouble.session));
        }
        if std::mem::take(&mut self.console_leaves) {
            self.sol = None;
        }
        sealed.into_iter().map(|bytes| self.outgoing(to, bytes)).collect()
    }

    /// When the console has to be looked after next.
    pub(super) fn console_due(&self) -> Option<Instant> {
        let sol = self.sol.as_ref()?;
        sol.waiting.as_ref().map(|waiting| waiting.since + RETRY_PAUSE)
    }

    /// Takes the console away from whoever has it, and says so to him.
    pub fn deactivate_console(&mut self) {
        self.pending_console.push(vec![0, 0, 0, status::DEACTIVATING]);
        self.console_leaves = true;
    }
}
