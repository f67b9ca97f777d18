//! Logging in by RMCP+: open session, RAKP 1 to 4.
//!
//! Source: IPMI 2.0, sections 13.17 to 13.24.

use std::net::SocketAddr;
use std::time::Instant;

use super::controller::Controller;
use super::crypto::Algorithms;
use super::packet::{Bytes, encode_plain, payload};
use super::session::{Session, Window};
use super::{User, level};
use crate::inject::{take_first, take_one};

/// Login times remembered.
const LOGIN_TIMES_MAX: usize = 64;

/// Statuses of a login.
mod status {
    pub(super) const OK: u8 = 0x00;
    pub(super) const NO_RESOURCES: u8 = 0x01;
    pub(super) const INVALID_SESSION: u8 = 0x02;
    pub(super) const UNKNOWN_USER: u8 = 0x0D;
    pub(super) const NAME_LENGTH: u8 = 0x0C;
    pub(super) const BAD_CHECK_VALUE: u8 = 0x0F;
    pub(super) const NO_SUITE: u8 = 0x11;
    pub(super) const ILLEGAL_PARAMETER: u8 = 0x12;
}

/// Bit of the role: go by the name alone.
const NAME_ONLY: u8 = 0x10;

/// A login under way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) since: Instant,
    console_id: u32,
    algorithms: Algorithms,
    open_level: u8,
    exchange: Option<Exchange>,
}

/// What is known after RAKP 1.
#[derive(Debug)]
struct Exchange {
    /// Proof awaited in RAKP 3.
    proof: Vec<u8>,
    /// Check value for RAKP 4.
    check: Vec<u8>,
    k1: Vec<u8>,
    k2: Vec<u8>,
    user: usize,
    limit: u8,
}

impl Controller {
    pub(super) fn open_session(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let [count, ..] = &mut self.logins;
        *count += 1;
        if LOGIN_TIMES_MAX <= self.login_times.len() {
            self.login_times.pop_front();
        }
        self.login_times.push_back(Instant::now());
        let [silent, ..] = &mut self.trouble.login.silent;
        if take_one(silent) {
            return None;
        }
        let mut bytes = Bytes(request);
        let [tag, open_level, _, _] = bytes.array()?;
        let console_id = bytes.double()?;
        let refuse = |short: bool, status: u8| {
            let mut answer = vec![tag, status];
            if !short {
                answer.extend([0, 0]);
                answer.extend(console_id.to_le_bytes());
            }
            Some(encode_plain(payload::OPEN_SESSION_RESPONSE, &answer))
        };
        let short = self.trouble.login.short_refusals;
        if let Some(status) = take_first(&mut self.trouble.login.open_statuses) {
            return refuse(short, status);
        }
        let Some(asked) = algorithms_asked(&mut bytes) else {
            return refuse(short, status::ILLEGAL_PARAMETER);
        };
        let offered = self.settings.suites.iter().filter_map(|id| Algorithms::of_suite(*id));
        let accepted = offered.map(Algorithms::to_bytes).any(|suite| suite == asked);
        let chosen = match self.trouble.login.downgrade {
            Some(chosen) => chosen,
            None if accepted => asked,
            None => return refuse(short, status::NO_SUITE),
        };
        if !self.has_room() {
            return refuse(short, status::NO_RESOURCES);
        }
        if self.trouble.login.renames {
            self.pending.retain(|_, pending| pending.console_id != console_id);
        }
        let id = self.new_id();
        let algorithms = Algorithms::from(chosen);
        let pending = Pending { since: Instant::now(), console_id, algorithms, open_level, exchange: None };
        self.pending.insert(id, pending);
        let granted = if self.trouble.login.level_zero { 0 } else { level::ADMINISTRATOR };
        let mut answer = vec![tag, status::OK, granted, 0];
        answer.extend(console_id.to_le_bytes());
        answer.extend(if self.trouble.login.session_id_zero { 0 } else { id }.to_le_bytes());
        for (kind, algorithm) in (0..).zip(chosen) {
            answer.extend([kind, 0, 0, 8, algorithm, 0, 0, 0]);
        }
        Some(encode_plain(payload::OPEN_SESSION_RESPONSE, &answer))
    }

