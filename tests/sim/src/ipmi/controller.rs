//! One BMC without I/O: datagrams go in, datagrams come out.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Settings;
use super::console::Sol;
use super::login::Pending;
use super::old::OldSession;
use super::packet::{Packet, Plus, Request, encode_plain, encode_pong, payload};
use super::session::Session;
use crate::inject::{CommandId, Trouble, take_one, take_one_of};
use crate::machine::Machine;
use crate::network::Dice;

/// A command that a BMC was given in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Network function and number.
    pub command: CommandId,
    /// Its data.
    pub data: Vec<u8>,
    /// When.
    pub at: Instant,
}

/// One BMC with its machine.
#[derive(Debug)]
pub struct Controller {
    /// What it is like.
    pub settings: Settings,
    /// What is wrong with it; at first that of the settings.
    pub trouble: Trouble,
    /// The machine.
    pub machine: Machine,
    /// The last commands carried out, in order.
    pub commands: VecDeque<Seen>,
    /// Open session requests, RAKP 1 and RAKP 3 messages seen.
    pub logins: [u32; 3],
    /// When the open session requests came.
    pub login_times: VecDeque<Instant>,
    /// Datagrams seen.
    pub datagrams: u64,
    /// Datagrams that were not understood or belonged to nothing.
    pub ignored: u64,
    /// Cold and warm resets of the BMC itself.
    pub own_resets: [u32; 2],
    pub(super) port: u16,
    pub(super) guid: [u8; 16],
    pub(super) pending: HashMap<u32, Pending>,
    pub(super) sessions: HashMap<u32, Session>,
    pub(super) old_sessions: HashMap<u32, OldSession>,
    pub(super) sol: Option<Sol>,
    pub(super) reservation: u16,
    pub(super) dice: Dice,
    /// Console packets to be sent with the next answer.
    pub(super) pending_console: Vec<Vec<u8>>,
    /// The console is to be taken away once its last packets are sent.
    pub(super) console_leaves: bool,
    /// The BMC resets itself after its next answer.
    pub(super) restart_due: bool,
    next_id: u32,
    silent_until: Option<Instant>,
}

/// What leaves a BMC.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
    pub(super) delay: Duration,
}

impl Controller {
    pub(super) fn new(settings: Settings, address: SocketAddr) -> Self {
        let port = address.port();
        let mut guid = *b"farrier-sim\0\0\0\0\0";
        if let Some(tail) = guid.last_chunk_mut() {
            *tail = port.to_le_bytes();
        }
        Self {
            trouble: settings.trouble.clone(),
            machine: Machine::default(),
            commands: VecDeque::new(),
            logins: [0; 3],
            login_times: VecDeque::new(),
            datagrams: 0,
            ignored: 0,
            own_resets: [0; 2],
            port,
            guid,
            pending: HashMap::new(),
            sessions: HashMap::new(),
            old_sessions: HashMap::new(),
            sol: None,
            reservation: 0,
            dice: Dice::new(settings.network.clone()),
            pending_console: Vec::new(),
            console_leaves: false,
            restart_due: false,
            next_id: rand::random::<u32>() >> 1,
            silent_until: None,
            settings,
        }
    }

    /// Sessions it has now.
    pub fn sessions(&mut self) -> usize {
        self.expire();
        self.sessions.len() + self.old_sessions.len()
    }

    /// Logins that were begun and not ended.
    pub fn logins_under_way(&mut self) -> usize {
        self.expire();
        self.pending.len()
    }

    /// How often a command was carried out.
    #[must_use]
    pub fn count(&self, command: CommandId) -> usize {
        self.commands.iter().filter(|seen| seen.command == command).count()
    }

    /// The data of every command of this number that was carried out.
    #[must_use]
    pub fn data_of(&self, command: CommandId) -> Vec<Vec<u8>> {
        self.commands.iter().filter(|seen| seen.command == command).map(|seen| seen.data.clone()).collect()
    }

    /// Whether somebody has the serial console.
    #[must_use]
    pub fn has_console(&self) -> bool {
        self.sol.is_some()
    }

    /// Starts afresh, as after a reset of the BMC: all sessions are gone, and for `silence` it answers nothing.
    pub fn restart(&mut self, silence: Duration) {
        self.forget_sessions();
        self.be_silent(silence);
    }

    /// Forgets all sessions.
    pub fn forget_sessions(&mut self) {
        self.pending.clear();
        self.sessions.clear();
        self.old_sessions.clear();
        self.sol = None;
    }

    /// Answers nothing for a while.
    pub fn be_silent(&mut self, silence: Duration) {
        self.silent_until = Some(Instant::now() + silence);
    }

