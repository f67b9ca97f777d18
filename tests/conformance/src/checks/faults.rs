//! `FLT`: what goes wrong between a plugin and its machine.

mod datagram;
mod http;

use std::time::{Duration, Instant};

use farrier_sdk::error::ErrorKind;
use serde_json::json;

use crate::bench::{Answer, Bench, asks_the_machine, reader};
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, none_of, not_applicable};
use crate::profile::Protocol;
use crate::target::Peer;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "FLT-001", level: Level::Must, needs: Needs::Faults, run: http::refused,
        requirement: "A machine where nobody listens is `unreachable`, and trying again may help.",
        source: "errors: kinds" },
    Check { id: "FLT-002", level: Level::Must, needs: Needs::Faults, run: http::reset,
        requirement: "A connection that is reset is `unreachable` or `protocol`.",
        source: "errors: kinds" },
    Check { id: "FLT-003", level: Level::Must, needs: Needs::Faults, run: http::silence,
        requirement: "A machine that takes a request and says nothing is `unreachable` or `timeout`, and trying again may help.",
        source: "errors: kinds" },
    Check { id: "FLT-004", level: Level::Must, needs: Needs::Faults, run: http::drip,
        requirement: "An answer that never gets to its end is `unreachable` or `timeout`.",
        source: "errors: kinds" },
    Check { id: "FLT-005", level: Level::Must, needs: Needs::Faults, run: http::unauthorized,
        requirement: "Status 401 is `auth_failed`.",
        source: "RFC 9110, section 15.5.2" },
    Check { id: "FLT-006", level: Level::Must, needs: Needs::Faults, run: http::forbidden,
        requirement: "Status 403 is `auth_failed`.",
        source: "RFC 9110, section 15.5.4" },
    Check { id: "FLT-007", level: Level::Must, needs: Needs::Faults, run: http::not_found,
        requirement: "Status 404 is an error that says so: not `internal`, not `auth_failed`.",
        source: "RFC 9110, section 15.5.5" },
    Check { id: "FLT-008", level: Level::Must, needs: Needs::Faults, run: http::server_error,
        requirement: "Status 500 is the machine's failure: `hardware`, `protocol`, `busy` or `unreachable`.",
        source: "RFC 9110, section 15.6.1" },
    Check { id: "FLT-009", level: Level::Must, needs: Needs::Faults, run: http::unavailable,
        requirement: "Status 503 with Retry-After is an error for which trying again may help.",
        source: "RFC 9110, section 15.6.4" },
    Check { id: "FLT-010", level: Level::Must, needs: Needs::Faults, run: http::redirect,
        requirement: "A redirect to another server does not take the credentials there.",
        source: "plugin boundary: redirects are off" },
    Check { id: "FLT-011", level: Level::Must, needs: Needs::Faults, run: http::wrong_json,
        requirement: "JSON of another shape is `protocol`.",
        source: "errors: kinds" },
    Check { id: "FLT-012", level: Level::Must, needs: Needs::Faults, run: http::truncated,
        requirement: "An answer that breaks off is `protocol` or `unreachable`.",
        source: "errors: kinds" },
    Check { id: "FLT-013", level: Level::Must, needs: Needs::Faults, run: http::endless,
        requirement: "An answer without end is refused before it fills the memory.",
        source: "everything has a limit" },
    Check { id: "FLT-014", level: Level::Must, needs: Needs::Faults, run: http::expired_certificate,
        requirement: "A server whose certificate has expired is not believed.",
        source: "RFC 5280, section 6.1.3" },
    Check { id: "FLT-020", level: Level::Must, needs: Needs::Faults, run: datagram::lost,
        requirement: "A machine from which no datagram returns is `unreachable` or `timeout`, and trying again may help.",
        source: "errors: kinds" },
    Check { id: "FLT-021", level: Level::Must, needs: Needs::Faults, run: datagram::lossy,
        requirement: "Where one datagram in ten is lost, a question is answered all the same, and rightly.",
        source: "IPMI 2.0, section 6.12: retries" },
    Check { id: "FLT-022", level: Level::Must, needs: Needs::Faults, run: datagram::doubled,
        requirement: "Where datagrams arrive twice, every question gets its own answer.",
        source: "IPMI 2.0, section 6.12: sequence numbers" },
    Check { id: "FLT-023", level: Level::Must, needs: Needs::Faults, run: datagram::overtaken,
        requirement: "Where datagrams overtake each other, every question gets its own answer.",
        source: "IPMI 2.0, section 6.12: sequence numbers" },
    Check { id: "FLT-024", level: Level::Must, needs: Needs::Faults, run: datagram::busy,
        requirement: "A machine that is busy for a moment is asked again, or told to be `busy`.",
        source: "IPMI 2.0, table 5-2: node busy" },
    Check { id: "FLT-025", level: Level::Must, needs: Needs::Faults, run: datagram::session_lost,
        requirement: "A session that the machine has forgotten is opened anew.",
        source: "IPMI 2.0, section 6.11.13: session time-out" },
];

