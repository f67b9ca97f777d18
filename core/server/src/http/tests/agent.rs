//! What the deploy agent asks for.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::{Api, NODE};

const MAC: &str = "52:54:00:00:00:01";

/// A node with a port, in a state in which an agent is expected.
async fn waiting(state: &str, target: &str) -> Api {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let port = api.post("/v1/ports", json!({"node_uuid": NODE, "address": MAC})).await;
    assert_eq!(port.status, 201, "{port:?}");
    api.put_into("node-1", state, Some(target)).await;
    api
}

#[tokio::test]
async fn an_agent_finds_its_node_and_gets_its_token_once() {
    let api = waiting("clean wait", "available").await;
    let path = format!("/v1/lookup?addresses=aa:aa:aa:aa:aa:aa,{MAC}");

    let (first, second) = (api.get(&path).await, api.get(&format!("/v1/lookup?node_uuid={NODE}")).await);

    assert_eq!((first.status, second.status), (200, 200), "{first:?}");
    let token = first.body["config"]["agent_token"].as_str().unwrap();
    assert!(32 <= token.len(), "{token}");
    assert_eq!(second.body["config"]["agent_token"], "******");
    assert_eq!(first.body["node"]["uuid"], NODE);
    let names: Vec<_> = first.body["node"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["driver_internal_info", "instance_info", "links", "properties", "uuid"]);
    assert!(!first.body["node"].to_string().contains(token));
    assert_eq!(api.idle("node-1").await["reservation"], Value::Null);
}

#[tokio::test]
async fn nobody_learns_which_nodes_there_are() {
    let api = waiting("active", "rescue").await;

    let answers = [
        api.get(&format!("/v1/lookup?addresses={MAC}")).await,
        api.get("/v1/lookup?addresses=aa:aa:aa:aa:aa:aa").await,
        api.get(&format!("/v1/lookup?node_uuid={NODE}")).await,
        api.get("/v1/lookup?node_uuid=00000000-0000-4000-8000-000000000000").await,
    ];

    let texts: Vec<String> = answers.iter().map(super::Answer::error).collect();
    assert!(texts.iter().all(|text| *text == texts[0] && text.starts_with("404 ")), "{texts:#?}");
    assert_eq!(api.get("/v1/lookup").await.status, 400);
    assert_eq!(api.get("/v1/lookup?addresses=nonsense").await.status, 400);
    assert_eq!(api.get("/v1/lookup?node_uuid=nonsense").await.status, 400);
    assert_eq!(api.call("1.21", Method::GET, "/v1/lookup", Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_locked_node_has_an_agent_come_again() {
    let api = waiting("clean wait", "available").await;
    let node = api.store.node_get_by_name("node-1").await.unwrap();
    api.store.node_reserve(node.id, "host-2", "testing").await.unwrap();

    let answer = api.get(&format!("/v1/lookup?addresses={MAC}")).await;

    assert_eq!((answer.status, answer.header("x-farrier-error")), (409, "NodeLocked"));
}

#[tokio::test]
async fn only_the_agent_of_the_node_is_heard() {
    let api = waiting("clean wait", "available").await;
    let token = api.get(&format!("/v1/lookup?addresses={MAC}")).await.body["config"]["agent_token"].clone();
    let path = format!("/v1/heartbeat/{NODE}");
    let beat = |token: &Value, url: &str| json!({"callback_url": url, "agent_token": token, "agent_version": "13.0.0"});
    let url = "http://192.0.2.1:9999";

    let refused = [
        api.post(&path, json!({})).await.status,
        api.post(&path, json!({"callback_url": url, "agent_version": "1"})).await.status,
        api.post(&path, beat(&json!("wrong"), url)).await.status,
        api.post(&path, json!({"callback_url": url, "agent_token": token})).await.status,
        api.post("/v1/heartbeat/nosuch", beat(&token, url)).await.status,
        api.call("1.35", Method::POST, &path, beat(&token, url)).await.status,
    ];

    assert_eq!(refused, [400, 400, 400, 400, 404, 406]);
    let heard = api.post(&path, beat(&token, url)).await;
    assert_eq!((heard.status, &heard.body), (202, &Value::Null));
}

#[tokio::test]
async fn an_inspection_is_handed_over_without_a_version_too() {
    let api = waiting("inspect wait", "manageable").await;
    let found = json!({
        "inventory": {"interfaces": [{"name": "eth0", "mac_address": MAC}], "cpu": {"count": 4}}, "lldp": {},
    });
    let request = Request::post("/v1/continue_inspection").header("content-type", "application/json");

    let answer = api.send(request.body(Body::from(found.to_string())).unwrap()).await;

    assert_eq!((answer.status, answer.body), (202, json!({"uuid": NODE})));
    api.idle("node-1").await;
    let again = api.post("/v1/continue_inspection", found).await;
    assert_eq!(again.status, 404, "{again:?}");
}

#[tokio::test]
async fn wrong_findings_are_refused_and_newer_agents_hear_more() {
    let api = waiting("inspect wait", "manageable").await;
    const PATH: &str = "/v1/continue_inspection";
    for body in [json!({}), json!([]), json!({"inventory": []})] {
        assert_eq!(api.post(PATH, body).await.status, 400);
    }
    assert_eq!(api.call("1.83", Method::POST, PATH, json!({"inventory": {}})).await.status, 404);
    let stranger = json!({"inventory": {"interfaces": [{"mac_address": "aa:aa:aa:aa:aa:aa"}]}});
    assert_eq!(api.post(PATH, stranger).await.status, 404);

    let answer = api.post(&format!("{PATH}?node_uuid={NODE}"), json!({"inventory": {}})).await;

    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.names(), ["config", "node"]);
}
