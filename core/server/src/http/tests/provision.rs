//! Moving nodes through their life, and what is refused on the way.

use axum::http::Method;
use farrier_model::provision::machine::next;
use farrier_model::provision::{ProvisionState, VERBS};
use serde_json::{Value, json};

use super::{Answer, Api, NODE};

const PATH: &str = "/v1/nodes/node-1/states/provision";

/// Status, name and text of an error.
fn refusal(answer: &Answer) -> String {
    let name = answer.headers.get("x-farrier-error").map(|name| name.to_str().unwrap().to_owned());
    let (status, text) = answer.error().split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    format!("{status} {} {text}", name.unwrap_or_default())
}

/// Asks for a target, which must be accepted, and waits until the node is at rest; its state.
async fn move_to(api: &Api, body: Value) -> String {
    let answer = api.put(PATH, body).await;
    assert_eq!((answer.status, &answer.body), (202, &Value::Null), "{answer:?}");
    assert_eq!(answer.header("location"), "http://127.0.0.1:6385/v1/nodes/node-1/states");
    api.idle("node-1").await["provision_state"].as_str().unwrap().to_owned()
}

async fn target(api: &Api, target: &str) -> String {
    move_to(api, json!({"target": target})).await
}

/// The node as it is stored, without the lock.
async fn stored(api: &Api) -> Value {
    let node = api.get("/v1/nodes/node-1").await.body;
    assert_eq!(node["reservation"], Value::Null);
    node
}

#[tokio::test]
async fn a_node_goes_through_its_life() {
    let api = Api::new().await;
    api.enroll(json!({})).await;

    assert_eq!(target(&api, "manage").await, "manageable");
    assert_eq!(target(&api, "inspect").await, "manageable");
    let clean = json!({"target": "clean", "clean_steps": [{"interface": "bios", "step": "factory_reset"}]});
    assert_eq!(move_to(&api, clean).await, "manageable");
    assert_eq!(target(&api, "provide").await, "available");
    assert_eq!(target(&api, "manage").await, "manageable");
    assert_eq!(target(&api, "provide").await, "available");
    assert_eq!(target(&api, "deploy").await, "active");
    assert_eq!(target(&api, "rebuild").await, "active");
    let service =
        json!({"target": "service", "service_steps": [{"interface": "vendor", "step": "log_passthrough"}]});
    assert_eq!(move_to(&api, service).await, "active");
    assert_eq!(move_to(&api, json!({"target": "rescue", "rescue_password": "x"})).await, "rescue");
    assert_eq!(target(&api, "unrescue").await, "active");
    assert_eq!(target(&api, "undeploy").await, "available");
    assert_eq!(target(&api, "manage").await, "manageable");
    assert_eq!(target(&api, "adopt").await, "active");
    assert_eq!(target(&api, "deleted").await, "available");
    let node = stored(&api).await;
    assert_eq!((&node["last_error"], &node["maintenance"]), (&Value::Null, &json!(false)));
}

#[tokio::test]
async fn what_a_client_gave_is_gone_with_the_instance() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    target(&api, "manage").await;
    target(&api, "provide").await;
    let drive = json!({"target": "active", "configdrive": {"meta_data": {"hostname": "hunter2"}}});
    move_to(&api, drive).await;
    let active = stored(&api).await;
    assert_eq!(active["instance_info"]["configdrive"], "******");

    target(&api, "deleted").await;

    assert_eq!(stored(&api).await["instance_info"], json!({}));
}

/// Every verb in every state in which it leads nowhere.
#[tokio::test]
async fn a_verb_that_leads_nowhere_is_400_and_changes_nothing() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let mut refused = 0;
    for state in ProvisionState::ALL {
        let target = state.default_target().map(ProvisionState::as_str);
        api.put_into("node-1", state.as_str(), target).await;
        let before = stored(&api).await;
        for (verb, _, event) in VERBS.iter().filter(|(_, _, event)| next(state, *event).is_err()) {
            let answer = api.put(PATH, json!({"target": verb})).await;

            let expected = format!(
                "400 InvalidStateRequested The requested action \"{verb}\" can not be performed on node \
                 \"{NODE}\" while it is in state \"{state}\"."
            );
            assert_eq!(refusal(&answer), expected, "{event} in {state}");
            refused += 1;
        }
        assert_eq!(stored(&api).await, before, "{state}");
    }
    assert_eq!(refused, 30 * VERBS.len() - legal());
}

