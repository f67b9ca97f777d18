use super::*;
use crate::power_script::{Answer, OFF, ON, Script};
use crate::task::Acquire;
use crate::task::tests::{Fixture, quick};

fn given_up(recorded: Option<PowerState>) -> Node {
    Node {
        maintenance: true,
        maintenance_reason: Some("max retries exceeded".to_owned()),
        fault: Some(Fault::PowerFailure),
        ..Script::node(recorded)
    }
}

async fn recovered(script: &Script, node: Node, answer: Answer) -> (Fixture, Node) {
    let fixture = script.fixture(quick()).await;
    let node = fixture.enrol(node).await;
    script.reads(&node, [answer]);
    run(Pass::new(&fixture.conductor)).await.unwrap();
    let node = fixture.stored(&node).await;
    (fixture, node)
}

#[tokio::test]
async fn a_machine_that_answers_again_leaves_maintenance_with_its_state() {
    let script = Script::default();
    let fixture = script.fixture(quick()).await;
    let node = fixture.enrol(given_up(None)).await;
    script.reads(&node, [OFF]);
    let mut told = fixture.tasks().shared().notifier.subscribe();

    run(Pass::new(&fixture.conductor)).await.unwrap();

    let node = fixture.stored(&node).await;
    assert_eq!((node.maintenance, node.maintenance_reason, node.fault), (false, None, None));
    assert_eq!((node.power_state, node.reservation), (Some(PowerState::Off), None));
    assert_eq!(told.try_recv().unwrap().event_type, "baremetal.node.power_state_corrected.success");
}

#[tokio::test]
async fn a_machine_that_answers_as_recorded_is_not_told_of() {
    let script = Script::default();
    let fixture = script.fixture(quick()).await;
    let node = fixture.enrol(given_up(Some(PowerState::On))).await;
    script.reads(&node, [ON]);
    let mut told = fixture.tasks().shared().notifier.subscribe();

    run(Pass::new(&fixture.conductor)).await.unwrap();

    assert!(!fixture.stored(&node).await.maintenance);
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn a_machine_that_is_still_silent_or_in_error_stays_in_maintenance() {
    for answer in [Answer::Fails("no answer"), Answer::State(PowerState::Error)] {
        let (_fixture, node) = recovered(&Script::default(), given_up(None), answer).await;

        assert_eq!((node.maintenance, node.fault), (true, Some(Fault::PowerFailure)));
    }
}

#[tokio::test]
async fn a_node_without_what_its_driver_needs_stays_in_maintenance_and_is_not_asked() {
    let script = Script::default();
    script.is_invalid("no address");

    let (_fixture, node) = recovered(&script, given_up(None), ON).await;

    assert!(node.maintenance);
    assert_eq!(script.count("get_power_state"), 0);
}

#[tokio::test]
async fn nodes_in_maintenance_for_other_reasons_or_in_use_are_left_alone() {
    let others = [
        Node { fault: Some(Fault::CleanFailure), ..given_up(None) },
        Node { fault: None, ..given_up(None) },
        Node { provision_state: ProvisionState::Enroll, ..given_up(None) },
        Node { target_power_state: Some(PowerState::On), ..given_up(None) },
    ];
    for other in others {
        let script = Script::default();

        let (_fixture, node) = recovered(&script, other, ON).await;

        assert!(node.maintenance);
        assert_eq!(script.count("validate"), 0);
    }
}

#[tokio::test]
async fn a_reserved_node_is_left_alone() {
    let script = Script::default();
    let fixture = script.fixture(quick()).await;
    let node = fixture.enrol(given_up(None)).await;
    let held = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    run(Pass::new(&fixture.conductor)).await.unwrap();

    assert_eq!(script.count("validate"), 0);
    held.finish().await.unwrap();
}
