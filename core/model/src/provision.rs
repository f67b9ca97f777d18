//! Provision states, the events that move them, and the verbs clients ask with.
//!
//! Source: Ironic `states`.

pub mod machine;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a node is in its life.
///
/// Texts are Ironic's; none is longer than [`ProvisionState::TEXT_SIZE_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ProvisionState {
    /// Known, but nothing about it has been checked.
    Enroll,
    /// Its driver and credentials are being checked.
    Verifying,
    /// Under control; not offered to anybody.
    Manageable,
    /// Clean and ready to be deployed.
    Available,
    /// An image is being put on it.
    Deploying,
    /// The deployment waits for the agent to call back.
    DeployWait,
    /// The deployment waits for an operator.
    DeployHold,
    /// The deployment failed.
    DeployFail,
    /// In use.
    Active,
    /// Its instance is being removed.
    Deleting,
    /// Its instance could not be removed.
    Error,
    /// Clean steps are running.
    Cleaning,
    /// A clean step waits for the agent to call back.
    CleanWait,
    /// Cleaning waits for an operator.
    CleanHold,
    /// Cleaning failed.
    CleanFail,
    /// Its hardware is being examined.
    Inspecting,
    /// The examination waits for its result.
    InspectWait,
    /// The examination failed.
    InspectFail,
    /// A machine that is in use already is being taken over.
    Adopting,
    /// Taking it over failed.
    AdoptFail,
    /// The rescue system is being started.
    Rescuing,
    /// Waits for the rescue system to call back.
    RescueWait,
    /// The rescue system did not start.
    RescueFail,
    /// Runs the rescue system.
    Rescue,
    /// Goes back from the rescue system to its instance.
    Unrescuing,
    /// Did not come back from the rescue system.
    UnrescueFail,
    /// Service steps are running on a node in use.
    Servicing,
    /// A service step waits for the agent to call back.
    ServiceWait,
    /// Servicing waits for an operator.
    ServiceHold,
    /// Servicing failed.
    ServiceFail,
}

use ProvisionState as S;

impl ProvisionState {
    /// The longest text of a state, in characters; Ironic's column width.
    pub const TEXT_SIZE_MAX: usize = 15;

    /// All states, in the order of a node's life.
    pub const ALL: [Self; 30] = [
        S::Enroll,
        S::Verifying,
        S::Manageable,
        S::Available,
        S::Deploying,
        S::DeployWait,
        S::DeployHold,
        S::DeployFail,
        S::Active,
        S::Deleting,
        S::Error,
        S::Cleaning,
        S::CleanWait,
        S::CleanHold,
        S::CleanFail,
        S::Inspecting,
        S::InspectWait,
        S::InspectFail,
        S::Adopting,
        S::AdoptFail,
        S::Rescuing,
        S::RescueWait,
        S::RescueFail,
        S::Rescue,
        S::Unrescuing,
        S::UnrescueFail,
        S::Servicing,
        S::ServiceWait,
        S::ServiceHold,
        S::ServiceFail,
    ];

