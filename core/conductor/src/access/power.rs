//! Noticing that a driver switches the machine of its node: what is recorded has to follow, or the power
//! synchronisation would switch it back.

use std::sync::PoisonError;

use farrier_model::notification::Status;
use farrier_model::power::target_power_state;
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::decode;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use serde::Deserialize;

use super::TaskAccess;

/// A change of power that one driver asks of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    request: PowerState,
    /// Where the machine is when it has succeeded.
    target: PowerState,
}

/// Where a machine is after a driver has switched it; nobody knows after a change that was cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switched(pub(crate) Option<PowerState>);

#[derive(Deserialize)]
struct Arguments {
    state: PowerState,
}

impl Change {
    /// What a call of an interface asks for; none if it is no change of power.
    pub(super) fn new(kind: InterfaceType, method: &str, arguments: &[u8]) -> Option<Self> {
        if kind != InterfaceType::Power {
            return None;
        }
        let request = match method {
            "set_power_state" => decode::<Arguments>(arguments).ok()?.state,
            "reboot" => PowerState::Reboot,
            _ => return None,
        };
        Some(Self { request, target: target_power_state(request)? })
    }
}

impl TaskAccess {
    /// Tells that a change begins.
    pub(super) fn switching(&self, change: Option<Change>) {
        let Some(change) = change else { return };
        self.state.shared.notifier.power_set(&self.node(), change.request, Status::Start);
    }

    /// Keeps where the machine is after a change until the task looks, and tells.
    pub(super) fn switched(&self, change: Option<Change>, error: Option<&DriverError>) {
        let Some(Change { request, target }) = change else { return };
        let reached = match error.map(DriverError::kind) {
            None => Some(Switched(Some(target))),
            Some(kind) if is_cut_short(kind) => Some(Switched(None)),
            // The machine was not touched, or the driver knows that nothing came of it.
            Some(_) => None,
        };
        if let Some(reached) = reached {
            self.state.node.lock().unwrap_or_else(PoisonError::into_inner).power_state = reached.0;
            *self.state.switched.lock().unwrap_or_else(PoisonError::into_inner) = Some(reached);
        }
        let status = if error.is_none() { Status::End } else { Status::Error };
        self.state.shared.notifier.power_set(&self.node(), request, status);
    }
}

/// Whether the machine may have changed although the call failed.
fn is_cut_short(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Timeout | ErrorKind::Cancelled | ErrorKind::PluginPanicked | ErrorKind::PluginStalled
    )
}
