//! What is fuzzed: each target takes any bytes and panics when something is wrong. They are shared by cargo-fuzz
//! (`targets`) and by the tests of the driver, which run them with a stable toolchain.

use std::sync::{Arc, OnceLock};

use farrier_ipmi::chassis::GetChassisStatus;
use farrier_ipmi::chassis::boot::GetBootFlags;
use farrier_ipmi::command::payload::{ActivateConsole, GetConsoleOwner};
use farrier_ipmi::command::sensor::{
    GetReadingFactors, GetRecord, GetRepositoryInfo, GetSensorReading, ReserveRepository,
};
use farrier_ipmi::command::session::{GetChannelCipherSuites, offered_suites};
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::packet::bridge::{self, Bridged};
use farrier_ipmi::packet::message::{Reply, RequestSequence};
use farrier_ipmi::packet::old::OldPacket;
use farrier_ipmi::packet::wrapper::{Packet, PayloadType};
use farrier_ipmi::sensors::record::sensors;
use farrier_ipmi::session::login::{LoginRandom, Progress};
use farrier_ipmi::session::payload::{OpenSessionResponse, Rakp2, Rakp4};
use farrier_ipmi::session::rakp::Exchange;
use farrier_ipmi::session::{Handshake, Session, SessionKeys};
use farrier_ipmi::sol::Sol;
use farrier_ipmi::target::{Credentials, Endpoint, Privilege, Target as Bmc};
use farrier_sdk::secret::Secret;
use farrier_sim::sensors::Inventory;
use ipmi_rs::app::GetDeviceId;
use ipmi_rs::connection::{IpmiCommand, Message, NetFn};
use tokio::time::Instant;

/// One target.
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does with an input.
    pub(crate) run: fn(&[u8]),
    /// What its corpus begins with, before what was found by fuzzing.
    seeds: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// What its corpus begins with.
    pub(crate) fn corpus(&self) -> Vec<Vec<u8>> {
        let mut corpus = (self.seeds)();
        let found = lines(include_str!("../tests/corpus/found.txt"));
        corpus.extend(found.filter(|(of, _)| *of == self.name).map(|(_, input)| input));
        corpus
    }
}

/// All targets.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "datagram", run: datagram, seeds: datagrams },
    Target { name: "login", run: login, seeds: logins },
    Target { name: "session", run: session, seeds: originals },
    Target { name: "payload", run: payload, seeds: payloads },
    Target { name: "answer", run: answer, seeds: answers },
    Target { name: "record", run: record, seeds: records },
    // next target above this line
];

/// Runs the target of a name.
pub(crate) fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target exists");
    (target.run)(data);
}

/// What BMCs have sent.
pub(crate) fn datagrams() -> Vec<Vec<u8>> {
    lines(include_str!("../tests/corpus/datagrams.txt")).map(|(_, datagram)| datagram).collect()
}

/// The first word of each line of a corpus, and the bytes behind it.
fn lines(corpus: &str) -> impl Iterator<Item = (&str, Vec<u8>)> {
    let byte = |pair: &[u8]| {
        let digits = std::str::from_utf8(pair).expect("the corpus is text");
        u8::from_str_radix(digits, 16).expect("the corpus has hexadecimal digits")
    };
    corpus.lines().filter(|line| !line.starts_with('#')).map(move |line| {
        let (word, digits) = line.split_once(' ').expect("a word, a space and digits");
        (word, digits.as_bytes().chunks(2).map(byte).collect())
    })
}

