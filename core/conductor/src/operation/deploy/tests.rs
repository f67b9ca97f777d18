use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_model::step::{RequestedStep, StepKind};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::interface::InterfaceType;
use serde_json::json;

use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::script::Answer;
use crate::script::stage::{Stage, deploy_step, with_steps};
use crate::service::ProvisionRequest;
use crate::task::tests::quick;

/// A stage with an available node.
async fn stage_with(config: ConductorConfig) -> (Stage, Node) {
    let stage = Stage::new(config).await;
    let node = stage.node_in(S::Available).await;
    (stage, node)
}

fn active(steps: Vec<RequestedStep>) -> ProvisionRequest {
    with_steps(Verb::Active, steps)
}

/// The cause of a refusal to deploy.
fn cause(refused: Result<(), ConductorError>) -> ConductorError {
    match refused {
        Err(ConductorError::InstanceDeployFailure { source, .. }) => *source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_deployment_prepares_and_runs_the_steps_of_the_drivers_by_priority() {
    let (stage, node) = stage_with(quick()).await;

    stage.verb(&node, Verb::Active).await;

    let node = stage.settled(&node, S::Active).await;
    assert_eq!(stage.script.calls(), ["deploy.prepare", "deploy.deploy", "management.first"]);
    assert_eq!((node.target_provision_state, node.last_error), (None, None));
    assert!(node.deploy_step.is_empty());
    for key in ["deploy_steps", "deploy_step_index", "user_deploy_steps"] {
        assert!(!node.driver_internal_info.contains_key(key), "{key}");
    }
    let conductor = stage.store.conductor_get("host-1").await.unwrap();
    assert_eq!(node.conductor_affinity, Some(conductor.id));
}

#[tokio::test]
async fn the_history_tells_of_a_deployment() {
    let (stage, node) = stage_with(quick()).await;

    stage.verb(&node, Verb::Active).await;

    stage.settled(&node, S::Active).await;
    let kinds: Vec<_> = stage.history(&node).await.into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, ["deployment_start", "deployment_end"]);
}

#[tokio::test]
async fn steps_of_the_request_replace_add_to_and_remove_those_of_the_drivers() {
    let (stage, node) = stage_with(quick()).await;
    let steps = vec![
        deploy_step("management.told", 95, json!({"what": "x"})),
        deploy_step("management.first", 0, json!({})),
        deploy_step("power.reboot", 1, json!({})),
    ];

    stage.ask(&node, active(steps)).await.unwrap();

    stage.settled(&node, S::Active).await;
    let told = r#"management.told {"what":"x"}"#;
    assert_eq!(stage.script.calls(), ["deploy.prepare", "deploy.deploy", told, "power.reboot"]);
}

#[tokio::test]
async fn the_core_step_can_be_switched_off() {
    let (stage, node) = stage_with(quick()).await;

    stage.ask(&node, active(vec![deploy_step("deploy.deploy", 0, json!({}))])).await.unwrap();

    stage.settled(&node, S::Active).await;
    assert_eq!(stage.script.calls(), ["deploy.prepare", "management.first"]);
}

#[tokio::test]
async fn every_problem_of_the_steps_refuses_the_request_and_changes_nothing() {
    let (stage, node) = stage_with(quick()).await;
    let cases = [
        (vec![deploy_step("deploy.deploy", 5, json!({}))], "core step"),
        (
            vec![deploy_step("management.told", 5, json!({})), deploy_step("management.told", 6, json!({}))],
            "more than once",
        ),
        (
            vec![
                deploy_step("management.told", 5, json!({"where": 1})),
                deploy_step("management.first", 5, json!({"when": 1})),
            ],
            "unexpected arguments: where; deploy step management.told is missing these required arguments: \
             what (What has to be told); deploy step management.first has these unexpected arguments: when",
        ),
    ];
    for (steps, problem) in cases {
        let refused = cause(stage.ask(&node, active(steps)).await);

        assert!(matches!(refused, ConductorError::InvalidParameter { .. }), "{refused:?}");
        assert!(refused.to_string().contains(problem), "{refused}");
        assert_eq!(stage.stored(&node).await, node);
    }
    assert!(stage.script.calls().is_empty());
}

#[tokio::test]
async fn a_removed_step_needs_no_arguments() {
    let (stage, node) = stage_with(quick()).await;

    stage.ask(&node, active(vec![deploy_step("management.told", 0, json!({}))])).await.unwrap();

    stage.settled(&node, S::Active).await;
}

#[tokio::test]
async fn steps_that_were_left_for_an_agent_which_never_came_fail_the_deployment() {
    let (stage, node) = stage_with(quick()).await;

    stage.ask(&node, active(vec![deploy_step("deploy.write_image", 80, json!({}))])).await.unwrap();

    let node = stage.settled(&node, S::DeployFail).await;
    let error = node.last_error.unwrap();
    assert!(error.contains("neither its drivers nor an agent know: deploy.write_image"), "{error}");
}

#[tokio::test]
async fn steps_an_agent_tells_of_come_after_what_has_run() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("deploy.deploy", Answer::Wait);
    stage.ask(&node, active(vec![deploy_step("management.told", 5, json!({"what": "x"}))])).await.unwrap();
    stage.settled(&node, S::DeployWait).await;
    let told = json!({"management": [{"interface": "management", "step": "in_band", "priority": 120}]});
    stage
        .change(&node, |node| {
            node.driver_internal_info.insert("agent_cached_deploy_steps".to_owned(), told);
        })
        .await;
    let mut task = stage.tasks().acquire_exclusive(&node, crate::task::Acquire::default()).await.unwrap();

    super::compose_again(&mut task).await.unwrap();

    task.finish().await.unwrap();
    stage.call_back(&node, StepKind::Deploy).await.unwrap();
    stage.settled(&node, S::Active).await;
    let told = r#"management.told {"what":"x"}"#;
    let calls = ["deploy.prepare", "deploy.deploy", "management.in_band", "management.first", told];
    assert_eq!(stage.script.calls(), calls);
}

