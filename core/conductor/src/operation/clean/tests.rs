use farrier_model::history::Severity;
use farrier_model::node::{Fault, Node};
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::error::DriverError;
use farrier_sdk::interface::InterfaceType;
use serde_json::{Value, json};

use crate::config::ConductorConfig;
use crate::error::ConductorError;
use crate::script::Answer;
use crate::script::stage::{Stage, node, step, step_with, with_steps};
use crate::service::ProvisionRequest;
use crate::task::tests::quick;

/// What an automated cleaning calls when nothing is in its way.
const ALL: [&str; 5] = [
    "deploy.prepare_cleaning",
    "management.first",
    "vendor.equal",
    "management.second",
    "deploy.tear_down_cleaning",
];

fn clean(steps: &[&str]) -> ProvisionRequest {
    with_steps(Verb::Clean, steps.iter().map(|id| step(id)).collect())
}

/// A stage with a manageable node.
async fn stage_with(config: ConductorConfig) -> (Stage, Node) {
    let stage = Stage::new(config).await;
    let node = stage.node_in(S::Manageable).await;
    (stage, node)
}

#[tokio::test]
async fn provide_runs_the_steps_with_a_priority_and_the_node_is_available() {
    let (stage, node) = stage_with(quick()).await;

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::Available).await;
    assert_eq!(stage.script.calls(), ALL);
    assert_eq!((node.target_provision_state, node.last_error), (None, None));
    assert!(node.clean_step.is_empty());
    for key in ["clean_steps", "clean_step_index", "cleaning_polling", "cleaning_disable_ramdisk"] {
        assert!(!node.driver_internal_info.contains_key(key), "{key}");
    }
}

#[tokio::test]
async fn manual_cleaning_runs_the_given_steps_in_their_order_and_the_node_is_manageable() {
    let (stage, node) = stage_with(quick()).await;
    let steps = vec![
        step("management.second"),
        step_with("management.told", json!({"what": "x"})),
        step("management.first"),
    ];

    stage.ask(&node, with_steps(Verb::Clean, steps)).await.unwrap();

    let node = stage.settled(&node, S::Manageable).await;
    assert_eq!(
        stage.script.calls(),
        ["management.second", r#"management.told {"what":"x"}"#, "management.first"]
    );
    assert_eq!((node.target_provision_state, node.last_error), (None, None));
}

#[tokio::test]
async fn the_target_of_manual_cleaning_stays_manageable_through_waits_and_failures() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("management.first", Answer::Wait);
    stage.script.will_fail("management.second", "disk is on fire");
    stage.ask(&node, clean(&["management.first", "management.second"])).await.unwrap();
    let waiting = stage.settled(&node, S::CleanWait).await;
    assert_eq!(waiting.target_provision_state, Some(S::Manageable));

    stage.call_back(&node, farrier_model::step::StepKind::Clean).await.unwrap();

    let failed = stage.settled(&node, S::CleanFail).await;
    assert_eq!(failed.target_provision_state, Some(S::Manageable));
}

#[tokio::test]
async fn cleaning_is_skipped_when_the_node_says_so() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage.change(&node, |node| node.automated_clean = Some(false)).await;

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::Available).await;
    assert!(stage.script.calls().is_empty(), "{:?}", stage.script.calls());
    assert_eq!((node.target_provision_state, node.last_error), (None, None));
}

#[tokio::test]
async fn cleaning_is_skipped_when_the_configuration_says_so_and_the_node_says_nothing() {
    let (stage, node) = stage_with(ConductorConfig { automated_clean: false, ..quick() }).await;
    let other =
        stage.enrol(Node { automated_clean: Some(true), ..crate::script::stage::node(S::Manageable) }).await;

    stage.verb(&node, Verb::Provide).await;
    stage.settled(&node, S::Available).await;
    assert!(stage.script.calls().is_empty());

    stage.verb(&other, Verb::Provide).await;
    stage.settled(&other, S::Available).await;
    assert_eq!(stage.script.calls(), ALL);
}

#[tokio::test]
async fn manual_cleaning_is_never_skipped() {
    let (stage, node) = stage_with(ConductorConfig { automated_clean: false, ..quick() }).await;

    stage.ask(&node, clean(&["management.first"])).await.unwrap();

    stage.settled(&node, S::Manageable).await;
    assert_eq!(stage.script.calls(), ["management.first"]);
}

