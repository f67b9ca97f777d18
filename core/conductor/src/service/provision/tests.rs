//! What a request is refused for, and what it leaves: nothing.

use std::sync::Arc;

use farrier_model::node::Node;
use farrier_model::provision::machine::next;
use farrier_model::provision::{ProvisionState as S, VERBS, Verb};
use farrier_sdk::error::DriverError;
use farrier_store::StoreError;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::config::ConductorConfig;
use crate::script::Answer;
use crate::script::stage::{Stage, context, node, step, step_with, with_steps};
use crate::task::Acquire;
use crate::task::tests::quick;

/// Every verb once.
fn verbs() -> Vec<Verb> {
    let mut verbs: Vec<_> = VERBS.iter().map(|&(_, verb, _)| verb).collect();
    verbs.sort();
    verbs.dedup();
    verbs
}

/// A request of `verb` that nothing is wrong with.
fn good(verb: Verb) -> ProvisionRequest {
    let steps = matches!(verb, Verb::Clean | Verb::Service).then(|| vec![step("management.first")]);
    let rescue_password = (verb == Verb::Rescue).then(|| Secret::new("secret".to_owned()));
    ProvisionRequest { steps, rescue_password, ..ProvisionRequest::new(verb) }
}

/// Asks and makes sure that a refusal has changed nothing and left no lock.
async fn refused(stage: &Stage, node: &Node, request: ProvisionRequest) -> ConductorError {
    let before = stage.stored(node).await;

    let error = stage.ask(node, request).await.unwrap_err();

    assert_eq!(stage.stored(node).await, before, "{error}");
    assert!(stage.script.calls().is_empty(), "{:?}", stage.script.calls());
    assert!(stage.history(node).await.is_empty());
    error
}

#[tokio::test]
async fn a_verb_that_leads_nowhere_is_refused_in_every_state() {
    let stage = Stage::new(quick()).await;
    let mut seen = 0;
    for state in S::ALL {
        let node = stage.node_in(state).await;
        for verb in verbs().into_iter().filter(|verb| next(state, verb.event()).is_err()) {
            let error = refused(&stage, &node, good(verb)).await;

            let ConductorError::InvalidStateRequested { verb: named, state: at, .. } = error else {
                panic!("{state} {verb}: {error:?}")
            };
            assert_eq!((named, at), (verb, state));
            seen += 1;
        }
    }
    assert_eq!(seen, 13 * 30 - allowed(), "every pair that is not in the table of transitions");
}

/// Pairs of state and verb that lead somewhere.
fn allowed() -> usize {
    let pairs = S::ALL.into_iter().flat_map(|state| verbs().into_iter().map(move |verb| (state, verb)));
    pairs.filter(|(state, verb)| next(*state, verb.event()).is_ok()).count()
}

#[tokio::test]
async fn a_verb_that_leads_nowhere_now_may_later_when_somebody_works_on_the_node() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Available).await;
    let held = stage.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let error = refused(&stage, &node, good(Verb::Provide)).await;

    let ConductorError::Store(StoreError::NodeLocked { holder, .. }) = error else { panic!("{error:?}") };
    assert_eq!(holder, "host-1");
    held.finish().await.unwrap();
    let error = refused(&stage, &node, good(Verb::Provide)).await;
    assert!(matches!(error, ConductorError::InvalidStateRequested { .. }), "{error:?}");
}

#[tokio::test]
async fn a_verb_that_leads_somewhere_waits_for_a_busy_node_and_then_gives_up() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    let _held = stage.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let error = refused(&stage, &node, good(Verb::Provide)).await;

    assert!(error.is_node_locked(), "{error:?}");
}

#[tokio::test]
async fn the_state_is_looked_at_again_under_the_lock() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    let mut task = stage.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.node_mut().provision_state = S::Available;
    task.save().await.unwrap();

    let late = start(&mut task, good(Verb::Provide)).await;

    assert!(matches!(late, Err(ConductorError::InvalidStateRequested { .. })), "{late:?}");
    task.abandon().await;
}

#[tokio::test]
async fn maintenance_refuses_what_changes_the_machine() {
    let stage = Stage::new(quick()).await;
    let cases = [
        (Verb::Clean, S::Manageable),
        (Verb::Active, S::Available),
        (Verb::Active, S::DeployFail),
        (Verb::Rebuild, S::Active),
        (Verb::Rescue, S::Active),
        (Verb::Unrescue, S::Rescue),
        (Verb::Service, S::Active),
    ];
    for (verb, state) in cases {
        let node = stage.enrol(Node { maintenance: true, ..node(state) }).await;

        let error = refused(&stage, &node, good(verb)).await;

        assert!(matches!(error, ConductorError::NodeInMaintenance { .. }), "{verb}: {error:?}");
    }
}