/// What a call came to.
struct Outcome {
    /// The implementation and method.
    place: String,
    answer: Answer,
    elapsed: Duration,
    /// Where a secret turned up.
    told: Vec<String>,
    /// Whether the machine was spoken to.
    spoke: bool,
}

/// Asks every implementation something whose machine is `peer`; answers of those that did ask it.
fn ask(bench: &Bench, protocol: Protocol, peer: &Peer) -> Result<Vec<Outcome>, Finding> {
    let mut outcomes = ask_all(bench, protocol, peer)?;
    // What never spoke to its machine says nothing about faults.
    outcomes.retain(|outcome| outcome.spoke);
    if outcomes.is_empty() {
        not_applicable("none of its implementations asks the machine")
    } else {
        Ok(outcomes)
    }
}

/// The same with the answers of those that did not.
fn ask_all(bench: &Bench, protocol: Protocol, peer: &Peer) -> Result<Vec<Outcome>, Finding> {
    speaks(bench, protocol)?;
    let session = bench.load()?;
    let mut outcomes = Vec::new();
    for interface in session.descriptor().interfaces.clone() {
        let method = reader(&interface);
        if !asks_the_machine(method) {
            continue;
        }
        let opened = session.open(interface.kind, &interface.name)?;
        let node = session.node(bench.profile(), peer);
        let (mark, before, begin) = (bench.journal().mark(), peer.contacts(), Instant::now());
        let answer = session.call(&opened, method, &json!({}), &node);
        let told = super::contract::told(bench, &node, mark, &answer);
        let place = format!("{} `{}.{method}`", interface.kind, interface.name);
        let spoke = peer.contacts().is_none_or(|contacts| Some(contacts) != before);
        outcomes.push(Outcome { place, answer, elapsed: begin.elapsed(), told, spoke });
    }
    Ok(outcomes)
}

/// Whether the plugin's machines speak this.
fn speaks(bench: &Bench, protocol: Protocol) -> Judgement {
    let own = bench.profile().protocol;
    let fits = own == protocol || (protocol == Protocol::Datagram && own == Protocol::Ipmi);
    if fits { Ok(()) } else { not_applicable("the `protocol` of the profile is another one") }
}

/// What an error has to be.
struct Expected {
    kinds: &'static [ErrorKind],
    retryable: Option<bool>,
}

impl Expected {
    const fn kinds(kinds: &'static [ErrorKind]) -> Self {
        Self { kinds, retryable: None }
    }

    const fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = Some(retryable);
        self
    }

    /// Judges what calls came to.
    fn judge(&self, outcomes: &[Outcome]) -> Judgement {
        let mut faults = Vec::new();
        for Outcome { place, answer, elapsed, told, .. } in outcomes {
            match answer {
                Ok(value) => faults.push(format!("{place} answered {value}")),
                Err(error) if !self.kinds.contains(&error.kind()) => {
                    faults.push(format!(
                        "{place} is {:?} after {} ms: {error}",
                        error.kind(),
                        elapsed.as_millis()
                    ));
                }
                Err(error) if self.retryable.is_some_and(|expected| expected != error.is_retryable()) => {
                    let word = if error.is_retryable() { "may" } else { "may not" };
                    faults.push(format!("{place} says that trying again {word} help: {error}"));
                }
                Err(_) => {}
            }
            faults.extend(told.iter().map(|where_to| format!("{place}: a secret is in {where_to}")));
        }
        none_of(&faults)
    }
}

/// Fails with what calls came to that should have succeeded.
fn succeed(outcomes: &[Outcome]) -> Judgement {
    match outcomes.iter().find_map(|outcome| Some((&outcome.place, outcome.answer.as_ref().err()?))) {
        None => Ok(()),
        Some((place, error)) => failed(format!("{place} is {:?}: {error}", error.kind())),
    }
}
