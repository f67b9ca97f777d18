//! Whatever a BMC sends: datagrams that real ones have sent, changed at random, into every parser.
//!
//! `FARRIER_FUZZ_RUNS` sets how many are tried for each target; the same number tries the same ones. What breaks a
//! parser is added to `tests/corpus`.

use std::net::UdpSocket;
use std::sync::Arc;

use farrier_ipmi::chassis::GetChassisStatus;
use farrier_ipmi::chassis::boot::GetBootFlags;
use farrier_ipmi::command::payload::{ActivateConsole, GetConsoleOwner};
use farrier_ipmi::command::sensor::{
    GetReadingFactors, GetRecord, GetRepositoryInfo, GetSensorReading, ReserveRepository,
};
use farrier_ipmi::command::session::{GetChannelCipherSuites, offered_suites};
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::packet::bridge;
use farrier_ipmi::packet::message::{Reply, RequestSequence};
use farrier_ipmi::packet::old::OldPacket;
use farrier_ipmi::packet::wrapper::{Packet, PayloadType};
use farrier_ipmi::sensors::record::sensors;
use farrier_ipmi::session::login::{LoginRandom, Progress};
use farrier_ipmi::session::payload::{OpenSessionResponse, Rakp2, Rakp4};
use farrier_ipmi::session::rakp::Exchange;
use farrier_ipmi::session::{Handshake, Session, SessionKeys};
use farrier_ipmi::sol::Sol;
use farrier_ipmi::target::{Target, Version};
use farrier_sim::ipmi::{Bmc, Settings};
use farrier_sim::sensors::Inventory;
use ipmi_rs::app::GetDeviceId;
use ipmi_rs::connection::{IpmiCommand, Message, NetFn};
use tokio::time::Instant;

use crate::{LOGIN, bmc};

/// Tries for each target unless told otherwise: a few seconds.
const RUNS: u32 = 50_000;

/// Longest thing that is made.
const SIZE_MAX: usize = 1200;

/// Bytes at which parsers decide.
const BOUNDARIES: [u8; 8] = [0x00, 0x01, 0x06, 0x07, 0x10, 0x7F, 0x80, 0xFF];

