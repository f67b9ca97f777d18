use farrier_model::port::Port;
use farrier_model::provision::ProvisionState as S;

use super::*;
use crate::config::ConductorConfig;
use crate::script::{self, Script};
use crate::task::tests::{Fixture, quick};

async fn fixture() -> (Fixture, Script) {
    script::fixture(quick()).await
}

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

/// A node in `state`, and what else is said of it.
async fn node_in(fixture: &Fixture, state: S, change: impl FnOnce(&mut Node)) -> Node {
    let mut node = Node {
        provision_state: state,
        target_provision_state: state.default_target(),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    change(&mut node);
    fixture.enrol(node).await
}

fn with_token(node: &mut Node) {
    node.driver_internal_info.insert(agent::TOKEN.to_owned(), json!("token"));
}

async fn beat(fixture: &Fixture, node: &Node, heartbeat: Heartbeat) -> Result<(), ConductorError> {
    fixture.conductor.heartbeat(RequestContext::default(), &node.uuid.into(), heartbeat).await
}

#[tokio::test]
async fn a_heartbeat_is_answered_at_once_and_worked_on_afterwards() {
    let (fixture, _script) = fixture().await;
    let node = node_in(&fixture, S::RescueWait, with_token).await;

    beat(&fixture, &node, heartbeat()).await.unwrap();

    let rescued =
        fixture.eventually(&node, |node| node.provision_state == S::Rescue && !node.is_reserved()).await;
    assert_eq!(rescued.driver_internal_info[agent::URL], "http://192.0.2.7:9999");
}

#[tokio::test]
async fn a_stranger_changes_nothing() {
    let (fixture, _script) = fixture().await;
    let node = node_in(&fixture, S::DeployWait, with_token).await;
    let stranger = Heartbeat { agent_token: Some(Secret::new("guess".to_owned())), ..heartbeat() };

    let refused = beat(&fixture, &node, stranger).await;

    assert!(matches!(refused, Err(ConductorError::InvalidParameter { .. })), "{refused:?}");
    assert_eq!(fixture.stored(&node).await, node);
}

#[tokio::test]
async fn a_first_call_to_a_busy_node_is_to_be_repeated_soon() {
    let (fixture, _script) = fixture().await;
    let node = node_in(&fixture, S::DeployWait, with_token).await;
    fixture.store.node_reserve(node.id, "host-2", "busy").await.unwrap();

    let refused = beat(&fixture, &node, heartbeat()).await;

    assert!(refused.as_ref().is_err_and(ConductorError::is_node_locked), "{refused:?}");
}

#[tokio::test]
async fn a_later_call_to_a_busy_node_is_left_out() {
    let (fixture, script) = fixture().await;
    let node = node_in(&fixture, S::DeployWait, |node| {
        with_token(node);
        node.driver_internal_info.insert(agent::URL.to_owned(), json!("http://192.0.2.7:9999"));
    })
    .await;
    let held = fixture.store.node_reserve(node.id, "host-2", "busy").await.unwrap();

    beat(&fixture, &node, heartbeat()).await.unwrap();

    // What was started has ended when all workers are free.
    drop(script::all_workers(&fixture).await);
    assert_eq!(fixture.stored(&node).await, held);
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn the_reserved_workers_are_not_for_agents() {
    let (fixture, _script) = fixture().await;
    let node = node_in(&fixture, S::DeployWait, with_token).await;
    let mut busy = script::all_workers(&fixture).await;
    // The first ones are those of the normal pool, the last ones those that are kept.
    busy.pop();

    let refused = beat(&fixture, &node, heartbeat()).await;

    assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { .. })), "{refused:?}");
    assert!(fixture.tasks().shared().workers.acquire().is_ok());
}

fn by_address(addresses: &[&str]) -> Lookup {
    Lookup { addresses: addresses.iter().map(|&text| text.to_owned()).collect(), node_uuid: None }
}

async fn lookup(fixture: &Fixture, lookup: &Lookup) -> Result<LookedUp, ConductorError> {
    fixture.conductor.lookup(RequestContext::default(), lookup).await
}

async fn port(fixture: &Fixture, node: &Node, address: &str) {
    fixture.store.port_create(&Port::new(Uuid::new_v4(), node.id, address)).await.unwrap();
}

