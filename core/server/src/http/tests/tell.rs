//! What is told of requests that change records.

use axum::http::Method;
use farrier_conductor::task::Acquire;
use farrier_model::node::NodeName;
use farrier_model::notification::{Level, Notification};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{Api, NODE};

/// The API, and whoever hears what it tells.
async fn listening() -> (Api, broadcast::Receiver<Notification>) {
    let api = Api::new().await;
    let heard = api.conductor.notifier().subscribe();
    (api, heard)
}

fn told(heard: &mut broadcast::Receiver<Notification>) -> Vec<Notification> {
    std::iter::from_fn(|| heard.try_recv().ok()).collect()
}

/// Event types, what they begin with left out.
fn kinds(told: &[Notification]) -> Vec<&str> {
    told.iter().map(|told| told.event_type.trim_start_matches("baremetal.")).collect()
}

#[tokio::test]
async fn a_new_node_is_told_as_asked_for_and_as_stored() {
    let (api, mut heard) = listening().await;

    api.enroll(json!({"driver_info": {"password": "CANARY"}, "owner": "o"})).await;

    let told = told(&mut heard);
    assert_eq!(kinds(&told), ["node.create.start", "node.create.end"]);
    let (start, end) = (&told[0].payload, &told[1].payload);
    assert_eq!((start.name(), start.version()), ("NodeCRUDPayload", "1.15"));
    assert_eq!((&start["uuid"], &start["owner"]), (&json!(NODE), &json!("o")));
    assert_eq!((&start["created_at"], &start["power_interface"]), (&Value::Null, &Value::Null));
    assert!(end["created_at"].is_string(), "{end:?}");
    assert_eq!(end["power_interface"], "fake");
    assert_eq!(end["driver_info"], json!({"password": "******"}));
}

#[tokio::test]
async fn a_node_that_cannot_be_made_is_told_as_an_error() {
    let (api, mut heard) = listening().await;
    api.enroll(json!({})).await;
    told(&mut heard);

    let answer = api.post("/v1/nodes", json!({"driver": "fake-hardware", "name": "node-1"})).await;

    assert_eq!(answer.status, 409, "{answer:?}");
    let told = told(&mut heard);
    assert_eq!(kinds(&told), ["node.create.start", "node.create.error"]);
    assert_eq!((told[0].level, told[1].level), (Level::Info, Level::Error));
    assert_eq!(told[1].payload["name"], "node-1");
}

#[tokio::test]
async fn a_changed_node_is_told_as_asked_for_and_as_stored() {
    let (api, mut heard) = listening().await;
    api.enroll(json!({})).await;
    told(&mut heard);

    api.patch("/v1/nodes/node-1", json!([{"op": "add", "path": "/owner", "value": "me"}])).await;

    let told = told(&mut heard);
    assert_eq!(kinds(&told), ["node.update.start", "node.update.end"]);
    assert_eq!((&told[0].payload["owner"], &told[1].payload["owner"]), (&json!("me"), &json!("me")));
    assert_eq!(told[0].payload["updated_at"], Value::Null);
    assert!(told[1].payload["updated_at"].is_string());
}

#[tokio::test]
async fn maintenance_has_an_action_and_a_payload_of_its_own() {
    let (api, mut heard) = listening().await;
    api.enroll(json!({})).await;
    told(&mut heard);

    api.put("/v1/nodes/node-1/maintenance", json!({"reason": "repair"})).await;
    api.delete("/v1/nodes/node-1/maintenance").await;

    let told = told(&mut heard);
    assert_eq!(
        kinds(&told),
        [
            "node.maintenance_set.start",
            "node.maintenance_set.end",
            "node.maintenance_set.start",
            "node.maintenance_set.end"
        ]
    );
    assert_eq!(told[0].payload.name(), "NodePayload");
    let shown: Vec<_> = told.iter().map(|told| told.payload["maintenance"].clone()).collect();
    assert_eq!(shown, [true, true, false, false]);
    assert_eq!(told[1].payload["maintenance_reason"], "repair");
}

#[tokio::test]
async fn traits_are_told_as_an_update_of_their_node() {
    let (api, mut heard) = listening().await;
    api.enroll(json!({})).await;
    told(&mut heard);

    api.put("/v1/nodes/node-1/traits", json!({"traits": ["CUSTOM_A"]})).await;
    api.delete("/v1/nodes/node-1/traits/CUSTOM_B").await;

    let told = told(&mut heard);
    let expected = ["node.update.start", "node.update.end", "node.update.start", "node.update.error"];
    assert_eq!(kinds(&told), expected);
    let traits: Vec<_> = told.iter().map(|told| told.payload["traits"].clone()).collect();
    assert_eq!(traits, [json!([]), json!(["CUSTOM_A"]), json!(["CUSTOM_A"]), json!(["CUSTOM_A"])]);
}

#[tokio::test]
async fn a_removed_node_is_told_as_it_was() {
    let (api, mut heard) = listening().await;
    api.enroll(json!({})).await;
    told(&mut heard);

    api.delete("/v1/nodes/node-1").await;

    let told = told(&mut heard);
    assert_eq!(kinds(&told), ["node.delete.start", "node.delete.end"]);
    assert_eq!(told[1].payload["name"], "node-1");
}

#[tokio::test]
async fn a_port_is_told_from_its_first_to_its_last_day() {
    let (api, mut heard) = listening().await;
    api.enroll(json!({})).await;
    told(&mut heard);

    let port = api.post("/v1/ports", json!({"node_uuid": NODE, "address": "52:54:00:12:34:56"})).await;
    let path = format!("/v1/ports/{}", port.body["uuid"].as_str().unwrap());
    api.patch(&path, json!([{"op": "add", "path": "/extra/slot", "value": 1}])).await;
    api.delete(&path).await;

    let told = told(&mut heard);
    let expected = [
        "port.create.start",
        "port.create.end",
        "port.update.start",
        "port.update.end",
        "port.delete.start",
        "port.delete.end",
    ];
    assert_eq!(kinds(&told), expected);
    for told in &told {
        assert_eq!((told.payload.name(), told.payload.version()), ("PortCRUDPayload", "1.8"));
        assert_eq!(told.payload["node_uuid"], NODE, "{}", told.event_type);
    }
    assert_eq!(told[2].payload["extra"], json!({"slot": 1}));
}

#[tokio::test]
async fn nothing_is_told_of_what_does_not_exist() {
    let (api, mut heard) = listening().await;

    let answers = [
        api.patch("/v1/nodes/nobody", json!([{"op": "add", "path": "/owner", "value": "me"}])).await,
        api.delete("/v1/nodes/nobody").await,
        api.put("/v1/nodes/nobody/maintenance", json!({})).await,
    ];

    assert!(answers.iter().all(|answer| answer.status == 404), "{answers:?}");
    assert_eq!(told(&mut heard), []);
}

#[tokio::test]
async fn a_change_whose_client_has_gone_does_not_stay_open() {
    let (api, mut heard) = listening().await;
    api.enroll(json!({})).await;
    told(&mut heard);
    let node = api.conductor.node(&NodeName::from(NODE)).await.unwrap();
    let held = api.conductor.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let mut request = Box::pin(api.call("latest", Method::DELETE, "/v1/nodes/node-1", Value::Null));
    while heard.is_empty() {
        assert!(futures_util::poll!(&mut request).is_pending());
        tokio::task::yield_now().await;
    }

    drop(request);

    assert_eq!(kinds(&told(&mut heard)), ["node.delete.start", "node.delete.error"]);
    held.finish().await.unwrap();
}
