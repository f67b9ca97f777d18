//! `POW`: main power, on a machine.

use std::time::{Duration, Instant};

use farrier_sdk::error::ErrorKind;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use serde_json::json;

use super::stand::{self, Stand};
use crate::bench::Bench;
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, none_of, not_applicable};
use crate::residue::pause;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "POW-001", level: Level::Must, needs: Needs::Machine, run: tells_the_state,
        requirement: "`get_power_state` answers `power on` or `power off`, however often, and null at most for a while.",
        source: "PowerInterface::get_power_state" },
    Check { id: "POW-002", level: Level::Must, needs: Needs::MachineChanged, run: switches_on,
        requirement: "After `set_power_state` to on the machine is on, and is said to be.",
        source: "PowerInterface::set_power_state: waits until the machine has it" },
    Check { id: "POW-003", level: Level::Must, needs: Needs::MachineChanged, run: switches_off,
        requirement: "After `set_power_state` to off the machine is off, and is said to be.",
        source: "PowerInterface::set_power_state: waits until the machine has it" },
    Check { id: "POW-004", level: Level::Must, needs: Needs::MachineChanged, run: repeats,
        requirement: "Asking for the state the machine has succeeds and changes nothing.",
        source: "PowerInterface::set_power_state: the conductor repeats what it is not sure of" },
    Check { id: "POW-005", level: Level::Must, needs: Needs::MachineChanged, run: reboots,
        requirement: "`reboot` ends with the machine on, whether it was on or off.",
        source: "PowerInterface::reboot" },
    Check { id: "POW-006", level: Level::Must, needs: Needs::MachineChanged, run: powers_off_softly,
        requirement: "A soft power off, if it is listed, ends with the machine off.",
        source: "PowerInterface::get_supported_power_states" },
    Check { id: "POW-007", level: Level::Must, needs: Needs::Machine, run: refuses_nonsense,
        requirement: "A power state that cannot be asked for is refused as `invalid_parameter`.",
        source: "PowerInterface::set_power_state, errors" },
    Check { id: "POW-008", level: Level::Must, needs: Needs::Machine, run: lists_what_it_can,
        requirement: "The supported power states include on, off and rebooting.",
        source: "PowerInterface::get_supported_power_states" },
    Check { id: "POW-009", level: Level::Must, needs: Needs::MachineChanged, run: asks_the_machine,
        requirement: "`get_power_state` tells what the machine does now, not what it did or was told before.",
        source: "PowerInterface::get_power_state: never answers from a cache" },
];

/// How often a machine that nobody touches is asked.
const QUESTIONS: u32 = 3;

/// How long to wait for a machine that is about to change.
const CHANGE_PAUSE: Duration = Duration::from_millis(200);

/// Does something with every implementation.
fn each(bench: &Bench, look: impl Fn(&Stand) -> Judgement) -> Judgement {
    stand::each(bench, InterfaceType::Power, look)
}

/// The same, and leaves a machine that outlives the check as it was found. Whether that succeeds is judged by the
/// checks of just that.
fn each_changed(bench: &Bench, look: impl Fn(&Stand) -> Judgement) -> Judgement {
    each(bench, |stand| {
        let found = if stand.is_thrown_away() { None } else { state(stand) };
        let finding = look(stand);
        if let Some(state @ (PowerState::On | PowerState::Off)) = found {
            set(stand, state).ok();
        }
        finding
    })
}

/// What the plugin says of the machine, if it says anything.
fn state(stand: &Stand) -> Option<PowerState> {
    serde_json::from_value(stand.call("get_power_state", &json!({})).ok()?).ok()
}

/// Puts the machine into a state, behind the plugin's back if that is possible.
fn prepare(stand: &Stand, on: bool) -> Judgement {
    if stand.peer.set_power(on) {
        return Ok(());
    }
    set(stand, if on { PowerState::On } else { PowerState::Off })
}

fn set(stand: &Stand, state: PowerState) -> Judgement {
    let arguments = json!({"state": state, "timeout": stand.session.patience().as_secs()});
    match stand.call("set_power_state", &arguments) {
        Ok(_) => Ok(()),
        Err(error) => failed(format!("`set_power_state` to `{state}`: {error}")),
    }
}

