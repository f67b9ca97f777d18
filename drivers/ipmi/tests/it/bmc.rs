//! A BMC that misbehaves on request: suites 3 and 17, and every deviation a test asks for.
//!
//! It is built from the codec under test, so it proves nothing about bytes; the published vectors and
//! `ipmitool` do that.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::packet::wrapper::{Packet, PayloadType, encode_plain};
use farrier_ipmi::session::rakp::Exchange;
use farrier_ipmi::session::{Session, SessionKeys};

pub(crate) const USER: &str = "admin";
pub(crate) const PASSWORD: &str = "secret";

const GUID: [u8; 16] = *b"farrier-test-bmc";
const BMC_RANDOM: [u8; 16] = [0x5A; 16];

/// What a BMC is like.
#[derive(Debug, Clone)]
pub(crate) struct Behavior {
    /// Numbers of the cipher suites it accepts.
    pub(crate) suites: Vec<u8>,
    /// What it answers when asked for its cipher suites outside a session.
    pub(crate) suite_list: Option<Vec<u8>>,
    /// Key of its own.
    pub(crate) bmc_key: Option<&'static str>,
    /// Highest level of its user.
    pub(crate) level: u8,
    /// Sessions it can have.
    pub(crate) slots: usize,
    /// Answers RAKP messages with tag 0.
    pub(crate) tag_zero: bool,
    /// Ignores RAKP 1 for unknown users instead of refusing.
    pub(crate) silent_for_unknown_user: bool,
    /// Algorithms it chooses whatever it is asked for.
    pub(crate) downgrade: Option<[u8; 3]>,
    /// Cannot set parameter 3 of the boot options.
    pub(crate) refuses_parameter_3: bool,
    /// Answers D5h to what would change nothing, as some vendors do.
    pub(crate) strict_power: bool,
    /// Sends this much junk before each answer.
    pub(crate) junk: u32,
    /// Computes the checksums of its replies wrongly.
    pub(crate) bad_checksums: bool,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            suites: vec![17, 3],
            suite_list: None,
            bmc_key: None,
            level: 4,
            slots: 8,
            tag_zero: false,
            silent_for_unknown_user: false,
            downgrade: None,
            refuses_parameter_3: false,
            strict_power: false,
            junk: 0,
            bad_checksums: false,
        }
    }
}

/// What a BMC has and what was done to it.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) power: bool,
    /// Data of boot option parameter 5.
    pub(crate) boot_flags: [u8; 5],
    /// Open session requests seen.
    pub(crate) open_requests: u32,
    /// RAKP 1 messages seen.
    pub(crate) rakp_1: u32,
    /// Every command inside a session: network function, command, data.
    pub(crate) commands: Vec<(u8, u8, Vec<u8>)>,
    /// Completion codes to answer instead of carrying out the next commands of this number.
    pub(crate) codes: Vec<((u8, u8), u8)>,
    /// Commands of this number are carried out, but not answered, this many times.
    pub(crate) mute: HashMap<(u8, u8), u32>,
    /// The power state when the next order has been refused or carried out.
    pub(crate) power_after_next_order: Option<bool>,
    /// Refuses the next user, whoever it is.
    pub(crate) refuse_user_once: bool,
    /// Forgets its sessions before it looks at the next datagram.
    pub(crate) restart: bool,
    pending: HashMap<u32, Pending>,
    sessions: HashMap<u32, Active>,
    next_id: u32,
}

#[derive(Debug)]
struct Pending {
    suite: CipherSuite,
    console_id: u32,
    /// Proof awaited in RAKP 3, the answer to it, and the session.
    proof: Option<(Vec<u8>, Vec<u8>, SessionKeys)>,
}

#[derive(Debug)]
struct Active {
    session: Session,
    level: u8,
}

