//! Which step goes first.

use std::cmp::Reverse;

use farrier_sdk::interface::InterfaceType;

use super::{Step, StepKind, StepPriority};

/// How much an interface type weighs among steps of one priority, bigger first. 0: has no steps of this kind.
///
/// Source: Ironic's conductor steps.
#[must_use]
#[rustfmt::skip]
pub const fn weight(kind: StepKind, interface: InterfaceType) -> u8 {
    use InterfaceType as I;
    match kind {
        StepKind::Clean | StepKind::Deploy | StepKind::Service => match interface {
            I::Network => if matches!(kind, StepKind::Service) { 8 } else { 0 },
            I::Vendor => 7,
            I::Power => 6,
            I::Management => 5,
            I::Firmware => 4,
            I::Deploy => 3,
            I::Bios => 2,
            I::Raid => 1,
            I::Boot | I::Console | I::Inspect | I::Rescue | I::Storage => 0,
        },
        StepKind::Verify => match interface {
            I::Power => 13,
            I::Management => 12,
            I::Firmware => 11,
            I::Inspect => 10,
            I::Deploy => 9,
            I::Boot => 8,
            I::Bios => 7,
            I::Raid => 6,
            I::Vendor => 5,
            I::Network => 4,
            I::Storage => 3,
            I::Console => 2,
            I::Rescue => 1,
        },
    }
}

/// Sorts steps for running: by priority, then by the weight of the interface type, bigger first. Equal ones stay
/// in the order they were given.
pub fn sort(kind: StepKind, steps: &mut [Step]) {
    steps.sort_by_key(|step| Reverse((step.priority, weight(kind, step.interface))));
}

/// Gives steps the priorities an operator has set; 0 switches a step off, anything else on.
pub fn override_priorities(steps: &mut [Step], overrides: &[StepPriority]) {
    for StepPriority { step, priority } in overrides {
        for found in steps.iter_mut().filter(|found| found.id() == *step) {
            found.priority = *priority;
        }
    }
}
