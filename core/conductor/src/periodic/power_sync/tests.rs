//! The rows P1 to P23 are those of the reference's own tests. Where they say that compute is told, a
//! `power_state_corrected` is looked for: nothing else is told.

use farrier_model::node::{Fault, Node};
use farrier_model::provision::ProvisionState;
use farrier_sdk::interface::power::PowerState;
use farrier_store::Page;

use super::node::synchronize;
use super::*;
use crate::config::ConductorConfig;
use crate::power_script::{Answer, OFF, ON, Script};
use crate::task::Acquire;
use crate::task::tests::{Fixture, quick};
use farrier_model::notification::Notification;

const WANTED: Wanted = Wanted { lasting: false, health: false };

/// As the rows have it unless they say otherwise.
fn no_force() -> ConductorConfig {
    ConductorConfig { force_power_state_during_sync: false, ..quick() }
}

fn force(retries: u32) -> ConductorConfig {
    ConductorConfig { power_state_sync_max_retries: retries, ..quick() }
}

/// One node under test.
struct Row {
    fixture: Fixture,
    script: Script,
    node: Node,
    told: tokio::sync::broadcast::Receiver<Notification>,
    locks: u64,
}

impl Row {
    async fn new(
        config: ConductorConfig,
        recorded: Option<PowerState>,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        Self::with(config, Script::node(recorded), answers).await
    }

    async fn with(config: ConductorConfig, node: Node, answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Script::default();
        let fixture = script.fixture(config).await;
        let node = fixture.enrol(node).await;
        script.reads(&node, answers);
        let told = fixture.tasks().shared().notifier.subscribe();
        let locks = fixture.store.probe().count("node_reserve");
        Self { fixture, script, node, told, locks }
    }

    /// Synchronizes the node, which has failed `failures` times before.
    async fn sync(&self, failures: u32) -> u32 {
        self.sync_and(failures, WANTED).await
    }

    async fn sync_and(&self, failures: u32, wanted: Wanted) -> u32 {
        let task = self.fixture.tasks().acquire_shared(&self.node, Acquire::new("sync")).await.unwrap();
        synchronize(task, failures, wanted).await.unwrap()
    }

    async fn stored(&self) -> Node {
        self.fixture.stored(&self.node).await
    }

    async fn recorded(&self) -> Option<PowerState> {
        self.stored().await.power_state
    }

    /// How often the lock was taken since the last time.
    fn locks(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.locks, self.fixture.store.probe().count("node_reserve"));
        self.locks - before
    }

    /// Corrections told of since the last time: from, to.
    fn corrections(&mut self) -> Vec<(String, String)> {
        let told = std::iter::from_fn(|| self.told.try_recv().ok());
        let corrected = told.filter(|told| told.event_type == "baremetal.node.power_state_corrected.success");
        let text =
            |told: &Notification, member: &str| told.payload[member].as_str().unwrap_or("null").to_owned();
        corrected.map(|told| (text(&told, "from_power"), text(&told, "power_state"))).collect()
    }
}

fn correction(from: &str, to: &str) -> Vec<(String, String)> {
    vec![(from.to_owned(), to.to_owned())]
}

#[tokio::test]
async fn row_p1_a_state_as_recorded_is_read_and_nothing_else_happens() {
    for (recorded, answer) in [(PowerState::On, ON), (PowerState::Off, OFF)] {
        let mut row = Row::new(no_force(), Some(recorded), [answer]).await;

        assert_eq!(row.sync(0).await, 0);

        assert_eq!(row.script.count("get_power_state"), 1);
        assert_eq!(row.script.count("validate"), 0);
        assert_eq!((row.locks(), row.corrections()), (0, Vec::new()));
        assert_eq!(row.stored().await, row.node);
    }
}

#[tokio::test]
async fn row_p2_an_unknown_state_of_an_unrecorded_node_is_validated_and_read_once() {
    let mut row = Row::new(no_force(), None, [Answer::State(PowerState::Unknown)]).await;

    assert_eq!(row.sync(0).await, 0);

    assert_eq!((row.script.count("validate"), row.script.count("get_power_state")), (1, 1));
    assert_eq!((row.locks(), row.recorded().await), (0, None));
}

