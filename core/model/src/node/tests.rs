use super::*;

fn node(state: ProvisionState) -> Node {
    Node { provision_state: state, ..Node::new(Uuid::from_u128(1), "fake-hardware") }
}

#[test]
fn debug_shows_no_mapping() {
    let mut node = node(ProvisionState::Enroll);
    node.driver_info.insert("ipmi_password".into(), "canary".into());
    node.driver_internal_info.insert("agent_secret_token".into(), "canary".into());
    node.instance_info.insert("configdrive".into(), "canary".into());

    assert!(!format!("{node:?}").contains("canary"));
}

#[test]
fn interfaces_may_change_where_nothing_depends_on_them() {
    for state in ProvisionState::ALL {
        let node = node(state);
        let expected =
            ["enroll", "manageable", "available", "inspecting", "inspect wait"].contains(&state.as_str());
        assert_eq!(node.allows_interface_change(), expected, "{state}");
        assert!(Node { maintenance: true, ..node }.allows_interface_change());
    }
}

#[test]
fn a_node_in_transition_may_not_be_edited() {
    let mut node = node(ProvisionState::Deploying);
    node.target_provision_state = Some(ProvisionState::Active);

    assert!(!node.allows_update());

    node.provision_state = ProvisionState::DeployFail;
    assert!(node.allows_update());
}

#[test]
fn an_available_node_may_be_deleted_if_the_operator_says_so() {
    let node = node(ProvisionState::Available);

    assert!(node.allows_delete(DeleteAvailable::Allowed));
    assert!(!node.allows_delete(DeleteAvailable::Refused));
    assert!(Node { maintenance: true, ..node }.allows_delete(DeleteAvailable::Refused));
}

#[test]
fn an_active_node_may_not_be_deleted() {
    assert!(!node(ProvisionState::Active).allows_delete(DeleteAvailable::Allowed));
}

#[test]
fn interfaces_come_in_canonical_order() {
    let mut interfaces = Interfaces::default();
    for kind in InterfaceType::ALL.into_iter().rev() {
        interfaces.set(kind, Some(format!("x-{kind}")));
    }

    let kinds: Vec<_> = interfaces.iter().map(|(kind, _)| kind).collect();

    assert_eq!(kinds, InterfaceType::ALL);
}

#[test]
fn an_interface_can_be_taken_back() {
    let mut interfaces = Interfaces::default();
    interfaces.set(InterfaceType::Power, Some("fake".to_owned()));
    assert_eq!(interfaces.get(InterfaceType::Power), Some("fake"));

    interfaces.set(InterfaceType::Power, None);

    assert_eq!(interfaces, Interfaces::default());
}

#[test]
fn every_fault_is_found_by_its_text() {
    for fault in Fault::ALL {
        assert_eq!(fault.as_str().parse(), Ok(fault));
    }
    assert_eq!("rain".parse::<Fault>(), Err(UnknownFault("rain".to_owned())));
}
