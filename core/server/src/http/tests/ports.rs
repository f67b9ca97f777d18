//! Ports.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Api, NODE};

const PORT: &str = "b1b2c3d4-0002-4000-8000-000000000002";

async fn with_port() -> Api {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let port = json!({"address": "52:54:00:AA:00:02", "node_uuid": NODE, "uuid": PORT, "extra": {"a": "b"}});
    let answer = api.post("/v1/ports", port).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("location"), format!("http://127.0.0.1:6385/v1/ports/{PORT}"));
    assert_eq!(answer.body["address"], "52:54:00:aa:00:02");
    assert_eq!(answer.body["pxe_enabled"], true);
    assert_eq!(answer.body["node_uuid"], NODE);
    api
}

#[tokio::test]
async fn ports_are_found_by_what_they_belong_to() {
    let api = with_port().await;
    api.post("/v1/nodes", json!({"driver": "fake-hardware", "name": "other"})).await;

    for (path, found) in [
        ("/v1/ports", true),
        ("/v1/ports/detail", true),
        ("/v1/ports?node=node-1", true),
        (&format!("/v1/ports?node_uuid={NODE}"), true),
        ("/v1/ports?node=other", false),
        ("/v1/ports?address=52:54:00:AA:00:02", true),
        ("/v1/ports?address=52:54:00:aa:00:03", false),
        ("/v1/ports?shard=s1", false),
        ("/v1/ports?conductor_groups=elsewhere", false),
        ("/v1/ports?portgroup=nosuch", false),
        ("/v1/nodes/node-1/ports", true),
        ("/v1/nodes/node-1/ports/detail", true),
        ("/v1/nodes/other/ports", false),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.column("ports", "uuid"), if found { vec![PORT] } else { vec![] }, "{path}");
    }
    assert_eq!(api.get("/v1/ports?node=nosuch").await.error(), "404 Node nosuch could not be found.");
    assert_eq!(api.get("/v1/ports?address=bogus").await.status, 400);
}

#[tokio::test]
async fn the_short_form_shows_what_the_whole_port_does() {
    let api = with_port().await;

    for (version, path, names) in [
        ("1.1", "/v1/ports", ["address", "uuid"].as_slice()),
        ("latest", "/v1/ports", &["address", "uuid"]),
        ("latest", "/v1/ports?fields=address", &["address"]),
    ] {
        let short = api.call(version, Method::GET, path, Value::Null).await.body;
        let mut whole = api.call(version, Method::GET, "/v1/ports/detail", Value::Null).await.body;

        let port = whole["ports"][0].as_object_mut().unwrap();
        port.retain(|name, _| name == "links" || names.contains(&name.as_str()));
        assert_eq!(short, whole, "{version} {path}");
    }
}

#[tokio::test]
async fn ports_that_make_no_sense_are_refused() {
    let api = with_port().await;
    let other = "11111111-2222-4333-8444-555555555555";
    let mut texts = Vec::new();
    for body in [
        json!({"address": "52:54:00:aa:00:02", "node_uuid": NODE}),
        json!({"address": "52:54:00:aa:00:09", "node_uuid": NODE, "uuid": PORT}),
        json!({"address": "not-a-mac", "node_uuid": NODE}),
        json!({"address": "52:54:00:aa:00:09", "node_uuid": other}),
        json!({"address": "52:54:00:aa:00:09", "node_uuid": NODE, "portgroup_uuid": other}),
        json!({"address": "52:54:00:aa:00:09"}),
    ] {
        texts.push(api.post("/v1/ports", body).await.error());
    }

    insta::assert_snapshot!(texts.join("\n"), @"
        409 A port with MAC address 52:54:00:aa:00:02 already exists.
        409 A port with UUID b1b2c3d4-0002-4000-8000-000000000002 already exists.
        400 Expected valid MAC address for address: not-a-mac
        400 Node 11111111-2222-4333-8444-555555555555 could not be found.
        400 Port group 11111111-2222-4333-8444-555555555555 could not be found.
        400 Schema error for port: 'node_uuid' is a required property
        ");
}

#[tokio::test]
async fn a_port_s_node_may_be_named_from_some_version_on() {
    let api = with_port().await;
    let port = json!({"address": "52:54:00:aa:00:09", "node_uuid": "node-1"});

    assert_eq!(api.call("1.93", Method::POST, "/v1/ports", port.clone()).await.status, 400);
    assert_eq!(api.call("1.94", Method::POST, "/v1/ports", port).await.status, 201);
}

#[tokio::test]
async fn a_patch_changes_a_port() {
    let api = with_port().await;
    let other = api.post("/v1/nodes", json!({"driver": "fake-hardware", "name": "other"})).await;
    let path = format!("/v1/ports/{PORT}");

    let changed = api
        .patch(
            &path,
            json!([
                {"op": "add", "path": "/address", "value": "52:54:00:AA:00:03"},
                {"op": "add", "path": "/extra/c", "value": "d"},
                {"op": "remove", "path": "/extra/a"},
                {"op": "add", "path": "/pxe_enabled", "value": "False"},
                {"op": "add", "path": "/physical_network", "value": "net"},
                {"op": "replace", "path": "/node_uuid", "value": "other"},
            ]),
        )
        .await;

    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["address"], "52:54:00:aa:00:03");
    assert_eq!(changed.body["extra"], json!({"c": "d"}));
    assert_eq!(changed.body["pxe_enabled"], false);
    assert_eq!(changed.body["physical_network"], "net");
    assert_eq!(changed.body["node_uuid"], other.body["uuid"]);
    let refused = [
        json!([{"op": "replace", "path": "/address", "value": "bogus"}]),
        json!([{"op": "replace", "path": "/node_uuid", "value": "nosuch"}]),
        json!([{"op": "replace", "path": "/uuid", "value": NODE}]),
        json!([{"op": "remove", "path": "/address"}]),
    ];
    for body in refused {
        assert_eq!(api.patch(&path, body.clone()).await.status, 400, "{body}");
    }
    assert_eq!(api.get(&path).await.body["address"], "52:54:00:aa:00:03");
}

#[tokio::test]
async fn a_deleted_port_is_gone() {
    let api = with_port().await;
    let path = format!("/v1/ports/{PORT}");

    assert_eq!(api.delete(&path).await.status, 204);

    let gone = format!("404 Port {PORT} could not be found.");
    assert_eq!(api.get(&path).await.error(), gone);
    assert_eq!(api.delete(&path).await.error(), gone);
    assert_eq!(api.patch(&path, json!([])).await.error(), gone);
    assert_eq!(api.get("/v1/ports/no-uuid").await.status, 400);
}

#[tokio::test]
async fn a_port_is_shown_as_its_version_knows_it() {
    let api = with_port().await;
    let path = format!("/v1/ports/{PORT}");

    let (old, new) = (api.call("1.1", Method::GET, &path, Value::Null).await, api.get(&path).await);

    assert!(!old.names().contains(&"pxe_enabled"));
    assert_eq!(new.names().len(), farrier_api::port::PORT.fields.len());
    assert_eq!(api.get(&format!("{path}?fields=address")).await.names(), ["address", "links"]);
}