#[tokio::test]
async fn row_p3_a_first_state_is_recorded_under_one_lock_and_told() {
    let mut row = Row::new(no_force(), None, [ON]).await;

    assert_eq!(row.sync(0).await, 0);

    assert_eq!(row.script.count("validate"), 1);
    assert_eq!((row.locks(), row.recorded().await), (1, Some(PowerState::On)));
    assert_eq!(row.corrections(), correction("null", "power on"));
}

#[tokio::test]
async fn row_p4_an_unrecorded_node_that_lacks_what_the_driver_needs_is_not_asked() {
    let mut row = Row::new(no_force(), None, [ON]).await;
    row.script.is_invalid("no address");

    assert_eq!(row.sync(0).await, 0);

    assert_eq!(row.script.count("get_power_state"), 0);
    assert_eq!((row.locks(), row.recorded().await), (0, None));
}

#[tokio::test]
async fn row_p5_p6_an_error_or_the_state_error_is_a_failure_and_changes_nothing() {
    for answer in [Answer::Fails("no answer"), Answer::State(PowerState::Error)] {
        let mut row = Row::new(no_force(), Some(PowerState::On), [answer]).await;

        assert_eq!(row.sync(0).await, 1);

        assert_eq!((row.locks(), row.recorded().await), (0, Some(PowerState::On)));
    }
}

#[tokio::test]
async fn row_p7_another_state_is_recorded_under_one_lock_and_told() {
    let mut row = Row::new(no_force(), Some(PowerState::On), [OFF]).await;

    row.sync(0).await;

    assert_eq!((row.locks(), row.recorded().await), (1, Some(PowerState::Off)));
    assert_eq!(row.corrections(), correction("power on", "power off"));
    assert_eq!(row.script.count("set power on"), 0);
}

#[tokio::test]
async fn row_p8_a_node_that_must_stay_on_is_not_switched() {
    let node = Node { disable_power_off: true, ..Script::node(Some(PowerState::On)) };
    let mut row = Row::with(quick(), node, [OFF]).await;

    row.sync(0).await;

    assert_eq!((row.locks(), row.recorded().await), (1, Some(PowerState::Off)));
    assert_eq!(row.corrections(), correction("power on", "power off"));
    assert_eq!(row.script.count("set power on"), 0);
}

#[tokio::test]
async fn row_p9_with_force_the_machine_is_switched_to_what_is_recorded() {
    let mut row = Row::new(force(1), Some(PowerState::On), [OFF]).await;

    assert_eq!(row.sync(0).await, 1);

    assert_eq!(row.script.count("set power on"), 1);
    assert_eq!((row.locks(), row.recorded().await), (1, Some(PowerState::On)));
    assert_eq!(row.corrections(), Vec::new());
}

#[tokio::test]
async fn row_p10_a_machine_that_can_not_be_switched_is_a_failure_and_no_error() {
    let row = Row::new(force(3), Some(PowerState::On), [OFF]).await;
    row.script.change_fails("fuse is blown");

    assert_eq!(row.sync(0).await, 1);

    assert_eq!(row.script.count("set power on"), 1);
    let node = row.stored().await;
    assert_eq!((node.power_state, node.reservation), (Some(PowerState::On), None));
}

#[tokio::test]
async fn row_p11_a_driver_that_does_not_force_has_the_record_corrected() {
    let mut row = Row::new(quick(), Some(PowerState::On), [OFF]).await;
    row.script.no_power_sync();

    row.sync(0).await;

    assert_eq!((row.locks(), row.recorded().await), (1, Some(PowerState::Off)));
    assert_eq!(row.corrections(), correction("power on", "power off"));
    assert_eq!(row.script.count("set power on"), 0);
}

