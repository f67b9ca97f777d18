//! What inspection and documentation have in common: words for what a descriptor says.

use farrier_sdk::descriptor::{PropertyDescriptor, StepDescriptor};

/// Whether a key has to be there, or what it is when it is not.
pub(super) fn default(property: &PropertyDescriptor) -> String {
    match (property.required, &property.default) {
        (true, _) => "required".to_owned(),
        (false, value) if value.is_null() => "none".to_owned(),
        (false, value) => value.to_string(),
    }
}

/// Type, default and description of a key in a line.
pub(super) fn property(property: &PropertyDescriptor) -> String {
    let secret = if property.secret { "; secret" } else { "" };
    format!("{} ({}, {}{secret})", property.description, property.kind, default(property))
}

/// When a step runs and what it may do.
pub(super) fn step(step: &StepDescriptor) -> String {
    let automatic =
        if step.priority == 0 { "on request".to_owned() } else { format!("priority {}", step.priority) };
    let mut words = vec![step.kinds.join(", "), automatic];
    words.extend(step.abortable.then(|| "abortable".to_owned()));
    words.extend(step.requires_ramdisk.then(|| "needs the deploy agent".to_owned()));
    words.join("; ")
}