#[tokio::test]
async fn a_step_that_not_even_the_agent_knows_is_told_when_it_has_called() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("deploy.deploy", Answer::Wait);
    stage.ask(&node, active(vec![deploy_step("raid.create", 5, json!({}))])).await.unwrap();
    stage.settled(&node, S::DeployWait).await;
    let mut task = stage.tasks().acquire_exclusive(&node, crate::task::Acquire::default()).await.unwrap();

    let refused = super::compose_again(&mut task).await;

    assert!(refused.unwrap_err().to_string().contains("does not support this deploy step: raid.create"));
}

#[tokio::test]
async fn the_config_drive_is_stored() {
    let (stage, node) = stage_with(quick()).await;
    let drive = json!({"meta_data": {"name": "n1"}});
    let request =
        ProvisionRequest { configdrive: Some(drive.clone()), ..ProvisionRequest::new(Verb::Active) };

    stage.ask(&node, request).await.unwrap();

    let node = stage.settled(&node, S::Active).await;
    assert_eq!(node.instance_info.get("configdrive"), Some(&drive));
}

#[tokio::test]
async fn what_the_drivers_miss_refuses_the_request_with_its_own_cause() {
    for method in ["power.validate", "deploy.validate"] {
        let (stage, node) = stage_with(quick()).await;
        stage.script.will(method, Answer::Fail(DriverError::missing_parameter("no image")));

        let refused = cause(stage.ask(&node, ProvisionRequest::new(Verb::Active)).await);

        let ConductorError::Driver { source, .. } = &refused else { panic!("{refused:?}") };
        assert_eq!(source.kind(), ErrorKind::MissingParameter);
        assert_eq!(stage.stored(&node).await, node);
        assert!(stage.script.calls().is_empty());
    }
}

