//! Everything a conductor tells, seen from what nodes go through.

use std::collections::BTreeSet;

use farrier_model::notification::{Level, Notification};
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::interface::power::PowerState;
use tokio::sync::broadcast;

use crate::script::stage::{Stage, context};
use crate::service::ConsoleMode;
use crate::task::tests::quick;

/// What a conductor tells of nodes: event type without what most have, level, payload and its version, which sensor
/// data has not. The API tells the rest; a new port is told like the API's when an inspection makes it.
///
/// Source: Ironic's notifications, those of the conductor.
#[rustfmt::skip]
const CATALOGUE: [(&str, Level, &str, &str); 18] = [
    ("console_restore.end",            Level::Info,  "NodePayload", "1.17"),
    ("console_restore.error",          Level::Error, "NodePayload", "1.17"),
    ("console_restore.start",          Level::Info,  "NodePayload", "1.17"),
    ("console_set.end",                Level::Info,  "NodePayload", "1.17"),
    ("console_set.error",              Level::Error, "NodePayload", "1.17"),
    ("console_set.start",              Level::Info,  "NodePayload", "1.17"),
    ("console_stop.end",               Level::Info,  "NodePayload", "1.17"),
    ("console_stop.error",             Level::Error, "NodePayload", "1.17"),
    ("console_stop.start",             Level::Info,  "NodePayload", "1.17"),
    ("hardware.fake-hardware.metrics", Level::Info,  "", ""),
    ("power_set.end",                  Level::Info,  "NodeSetPowerStatePayload", "1.17"),
    ("power_set.error",                Level::Error, "NodeSetPowerStatePayload", "1.17"),
    ("power_set.start",                Level::Info,  "NodeSetPowerStatePayload", "1.17"),
    ("power_state_corrected.success",  Level::Info,  "NodeCorrectedPowerStatePayload", "1.17"),
    ("provision_set.end",              Level::Info,  "NodeSetProvisionStatePayload", "1.18"),
    ("provision_set.error",            Level::Error, "NodeSetProvisionStatePayload", "1.18"),
    ("provision_set.start",            Level::Info,  "NodeSetProvisionStatePayload", "1.18"),
    ("provision_set.success",          Level::Info,  "NodeSetProvisionStatePayload", "1.18"),
];

/// What was told until now, each kind once.
fn kinds(heard: &mut broadcast::Receiver<Notification>) -> BTreeSet<(String, &'static str, &'static str)> {
    let told = std::iter::from_fn(|| heard.try_recv().ok());
    told.map(|told| {
        let short = told.event_type.trim_start_matches("baremetal.node.").to_owned();
        (format!("{short} {}", told.level), told.payload.name(), told.payload.version())
    })
    .collect()
}

/// Provisioning: through a check that finds another power state, and one that fails.
async fn provision(stage: &Stage) {
    let node = stage.node_in(S::Enroll).await;
    stage.verb(&node, Verb::Manage).await;
    stage.settled(&node, S::Manageable).await;
    let available = stage.node_in(S::Available).await;
    stage.verb(&available, Verb::Manage).await;
    let failing = stage.node_in(S::Enroll).await;
    stage.script.will_fail("power.get_power_state", "no answer");
    stage.verb(&failing, Verb::Manage).await;
    stage.eventually(&failing, |node| node.last_error.is_some() && node.reservation.is_none()).await;
}

async fn power(stage: &Stage) {
    for fails in [false, true] {
        let node = stage.node_in(S::Active).await;
        if fails {
            stage.script.will_fail("power.set_power_state", "no answer");
        }
        let name = node.uuid.into();
        stage.conductor.change_power(context(), &name, PowerState::Off, None).await.unwrap();
        stage.unlocked(&node).await;
    }
}

/// Consoles that are switched, and those that go with an instance and come with the next one.
async fn consoles(stage: &Stage) {
    let node = stage.node_in(S::Active).await;
    for fails in [true, false] {
        if fails {
            stage.script.will_fail("console.start_console", "port is taken");
        }
        stage.conductor.set_console_mode(context(), &node.uuid.into(), ConsoleMode::On).await.unwrap();
        stage.unlocked(&node).await;
    }
    for fails in [true, false] {
        let node = stage.node_in(S::Available).await;
        stage.change(&node, |node| node.console_enabled = true).await;
        if fails {
            stage.script.will_fail("console.start_console", "port is taken");
        }
        stage.verb(&node, Verb::Active).await;
        let node = stage.settled(&node, S::Active).await;
        stage.change(&node, |node| node.console_enabled = true).await;
        if fails {
            stage.script.will_fail("console.stop_console", "it hangs");
        }
        stage.verb(&node, Verb::Deleted).await;
        stage.settled(&node, if fails { S::Error } else { S::Available }).await;
    }
}

#[tokio::test]
async fn a_conductor_tells_what_the_catalogue_says_and_nothing_else() {
    let stage = Stage::new(quick()).await;
    let mut heard = stage.tasks().shared().notifier.subscribe();

    provision(&stage).await;
    power(&stage).await;
    consoles(&stage).await;
    stage.conductor.collect_sensor_data().await.unwrap();

    let expected: BTreeSet<_> = CATALOGUE
        .iter()
        .map(|(kind, level, payload, version)| (format!("{kind} {level}"), *payload, *version))
        .collect();
    assert_eq!(kinds(&mut heard), expected);
}