fn runs() -> u32 {
    std::env::var("FARRIER_FUZZ_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// The corpus.
fn datagrams() -> Vec<Vec<u8>> {
    let lines = include_str!("../corpus/datagrams.txt").lines().filter(|line| !line.starts_with('#'));
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let digits = lines.map(|line| line.split_once(' ').unwrap().1.as_bytes());
    digits.map(|digits| digits.chunks(2).map(byte).collect()).collect()
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

#[test]
fn no_datagram_breaks_what_takes_it_apart() {
    let mut mutator = Mutator::new(datagrams());
    for _ in 0..runs() {
        let datagram = mutator.changed();
        if let Ok(packet) = Packet::parse(&datagram) {
            assert!(packet.payload.len() <= datagram.len());
            for size in [0, 12, 16] {
                if let Ok((covered, code)) = packet.split_auth_code(size) {
                    assert_eq!((code.len(), covered.len() + code.len()), (size, datagram.len() - 4));
                }
            }
            let _: (Option<_>, Option<_>, Option<_>) = (
                OpenSessionResponse::parse(packet.payload),
                Rakp2::parse(packet.payload),
                Rakp4::parse(packet.payload),
            );
            let reply = Reply::parse(packet.payload);
            assert!(reply.is_err() || 8 <= packet.payload.len());
        }
        if let Ok(packet) = OldPacket::parse(&datagram) {
            assert!(packet.message.len() < datagram.len());
            let reply = Reply::parse(packet.message);
            assert!(reply.is_err() || 8 <= packet.message.len());
        }
    }
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

fn keys(suite: CipherSuite) -> SessionKeys {
    let exchange = Exchange {
        suite,
        console_id: 1,
        bmc_id: 2,
        console_random: [3; 16],
        bmc_random: [4; 16],
        guid: [5; 16],
        role: 0x14,
        user: "admin",
    };
    SessionKeys::derive(suite, &exchange.session_key(b"secret"))
}

#[test]
fn no_datagram_enters_a_session_it_was_not_made_for() {
    for suite in CipherSuite::GOOD {
        let mut console = Session::new(suite, 2, 1, keys(suite));
        let mut bmc = Session::new(suite, 1, 2, keys(suite));
        let mut seeds = datagrams();
        seeds.extend((0..20).map(|size| bmc.seal(PayloadType::IPMI, &[size; 20], [size; 16]).unwrap()));
        let originals = seeds.clone();
        let mut mutator = Mutator::new(seeds);
        for _ in 0..runs() {
            let mut datagram = mutator.changed();
            // The sequence and acknowledgement of RMCP is guarded by nothing and means nothing.
            if let Some(unguarded) = datagram.get_mut(1..3) {
                unguarded.copy_from_slice(&[0x00, 0xFF]);
            }
            if console.open(&datagram).is_ok() {
                assert!(originals.contains(&datagram), "{datagram:02x?}");
            }
        }
    }
}

#[test]
fn no_authentic_payload_breaks_what_reads_it() {
    let suite = CipherSuite::Sha256;
    let mut console = Session::new(suite, 2, 1, keys(suite));
    let mut bmc = Session::new(suite, 1, 2, keys(suite));
    let request = Message::new_request(NetFn::App, 0x01, Vec::new());
    let status = [0x81, 0x04, 0x7B, 0x20, 0x04, 0x01, 0x00, 0x21, 0x10, 0x60, 0x4A];
    let carried = [&[0x81, 0x1C, 0x63, 0x20, 0x14, 0x34, 0x00][..], &status, &[0x00]].concat();
    let mut mutator = Mutator::new(vec![status.to_vec(), carried, vec![1, 0, 0, 0, b'x']]);
    let (mut sol, now) = (Sol::new(32), Instant::now());
    for _ in 0..runs() {
        let payload = mutator.changed();
        let Ok(sealed) = bmc.seal(PayloadType::IPMI, &payload, [9; 16]) else { break };
        let Ok((_, opened)) = console.open(&sealed) else {
            assert!(900 < payload.len());
            continue;
        };
        assert_eq!(opened, payload);
        if let Ok(reply) = Reply::parse(&opened) {
            let bridged = bridge::unwrap(reply, &request, RequestSequence::new(5));
            assert!(!matches!(bridged, bridge::Bridged::Answer(reply) if reply.cmd != 0x01));
        }
        sol.type_text(b"x".get(..sol.room().min(1)).unwrap());
        sol.receive(&opened, now).unwrap_or_default();
        let answer = sol.poll(now);
        assert!(answer.is_none_or(|answer| answer.len() <= 32));
        sol.take_output();
    }
}

#[test]
fn no_answer_breaks_the_command_it_answers() {
    let answers = [
        &[0x21, 0x10, 0x60, 0x00][..],
        &[0x20, 1, 2, 0x15, 0x02, 0xBF, 0x7C, 0x2A, 0x00, 0x11, 0x09, 0, 0, 0, 0],
        &[1, 5, 0xE0, 0x04, 0, 0, 0],
        &[1, 0xC0, 3, 0x01, 0x41, 0x81, 0xC0, 17, 0x03, 0x44, 0x81],
        &[0x51, 9, 0, 0xFF, 0xFF, 1, 0, 0, 0x60, 1, 0, 0, 0x60, 2],
        &[42, 0xC0, 0x00, 0x80],
        &[0, 0, 0, 0, 0x20, 0, 0x40, 0, 0xAB, 0x25, 0xFF, 0xFF],
    ];
    let mut mutator = Mutator::new(answers.map(<[u8]>::to_vec).to_vec());
    for _ in 0..runs() {
        let data = mutator.changed();
        let _: [bool; 11] = [
            GetChassisStatus::parse_success_response(&data).is_ok(),
            GetDeviceId::parse_success_response(&data).is_ok(),
            GetBootFlags::parse_success_response(&data).is_ok(),
            GetChannelCipherSuites::parse_success_response(&data).is_ok(),
            GetRepositoryInfo::parse_success_response(&data).is_ok(),
            ReserveRepository::parse_success_response(&data).is_ok(),
            GetRecord::parse_success_response(&data).is_ok(),
            GetSensorReading::parse_success_response(&data).is_ok(),
            GetReadingFactors::parse_success_response(&data).is_ok(),
            ActivateConsole::parse_success_response(&data).is_ok(),
            GetConsoleOwner::parse_success_response(&data).is_ok(),
        ];
        assert!(offered_suites(&data).len() <= CipherSuite::ALL.len());
    }
}

#[test]
fn no_record_breaks_its_reader_and_no_value_is_not_a_number() {
    let mut mutator = Mutator::new(Inventory::thorough().records);
    for run in 0..runs() {
        let record = mutator.changed();
        for sensor in sensors(&record) {
            let value = sensor.scale.and_then(|scale| scale.value(run.to_le_bytes()[0]));
            assert!(value.is_none_or(f64::is_finite));
            assert!(sensor.name.len() < 100, "{}", sensor.name);
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
    for _ in 0..runs() / 10 {
        socket.send(&mutator.changed()).unwrap();
    }

    logins(&bmc, &LOGIN.at(bmc.address()));
}