#[tokio::test]
async fn a_deploy_interface_that_does_not_deploy_refuses() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage
        .change(&node, |node| {
            node.extra.insert("supports_deploy".to_owned(), json!(false));
        })
        .await;

    let refused = cause(stage.ask(&node, ProvisionRequest::new(Verb::Active)).await);

    let ConductorError::Driver { source, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(source.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn an_instance_can_only_ask_for_traits_of_its_node() {
    let (stage, node) = stage_with(quick()).await;
    stage.store.node_traits_set(node.id, &["CUSTOM_A".to_owned()]).await.unwrap();
    for (traits, refusal) in [
        (json!(["CUSTOM_A"]), None),
        (json!(null), None),
        (json!(["CUSTOM_A", "CUSTOM_B"]), Some("instance trait CUSTOM_B")),
        (json!("CUSTOM_A"), Some("has to be a list")),
        (json!([1]), Some("has to be a list")),
    ] {
        let node = stage
            .change(&node, |node| {
                node.instance_info.insert("traits".to_owned(), traits.clone());
                node.provision_state = S::Available;
            })
            .await;

        let asked = stage.ask(&node, ProvisionRequest::new(Verb::Active)).await;

        match refusal {
            None => {
                asked.unwrap();
                stage.settled(&node, S::Active).await;
            }
            Some(text) => {
                let refused = cause(asked);
                assert!(matches!(refused, ConductorError::InvalidParameter { .. }), "{refused:?}");
                assert!(refused.to_string().contains(text), "{refused}");
                assert_eq!(stage.stored(&node).await, node);
            }
        }
    }
}

#[tokio::test]
async fn a_protected_node_is_not_rebuilt() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Active).await;
    let node = stage.change(&node, |node| node.protected = true).await;

    let refused = stage.ask(&node, ProvisionRequest::new(Verb::Rebuild)).await;

    assert!(matches!(refused, Err(ConductorError::NodeProtected { .. })), "{refused:?}");
    assert_eq!(stage.stored(&node).await, node);
}

/// Ironic answers 500 to a rebuild of a node without image information; here validation decides, as for `active`.
#[tokio::test]
async fn a_rebuild_without_image_information_is_for_validation_to_decide() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Active).await;
    stage.script.will("deploy.validate", Answer::Fail(DriverError::missing_parameter("no image")));

    let refused = cause(stage.ask(&node, ProvisionRequest::new(Verb::Rebuild)).await);

    assert!(matches!(refused, ConductorError::Driver { .. }), "{refused:?}");
    stage.verb(&node, Verb::Rebuild).await;
    stage.settled(&node, S::Active).await;
    assert_eq!(stage.script.count("deploy.deploy"), 1);
}

#[tokio::test]
async fn a_failed_node_can_be_deployed_and_rebuilt() {
    for (state, verb) in
        [(S::DeployFail, Verb::Active), (S::DeployFail, Verb::Rebuild), (S::Error, Verb::Rebuild)]
    {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(state).await;

        stage.verb(&node, verb).await;

        stage.settled(&node, S::Active).await;
    }
}

#[tokio::test]
async fn a_failed_preparation_is_not_cleaned_up() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("deploy.prepare", "no boot image");

    stage.verb(&node, Verb::Active).await;

    let node = stage.settled(&node, S::DeployFail).await;
    let error = node.last_error.unwrap();
    assert!(error.contains("Failed to prepare to deploy") && error.contains("no boot image"), "{error}");
    assert_eq!(stage.script.calls(), ["deploy.prepare"]);
    assert_eq!(node.target_provision_state, Some(S::Active));
    assert!(!node.maintenance);
}