#[tokio::test]
async fn maintenance_is_looked_at_again_under_the_lock() {
    let stage = Stage::new(quick()).await;
    let node = stage.enrol(Node { maintenance: true, ..node(S::Manageable) }).await;
    let mut task = stage.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

    let late = start(&mut task, good(Verb::Clean)).await;

    assert!(matches!(late, Err(ConductorError::NodeInMaintenance { .. })), "{late:?}");
    task.abandon().await;
}

#[tokio::test]
async fn a_cleaning_or_service_without_steps_is_refused() {
    let stage = Stage::new(quick()).await;
    for (verb, state, member) in
        [(Verb::Clean, S::Manageable, "clean_steps"), (Verb::Service, S::Active, "service_steps")]
    {
        let node = stage.node_in(state).await;
        for request in [ProvisionRequest::new(verb), with_steps(verb, Vec::new())] {
            let error = refused(&stage, &node, request).await;

            assert!(matches!(error, ConductorError::InvalidParameter { .. }), "{error:?}");
            assert!(error.to_string().contains(member), "{error}");
        }
    }
}

#[tokio::test]
async fn runbooks_are_refused_by_name() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    let request =
        ProvisionRequest { runbook: Some("burn-in".to_owned()), ..ProvisionRequest::new(Verb::Clean) };

    let error = refused(&stage, &node, request).await;

    assert!(error.to_string().contains("burn-in"), "{error}");
}

#[tokio::test]
async fn bad_steps_of_a_cleaning_are_refused_with_every_problem() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    let steps = vec![
        step_with("management.told", json!({"where": 1})),
        step_with("management.first", json!({"when": 1})),
        step_with("deploy.wait", json!({"seconds": "soon"})),
    ];

    let error = refused(&stage, &node, with_steps(Verb::Clean, steps)).await;

    assert!(matches!(error, ConductorError::InvalidParameter { .. }), "{error:?}");
    insta::assert_snapshot!(error, @r#"clean step management.told has these unexpected arguments: where; clean step management.told is missing these required arguments: what (What has to be told); clean step management.first has these unexpected arguments: when; clean step deploy.wait: seconds is "soon", expected a positive integer"#);
}

#[tokio::test]
async fn without_the_ramdisk_a_clean_step_that_needs_it_or_that_nobody_knows_is_refused() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    for (id, problem) in
        [("management.in_band", "requires the ramdisk"), ("deploy.erase", "does not support")]
    {
        let request = with_steps(Verb::Clean, vec![step(id)]);
        let request = ProvisionRequest { disable_ramdisk: true, ..request };

        let error = refused(&stage, &node, request).await;

        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[tokio::test]
async fn steps_the_operator_forbids_are_refused() {
    let forbidden = vec!["management.first".parse().unwrap()];
    let config = ConductorConfig {
        disallow_clean_steps: forbidden.clone(),
        disallow_deploy_steps: forbidden.clone(),
        disallow_service_steps: forbidden,
        ..quick()
    };
    let stage = Stage::new(config).await;
    for (verb, state) in
        [(Verb::Clean, S::Manageable), (Verb::Active, S::Available), (Verb::Service, S::Active)]
    {
        let node = stage.node_in(state).await;

        let error = refused(&stage, &node, with_steps(verb, vec![step("management.first")])).await;

        let ConductorError::StepNotAllowed { step, .. } = error else { panic!("{error:?}") };
        assert_eq!(step.to_string(), "management.first");
    }
}

#[tokio::test]
async fn what_the_drivers_miss_refuses_a_manual_cleaning() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;
    for method in ["power.validate", "network.validate"] {
        stage.script.will(method, Answer::Fail(DriverError::missing_parameter("no address")));

        let error = refused(&stage, &node, good(Verb::Clean)).await;

        let ConductorError::Driver { operation, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*operation, "validate");
    }
}

#[tokio::test]
async fn no_more_nodes_than_allowed_are_deployed_at_once() {
    let stage = Stage::new(ConductorConfig { max_concurrent_deploy: 2, ..quick() }).await;
    stage.node_in(S::Deploying).await;
    let node = stage.node_in(S::Available).await;
    let other = stage.node_in(S::DeployWait).await;

    for verb in [Verb::Active, Verb::Rebuild] {
        let node = if verb == Verb::Active { node.clone() } else { stage.node_in(S::Active).await };
        let error = refused(&stage, &node, good(verb)).await;
        let ConductorError::ConcurrentActionLimit { running, limit, .. } = error else { panic!("{error:?}") };
        assert_eq!((running, limit), (2, 2));
    }

    stage.change(&other, |node| node.provision_state = S::DeployFail).await;
    stage.verb(&node, Verb::Active).await;
    stage.settled(&node, S::Active).await;
}