/// A running BMC; dropping it ends it.
pub(crate) struct Bmc {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bmc {
    pub(crate) fn start(behavior: Behavior) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { next_id: 0x100, ..State::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&state), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((size, peer)) = socket.recv_from(&mut buffer) {
                    let mut state = shared.lock().unwrap();
                    if std::mem::take(&mut state.restart) {
                        state.sessions.clear();
                        state.pending.clear();
                    }
                    if let Some(answer) = state.receive(&behavior, &buffer[..size]) {
                        for number in 0..behavior.junk {
                            socket.send_to(&junk(number, &answer), peer).unwrap();
                        }
                        socket.send_to(&answer, peer).unwrap();
                    }
                }
            }
        });
        Self { address, state, stop, thread: Some(thread) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sessions it has now.
    pub(crate) fn sessions(&self) -> usize {
        self.state().sessions.len()
    }

    /// Open session requests it has seen.
    pub(crate) fn open_requests(&self) -> u32 {
        self.state().open_requests
    }

    /// RAKP 1 messages it has seen.
    pub(crate) fn rakp_1(&self) -> u32 {
        self.state().rakp_1
    }

    /// How often a command was carried out.
    pub(crate) fn count(&self, netfn: u8, cmd: u8) -> usize {
        self.state().commands.iter().filter(|seen| (seen.0, seen.1) == (netfn, cmd)).count()
    }
}

impl Drop for Bmc {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

impl State {
    fn receive(&mut self, behavior: &Behavior, datagram: &[u8]) -> Option<Vec<u8>> {
        if datagram.get(..5) == Some(&[6, 0, 0xFF, 7, 0]) {
            return old_wrapper_answer(datagram);
        }
        let packet = Packet::parse(datagram).ok()?;
        match packet.payload_type {
            PayloadType::OPEN_SESSION_REQUEST => self.open_session(behavior, packet.payload),
            PayloadType::RAKP_1 => self.rakp_1(behavior, packet.payload),
            PayloadType::RAKP_3 => self.rakp_3(behavior, packet.payload),
            PayloadType::IPMI if packet.session_id == 0 => sessionless(behavior, packet.payload),
            PayloadType::IPMI => self.command(behavior, packet.session_id, datagram),
            _ => None,
        }
    }

    fn open_session(&mut self, behavior: &Behavior, payload: &[u8]) -> Option<Vec<u8>> {
        self.open_requests += 1;
        let (tag, console_id) = (payload[0], u32::from_le_bytes(payload[4..8].try_into().unwrap()));
        let asked = [payload[12], payload[20], payload[28]];
        let answer = |status: u8, rest: &[u8]| {
            let mut answer = vec![tag, status, 0, 0];
            answer.extend_from_slice(&console_id.to_le_bytes());
            answer.extend_from_slice(rest);
            Some(encode_plain(PayloadType::OPEN_SESSION_RESPONSE, &answer))
        };
        let suite = behavior
            .suites
            .iter()
            .filter_map(|id| CipherSuite::from_id(*id))
            .find(|suite| suite.algorithms() == asked);
        let (suite, chosen) = match (suite, behavior.downgrade) {
            (_, Some(chosen)) => (suite.unwrap_or(CipherSuite::Sha1), chosen),
            (Some(suite), None) => (suite, asked),
            (None, None) => return answer(0x11, &[]),
        };
        if behavior.slots <= self.sessions.len() {
            return answer(0x01, &[]);
        }
        self.next_id += 1;
        self.pending.insert(self.next_id, Pending { suite, console_id, proof: None });
        let mut rest = self.next_id.to_le_bytes().to_vec();
        for (kind, algorithm) in (0..).zip(chosen) {
            rest.extend_from_slice(&[kind, 0, 0, 8, algorithm, 0, 0, 0]);
        }
        answer(0, &rest)
    }