/// How many verbs lead somewhere, over all states.
fn legal() -> usize {
    let states = ProvisionState::ALL.iter();
    states.map(|state| VERBS.iter().filter(|(_, _, event)| next(*state, *event).is_ok()).count()).sum()
}

#[tokio::test]
async fn a_verb_that_leads_nowhere_is_409_while_somebody_may_move_the_node() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let node = api.store.node_get_by_name("node-1").await.unwrap();
    api.store.node_reserve(node.id, "host-2", "testing").await.unwrap();

    let refused = [
        refusal(&api.put(PATH, json!({"target": "active"})).await),
        refusal(&api.put(PATH, json!({"target": "bogus"})).await),
        refusal(&api.put(PATH, json!({"target": "manage"})).await),
    ];

    let locked = format!(
        "409 NodeLocked Node {NODE} is locked by host host-2, please retry after the current operation is completed."
    );
    assert!(refused.iter().all(|text| *text == locked), "{refused:#?}");
}

/// A node in a state, with some members, and what is asked of it.
struct Wrong {
    state: &'static str,
    members: Value,
    version: &'static str,
    body: Value,
}

fn wrong(state: &'static str, body: Value) -> Wrong {
    Wrong { state, members: json!([]), version: "latest", body }
}

fn with(state: &'static str, members: &[(&str, Value)], body: Value) -> Wrong {
    let patch =
        members.iter().map(|(name, value)| json!({"op": "add", "path": format!("/{name}"), "value": value}));
    Wrong { members: patch.collect(), ..wrong(state, body) }
}

fn steps(verb: &str, steps: Value) -> Value {
    let member = match verb {
        "active" => "deploy_steps".to_owned(),
        verb => format!("{verb}_steps"),
    };
    json!({"target": verb, member: steps})
}

fn deploy(step: &str, args: Value) -> Value {
    json!({"interface": "deploy", "step": step, "args": args, "priority": 50})
}

/// A cleaning whose steps have to do without the agent.
fn without_ramdisk(steps: Value) -> Value {
    json!({"target": "clean", "clean_steps": steps, "disable_ramdisk": true})
}

