//! Steps as a client gives them.

use std::collections::BTreeSet;

use farrier_sdk::interface::InterfaceType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::order::weight;
use super::{ReservedStep, Step, StepId, StepKind};
use crate::node::Fields;

/// A step as a client gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedStep {
    /// The interface type.
    pub interface: InterfaceType,
    /// Name of the method, or of a reserved step.
    pub step: String,
    /// The values of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Fields>,
    /// Where it stands among deploy steps, bigger first; 0 removes the step of the driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// Where it stands among clean or service steps, smaller first; those without one keep their place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    /// Whether it runs on the children of the node instead of on the node.
    #[serde(default)]
    pub execute_on_child_nodes: bool,
    /// The children it runs on, by UUID; all if none are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limit_child_node_execution: Vec<String>,
}

/// A step of a request is not written as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} step {number}: {reason}")]
pub struct MalformedStep {
    /// What the step is for.
    pub kind: StepKind,
    /// Its place in the list, from 1.
    pub number: usize,
    /// What is wrong.
    pub reason: String,
}

impl RequestedStep {
    /// A step without arguments.
    pub fn new(interface: InterfaceType, step: impl Into<String>) -> Self {
        Self {
            interface,
            step: step.into(),
            args: None,
            priority: None,
            order: None,
            execute_on_child_nodes: false,
            limit_child_node_execution: Vec::new(),
        }
    }

    /// Reads the steps of a request of `kind`, each an object, as the API's schema has them.
    ///
    /// Clean and service steps have `interface` and `step`, and may have `args`, `order`, `execute_on_child_nodes`
    /// and `limit_child_node_execution`; deploy steps have `interface`, `step`, `args` and `priority`, all four.
    ///
    /// # Errors
    ///
    /// [`MalformedStep`]: the first that is not such a step.
    pub fn read(kind: StepKind, steps: &[Value]) -> Result<Vec<Self>, MalformedStep> {
        let read = |(index, step)| {
            Self::read_one(kind, step).map_err(|reason| MalformedStep { kind, number: index + 1, reason })
        };
        steps.iter().enumerate().map(read).collect()
    }

    fn read_one(kind: StepKind, step: &Value) -> Result<Self, String> {
        const DEPLOY: &[&str] = &["interface", "step", "args", "priority"];
        const REQUIRED: &[&str] = &["interface", "step"];
        const OTHERS: &[&str] =
            &["interface", "step", "args", "order", "execute_on_child_nodes", "limit_child_node_execution"];
        let Value::Object(members) = step else { return Err("expected an object".to_owned()) };
        let (allowed, required) =
            if kind == StepKind::Deploy { (DEPLOY, DEPLOY) } else { (OTHERS, REQUIRED) };
        if let Some(missing) = required.iter().find(|name| !members.contains_key(**name)) {
            return Err(format!("`{missing}` is a required property"));
        }
        if let Some(unknown) = members.keys().find(|name| !allowed.contains(&name.as_str())) {
            return Err(format!("`{unknown}` is not a property of {kind} steps ({})", allowed.join(", ")));
        }
        let mut members = members.clone();
        if let Some(priority) = members.get_mut("priority") {
            digits_as_number("priority", priority)?;
        }
        if kind == StepKind::Deploy && !members.get("args").is_some_and(Value::is_object) {
            return Err("`args` has to be an object".to_owned());
        }
        let step: Self = serde_json::from_value(Value::Object(members)).map_err(|error| error.to_string())?;
        if step.step.is_empty() {
            return Err("`step` is empty".to_owned());
        }
        // Ironic's schema knows the same interfaces for all three kinds: `network` is not among them.
        if weight(StepKind::Clean, step.interface) == 0 {
            return Err(format!("`{}` is not an interface with {kind} steps", step.interface));
        }
        Ok(step)
    }

    /// What tells it from others.
    #[must_use]
    pub fn id(&self) -> StepId {
        StepId::new(self.interface, self.step.clone())
    }

    /// What the conductor does itself for it; none for a method of the interface.
    #[must_use]
    pub fn reserved(&self) -> Option<ReservedStep> {
        self.step.parse().ok()
    }

    /// Whether a driver of the node has to know it: it is neither reserved nor for the node's children.
    #[must_use]
    pub fn is_of_driver(&self) -> bool {
        self.reserved().is_none() && !self.execute_on_child_nodes
    }

    /// The step to run: what the client said, and the rest from `driver`, the step of the node's driver.
    #[must_use]
    pub fn to_step(&self, kind: StepKind, driver: Option<&Step>) -> Step {
        let priority = match kind {
            StepKind::Deploy => self.priority.unwrap_or_default(),
            StepKind::Clean | StepKind::Service | StepKind::Verify => {
                driver.map(|driver| driver.priority).unwrap_or_default()
            }
        };
        Step {
            interface: self.interface,
            step: self.step.clone(),
            priority,
            // A hold or a pause can always be given up.
            abortable: driver.map_or(self.reserved().is_some(), |driver| driver.abortable),
            requires_ramdisk: driver.is_some_and(|driver| driver.requires_ramdisk),
            arguments: driver.map(|driver| driver.arguments.clone()).unwrap_or_default(),
            args: self.args.clone().unwrap_or_default(),
            execute_on_child_nodes: self.execute_on_child_nodes,
            limit_child_node_execution: self.limit_child_node_execution.clone(),
            abort_after: false,
        }
    }
}

/// Brings steps into the order they name; those that name none stay behind the step they were given after.
pub fn in_order(mut steps: Vec<RequestedStep>) -> Vec<RequestedStep> {
    let orders: BTreeSet<_> = steps.iter().filter_map(|step| step.order).collect();
    if orders.len() < 2 {
        return steps;
    }
    let mut last = 0;
    for step in &mut steps {
        last = *step.order.get_or_insert(last);
    }
    steps.sort_by_key(|step| step.order);
    steps
}

/// Ironic takes a priority as a number or as a text of digits.
fn digits_as_number(name: &str, value: &mut Value) -> Result<(), String> {
    let number = match value {
        Value::String(text) => text.parse::<u32>().ok(),
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let number = number.ok_or_else(|| format!("`{name}` has to be an integer of at least 0"))?;
    *value = number.into();
    Ok(())
}
