use farrier_model::node::Fault;
use farrier_model::provision::ProvisionState as S;
use farrier_model::step::{RequestedStep, Step};
use farrier_sdk::error::DriverError;
use farrier_sdk::interface::power::PowerState;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::script::{self, Answer, Script};
use crate::task::Acquire;
use crate::task::tests::{Fixture, quick};

fn heartbeat() -> Heartbeat {
    Heartbeat {
        callback_url: "http://192.0.2.7:9999".to_owned(),
        agent_version: Some("11.0.0".to_owned()),
        agent_token: Some(Secret::new("token".to_owned())),
        agent_verify_ca: None,
        agent_status: None,
        agent_status_message: None,
    }
}

/// A node whose agent was given a token.
fn node() -> Node {
    let mut node = Node::new(Uuid::new_v4(), "fake-hardware");
    node.driver_internal_info.insert(TOKEN.to_owned(), json!("token"));
    node
}

#[test]
fn the_agent_of_a_node_is_let_in() {
    let mut known = node();
    known.driver_internal_info.insert(URL.to_owned(), json!("http://192.0.2.7:9999"));
    known.driver_internal_info.insert("agent_verify_ca".to_owned(), json!("PEM"));
    let status = Heartbeat {
        agent_version: None,
        agent_status: Some("end".to_owned()),
        agent_verify_ca: Some("PEM".to_owned()),
        ..heartbeat()
    };

    for (node, heartbeat) in [(&node(), &heartbeat()), (&known, &heartbeat()), (&known, &status)] {
        check(node, heartbeat, &quick()).unwrap();
    }
}