#[tokio::test]
async fn overrides_switch_steps_off_and_on() {
    let overrides = ["management.first:0", "management.in_band:25", "vendor.equal:1"];
    let config = ConductorConfig {
        clean_step_priority_override: overrides.iter().map(|text| text.parse().unwrap()).collect(),
        ..quick()
    };
    let (stage, node) = stage_with(config).await;

    for _ in 0..2 {
        stage.verb(&node, Verb::Provide).await;
        stage.settled(&node, S::Available).await;
        stage.verb(&node, Verb::Manage).await;
        stage.settled(&node, S::Manageable).await;
    }

    let calls = stage.script.calls();
    let steps: Vec<_> = calls.iter().filter(|call| !call.starts_with("deploy.")).collect();
    let once = ["management.in_band", "management.second", "vendor.equal"];
    assert_eq!(steps, [once, once].concat());
}

#[tokio::test]
async fn forbidden_steps_are_left_out_silently_when_nobody_asked_for_them() {
    let config =
        ConductorConfig { disallow_clean_steps: vec!["management.first".parse().unwrap()], ..quick() };
    let (stage, node) = stage_with(config).await;

    stage.verb(&node, Verb::Provide).await;

    stage.settled(&node, S::Available).await;
    assert_eq!(stage.script.count("management.first"), 0);
    assert_eq!(stage.script.count("management.second"), 1);
}

#[tokio::test]
async fn what_the_drivers_miss_fails_an_automated_cleaning_without_maintenance() {
    for method in ["power.validate", "network.validate"] {
        let (stage, node) = stage_with(quick()).await;
        stage.script.will(method, Answer::Fail(DriverError::missing_parameter("no address")));

        stage.verb(&node, Verb::Provide).await;

        let node = stage.settled(&node, S::CleanFail).await;
        let error = node.last_error.unwrap();
        assert!(error.contains("for cleaning failed") && error.contains("no address"), "{error}");
        assert_eq!((node.maintenance, node.fault), (false, None));
        assert_eq!(stage.script.calls(), ["deploy.tear_down_cleaning"]);
    }
}

#[tokio::test]
async fn a_deploy_interface_that_cannot_say_who_cleans_fails_without_tear_down() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("deploy.switch_interface", Answer::Fail(DriverError::invalid_parameter("no image")));

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    assert!(node.last_error.unwrap().contains("no image"));
    assert!(stage.script.calls().is_empty());
}

#[tokio::test]
async fn a_failed_preparation_is_told_and_torn_down() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("deploy.prepare_cleaning", "no boot image");

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    let error = node.last_error.unwrap();
    assert!(error.contains("Failed to prepare") && error.contains("no boot image"), "{error}");
    assert_eq!(stage.script.calls(), ["deploy.prepare_cleaning", "deploy.tear_down_cleaning"]);
    assert!(!node.maintenance);
}

#[tokio::test]
async fn a_failed_step_is_named_with_its_cause_and_leads_to_maintenance() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("vendor.equal", "disk is on fire");

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    let error = node.last_error.clone().unwrap();
    assert!(error.contains("clean step vendor.equal") && error.contains("disk is on fire"), "{error}");
    assert_eq!((node.maintenance, node.fault), (true, Some(Fault::CleanFailure)));
    assert_eq!(node.maintenance_reason, node.last_error);
    assert_eq!(node.target_provision_state, Some(S::Available));
    assert!(node.clean_step.is_empty());
    assert!(!node.driver_internal_info.contains_key("clean_step_index"));
    assert_eq!(stage.script.count("management.second"), 0);
    assert_eq!(stage.script.count("deploy.tear_down_cleaning"), 1);
}

#[tokio::test]
async fn the_history_tells_of_begin_abortion_and_failure() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("management.second", "disk is on fire");
    let steps = vec![
        step_with("management.told", json!({"what": "x", "password": "hunter2"})),
        step("management.second"),
    ];

    stage.ask(&node, with_steps(Verb::Clean, steps)).await.unwrap();

    stage.settled(&node, S::CleanFail).await;
    let history = stage.history(&node).await;
    let shown: Vec<_> =
        history.iter().map(|(severity, kind, event)| format!("{severity} {kind}: {event}")).collect();
    assert_eq!(
        shown[0],
        r#"INFO manual_cleaning_start: manual cleaning began with steps management.told {"password":"******","what":"x"}, management.second"#
    );
    assert!(
        shown[1]
            .starts_with("ERROR manual_cleaning_end: manual cleaning was aborted in step management.second")
    );
    assert!(shown[2].starts_with("ERROR cleaning: "), "{shown:#?}");
    assert_eq!(shown.len(), 3);
}

