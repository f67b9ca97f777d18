//! The BMC itself: identity, sessions, cipher suites.
//!
//! Source: IPMI 2.0, sections 20 and 22.

use super::code;
use crate::inject::SuiteList;
use crate::ipmi::controller::Controller;
use crate::ipmi::crypto::{Algorithms, Hash};

/// Channel that every client comes in on.
const CHANNEL: u8 = 0x01;

/// Bytes of a full part of the list of cipher suites.
const SUITE_PART: usize = 16;

impl Controller {
    pub(super) fn authentication_capabilities(&self, data: &[u8]) -> Vec<u8> {
        let [channel, _level] = data else { return vec![code::LENGTH] };
        let extended = channel & 0x80;
        // MD5 and straight password.
        let types = 0x14 | extended;
        let key = u8::from(self.settings.bmc_key.is_some()) << 5;
        let anonymous = u8::from(self.settings.users.iter().any(|user| user.name.is_empty())) << 1;
        let both_versions = if extended == 0 { 0 } else { 0x03 };
        vec![code::OK, CHANNEL, types, key | anonymous | 0x04, both_versions, 0, 0, 0, 0]
    }

    /// The list of cipher suites, in parts; `None` for silence.
    pub(super) fn cipher_suites(&self, data: &[u8]) -> Option<Vec<u8>> {
        let [_channel, _payload, index] = data else { return Some(vec![code::LENGTH]) };
        let list = match &self.trouble.login.suites {
            SuiteList::Silent => return None,
            SuiteList::Given(list) => list.clone(),
            SuiteList::True => self.suite_records(),
        };
        let part = list.chunks(SUITE_PART).nth(usize::from(index & 0x3F)).unwrap_or_default();
        Some([&[code::OK, CHANNEL], part].concat())
    }

    fn suite_records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        for id in &self.settings.suites {
            if let Some(algorithms) = Algorithms::of_suite(*id) {
                let [authentication, integrity, confidentiality] = algorithms.to_bytes();
                records.extend([0xC0, *id, authentication, 0x40 | integrity, 0x80 | confidentiality]);
            }
        }
        records
    }

    pub(super) fn set_privilege(&mut self, id: u32, data: &[u8]) -> Vec<u8> {
        let [wanted] = data else { return vec![code::LENGTH] };
        let Some(session) = self.sessions.get_mut(&id) else { return Vec::new() };
        let trouble = &self.trouble.session;
        let is_refused =
            !trouble.privilege_code_in_newer_suite_only || session.algorithms.packet_hash() == Hash::Sha256;
        if let Some(refusal) = trouble.privilege_code.filter(|_| is_refused) {
            return vec![refusal];
        }
        match *wanted {
            0 => {}
            level if session.limit < level => return vec![0x81],
            level => session.level = level,
        }
        vec![code::OK, session.level]
    }

    pub(super) fn close_session(&mut self, id: u32, data: &[u8]) -> Vec<u8> {
        let Some(wanted) = data.first_chunk().map(|id| u32::from_le_bytes(*id)) else {
            return vec![code::LENGTH];
        };
        match self.sessions.get_mut(&wanted) {
            // Its keys are needed for the answer.
            Some(session) if wanted == id => session.level = 0,
            Some(_) => drop(self.sessions.remove(&wanted)),
            None => return vec![0x87],
        }
        if self.sol.as_ref().is_some_and(|sol| sol.session == wanted) {
            self.sol = None;
        }
        vec![code::OK]
    }

    pub(super) fn session_info(&mut self, id: u32, data: &[u8]) -> Vec<u8> {
        let [index, ..] = data else { return vec![code::LENGTH] };
        let slots = u8::try_from(self.settings.slots).unwrap_or(0x3F).min(0x3F);
        let active = u8::try_from(self.sessions()).unwrap_or(0x3F).min(0x3F);
        let mut ids: Vec<u32> = self.sessions.keys().copied().collect();
        ids.sort_unstable();
        let wanted = match *index {
            0 => Some(id),
            number => ids.get(usize::from(number) - 1).copied(),
        };
        let session = wanted.and_then(|id| Some((id, self.sessions.get(&id)?)));
        let Some((id, session)) = session else { return vec![code::OK, 0, slots, active] };
        let handle = ids.iter().position(|known| *known == id).and_then(|index| u8::try_from(index + 1).ok());
        let user = u8::try_from(session.user + 1).unwrap_or_default();
        // Bits 7..4 say RMCP+.
        vec![code::OK, handle.unwrap_or_default(), slots, active, user, session.level, 0x10 | CHANNEL]
    }

    pub(super) fn device_id(&self) -> Vec<u8> {
        let [m0, m1, m2, _] = self.settings.manufacturer.to_le_bytes();
        let [p0, p1] = self.settings.product.to_le_bytes();
        vec![code::OK, 0x20, 0x81, 0x02, 0x15, 0x02, 0xBF, m0, m1, m2, p0, p1, 0, 0, 0, 0]
    }

    pub(super) fn reset_self(&mut self, cmd: u8) -> Vec<u8> {
        let [cold, warm] = &mut self.own_resets;
        *(if cmd == 0x02 { cold } else { warm }) += 1;
        if self.trouble.chassis.silent_reset {
            self.restart(self.trouble.chassis.reset_time);
            return Vec::new();
        }
        self.restart_due = true;
        vec![code::OK]
    }
}
