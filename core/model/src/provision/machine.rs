//! Which event leads from which state to which.
//!
//! **Invariant:** nothing else decides where a node goes; whoever changes a provision state asks [`Machine`].
//!
//! Source: Ironic `states`.

use super::{Event, ProvisionState, UnknownState};

use Event::*;
use ProvisionState::*;

/// Every legal move: in the first state, the event leads to the second.
#[rustfmt::skip]
pub const TRANSITIONS: &[(ProvisionState, Event, ProvisionState)] = &[
    (Enroll,       Manage,          Verifying),

    (Verifying,    Done,            Manageable),
    (Verifying,    Fail,            Enroll),

    (Manageable,   Provide,         Cleaning),
    (Manageable,   Clean,           Cleaning),
    (Manageable,   Inspect,         Inspecting),
    (Manageable,   Adopt,           Adopting),

    (Available,    Deploy,          Deploying),
    (Available,    Manage,          Manageable),

    (Deploying,    Done,            Active),
    (Deploying,    Wait,            DeployWait),
    (Deploying,    Hold,            DeployHold),
    (Deploying,    Fail,            DeployFail),

    (DeployWait,   Resume,          Deploying),
    (DeployWait,   Hold,            DeployHold),
    (DeployWait,   Fail,            DeployFail),
    (DeployWait,   Abort,           DeployFail),
    (DeployWait,   Delete,          Deleting),

    (DeployHold,   Unhold,          DeployWait),
    (DeployHold,   Abort,           DeployFail),

    (DeployFail,   Deploy,          Deploying),
    (DeployFail,   Rebuild,         Deploying),
    (DeployFail,   Delete,          Deleting),

    (Active,       Rebuild,         Deploying),
    (Active,       Delete,          Deleting),
    (Active,       Event::Rescue,   Rescuing),
    (Active,       Service,         Servicing),

    (Deleting,     Clean,           Cleaning),
    (Deleting,     Fail,            Error),

    (Error,        Rebuild,         Deploying),
    (Error,        Delete,          Deleting),

    (Cleaning,     Done,            Available),
    (Cleaning,     Manage,          Manageable),
    (Cleaning,     Wait,            CleanWait),
    (Cleaning,     Hold,            CleanHold),
    (Cleaning,     Fail,            CleanFail),

    (CleanWait,    Resume,          Cleaning),
    (CleanWait,    Hold,            CleanHold),
    (CleanWait,    Fail,            CleanFail),
    (CleanWait,    Abort,           CleanFail),

    (CleanHold,    Unhold,          CleanWait),
    (CleanHold,    Abort,           CleanFail),

    (CleanFail,    Manage,          Manageable),

    (Inspecting,   Done,            Manageable),
    (Inspecting,   Wait,            InspectWait),
    (Inspecting,   Fail,            InspectFail),

    (InspectWait,  Resume,          Inspecting),
    (InspectWait,  Done,            Manageable),
    (InspectWait,  Fail,            InspectFail),
    (InspectWait,  Abort,           InspectFail),

    (InspectFail,  Inspect,         Inspecting),
    (InspectFail,  Manage,          Manageable),

    (Adopting,     Done,            Active),
    (Adopting,     Fail,            AdoptFail),

    (AdoptFail,    Adopt,           Adopting),
    (AdoptFail,    Manage,          Manageable),

    (Rescuing,     Done,            ProvisionState::Rescue),
    (Rescuing,     Wait,            RescueWait),
    (Rescuing,     Fail,            RescueFail),

    (RescueWait,   Resume,          Rescuing),
    (RescueWait,   Fail,            RescueFail),
    (RescueWait,   Abort,           RescueFail),
    (RescueWait,   Delete,          Deleting),

    (RescueFail,   Event::Rescue,   Rescuing),
    (RescueFail,   Unrescue,        Unrescuing),
    (RescueFail,   Delete,          Deleting),

    (ProvisionState::Rescue, Event::Rescue, Rescuing),
    (ProvisionState::Rescue, Unrescue,      Unrescuing),
    (ProvisionState::Rescue, Delete,        Deleting),

    (Unrescuing,   Done,            Active),
    (Unrescuing,   Fail,            UnrescueFail),

    (UnrescueFail, Event::Rescue,   Rescuing),
    (UnrescueFail, Unrescue,        Unrescuing),
    (UnrescueFail, Delete,          Deleting),

    (Servicing,    Done,            Active),
    (Servicing,    Wait,            ServiceWait),
    (Servicing,    Hold,            ServiceHold),
    (Servicing,    Fail,            ServiceFail),

    (ServiceWait,  Resume,          Servicing),
    (ServiceWait,  Hold,            ServiceHold),
    (ServiceWait,  Fail,            ServiceFail),
    (ServiceWait,  Abort,           ServiceFail),
    (ServiceWait,  Delete,          Deleting),

    (ServiceHold,  Service,         Servicing),
    (ServiceHold,  Unhold,          ServiceWait),
    (ServiceHold,  Fail,            ServiceFail),
    (ServiceHold,  Abort,           ServiceFail),

    (ServiceFail,  Service,         Servicing),
    (ServiceFail,  Event::Rescue,   Rescuing),
    (ServiceFail,  Wait,            ServiceWait),
    (ServiceFail,  Hold,            ServiceHold),
    (ServiceFail,  Abort,           Active),
    (ServiceFail,  Delete,          Deleting),
    // next transition above this line
];

