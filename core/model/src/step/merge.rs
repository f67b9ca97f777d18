//! Which of several sources of deploy steps wins.

use std::collections::BTreeSet;

use farrier_sdk::interface::InterfaceType;

use super::check::InvalidSteps;
use super::{RequestedStep, Step, StepId, StepKind, order};

/// The deploy steps to run: those of the drivers, replaced by `given` ones with the same id, without those of
/// priority 0, sorted.
///
/// `given` are steps of the request or of deploy templates, already checked.
#[must_use]
pub fn deploy_steps(driver: &[Step], given: &[Step]) -> Vec<Step> {
    let replaced = |step: &&Step| !given.iter().any(|other| other.id() == step.id());
    let mut steps: Vec<Step> = driver.iter().filter(replaced).chain(given).cloned().collect();
    steps.retain(|step| 0 < step.priority);
    order::sort(StepKind::Deploy, &mut steps);
    steps
}

/// Replaces steps of a weaker source by those of a stronger one with the same id.
#[must_use]
pub fn stronger(weaker: Vec<RequestedStep>, stronger: &[RequestedStep]) -> Vec<RequestedStep> {
    let replaced = |step: &RequestedStep| {
        step.is_of_driver() && stronger.iter().any(|other| other.is_of_driver() && other.id() == step.id())
    };
    weaker.into_iter().filter(|step| !replaced(step)).chain(stronger.iter().cloned()).collect()
}

/// Whether a step is the one that deploys, which can be switched off but not changed.
#[must_use]
pub fn is_core(id: &StepId) -> bool {
    id.interface == InterfaceType::Deploy && id.step == "deploy"
}

/// Checks one source of deploy steps: no step twice, and the core step only switched off.
///
/// # Errors
///
/// [`InvalidSteps`]: every problem.
pub fn check_deploy_source(given: &[RequestedStep]) -> Result<(), InvalidSteps> {
    let (mut seen, mut problems) = (BTreeSet::new(), Vec::new());
    for step in given.iter().filter(|step| step.is_of_driver()) {
        let id = step.id();
        if is_core(&id) && step.priority != Some(0) {
            problems.push(format!(
                "deploy step {id} is the core step: it can be disabled with priority 0, but not overridden"
            ));
        }
        if !seen.insert(id.clone()) {
            problems.push(format!("deploy step {id} is given more than once"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(InvalidSteps(problems)) }
}
