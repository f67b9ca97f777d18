//! Vendor methods of nodes and of drivers.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Api, NODE};

const PATH: &str = "/v1/nodes/node-1/vendor_passthru";

#[tokio::test]
async fn the_methods_say_how_they_are_called() {
    let api = Api::new().await;
    api.enroll(json!({})).await;

    let answer = api.get(&format!("{PATH}/methods")).await;

    assert_eq!(
        answer.names(),
        ["fourth_method_shared_lock", "log_passthrough", "second_method", "third_method_sync"]
    );
    let third = json!({
        "http_methods": ["POST"], "async": false, "description": "Compare `bar` with `meow`, and answer",
        "attach": false, "require_exclusive_lock": true,
    });
    assert_eq!(answer.body["third_method_sync"], third);
    assert_eq!(answer.body["fourth_method_shared_lock"]["require_exclusive_lock"], false);
}

#[tokio::test]
async fn a_synchronous_method_answers_and_another_goes_on() {
    let api = Api::new().await;
    api.enroll(json!({})).await;

    let meow = api.post(&format!("{PATH}/third_method_sync"), json!({"bar": "meow"})).await;
    let woof = api.post(&format!("{PATH}?method=third_method_sync&bar=woof"), Value::Null).await;
    let second = api.post(&format!("{PATH}/second_method"), json!({"bar": "kazoo"})).await;

    assert_eq!((meow.status, &meow.body), (200, &json!(true)));
    assert_eq!((woof.status, &woof.body), (200, &json!(false)));
    assert_eq!((second.status, &second.body), (202, &Value::Null));
    assert_eq!(api.idle("node-1").await["last_error"], Value::Null);
}

#[tokio::test]
async fn only_a_method_that_needs_the_lock_waits_for_it() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let node = api.store.node_get_by_name("node-1").await.unwrap();
    api.store.node_reserve(node.id, "host-2", "testing").await.unwrap();

    let shared = api.post(&format!("{PATH}/fourth_method_shared_lock"), json!({"bar": "woof"})).await;
    let exclusive = api.post(&format!("{PATH}/third_method_sync"), json!({"bar": "meow"})).await;

    assert_eq!(shared.status, 202);
    assert_eq!(
        exclusive.error(),
        format!(
            "409 Node {NODE} is locked by host host-2, please retry after the current operation is completed."
        )
    );
}

#[tokio::test]
async fn wrong_calls_are_refused_and_leave_no_lock() {
    let api = Api::new().await;
    api.enroll(json!({})).await;

    let refused = [
        api.post(&format!("{PATH}/nosuch"), json!({})).await.error(),
        api.get(&format!("{PATH}/third_method_sync")).await.error(),
        api.post(&format!("{PATH}/third_method_sync"), json!({})).await.error(),
        api.post(&format!("{PATH}/second_method"), json!({"bar": ""})).await.error(),
        api.post(&format!("{PATH}/third_method_sync"), json!([1])).await.error(),
        api.post(PATH, json!({})).await.error(),
        api.post("/v1/nodes/nosuch/vendor_passthru/x", json!({})).await.error(),
        api.post("/v1/drivers/fake-hardware/vendor_passthru/x", json!({})).await.error(),
        api.post("/v1/drivers/fake-hardware/vendor_passthru", json!({})).await.error(),
        api.post("/v1/drivers/nosuch/vendor_passthru/x", json!({})).await.error(),
    ];

    insta::assert_snapshot!(refused.join("\n"), @"
    400 No handler for method nosuch
    400 The method third_method_sync does not support HTTP GET
    400 Argument `bar` of vendor method `third_method_sync` is missing
    400 Argument `bar` of vendor method `second_method` is missing
    400 The arguments of a vendor method have to be a JSON object
    400 Method not specified
    404 Node nosuch could not be found.
    400 No handler for method x
    400 Method not specified
    404 Could not find the following driver(s) or hardware type(s): nosuch.
    ");
    let node = api.idle("node-1").await;
    assert_eq!(node["last_error"], Value::Null);
}

#[tokio::test]
async fn a_hardware_type_has_no_methods_of_its_own() {
    let api = Api::new().await;

    assert_eq!(api.get("/v1/drivers/fake-hardware/vendor_passthru/methods").await.body, json!({}));
    assert_eq!(api.get("/v1/drivers/nosuch/vendor_passthru/methods").await.status, 404);
}

#[tokio::test]
async fn a_hardware_type_says_what_a_logical_disk_has() {
    let api = Api::new().await;
    const PATH: &str = "/v1/drivers/fake-hardware/raid/logical_disk_properties";

    let answer = api.get(PATH).await;

    assert!(answer.body["raid_level"].as_str().unwrap().ends_with("Required."), "{answer:?}");
    assert_eq!(api.call("1.11", Method::GET, PATH, Value::Null).await.status, 404);
}
