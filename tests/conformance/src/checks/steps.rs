//! `STP`: clean, deploy, verify and service steps.

use std::collections::BTreeSet;

use farrier_sdk::descriptor::{InterfaceDescriptor, StepDescriptor};
use farrier_sdk::error::ErrorKind;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::step::StepOutcome;
use serde_json::{Map, Value, json};

use super::contract::still_at_it;
use super::stand::{self, Looks, Stand, interval, is_broken};
use crate::bench::{Answer, Bench, Session};
use crate::check::{Check, Finding, Judgement, Level, Needs, none_of, not_applicable};
use crate::target::Peer;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "STP-001", level: Level::Must, needs: Needs::Plugin, run: steps_answer,
        requirement: "Every declared step answers with an outcome, or with an error of its machine.",
        source: "step outcomes: done, or wait" },
    Check { id: "STP-002", level: Level::Must, needs: Needs::Plugin, run: bad_arguments_are_refused,
        requirement: "A step whose argument has a wrong type is refused as `invalid_parameter`.",
        source: "steps: an operator's clean steps come from outside" },
    Check { id: "STP-003", level: Level::Must, needs: Needs::File, run: steps_are_well_declared,
        requirement: "Every step is a clean, deploy, verify or service step, is declared once for each, and needs no argument if it runs by itself.",
        source: "descriptor: steps with a priority above 0 run without being asked for" },
    Check { id: "STP-004", level: Level::Must, needs: Needs::MachineChanged, run: given_up_while_waiting,
        requirement: "When an abortable step of the profile is given up while it waits, nothing of it goes on after two seconds.",
        source: "steps: abortable; the conductor aborts by not asking again" },
    Check { id: "STP-005", level: Level::Must, needs: Needs::MachineChanged, run: resumes,
        requirement: "A step of the profile that waits comes to its end when it is asked again.",
        source: "step outcomes: asked again by the same call" },
    Check { id: "STP-006", level: Level::Must, needs: Needs::MachineChanged, run: resumes_elsewhere,
        requirement: "A step of the profile that waits comes to its end when another conductor asks.",
        source: "interface traits: what is kept between calls is a cache, never state; a conductor may die" },
];

/// The kinds of step that there are.
const KINDS: [&str; 4] = ["clean", "deploy", "service", "verify"];

/// Calls a step on a node without a machine.
fn call(
    bench: &Bench,
    session: &Session,
    interface: &InterfaceDescriptor,
    step: &StepDescriptor,
    args: Map<String, Value>,
) -> Result<Answer, Finding> {
    let opened = session.open(interface.kind, &interface.name)?;
    let node = session.node(bench.profile(), &Peer::absent());
    let arguments = json!({"kind": step.kinds.first(), "step": step.step, "args": args});
    Ok(session.call(&opened, "execute_step", &arguments, &node))
}

/// What the profile gives a step.
fn given(bench: &Bench, interface: &InterfaceDescriptor, step: &StepDescriptor) -> Map<String, Value> {
    let name = format!("{}.{}", interface.kind, step.step);
    bench.profile().steps.get(&name).cloned().unwrap_or_default()
}

fn steps_answer(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let (mut faults, mut looked) = (Vec::new(), false);
    for interface in session.descriptor().interfaces.clone() {
        for step in &interface.steps {
            let args = given(bench, &interface, step);
            // What it cannot do without is the profile's to say.
            if step.args.iter().any(|(name, argument)| argument.required && !args.contains_key(name)) {
                continue;
            }
            looked = true;
            let place = format!("step `{}.{}`", interface.kind, step.step);
            match call(bench, &session, &interface, step, args)? {
                Ok(answer) if serde_json::from_value::<StepOutcome>(answer.clone()).is_ok() => {}
                Ok(answer) => faults.push(format!("{place} answered {answer}, which is no outcome")),
                Err(error) if is_broken(error.kind()) => {
                    faults.push(format!("{place} is {:?}: {error}", error.kind()));
                }
                Err(_) => {}
            }
        }
    }
    if looked { none_of(&faults) } else { not_applicable("it has no step that runs without arguments") }
}