    /// Ends what has outlived its time.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        let (idle, login) = (self.settings.idle_timeout, self.settings.login_timeout);
        self.pending.retain(|_, pending| now.duration_since(pending.since) < login);
        self.sessions.retain(|_, session| now.duration_since(session.last_used) < idle);
        self.old_sessions.retain(|_, session| now.duration_since(session.last_used) < idle);
        if self.sol.as_ref().is_some_and(|sol| !self.sessions.contains_key(&sol.session)) {
            self.sol = None;
        }
    }

    /// Whether another session can be opened.
    pub(super) fn has_room(&mut self) -> bool {
        self.expire();
        self.sessions.len() + self.old_sessions.len() + self.pending.len() < self.settings.slots
    }

    pub(super) fn new_id(&mut self) -> u32 {
        self.next_id = self.next_id.wrapping_add(1).max(1);
        self.next_id
    }

    /// Takes a datagram and answers it, or not.
    pub(super) fn receive(&mut self, from: SocketAddr, datagram: &[u8]) -> Vec<Outgoing> {
        self.datagrams += 1;
        let silent = self.silent_until.is_some_and(|until| Instant::now() < until);
        if self.trouble.deaf || silent {
            return Vec::new();
        }
        let answers = match Packet::parse(datagram) {
            Some(Packet::Ping { tag }) if self.trouble.login.pong => vec![encode_pong(tag)],
            Some(Packet::Ping { .. }) => Vec::new(),
            Some(Packet::Old(packet)) => self.old_packet(&packet).into_iter().collect(),
            Some(Packet::Plus(packet)) => self.packet(from, &packet),
            None => Vec::new(),
        };
        if answers.is_empty() {
            self.ignored += 1;
        }
        let mut outgoing = Vec::new();
        for answer in answers {
            for number in 0..self.trouble.junk {
                outgoing.push(self.outgoing(from, junk(number, &answer)));
            }
            outgoing.push(self.outgoing(from, answer));
        }
        outgoing.extend(self.poll_console());
        outgoing
    }

    pub(super) fn outgoing(&self, to: SocketAddr, bytes: Vec<u8>) -> Outgoing {
        Outgoing { to, bytes, delay: self.trouble.delay }
    }

    fn packet(&mut self, from: SocketAddr, packet: &Plus<'_>) -> Vec<Vec<u8>> {
        let answer = match packet.payload_type {
            payload::OPEN_SESSION_REQUEST => self.open_session(packet.payload),
            payload::RAKP_1 => self.rakp_1(packet.payload),
            payload::RAKP_3 => self.rakp_3(from, packet.payload),
            payload::IPMI if packet.session_id == 0 => self.outside(packet.payload),
            payload::IPMI | payload::SOL => return self.inside(from, packet),
            _ => None,
        };
        answer.into_iter().collect()
    }

    /// A message outside of any session.
    fn outside(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let request = Request::parse(message)?;
        let body = self.sessionless(&request)?;
        Some(encode_plain(payload::IPMI, &request.answer(&body)))
    }

    /// A packet of a session.
    fn inside(&mut self, from: SocketAddr, packet: &Plus<'_>) -> Vec<Vec<u8>> {
        self.expire();
        let id = packet.session_id;
        let Some(session) = self.sessions.get_mut(&id) else { return Vec::new() };
        let Some(opened) = session.open(packet) else { return Vec::new() };
        session.last_used = Instant::now();
        session.peer = from;
        if packet.payload_type == payload::SOL {
            self.console_packet(id, &opened);
            return Vec::new();
        }
        let Some(request) = Request::parse(&opened) else { return Vec::new() };
        let answers = self.request(id, &request);
        // A session that was closed has left its keys with us for the answer.
        let Some(session) = self.sessions.get_mut(&id) else { return Vec::new() };
        let mut sealed = Vec::new();
        for answer in answers {
            sealed.extend(session.seal(payload::IPMI, &answer, &mut self.trouble.session));
        }
        self.sessions.retain(|_, session| session.level != 0);
        if std::mem::take(&mut self.restart_due) {
            self.restart(self.trouble.chassis.reset_time);
        }
        sealed
    }

    /// Answers of a request in a session: none, one, or two where a message is passed on.
    fn request(&mut self, id: u32, request: &Request) -> Vec<Vec<u8>> {
        let command = (request.netfn, request.cmd);
        if take_one_of(&mut self.trouble.ignore, command) {
            return Vec::new();
        }
        let (mut body, passed_on) = match self.trouble.take_code(command) {
            Some(code) => (vec![code], None),
            None => self.carry_out(id, request),
        };
        if take_one_of(&mut self.trouble.mute, command) || body.is_empty() {
            return Vec::new();
        }
        if let Some(size) = self.trouble.short.get(&command) {
            body.truncate(size + 1);
        }
        let mut answers = vec![request.answer(&body)];
        answers.extend(passed_on);
        for answer in &mut answers {
            self.spoil(answer);
        }
        answers
    }

    /// Does to a message what is wrong with all of them.
    fn spoil(&mut self, answer: &mut [u8]) {
        if self.trouble.session.bad_checksums {
            for byte in answer.last_mut().into_iter() {
                *byte ^= 0xFF;
            }
        }
        if take_one(&mut self.trouble.session.wrong_request)
            && let Some(sequence) = answer.get_mut(4)
        {
            *sequence = sequence.wrapping_add(4);
        }
    }

    /// Remembers a command.
    pub(super) fn note(&mut self, command: CommandId, data: &[u8]) {
        if self.settings.log_max <= self.commands.len() {
            self.commands.pop_front();
        }
        if self.settings.log_max != 0 {
            self.commands.push_back(Seen { command, data: data.to_vec(), at: Instant::now() });
        }
    }
}

/// What an answer is surrounded by on bad days: parts of it, damaged ones, foreign ones, too long ones.
fn junk(number: u32, answer: &[u8]) -> Vec<u8> {
    let place = usize::try_from(number).unwrap_or_default() * 7 % answer.len().max(1);
    match number % 6 {
        0 => answer.get(..place).unwrap_or_default().to_vec(),
        1 => {
            let mut damaged = answer.to_vec();
            // Payload type, session ID or sequence number: nothing guards the payloads of a login.
            if let Some(byte) = damaged.get_mut(5 + place % 9) {
                *byte ^= 0x81;
            }
            damaged
        }
        2 => vec![0xFF; 2000],
        3 => vec![6, 0, 0xFF, 6, 0, 0, 0x11, 0xBE, 0x40, 0, 0, 0],
        4 => [answer, answer].concat(),
        _ => Vec::new(),
    }
}