    /// The text in API, store and notifications.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            S::Enroll => "enroll",
            S::Verifying => "verifying",
            S::Manageable => "manageable",
            S::Available => "available",
            S::Deploying => "deploying",
            S::DeployWait => "wait call-back",
            S::DeployHold => "deploy hold",
            S::DeployFail => "deploy failed",
            S::Active => "active",
            S::Deleting => "deleting",
            S::Error => "error",
            S::Cleaning => "cleaning",
            S::CleanWait => "clean wait",
            S::CleanHold => "clean hold",
            S::CleanFail => "clean failed",
            S::Inspecting => "inspecting",
            S::InspectWait => "inspect wait",
            S::InspectFail => "inspect failed",
            S::Adopting => "adopting",
            S::AdoptFail => "adopt failed",
            S::Rescuing => "rescuing",
            S::RescueWait => "rescue wait",
            S::RescueFail => "rescue failed",
            S::Rescue => "rescue",
            S::Unrescuing => "unrescuing",
            S::UnrescueFail => "unrescue failed",
            S::Servicing => "servicing",
            S::ServiceWait => "service wait",
            S::ServiceHold => "service hold",
            S::ServiceFail => "service failed",
        }
    }

    /// Whether a node stays here until somebody asks for something; only these can be targets.
    #[must_use]
    pub const fn is_stable(self) -> bool {
        self.default_target().is_none()
    }

    /// Whether a node leaves this state without a request; see [`UNSTABLE`].
    ///
    /// The `... failed` and `... hold` states are neither stable nor unstable.
    #[must_use]
    pub fn is_unstable(self) -> bool {
        UNSTABLE.contains(&self)
    }

    /// Where a node in this state is going unless somebody said otherwise; none for stable states.
    #[must_use]
    pub const fn default_target(self) -> Option<Self> {
        match self {
            S::Enroll | S::Manageable | S::Available | S::Active | S::Error | S::Rescue => None,
            S::Verifying | S::Inspecting | S::InspectWait | S::InspectFail => Some(S::Manageable),
            S::Deleting | S::Cleaning | S::CleanWait | S::CleanHold | S::CleanFail => Some(S::Available),
            S::Rescuing | S::RescueWait | S::RescueFail => Some(S::Rescue),
            S::Deploying
            | S::DeployWait
            | S::DeployHold
            | S::DeployFail
            | S::Adopting
            | S::AdoptFail
            | S::Unrescuing
            | S::UnrescueFail
            | S::Servicing
            | S::ServiceWait
            | S::ServiceHold
            | S::ServiceFail => Some(S::Active),
        }
    }

    /// Whether an operation has failed and the node waits for an operator; see [`FAILURE`].
    #[must_use]
    pub fn is_failure(self) -> bool {
        FAILURE.contains(&self)
    }

    /// Whether reaching this state is logged as an error: the `... failed` states and `error`.
    #[must_use]
    pub fn is_bad(self) -> bool {
        self == S::Error || self.is_failure()
    }
}

impl fmt::Display for ProvisionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProvisionState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl From<ProvisionState> for String {
    fn from(state: ProvisionState) -> Self {
        state.as_str().to_owned()
    }
}

impl TryFrom<String> for ProvisionState {
    type Error = UnknownState;

    fn try_from(text: String) -> Result<Self, UnknownState> {
        text.parse()
    }
}

/// The text names no provision state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("provision state `{0}` does not exist")]
pub struct UnknownState(pub String);

/// States in which a node stays until somebody asks for something.
pub const STABLE: &[ProvisionState] =
    &[S::Enroll, S::Manageable, S::Available, S::Active, S::Error, S::Rescue];

/// States that change without a request.
pub const UNSTABLE: &[ProvisionState] = &[
    S::Deploying,
    S::DeployWait,
    S::Cleaning,
    S::CleanWait,
    S::Verifying,
    S::Deleting,
    S::Inspecting,
    S::InspectWait,
    S::Adopting,
    S::Rescuing,
    S::RescueWait,
    S::Unrescuing,
    S::Servicing,
    S::ServiceWait,
];

/// States that do not survive the death of the conductor, in the order in which a restart fails them.
pub const STUCK_TREATED_AS_FAIL: &[ProvisionState] = &[
    S::Deploying,
    S::Cleaning,
    S::Verifying,
    S::Inspecting,
    S::Adopting,
    S::Rescuing,
    S::Unrescuing,
    S::Deleting,
    S::Servicing,
];

/// States in which a node may be deleted; `available` joins them with `allow_deleting_available_nodes`.
pub const DELETE_ALLOWED: &[ProvisionState] = &[S::Manageable, S::Enroll, S::AdoptFail];