/// Looks up where `event` leads from `from`.
///
/// # Errors
///
/// [`InvalidTransition`] when no row of [`TRANSITIONS`] says so.
pub fn next(from: ProvisionState, event: Event) -> Result<ProvisionState, InvalidTransition> {
    TRANSITIONS
        .iter()
        .find(|&&(state, cause, _)| state == from && cause == event)
        .map(|&(_, _, to)| to)
        .ok_or(InvalidTransition { from, event })
}

/// The events that lead somewhere from `from`, in the order of the table.
pub fn events(from: ProvisionState) -> impl Iterator<Item = Event> {
    TRANSITIONS.iter().filter(move |&&(state, _, _)| state == from).map(|&(_, event, _)| event)
}

/// Where a node is and where it is going.
///
/// Each task has its own, positioned on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    current: ProvisionState,
    target: Option<ProvisionState>,
}

impl Machine {
    /// Positions a machine on `current`, going to `target` or, without one, to the default of `current`.
    ///
    /// # Errors
    ///
    /// [`InvalidState::UnstableTarget`] when `target` is not a stable state.
    pub fn new(current: ProvisionState, target: Option<ProvisionState>) -> Result<Self, InvalidState> {
        let target = match target {
            Some(target) => Some(stable(target)?),
            None => current.default_target(),
        };
        Ok(Self { current, target })
    }

    /// Where it is.
    #[must_use]
    pub const fn current(&self) -> ProvisionState {
        self.current
    }

    /// Where it is going; none once it has arrived.
    #[must_use]
    pub const fn target(&self) -> Option<ProvisionState> {
        self.target
    }

    /// Whether `event` leads somewhere from where it is.
    #[must_use]
    pub fn is_actionable_event(&self, event: Event) -> bool {
        next(self.current, event).is_ok()
    }

    /// Moves by `event`.
    ///
    /// Arriving at the target clears it; then the default target of the new state applies; then `target`, if
    /// given. Nothing moves when this fails.
    ///
    /// # Errors
    ///
    /// - [`InvalidState::Transition`]: `event` leads nowhere from here.
    /// - [`InvalidState::UnstableTarget`]: `target` is not a stable state.
    pub fn process_event(
        &mut self,
        event: Event,
        target: Option<ProvisionState>,
    ) -> Result<(), InvalidState> {
        let current = next(self.current, event)?;
        let target = target.map(stable).transpose()?;
        let kept = self.target.filter(|&target| target != current);
        self.current = current;
        self.target = target.or(current.default_target()).or(kept);
        Ok(())
    }
}

/// Lets stable states through: only they can be targets.
fn stable(target: ProvisionState) -> Result<ProvisionState, InvalidState> {
    if target.is_stable() { Ok(target) } else { Err(InvalidState::UnstableTarget(target)) }
}

/// The event leads nowhere from the state. The text is Ironic's, because clients show it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Can not transition from state '{from}' on event '{event}' (no defined transition)")]
pub struct InvalidTransition {
    /// Where the machine is.
    pub from: ProvisionState,
    /// What was asked of it.
    pub event: Event,
}

/// The state machine refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidState {
    /// There is no such state.
    #[error(transparent)]
    Unknown(#[from] UnknownState),
    /// The target is a state that no node stays in.
    #[error("target state `{0}` is not a 'stable' state")]
    UnstableTarget(ProvisionState),
    /// The event leads nowhere from the present state.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
}

#[cfg(test)]
mod tests;
