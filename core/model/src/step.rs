//! Steps: methods of interfaces that cleaning, deployment, service and verification run one after the other.
//!
//! | module | about |
//! |---|---|
//! | [`request`] | steps as a client gives them |
//! | [`order`] | which of several steps goes first |
//! | [`check`] | whether given steps fit what the drivers offer |
//! | [`merge`] | which of several sources of steps wins |
//!
//! Source: Ironic's conductor steps.

pub mod check;
pub mod merge;
pub mod order;
pub mod request;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use farrier_sdk::descriptor::{ArgumentDescriptor, StepDescriptor};
use farrier_sdk::interface::InterfaceType;
use serde::{Deserialize, Serialize};

use crate::node::Fields;

pub use request::RequestedStep;

/// What steps are run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// Makes a node fit for the next user.
    Clean,
    /// Puts an instance on it.
    Deploy,
    /// Works on it while it carries an instance.
    Service,
    /// Checks it when it comes under control.
    Verify,
}

impl StepKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Clean, Self::Deploy, Self::Service, Self::Verify];

    /// The word in descriptors, options and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Deploy => "deploy",
            Self::Service => "service",
            Self::Verify => "verify",
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What tells one step from another: `<interface>.<step>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StepId {
    /// The interface type.
    pub interface: InterfaceType,
    /// Name of the method.
    pub step: String,
}

impl StepId {
    /// The step `step` of `interface`.
    pub fn new(interface: InterfaceType, step: impl Into<String>) -> Self {
        Self { interface, step: step.into() }
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.interface, self.step)
    }
}

/// The text names no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no step, expected `interface.step`")]
pub struct InvalidStepId(pub String);

impl FromStr for StepId {
    type Err = InvalidStepId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidStepId(text.to_owned());
        let (interface, step) = text.split_once('.').ok_or_else(invalid)?;
        let interface = interface.trim().parse().map_err(|_| invalid())?;
        match step.trim() {
            "" => Err(invalid()),
            step => Ok(Self::new(interface, step)),
        }
    }
}

impl From<StepId> for String {
    fn from(id: StepId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for StepId {
    type Error = InvalidStepId;

    fn try_from(text: String) -> Result<Self, InvalidStepId> {
        text.parse()
    }
}

/// The priority an operator gives a step: `interface.step:priority`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StepPriority {
    /// The step.
    pub step: StepId,
    /// Its priority; 0 switches it off.
    pub priority: u32,
}

impl fmt::Display for StepPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.step, self.priority)
    }
}

/// The text gives no step a priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` gives no step a priority, expected `interface.step:priority`")]
pub struct InvalidStepPriority(pub String);

impl FromStr for StepPriority {
    type Err = InvalidStepPriority;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.rsplit_once(':').and_then(|(step, priority)| {
            Some(Self { step: step.parse().ok()?, priority: priority.trim().parse().ok()? })
        });
        parsed.ok_or_else(|| InvalidStepPriority(text.to_owned()))
    }
}

impl From<StepPriority> for String {
    fn from(priority: StepPriority) -> Self {
        priority.to_string()
    }
}

impl TryFrom<String> for StepPriority {
    type Error = InvalidStepPriority;

    fn try_from(text: String) -> Result<Self, InvalidStepPriority> {
        text.parse()
    }
}

/// A step that is to be run, or could be; this is also the form in which the conductor keeps it on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The interface type.
    pub interface: InterfaceType,
    /// Name of the method.
    pub step: String,
    /// Bigger runs first; 0 is not run automatically.
    #[serde(default)]
    pub priority: u32,
    /// Whether it may be cut short while it waits.
    #[serde(default)]
    pub abortable: bool,
    /// Whether it needs the deploy agent.
    #[serde(default)]
    pub requires_ramdisk: bool,
    /// The arguments it takes.
    #[serde(rename = "argsinfo", default, deserialize_with = "null_as_empty")]
    pub arguments: BTreeMap<String, ArgumentDescriptor>,
    /// The values of the arguments it is called with.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Fields::is_empty")]
    pub args: Fields,
    /// Whether it runs on the children of the node instead of on the node.
    #[serde(default, skip_serializing_if = "is_false")]
    pub execute_on_child_nodes: bool,
    /// The children it runs on, by UUID; all if none are named.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub limit_child_node_execution: Vec<String>,
    /// Whether the operation is to be given up after this step.
    #[serde(default, skip_serializing_if = "is_false")]
    pub abort_after: bool,
}

impl Step {
    /// A step of `interface` as its implementation describes it.
    ///
    /// Deploy steps can always be cut short, as Ironic has it: they have no way to say otherwise.
    #[must_use]
    pub fn of_driver(interface: InterfaceType, kind: StepKind, descriptor: &StepDescriptor) -> Self {
        Self {
            interface,
            step: descriptor.step.clone(),
            priority: descriptor.priority,
            abortable: descriptor.abortable || kind == StepKind::Deploy,
            requires_ramdisk: descriptor.requires_ramdisk,
            arguments: descriptor.args.clone(),
            args: Fields::new(),
            execute_on_child_nodes: false,
            limit_child_node_execution: Vec::new(),
            abort_after: false,
        }
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

    /// The step from what a node keeps of it; none from anything else, such as an empty mapping.
    #[must_use]
    pub fn from_fields(fields: &Fields) -> Option<Self> {
        serde_json::from_value(fields.clone().into()).ok()
    }

    /// What a node keeps of it.
    #[must_use]
    pub fn to_fields(&self) -> Fields {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => fields,
            Ok(_) | Err(_) => Fields::new(),
        }
    }
}

fn null_as_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A step that is the conductor's own, whatever interface it is asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservedStep {
    /// Power the machine on.
    PowerOn,
    /// Power it off.
    PowerOff,
    /// Reboot it.
    Reboot,
    /// Stop until an operator lets it go on.
    Hold,
    /// Stop for some seconds, or until the agent calls.
    Wait,
}

impl ReservedStep {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::PowerOn, Self::PowerOff, Self::Reboot, Self::Hold, Self::Wait];

    /// Name of the step.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PowerOn => "power_on",
            Self::PowerOff => "power_off",
            Self::Reboot => "reboot",
            Self::Hold => "hold",
            Self::Wait => "wait",
        }
    }

    /// Whether it changes the power of the machine; only such steps run on children.
    #[must_use]
    pub const fn is_power(self) -> bool {
        matches!(self, Self::PowerOn | Self::PowerOff | Self::Reboot)
    }
}

/// The text is not the name of a reserved step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a reserved step")]
pub struct NotReserved(pub String);

impl FromStr for ReservedStep {
    type Err = NotReserved;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|step| step.as_str() == text);
        found.ok_or_else(|| NotReserved(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