#[tokio::test]
async fn no_more_nodes_than_allowed_are_cleaned_or_torn_down_at_once() {
    for busy in [S::Deleting, S::Cleaning, S::CleanWait] {
        let stage = Stage::new(ConductorConfig { max_concurrent_clean: 1, ..quick() }).await;
        stage.node_in(busy).await;
        for (verb, state) in [(Verb::Clean, S::Manageable), (Verb::Deleted, S::Active)] {
            let node = stage.node_in(state).await;

            let error = refused(&stage, &node, good(verb)).await;

            assert!(matches!(error, ConductorError::ConcurrentActionLimit { .. }), "{error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_moment_do_not_get_past_the_limit() {
    const ROOM: usize = 3;
    let cases = [
        (Verb::Active, S::Available, "deploy.deploy"),
        (Verb::Clean, S::Manageable, "deploy.prepare_cleaning"),
        (Verb::Deleted, S::Active, "deploy.prepare_cleaning"),
    ];
    for (verb, state, method) in cases {
        let config = ConductorConfig { max_concurrent_deploy: 3, max_concurrent_clean: 3, ..quick() };
        let stage = Arc::new(Stage::new(config).await);
        let mut nodes = Vec::new();
        for _ in 0..10 {
            stage.script.will(method, Answer::Wait);
            nodes.push(stage.node_in(state).await);
        }

        let mut asked = JoinSet::new();
        for node in nodes.clone() {
            let stage = Arc::clone(&stage);
            asked.spawn(async move { stage.ask(&node, good(verb)).await });
        }
        let answers = asked.join_all().await;

        let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(accepted, ROOM, "{verb}: {answers:?}");
        for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            let ConductorError::ConcurrentActionLimit { running: 3, limit: 3, .. } = refused else {
                panic!("{verb}: {refused:?}")
            };
        }
        let mut untouched = 0;
        for node in &nodes {
            let now = stage.stored(node).await;
            untouched += usize::from(now.provision_state == state && now.reservation.is_none());
        }
        assert_eq!(untouched, nodes.len() - ROOM, "{verb}");
    }
}

#[tokio::test]
async fn the_limit_is_not_asked_for_automated_cleaning() {
    let stage = Stage::new(ConductorConfig { max_concurrent_clean: 0, ..quick() }).await;
    let node = stage.node_in(S::Manageable).await;

    stage.verb(&node, Verb::Provide).await;

    stage.settled(&node, S::Available).await;
}

#[tokio::test]
async fn groups_can_be_limited_by_themselves() {
    for alone in [true, false] {
        let config = ConductorConfig {
            max_concurrent_deploy: 1,
            max_concurrent_per_conductor_group: alone,
            ..quick()
        };
        let stage = Stage::new(config).await;
        let other = Node { conductor_group: "other".to_owned(), ..node(S::Deploying) };
        stage.store.node_create(&other).await.unwrap();
        let node = stage.node_in(S::Available).await;

        let asked = stage.ask(&node, good(Verb::Active)).await;

        assert_eq!(asked.is_ok(), alone, "{asked:?}");
        stage.unlocked(&node).await;
    }
}

#[tokio::test]
async fn without_a_worker_every_verb_puts_the_node_back_and_says_so() {
    let cases = [
        (Verb::Manage, S::Enroll),
        (Verb::Provide, S::Manageable),
        (Verb::Clean, S::Manageable),
        (Verb::Active, S::Available),
        (Verb::Rebuild, S::Active),
        (Verb::Deleted, S::DeployFail),
        (Verb::Service, S::Active),
        (Verb::Unhold, S::ServiceHold),
        (Verb::Unhold, S::CleanHold),
    ];
    for (verb, state) in cases {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(state).await;
        let mut notifications = stage.tasks().shared().notifier.subscribe();
        let workers = &stage.tasks().shared().workers;
        let _busy: Vec<_> = std::iter::from_fn(|| workers.acquire().ok()).collect();

        let refused = stage.ask(&node, good(verb)).await;

        assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { .. })), "{verb}: {refused:?}");
        let after = stage.stored(&node).await;
        assert_eq!(
            (after.provision_state, after.target_provision_state, after.reservation),
            (state, node.target_provision_state, None)
        );
        assert_eq!(after.last_error.as_deref(), Some("No free conductor workers available"));
        assert!(notifications.try_recv().is_err(), "a change that was put back is not told");
        assert_eq!(stage.history(&node).await.len(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_found_is_said_so() {
    let stage = Stage::new(quick()).await;

    let refused = stage.conductor.provision(context(), &NodeName::from("n1"), good(Verb::Manage)).await;

    assert!(refused.is_err_and(|error| error.is_node_not_found()));
}

#[test]
fn debug_output_shows_neither_password_nor_config_drive() {
    let request = ProvisionRequest {
        configdrive: Some(json!("canary")),
        rescue_password: Some(Secret::new("canary".to_owned())),
        ..ProvisionRequest::new(Verb::Rescue)
    };

    assert!(!format!("{request:?}").contains("canary"));
}
