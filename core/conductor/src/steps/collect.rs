//! Which steps the drivers of a node have, and which of them run by themselves.

use farrier_model::node::Node;
use farrier_model::step::order::{self, weight};
use farrier_model::step::{RequestedStep, Step, StepId, StepKind};
use farrier_sdk::interface::InterfaceType;
use serde_json::Value;

use super::Flow;
use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::registry::Driver;
use crate::task::ExclusiveTask;

/// All steps of one kind that the node's drivers have, whatever priority; with the priorities of the operator.
///
/// What the deploy agent has told of its own steps is among them.
///
/// # Errors
///
/// Those of the registry.
pub(crate) fn known(task: &mut ExclusiveTask, kind: StepKind) -> Result<Vec<Step>, ConductorError> {
    task.load_driver()?;
    let mut steps = task.driver().map(|driver| of_driver(driver, kind)).unwrap_or_default();
    let own: Vec<StepId> = steps.iter().map(Step::id).collect();
    steps.extend(of_agent(task.node(), kind).into_iter().filter(|step| !own.contains(&step.id())));
    let config = &task.shared().config;
    match kind {
        StepKind::Clean => order::override_priorities(&mut steps, &config.clean_step_priority_override),
        StepKind::Verify => order::override_priorities(&mut steps, &config.verify_step_priority_override),
        StepKind::Deploy | StepKind::Service => {}
    }
    Ok(steps)
}

/// The steps that run without being asked for: those with a priority that the operator does not forbid, sorted.
///
/// # Errors
///
/// Those of the registry.
pub(crate) fn automatic(task: &mut ExclusiveTask, kind: StepKind) -> Result<Vec<Step>, ConductorError> {
    let mut steps = known(task, kind)?;
    let disallowed = disallowed(&task.shared().config, kind);
    steps.retain(|step| 0 < step.priority && !disallowed.contains(&step.id()));
    order::sort(kind, &mut steps);
    Ok(steps)
}

/// Refuses steps of a client that the operator forbids.
///
/// # Errors
///
/// [`ConductorError::StepNotAllowed`]: the first of them.
pub(crate) fn refuse_disallowed(
    config: &ConductorConfig,
    kind: StepKind,
    steps: &[RequestedStep],
) -> Result<(), ConductorError> {
    let disallowed = disallowed(config, kind);
    let forbidden = steps.iter().map(RequestedStep::id).find(|id| disallowed.contains(id));
    forbidden.map_or(Ok(()), |step| Err(ConductorError::StepNotAllowed { kind, step }))
}

fn disallowed(config: &ConductorConfig, kind: StepKind) -> &[StepId] {
    match kind {
        StepKind::Clean => &config.disallow_clean_steps,
        StepKind::Deploy => &config.disallow_deploy_steps,
        StepKind::Service => &config.disallow_service_steps,
        StepKind::Verify => &[],
    }
}

fn of_driver(driver: &Driver, kind: StepKind) -> Vec<Step> {
    let with_steps = InterfaceType::ALL.into_iter().filter(|&interface| 0 < weight(kind, interface));
    with_steps
        .flat_map(|interface| {
            let described = &driver.interface(interface).descriptor().steps;
            let of_kind = described.iter().filter(|step| step.kinds.iter().any(|name| name == kind.as_str()));
            of_kind.map(move |step| Step::of_driver(interface, kind, step))
        })
        .collect()
}

/// The steps the deploy agent has told of: by interface type, each a list.
fn of_agent(node: &Node, kind: StepKind) -> Vec<Step> {
    let Some(flow) = Flow::ALL.into_iter().find(|flow| flow.kind() == kind) else { return Vec::new() };
    let Some(Value::Object(told)) = node.driver_internal_info.get(flow.keys().agent_steps) else {
        return Vec::new();
    };
    let lists = told.values().filter_map(Value::as_array).flatten();
    let mut steps: Vec<Step> = lists.filter_map(|step| serde_json::from_value(step.clone()).ok()).collect();
    for step in &mut steps {
        step.requires_ramdisk = true;
    }
    steps
}
