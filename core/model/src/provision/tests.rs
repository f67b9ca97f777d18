use super::*;

#[test]
fn row_s8_every_state_text_has_at_most_15_characters() {
    for state in ProvisionState::ALL {
        assert!(state.as_str().chars().count() <= ProvisionState::TEXT_SIZE_MAX, "{state}");
    }
}

#[test]
fn every_state_is_found_by_its_text() {
    for state in ProvisionState::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
    }
}

#[test]
fn names_that_are_no_states_are_refused() {
    for text in ["deleted", "deploy complete", "undeploy", "rebuild", "deploy", "service", "", "Enroll"] {
        assert_eq!(text.parse::<ProvisionState>(), Err(UnknownState(text.to_owned())));
    }
}

#[test]
fn stable_states_are_those_of_the_group() {
    for state in ProvisionState::ALL {
        assert_eq!(state.is_stable(), STABLE.contains(&state), "{state}");
    }
}

#[test]
fn no_state_is_stable_and_unstable() {
    for state in ProvisionState::ALL {
        assert!(!(state.is_stable() && state.is_unstable()), "{state}");
    }
}

#[test]
fn neither_stable_nor_unstable_means_failed_or_on_hold() {
    for state in ProvisionState::ALL {
        let between = !state.is_stable() && !state.is_unstable();
        let text = state.as_str();
        assert_eq!(between, text.ends_with(" failed") || text.ends_with(" hold"), "{state}");
    }
}

#[test]
fn failures_are_the_states_that_say_so() {
    for state in ProvisionState::ALL {
        assert_eq!(state.is_failure(), state.as_str().ends_with(" failed"), "{state}");
    }
}

#[test]
fn states_that_do_not_survive_a_crash_are_unstable() {
    for state in STUCK_TREATED_AS_FAIL {
        assert!(state.is_unstable(), "{state}");
    }
}

#[test]
fn the_verb_table_agrees_with_the_verbs() {
    for &(text, verb, event) in VERBS {
        assert_eq!(text.parse(), Ok(verb));
        assert_eq!(verb.event(), event);
        assert_eq!(verb.as_str().parse(), Ok(verb));
    }
}

#[test]
fn an_event_that_no_client_can_ask_for_is_no_verb() {
    for text in ["done", "fail", "wait", "resume", "hold", "delete", ""] {
        assert_eq!(text.parse::<Verb>(), Err(UnknownVerb(text.to_owned())));
    }
}

#[test]
fn a_state_is_written_as_its_text() {
    let json = serde_json::to_string(&ProvisionState::DeployWait).unwrap();

    assert_eq!(json, "\"wait call-back\"");
    assert_eq!(serde_json::from_str::<ProvisionState>(&json).unwrap(), ProvisionState::DeployWait);
}

/// The groups as the reference has them, in its words.
#[test]
fn groups_have_the_members_of_the_reference() {
    let texts = |group: &[ProvisionState]| {
        let mut texts: Vec<_> = group.iter().map(|state| state.as_str()).collect();
        texts.sort_unstable();
        texts.join(", ")
    };
    let groups = [
        ("stable", STABLE),
        ("unstable", UNSTABLE),
        ("stuck", STUCK_TREATED_AS_FAIL),
        ("delete", DELETE_ALLOWED),
        ("update", UPDATE_ALLOWED),
        ("failure", FAILURE),
        ("lookup", LOOKUP_ALLOWED),
        ("lookup with fast track also", FASTTRACK_LOOKUP_ALLOWED_ALSO),
        ("servicing", SERVICING),
        ("left by the power synchronisation", POWER_SYNC_EXCLUDED),
        ("heartbeat", HEARTBEAT_ALLOWED),
        ("heartbeat that is only recorded", HEARTBEAT_RECORD_ONLY),
        ("interfaces", INTERFACE_UPDATE_ALLOWED),
    ];

    let shown: Vec<_> = groups.into_iter().map(|(name, group)| format!("{name}: {}", texts(group))).collect();

    insta::assert_snapshot!(shown.join("\n"), @r"
    stable: active, available, enroll, error, manageable, rescue
    unstable: adopting, clean wait, cleaning, deleting, deploying, inspect wait, inspecting, rescue wait, rescuing, service wait, servicing, unrescuing, verifying, wait call-back
    stuck: adopting, cleaning, deleting, deploying, inspecting, rescuing, servicing, unrescuing, verifying
    delete: adopt failed, enroll, manageable
    update: adopt failed, clean failed, deploy failed, error, inspect failed, inspect wait, inspecting, rescue failed, service failed, service hold, unrescue failed, verifying
    failure: adopt failed, clean failed, deploy failed, inspect failed, rescue failed, service failed, unrescue failed
    lookup: clean wait, cleaning, deploying, inspect wait, inspecting, rescue wait, rescuing, service wait, wait call-back
    lookup with fast track also: available, enroll, manageable, service hold, servicing
    servicing: service failed, service hold, service wait, servicing
    left by the power synchronisation: adopt failed, clean wait, enroll, wait call-back
    heartbeat: clean hold, clean wait, cleaning, deploy hold, deploying, rescue wait, rescuing, service hold, service wait, servicing, wait call-back
    heartbeat that is only recorded: available, clean hold, cleaning, deploy hold, deploying, enroll, manageable, rescuing, service hold, servicing
    interfaces: available, enroll, inspect wait, inspecting, manageable
    ");
    assert_eq!(STUCK_TREATED_AS_FAIL.first(), Some(&ProvisionState::Deploying), "the order counts too");
}
