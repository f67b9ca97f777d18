//! Power requests: where they lead, and which of them a node allows.
//!
//! Source: Ironic `states`.

use farrier_sdk::interface::power::PowerState;

use crate::node::Node;
use crate::provision::ProvisionState;

/// The power state that a request leads to: on for `power on` and the reboots, off for the two kinds of off.
///
/// None when `request` is no request at all: a machine cannot be asked to be in `error`.
#[must_use]
pub fn target_power_state(request: PowerState) -> Option<PowerState> {
    match request {
        PowerState::On | PowerState::Reboot | PowerState::SoftReboot => Some(PowerState::On),
        PowerState::Off | PowerState::SoftOff => Some(PowerState::Off),
        PowerState::Error | _ => None,
    }
}

/// Whether a request asks the operating system instead of cutting the power.
#[must_use]
pub fn is_soft(request: PowerState) -> bool {
    matches!(request, PowerState::SoftReboot | PowerState::SoftOff)
}

/// Whether a request may end with nothing done because the machine already is where it leads; reboots never do.
#[must_use]
pub fn may_skip(request: PowerState) -> bool {
    matches!(request, PowerState::On | PowerState::Off | PowerState::SoftOff)
}

/// Whether `node` may be asked for `request` at all; what can be said without a lock and without its driver.
///
/// # Errors
///
/// See [`PowerRefusal`].
pub fn check_request(node: &Node, request: PowerState) -> Result<PowerState, PowerRefusal> {
    let state = node.provision_state;
    if matches!(state, ProvisionState::Cleaning | ProvisionState::CleanWait)
        && target_power_state(request).is_some()
    {
        return Err(PowerRefusal::InvalidState { request, state });
    }
    check_action(node, request)
}

/// Whether the power of `node` may be changed by what the conductor does with it: also while it is cleaned.
///
/// # Errors
///
/// [`PowerRefusal::NotARequest`], [`PowerRefusal::PowerOffDisabled`].
pub fn check_action(node: &Node, request: PowerState) -> Result<PowerState, PowerRefusal> {
    let target = target_power_state(request).ok_or(PowerRefusal::NotARequest { request })?;
    if target == PowerState::Off && node.disable_power_off {
        return Err(PowerRefusal::PowerOffDisabled { request });
    }
    Ok(target)
}

/// A node does not allow a power request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PowerRefusal {
    /// No machine can be asked for this. Ironic's `InvalidStateRequested`.
    #[error("`{request}` can not be asked for")]
    NotARequest {
        /// What was asked for.
        request: PowerState,
    },
    /// The node is being cleaned. Ironic's `InvalidStateRequested`.
    #[error("`{request}` can not be asked for while the node is in state `{state}`")]
    InvalidState {
        /// What was asked for.
        request: PowerState,
        /// Where the node is.
        state: ProvisionState,
    },
    /// The node has `disable_power_off` set. Ironic's `PowerStateFailure`.
    #[error("`{request}` can not be asked for because powering off is disabled on the node")]
    PowerOffDisabled {
        /// What was asked for.
        request: PowerState,
    },
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn node() -> Node {
        Node::new(Uuid::from_u128(1), "fake-hardware")
    }

    #[test]
    fn every_request_leads_to_on_or_off() {
        let targets: Vec<_> = PowerState::ALL.into_iter().map(target_power_state).collect();

        assert_eq!(
            targets,
            [
                Some(PowerState::On),
                Some(PowerState::Off),
                Some(PowerState::On),
                Some(PowerState::On),
                Some(PowerState::Off),
                None
            ]
        );
    }

    #[test]
    fn error_can_not_be_asked_for() {
        let refusal = check_request(&node(), PowerState::Error);

        assert_eq!(refusal, Err(PowerRefusal::NotARequest { request: PowerState::Error }));
    }

    #[test]
    fn a_node_that_is_being_cleaned_refuses_every_request() {
        for state in ProvisionState::ALL {
            let node = Node { provision_state: state, ..node() };
            let cleaning = matches!(state, ProvisionState::Cleaning | ProvisionState::CleanWait);
            for request in [PowerState::On, PowerState::SoftReboot, PowerState::Off] {
                assert_eq!(check_request(&node, request).is_err(), cleaning, "{state}");
            }
        }
    }

    #[test]
    fn a_node_that_must_stay_on_may_still_be_rebooted() {
        let node = Node { disable_power_off: true, ..node() };

        for request in [PowerState::Off, PowerState::SoftOff] {
            assert_eq!(check_request(&node, request), Err(PowerRefusal::PowerOffDisabled { request }));
        }
        for request in [PowerState::On, PowerState::Reboot, PowerState::SoftReboot] {
            assert_eq!(check_request(&node, request), Ok(PowerState::On));
        }
    }

    #[test]
    fn reboots_are_never_skipped() {
        assert!(!may_skip(PowerState::Reboot));
        assert!(!may_skip(PowerState::SoftReboot));
        assert!(may_skip(PowerState::SoftOff));
    }
}