#[tokio::test]
async fn an_agent_is_given_its_token_once() {
    let (fixture, _script) = fixture().await;
    let node = node_in(&fixture, S::DeployWait, |_| {}).await;
    port(&fixture, &node, "52:54:00:00:00:01").await;
    let asked = by_address(&["52:54:00:00:00:FF", "nonsense", " 52:54:00:00:00:01"]);

    let first = lookup(&fixture, &asked).await.unwrap();
    let second = lookup(&fixture, &asked).await.unwrap();

    let token = first.token.unwrap();
    assert!(43 <= token.expose().len(), "256 bits or nearly so");
    assert!(token.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!((first.node.uuid, first.node.reservation), (node.uuid, None));
    assert!(second.token.is_none());
    let stored = fixture.stored(&node).await;
    assert_eq!(stored.driver_internal_info[agent::TOKEN], token.expose().as_str());
    assert_eq!(stored.reservation, None);
    beat(&fixture, &stored, Heartbeat { agent_token: Some(token), ..heartbeat() }).await.unwrap();
}

#[tokio::test]
async fn tokens_differ() {
    let (fixture, _script) = fixture().await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let node = node_in(&fixture, S::DeployWait, |_| {}).await;
        let asked = Lookup { node_uuid: Some(node.uuid), ..Lookup::default() };
        tokens.push(lookup(&fixture, &asked).await.unwrap().token.unwrap().expose().clone());
    }

    assert_ne!(tokens[0], tokens[1]);
}