    fn rakp_1(&mut self, behavior: &Behavior, payload: &[u8]) -> Option<Vec<u8>> {
        self.rakp_1 += 1;
        let id = u32::from_le_bytes(payload[4..8].try_into().unwrap());
        let pending = self.pending.get_mut(&id)?;
        // A repeated RAKP 1 is ignored, as most BMCs do.
        if pending.proof.is_some() {
            return None;
        }
        let user = std::str::from_utf8(&payload[28..]).ok()?;
        let tag = if behavior.tag_zero { 0 } else { payload[0] };
        let mut answer = vec![tag, 0, 0, 0];
        answer.extend_from_slice(&pending.console_id.to_le_bytes());
        if user != USER || std::mem::take(&mut self.refuse_user_once) {
            self.pending.remove(&id);
            answer[1] = 0x0D;
            return (!behavior.silent_for_unknown_user).then(|| encode_plain(PayloadType::RAKP_2, &answer));
        }
        let suite = pending.suite;
        let exchange = Exchange {
            suite,
            console_id: pending.console_id,
            bmc_id: id,
            console_random: payload[8..24].try_into().unwrap(),
            bmc_random: BMC_RANDOM,
            guid: GUID,
            role: payload[24],
            user,
        };
        let key = behavior.bmc_key.unwrap_or(PASSWORD);
        let session_key = exchange.session_key(key.as_bytes());
        let check = exchange.session_proof(&session_key).truncated(suite.auth_code_size()).to_vec();
        let proof = exchange.console_proof(PASSWORD.as_bytes()).as_bytes().to_vec();
        answer.extend_from_slice(&BMC_RANDOM);
        answer.extend_from_slice(&GUID);
        answer.extend_from_slice(exchange.bmc_proof(PASSWORD.as_bytes()).as_bytes());
        pending.proof = Some((proof, check, SessionKeys::derive(suite, &session_key)));
        Some(encode_plain(PayloadType::RAKP_2, &answer))
    }

    fn rakp_3(&mut self, behavior: &Behavior, payload: &[u8]) -> Option<Vec<u8>> {
        let id = u32::from_le_bytes(payload[4..8].try_into().unwrap());
        let pending = self.pending.remove(&id)?;
        let (proof, check, keys) = pending.proof?;
        if payload[1] != 0 {
            return None;
        }
        let tag = if behavior.tag_zero { 0 } else { payload[0] };
        let mut answer = vec![tag, 0, 0, 0];
        answer.extend_from_slice(&pending.console_id.to_le_bytes());
        if payload[8..] == proof {
            answer.extend_from_slice(&check);
            // Seen from the BMC the console's ID is the one to send to.
            let session = Session::new(pending.suite, pending.console_id, id, keys);
            self.sessions.insert(id, Active { session, level: 2 });
        } else {
            answer[1] = 0x0F;
        }
        Some(encode_plain(PayloadType::RAKP_4, &answer))
    }

    fn command(&mut self, behavior: &Behavior, id: u32, datagram: &[u8]) -> Option<Vec<u8>> {
        let active = self.sessions.get_mut(&id)?;
        let (_, message) = active.session.open(datagram).ok()?;
        let (netfn, cmd, data) = (message[1] >> 2, message[5], message[6..message.len() - 1].to_vec());
        let mut active = self.sessions.remove(&id)?;
        let body = self.carry_out(behavior, &mut active.level, (netfn, cmd), &data);
        let mut answer = reply(&message, &body);
        if behavior.bad_checksums {
            *answer.last_mut().unwrap() ^= 0xFF;
        }
        let sealed = active.session.seal(PayloadType::IPMI, &answer, [7; 16]).unwrap();
        if (netfn, cmd) != (0x06, 0x3C) {
            self.sessions.insert(id, active);
        }
        match self.mute.get_mut(&(netfn, cmd)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                None
            }
            _ => Some(sealed),
        }
    }