#[tokio::test]
async fn the_history_tells_of_a_cleaning_that_went_well() {
    let (stage, node) = stage_with(quick()).await;

    stage.verb(&node, Verb::Provide).await;

    stage.settled(&node, S::Available).await;
    let kinds: Vec<_> =
        stage.history(&node).await.into_iter().map(|(severity, kind, _)| (severity, kind)).collect();
    assert_eq!(
        kinds,
        [
            (Severity::Info, "automated_cleaning_start".to_owned()),
            (Severity::Info, "automated_cleaning_end".to_owned())
        ]
    );
}

#[tokio::test]
async fn flows_are_not_recorded_if_the_operator_does_not_want_it() {
    let (stage, node) = stage_with(ConductorConfig { record_step_flows_in_history: false, ..quick() }).await;
    stage.script.will_fail("management.second", "disk is on fire");

    stage.verb(&node, Verb::Provide).await;

    stage.settled(&node, S::CleanFail).await;
    let kinds: Vec<_> = stage.history(&node).await.into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, ["cleaning"]);
}

#[tokio::test]
async fn without_a_history_the_last_error_is_kept_all_the_same() {
    let (stage, node) = stage_with(ConductorConfig { node_history: false, ..quick() }).await;
    stage.script.will_fail("management.second", "disk is on fire");

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    assert!(node.last_error.clone().unwrap().contains("disk is on fire"));
    assert!(stage.history(&node).await.is_empty());
}

#[tokio::test]
async fn an_entry_of_the_history_says_who_asked_and_where_the_node_was() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("deploy.prepare_cleaning", "no boot image");

    stage.verb(&node, Verb::Provide).await;

    stage.settled(&node, S::CleanFail).await;
    let entries = stage.store.history_list(node.id, &farrier_store::Page::default()).await.unwrap();
    let entry = entries.last().unwrap();
    assert_eq!((entry.user.as_deref(), entry.project.as_deref()), (Some("alice"), Some("test")));
    assert_eq!((entry.state, entry.target_provision_state), (Some(S::Cleaning), Some(S::Available)));
    assert_eq!((entry.conductor.as_str(), entry.severity), ("host-1", Severity::Error));
    assert!(entry.duration_seconds.is_some_and(|seconds| (0..60).contains(&seconds)));
}

#[tokio::test]
async fn a_long_error_is_cut_when_it_is_saved() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("management.second", &"x".repeat(10_000));

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    assert_eq!(node.last_error.unwrap().chars().count(), 4096);
    assert_eq!(node.maintenance_reason.unwrap().chars().count(), 4096);
}

#[tokio::test]
async fn the_reason_an_operator_gave_for_maintenance_is_kept() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage
        .change(&node, |node| {
            node.maintenance = true;
            node.maintenance_reason = Some("new fan".to_owned());
        })
        .await;
    stage.script.will_fail("management.second", "disk is on fire");

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    assert_eq!(node.maintenance_reason.as_deref(), Some("new fan"));
}

#[tokio::test]
async fn a_machine_is_powered_off_after_a_failure_if_the_operator_wants_it() {
    let (stage, node) = stage_with(ConductorConfig { poweroff_in_cleanfail: true, ..quick() }).await;
    stage.script.will_fail("management.second", "disk is on fire");

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    assert_eq!(stage.script.count("power.set_power_state"), 1);
    assert_eq!(node.power_state, Some(farrier_sdk::interface::power::PowerState::Off));
    assert!(node.last_error.unwrap().contains("disk is on fire"));
}

#[tokio::test]
async fn a_power_off_that_fails_leaves_the_failure_of_the_cleaning() {
    let (stage, node) = stage_with(ConductorConfig { poweroff_in_cleanfail: true, ..quick() }).await;
    stage.script.will_fail("management.second", "disk is on fire");
    stage.script.will_fail("power.set_power_state", "fuse is gone");

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    assert!(node.last_error.unwrap().contains("disk is on fire"));
    assert_eq!(node.target_power_state, None);
}