#[tokio::test]
async fn agents_are_expected_in_some_states_only() {
    let also = ConductorConfig { fast_track: true, ..quick() };
    for state in S::ALL {
        for (config, expected) in [
            (quick(), LOOKUP_ALLOWED.contains(&state)),
            (also.clone(), LOOKUP_ALLOWED.contains(&state) || FASTTRACK_LOOKUP_ALLOWED_ALSO.contains(&state)),
        ] {
            let (fixture, _script) = script::fixture(config).await;
            let node = node_in(&fixture, state, |_| {}).await;
            let asked = Lookup { node_uuid: Some(node.uuid), ..Lookup::default() };

            let answer = lookup(&fixture, &asked).await;

            assert_eq!(answer.is_ok(), expected, "{state}: {answer:?}");
            if !expected {
                assert!(matches!(answer, Err(ConductorError::NoNodeForAgent)), "{state}");
                assert!(!fixture.stored(&node).await.driver_internal_info.contains_key(agent::TOKEN));
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_machine_is_told_the_same_as_an_unexpected_one() {
    let (fixture, _script) = fixture().await;
    let nodes =
        [node_in(&fixture, S::DeployWait, |_| {}).await, node_in(&fixture, S::DeployWait, |_| {}).await];
    port(&fixture, &nodes[0], "52:54:00:00:00:01").await;
    port(&fixture, &nodes[1], "52:54:00:00:00:02").await;
    let unknown = Lookup { node_uuid: Some(Uuid::new_v4()), ..Lookup::default() };

    for asked in [
        unknown,
        by_address(&["52:54:00:00:00:03"]),
        // Of two nodes.
        by_address(&["52:54:00:00:00:01", "52:54:00:00:00:02"]),
    ] {
        let answer = lookup(&fixture, &asked).await;

        assert!(matches!(answer, Err(ConductorError::NoNodeForAgent)), "{asked:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_agent_says_at_least_one_address() {
    let (fixture, _script) = fixture().await;

    for asked in [by_address(&[]), by_address(&["nonsense", ""])] {
        let answer = lookup(&fixture, &asked).await;

        assert!(matches!(answer, Err(ConductorError::InvalidParameter { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn a_busy_node_gives_no_token_away() {
    let (fixture, _script) = fixture().await;
    let node = node_in(&fixture, S::DeployWait, |_| {}).await;
    fixture.store.node_reserve(node.id, "host-2", "busy").await.unwrap();
    let asked = Lookup { node_uuid: Some(node.uuid), ..Lookup::default() };

    let answer = lookup(&fixture, &asked).await;

    assert!(answer.as_ref().is_err_and(ConductorError::is_node_locked), "{answer:?}");
}

fn fields(value: Value) -> Fields {
    let Value::Object(fields) = value else { panic!("{value} is no mapping") };
    fields
}

async fn found(fixture: &Fixture, found: AgentInventory) -> Result<Node, ConductorError> {
    fixture.conductor.continue_inspection(RequestContext::default(), found).await
}

#[tokio::test]
async fn what_an_agent_found_reaches_the_node_that_waits_for_it() {
    let (fixture, _script) = fixture().await;
    let by_uuid = node_in(&fixture, S::InspectWait, |_| {}).await;
    let by_port = node_in(&fixture, S::InspectWait, |_| {}).await;
    port(&fixture, &by_port, "52:54:00:00:00:01").await;
    let by_bmc = node_in(&fixture, S::InspectWait, |node| {
        node.driver_info.insert("ipmi_address".to_owned(), json!("192.0.2.50"));
    })
    .await;
    let cases = [
        (&by_uuid, Some(by_uuid.uuid), json!({"cpu": {"count": 1}})),
        (&by_port, None, json!({"interfaces": [{"mac_address": "52:54:00:00:00:01"}]})),
        (&by_bmc, None, json!({"bmc_address": "192.0.2.50", "interfaces": []})),
    ];

    for (node, node_uuid, inventory) in cases {
        let plugin_data = fields(json!({"raw": true}));
        let inventory = fields(inventory);
        let sent = AgentInventory { node_uuid, inventory: inventory.clone(), plugin_data };

        let answer = found(&fixture, sent).await.unwrap();

        assert_eq!((answer.uuid, answer.reservation), (node.uuid, None));
        let inspected = fixture
            .eventually(node, |node| node.provision_state == S::Manageable && !node.is_reserved())
            .await;
        let stored = fixture.conductor.inventory(&inspected).await.unwrap();
        assert_eq!((stored.inventory, stored.plugin_data), (inventory, fields(json!({"raw": true}))));
    }
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_taken() {
    let (fixture, _script) = fixture().await;
    let idle = node_in(&fixture, S::Manageable, |node| {
        node.driver_info.insert("ipmi_address".to_owned(), json!("192.0.2.50"));
    })
    .await;
    port(&fixture, &idle, "52:54:00:00:00:01").await;
    for _ in 0..2 {
        node_in(&fixture, S::InspectWait, |node| {
            node.driver_info.insert("ipmi_address".to_owned(), json!("192.0.2.60"));
        })
        .await;
    }
    let sent = |node_uuid, inventory| AgentInventory {
        node_uuid,
        inventory: fields(inventory),
        plugin_data: Fields::new(),
    };

    for sent in [
        sent(Some(idle.uuid), json!({})),
        sent(Some(Uuid::new_v4()), json!({})),
        sent(None, json!({"interfaces": [{"mac_address": "52:54:00:00:00:01"}]})),
        sent(None, json!({"bmc_address": "192.0.2.50"})),
        // Two nodes wait behind this one.
        sent(None, json!({"bmc_address": "192.0.2.60"})),
        sent(None, json!({"bmc_address": "0.0.0.0"})),
        sent(None, json!({})),
    ] {
        let answer = found(&fixture, sent.clone()).await;

        assert!(matches!(answer, Err(ConductorError::NoNodeForAgent)), "{:?}: {answer:?}", sent.inventory);
    }
    assert_eq!(fixture.stored(&idle).await.provision_state, S::Manageable);
}

#[tokio::test]
async fn what_finds_no_worker_can_be_sent_again() {
    let (fixture, _script) = fixture().await;
    let node = node_in(&fixture, S::InspectWait, |_| {}).await;
    let sent = AgentInventory { node_uuid: Some(node.uuid), ..AgentInventory::default() };
    let busy = script::all_workers(&fixture).await;

    let refused = found(&fixture, sent.clone()).await;

    assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { .. })), "{refused:?}");
    assert_eq!(fixture.stored(&node).await.provision_state, S::InspectWait);
    drop(busy);
    found(&fixture, sent).await.unwrap();
}

#[test]
fn the_host_is_found_in_every_form_of_an_address() {
    for (text, expected) in [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:623", "192.0.2.1"),
        ("https://192.0.2.1", "192.0.2.1"),
        ("https://192.0.2.1:8443/redfish/v1", "192.0.2.1"),
        ("https://[2001:db8::1]:8443/", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("bmc.example", "bmc.example"),
        ("", ""),
    ] {
        assert_eq!(host_of(text), expected, "{text}");
    }
}