#[tokio::test]
async fn a_failed_step_is_named_with_its_cause_and_cleaned_up() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("deploy.deploy", "disk is on fire");

    stage.verb(&node, Verb::Active).await;

    let node = stage.settled(&node, S::DeployFail).await;
    let error = node.last_error.clone().unwrap();
    assert!(error.contains("deploy step deploy.deploy") && error.contains("disk is on fire"), "{error}");
    assert_eq!(stage.script.calls(), ["deploy.prepare", "deploy.deploy", "deploy.clean_up"]);
    assert!(node.deploy_step.is_empty());
    assert!(!node.maintenance);
    let kinds: Vec<_> = stage.history(&node).await.into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, ["deployment_start", "deployment_end", "deploying"]);
}

#[tokio::test]
async fn a_clean_up_that_fails_too_is_told_besides() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("deploy.deploy", "disk is on fire");
    stage.script.will_fail("deploy.clean_up", "network is stuck");

    stage.verb(&node, Verb::Active).await;

    let error = stage.settled(&node, S::DeployFail).await.last_error.unwrap();
    assert!(error.contains("disk is on fire") && error.contains("network is stuck"), "{error}");
}

#[tokio::test]
async fn a_deployment_without_steps_fails() {
    let disallow = ["deploy.deploy", "management.first"].map(|id| id.parse().unwrap());
    let (stage, node) =
        stage_with(ConductorConfig { disallow_deploy_steps: disallow.to_vec(), ..quick() }).await;

    stage.verb(&node, Verb::Active).await;

    let node = stage.settled(&node, S::DeployFail).await;
    assert!(node.last_error.unwrap().contains("No deploy steps returned"));
    assert_eq!(stage.script.calls(), ["deploy.prepare", "deploy.clean_up"]);
}

#[tokio::test]
async fn a_node_that_failed_already_is_left_as_it_is() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::DeployFail).await;
    let mut task = stage.tasks().acquire_exclusive(&node, crate::task::Acquire::default()).await.unwrap();

    super::fail(&mut task, "again", super::Failure::default()).await.unwrap();

    task.finish().await.unwrap();
    assert_eq!(stage.stored(&node).await, node);
    assert!(stage.script.calls().is_empty());
}

#[tokio::test]
async fn a_console_that_was_on_before_is_started_again() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage.change(&node, |node| node.console_enabled = true).await;

    stage.verb(&node, Verb::Active).await;

    let node = stage.settled(&node, S::Active).await;
    assert_eq!((stage.script.count("console.start_console"), node.console_enabled), (1, true));
}

#[tokio::test]
async fn a_console_that_does_not_start_is_no_failure_of_the_deployment() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage.change(&node, |node| node.console_enabled = true).await;
    stage.script.will_fail("console.start_console", "port is taken");

    stage.verb(&node, Verb::Active).await;

    let node = stage.settled(&node, S::Active).await;
    assert!(!node.console_enabled);
    assert!(node.last_error.unwrap().contains("port is taken"));
}

#[tokio::test]
async fn another_deploy_interface_may_deploy_and_is_the_node_s_until_it_is_torn_down() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage
        .change(&node, |node| {
            node.extra.insert("switch_to".to_owned(), json!("fake"));
        })
        .await;

    stage.verb(&node, Verb::Active).await;

    let node = stage.settled(&node, S::Active).await;
    assert_eq!(node.interfaces.get(InterfaceType::Deploy), Some("fake"));
    assert_eq!(stage.script.calls(), ["management.first"], "the fake interface deploys");
    stage.change(&node, |node| drop(node.extra.remove("switch_to"))).await;
    stage.verb(&node, Verb::Deleted).await;
    let node = stage.settled(&node, S::Available).await;
    assert_eq!(node.interfaces.get(InterfaceType::Deploy), Some("script"));
}

#[tokio::test]
async fn a_request_that_is_refused_leaves_the_deploy_interface() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage
        .change(&node, |node| {
            node.extra.insert("switch_to".to_owned(), json!("fake"));
        })
        .await;
    stage.script.will("power.validate", Answer::Fail(DriverError::missing_parameter("no address")));

    cause(stage.ask(&node, ProvisionRequest::new(Verb::Active)).await);

    let after = stage.stored(&node).await;
    assert_eq!(after.interfaces, node.interfaces);
    assert!(!after.driver_internal_info.contains_key("original_deploy_interface"));
}