#[tokio::test]
async fn a_tear_down_that_fails_at_the_end_is_not_tried_again() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("deploy.tear_down_cleaning", "network is stuck");

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    let error = node.last_error.unwrap();
    assert!(error.contains("Failed to tear down") && error.contains("network is stuck"), "{error}");
    assert_eq!(stage.script.count("deploy.tear_down_cleaning"), 1);
    assert!(!node.maintenance, "no step was current any more");
}

#[tokio::test]
async fn a_tear_down_that_fails_after_a_step_is_told_besides() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will_fail("management.second", "disk is on fire");
    stage.script.will_fail("deploy.tear_down_cleaning", "network is stuck");

    stage.verb(&node, Verb::Provide).await;

    let error = stage.settled(&node, S::CleanFail).await.last_error.unwrap();
    assert!(error.contains("disk is on fire") && error.contains("network is stuck"), "{error}");
}

#[tokio::test]
async fn a_retired_node_does_not_become_available() {
    let stage = Stage::new(quick()).await;
    for automated_clean in [true, false] {
        let node = Node { retired: true, automated_clean: Some(automated_clean), ..node(S::Active) };
        let node = stage.enrol(node).await;

        stage.verb(&node, Verb::Deleted).await;

        stage.settled(&node, S::Manageable).await;
    }
}

#[tokio::test]
async fn a_retired_node_cannot_be_provided() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage.change(&node, |node| node.retired = true).await;

    let refused = stage.ask(&node, ProvisionRequest::new(Verb::Provide)).await;

    assert!(matches!(refused, Err(ConductorError::NodeIsRetired { .. })), "{refused:?}");
    assert_eq!(stage.stored(&node).await, node);
}

#[tokio::test]
async fn a_node_in_maintenance_is_provided_unless_the_operator_says_no() {
    for allow_provisioning_in_maintenance in [true, false] {
        let (stage, node) =
            stage_with(ConductorConfig { allow_provisioning_in_maintenance, ..quick() }).await;
        let node = stage.change(&node, |node| node.maintenance = true).await;

        let asked = stage.ask(&node, ProvisionRequest::new(Verb::Provide)).await;

        if allow_provisioning_in_maintenance {
            asked.unwrap();
            stage.settled(&node, S::Available).await;
        } else {
            assert!(matches!(asked, Err(ConductorError::NodeInMaintenance { .. })), "{asked:?}");
            assert_eq!(stage.stored(&node).await, node);
        }
    }
}

#[tokio::test]
async fn the_agent_is_booted_only_for_steps_that_need_it() {
    let (stage, node) = stage_with(quick()).await;

    stage.ask(&node, clean(&["management.first", "deploy.hold"])).await.unwrap();

    stage.settled(&node, S::CleanHold).await;
    assert_eq!(stage.script.calls(), ["management.first"]);
    stage.verb(&node, Verb::Unhold).await;
    stage.settled(&node, S::Manageable).await;
    assert_eq!(stage.script.calls(), ["management.first"]);

    stage.ask(&node, clean(&["management.in_band"])).await.unwrap();

    stage.eventually(&node, |node| node.provision_state == S::Manageable && node.reservation.is_none()).await;
    stage.settled(&node, S::Manageable).await;
    let calls =
        ["management.first", "deploy.prepare_cleaning", "management.in_band", "deploy.tear_down_cleaning"];
    assert_eq!(stage.script.calls(), calls);
}

#[tokio::test]
async fn with_the_ramdisk_disabled_nothing_is_booted_and_the_network_not_asked() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("network.validate", Answer::Fail(DriverError::missing_parameter("no network")));
    let request = ProvisionRequest { disable_ramdisk: true, ..clean(&["management.first"]) };

    stage.ask(&node, request).await.unwrap();

    stage.settled(&node, S::Manageable).await;
    assert_eq!(stage.script.calls(), ["management.first"]);
}

