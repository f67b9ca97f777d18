//! What each command does.
//!
//! Source: IPMI 2.0, appendix G for the levels, and the sections of the commands.

mod app;
mod bridge;
mod chassis;
mod storage;

use super::controller::Controller;
use super::level;
use super::packet::Request;

/// Completion codes.
mod code {
    pub(super) const OK: u8 = 0x00;
    pub(super) const INVALID_COMMAND: u8 = 0xC1;
    pub(super) const RESERVATION: u8 = 0xC5;
    pub(super) const LENGTH: u8 = 0xC7;
    pub(super) const RANGE: u8 = 0xC9;
    pub(super) const CANNOT_RETURN_SO_MANY: u8 = 0xCA;
    pub(super) const NOT_PRESENT: u8 = 0xCB;
    pub(super) const INVALID_FIELD: u8 = 0xCC;
    pub(super) const PRIVILEGE: u8 = 0xD4;
    pub(super) const STATE: u8 = 0xD5;
}

/// Network function, number and lowest level of each command; what is missing, `USER` may do.
#[rustfmt::skip]
const LEVELS: &[(u8, u8, u8)] = &[
    (0x00, 0x02, level::OPERATOR),
    (0x00, 0x04, level::OPERATOR),
    (0x00, 0x06, level::OPERATOR),
    (0x00, 0x08, level::OPERATOR),
    (0x00, 0x09, level::OPERATOR),
    (0x06, 0x02, level::ADMINISTRATOR),
    (0x06, 0x03, level::ADMINISTRATOR),
    (0x0A, 0x47, level::OPERATOR),
    (0x0C, 0x21, level::ADMINISTRATOR),
];

impl Controller {
    /// A command outside of any session; `None` for silence.
    pub(super) fn sessionless(&mut self, request: &Request) -> Option<Vec<u8>> {
        match (request.netfn, request.cmd) {
            (0x06, 0x38) => Some(self.authentication_capabilities(&request.data)),
            (0x06, 0x54) => self.cipher_suites(&request.data),
            _ => Some(vec![code::PRIVILEGE]),
        }
    }

    /// A command in a session of RMCP+: completion code and data, empty for silence; and a message that
    /// somebody behind us answered.
    pub(super) fn carry_out(&mut self, id: u32, request: &Request) -> (Vec<u8>, Option<Vec<u8>>) {
        let Some(session) = self.sessions.get(&id) else { return (Vec::new(), None) };
        let level = session.level;
        let command = (request.netfn, request.cmd);
        self.note(command, &request.data);
        let body = match command {
            (0x06, 0x3B) => self.set_privilege(id, &request.data),
            (0x06, 0x3C) => self.close_session(id, &request.data),
            (0x06, 0x3D) => self.session_info(id, &request.data),
            (0x06, 0x48) => self.activate_payload(id, &request.data),
            (0x06, 0x49) => self.deactivate_payload(&request.data),
            (0x06, 0x4A) => self.payload_status(&request.data),
            (0x06, 0x4B) => self.payload_info(&request.data),
            (0x06, 0x34) => return self.send_message(request),
            _ => self.obey(request, level),
        };
        (body, None)
    }

    /// A command that is the same in sessions of either kind.
    pub(super) fn obey(&mut self, request: &Request, level: u8) -> Vec<u8> {
        let (netfn, cmd) = (request.netfn, request.cmd);
        let needed =
            LEVELS.iter().find(|row| (row.0, row.1) == (netfn, cmd)).map_or(level::USER, |row| row.2);
        if level < needed {
            return vec![code::PRIVILEGE];
        }
        let data = request.data.as_slice();
        match (netfn, cmd) {
            (0x00, _) => self.chassis_command(cmd, data),
            (0x04, _) => self.sensor_command(cmd, request.lun, data),
            (0x0A, _) => self.storage_command(cmd, data),
            (0x06, 0x01) => self.device_id(),
            (0x06, 0x02 | 0x03) => self.reset_self(cmd),
            (0x06, 0x37) => [&[code::OK][..], &self.guid].concat(),
            (0x06, 0x38 | 0x54) => self.sessionless(request).unwrap_or_default(),
            (0x0C, 0x22) => self.sol_parameter(data),
            (0x0C, 0x21) => vec![code::OK],
            (0x2C..=0x3E, _) => vendor_command(netfn, cmd, data),
            _ => vec![code::INVALID_COMMAND],
        }
    }
}

/// Commands of vendors: number 1 gives back what it is sent, number 2 a text.
fn vendor_command(netfn: u8, cmd: u8, data: &[u8]) -> Vec<u8> {
    // Groups and vendors are named by the first bytes, which every answer repeats.
    let name_size = match netfn {
        0x2C => 1,
        0x2E => 3,
        _ => 0,
    };
    let Some(name) = data.get(..name_size) else { return vec![code::LENGTH] };
    match cmd {
        0x01 => [&[code::OK], data].concat(),
        0x02 => [&[code::OK], name, b"farrier"].concat(),
        _ => vec![code::INVALID_COMMAND],
    }
}