#[tokio::test]
async fn an_interface_that_cannot_be_used_is_not_switched_to() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage
        .change(&node, |node| {
            node.extra.insert("switch_to".to_owned(), json!("ansible"));
        })
        .await;

    let refused = stage.ask(&node, ProvisionRequest::new(Verb::Active)).await;

    assert!(matches!(refused, Err(ConductorError::Registry(_))), "{refused:?}");
    assert_eq!(stage.stored(&node).await, node);
}

#[tokio::test]
async fn noop_deploys_whatever_the_node() {
    let stage = Stage::new(quick()).await;
    let mut node = crate::script::stage::node(S::Available);
    node.interfaces.set(InterfaceType::Deploy, Some("noop".to_owned()));
    node.interfaces.set(InterfaceType::Management, Some("fake".to_owned()));
    let node = stage.enrol(node).await;

    stage.verb(&node, Verb::Active).await;

    let node = stage.settled(&node, S::Active).await;
    assert_eq!(node.last_error, None);
    let (_, _, began) = &stage.history(&node).await[0];
    assert_eq!(began, "deployment began with steps deploy.deploy");
}

#[tokio::test]
async fn a_boot_mode_that_the_operator_forbids_is_refused() {
    let config = ConductorConfig { disallowed_deployment_boot_modes: vec!["BIOS".to_owned()], ..quick() };
    let (bios, uefi) = (json!({"boot_mode": "bios"}), json!("boot_mode:uefi"));
    let nothing = serde_json::Value::Null;
    for (asked, of_instance, of_machine, reported, refused) in [
        (None, &nothing, &nothing, None, false),
        (None, &nothing, &nothing, Some("bios"), true),
        (None, &nothing, &uefi, Some("bios"), false),
        (None, &bios, &uefi, Some("uefi"), true),
        (Some("uefi"), &bios, &bios, Some("bios"), false),
        (Some("bios"), &uefi, &uefi, None, true),
    ] {
        let (stage, node) = stage_with(config.clone()).await;
        let node = stage
            .change(&node, |node| {
                node.boot_mode = reported.map(str::to_owned);
                node.instance_info.insert("capabilities".to_owned(), of_instance.clone());
                node.properties.insert("capabilities".to_owned(), of_machine.clone());
                if let Some(asked) = asked {
                    node.instance_info.insert("deploy_boot_mode".to_owned(), json!(asked));
                }
            })
            .await;

        let answer = stage.ask(&node, active(Vec::new())).await;

        let forbidden =
            matches!(&answer, Err(ConductorError::BootModeNotAllowed { mode, .. }) if mode == "bios");
        assert_eq!(forbidden, refused, "{asked:?} {of_instance} {of_machine} {reported:?}: {answer:?}");
        if refused {
            assert_eq!(stage.stored(&node).await, node, "nothing has changed and no lock is left");
        }
    }
}

#[tokio::test]
async fn facts_about_the_machine_are_read_anew_when_a_deployment_has_changed_them() {
    for (step, vendor) in [("bios.apply_configuration", Some(json!("acme"))), ("management.first", None)] {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(S::Deploying).await;
        let (interface, name) = step.split_once('.').unwrap();
        let steps = json!([{"interface": interface, "step": name, "priority": 10}]);
        let node = stage
            .change(&node, |node| drop(node.driver_internal_info.insert("deploy_steps".to_owned(), steps)))
            .await;
        let mut task = stage.tasks().acquire_exclusive(&node, crate::task::Acquire::default()).await.unwrap();

        super::finish(&mut task).await.unwrap();

        task.finish().await.unwrap();
        let node = stage.settled(&node, S::Active).await;
        assert_eq!(node.properties.get("vendor"), vendor.as_ref(), "{step}");
    }
}