/// Wrong bodies, members, steps and arguments, and nodes that do not allow what is legal in their state.
fn wrong_requests() -> Vec<Wrong> {
    let maintenance = || [("maintenance", json!(true))];
    let reset = json!({"interface": "bios", "step": "factory_reset"});
    vec![
        wrong("enroll", json!({})),
        wrong("enroll", json!({"target": null})),
        wrong("enroll", json!({"target": 1})),
        wrong("enroll", json!({"target": "bogus"})),
        wrong("enroll", json!({"target": "manage", "bogus": 1})),
        wrong("enroll", json!({"target": "manage", "clean_steps": [reset]})),
        wrong("enroll", json!({"target": "manage", "configdrive": "http://192.0.2.1/drive"})),
        wrong("enroll", json!({"target": "manage", "rescue_password": "hunter2"})),
        wrong("enroll", json!({"target": "manage", "disable_ramdisk": true})),
        wrong("enroll", json!({"target": "manage", "runbook": "CUSTOM_R"})),
        wrong("manageable", json!({"target": "clean"})),
        wrong("manageable", steps("clean", json!([]))),
        wrong("manageable", steps("clean", json!({}))),
        wrong("manageable", steps("clean", json!([1]))),
        wrong("manageable", steps("clean", json!([{"step": "nosuch"}]))),
        wrong("manageable", steps("clean", json!([{"interface": "bios"}]))),
        wrong("manageable", steps("clean", json!([{"interface": "bios", "step": ""}]))),
        wrong("manageable", steps("clean", json!([{"interface": "bogus", "step": "x"}]))),
        wrong("manageable", steps("clean", json!([{"interface": "network", "step": "x"}]))),
        wrong("manageable", steps("clean", json!([{"interface": "bios", "step": "x", "priority": 1}]))),
        wrong("manageable", steps("clean", json!([{"interface": "bios", "step": "x", "args": 1}]))),
        with("manageable", &maintenance(), steps("clean", json!([reset]))),
        with("manageable", &[("retired", json!(true))], json!({"target": "provide"})),
        with("manageable", &[("inspect_interface", json!("no-inspect"))], json!({"target": "inspect"})),
        with("available", &maintenance(), json!({"target": "active"})),
        wrong("available", json!({"target": "active", "configdrive": 5})),
        wrong("available", json!({"target": "active", "configdrive": {"bogus": {}}})),
        wrong("available", steps("active", json!([{"interface": "deploy", "step": "x", "args": {}}]))),
        wrong(
            "available",
            steps("active", json!([{"interface": "deploy", "step": "x", "args": {}, "priority": -1}])),
        ),
        with("active", &maintenance(), json!({"target": "rebuild"})),
        with("active", &[("protected", json!(true))], json!({"target": "rebuild"})),
        with("active", &[("protected", json!(true))], json!({"target": "deleted"})),
        wrong("active", json!({"target": "rescue"})),
        wrong("active", json!({"target": "rescue", "rescue_password": ""})),
        with("active", &maintenance(), json!({"target": "rescue", "rescue_password": "hunter2"})),
        with(
            "active",
            &[("rescue_interface", json!("no-rescue")), ("maintenance", json!(false))],
            json!({"target": "rescue", "rescue_password": "hunter2"}),
        ),
        wrong("active", json!({"target": "service"})),
        with("active", &maintenance(), steps("service", json!([reset]))),
        with("rescue", &maintenance(), json!({"target": "unrescue"})),
        with("service failed", &maintenance(), json!({"target": "abort"})),
        Wrong { version: "1.3", ..wrong("enroll", json!({"target": "manage"})) },
        Wrong { version: "1.14", ..wrong("manageable", steps("clean", json!([reset]))) },
        Wrong { version: "1.16", ..wrong("manageable", json!({"target": "adopt"})) },
        Wrong { version: "1.72", ..wrong("available", json!({"target": "deploy"})) },
        Wrong { version: "1.34", ..wrong("active", json!({"target": "rebuild", "configdrive": "x"})) },
        Wrong { version: "1.40", ..wrong("inspect wait", json!({"target": "abort"})) },
        Wrong { version: "1.109", ..wrong("wait call-back", json!({"target": "abort"})) },
    ]
}

/// Steps that nobody knows, or that are given wrong.
fn wrong_steps() -> Vec<Wrong> {
    let reset = json!({"interface": "bios", "step": "factory_reset"});
    vec![
        wrong(
            "available",
            steps("active", json!([deploy("nosuch", json!({})), deploy("nosuch", json!({}))])),
        ),
        wrong("available", steps("active", json!([deploy("deploy", json!({}))]))),
        wrong(
            "available",
            steps("active", json!([{"interface": "network", "step": "x", "args": {}, "priority": 1}])),
        ),
        wrong(
            "available",
            steps("active", json!([{"interface": "deploy", "step": "x", "args": {}, "priority": "high"}])),
        ),
        wrong("available", json!({"target": "active", "clean_steps": [reset]})),
        wrong("manageable", without_ramdisk(json!([{"interface": "bios", "step": "nosuch"}]))),
        wrong("manageable", without_ramdisk(json!([reset]))),
        wrong(
            "manageable",
            steps("clean", json!([{"interface": "bios", "step": "factory_reset", "args": {"bogus": 1}}])),
        ),
        wrong("manageable", steps("clean", json!([{"interface": "bios", "step": "apply_configuration"}]))),
        wrong("manageable", json!({"target": "clean", "clean_steps": [reset], "disable_ramdisk": "maybe"})),
        wrong("manageable", json!({"target": "clean", "clean_steps": [reset], "runbook": "CUSTOM_R"})),
        wrong("manageable", json!({"target": "clean", "runbook": "CUSTOM_R"})),
        wrong(
            "active",
            steps(
                "service",
                json!([{"interface": "vendor", "step": "log_passthrough", "args": {"bogus": 1}}]),
            ),
        ),
        wrong(
            "active",
            steps("service", json!([{"interface": "vendor", "step": "log_passthrough", "order": "first"}])),
        ),
        wrong("active", json!({"target": "rescue", "rescue_password": 1})),
    ]
}

