//! `POW`: main power, on a machine.

use std::sync::Arc;

use farrier_host::Interface;
use farrier_sdk::error::ErrorKind;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, Session};
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, none_of, not_applicable};
use crate::node::Node;
use crate::target::{self, Peer};

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "POW-001", level: Level::Must, needs: Needs::Machine, run: tells_the_state,
        requirement: "`get_power_state` answers `power on`, `power off` or null, and null at most for a while.",
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

/// A machine and each power implementation in turn.
struct Stand {
    session: Session,
    peer: Peer,
    implementations: Vec<(String, Arc<Interface>)>,
}

impl Stand {
    fn new(bench: &Bench) -> Result<Self, Finding> {
        let names = bench.implementations(InterfaceType::Power)?;
        if names.is_empty() {
            return not_applicable("it has no power implementation");
        }
        let session = bench.load()?;
        let peer = target::start(bench)?;
        let opened =
            names.into_iter().map(|name| Ok((name.clone(), session.open(InterfaceType::Power, &name)?)));
        let implementations = opened.collect::<Result<_, Finding>>()?;
        Ok(Self { session, peer, implementations })
    }

    fn node(&self, bench: &Bench) -> Node {
        self.session.node(bench.profile(), &self.peer)
    }

    fn call(&self, interface: &Interface, method: &str, arguments: &Value, node: &Node) -> Answer {
        self.session.call(interface, method, arguments, node)
    }

    /// Puts the machine into a state, behind the plugin's back if that is possible.
    fn prepare(&self, interface: &Interface, on: bool, node: &Node) -> Judgement {
        if self.peer.set_power(on) {
            return Ok(());
        }
        self.set(interface, if on { PowerState::On } else { PowerState::Off }, node)
    }

    fn set(&self, interface: &Interface, state: PowerState, node: &Node) -> Judgement {
        let arguments = json!({"state": state, "timeout": self.session.patience().as_secs()});
        match self.call(interface, "set_power_state", &arguments, node) {
            Ok(_) => Ok(()),
            Err(error) => failed(format!("`set_power_state` to `{state}`: {error}")),
        }
    }

    /// Whether the machine is as it should be, and is said to be.
    fn expect(&self, interface: &Interface, on: bool, node: &Node, after: &str) -> Judgement {
        let word = if on { PowerState::On } else { PowerState::Off };
        if self.peer.is_on().is_some_and(|seen| seen != on) {
            return failed(format!("after {after} the machine is not `{word}`"));
        }
        match self.call(interface, "get_power_state", &json!({}), node) {
            Ok(answer) if answer == json!(word) => Ok(()),
            Ok(answer) => failed(format!("after {after} `get_power_state` answered {answer}")),
            Err(error) => failed(format!("after {after} `get_power_state`: {error}")),
        }
    }
}

/// Does something with every implementation.
fn each(bench: &Bench, look: impl Fn(&Stand, &Interface, &Node) -> Judgement) -> Judgement {
    let stand = Stand::new(bench)?;
    for (name, interface) in &stand.implementations {
        let node = stand.node(bench);
        look(&stand, interface, &node).map_err(|finding| match finding {
            Finding::Failed(reason) => Finding::Failed(format!("power `{name}`: {reason}")),
            other @ (Finding::NotApplicable(_) | Finding::NotRun(_)) => other,
        })?;
    }
    Ok(())
}

fn tells_the_state(bench: &Bench) -> Judgement {
    each(bench, |stand, interface, node| {
        let answer = stand.call(interface, "get_power_state", &json!({}), node);
        match answer {
            Ok(answer) if answer.is_null() || answer == "power on" || answer == "power off" => Ok(()),
            Ok(answer) => failed(format!("`get_power_state` answered {answer}")),
            Err(error) => failed(format!("`get_power_state`: {error}")),
        }
    })
}

fn switches_on(bench: &Bench) -> Judgement {
    each(bench, |stand, interface, node| {
        stand.prepare(interface, false, node)?;
        stand.set(interface, PowerState::On, node)?;
        stand.expect(interface, true, node, "power on")
    })
}

fn switches_off(bench: &Bench) -> Judgement {
    each(bench, |stand, interface, node| {
        stand.prepare(interface, true, node)?;
        stand.set(interface, PowerState::Off, node)?;
        stand.expect(interface, false, node, "power off")
    })
}

fn repeats(bench: &Bench) -> Judgement {
    each(bench, |stand, interface, node| {
        for (on, state) in [(true, PowerState::On), (false, PowerState::Off)] {
            stand.prepare(interface, on, node)?;
            stand.set(interface, state, node)?;
            if stand.peer.is_on().is_some_and(|seen| seen != on) {
                return failed(format!("`{state}` a second time changed the machine"));
            }
        }
        Ok(())
    })
}

fn reboots(bench: &Bench) -> Judgement {
    each(bench, |stand, interface, node| {
        for on in [true, false] {
            stand.prepare(interface, on, node)?;
            let arguments = json!({"timeout": stand.session.patience().as_secs()});
            if let Err(error) = stand.call(interface, "reboot", &arguments, node) {
                return failed(format!("`reboot`: {error}"));
            }
            stand.expect(interface, true, node, "a reboot")?;
        }
        Ok(())
    })
}

fn supported(stand: &Stand, interface: &Interface, node: &Node) -> Result<Vec<PowerState>, Finding> {
    let answer = stand.call(interface, "get_supported_power_states", &json!({}), node);
    let states = answer.or_else(|error| failed(format!("`get_supported_power_states`: {error}")))?;
    serde_json::from_value(states.clone())
        .or_else(|_| failed(format!("`get_supported_power_states` answered {states}")))
}

fn powers_off_softly(bench: &Bench) -> Judgement {
    each(bench, |stand, interface, node| {
        if !supported(stand, interface, node)?.contains(&PowerState::SoftOff) {
            return not_applicable("it lists no soft power off");
        }
        stand.prepare(interface, true, node)?;
        stand.set(interface, PowerState::SoftOff, node)?;
        stand.expect(interface, false, node, "a soft power off")
    })
}

fn refuses_nonsense(bench: &Bench) -> Judgement {
    each(bench, |stand, interface, node| {
        let mut faults = Vec::new();
        for state in ["error", "sideways"] {
            match stand.call(interface, "set_power_state", &json!({"state": state, "timeout": 2}), node) {
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
    each(bench, |stand, interface, node| {
        let states = supported(stand, interface, node)?;
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
    each(bench, |stand, interface, node| {
        for on in [true, false, true] {
            if !stand.peer.set_power(on) {
                return not_applicable("nobody can switch this machine but the plugin");
            }
            stand.expect(interface, on, node, "somebody else had switched it")?;
        }
        Ok(())
    })
}
