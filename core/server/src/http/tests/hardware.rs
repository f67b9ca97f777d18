//! What is known of a machine: BIOS settings, firmware, inventory, history, traits, children, networks.

use std::collections::BTreeMap;

use axum::http::Method;
use farrier_model::history::{HistoryEntry, Severity};
use farrier_model::inventory::Inventory;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Api, NODE};

#[tokio::test]
async fn bios_settings_are_shown_as_they_were_read() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let node = api.store.node_get_by_name("node-1").await.unwrap();
    let found = BTreeMap::from([("turbo".to_owned(), Some("on".to_owned())), ("vt".to_owned(), None)]);
    api.store.bios_settings_sync(node.id, &found).await.unwrap();

    let list = api.get("/v1/nodes/node-1/bios").await;

    assert_eq!(list.column("bios", "name"), ["turbo", "vt"]);
    assert_eq!(list.body["bios"][0]["value"], "on");
    assert_eq!(list.body["bios"][0]["attribute_type"], Value::Null);
    let href = &list.body["bios"][0]["links"][0]["href"];
    assert_eq!(href, "http://127.0.0.1:6385/v1/nodes/node-1/bios/turbo");
    let names = |answer: &Value| answer.as_object().unwrap().len();
    assert_eq!(names(&list.body["bios"][0]), 5);
    let detailed = api.get("/v1/nodes/node-1/bios?detail=True").await.body;
    assert_eq!(names(&detailed["bios"][0]), farrier_api::bios::BIOS.fields.len());
    let selected = api.get("/v1/nodes/node-1/bios?fields=name,read_only").await.body;
    assert_eq!(names(&selected["bios"][0]), 3);
    let one = |version| api.call(version, Method::GET, "/v1/nodes/node-1/bios/turbo", Value::Null);
    assert_eq!(names(&one("1.73").await.body["turbo"]), 5);
    assert_eq!(names(&one("1.74").await.body["turbo"]), farrier_api::bios::BIOS.fields.len());
}

#[tokio::test]
async fn wrong_questions_about_bios_settings_are_refused() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let get = |version, path| api.call(version, Method::GET, path, Value::Null);

    let refused = [
        get("latest", "/v1/nodes/node-1/bios/nosuch").await.error(),
        get("latest", "/v1/nodes/nosuch/bios").await.error(),
        get("1.39", "/v1/nodes/node-1/bios").await.error(),
        get("1.73", "/v1/nodes/node-1/bios?detail=True").await.error(),
        get("latest", "/v1/nodes/node-1/bios?detail=True&fields=name").await.error(),
        get("latest", "/v1/nodes/node-1/bios?fields=bogus").await.error(),
    ];

    insta::assert_snapshot!(refused.join("\n"), @r#"
    404 Node a1b2c3d4-0001-4000-8000-000000000001 doesn't have a BIOS setting 'nosuch'
    404 Node nosuch could not be found.
    404 Not Found
    406 Request not acceptable.
    400 Can not specify ?detail=True and fields in the same request.
    400 Field(s) "bogus" are not valid
    "#);
}

#[tokio::test]
async fn firmware_is_shown_as_it_was_read() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let node = api.store.node_get_by_name("node-1").await.unwrap();
    assert_eq!(api.get("/v1/nodes/node-1/firmware").await.body, json!({"firmware": []}));
    for version in ["1.0", "1.1"] {
        let found = BTreeMap::from([("bios".to_owned(), version.to_owned())]);
        api.store.firmware_sync(node.id, &found).await.unwrap();
    }

    let answer = api.get("/v1/nodes/node-1/firmware").await.body;

    let bios = &answer["firmware"][0];
    assert_eq!((&bios["initial_version"], &bios["current_version"]), (&json!("1.0"), &json!("1.1")));
    assert_eq!(bios["last_version_flashed"], "1.1");
    assert_eq!(bios.as_object().unwrap().len(), 6);
}

#[tokio::test]
async fn an_inventory_is_there_after_an_inspection_only() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    assert_eq!(api.get("/v1/nodes/node-1/inventory").await.status, 404);
    let node = api.store.node_get_by_name("node-1").await.unwrap();
    let found = json!({"cpu": {"count": 4}}).as_object().unwrap().clone();
    api.store.inventory_save(&Inventory::new(node.id, found, serde_json::Map::new())).await.unwrap();

    let answer = api.get("/v1/nodes/node-1/inventory").await;

    assert_eq!(answer.body, json!({"inventory": {"cpu": {"count": 4}}, "plugin_data": {}}));
}