/// States that are not stable and in which a node may be edited all the same.
pub const UPDATE_ALLOWED: &[ProvisionState] = &[
    S::DeployFail,
    S::Inspecting,
    S::InspectFail,
    S::InspectWait,
    S::CleanFail,
    S::Error,
    S::Verifying,
    S::AdoptFail,
    S::RescueFail,
    S::UnrescueFail,
    S::ServiceHold,
    S::ServiceFail,
];

/// States in which the driver and the interfaces of a node may be changed outside maintenance.
pub const INTERFACE_UPDATE_ALLOWED: &[ProvisionState] =
    &[S::Enroll, S::Inspecting, S::InspectWait, S::Manageable, S::Available];

/// States after a failed operation.
pub const FAILURE: &[ProvisionState] = &[
    S::DeployFail,
    S::CleanFail,
    S::InspectFail,
    S::RescueFail,
    S::UnrescueFail,
    S::AdoptFail,
    S::ServiceFail,
];

/// States in which the agent may look its node up.
pub const LOOKUP_ALLOWED: &[ProvisionState] = &[
    S::Deploying,
    S::DeployWait,
    S::Cleaning,
    S::CleanWait,
    S::Inspecting,
    S::InspectWait,
    S::Rescuing,
    S::RescueWait,
    S::ServiceWait,
];

/// What [`LOOKUP_ALLOWED`] gains when agents stay running between operations.
pub const FASTTRACK_LOOKUP_ALLOWED_ALSO: &[ProvisionState] =
    &[S::Enroll, S::Manageable, S::Available, S::Servicing, S::ServiceHold];

/// States in which the agent's heartbeats are taken.
pub const HEARTBEAT_ALLOWED: &[ProvisionState] = &[
    S::DeployWait,
    S::CleanWait,
    S::RescueWait,
    S::ServiceWait,
    S::Deploying,
    S::Cleaning,
    S::Rescuing,
    S::Servicing,
    S::DeployHold,
    S::CleanHold,
    S::ServiceHold,
];

/// States in which a heartbeat is recorded and nothing else happens.
pub const HEARTBEAT_RECORD_ONLY: &[ProvisionState] = &[
    S::Enroll,
    S::Manageable,
    S::Available,
    S::Cleaning,
    S::Deploying,
    S::Rescuing,
    S::Servicing,
    S::CleanHold,
    S::DeployHold,
    S::ServiceHold,
];

/// States of a node that is being serviced.
pub const SERVICING: &[ProvisionState] = &[S::Servicing, S::ServiceWait, S::ServiceFail, S::ServiceHold];

/// States in which the recorded power state is not compared with the machine's.
pub const POWER_SYNC_EXCLUDED: &[ProvisionState] = &[S::DeployWait, S::CleanWait, S::Enroll, S::AdoptFail];

/// What moves the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Go under control, or back to `manageable`.
    Manage,
    /// The work of the present state succeeded.
    Done,
    /// The work of the present state failed.
    Fail,
    /// Make available.
    Provide,
    /// Run clean steps.
    Clean,
    /// Examine the hardware.
    Inspect,
    /// Take over a machine in use.
    Adopt,
    /// Put an image on the machine.
    Deploy,
    /// Put an image on it again.
    Rebuild,
    /// Wait for the agent.
    Wait,
    /// The agent called back.
    Resume,
    /// Wait for an operator.
    Hold,
    /// The operator lets it go on.
    Unhold,
    /// Give up what is going on.
    Abort,
    /// Remove the instance.
    Delete,
    /// Start the rescue system.
    Rescue,
    /// Leave the rescue system.
    Unrescue,
    /// Run service steps.
    Service,
}

impl Event {
    /// All events.
    pub const ALL: [Self; 18] = [
        Self::Manage,
        Self::Done,
        Self::Fail,
        Self::Provide,
        Self::Clean,
        Self::Inspect,
        Self::Adopt,
        Self::Deploy,
        Self::Rebuild,
        Self::Wait,
        Self::Resume,
        Self::Hold,
        Self::Unhold,
        Self::Abort,
        Self::Delete,
        Self::Rescue,
        Self::Unrescue,
        Self::Service,
    ];