#[tokio::test]
async fn row_p12_a_machine_that_does_not_follow_is_given_up_after_the_retries() {
    let mut row = Row::new(force(1), Some(PowerState::On), [OFF]).await;

    let first = row.sync(0).await;
    let second = row.sync(first).await;

    assert_eq!((first, second), (1, 2));
    assert_eq!(row.script.count("set power on"), 1);
    let node = row.stored().await;
    assert_eq!(node.power_state, Some(PowerState::Off));
    assert_eq!((node.maintenance, node.fault), (true, Some(Fault::PowerFailure)));
    let expected = format!(
        "During sync_power_state, max retries exceeded for node {}, node state power off does not match expected \
         state 'power on'. Updating DB state to 'power off' Switching node to maintenance mode.",
        node.uuid
    );
    assert_eq!(node.last_error.as_ref(), Some(&expected));
    assert_eq!(node.maintenance_reason, Some(expected));
    assert_eq!(row.corrections(), correction("power on", "power off"));
}

#[tokio::test]
async fn row_p13_with_two_retries_the_machine_is_switched_twice_before_it_is_given_up() {
    let row = Row::new(force(2), Some(PowerState::On), [OFF]).await;

    let mut count = 0;
    for _ in 0..3 {
        count = row.sync(count).await;
    }

    assert_eq!(count, 3);
    assert_eq!(row.script.count("set power on"), 2);
    let node = row.stored().await;
    assert_eq!((node.maintenance, node.power_state), (true, Some(PowerState::Off)));
}

#[tokio::test]
async fn row_p14_a_bmc_that_stays_silent_is_given_up_and_an_operator_s_maintenance_stays_theirs() {
    let node = Node {
        maintenance: true,
        maintenance_reason: Some("being moved".to_owned()),
        ..Script::node(Some(PowerState::On))
    };
    let mut row = Row::with(force(1), node, [Answer::Fails("no answer")]).await;

    let first = row.sync(0).await;
    row.sync(first).await;

    let node = row.stored().await;
    assert_eq!((node.power_state, node.fault), (None, None));
    assert_eq!(node.maintenance_reason.as_deref(), Some("being moved"));
    assert_eq!(row.corrections(), correction("power on", "null"));
}

#[tokio::test]
async fn row_p15_a_machine_that_follows_in_the_end_has_no_failures() {
    // Each synchronization that finds it off asks once more before it switches.
    let row = Row::new(force(2), Some(PowerState::On), [OFF, OFF, OFF, OFF, ON]).await;

    let mut count = 0;
    for _ in 0..3 {
        count = row.sync(count).await;
    }

    assert_eq!(count, 0);
    assert_eq!(row.script.count("set power on"), 2);
    assert!(!row.stored().await.maintenance);
}

#[tokio::test]
async fn row_p16_the_error_of_the_last_attempt_is_left_on_the_node() {
    let row = Row::new(force(2), Some(PowerState::On), [Answer::Fails("SpongeBob")]).await;

    assert_eq!(row.sync(2).await, 3);

    let node = row.stored().await;
    assert_eq!((node.power_state, node.maintenance), (None, true));
    assert!(node.last_error.unwrap().ends_with("Error: SpongeBob"));
    let history = row.fixture.store.history_list(row.node.id, &Page::default()).await.unwrap();
    assert!(history.iter().any(|entry| entry.event.contains("SpongeBob")), "{history:?}");
}

/// Synchronizes while somebody changes the node between the question and the lock.
async fn changed_meanwhile(change: impl FnOnce(&mut Node)) -> (Row, Node) {
    let row = Row::new(quick(), Some(PowerState::On), [Answer::Held(PowerState::Off)]).await;
    let mut after = row.node.clone();
    change(&mut after);
    let (count, ()) = tokio::join!(row.sync(0), async {
        row.script.asked("get_power_state", 1).await;
        row.fixture.store.node_update(&row.node, &after).await.unwrap();
        row.script.release();
    });

    assert_eq!(count, 0);
    assert_eq!(row.script.count("set power on"), 0);
    let node = row.stored().await;
    (row, node)
}

#[tokio::test]
async fn row_p17_a_node_that_is_in_maintenance_under_the_lock_is_left_alone() {
    let (mut row, node) = changed_meanwhile(|node| node.maintenance = true).await;

    assert_eq!(node.power_state, Some(PowerState::On));
    assert_eq!(row.corrections(), Vec::new());
}

#[tokio::test]
async fn row_p18_a_node_that_waits_for_its_agent_under_the_lock_is_left_alone() {
    let (mut row, node) = changed_meanwhile(|node| node.provision_state = ProvisionState::DeployWait).await;

    assert_eq!(node.power_state, Some(PowerState::On));
    assert_eq!(row.corrections(), Vec::new());
}