    pub(super) fn rakp_1(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let [_, count, _] = &mut self.logins;
        *count += 1;
        let [_, silent, _] = &mut self.trouble.login.silent;
        if take_one(silent) {
            return None;
        }
        let mut rakp_1 = Rakp1::parse(message)?;
        if self.trouble.login.renames {
            rakp_1.id = self.pending.keys().copied().max().unwrap_or(rakp_1.id);
        }
        let tag = if self.trouble.login.tag_zero { 0 } else { rakp_1.tag };
        let Some(pending) = self.pending.get(&rakp_1.id) else {
            return refusal(payload::RAKP_2, tag, status::INVALID_SESSION, 0, false);
        };
        // A repeated RAKP 1 is ignored, as most do.
        if pending.exchange.is_some() {
            return None;
        }
        let console_id = pending.console_id;
        let short = self.trouble.login.short_refusals;
        if let Some(status) = take_first(&mut self.trouble.login.rakp_2_statuses) {
            self.pending.remove(&rakp_1.id);
            return refusal(payload::RAKP_2, tag, status, console_id, short);
        }
        let user = match self.find_user(&rakp_1) {
            Ok(user) => user,
            Err(status) => {
                self.pending.remove(&rakp_1.id);
                if self.trouble.login.silent_for_unknown_user {
                    return None;
                }
                return refusal(payload::RAKP_2, tag, status, console_id, short);
            }
        };
        self.prove(&rakp_1, user, tag)
    }

    /// RAKP 2 for a user that exists.
    fn prove(&mut self, rakp_1: &Rakp1<'_>, user: usize, tag: u8) -> Option<Vec<u8>> {
        let account = self.settings.users.get(user)?;
        let pending = self.pending.get_mut(&rakp_1.id)?;
        let hash = pending.algorithms.login_hash();
        let random: [u8; 16] = rand::random();
        let (console_id, id) = (pending.console_id.to_le_bytes(), rakp_1.id.to_le_bytes());
        let size = [u8::try_from(rakp_1.name.len()).unwrap_or_default()];
        let role = [rakp_1.role];
        let who: [&[u8]; 3] = [&role, &size, rakp_1.name];
        let [role_part, size_part, name_part] = who;
        let password = &account.password;
        let parts = [&console_id, &id, rakp_1.random, &random, &self.guid, role_part, size_part, name_part];
        let mut code = hash.code(password, &parts);
        let proof = hash.code(password, &[&random, &console_id, role_part, size_part, name_part]);
        let key = self.settings.bmc_key.as_ref().unwrap_or(password);
        let session_role = [pending.open_level];
        let session_role: &[u8] =
            if self.trouble.login.key_from_open_level { &session_role } else { role_part };
        let session_key = hash.code(key, &[rakp_1.random, &random, session_role, size_part, name_part]);
        let mut check = hash.short_code(&session_key, &[rakp_1.random, &id, &self.guid]);
        check.truncate(check.len().saturating_sub(self.trouble.login.short_check));
        let wanted = rakp_1.role & 0x0F;
        let limit = if wanted == 0 { account.level } else { account.level.min(wanted) };
        pending.exchange = Some(Exchange {
            proof,
            check,
            k1: hash.code(&session_key, &[&[1; 20]]),
            k2: hash.code(&session_key, &[&[2; 20]]),
            user,
            limit,
        });
        code.extend(std::iter::repeat_n(0, self.trouble.login.long_code));
        let mut answer = vec![tag, status::OK, 0, 0];
        answer.extend(console_id);
        answer.extend(random);
        answer.extend(self.guid);
        answer.extend(code);
        Some(encode_plain(payload::RAKP_2, &answer))
    }