/// Whether the machine is as it should be, and is said to be.
fn expect(stand: &Stand, on: bool, after: &str) -> Judgement {
    let word = if on { PowerState::On } else { PowerState::Off };
    if stand.peer.is_on().is_some_and(|seen| seen != on) {
        return failed(format!("after {after} the machine is not `{word}`"));
    }
    match stand.call("get_power_state", &json!({})) {
        Ok(answer) if answer == json!(word) => Ok(()),
        Ok(answer) => failed(format!("after {after} `get_power_state` answered {answer}")),
        Err(error) => failed(format!("after {after} `get_power_state`: {error}")),
    }
}

fn tells_the_state(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let deadline = Instant::now() + stand.session.patience();
        let mut told = 0;
        while told < QUESTIONS {
            match stand.call("get_power_state", &json!({})) {
                Ok(answer) if answer == "power on" || answer == "power off" => told += 1,
                Ok(answer) if answer.is_null() && Instant::now() < deadline => pause(CHANGE_PAUSE),
                Ok(answer) => return failed(format!("`get_power_state` answered {answer}")),
                Err(error) => return failed(format!("`get_power_state`: {error}")),
            }
        }
        Ok(())
    })
}

fn switches_on(bench: &Bench) -> Judgement {
    each_changed(bench, |stand| {
        prepare(stand, false)?;
        set(stand, PowerState::On)?;
        expect(stand, true, "power on")
    })
}

fn switches_off(bench: &Bench) -> Judgement {
    each_changed(bench, |stand| {
        prepare(stand, true)?;
        set(stand, PowerState::Off)?;
        expect(stand, false, "power off")
    })
}

fn repeats(bench: &Bench) -> Judgement {
    each_changed(bench, |stand| {
        for (on, state) in [(true, PowerState::On), (false, PowerState::Off)] {
            prepare(stand, on)?;
            set(stand, state)?;
            if stand.peer.is_on().is_some_and(|seen| seen != on) {
                return failed(format!("`{state}` a second time changed the machine"));
            }
        }
        Ok(())
    })
}

fn reboots(bench: &Bench) -> Judgement {
    each_changed(bench, |stand| {
        for on in [true, false] {
            prepare(stand, on)?;
            let arguments = json!({"timeout": stand.session.patience().as_secs()});
            if let Err(error) = stand.call("reboot", &arguments) {
                return failed(format!("`reboot`: {error}"));
            }
            expect(stand, true, "a reboot")?;
        }
        Ok(())
    })
}

fn supported(stand: &Stand) -> Result<Vec<PowerState>, Finding> {
    let answer = stand.call("get_supported_power_states", &json!({}));
    let states = answer.or_else(|error| failed(format!("`get_supported_power_states`: {error}")))?;
    serde_json::from_value(states.clone())
        .or_else(|_| failed(format!("`get_supported_power_states` answered {states}")))
}

fn powers_off_softly(bench: &Bench) -> Judgement {
    each_changed(bench, |stand| {
        if !supported(stand)?.contains(&PowerState::SoftOff) {
            return not_applicable("it lists no soft power off");
        }
        prepare(stand, true)?;
        set(stand, PowerState::SoftOff)?;
        expect(stand, false, "a soft power off")
    })
}

fn refuses_nonsense(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let mut faults = Vec::new();
        for state in ["error", "sideways"] {
            match stand.call("set_power_state", &json!({"state": state, "timeout": 2})) {
                Ok(_) => faults.push(format!("`set_power_state` to `{state}` succeeded")),
                Err(error) if error.kind() == ErrorKind::InvalidParameter => {}
                Err(error) => {
                    faults.push(format!("`set_power_state` to `{state}` is {:?}: {error}", error.kind()))
                }
            }
        }
        none_of(&faults)
    })
}

fn lists_what_it_can(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let states = supported(stand)?;
        let needed = [PowerState::On, PowerState::Off, PowerState::Reboot];
        let lacking: Vec<String> = needed
            .iter()
            .filter(|state| !states.contains(state))
            .map(|state| format!("`{state}` is missing"))
            .collect();
        none_of(&lacking)
    })
}

fn asks_the_machine(bench: &Bench) -> Judgement {
    each_changed(bench, |stand| {
        for on in [true, false, true] {
            if !stand.peer.set_power(on) {
                return not_applicable("nobody can switch this machine but the plugin");
            }
            expect(stand, on, "somebody else had switched it")?;
        }
        Ok(())
    })
}