#[tokio::test]
async fn history_comes_in_pages_and_grows_with_versions() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let node = api.store.node_get_by_name("node-1").await.unwrap();
    for event in ["one", "two", "three"] {
        let entry = HistoryEntry {
            severity: Severity::Error,
            duration_seconds: Some(7),
            ..HistoryEntry::new(Uuid::new_v4(), node.id, "host-1", event)
        };
        api.store.history_create(&entry).await.unwrap();
    }

    let first = api.get("/v1/nodes/node-1/history?limit=2").await;

    assert_eq!(first.column("history", "event"), ["one", "two"]);
    assert_eq!(first.body["history"][0].as_object().unwrap().len(), 5);
    let next = first.body["next"].as_str().unwrap().strip_prefix("http://127.0.0.1:6385").unwrap();
    assert_eq!(api.get(next).await.column("history", "event"), ["three"]);
    let uuid = first.body["history"][0]["uuid"].as_str().unwrap();
    let one = api.get(&format!("/v1/nodes/node-1/history/{uuid}")).await;
    assert_eq!((&one.body["duration_seconds"], &one.body["severity"]), (&json!(7), &json!("ERROR")));
    let detailed = api.call("1.114", Method::GET, "/v1/nodes/node-1/history?detail=1", Value::Null).await;
    assert_eq!(detailed.body["history"][0]["conductor"], "host-1");
    assert_eq!(detailed.body["history"][0].get("duration_seconds"), None);
    assert_eq!(api.get(&format!("/v1/nodes/node-1/history/{NODE}")).await.status, 404);
    assert_eq!(api.get("/v1/nodes/node-1/history/x").await.status, 400);
    assert_eq!(api.get("/v1/nodes/nosuch/history").await.status, 404);
}

#[tokio::test]
async fn traits_are_added_removed_and_replaced() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    const PATH: &str = "/v1/nodes/node-1/traits";

    assert_eq!(api.put(PATH, json!({"traits": ["CUSTOM_B", "CUSTOM_A"]})).await.status, 204);
    assert_eq!(api.get(PATH).await.body, json!({"traits": ["CUSTOM_A", "CUSTOM_B"]}));
    assert_eq!(api.put(&format!("{PATH}/HW_CPU_X86_VMX"), Value::Null).await.status, 204);
    assert_eq!(api.delete(&format!("{PATH}/CUSTOM_A")).await.status, 204);
    assert_eq!(api.get("/v1/nodes/node-1").await.body["traits"], json!(["CUSTOM_B", "HW_CPU_X86_VMX"]));
    let gone = api.delete(&format!("{PATH}/CUSTOM_A")).await;
    assert_eq!(gone.error(), format!("404 Node {NODE} doesn't have a trait 'CUSTOM_A'"));
    assert_eq!(gone.header("x-farrier-error"), "NodeTraitNotFound");
    assert_eq!(api.put(&format!("{PATH}/bad"), Value::Null).await.status, 400);
    assert_eq!(api.put(&format!("{PATH}/CUSTOM_C"), json!({"traits": []})).await.status, 400);
    let many: Vec<String> = (0..51).map(|number| format!("CUSTOM_{number}")).collect();
    assert_eq!(api.put(PATH, json!({"traits": many})).await.status, 400);
    assert_eq!(api.delete(PATH).await.status, 204);
    assert_eq!(api.get(PATH).await.body, json!({"traits": []}));
    assert_eq!(api.idle("node-1").await["reservation"], Value::Null);
}

#[tokio::test]
async fn children_are_the_nodes_with_this_parent() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let child = json!({"driver": "fake-hardware", "parent_node": "node-1"});
    let child = api.post("/v1/nodes", child).await.body["uuid"].clone();

    assert_eq!(api.get("/v1/nodes/node-1/children").await.body, json!({"children": [child]}));
    assert_eq!(api.call("1.82", Method::GET, "/v1/nodes/node-1/children", Value::Null).await.status, 404);
}

#[tokio::test]
async fn vifs_are_the_network_interface_s_business() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    const PATH: &str = "/v1/nodes/node-1/vifs";

    assert_eq!(api.get(PATH).await.body, json!({"vifs": []}));
    assert_eq!(api.post(PATH, json!({"id": "vif-1"})).await.status, 204);
    assert_eq!(api.delete(&format!("{PATH}/vif-1")).await.status, 204);
    assert_eq!(api.post(PATH, json!({})).await.status, 400);
    assert_eq!(api.call("1.27", Method::GET, PATH, Value::Null).await.status, 404);
}
