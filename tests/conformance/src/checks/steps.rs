//! `STP`: clean, deploy, verify and service steps.

use farrier_sdk::descriptor::{InterfaceDescriptor, StepDescriptor};
use farrier_sdk::error::ErrorKind;
use farrier_sdk::step::StepOutcome;
use serde_json::{Map, Value, json};

use super::stand::is_broken;
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
];

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