#[tokio::test]
async fn steps_nobody_knows_are_looked_for_again_when_the_agent_runs() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("deploy.prepare_cleaning", Answer::Wait);
    stage.ask(&node, clean(&["deploy.erase_devices"])).await.unwrap();
    let waiting = stage.settled(&node, S::CleanWait).await;
    assert!(waiting.clean_step.is_empty());

    let told = json!({"deploy": [{"interface": "deploy", "step": "erase_devices", "priority": 10, "abortable": true}]});
    stage
        .change(&node, |node| {
            node.driver_internal_info.insert("agent_cached_clean_steps".to_owned(), told);
        })
        .await;
    stage.call_back(&node, farrier_model::step::StepKind::Clean).await.unwrap();

    // The step is the agent's, which this deploy interface does not pass on.
    let node = stage.settled(&node, S::CleanFail).await;
    let error = node.last_error.unwrap();
    assert!(error.contains("clean step deploy.erase_devices"), "{error}");
}

#[tokio::test]
async fn steps_nobody_knows_to_the_end_fail_the_cleaning() {
    let (stage, node) = stage_with(quick()).await;

    stage.ask(&node, clean(&["management.first", "deploy.erase_devices"])).await.unwrap();

    let node = stage.settled(&node, S::CleanFail).await;
    let error = node.last_error.unwrap();
    assert!(error.contains("does not support this clean step: deploy.erase_devices"), "{error}");
    assert_eq!(stage.script.calls(), ["deploy.prepare_cleaning", "deploy.tear_down_cleaning"]);
    assert!(!node.maintenance);
}

#[tokio::test]
async fn facts_about_the_machine_are_read_anew() {
    let (stage, node) = stage_with(quick()).await;

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::Available).await;
    assert_eq!(node.properties.get("vendor"), Some(&json!("acme")));
    assert_eq!(node.boot_mode.as_deref(), Some("uefi"));
}

#[tokio::test]
async fn a_machine_that_does_not_tell_its_facts_is_cleaned_all_the_same() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("management.detect_vendor", Answer::Fail(DriverError::unreachable("no answer")));
    stage.script.will("management.detect_vendor", Answer::Fail(DriverError::unsupported("no vendor")));

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::Available).await;
    assert_eq!(node.properties.get("vendor"), None);
    assert_eq!(node.boot_mode.as_deref(), Some("uefi"), "the second time only the vendor was not told");
}

#[tokio::test]
async fn a_deploy_interface_may_let_another_clean_and_is_put_back() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage
        .change(&node, |node| {
            node.extra.insert("switch_to".to_owned(), json!("fake"));
        })
        .await;

    stage.ask(&node, clean(&["deploy.hold", "management.in_band"])).await.unwrap();

    let held = stage.settled(&node, S::CleanHold).await;
    assert_eq!(held.interfaces.get(InterfaceType::Deploy), Some("fake"));
    assert_eq!(held.driver_internal_info.get("original_deploy_interface"), Some(&json!("script")));
    stage.verb(&node, Verb::Unhold).await;
    let node = stage.settled(&node, S::Manageable).await;
    assert_eq!(node.interfaces.get(InterfaceType::Deploy), Some("script"));
    assert!(!node.driver_internal_info.contains_key("original_deploy_interface"));
    assert_eq!(stage.script.calls(), ["management.in_band"]);
}

#[tokio::test]
async fn a_deploy_interface_is_put_back_after_a_failure_too() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage
        .change(&node, |node| {
            node.extra.insert("switch_to".to_owned(), json!("fake"));
        })
        .await;
    stage.script.will_fail("management.first", "disk is on fire");

    stage.ask(&node, clean(&["management.first"])).await.unwrap();

    let node = stage.settled(&node, S::CleanFail).await;
    assert_eq!(node.interfaces.get(InterfaceType::Deploy), Some("script"));
}

#[tokio::test]
async fn a_panicking_driver_fails_the_cleaning() {
    let (stage, node) = stage_with(quick()).await;
    stage.script.will("management.second", Answer::Panic);

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::CleanFail).await;
    assert!(node.last_error.unwrap().contains("clean step management.second"));
}

#[tokio::test]
async fn the_agent_of_before_is_forgotten() {
    let (stage, node) = stage_with(quick()).await;
    let node = stage
        .change(&node, |node| {
            for key in ["agent_url", "agent_secret_token", "agent_cached_clean_steps"] {
                node.driver_internal_info.insert(key.to_owned(), Value::String("x".to_owned()));
            }
        })
        .await;

    stage.verb(&node, Verb::Provide).await;

    let node = stage.settled(&node, S::Available).await;
    for key in ["agent_url", "agent_secret_token", "agent_cached_clean_steps"] {
        assert!(!node.driver_internal_info.contains_key(key), "{key}");
    }
}
