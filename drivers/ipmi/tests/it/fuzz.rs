//! Whatever a BMC sends: datagrams that real ones have sent, changed at random, into every parser.
//!
//! `FARRIER_FUZZ_RUNS` sets how many are tried for each target; the same number tries the same ones. What breaks a
//! parser is added to `tests/corpus`. The targets are those of cargo-fuzz, in `fuzz/entries.rs`.

#[path = "../../fuzz/entries.rs"]
mod entries;

use std::net::UdpSocket;
use std::sync::Arc;

use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::session::Handshake;
use farrier_ipmi::session::login::{LoginRandom, Progress};
use farrier_ipmi::target::{Target, Version};
use farrier_sim::ipmi::{Bmc, Settings};
use farrier_sim::wait::wait_for;

use crate::{LOGIN, PATIENCE, bmc};
use entries::datagrams;

/// Tries for each target unless told otherwise: a few seconds.
const RUNS: u32 = 50_000;

/// Longest thing that is made.
const SIZE_MAX: usize = 1200;

/// Datagrams that fit into the socket of a BMC.
const AT_ONCE: u64 = 50;

/// Bytes at which parsers decide.
const BOUNDARIES: [u8; 8] = [0x00, 0x01, 0x06, 0x07, 0x10, 0x7F, 0x80, 0xFF];

fn runs() -> u32 {
    std::env::var("FARRIER_FUZZ_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// Changes what others have sent. The same seed changes it in the same way.
struct Mutator {
    seeds: Vec<Vec<u8>>,
    state: u64,
}

impl Mutator {
    fn new(seeds: Vec<Vec<u8>>) -> Self {
        assert!(!seeds.is_empty());
        Self { seeds, state: 0x9E37_79B9_7F4A_7C15 }
    }

    /// Xorshift: good enough for dice.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn seed(&mut self) -> Vec<u8> {
        let index = self.below(self.seeds.len());
        self.seeds[index].clone()
    }

    /// One of the seeds after one to four changes.
    fn changed(&mut self) -> Vec<u8> {
        let mut bytes = self.seed();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes);
        }
        bytes.truncate(SIZE_MAX);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let place = self.below(bytes.len());
        match self.below(8) {
            0 if !bytes.is_empty() => bytes[place] ^= 1 << self.below(8),
            1 if !bytes.is_empty() => bytes[place] = BOUNDARIES[self.below(BOUNDARIES.len())],
            2 if !bytes.is_empty() => bytes[place] = self.byte(),
            3 => bytes.truncate(place),
            4 => {
                let size = self.below(40);
                let more: Vec<u8> = (0..size).map(|_| self.byte()).collect();
                bytes.extend(more);
            }
            5 => {
                let copy: Vec<u8> = bytes[place..].to_vec();
                bytes.extend(copy);
            }
            6 => {
                let other = self.seed();
                let from = self.below(other.len());
                bytes.truncate(place);
                bytes.extend(&other[from..]);
            }
            _ => {
                let end = place + self.below(bytes.len() - place + 1);
                bytes.drain(place..end);
            }
        }
    }
}

fn random(tag: u8) -> LoginRandom {
    LoginRandom { console_id: 0xA0A1_A2A3, console_random: [7; 16], tag }
}

fn handshake(target: &Arc<Target>) -> Handshake {
    Handshake::new(Arc::clone(target), CipherSuite::Sha256, random(1))
}

/// Logins that wait for each of their answers, led there by a real BMC; and all that it sent.
fn logins(bmc: &Bmc, target: &Arc<Target>) -> Vec<(Vec<Vec<u8>>, Handshake)> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(bmc.address()).unwrap();
    let (mut stages, mut heard): (Vec<_>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    loop {
        // Another login, led as far as this by the same answers.
        let mut login = handshake(target);
        for datagram in &heard {
            assert!(matches!(login.receive(datagram), Ok(Ok(Progress::Send))));
        }
        socket.send(&login.datagram().unwrap()).unwrap();
        let mut buffer = [0; 2048];
        let size = socket.recv(&mut buffer).unwrap();
        stages.push((heard.clone(), login));
        heard.push(buffer[..size].to_vec());
        let last = target.version == Version::V1_5 && heard.len() == 2 || heard.len() == 3;
        if last {
            return stages;
        }
    }
}

/// Changes the seeds of a target again and again, and runs it.
fn fuzz(name: &str) {
    let target = entries::TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = target.corpus();
    for seed in &seeds {
        entries::run(name, seed);
    }
    let mut mutator = Mutator::new(seeds);
    for _ in 0..runs() {
        entries::run(name, &mutator.changed());
    }
}

#[test]
fn no_datagram_breaks_what_takes_it_apart() {
    fuzz("datagram");
}

#[test]
fn no_datagram_leads_a_login_into_a_session() {
    fuzz("login");
}

#[test]
fn no_datagram_enters_a_session_it_was_not_made_for() {
    fuzz("session");
}

#[test]
fn no_authentic_payload_breaks_what_reads_it() {
    fuzz("payload");
}

#[test]
fn no_answer_breaks_the_command_it_answers() {
    fuzz("answer");
}

#[test]
fn no_record_breaks_its_reader_and_no_value_is_not_a_number() {
    fuzz("record");
}

#[test]
fn no_datagram_makes_a_session_but_the_right_one() {
    for version in [Version::V2_0, Version::V1_5] {
        let bmc = bmc();
        let target = Arc::into_inner(LOGIN.at(bmc.address())).unwrap();
        let target = Arc::new(Target { version, ..target });
        for (heard, _) in logins(&bmc, &target) {
            let mut seeds = datagrams();
            // Those that belong to this login come up more often.
            seeds.extend(heard.iter().cycle().take(heard.len() * 10).cloned());
            let mut mutator = Mutator::new(seeds);
            let fresh = || {
                let mut login = handshake(&target);
                for datagram in &heard {
                    login.receive(datagram).unwrap().unwrap();
                }
                login
            };
            let mut login = fresh();
            for _ in 0..runs() {
                let datagram = mutator.changed();
                match login.receive(&datagram) {
                    Ok(Ok(Progress::Established(_))) => panic!("{datagram:02x?}"),
                    Ok(_) => login = fresh(),
                    Err(_) => {}
                }
            }
        }
    }
}

#[test]
fn no_datagram_from_a_client_breaks_the_simulated_bmc() {
    // Not the driver's business, but a test that fails because the BMC has died fails for the wrong reason.
    let bmc = Bmc::start(Settings { log_max: 0, slots: usize::MAX, ..Settings::default() }).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(bmc.address()).unwrap();
    let mut seeds = datagrams();
    seeds.push(handshake(&LOGIN.at(bmc.address())).datagram().unwrap());
    let mut mutator = Mutator::new(seeds);
    for number in 1..=u64::from(runs() / 10) {
        socket.send(&mutator.changed()).unwrap();
        if number % AT_ONCE == 0 {
            // What does not fit into its socket is lost.
            let taken = || (bmc.state().datagrams == number).then_some(());
            wait_for("the BMC has taken what was sent", PATIENCE, taken).unwrap();
        }
    }

    logins(&bmc, &LOGIN.at(bmc.address()));
}