#[test]
fn anybody_else_is_refused() {
    let url = |url: &str| Heartbeat { callback_url: url.to_owned(), ..heartbeat() };
    let token = |token: Option<&str>| Heartbeat {
        agent_token: token.map(|token| Secret::new(token.to_owned())),
        ..heartbeat()
    };
    let cases = [
        (url(""), "`callback_url`"),
        (url("ftp://192.0.2.7"), "`callback_url`"),
        (url("https://"), "`callback_url`"),
        (url("http:///v1"), "`callback_url`"),
        (url("http://192.0.2.7/ x"), "`callback_url`"),
        (token(None), "no token"),
        (token(Some("")), "no token"),
        (token(Some("toke")), "another token"),
        (token(Some("tokem")), "another token"),
        (token(Some("token2")), "another token"),
        (Heartbeat { agent_version: None, ..heartbeat() }, "neither its version nor its status"),
        (Heartbeat { agent_status: Some("middle".to_owned()), ..heartbeat() }, "`agent_status`"),
    ];

    for (heartbeat, expected) in cases {
        let error = check(&node(), &heartbeat, &quick()).unwrap_err();

        assert!(matches!(error, ConductorError::InvalidParameter { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains("toke2"), "{error}");
    }
}

#[test]
fn a_node_that_gave_no_token_away_has_no_agent() {
    let node = Node::new(Uuid::new_v4(), "fake-hardware");

    let error = check(&node, &heartbeat(), &quick()).unwrap_err();

    assert!(error.to_string().contains("another token"), "{error}");
}

#[test]
fn an_agent_does_not_move() {
    let mut node = node();
    node.driver_internal_info.insert(URL.to_owned(), json!("http://192.0.2.8:9999"));

    let error = check(&node, &heartbeat(), &quick()).unwrap_err();

    assert!(error.to_string().contains("not the one of its first heartbeat"), "{error}");
}

#[test]
fn an_agent_keeps_its_certificate() {
    let mut node = node();
    node.driver_internal_info.insert("agent_verify_ca".to_owned(), json!("PEM"));
    let other = Heartbeat { agent_verify_ca: Some("OTHER".to_owned()), ..heartbeat() };

    let error = check(&node, &other, &quick()).unwrap_err();

    assert!(error.to_string().contains("another certificate"), "{error}");
    check(&node, &heartbeat(), &quick()).unwrap();
}

#[test]
fn plain_text_is_refused_where_tls_is_required() {
    let config = ConductorConfig { require_tls: true, ..quick() };
    let secure = Heartbeat { callback_url: "https://192.0.2.7:9999".to_owned(), ..heartbeat() };

    let error = check(&node(), &heartbeat(), &config).unwrap_err();

    assert!(error.to_string().contains("https://"), "{error}");
    check(&node(), &secure, &config).unwrap();
}

#[test]
fn debug_shows_no_token() {
    assert!(!format!("{:?}", heartbeat()).contains("token"));
}

/// The only step of an operation, which is under way.
fn step() -> Fields {
    let step = json!({"interface": "deploy", "step": "erase", "priority": 10, "abortable": true});
    serde_json::from_value::<Step>(step).unwrap().to_fields()
}

/// A powered node in `state`; one that waits is at its last step.
async fn node_in(fixture: &Fixture, state: S, change: impl FnOnce(&mut Node)) -> Node {
    let mut node = Node {
        provision_state: state,
        target_provision_state: state.default_target(),
        power_state: Some(PowerState::On),
        ..node()
    };
    if let Some(flow) = Flow::of(state).filter(|flow| flow.waiting() == state) {
        let keys = flow.keys();
        node.driver_internal_info.insert(keys.steps.to_owned(), json!([step()]));
        node.driver_internal_info.insert(keys.index.to_owned(), json!(0));
        *flow.current_fields(&mut node) = step();
    }
    change(&mut node);
    fixture.enrol(node).await
}

/// The agent calls, and what follows ends.
async fn call(fixture: &Fixture, node: &Node) -> Node {
    call_with(fixture, node, heartbeat()).await
}

async fn call_with(fixture: &Fixture, node: &Node, heartbeat: Heartbeat) -> Node {
    let mut task = fixture.tasks().acquire_exclusive(node, Acquire::new("test")).await.unwrap();
    beat(&mut task, heartbeat).await.unwrap();
    task.finish().await.unwrap();
    fixture.unlocked(node).await
}

async fn fixture() -> (Fixture, Script) {
    script::fixture(quick()).await
}

/// Where a node goes that waits for its agent and has no step left, and where when it fails.
const WAITING: [(S, S, S); 4] = [
    (S::DeployWait, S::Active, S::DeployFail),
    (S::CleanWait, S::Available, S::CleanFail),
    (S::ServiceWait, S::Active, S::ServiceFail),
    (S::RescueWait, S::Rescue, S::RescueFail),
];

#[tokio::test]
async fn a_node_that_waits_goes_on() {
    for (state, expected, _) in WAITING {
        let (fixture, script) = fixture().await;
        let node = node_in(&fixture, state, |_| {}).await;

        let after = call(&fixture, &node).await;

        assert_eq!((after.provision_state, after.last_error), (expected, None), "{state}");
        assert_eq!(after.target_provision_state, None, "{state}");
        assert_eq!(script.asked().first().map(String::as_str), Some("deploy.heartbeat"), "{state}");
    }
}

#[tokio::test]
async fn what_the_agent_says_is_kept() {
    let (fixture, script) = fixture().await;
    let node = node_in(&fixture, S::Deploying, |_| {}).await;
    let told = Heartbeat {
        agent_verify_ca: Some("PEM".to_owned()),
        agent_status: Some("start".to_owned()),
        agent_status_message: Some("partitioning".to_owned()),
        ..heartbeat()
    };

    let after = call_with(&fixture, &node, told).await;

    let info = &after.driver_internal_info;
    assert_eq!(info[URL], "http://192.0.2.7:9999");
    assert_eq!(info["agent_version"], "11.0.0");
    assert_eq!(info["agent_verify_ca"], "PEM");
    assert_eq!(info["agent_status"], "start");
    assert_eq!(info["agent_status_message"], "partitioning");
    let heard: Timestamp = info["agent_last_heartbeat"].as_str().unwrap().parse().unwrap();
    assert!(node.created_at <= heard);
    assert_eq!(after.provision_state, S::Deploying);
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn in_most_states_a_call_is_recorded_and_nothing_else() {
    for state in
        [S::Cleaning, S::Deploying, S::Rescuing, S::Servicing, S::CleanHold, S::DeployHold, S::ServiceHold]
    {
        let (fixture, script) = fixture().await;
        let node = node_in(&fixture, state, |_| {}).await;

        let after = call(&fixture, &node).await;

        assert!(after.driver_internal_info.contains_key(URL), "{state}");
        assert_eq!(after.provision_state, state);
        assert!(script.asked().is_empty(), "{state}");
    }
}

#[tokio::test]
async fn in_other_states_nobody_listens_unless_agents_stay() {
    let fast = ConductorConfig { fast_track: true, ..quick() };
    for (config, state, heard) in [
        (quick(), S::Enroll, false),
        (quick(), S::Manageable, false),
        (quick(), S::Available, false),
        (quick(), S::Active, false),
        (quick(), S::InspectWait, false),
        (fast.clone(), S::Enroll, true),
        (fast.clone(), S::Manageable, true),
        (fast.clone(), S::Available, true),
        (fast.clone(), S::Active, false),
    ] {
        let (fixture, script) = script::fixture(config).await;
        let node = node_in(&fixture, state, |_| {}).await;

        let after = call(&fixture, &node).await;

        assert_eq!(after.driver_internal_info.contains_key(URL), heard, "{state}");
        assert_eq!(after.provision_state, state);
        assert!(script.asked().is_empty(), "{state}");
    }
}

#[tokio::test]
async fn a_call_renews_the_wait_and_leaves_the_step_to_whoever_polls() {
    for (state, ..) in WAITING.into_iter().filter(|(state, ..)| *state != S::RescueWait) {
        let (fixture, _script) = fixture().await;
        let polling = Flow::of(state).unwrap().keys().polling;
        let node = node_in(&fixture, state, |node| {
            node.driver_internal_info.insert(polling.to_owned(), json!(true));
        })
        .await;

        let after = call(&fixture, &node).await;

        assert_eq!((after.provision_state, after.last_error), (state, None));
        assert!(after.provision_updated_at > node.provision_updated_at, "{state}");
    }
}

#[tokio::test]
async fn a_driver_that_finds_its_step_over_lets_the_node_go_on() {
    let (fixture, script) = fixture().await;
    let polling = Flow::Clean.keys().polling;
    let node = node_in(&fixture, S::CleanWait, |node| {
        node.driver_internal_info.insert(polling.to_owned(), json!(true));
    })
    .await;
    script.will("deploy.heartbeat", Answer::Save(polling, Value::Null));

    let after = call(&fixture, &node).await;

    assert_eq!((after.provision_state, after.last_error), (S::Available, None));
}

#[tokio::test]
async fn a_driver_that_begins_to_poll_keeps_the_node_waiting() {
    let (fixture, script) = fixture().await;
    let node = node_in(&fixture, S::CleanWait, |_| {}).await;
    script.will("deploy.heartbeat", Answer::Save(Flow::Clean.keys().polling, json!(true)));

    assert_eq!(call(&fixture, &node).await.provision_state, S::CleanWait);
}

#[tokio::test]
async fn a_driver_that_fails_ends_the_operation() {
    for (state, _, failed) in WAITING {
        let (fixture, script) = fixture().await;
        let node = node_in(&fixture, state, |_| {}).await;
        script.will_fail("deploy.heartbeat", "image is broken");

        let after = call(&fixture, &node).await;

        assert_eq!(after.provision_state, failed, "{state}");
        let error = after.last_error.unwrap();
        assert!(error.contains("image is broken"), "{state}: {error}");
    }
}

#[tokio::test]
async fn a_machine_whose_deployment_failed_is_powered_off_unless_the_operator_wants_it_on() {
    for (power_off_after_deploy_failure, calls, power) in [
        (true, vec!["deploy.clean_up", "power.set_power_state power off"], PowerState::Off),
        (false, vec!["deploy.clean_up"], PowerState::On),
    ] {
        let config = ConductorConfig { power_off_after_deploy_failure, ..quick() };
        let (fixture, script) = script::fixture(config).await;
        let node = node_in(&fixture, S::DeployWait, |_| {}).await;
        script.will_fail("deploy.heartbeat", "image is broken");

        let after = call(&fixture, &node).await;

        assert_eq!(
            script.calls().iter().filter(|call| *call != "deploy.heartbeat").collect::<Vec<_>>(),
            calls
        );
        assert_eq!((after.provision_state, after.power_state), (S::DeployFail, Some(power)));
        assert!(after.last_error.unwrap().contains("image is broken"));
    }
}

#[tokio::test]
async fn an_agent_that_cannot_be_reached_is_heard_again() {
    for (state, expected, _) in WAITING {
        let (fixture, script) = fixture().await;
        let node = node_in(&fixture, state, |_| {}).await;
        script.will("deploy.heartbeat", Answer::Fail(DriverError::unreachable("no answer").retryable(true)));

        let waits = call(&fixture, &node).await;

        assert_eq!((waits.provision_state, waits.last_error), (state, None));
        assert_eq!(call(&fixture, &node).await.provision_state, expected);
    }
}

#[tokio::test]
async fn work_pauses_in_maintenance() {
    for (state, ..) in WAITING {
        let (fixture, script) = fixture().await;
        let node = node_in(&fixture, state, |node| node.maintenance = true).await;

        let after = call(&fixture, &node).await;

        assert_eq!((after.provision_state, after.last_error), (state, None));
        assert!(after.driver_internal_info.contains_key(URL), "{state}");
        assert!(script.asked().is_empty(), "{state}");
    }
}

#[tokio::test]
async fn work_ends_in_maintenance_where_it_is_not_allowed() {
    for (state, _, failed) in WAITING {
        let config = ConductorConfig { allow_provisioning_in_maintenance: false, ..quick() };
        let (fixture, _script) = script::fixture(config).await;
        let node = node_in(&fixture, state, |node| {
            node.maintenance = true;
            node.maintenance_reason = Some("mine".to_owned());
        })
        .await;

        let after = call(&fixture, &node).await;

        assert_eq!(after.provision_state, failed, "{state}");
        assert_eq!(after.last_error.as_deref(), Some(IN_MAINTENANCE), "{state}");
        assert_eq!(after.maintenance_reason.as_deref(), Some("mine"), "{state}");
    }
}

#[tokio::test]
async fn steps_that_do_not_fit_the_agent_end_the_deployment() {
    let (fixture, _script) = fixture().await;
    let unknown: RequestedStep =
        serde_json::from_value(json!({"interface": "deploy", "step": "nosuch", "args": {}, "priority": 5}))
            .unwrap();
    let node = node_in(&fixture, S::DeployWait, |node| Flow::Deploy.set_requested(node, &[unknown])).await;

    let after = call(&fixture, &node).await;

    assert_eq!(after.provision_state, S::DeployFail);
    let error = after.last_error.unwrap();
    assert!(error.contains("do not fit") && error.contains("nosuch"), "{error}");
}

#[tokio::test]
async fn the_steps_of_a_deployment_are_checked_once() {
    let (fixture, _script) = fixture().await;
    let unknown: RequestedStep =
        serde_json::from_value(json!({"interface": "deploy", "step": "nosuch", "args": {}, "priority": 5}))
            .unwrap();
    let node = node_in(&fixture, S::DeployWait, |node| {
        Flow::Deploy.set_requested(node, &[unknown]);
        node.driver_internal_info.insert(STEPS_VALIDATED.to_owned(), json!(true));
    })
    .await;

    // The end of the deployment finds the step that nobody knew, but not this call.
    let error = call(&fixture, &node).await.last_error.unwrap();

    assert!(!error.contains("do not fit"), "{error}");
}

#[tokio::test]
async fn a_failed_cleaning_costs_the_node_its_service() {
    let (fixture, script) = fixture().await;
    let node = node_in(&fixture, S::CleanWait, |_| {}).await;
    script.will_fail("deploy.heartbeat", "disk is broken");

    let after = call(&fixture, &node).await;

    assert_eq!((after.maintenance, after.fault), (true, Some(Fault::CleanFailure)));
}
