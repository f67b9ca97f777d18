//! Faults of machines that speak HTTP.

use farrier_sdk::error::ErrorKind::{
    self, AuthFailed, Busy, Hardware, Protocol as Garbled, Timeout, Unreachable,
};

use super::{Expected, ask, ask_all};
use crate::bench::Bench;
use crate::check::{Judgement, failed};
use crate::peer::http::HttpFault;
use crate::profile::Protocol;
use crate::residue::memory_kib;
use crate::target::{Control, Peer};

/// KiB that an answer without end may take: a limit for answers, some copies of it, and what else goes on.
const ENDLESS_KIB_MAX: u64 = 256 * 1024;

/// What a machine may be told to be that answers with an error status.
const COMPLAINTS: &[ErrorKind] = &[
    Hardware,
    Garbled,
    Busy,
    Unreachable,
    ErrorKind::Unsupported,
    ErrorKind::InvalidParameter,
    ErrorKind::Conflict,
    Timeout,
];

fn with(bench: &Bench, fault: HttpFault, expected: &Expected) -> Judgement {
    expected.judge(&ask(bench, Protocol::Http, &Peer::http(fault)?)?)
}

fn status(status: u16, headers: &[(&'static str, &str)]) -> HttpFault {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let body = r#"{"error": {"code": "Base.1.0.GeneralError", "message": "See ExtendedInfo"}}"#;
    HttpFault::Status(status, headers, body.to_owned())
}

pub(super) fn refused(bench: &Bench) -> Judgement {
    let outcomes = ask(bench, Protocol::Http, &Peer::absent())?;
    Expected::kinds(&[Unreachable]).retryable(true).judge(&outcomes)
}

pub(super) fn reset(bench: &Bench) -> Judgement {
    with(bench, HttpFault::Reset, &Expected::kinds(&[Unreachable, Garbled, Timeout]))
}

pub(super) fn silence(bench: &Bench) -> Judgement {
    with(bench, HttpFault::Silence, &Expected::kinds(&[Unreachable, Timeout]).retryable(true))
}

pub(super) fn drip(bench: &Bench) -> Judgement {
    with(bench, HttpFault::Drip, &Expected::kinds(&[Unreachable, Timeout]))
}

pub(super) fn unauthorized(bench: &Bench) -> Judgement {
    let challenge = [("WWW-Authenticate", "Basic realm=\"BMC\"")];
    with(bench, status(401, &challenge), &Expected::kinds(&[AuthFailed]))
}

pub(super) fn forbidden(bench: &Bench) -> Judgement {
    with(bench, status(403, &[]), &Expected::kinds(&[AuthFailed]))
}

pub(super) fn not_found(bench: &Bench) -> Judgement {
    with(bench, status(404, &[]), &Expected::kinds(COMPLAINTS))
}

pub(super) fn server_error(bench: &Bench) -> Judgement {
    with(bench, status(500, &[]), &Expected::kinds(&[Hardware, Garbled, Busy, Unreachable]))
}

pub(super) fn unavailable(bench: &Bench) -> Judgement {
    let expected = Expected::kinds(&[Busy, Unreachable, Hardware, Timeout, Garbled]).retryable(true);
    with(bench, status(503, &[("Retry-After", "1")]), &expected)
}

pub(super) fn redirect(bench: &Bench) -> Judgement {
    let other = Peer::redfish()?;
    let Control::Http(server) = &other.control else { return failed("the kit's other server is none") };
    let elsewhere = format!("http://{}/redfish/v1/", server.address());
    let outcomes = ask(bench, Protocol::Http, &Peer::http(status(307, &[("Location", &elsewhere)]))?)?;
    if server.saw_credentials() {
        return failed("the other server was given credentials");
    }
    match outcomes.iter().find(|outcome| outcome.answer.is_ok()) {
        Some(outcome) => failed(format!("{} succeeded", outcome.place)),
        None => Ok(()),
    }
}

pub(super) fn wrong_json(bench: &Bench) -> Judgement {
    let body = r#"[{"PowerState": ["On"], "Systems": 7}]"#.to_owned();
    with(bench, HttpFault::Status(200, Vec::new(), body), &Expected::kinds(&[Garbled]))
}

pub(super) fn truncated(bench: &Bench) -> Judgement {
    with(bench, HttpFault::Truncated, &Expected::kinds(&[Garbled, Unreachable]))
}

pub(super) fn endless(bench: &Bench) -> Judgement {
    let before = memory_kib();
    let expected = Expected::kinds(&[Garbled, Unreachable, Timeout, ErrorKind::BadPayload, Hardware]);
    with(bench, HttpFault::Endless, &expected)?;
    let grown = memory_kib().saturating_sub(before);
    if grown <= ENDLESS_KIB_MAX { Ok(()) } else { failed(format!("{} MiB were kept", grown / 1024)) }
}

pub(super) fn expired_certificate(bench: &Bench) -> Judgement {
    let expected =
        Expected::kinds(&[Unreachable, Garbled, AuthFailed, ErrorKind::InvalidParameter, Hardware]);
    // Who does not speak to such a server at all does well.
    expected.judge(&ask_all(bench, Protocol::Http, &Peer::http(HttpFault::ExpiredCertificate)?)?)
}