fn datagram(data: &[u8]) {
    if let Ok(packet) = Packet::parse(data) {
        assert!(packet.payload.len() <= data.len());
        for size in [0, 12, 16] {
            if let Ok((covered, code)) = packet.split_auth_code(size) {
                assert_eq!((code.len(), covered.len() + code.len()), (size, data.len() - 4));
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
    if let Ok(packet) = OldPacket::parse(data) {
        assert!(packet.message.len() < data.len());
        let reply = Reply::parse(packet.message);
        assert!(reply.is_err() || 8 <= packet.message.len());
    }
}

const CONSOLE_ID: u32 = 0xA0A1_A2A3;
const BMC_ID: u32 = 0x0102_0304;
const PASSWORD: &[u8] = b"secret";

fn target() -> Arc<Bmc> {
    let password = Secret::new(PASSWORD.to_vec());
    let credentials = Credentials::new("admin".to_owned(), password, None, Privilege::Administrator);
    let endpoint = Endpoint { host: "192.0.2.1".to_owned(), port: 623 };
    Arc::new(Bmc::new(endpoint, credentials.expect("they are short")))
}

fn exchange(suite: CipherSuite) -> Exchange<'static> {
    Exchange {
        suite,
        console_id: CONSOLE_ID,
        bmc_id: BMC_ID,
        console_random: [3; 16],
        bmc_random: [4; 16],
        guid: [5; 16],
        role: 0x14,
        user: "admin",
    }
}

/// The two answers that lead a login of cipher suite 17 to its last message.
fn right_answers() -> [Vec<u8>; 2] {
    let plain = |payload_type: u8, payload: &[u8]| {
        let size = u16::try_from(payload.len()).expect("it is short").to_le_bytes();
        [&[0x06, 0x00, 0xFF, 0x07, 0x06, payload_type, 0, 0, 0, 0, 0, 0, 0, 0], &size[..], payload].concat()
    };
    let head = |tag: u8| [&[tag, 0, 0, 0][..], &CONSOLE_ID.to_le_bytes()].concat();
    let algorithm = |kind: u8, number: u8| [kind, 0, 0, 8, number, 0, 0, 0];
    let opened =
        [&head(1)[..], &BMC_ID.to_le_bytes(), &algorithm(0, 3), &algorithm(1, 4), &algorithm(2, 1)].concat();
    let proof = exchange(CipherSuite::Sha256).bmc_proof(PASSWORD);
    let proven = [&head(2)[..], &[4; 16], &[5; 16], proof.as_bytes()].concat();
    [plain(0x11, &opened), plain(0x13, &proven)]
}

/// A login that has had so many right answers.
fn login_after(answers: usize) -> Handshake {
    let random = LoginRandom { console_id: CONSOLE_ID, console_random: [3; 16], tag: 1 };
    let mut login = Handshake::new(target(), CipherSuite::Sha256, random);
    for answer in right_answers().iter().take(answers) {
        let progress = login.receive(answer);
        assert!(matches!(progress, Ok(Ok(Progress::Send))), "{progress:?}");
    }
    login
}

fn login(data: &[u8]) {
    let Some((stage, data)) = data.split_first() else { return };
    let mut login = login_after(usize::from(stage % 3));
    let progress = login.receive(data);
    assert!(!matches!(progress, Ok(Ok(Progress::Established(_)))), "{data:02x?}");
    let _: (Option<_>, Vec<_>) = (login.farewell(), login.orphan_farewells());
}

fn logins() -> Vec<Vec<u8>> {
    let answers = right_answers();
    let all = datagrams();
    let at = |stage: u8, datagram: &[u8]| [&[stage], datagram].concat();
    let others = all.iter().flat_map(|datagram| (0..3).map(|stage| at(stage, datagram)));
    let mut seeds: Vec<_> = others.collect();
    for stage in 0..3 {
        // Those that belong to this login come up more often.
        seeds.extend(answers.iter().cycle().take(20).map(|answer| at(stage, answer)));
    }
    seeds
}

fn keys(suite: CipherSuite) -> SessionKeys {
    SessionKeys::derive(suite, &exchange(suite).session_key(PASSWORD))
}

/// Datagrams that the BMC has sealed for the sessions of [`session`], and others.
fn originals() -> Vec<Vec<u8>> {
    let mut originals = datagrams();
    for suite in CipherSuite::GOOD {
        let mut bmc = Session::new(suite, CONSOLE_ID, BMC_ID, keys(suite));
        let sealed = (0..20).map(|size| bmc.seal(PayloadType::IPMI, &[size; 20], [size; 16]));
        originals.extend(sealed.map(|sealed| sealed.expect("the session is young")));
    }
    originals
}

fn session(data: &[u8]) {
    static ORIGINALS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    static KEYS: OnceLock<[SessionKeys; 2]> = OnceLock::new();
    let mut datagram = data.to_vec();
    // The sequence and acknowledgement of RMCP is guarded by nothing and means nothing.
    if let Some(unguarded) = datagram.get_mut(1..3) {
        unguarded.copy_from_slice(&[0x00, 0xFF]);
    }
    for (suite, keys) in CipherSuite::GOOD.into_iter().zip(KEYS.get_or_init(|| CipherSuite::GOOD.map(keys))) {
        let mut console = Session::new(suite, BMC_ID, CONSOLE_ID, keys.clone());
        if console.open(&datagram).is_ok() {
            assert!(ORIGINALS.get_or_init(originals).contains(&datagram), "{datagram:02x?}");
        }
    }
}

fn payload(data: &[u8]) {
    let Some((size, data)) = data.split_first() else { return };
    let request = Message::new_request(NetFn::App, 0x01, Vec::new());
    let (mut sol, now) = (Sol::new(32), Instant::now());
    for packet in data.chunks(usize::from(*size).max(1)) {
        if let Ok(reply) = Reply::parse(packet) {
            let bridged = bridge::unwrap(reply, &request, RequestSequence::new(5));
            assert!(!matches!(bridged, Bridged::Answer(reply) if reply.cmd != 0x01));
        }
        sol.type_text(b"x".get(..sol.room().min(1)).unwrap_or_default());
        sol.receive(packet, now).unwrap_or_default();
        let answer = sol.poll(now);
        assert!(answer.is_none_or(|answer| answer.len() <= 32));
        sol.take_output();
    }
}

fn payloads() -> Vec<Vec<u8>> {
    let status = [0x81, 0x04, 0x7B, 0x20, 0x04, 0x01, 0x00, 0x21, 0x10, 0x60, 0x4A];
    let carried = [&[0x81, 0x1C, 0x63, 0x20, 0x14, 0x34, 0x00][..], &status, &[0x00]].concat();
    let typed = [1, 0, 0, 0, b'x', 2, 1, 1, 0, b'y', 0, 2, 1, 0x40, 0];
    [(20, &status[..]), (30, &carried), (5, &typed)].map(|(size, bytes)| [&[size], bytes].concat()).to_vec()
}

fn answer(data: &[u8]) {
    let _: [bool; 11] = [
        GetChassisStatus::parse_success_response(data).is_ok(),
        GetDeviceId::parse_success_response(data).is_ok(),
        GetBootFlags::parse_success_response(data).is_ok(),
        GetChannelCipherSuites::parse_success_response(data).is_ok(),
        GetRepositoryInfo::parse_success_response(data).is_ok(),
        ReserveRepository::parse_success_response(data).is_ok(),
        GetRecord::parse_success_response(data).is_ok(),
        GetSensorReading::parse_success_response(data).is_ok(),
        GetReadingFactors::parse_success_response(data).is_ok(),
        ActivateConsole::parse_success_response(data).is_ok(),
        GetConsoleOwner::parse_success_response(data).is_ok(),
    ];
    assert!(offered_suites(data).len() <= CipherSuite::ALL.len());
}

fn answers() -> Vec<Vec<u8>> {
    let answers = [
        &[0x21, 0x10, 0x60, 0x00][..],
        &[0x20, 1, 2, 0x15, 0x02, 0xBF, 0x7C, 0x2A, 0x00, 0x11, 0x09, 0, 0, 0, 0],
        &[1, 5, 0xE0, 0x04, 0, 0, 0],
        &[1, 0xC0, 3, 0x01, 0x41, 0x81, 0xC0, 17, 0x03, 0x44, 0x81],
        &[0x51, 9, 0, 0xFF, 0xFF, 1, 0, 0, 0x60, 1, 0, 0, 0x60, 2],
        &[42, 0xC0, 0x00, 0x80],
        &[0, 0, 0, 0, 0x20, 0, 0x40, 0, 0xAB, 0x25, 0xFF, 0xFF],
    ];
    answers.map(<[u8]>::to_vec).to_vec()
}

fn record(data: &[u8]) {
    let readings = [0x00, 0x01, 0x7F, 0x80, 0xFF, data.last().copied().unwrap_or_default()];
    for sensor in sensors(data) {
        for reading in readings {
            let value = sensor.scale.and_then(|scale| scale.value(reading));
            assert!(value.is_none_or(f64::is_finite));
        }
        assert!(sensor.name.len() < 100, "{}", sensor.name);
    }
}

fn records() -> Vec<Vec<u8>> {
    Inventory::thorough().records
}
