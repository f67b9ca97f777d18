use std::sync::Arc;

use farrier_sdk::secret::Secret;
use ipmi_rs::connection::{Message, NetFn};
use proptest::prelude::*;

use super::login::{Login, LoginFault, LoginRandom, Phase, Progress};
use super::rakp::Exchange;
use super::status::Status;
use super::*;
use crate::packet::message::{Reply, encode_request};
use crate::packet::wrapper::encode_plain;
use crate::target::{Credentials, Endpoint, Privilege, Target};

const CONSOLE_ID: u32 = 0xA0A1_A2A3;
const BMC_ID: u32 = 0x0102_0304;

fn counted(first: u8) -> [u8; 16] {
    std::array::from_fn(|index| first + u8::try_from(index).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn exchange(suite: CipherSuite) -> Exchange<'static> {
    Exchange {
        suite,
        console_id: CONSOLE_ID,
        bmc_id: BMC_ID,
        console_random: counted(0x10),
        bmc_random: counted(0x20),
        guid: counted(0x30),
        role: 0x14,
        user: "admin",
    }
}

/// What two independent implementations agree on for user `admin` with password `secret`.
struct Vector {
    suite: CipherSuite,
    bmc_proof: &'static str,
    console_proof: &'static str,
    session_key: &'static str,
    integrity: &'static str,
    confidentiality: &'static str,
    session_proof: &'static str,
    chassis_status: &'static str,
}

const VECTORS: [Vector; 2] = [
    Vector {
        suite: CipherSuite::Sha1,
        bmc_proof: "8b9ca67b31b5fdea7b8f2d757432b1e2ab0836f2",
        console_proof: "0d7b59e297a55739ca2b697ab51377d366755cb4",
        session_key: "a92e7e91355c0b785f1dd0c0964b6ea602ff1826",
        integrity: "63a92826dd5e6265a94315929e816c08be3238f7",
        confidentiality: "6767e05c021d93247f03d235689f5411bd71cb91",
        session_proof: "cc5326377712099a59c7626f",
        chassis_status: "0600ff0706c004030201030000002000000102030405060708090a0b0c0d0e0f53f68031189f72d284\
                         a6af2938e987a5ffff02074fe6c6f016154183eea922bf",
    },
    Vector {
        suite: CipherSuite::Sha256,
        bmc_proof: "3bf7d16f6f4d1ac2853127744f538275b6212a0ecbad7c8e4024dd9376b933c6",
        console_proof: "45d58eb594c0da5032997007d84eecba39df83ba2f2c7d0d23d3000e99c09668",
        session_key: "b66bc82d52438bbb7f21f9f0aaf5befe0a6f4fa5676cd8a9772baaa029c1e840",
        integrity: "c7e0a60427e74c85831151f2ab9d644da60e01d62777a2637e6218d423ffe062",
        confidentiality: "342f127fc06133ccec5b128c63fdec6508a6c246a838dde0bea6304999811553",
        session_proof: "f7c2a65b4bff907eac657e45c64537e4",
        chassis_status: "0600ff0706c004030201030000002000000102030405060708090a0b0c0d0e0f4ef24070a76cf1a13e\
                         f742304700edbcffff0207d5f83a27b2584cbc10bf1541e4566cb6",
    },
];

#[test]
fn proofs_and_keys_are_those_others_compute() {
    for vector in &VECTORS {
        let exchange = exchange(vector.suite);
        let session_key = exchange.session_key(b"secret");
        let keys = SessionKeys::derive(vector.suite, &session_key);
        let size = vector.suite.check_value_size();

        assert_eq!(hex(exchange.bmc_proof(b"secret").as_bytes()), vector.bmc_proof);
        assert_eq!(hex(exchange.console_proof(b"secret").as_bytes()), vector.console_proof);
        assert_eq!(hex(session_key.as_bytes()), vector.session_key);
        assert_eq!(hex(keys.integrity.as_bytes()), vector.integrity);
        assert_eq!(hex(keys.confidentiality.as_bytes()), vector.confidentiality);
        assert_eq!(hex(exchange.session_proof(&session_key).truncated(size)), vector.session_proof);
    }
}

#[test]
fn a_bmc_key_changes_the_session_key() {
    let exchange = exchange(CipherSuite::Sha1);

    let session_key = exchange.session_key(b"kgkgkgkg");

    assert_eq!(hex(session_key.as_bytes()), "b7e8e5cb9a4f3e394adf606b47ceb343d7273652");
    assert_eq!(hex(exchange.session_proof(&session_key).truncated(12)), "56f2e40bc8e74ee6844a839b");
}

fn keys(suite: CipherSuite) -> SessionKeys {
    SessionKeys::derive(suite, &exchange(suite).session_key(b"secret"))
}

#[test]
fn a_sealed_request_is_the_one_others_make() {
    for vector in &VECTORS {
        let mut session = Session::new(vector.suite, BMC_ID, CONSOLE_ID, keys(vector.suite));
        let request = Message::new_request(NetFn::Chassis, 0x01, Vec::new());
        let sequence = session.next_request();
        let payload = encode_request(&request, 0, sequence);

        let datagrams: Vec<_> =
            (0..3).map(|_| session.seal(PayloadType::IPMI, &payload, counted(0)).unwrap()).collect();

        assert_eq!(hex(&payload), "2000e08104017a");
        assert_eq!(hex(&datagrams[2]), vector.chassis_status.replace(' ', ""));
    }
}

/// Both ends of one session: what the BMC seals, the console opens.
fn ends(suite: CipherSuite) -> (Session, Session) {
    let bmc = Session::new(suite, CONSOLE_ID, BMC_ID, keys(suite));
    (Session::new(suite, BMC_ID, CONSOLE_ID, keys(suite)), bmc)
}

fn sealed_by_bmc(bmc: &mut Session) -> Vec<u8> {
    bmc.seal(PayloadType::IPMI, &[1, 2, 3], counted(0x40)).unwrap()
}

#[test]
fn a_packet_is_opened_once() {
    for suite in CipherSuite::ALL {
        let (mut console, mut bmc) = ends(suite);
        let datagram = sealed_by_bmc(&mut bmc);

        assert_eq!(console.open(&datagram), Ok((PayloadType::IPMI, vec![1, 2, 3])));
        assert_eq!(console.open(&datagram), Err(Discard::Repeated));
    }
}

#[test]
fn no_damaged_packet_is_opened() {
    for suite in CipherSuite::GOOD {
        let (mut console, mut bmc) = ends(suite);
        let datagram = sealed_by_bmc(&mut bmc);
        // The sequence and acknowledgement byte of RMCP is covered by nothing and means nothing.
        for position in (0..datagram.len()).filter(|position| !matches!(position, 1 | 2)) {
            for bit in 0..8 {
                let mut damaged = datagram.clone();
                damaged[position] ^= 1 << bit;
                assert!(console.open(&damaged).is_err(), "byte {position} bit {bit}");
            }
        }
        for size in 0..datagram.len() {
            assert!(console.open(&datagram[..size]).is_err(), "{size} bytes");
        }
        assert!(console.open(&datagram).is_ok());
    }
}

#[test]
fn unauthenticated_packets_of_a_session_are_refused() {
    let (mut console, _) = ends(CipherSuite::Sha1);
    let mut datagram = encode_plain(PayloadType::IPMI, &[0x81, 0x04, 0x7B, 0x20, 0x04, 0x01, 0x00, 0xDB]);
    datagram[6..10].copy_from_slice(&CONSOLE_ID.to_le_bytes());

    assert_eq!(console.open(&datagram), Err(Discard::Unauthenticated));
}

#[test]
fn packets_of_other_sessions_are_foreign() {
    let (mut console, _) = ends(CipherSuite::Sha1);
    let mut other = Session::new(CipherSuite::Sha1, CONSOLE_ID + 1, BMC_ID, keys(CipherSuite::Sha1));

    assert_eq!(console.open(&sealed_by_bmc(&mut other)), Err(Discard::Foreign));
}

#[test]
fn a_session_ends_with_its_sequence_numbers() {
    let (mut console, _) = ends(CipherSuite::Sha1);
    console.sequence = u32::MAX - 1;

    assert!(console.seal(PayloadType::IPMI, &[], counted(0)).is_ok());
    assert_eq!(console.seal(PayloadType::IPMI, &[], counted(0)), Err(SequenceExhausted));
}

fn target(password: &str, bmc_key: Option<&str>) -> Arc<Target> {
    let password = Secret::new(password.as_bytes().to_vec());
    let key = bmc_key.map(|key| Secret::new(key.as_bytes().to_vec()));
    let credentials = Credentials::new("admin".into(), password, key, Privilege::Administrator).unwrap();
    let endpoint = Endpoint { host: "192.0.2.1".into(), port: 623 };
    Arc::new(Target::new(endpoint, credentials))
}

fn login(suite: CipherSuite, password: &str) -> Login {
    let random = LoginRandom { console_id: CONSOLE_ID, console_random: counted(0x10), tag: 5 };
    Login::new(target(password, None), suite, random)
}

fn open_session_response(suite: CipherSuite, algorithms: [u8; 3]) -> Vec<u8> {
    let mut payload = super::payload::open_session_request(5, CONSOLE_ID, suite);
    payload.splice(8..8, BMC_ID.to_le_bytes());
    for (block, algorithm) in algorithms.into_iter().enumerate() {
        payload[12 + 8 * block + 4] = algorithm;
    }
    encode_plain(PayloadType::OPEN_SESSION_RESPONSE, &payload)
}

fn rakp_2(suite: CipherSuite, tag: u8, status: u8) -> Vec<u8> {
    let mut payload = vec![tag, status, 0, 0];
    payload.extend_from_slice(&CONSOLE_ID.to_le_bytes());
    payload.extend_from_slice(&counted(0x20));
    payload.extend_from_slice(&counted(0x30));
    payload.extend_from_slice(exchange(suite).bmc_proof(b"secret").as_bytes());
    encode_plain(PayloadType::RAKP_2, &payload)
}

fn rakp_4(suite: CipherSuite, tag: u8, key: &[u8]) -> Vec<u8> {
    let exchange = exchange(suite);
    let mut payload = vec![tag, 0, 0, 0];
    payload.extend_from_slice(&CONSOLE_ID.to_le_bytes());
    let proof = exchange.session_proof(&exchange.session_key(key));
    payload.extend_from_slice(proof.truncated(suite.check_value_size()));
    encode_plain(PayloadType::RAKP_4, &payload)
}

fn opened(suite: CipherSuite, password: &str) -> Login {
    let mut login = login(suite, password);
    let response = open_session_response(suite, suite.algorithms());
    assert!(matches!(login.receive(&response), Ok(Ok(Progress::Send))));
    login
}

#[test]
fn three_answers_make_a_session() {
    for suite in CipherSuite::ALL {
        let mut login = opened(suite, "secret");
        assert_eq!(login.phase(), Some(Phase::Rakp1));
        assert!(matches!(login.receive(&rakp_2(suite, 6, 0)), Ok(Ok(Progress::Send))));
        assert_eq!(login.phase(), Some(Phase::Rakp3));

        let Ok(Ok(Progress::Established(session))) = login.receive(&rakp_4(suite, 7, b"secret")) else {
            panic!("no session with {suite:?}");
        };

        assert_eq!((session.bmc_id(), session.suite()), (BMC_ID, Some(suite)));
        assert_eq!(login.phase(), None);
    }
}

#[test]
fn answers_with_tag_zero_are_taken() {
    let suite = CipherSuite::Sha256;
    let mut login = opened(suite, "secret");

    assert!(matches!(login.receive(&rakp_2(suite, 0, 0)), Ok(Ok(Progress::Send))));
    assert!(matches!(login.receive(&rakp_4(suite, 0, b"secret")), Ok(Ok(Progress::Established(_)))));
}

#[test]
fn answers_to_other_attempts_are_ignored() {
    let suite = CipherSuite::Sha1;
    let mut login = opened(suite, "secret");
    let mut foreign = rakp_2(suite, 6, 0);
    foreign[16 + 4] ^= 1;

    assert_eq!(login.receive(&rakp_2(suite, 5, 0)).unwrap_err(), Discard::Foreign);
    assert_eq!(login.receive(&foreign).unwrap_err(), Discard::Foreign);
    assert_eq!(login.receive(&rakp_4(suite, 6, b"secret")).unwrap_err(), Discard::Unexpected);
    assert!(matches!(login.receive(&rakp_2(suite, 6, 0)), Ok(Ok(Progress::Send))));
}

#[test]
fn places_given_for_copies_of_a_request_are_given_back() {
    let suite = CipherSuite::Sha1;
    let mut login = opened(suite, "secret");
    let mut another = open_session_response(suite, suite.algorithms());
    another[16 + 8] ^= 0xFF;
    let own = open_session_response(suite, suite.algorithms());

    for copy in [&another, &another, &own] {
        assert_eq!(login.receive(copy).unwrap_err(), Discard::Unexpected);
    }

    let rakp_3 = [0, 0x0F, 0, 0, 0xFB, 0x03, 0x02, 0x01];
    assert_eq!(login.orphan_farewells(), [encode_plain(PayloadType::RAKP_3, &rakp_3)]);
    assert_eq!(login.orphan_farewells(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_bmc_that_goes_on_with_the_place_for_a_copy_is_followed() {
    for suite in CipherSuite::GOOD {
        let mut login = login(suite, "secret");
        // The answer to the first request, then that to its copy, with the ID that counts.
        let mut first = open_session_response(suite, suite.algorithms());
        first[16 + 8] ^= 0xFF;
        assert!(matches!(login.receive(&first), Ok(Ok(Progress::Send))));
        let copy = open_session_response(suite, suite.algorithms());
        assert_eq!(login.receive(&copy).unwrap_err(), Discard::Unexpected);

        assert!(matches!(login.receive(&rakp_2(suite, 6, 0)), Ok(Ok(Progress::Send))));
        let Ok(Ok(Progress::Established(session))) = login.receive(&rakp_4(suite, 7, b"secret")) else {
            panic!("no session with {suite:?}");
        };

        assert_eq!(session.bmc_id(), BMC_ID);
        let rakp_3 = [0, 0x0F, 0, 0, 0xFB, 0x03, 0x02, 0x01];
        assert_eq!(login.orphan_farewells(), [encode_plain(PayloadType::RAKP_3, &rakp_3)]);
    }
}

#[test]
fn a_downgrade_is_never_accepted() {
    for chosen in [[1, 1, 1], [3, 4, 0], [0, 0, 0], [3, 1, 1]] {
        let mut login = login(CipherSuite::Sha256, "secret");

        let fault = login.receive(&open_session_response(CipherSuite::Sha256, chosen)).unwrap().unwrap_err();

        assert_eq!(fault, LoginFault::Downgrade { asked: [3, 4, 1], chosen });
    }
}

#[test]
fn a_wrong_password_shows_in_rakp_2_and_is_told_to_the_bmc() {
    let mut login = opened(CipherSuite::Sha1, "sesame");

    let fault = login.receive(&rakp_2(CipherSuite::Sha1, 6, 0)).unwrap().unwrap_err();

    assert_eq!(fault, LoginFault::Password);
    assert_eq!(
        login.farewell(),
        Some(encode_plain(PayloadType::RAKP_3, &[6, 0x0F, 0, 0, 0x04, 0x03, 0x02, 0x01]))
    );
}

#[test]
fn a_wrong_bmc_key_shows_in_rakp_4() {
    let mut login = opened(CipherSuite::Sha1, "secret");
    assert!(login.receive(&rakp_2(CipherSuite::Sha1, 6, 0)).unwrap().is_ok());

    let fault = login.receive(&rakp_4(CipherSuite::Sha1, 7, b"other key")).unwrap().unwrap_err();

    assert_eq!(fault, LoginFault::BmcKey);
}

#[test]
fn short_refusals_are_understood() {
    let mut first = login(CipherSuite::Sha256, "secret");
    let refusal = encode_plain(PayloadType::OPEN_SESSION_RESPONSE, &[5, 0x04]);
    let mut second = opened(CipherSuite::Sha1, "secret");
    let unknown = encode_plain(PayloadType::RAKP_2, &[6, 0x0D, 0, 0, 0xA3, 0xA2, 0xA1, 0xA0]);

    assert_eq!(
        first.receive(&refusal).unwrap().unwrap_err(),
        LoginFault::Refused { status: Status(0x04), contradictory: false }
    );
    assert_eq!(
        second.receive(&unknown).unwrap().unwrap_err(),
        LoginFault::Refused { status: Status(0x0D), contradictory: false }
    );
}

#[test]
fn a_refusal_with_a_good_proof_contradicts_itself() {
    let mut login = opened(CipherSuite::Sha1, "secret");

    let fault = login.receive(&rakp_2(CipherSuite::Sha1, 6, 0x10)).unwrap().unwrap_err();

    assert_eq!(fault, LoginFault::Refused { status: Status(0x10), contradictory: true });
}

proptest! {
    #[test]
    fn no_datagram_panics_a_session(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut console, _) = ends(CipherSuite::Sha1);
        prop_assert!(console.open(&datagram).is_err());
    }

    #[test]
    fn no_authentic_payload_panics(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut console, mut bmc) = ends(CipherSuite::Sha256);
        let datagram = bmc.seal(PayloadType::IPMI, &payload, counted(9)).unwrap();
        let (_, opened) = console.open(&datagram).unwrap();
        prop_assert_eq!(&opened, &payload);
        drop(Reply::parse(&opened));
    }

    #[test]
    fn no_datagram_panics_a_login(
        stage in 0u8..3, kind in 0x10u8..0x16, payload in proptest::collection::vec(any::<u8>(), 0..90),
        addressed: bool,
    ) {
        let suite = CipherSuite::Sha1;
        let mut login = if stage == 0 { login(suite, "secret") } else { opened(suite, "secret") };
        if stage == 2 {
            prop_assert!(login.receive(&rakp_2(suite, 6, 0)).unwrap().is_ok());
        }
        let mut payload = payload;
        if addressed && payload.len() >= 8 {
            payload[0] = 5 + stage;
            payload[1] = 0;
            payload[4..8].copy_from_slice(&CONSOLE_ID.to_le_bytes());
        }
        let mut datagram = encode_plain(PayloadType::IPMI, &payload);
        datagram[5] = kind;
        prop_assert!(!matches!(login.receive(&datagram), Ok(Ok(Progress::Established(_)))));
    }
}
