//! Sessions of IPMI 1.5, for BMCs that speak nothing newer: the password guards packets, nothing is hidden.
//!
//! Source: IPMI 2.0, sections 13.6, 13.25, 22.16 and 22.17.

use std::sync::Arc;

use farrier_sdk::secret::Secret;
use ipmi_rs::connection::{Message, NetFn};
use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq;

use super::Session;
use super::login::{LoginFault, LoginRandom, Phase, Progress};
use super::status::Status;
use crate::packet::Discard;
use crate::packet::message::{Reply, RequestSequence, encode_request};
use crate::packet::old::{AUTH_CODE_SIZE, AuthType, OldPacket};
use crate::packet::reader::Reader;
use crate::target::Target;

/// Get Session Challenge.
const GET_SESSION_CHALLENGE: u8 = 0x39;

/// Activate Session.
const ACTIVATE_SESSION: u8 = 0x3A;

/// Number of the first packet the BMC is to send.
const FIRST_OF_BMC: u32 = 1;

/// The password as IPMI 1.5 knows it: 16 bytes, filled up with zeros.
#[derive(Debug, Clone)]
pub(crate) struct OldGuard(Secret<Vec<u8>>);

impl OldGuard {
    fn new(target: &Target) -> Self {
        let mut password = target.credentials.password().expose().clone();
        password.resize(AUTH_CODE_SIZE, 0);
        Self(Secret::new(password))
    }

    /// What guards a message: MD5 over password, session ID, message, sequence number and password.
    fn code(&self, session_id: u32, sequence: u32, message: &[u8]) -> [u8; AUTH_CODE_SIZE] {
        let password = self.0.expose();
        let mut hash = Md5::new();
        for part in [password, &session_id.to_le_bytes()[..], message, &sequence.to_le_bytes(), password] {
            hash.update(part);
        }
        hash.finalize().into()
    }

    pub(super) fn seal(&self, session_id: u32, sequence: u32, message: &[u8]) -> Vec<u8> {
        let auth_code = Some(self.code(session_id, sequence, message));
        OldPacket { auth_type: AuthType::MD5, sequence, session_id, auth_code, message }.encode()
    }

    /// Sequence number and message of an authentic packet of this session.
    pub(super) fn open<'a>(&self, session_id: u32, datagram: &'a [u8]) -> Result<(u32, &'a [u8]), Discard> {
        let packet = OldPacket::parse(datagram)?;
        if packet.session_id != session_id {
            return Err(Discard::Foreign);
        }
        let (AuthType::MD5, Some(code)) = (packet.auth_type, packet.auth_code) else {
            return Err(Discard::Unauthenticated);
        };
        let expected = self.code(session_id, packet.sequence, packet.message);
        if !bool::from(expected.ct_eq(&code)) {
            return Err(Discard::BadAuthCode);
        }
        Ok((packet.sequence, packet.message))
    }
}

/// One attempt to log in by IPMI 1.5.
#[derive(Debug)]
pub struct OldLogin {
    target: Arc<Target>,
    guard: OldGuard,
    sequence: RequestSequence,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Challenge,
    Activate { id: u32, challenge: [u8; 16] },
    Ended,
}

impl OldLogin {
    /// Starts an attempt; `datagram` is to be sent.
    #[must_use]
    pub fn new(target: Arc<Target>, random: LoginRandom) -> Self {
        let guard = OldGuard::new(&target);
        Self { target, guard, sequence: RequestSequence::new(random.tag), stage: Stage::Challenge }
    }

    pub(super) fn phase(&self) -> Option<Phase> {
        match self.stage {
            Stage::Challenge => Some(Phase::OpenSession),
            // A wrong password is answered with silence, as an unknown user is by some in RAKP 1.
            Stage::Activate { .. } => Some(Phase::Rakp1),
            Stage::Ended => None,
        }
    }

    pub(super) fn datagram(&self) -> Option<Vec<u8>> {
        let message = encode_request(&self.request()?, 0, self.sequence);
        Some(match self.stage {
            Stage::Challenge => {
                let (auth_type, auth_code) = (AuthType::NONE, None);
                OldPacket { auth_type, sequence: 0, session_id: 0, auth_code, message: &message }.encode()
            }
            Stage::Activate { id, .. } => self.guard.seal(id, 0, &message),
            Stage::Ended => return None,
        })
    }