    /// The text in logs and notifications.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::Done => "done",
            Self::Fail => "fail",
            Self::Provide => "provide",
            Self::Clean => "clean",
            Self::Inspect => "inspect",
            Self::Adopt => "adopt",
            Self::Deploy => "deploy",
            Self::Rebuild => "rebuild",
            Self::Wait => "wait",
            Self::Resume => "resume",
            Self::Hold => "hold",
            Self::Unhold => "unhold",
            Self::Abort => "abort",
            Self::Delete => "delete",
            Self::Rescue => "rescue",
            Self::Unrescue => "unrescue",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a client asks for as the target of a provision request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Check the node and bring it under control.
    Manage,
    /// Make it available.
    Provide,
    /// Examine its hardware.
    Inspect,
    /// Run clean steps.
    Clean,
    /// Take over a machine in use.
    Adopt,
    /// Put an image on it.
    Active,
    /// Put an image on it again.
    Rebuild,
    /// Remove its instance.
    Deleted,
    /// Start the rescue system.
    Rescue,
    /// Leave the rescue system.
    Unrescue,
    /// Run service steps on a node in use.
    Service,
    /// Give up what is going on.
    Abort,
    /// Let it go on after a hold.
    Unhold,
}

/// Every text a client may send, the verb it means and the event the verb leads to.
#[rustfmt::skip]
pub const VERBS: &[(&str, Verb, Event)] = &[
    ("active",   Verb::Active,   Event::Deploy),
    ("deploy",   Verb::Active,   Event::Deploy),
    ("rebuild",  Verb::Rebuild,  Event::Rebuild),
    ("deleted",  Verb::Deleted,  Event::Delete),
    ("undeploy", Verb::Deleted,  Event::Delete),
    ("manage",   Verb::Manage,   Event::Manage),
    ("provide",  Verb::Provide,  Event::Provide),
    ("inspect",  Verb::Inspect,  Event::Inspect),
    ("clean",    Verb::Clean,    Event::Clean),
    ("adopt",    Verb::Adopt,    Event::Adopt),
    ("rescue",   Verb::Rescue,   Event::Rescue),
    ("unrescue", Verb::Unrescue, Event::Unrescue),
    ("service",  Verb::Service,  Event::Service),
    ("abort",    Verb::Abort,    Event::Abort),
    ("unhold",   Verb::Unhold,   Event::Unhold),
    // next verb above this line
];

impl Verb {
    /// The event this verb leads to.
    #[must_use]
    pub const fn event(self) -> Event {
        match self {
            Self::Manage => Event::Manage,
            Self::Provide => Event::Provide,
            Self::Inspect => Event::Inspect,
            Self::Clean => Event::Clean,
            Self::Adopt => Event::Adopt,
            Self::Active => Event::Deploy,
            Self::Rebuild => Event::Rebuild,
            Self::Deleted => Event::Delete,
            Self::Rescue => Event::Rescue,
            Self::Unrescue => Event::Unrescue,
            Self::Service => Event::Service,
            Self::Abort => Event::Abort,
            Self::Unhold => Event::Unhold,
        }
    }

    /// The text clients have always sent for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::Provide => "provide",
            Self::Inspect => "inspect",
            Self::Clean => "clean",
            Self::Adopt => "adopt",
            Self::Active => "active",
            Self::Rebuild => "rebuild",
            Self::Deleted => "deleted",
            Self::Rescue => "rescue",
            Self::Unrescue => "unrescue",
            Self::Service => "service",
            Self::Abort => "abort",
            Self::Unhold => "unhold",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no verb.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a provision request")]
pub struct UnknownVerb(pub String);

impl FromStr for Verb {
    type Err = UnknownVerb;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        VERBS
            .iter()
            .find(|(name, _, _)| *name == text)
            .map(|&(_, verb, _)| verb)
            .ok_or_else(|| UnknownVerb(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