    pub(super) fn rakp_3(&mut self, from: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
        let [_, _, count] = &mut self.logins;
        *count += 1;
        let [_, _, silent] = &mut self.trouble.login.silent;
        if take_one(silent) {
            return None;
        }
        let mut bytes = Bytes(message);
        let [tag, given, _, _] = bytes.array()?;
        let id = bytes.double()?;
        let tag = if self.trouble.login.tag_zero { 0 } else { tag };
        let early = self.pending.get(&id).is_none_or(|pending| pending.exchange.is_none());
        if early && given != status::OK && self.trouble.login.dies_of_early_farewell {
            self.trouble.deaf = true;
        }
        let pending = self.pending.remove(&id)?;
        let exchange = pending.exchange?;
        // The client has given up.
        if given != status::OK {
            return None;
        }
        let console_id = pending.console_id;
        let short = self.trouble.login.short_refusals;
        if let Some(status) = take_first(&mut self.trouble.login.rakp_4_statuses) {
            return refusal(payload::RAKP_4, tag, status, console_id, short);
        }
        if bytes.0 != exchange.proof {
            if self.trouble.login.silent_for_wrong_password {
                return None;
            }
            return refusal(payload::RAKP_4, tag, status::BAD_CHECK_VALUE, console_id, short);
        }
        let mut answer = vec![tag, status::OK, 0, 0];
        answer.extend(console_id.to_le_bytes());
        answer.extend(exchange.check);
        let session = Session {
            console_id,
            algorithms: pending.algorithms,
            k1: exchange.k1,
            k2: exchange.k2,
            user: exchange.user,
            limit: exchange.limit,
            level: level::USER.min(exchange.limit),
            last_used: Instant::now(),
            peer: from,
            received: Window::default(),
            sent: 0,
            previous: None,
        };
        self.sessions.insert(id, session);
        Some(encode_plain(payload::RAKP_4, &answer))
    }

    /// The user of a name, or why there is none.
    fn find_user(&self, rakp_1: &Rakp1<'_>) -> Result<usize, u8> {
        if rakp_1.name_too_long {
            return Err(status::NAME_LENGTH);
        }
        let by_name = |user: &User| user.name.as_bytes() == rakp_1.name;
        let by_level = self.trouble.login.level_lookup || rakp_1.role & NAME_ONLY == 0;
        let has_level = |user: &User| !by_level || user.level == rakp_1.role & 0x0F;
        self.settings
            .users
            .iter()
            .position(|user| by_name(user) && has_level(user))
            .ok_or(status::UNKNOWN_USER)
    }
}

/// RAKP 1 taken apart.
struct Rakp1<'a> {
    tag: u8,
    id: u32,
    random: &'a [u8],
    role: u8,
    name: &'a [u8],
    name_too_long: bool,
}

impl<'a> Rakp1<'a> {
    fn parse(message: &'a [u8]) -> Option<Self> {
        let mut bytes = Bytes(message);
        let [tag, _, _, _] = bytes.array()?;
        let id = bytes.double()?;
        let random = bytes.take(16)?;
        let [role, _, _, size] = bytes.array()?;
        let name = bytes.take(usize::from(size))?;
        Some(Self { tag, id, random, role, name, name_too_long: 16 < size })
    }
}

/// The three algorithms of an open session request.
fn algorithms_asked(bytes: &mut Bytes<'_>) -> Option<[u8; 3]> {
    let mut asked = [0; 3];
    for (kind, algorithm) in (0u8..).zip(&mut asked) {
        let [found, _, _, size, given, _, _, _] = bytes.array()?;
        if found != kind || size != 8 {
            return None;
        }
        *algorithm = given & 0x3F;
    }
    Some(asked)
}

fn refusal(kind: u8, tag: u8, status: u8, console_id: u32, short: bool) -> Option<Vec<u8>> {
    let mut answer = vec![tag, status];
    if !short {
        answer.extend([0, 0]);
        answer.extend(console_id.to_le_bytes());
    }
    Some(encode_plain(kind, &answer))
}