fn bad_arguments_are_refused(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let (mut faults, mut looked) = (Vec::new(), false);
    for interface in session.descriptor().interfaces.clone() {
        for step in &interface.steps {
            for name in step.args.keys() {
                looked = true;
                let mut args = given(bench, &interface, step);
                // No argument is a list of lists.
                args.insert(name.clone(), json!([[{"kit": null}]]));
                let place = format!("step `{}.{}` with a bad `{name}`", interface.kind, step.step);
                match call(bench, &session, &interface, step, args)? {
                    Err(error)
                        if matches!(
                            error.kind(),
                            ErrorKind::InvalidParameter | ErrorKind::MissingParameter
                        ) => {}
                    Err(error) => faults.push(format!("{place} is {:?}: {error}", error.kind())),
                    Ok(_) => faults.push(format!("{place} succeeded")),
                }
            }
        }
    }
    if looked { none_of(&faults) } else { not_applicable("none of its steps has an argument") }
}

fn steps_are_well_declared(bench: &Bench) -> Judgement {
    let (mut faults, mut looked) = (Vec::new(), false);
    for interface in &bench.descriptor()?.interfaces {
        let mut known = BTreeSet::new();
        for step in &interface.steps {
            looked = true;
            let place = format!("step `{}` of {} `{}`", step.step, interface.kind, interface.name);
            if step.kinds.is_empty() {
                faults.push(format!("{place} is of no kind"));
            }
            for kind in &step.kinds {
                if !KINDS.contains(&kind.as_str()) {
                    faults.push(format!("{place} is a `{kind}` step, which nothing runs"));
                }
                if !known.insert((kind, &step.step)) {
                    faults.push(format!("{place} is declared twice as a `{kind}` step"));
                }
            }
            if 0 < step.priority && step.args.values().any(|argument| argument.required) {
                faults.push(format!("{place} has priority {} and needs an argument", step.priority));
            }
        }
    }
    if looked { none_of(&faults) } else { not_applicable("it has no step") }
}

/// Begins those of the profile's steps that `choose` wants, on the machine, and looks at those that wait.
fn each_waiting(
    bench: &Bench,
    choose: impl Fn(&StepDescriptor) -> bool,
    look: impl Fn(&Stand, &StepDescriptor, &Value) -> Judgement,
) -> Judgement {
    let named = |kind: InterfaceType, step: &StepDescriptor| {
        choose(step).then(|| bench.profile().steps.get(&format!("{kind}.{}", step.step))).flatten().cloned()
    };
    let wanted = |interface: &&InterfaceDescriptor| {
        interface.steps.iter().any(|step| named(interface.kind, step).is_some())
    };
    let kinds: BTreeSet<InterfaceType> =
        bench.descriptor()?.interfaces.iter().filter(wanted).map(|interface| interface.kind).collect();
    let mut looks = Looks::default();
    for kind in kinds {
        let found = stand::each(bench, kind, |stand| {
            let mut waited = false;
            for step in &stand.described.steps {
                let Some(arguments) = named(kind, step) else { continue };
                let arguments = Value::Object(arguments);
                let begun = stand.begin(&step.step, &arguments);
                let place = format!("step `{}`", step.step);
                let answer = begun.map_err(|error| stand.refused(&step.step, &place, &error))?;
                if interval(&step.step, &answer)?.is_some() {
                    waited = true;
                    look(stand, step, &arguments)?;
                }
            }
            if waited { Ok(()) } else { not_applicable("no step waits") }
        });
        looks.take(found)?;
    }
    looks.judgement_or("none of the profile's steps waits to be asked again")
}

fn given_up_while_waiting(bench: &Bench) -> Judgement {
    each_waiting(
        bench,
        |step| step.abortable,
        |stand, step, _| {
            let faults = still_at_it(bench, stand.peer);
            none_of(&faults.iter().map(|fault| format!("step `{}`: {fault}", step.step)).collect::<Vec<_>>())
        },
    )
}

fn resumes(bench: &Bench) -> Judgement {
    each_waiting(bench, |_| true, |stand, step, arguments| stand.make(&step.step, arguments))
}

fn resumes_elsewhere(bench: &Bench) -> Judgement {
    each_waiting(
        bench,
        |_| true,
        |stand, step, arguments| stand.elsewhere(|stand| stand.make(&step.step, arguments)),
    )
}
