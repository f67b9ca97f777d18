//! Whether a real machine is the one whose serial number was confirmed.
//!
//! Asked once, before anything changes the machine: an address that was mistyped, or that somebody else has by now, is
//! the address of somebody else's machine.

use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::inspect::ESSENTIAL_PROPERTIES;
use farrier_sdk::step::StepOutcome;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::check::{Check, Judgement, Level, Needs, failed, not_applicable, not_run};
use crate::report::{Entry, Outcome, Why};
use crate::target;

/// Where an inventory has the serial number, in the agent's words.
const SERIAL_NUMBER: &str = "/inventory/system_vendor/serial_number";

/// No check of the table: it judges the machine and not the plugin.
pub(crate) const IDENTITY: Check = Check {
    id: "KIT-001",
    level: Level::Must,
    needs: Needs::Plugin,
    run: is_the_one,
    requirement: "The machine says that it has the serial number that was confirmed.",
    source: "the profile's target",
};

/// What follows from it for checks that change the machine.
pub(crate) enum Known {
    /// It is the one.
    Yes,
    /// The plugin cannot tell; for the report.
    Unasked(String),
    /// It is another one, or may be: the reason why nothing changes it.
    No(String),
}

impl Known {
    /// Reads it from what was found.
    pub(crate) fn of(entry: &Entry, serial: &str) -> Self {
        let Entry { outcome, why, reason, .. } = entry;
        match (outcome, why) {
            (Outcome::Passed, _) => Self::Yes,
            (Outcome::Skipped, Why::NotApplicable) => Self::Unasked(format!(
                "nobody but the operator says that the machine is `{serial}`: {reason}"
            )),
            _ => {
                Self::No(format!("it changes the machine, which did not turn out to be `{serial}`: {reason}"))
            }
        }
    }
}

fn is_the_one(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let inspects = |interface: &&farrier_sdk::descriptor::InterfaceDescriptor| {
        interface.kind == InterfaceType::Inspect && interface.methods.contains("inspect_hardware")
    };
    let Some(interface) = session.interfaces().find(inspects).cloned() else {
        return not_applicable("this plugin has no inspection that could tell");
    };
    let peer = target::start(bench)?;
    let opened = session.open(interface.kind, &interface.name)?;
    let node = session.node(bench.profile(), &peer);
    // What a BMC does not know of its machine is not the matter here.
    node.suppose(ESSENTIAL_PROPERTIES.iter().map(|name| ((*name).to_owned(), json!("1"))).collect());
    let place = format!("inspect `{}.inspect_hardware`", interface.name);
    let answer = match session.call(&opened, "inspect_hardware", &json!({}), &node) {
        Ok(answer) => answer,
        Err(error) => return not_run(format!("{place}: {error}")),
    };
    if !matches!(serde_json::from_value(answer), Ok(StepOutcome::Done)) {
        return not_run(format!("{place} did not end at once"));
    }
    let found = node.inspected().unwrap_or_default();
    let serial = found.pointer(SERIAL_NUMBER).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let expected = bench.profile().target.machine.serial.as_deref().unwrap_or_default();
    match serial {
        "" => not_applicable(format!("{place} tells no serial number")),
        serial if serial == expected.trim() => Ok(()),
        other => failed(format!("it says that it is `{other}`")),
    }
}