/// The refusals of requests, each of which has changed nothing and left no lock.
async fn refusals(requests: Vec<Wrong>) -> String {
    let mut refused = Vec::new();
    for Wrong { state, members, version, body } in requests {
        let api = Api::new().await;
        api.enroll(json!({})).await;
        // Interfaces change where nodes are at rest, protection where they are in use.
        let protects = members.to_string().contains("protected");
        api.put_into("node-1", if protects { "active" } else { "manageable" }, None).await;
        let patched = api.patch("/v1/nodes/node-1", members).await;
        assert_eq!(patched.status, 200, "{patched:?}");
        let target = state.parse::<ProvisionState>().unwrap().default_target();
        api.put_into("node-1", state, target.map(ProvisionState::as_str)).await;
        let before = stored(&api).await;

        let path = format!("/v1/nodes/{NODE}/states/provision");
        let answer = api.call(version, Method::PUT, &path, body.clone()).await;

        refused.push(format!("{state}: {}", refusal(&answer)));
        let mut after = stored(&api).await;
        // Giving back the lock is a change too, of nothing but this time.
        after["updated_at"] = before["updated_at"].clone();
        assert_eq!(after, before, "{body}");
    }
    refused.join("\n")
}

#[tokio::test]
async fn wrong_steps_are_refused_by_name_change_nothing_and_leave_no_lock() {
    insta::assert_snapshot!(refusals(wrong_steps()).await, @r#"
    available: 400 InstanceDeployFailure Failed to validate deploy or power info for node a1b2c3d4-0001-4000-8000-000000000001: deploy step deploy.nosuch is given more than once
    available: 400 InstanceDeployFailure Failed to validate deploy or power info for node a1b2c3d4-0001-4000-8000-000000000001: deploy step deploy.deploy is the core step: it can be disabled with priority 0, but not overridden
    available: 400 InvalidParameterValue Invalid deploy step 1: `network` is not an interface with deploy steps
    available: 400 InvalidParameterValue Invalid deploy step 1: `priority` has to be an integer of at least 0
    available: 400 ClientSideError "clean_steps" is only valid when setting target provision state to clean
    manageable: 400 InvalidParameterValue node does not support this clean step: bios.nosuch
    manageable: 400 InvalidParameterValue clean step bios.factory_reset requires the ramdisk, which is disabled
    manageable: 400 InvalidParameterValue clean step bios.factory_reset has these unexpected arguments: bogus
    manageable: 400 InvalidParameterValue clean step bios.apply_configuration is missing these required arguments: settings (Settings to apply, each with `name` and `value`)
    manageable: 400 InvalidParameterValue Invalid disable_ramdisk: Unrecognized value 'maybe', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'
    manageable: 400 ClientSideError A runbook and steps can not be given together
    manageable: 400 InvalidParameterValue runbook `CUSTOM_R`: this conductor has no runbooks, give the steps themselves
    active: 400 InvalidParameterValue service step vendor.log_passthrough has these unexpected arguments: bogus
    active: 400 InvalidParameterValue Invalid service step 1: invalid type: string "first", expected u32
    active: 400 InvalidParameterValue Expected string for rescue_password: 1
    "#);
}

#[tokio::test]
async fn wrong_requests_are_refused_by_name_change_nothing_and_leave_no_lock() {
    insta::assert_snapshot!(refusals(wrong_requests()).await, @r#"
    enroll: 400 MissingParameterValue Missing mandatory parameter: target
    enroll: 400 MissingParameterValue Missing mandatory parameter: target
    enroll: 400 InvalidParameterValue Expected string for target: 1
    enroll: 400 InvalidStateRequested The requested action "bogus" can not be performed on node "a1b2c3d4-0001-4000-8000-000000000001" while it is in state "enroll".
    enroll: 400 ClientSideError Unexpected arguments: bogus
    enroll: 400 ClientSideError "clean_steps" is only valid when setting target provision state to clean
    enroll: 400 ClientSideError "configdrive" is only valid when setting target provision state to active, deploy or rebuild
    enroll: 400 ClientSideError "rescue_password" is only valid when setting target provision state to rescue
    enroll: 400 ClientSideError "disable_ramdisk" is only valid when setting target provision state to clean or service
    enroll: 400 ClientSideError "runbook" is only valid when setting target provision state to clean or service
    manageable: 400 ClientSideError "clean_steps" is required when setting target provision state to clean
    manageable: 400 ClientSideError "clean_steps" is required when setting target provision state to clean
    manageable: 400 InvalidParameterValue Expected a list of objects for 'clean_steps'
    manageable: 400 InvalidParameterValue Expected a list of objects for 'clean_steps'
    manageable: 400 InvalidParameterValue Invalid clean step 1: `interface` is a required property
    manageable: 400 InvalidParameterValue Invalid clean step 1: `step` is a required property
    manageable: 400 InvalidParameterValue Invalid clean step 1: `step` is empty
    manageable: 400 InvalidParameterValue Invalid clean step 1: unknown variant `bogus`, expected one of `boot`, `deploy`, `management`, `network`, `power`, `bios`, `console`, `firmware`, `inspect`, `raid`, `rescue`, `storage`, `vendor`
    manageable: 400 InvalidParameterValue Invalid clean step 1: `network` is not an interface with clean steps
    manageable: 400 InvalidParameterValue Invalid clean step 1: `priority` is not a property of clean steps (interface, step, args, order, execute_on_child_nodes, limit_child_node_execution)
    manageable: 400 InvalidParameterValue Invalid clean step 1: invalid type: integer `1`, expected a map
    manageable: 400 NodeInMaintenance Node a1b2c3d4-0001-4000-8000-000000000001 can not be cleaned while it is in maintenance
    manageable: 400 NodeIsRetired Node a1b2c3d4-0001-4000-8000-000000000001 is retired, it can not be made available
    manageable: 400 UnsupportedDriverExtension Driver fake-hardware does not support inspect (disabled or not implemented).
    available: 400 NodeInMaintenance Node a1b2c3d4-0001-4000-8000-000000000001 can not be deployed while it is in maintenance
    available: 400 InvalidParameterValue Schema error for configdrive: the value is not of type 'object', 'string', 'null'
    available: 400 InvalidParameterValue Schema error for configdrive: Additional properties are not allowed ('bogus' was unexpected)
    available: 400 InvalidParameterValue Invalid deploy step 1: `priority` is a required property
    available: 400 InvalidParameterValue Invalid deploy step 1: `priority` has to be an integer of at least 0
    active: 400 NodeInMaintenance Node a1b2c3d4-0001-4000-8000-000000000001 can not be rebuilt while it is in maintenance
    active: 403 NodeProtected node a1b2c3d4-0001-4000-8000-000000000001 is protected: it can not be rebuilt
    active: 403 NodeProtected node a1b2c3d4-0001-4000-8000-000000000001 is protected: it can not be torn down
    active: 400 ClientSideError A non-empty "rescue_password" is required when setting target provision state to rescue
    active: 400 ClientSideError A non-empty "rescue_password" is required when setting target provision state to rescue
    active: 400 NodeInMaintenance Node a1b2c3d4-0001-4000-8000-000000000001 can not be rescued while it is in maintenance
    active: 400 InstanceRescueFailure Node a1b2c3d4-0001-4000-8000-000000000001 can not be rescued: Driver fake-hardware does not support rescue (disabled or not implemented).
    active: 400 ClientSideError "service_steps" is required when setting target provision state to service
    active: 400 NodeInMaintenance Node a1b2c3d4-0001-4000-8000-000000000001 can not be serviced while it is in maintenance
    rescue: 400 NodeInMaintenance Node a1b2c3d4-0001-4000-8000-000000000001 can not be unrescued while it is in maintenance
    service failed: 409 InvalidState The failed service of node a1b2c3d4-0001-4000-8000-000000000001 can not be aborted while it is in maintenance
    enroll: 406 NotAcceptable Request not acceptable.
    manageable: 406 NotAcceptable Request not acceptable.
    manageable: 406 NotAcceptable Request not acceptable.
    available: 406 NotAcceptable Request not acceptable.
    active: 406 NotAcceptable Request not acceptable.
    inspect wait: 406 NotAcceptable Request not acceptable.
    wait call-back: 406 NotAcceptable Request not acceptable.
    "#);
}

#[tokio::test]
async fn a_node_that_does_not_exist_comes_before_everything_but_the_target() {
    let api = Api::new().await;
    let path = "/v1/nodes/nosuch/states/provision";

    assert_eq!(api.put(path, json!({})).await.status, 400);
    for body in [json!({"target": "bogus"}), json!({"target": "clean", "clean_steps": 1})] {
        assert_eq!(api.put(path, body).await.error(), "404 Node nosuch could not be found.");
    }
}