#[tokio::test]
async fn row_p19_a_node_whose_record_is_right_under_the_lock_is_left_alone() {
    let (mut row, node) = changed_meanwhile(|node| node.power_state = Some(PowerState::Off)).await;

    assert_eq!(node.power_state, Some(PowerState::Off));
    assert_eq!(row.corrections(), Vec::new());
}

#[tokio::test]
async fn all_questions_of_a_visit_are_of_one_pass_and_the_next_visit_is_another() {
    let row = Row::new(no_force(), Some(PowerState::On), [ON]).await;
    let visit = async || {
        row.sync_and(0, Wanted { lasting: true, health: true }).await;
        row.script.passes()
    };

    let first = visit().await;
    let both = visit().await;

    let (again, second) = both.split_at(first.len());
    assert!(1 < first.len() && first.iter().all(|pass| pass.is_some() && *pass == first[0]), "{first:?}");
    assert!(again == first && second.iter().all(|pass| pass.is_some() && *pass == second[0]), "{both:?}");
    assert_ne!(first[0], second[0]);
}

/// The reference locks twice, the second time without an effect; here there is one lock.
#[tokio::test]
async fn row_p20_a_vendor_and_another_state_are_recorded_under_one_lock() {
    let mut row = Row::new(no_force(), Some(PowerState::On), [OFF]).await;
    row.script.vendor("acme");

    row.sync_and(0, Wanted { lasting: true, ..WANTED }).await;

    let node = row.stored().await;
    assert_eq!(node.properties["vendor"], "acme");
    assert_eq!((row.locks(), node.power_state), (1, Some(PowerState::Off)));
    assert_eq!((row.script.count("detect_vendor"), row.script.count("get_power_state")), (1, 1));
}

async fn with_old_error(history: bool, recorded: Option<PowerState>, state: ProvisionState) -> Row {
    let config = ConductorConfig { node_history: history, ..no_force() };
    let node = Node { last_error: Some("old".to_owned()), provision_state: state, ..Script::node(recorded) };
    Row::with(config, node, [ON]).await
}

/// The reference writes this without a lock; here it is taken.
#[tokio::test]
async fn row_p21_an_old_error_is_cleared_when_the_history_keeps_it() {
    let mut row = with_old_error(true, Some(PowerState::On), ProvisionState::Available).await;

    assert_eq!(row.sync(0).await, 0);

    assert_eq!((row.locks(), row.stored().await.last_error), (1, None));
}

#[tokio::test]
async fn row_p22_an_old_error_stays_without_a_history() {
    let mut row = with_old_error(false, Some(PowerState::On), ProvisionState::Available).await;

    assert_eq!(row.sync(0).await, 0);

    assert_eq!((row.locks(), row.stored().await.last_error.as_deref()), (0, Some("old")));
}

#[tokio::test]
async fn row_p23_an_old_error_is_cleared_with_the_first_state() {
    let row = with_old_error(true, None, ProvisionState::Available).await;

    assert_eq!(row.sync(0).await, 0);

    assert_eq!(row.stored().await.last_error, None);
}

#[tokio::test]
async fn an_error_that_explains_a_failed_node_stays() {
    for state in [ProvisionState::DeployFail, ProvisionState::Error] {
        let row = with_old_error(true, Some(PowerState::On), state).await;

        row.sync(0).await;

        assert_eq!(row.stored().await.last_error.as_deref(), Some("old"), "{state}");
    }
}

#[tokio::test]
async fn a_machine_that_does_not_say_any_more_has_failed() {
    let row = Row::new(quick(), Some(PowerState::On), [Answer::State(PowerState::Unknown)]).await;

    assert_eq!(row.sync(0).await, 1);

    assert_eq!(row.script.count("set power on"), 0);
    assert_eq!(row.recorded().await, Some(PowerState::On));
}