    fn request(&self) -> Option<Message> {
        let (cmd, data) = match &self.stage {
            Stage::Challenge => {
                let mut data = vec![AuthType::MD5.get()];
                data.extend_from_slice(self.target.credentials.user().as_bytes());
                data.resize(1 + crate::target::USER_SIZE_MAX, 0);
                (GET_SESSION_CHALLENGE, data)
            }
            Stage::Activate { challenge, .. } => {
                let mut data = vec![AuthType::MD5.get(), self.target.credentials.privilege.level()];
                data.extend_from_slice(challenge);
                data.extend_from_slice(&FIRST_OF_BMC.to_le_bytes());
                (ACTIVATE_SESSION, data)
            }
            Stage::Ended => return None,
        };
        Some(Message::new_request(NetFn::App, cmd, data))
    }

    pub(super) fn receive(&mut self, datagram: &[u8]) -> Result<Result<Progress, LoginFault>, Discard> {
        let request = self.request().ok_or(Discard::Unasked)?;
        let message = match &self.stage {
            Stage::Challenge => {
                let packet = OldPacket::parse(datagram)?;
                if packet.session_id != 0 {
                    return Err(Discard::Foreign);
                }
                packet.message
            }
            Stage::Activate { id, .. } => self.guard.open(*id, datagram)?.1,
            Stage::Ended => return Err(Discard::Unasked),
        };
        let reply = Reply::parse(message)?;
        if !reply.checksums_good {
            return Err(Discard::BadChecksum);
        }
        if !reply.answers(&request, self.sequence) {
            return Err(Discard::Unasked);
        }
        if reply.completion_code != 0 {
            let status = status(request.cmd(), reply.completion_code);
            return Ok(Err(LoginFault::Refused { status, contradictory: false }));
        }
        let progress = match &self.stage {
            Stage::Challenge => self.receive_challenge(&reply.data)?,
            Stage::Activate { .. } | Stage::Ended => self.receive_activation(&reply.data)?,
        };
        self.sequence = self.sequence.next();
        Ok(progress)
    }

    fn receive_challenge(&mut self, data: &[u8]) -> Result<Result<Progress, LoginFault>, Discard> {
        let mut reader = Reader::new(data);
        let id = reader.double().ok_or(Discard::Truncated)?;
        let challenge = reader.array().ok_or(Discard::Truncated)?;
        if id == 0 {
            return Ok(Err(LoginFault::NoSessionId));
        }
        self.stage = Stage::Activate { id, challenge };
        Ok(Ok(Progress::Send))
    }

    fn receive_activation(&mut self, data: &[u8]) -> Result<Result<Progress, LoginFault>, Discard> {
        let mut reader = Reader::new(data);
        let auth_type = reader.byte().ok_or(Discard::Truncated)?;
        let id = reader.double().ok_or(Discard::Truncated)?;
        let first = reader.double().ok_or(Discard::Truncated)?;
        let asked = AuthType::MD5.get();
        if auth_type & 0x0F != asked {
            let (asked, chosen) = ([asked, 0, 0], [auth_type & 0x0F, 0, 0]);
            return Ok(Err(LoginFault::Downgrade { asked, chosen }));
        }
        if id == 0 {
            return Ok(Err(LoginFault::NoSessionId));
        }
        self.stage = Stage::Ended;
        Ok(Ok(Progress::Established(Box::new(Session::old(id, self.guard.clone(), first)))))
    }
}

