//! Faults of machines that speak by datagrams.

use farrier_sdk::error::ErrorKind::{self, Timeout, Unreachable};
use farrier_sdk::interface::InterfaceType;
use farrier_sim::network::{Fault, Plan};
use serde_json::json;

use super::{Expected, ask, speaks, succeed};
use crate::bench::Bench;
use crate::check::{Judgement, failed, not_applicable};
use crate::profile::Protocol;
use crate::target;

/// Questions that are asked over a bad network; the machine is switched in between.
const QUESTIONS: u32 = 12;

/// How often a busy machine says so.
const BUSY_TIMES: usize = 2;

/// Of a thousand datagrams, how many are hit.
const SOME: u32 = 100;

/// Of a thousand, where nothing is lost.
const MANY: u32 = 300;

pub(super) fn lost(bench: &Bench) -> Judgement {
    speaks(bench, Protocol::Datagram)?;
    let outcomes = ask(bench, Protocol::Datagram, &target::silent(bench)?)?;
    Expected::kinds(&[Unreachable, Timeout]).retryable(true).judge(&outcomes)
}

/// Asks again and again over a bad network; every answer has to be true.
fn over(bench: &Bench, rates: Vec<(u32, Fault)>) -> Judgement {
    speaks(bench, Protocol::Datagram)?;
    let peer = target::start(bench)?.behind(Plan::Random { seed: bench.seed(), rates })?;
    let session = bench.load()?;
    let Some(name) = bench.implementations(InterfaceType::Power)?.into_iter().next() else {
        return not_applicable("it has no power implementation");
    };
    let opened = session.open(InterfaceType::Power, &name)?;
    let node = session.node(bench.profile(), &peer);
    for number in 0..QUESTIONS {
        let on = number % 2 == 0;
        peer.set_power(on);
        let expected = if on { "power on" } else { "power off" };
        match session.call(&opened, "get_power_state", &json!({}), &node) {
            Ok(answer) if answer == expected => {}
            Ok(answer) => {
                return failed(format!(
                    "question {number}: the machine is `{expected}`, the answer was {answer}"
                ));
            }
            Err(error) => return failed(format!("question {number} is {:?}: {error}", error.kind())),
        }
    }
    Ok(())
}

pub(super) fn lossy(bench: &Bench) -> Judgement {
    over(bench, vec![(SOME, Fault::Drop)])
}

pub(super) fn doubled(bench: &Bench) -> Judgement {
    over(bench, vec![(MANY, Fault::Duplicate)])
}

pub(super) fn overtaken(bench: &Bench) -> Judgement {
    over(bench, vec![(SOME, Fault::Overtaken)])
}

pub(super) fn busy(bench: &Bench) -> Judgement {
    speaks(bench, Protocol::Datagram)?;
    let peer = target::start(bench)?;
    if !peer.be_busy(BUSY_TIMES) {
        return not_applicable("machines of this sort are never busy");
    }
    let outcomes = ask(bench, Protocol::Datagram, &peer)?;
    let refused: Vec<_> = outcomes.into_iter().filter(|outcome| outcome.answer.is_err()).collect();
    Expected::kinds(&[ErrorKind::Busy]).retryable(true).judge(&refused)
}

pub(super) fn session_lost(bench: &Bench) -> Judgement {
    speaks(bench, Protocol::Datagram)?;
    let peer = target::start(bench)?;
    let session = bench.load()?;
    let Some(name) = bench.implementations(InterfaceType::Power)?.into_iter().next() else {
        return not_applicable("it has no power implementation");
    };
    let opened = session.open(InterfaceType::Power, &name)?;
    let node = session.node(bench.profile(), &peer);
    let ask = || session.call(&opened, "get_power_state", &json!({}), &node);
    if let Err(error) = ask() {
        return failed(format!("before anything was lost: {error}"));
    }
    if !peer.forget_sessions() {
        return not_applicable("machines of this sort have no sessions");
    }
    match ask() {
        Ok(_) => succeed(&[]),
        Err(error) => failed(format!("{:?}: {error}", error.kind())),
    }
}