#[tokio::test]
async fn a_machine_that_was_switched_before_the_lock_is_asked_again() {
    let row = Row::new(no_force(), Some(PowerState::On), [Answer::Held(PowerState::Off), ON]).await;
    let after = Node { description: Some("somebody was here".to_owned()), ..row.node.clone() };
    tokio::join!(row.sync(0), async {
        row.script.asked("get_power_state", 1).await;
        row.fixture.store.node_update(&row.node, &after).await.unwrap();
        row.script.release();
    });

    assert_eq!(row.script.count("get_power_state"), 2);
    assert_eq!(row.recorded().await, Some(PowerState::On));
}

#[tokio::test]
async fn what_was_read_before_somebody_changed_the_node_is_not_recorded() {
    let row = Row::new(no_force(), Some(PowerState::On), [Answer::Held(PowerState::On), ON]).await;
    row.script.health("Critical");
    let wanted = Wanted { health: true, ..WANTED };
    let after = Node { health: Some("OK".to_owned()), ..row.node.clone() };
    tokio::join!(row.sync_and(0, wanted), async {
        row.script.asked("get_power_state", 1).await;
        row.fixture.store.node_update(&row.node, &after).await.unwrap();
        row.script.release();
    });

    assert_eq!(row.stored().await.health.as_deref(), Some("OK"), "it may be so again by now");
    row.sync_and(0, wanted).await;
    assert_eq!(row.stored().await.health.as_deref(), Some("Critical"), "the next pass brings it");
}

#[tokio::test]
async fn another_health_is_recorded_and_kept_in_the_history() {
    let mut row = Row::new(no_force(), Some(PowerState::On), [ON]).await;
    row.script.health("Critical");
    let wanted = Wanted { health: true, ..WANTED };

    row.sync_and(0, wanted).await;
    row.sync_and(0, wanted).await;

    assert_eq!((row.locks(), row.stored().await.health.as_deref()), (1, Some("Critical")));
    let history = row.fixture.store.history_list(row.node.id, &Page::default()).await.unwrap();
    let events: Vec<_> =
        history.iter().map(|entry| (entry.severity.as_str(), entry.event.as_str())).collect();
    assert_eq!(events, [("ERROR", "Health of the machine changed from unknown to Critical")]);
}

/// Several nodes, and passes over them.
struct Passes {
    fixture: Fixture,
    script: Script,
    sync: Arc<PowerSync>,
}

impl Passes {
    async fn new(config: ConductorConfig) -> Self {
        let script = Script::default();
        let fixture = script.fixture(config).await;
        Self { fixture, script, sync: Arc::default() }
    }

    async fn node(&self, node: Node, answer: Answer) -> Node {
        let node = self.fixture.enrol(node).await;
        self.script.reads(&node, [answer]);
        node
    }

    async fn run(&self) {
        Arc::clone(&self.sync).run(Pass::new(&self.fixture.conductor)).await.unwrap();
    }

    fn failures(&self) -> Vec<(NodeId, u32)> {
        let mut failures: Vec<_> = self.sync.failures.lock().unwrap().clone().into_iter().collect();
        failures.sort_unstable();
        failures
    }
}

#[tokio::test]
async fn a_pass_asks_only_nodes_whose_power_is_its_business() {
    let passes = Passes::new(quick()).await;
    let on = || Script::node(Some(PowerState::On));
    let asked = passes.node(on(), ON).await;
    let info = serde_json::from_value(serde_json::json!({"firmware_updates": [1]})).unwrap();
    let mut left_alone = vec![
        Node { maintenance: true, ..on() },
        Node { target_power_state: Some(PowerState::Off), ..on() },
        Node { driver_internal_info: info, ..on() },
    ];
    for &state in farrier_model::provision::POWER_SYNC_EXCLUDED {
        left_alone.push(Node { provision_state: state, ..on() });
    }
    for node in left_alone {
        passes.node(node, ON).await;
    }
    let reserved = passes.node(on(), ON).await;
    let held = passes.fixture.tasks().acquire_exclusive(&reserved, Acquire::default()).await.unwrap();

    passes.run().await;

    assert_eq!(passes.script.count_for("get_power_state", &asked), 1);
    assert_eq!(passes.script.count("get_power_state"), 1);
    held.finish().await.unwrap();
}