/// The status of RMCP+ that a completion code of the old login corresponds to.
#[rustfmt::skip]
fn status(cmd: u8, code: u8) -> Status {
    match (cmd, code) {
        (GET_SESSION_CHALLENGE, 0x81 | 0x82) => Status(0x0D),
        // No room for another session: for anybody, for this user, at this level.
        (ACTIVATE_SESSION, 0x81..=0x83) | (_, 0xC0 | 0xC4) => Status(0x01),
        (ACTIVATE_SESSION, 0x85) => Status(0x02),
        (ACTIVATE_SESSION, 0x86) | (_, 0xD4) => Status(0x0A),
        // The kind of authentication is not supported.
        (GET_SESSION_CHALLENGE, 0xCC) => Status(0x04),
        _ => Status(0x12),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::target::{Credentials, Endpoint, Privilege, Version};

    fn target() -> Arc<Target> {
        let password = Secret::new(b"secret".to_vec());
        let credentials = Credentials::new("admin".into(), password, None, Privilege::Administrator).unwrap();
        let endpoint = Endpoint { host: "192.0.2.1".into(), port: 623 };
        Arc::new(Target { version: Version::V1_5, ..Target::new(endpoint, credentials) })
    }

    fn login() -> OldLogin {
        OldLogin::new(target(), LoginRandom { console_id: 1, console_random: [0; 16], tag: 5 })
    }

    /// An answer to the request with this sequence number.
    fn answer(cmd: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
        let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg();
        let mut message = vec![0x81, 0x1C, 0x63, 0x20, sequence << 2, cmd];
        message.extend_from_slice(body);
        message.push(sum(&message[3..]));
        message
    }

    fn challenge() -> Vec<u8> {
        let mut body = vec![0, 4, 3, 2, 1];
        body.extend_from_slice(&[7; 16]);
        let message = answer(GET_SESSION_CHALLENGE, 5, &body);
        let (auth_type, auth_code) = (AuthType::NONE, None);
        OldPacket { auth_type, sequence: 0, session_id: 0, auth_code, message: &message }.encode()
    }

    #[test]
    fn two_answers_make_a_session() {
        let mut login = login();
        assert!(matches!(login.receive(&challenge()), Ok(Ok(Progress::Send))));
        let body = [0, 2, 4, 3, 2, 1, 9, 0, 0, 0, 4];
        let activated = login.guard.seal(0x0102_0304, 0, &answer(ACTIVATE_SESSION, 6, &body));

        let Ok(Ok(Progress::Established(mut session))) = login.receive(&activated) else {
            panic!("no session");
        };

        assert_eq!((session.bmc_id(), session.suite()), (0x0102_0304, None));
        let sealed = session.seal(crate::packet::wrapper::PayloadType::IPMI, &[1, 2, 3], [0; 16]).unwrap();
        assert_eq!(OldPacket::parse(&sealed).unwrap().sequence, 9);
    }

    #[test]
    fn an_answer_with_a_wrong_code_is_no_answer() {
        let mut login = login();
        assert!(login.receive(&challenge()).unwrap().is_ok());
        let mut activated = login.guard.seal(0x0102_0304, 0, &answer(ACTIVATE_SESSION, 6, &[0x86]));
        *activated.last_mut().unwrap() ^= 1;

        assert_eq!(login.receive(&activated).unwrap_err(), Discard::BadAuthCode);
    }

    #[test]
    fn refusals_are_told_apart() {
        let refused = |cmd, code| status(cmd, code).class();

        assert_eq!(refused(GET_SESSION_CHALLENGE, 0x81), super::super::status::StatusClass::User);
        assert_eq!(refused(ACTIVATE_SESSION, 0x81), super::super::status::StatusClass::Slots);
        assert_eq!(refused(ACTIVATE_SESSION, 0x86), super::super::status::StatusClass::Privilege);
    }

    proptest! {
        #[test]
        fn no_datagram_panics(datagram in proptest::collection::vec(any::<u8>(), 0..80), further: bool) {
            let mut login = login();
            if further {
                prop_assert!(login.receive(&challenge()).unwrap().is_ok());
            }
            prop_assert!(!matches!(login.receive(&datagram), Ok(Ok(Progress::Established(_)))));
        }

        #[test]
        fn no_answer_panics(body in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut login = login();
            assert!(login.receive(&challenge()).unwrap().is_ok());
            let datagram = login.guard.seal(0x0102_0304, 0, &answer(ACTIVATE_SESSION, 6, &body));
            drop(login.receive(&datagram));
        }
    }
}