    /// Completion code and data.
    fn carry_out(&mut self, behavior: &Behavior, level: &mut u8, number: (u8, u8), data: &[u8]) -> Vec<u8> {
        if number == (0x00, 0x02) {
            self.power = self.power_after_next_order.take().unwrap_or(self.power);
        }
        if let Some(index) = self.codes.iter().position(|(of, _)| *of == number) {
            return vec![self.codes.remove(index).1];
        }
        self.commands.push((number.0, number.1, data.to_vec()));
        match (number, data) {
            ((0x06, 0x3B), [wanted]) if *wanted > behavior.level => vec![0x81],
            ((0x06, 0x3B), [wanted]) => {
                *level = *wanted;
                vec![0, *wanted]
            }
            ((0x06, 0x3C), _) => vec![0],
            ((0x06, 0x01), _) => {
                vec![0, 0x20, 1, 2, 0x15, 0x02, 0xBF, 0x7C, 0x2A, 0x00, 0x11, 0x09, 0, 0, 0, 0]
            }
            ((0x00, 0x01), _) => vec![0, u8::from(self.power), 0, 0],
            ((0x00, 0x02 | 0x08), _) if *level < 3 => vec![0xD4],
            ((0x00, 0x02), [0 | 1 | 5]) if behavior.strict_power && self.power == (data == [1]) => vec![0xD5],
            ((0x00, 0x02), [action]) => {
                match action {
                    0 | 5 => self.power = false,
                    1 => self.power = true,
                    _ => {}
                }
                vec![0]
            }
            ((0x00, 0x08), [3, ..]) if behavior.refuses_parameter_3 => vec![0x80],
            ((0x00, 0x08), [5, flags @ ..]) if flags.len() == 5 => {
                self.boot_flags.copy_from_slice(flags);
                vec![0]
            }
            ((0x00, 0x08), _) => vec![0],
            ((0x00, 0x09), [5, ..]) => [&[0, 1, 5][..], &self.boot_flags].concat(),
            _ => vec![0xC1],
        }
    }
}

/// What an answer is surrounded by on bad days: parts of it, damaged ones, foreign ones, too long ones.
fn junk(number: u32, answer: &[u8]) -> Vec<u8> {
    let place = usize::try_from(number).unwrap() * 7 % answer.len();
    match number % 5 {
        0 => answer[..place].to_vec(),
        1 => {
            let mut damaged = answer.to_vec();
            // Payload type, session ID or sequence number: damage to the payloads of a login goes unnoticed.
            damaged[5 + place % 9] ^= 0x81;
            damaged
        }
        2 => vec![0xFF; 2000],
        3 => vec![6, 0, 0xFF, 6, 0, 0, 0x11, 0xBE, 0x40, 0, 0, 0],
        _ => Vec::new(),
    }
}

/// An IPMI message that answers `request` with `body`.
fn reply(request: &[u8], body: &[u8]) -> Vec<u8> {
    let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg();
    let mut answer = vec![0x81, request[1] | 0x04];
    answer.push(sum(&answer));
    answer.extend_from_slice(&[0x20, request[4], request[5]]);
    answer.extend_from_slice(body);
    answer.push(sum(&answer[3..]));
    answer
}

fn sessionless(behavior: &Behavior, message: &[u8]) -> Option<Vec<u8>> {
    let list = behavior.suite_list.as_ref()?;
    if (message[1] >> 2, message[5]) != (0x06, 0x54) {
        return None;
    }
    let index = usize::from(message[8] & 0x3F);
    let part = list.chunks(16).nth(index).unwrap_or_default();
    Some(encode_plain(PayloadType::IPMI, &reply(message, &[&[0, 1], part].concat())))
}

/// Get Channel Authentication Capabilities, with which other clients begin.
fn old_wrapper_answer(datagram: &[u8]) -> Option<Vec<u8>> {
    let message = datagram.get(14..)?;
    if (message.get(1)? >> 2, *message.get(5)?) != (0x06, 0x38) {
        return None;
    }
    let body = reply(message, &[0, 1, 0x80, 0x04, 0x02, 0, 0, 0, 0]);
    let mut answer = datagram[..13].to_vec();
    answer.push(u8::try_from(body.len()).unwrap());
    answer.extend_from_slice(&body);
    Some(answer)
}
