//! Sessions of IPMI 1.5.
//!
//! Source: IPMI 2.0, sections 13.6, 22.16 and 22.17.

use std::time::Instant;

use md5::{Digest, Md5};

use super::controller::Controller;
use super::level;
use super::packet::{Bytes, Old, Request};

/// Authentication types.
mod auth {
    pub(super) const NONE: u8 = 0;
    pub(super) const MD5: u8 = 2;
    pub(super) const PASSWORD: u8 = 4;
}

/// A session, or the promise of one.
#[derive(Debug)]
pub(super) struct OldSession {
    user: usize,
    pub(super) level: u8,
    limit: u8,
    auth_type: u8,
    /// What Activate Session must give back; `None` once it has.
    challenge: Option<[u8; 16]>,
    /// Highest sequence number of the client.
    received: u32,
    /// Next sequence number of ours.
    next: u32,
    pub(super) last_used: Instant,
}

impl Controller {
    /// A packet in the old format, in a session or outside of any.
    pub(super) fn old_packet(&mut self, packet: &Old<'_>) -> Option<Vec<u8>> {
        let request = Request::parse(packet.message)?;
        if packet.session_id != 0 {
            return self.old_session_packet(packet, &request);
        }
        if packet.auth_type != auth::NONE {
            return None;
        }
        let body = match (request.netfn, request.cmd) {
            (0x06, 0x39) => self.challenge(&request.data),
            _ => self.sessionless(&request)?,
        };
        let message = request.answer(&body);
        let answer =
            Old { auth_type: auth::NONE, sequence: 0, session_id: 0, auth_code: [0; 16], message: &message };
        Some(answer.encode())
    }

    /// Get Session Challenge.
    fn challenge(&mut self, data: &[u8]) -> Vec<u8> {
        let mut bytes = Bytes(data);
        let (Some(auth_type), Some(name)) = (bytes.byte(), bytes.array::<16>()) else { return vec![0xC7] };
        let size = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        let name = name.get(..size).unwrap_or_default();
        let users = &self.settings.users;
        let Some(user) = users.iter().position(|user| user.name.as_bytes() == name) else {
            return vec![if name.is_empty() { 0x82 } else { 0x81 }];
        };
        let limit = users.get(user).map_or(level::CALLBACK, |user| user.level);
        if !matches!(auth_type & 0x0F, auth::MD5 | auth::PASSWORD) {
            return vec![0xCC];
        }
        if !self.has_room() {
            return vec![0xC4];
        }
        let id = self.new_id();
        let challenge: [u8; 16] = rand::random();
        let session = OldSession {
            user,
            level: level::USER.min(limit),
            limit,
            auth_type: auth_type & 0x0F,
            challenge: Some(challenge),
            received: 0,
            next: 0,
            last_used: Instant::now(),
        };
        self.old_sessions.insert(id, session);
        let mut body = vec![0];
        body.extend(id.to_le_bytes());
        body.extend(challenge);
        body
    }

    fn old_session_packet(&mut self, packet: &Old<'_>, request: &Request) -> Option<Vec<u8>> {
        self.expire();
        let id = packet.session_id;
        let session = self.old_sessions.get(&id)?;
        let password = self.settings.users.get(session.user)?.password.clone();
        if packet.auth_type != session.auth_type || packet.auth_code != code(packet, &password) {
            return None;
        }
        let active = session.challenge.is_none();
        if active && packet.sequence <= session.received {
            return None;
        }
        let body = match (active, request.netfn, request.cmd) {
            (false, 0x06, 0x3A) => self.activate(id, &request.data),
            (false, ..) => return None,
            (true, ..) => self.carry_out_old(id, request),
        };
        let session = self.old_sessions.get_mut(&id)?;
        session.last_used = Instant::now();
        session.received = packet.sequence;
        let sequence = if active { session.next } else { 0 };
        session.next += u32::from(active);
        let message = request.answer(&body);
        let mut answer = Old {
            auth_type: session.auth_type,
            sequence,
            session_id: id,
            auth_code: [0; 16],
            message: &message,
        };
        answer.auth_code = code(&answer, &password);
        let encoded = answer.encode();
        self.old_sessions.retain(|_, session| session.level != 0);
        Some(encoded)
    }

    /// Activate Session.
    fn activate(&mut self, id: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Bytes(data);
        let (Some([auth_type, wanted]), Some(challenge), Some(outbound)) =
            (bytes.array(), bytes.array::<16>(), bytes.double())
        else {
            return vec![0xC7];
        };
        let Some(session) = self.old_sessions.get_mut(&id) else { return vec![0x85] };
        if session.challenge != Some(challenge) {
            return vec![0x85];
        }
        if session.limit < wanted {
            return vec![0x86];
        }
        session.challenge = None;
        session.next = outbound;
        session.limit = wanted;
        let inbound = 1u32;
        let mut body = vec![0, auth_type];
        body.extend(id.to_le_bytes());
        body.extend(inbound.to_le_bytes());
        body.push(wanted);
        body
    }

    /// A command in an active session.
    fn carry_out_old(&mut self, id: u32, request: &Request) -> Vec<u8> {
        let Some(session) = self.old_sessions.get(&id) else { return vec![0xD5] };
        let (level, limit) = (session.level, session.limit);
        let command = (request.netfn, request.cmd);
        if let Some(code) = self.trouble.take_code(command) {
            return vec![code];
        }
        self.note(command, &request.data);
        match (command, request.data.as_slice()) {
            ((0x06, 0x3B), [0]) => vec![0, level],
            ((0x06, 0x3B), [wanted]) if *wanted <= limit => {
                if let Some(session) = self.old_sessions.get_mut(&id) {
                    session.level = *wanted;
                }
                vec![0, *wanted]
            }
            ((0x06, 0x3B), [_]) => vec![0x81],
            ((0x06, 0x3C), data) if data == id.to_le_bytes() => {
                if let Some(session) = self.old_sessions.get_mut(&id) {
                    session.level = 0;
                }
                vec![0]
            }
            ((0x06, 0x3C), _) => vec![0x87],
            _ => self.obey(request, level),
        }
    }
}

/// What guards a packet: the password itself, or a hash over session ID, message, sequence number and password.
fn code(packet: &Old<'_>, password: &[u8]) -> [u8; 16] {
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(password) {
        *to = *from;
    }
    if packet.auth_type == auth::PASSWORD {
        return key;
    }
    let mut hash = Md5::new();
    for part in
        [&key[..], &packet.session_id.to_le_bytes(), packet.message, &packet.sequence.to_le_bytes(), &key]
    {
        hash.update(part);
    }
    hash.finalize().into()
}
