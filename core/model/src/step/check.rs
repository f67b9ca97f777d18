//! Whether given steps fit what the drivers offer.

use std::fmt;

use uuid::Uuid;

use super::{RequestedStep, ReservedStep, Step, StepKind};

/// What is known while steps are checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leniency {
    /// Steps that no driver knows are passed over: the agent may know them once it runs.
    pub unknown_allowed: bool,
    /// The node works without the agent, so steps that need it cannot run.
    pub ramdisk_disabled: bool,
}

/// Everything that is wrong with the steps of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidSteps(pub Vec<String>);

impl fmt::Display for InvalidSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// The given steps, filled up with what the drivers say about them, in the same order.
///
/// `known` are all steps of the node's drivers of this kind, whatever priority. Steps that no driver knows are left
/// out if that is allowed.
///
/// # Errors
///
/// [`InvalidSteps`]: every problem of every step.
pub fn check(
    kind: StepKind,
    given: &[RequestedStep],
    known: &[Step],
    leniency: Leniency,
) -> Result<Vec<Step>, InvalidSteps> {
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    for requested in given {
        let found =
            known.iter().find(|step| step.interface == requested.interface && step.step == requested.step);
        if !requested.is_of_driver() {
            check_own(kind, requested, &mut problems);
            steps.push(requested.to_step(kind, found));
            continue;
        }
        let Some(found) = found else {
            if !leniency.unknown_allowed {
                problems.push(format!("node does not support this {kind} step: {}", requested.id()));
            }
            continue;
        };
        check_of_driver(kind, requested, found, leniency, &mut problems);
        steps.push(requested.to_step(kind, Some(found)));
    }
    if problems.is_empty() { Ok(steps) } else { Err(InvalidSteps(problems)) }
}

/// A step of a driver: its arguments, and whether it can run without the agent.
fn check_of_driver(
    kind: StepKind,
    requested: &RequestedStep,
    found: &Step,
    leniency: Leniency,
    problems: &mut Vec<String>,
) {
    let id = requested.id();
    let given = requested.args.iter().flatten().map(|(name, _)| name);
    let unexpected: Vec<_> = given.filter(|name| !found.arguments.contains_key(*name)).cloned().collect();
    if !unexpected.is_empty() {
        problems.push(format!("{kind} step {id} has these unexpected arguments: {}", unexpected.join(", ")));
    }
    // A deploy step of priority 0 is not run, it only removes another.
    let runs = kind != StepKind::Deploy || requested.priority != Some(0);
    let has = |name: &str| requested.args.as_ref().is_some_and(|args| args.contains_key(name));
    let missing: Vec<_> = found
        .arguments
        .iter()
        .filter(|(name, argument)| runs && argument.required && !has(name))
        .map(|(name, argument)| format!("{name} ({})", argument.description))
        .collect();
    if !missing.is_empty() {
        problems
            .push(format!("{kind} step {id} is missing these required arguments: {}", missing.join(", ")));
    }
    if leniency.ramdisk_disabled && found.requires_ramdisk {
        problems.push(format!("{kind} step {id} requires the ramdisk, which is disabled"));
    }
}

/// A reserved step, or one for the children.
fn check_own(kind: StepKind, requested: &RequestedStep, problems: &mut Vec<String>) {
    let id = requested.id();
    let not_a_child = requested.limit_child_node_execution.iter().find(|name| name.parse::<Uuid>().is_err());
    if let Some(name) = not_a_child {
        problems.push(format!("{kind} step {id}: `{name}` is not the UUID of a child node"));
    }
    let Some(reserved) = requested.reserved() else { return };
    if requested.execute_on_child_nodes && !reserved.is_power() {
        problems.push(format!("{kind} step {id} can not be run on child nodes"));
    }
    for (name, value) in requested.args.iter().flatten() {
        if (reserved, name.as_str()) != (ReservedStep::Wait, "seconds") {
            problems.push(format!("{kind} step {id} has these unexpected arguments: {name}"));
        } else if value.as_u64().is_none_or(|seconds| seconds == 0) {
            problems.push(format!("{kind} step {id}: seconds is {value}, expected a positive integer"));
        }
    }
}