#[tokio::test]
async fn a_pass_over_nodes_as_recorded_writes_nothing_and_reads_them_in_batches() {
    let passes = Passes::new(quick()).await;
    for _ in 0..50 {
        passes.node(Script::node(Some(PowerState::On)), ON).await;
    }
    let probe = || passes.fixture.store.probe();
    let (before, locks) = (probe().total(), probe().count("node_reserve"));

    passes.run().await;

    assert_eq!(passes.script.count("get_power_state"), 50);
    let statements = probe().total() - before;
    assert!(statements <= 3, "{statements} statements");
    assert_eq!(probe().count("node_reserve"), locks);
}

#[tokio::test]
async fn machines_that_do_not_answer_hold_up_no_others() {
    // One worker has 32 places: more than that are silent, and they are asked first.
    let config = ConductorConfig { sync_power_state_workers: 1, ..quick() };
    let passes = Passes::new(config).await;
    for _ in 0..40 {
        passes.node(Script::node(Some(PowerState::On)), Answer::Held(PowerState::On)).await;
    }
    let mut live = Vec::new();
    for _ in 0..3 {
        live.push(passes.node(Script::node(Some(PowerState::Off)), ON).await);
    }

    tokio::join!(passes.run(), async {
        for node in &live {
            passes.fixture.eventually(node, |_| passes.script.count_for("set power off", node) == 1).await;
        }
        passes.script.asked("get_power_state", 40 + 2 * live.len()).await;
        passes.script.release();
    });

    assert_eq!(passes.failures().len(), live.len());
}

#[tokio::test]
async fn a_silent_machine_is_a_failure_at_its_deadline() {
    let config = ConductorConfig { sync_power_state_timeout: 0, ..quick() };
    let passes = Passes::new(config).await;
    let node = passes.node(Script::node(Some(PowerState::On)), Answer::Held(PowerState::On)).await;

    passes.run().await;

    assert_eq!(passes.failures(), [(node.id, 1)]);
}

#[tokio::test]
async fn failures_are_counted_over_passes_and_forgotten_with_the_first_success() {
    let passes = Passes::new(quick()).await;
    let node = passes.fixture.enrol(Script::node(Some(PowerState::On))).await;
    passes.script.reads(&node, [Answer::Fails("no"), Answer::Fails("no"), ON]);

    passes.run().await;
    let first = passes.failures();
    passes.run().await;
    let second = passes.failures();
    passes.run().await;

    assert_eq!((first, second), (vec![(node.id, 1)], vec![(node.id, 2)]));
    assert_eq!(passes.failures(), []);
}

#[tokio::test]
async fn failures_of_nodes_that_are_given_up_or_gone_are_forgotten() {
    let config = ConductorConfig { power_state_sync_max_retries: 0, ..quick() };
    let passes = Passes::new(config).await;
    let node = passes.node(Script::node(Some(PowerState::On)), Answer::Fails("no")).await;

    passes.run().await;
    let given_up = (passes.failures(), passes.fixture.stored(&node).await.maintenance);
    passes.run().await;

    assert_eq!(given_up, (vec![(node.id, 1)], true));
    assert_eq!(passes.failures(), []);
}

#[tokio::test]
async fn what_hardly_changes_is_asked_for_once_in_ten_passes() {
    let passes = Passes::new(quick()).await;
    for _ in 0..7 {
        passes.node(Script::node(Some(PowerState::On)), ON).await;
    }

    for _ in 0..LASTING_EVERY {
        passes.run().await;
    }

    assert_eq!(passes.script.count("get_power_state"), 70);
    assert_eq!(passes.script.count("detect_vendor"), 7);
}

#[tokio::test]
async fn a_pass_ends_at_the_next_node_when_the_conductor_stops() {
    let config = ConductorConfig { sync_power_state_workers: 1, ..quick() };
    let passes = Passes::new(config).await;
    for _ in 0..40 {
        passes.node(Script::node(Some(PowerState::On)), Answer::Held(PowerState::On)).await;
    }

    tokio::join!(passes.run(), async {
        passes.script.asked("get_power_state", 32).await;
        passes.fixture.tasks().shared().workers.stopping().cancel();
        passes.script.release();
    });

    assert_eq!(passes.script.count("get_power_state"), 32);
}
