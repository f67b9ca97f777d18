//! Drivers and conductors.

use axum::http::Method;
use serde_json::{Value, json};

use super::Api;

#[tokio::test]
async fn a_driver_names_what_can_be_chosen() {
    let api = Api::new().await;

    let (short, whole, one) = (
        api.get("/v1/drivers").await.body,
        api.get("/v1/drivers?detail=True").await.body,
        api.get("/v1/drivers/fake-hardware").await.body,
    );

    assert_eq!(short["drivers"][0]["name"], "fake-hardware");
    assert_eq!(short["drivers"][0]["hosts"], json!(["host-1"]));
    assert_eq!(short["drivers"][0]["default_power_interface"], Value::Null);
    assert_eq!(whole["drivers"][0], one);
    assert_eq!(one["default_bios_interface"], "fake");
    assert_eq!(one["enabled_bios_interfaces"], json!(["fake", "no-bios"]));
}

#[tokio::test]
async fn drivers_are_found_by_type_and_cut_to_fields() {
    let api = Api::new().await;

    assert_eq!(api.get("/v1/drivers?type=dynamic").await.column("drivers", "name"), ["fake-hardware"]);
    assert_eq!(api.get("/v1/drivers?type=classic").await.body, json!({"drivers": []}));
    assert_eq!(api.get("/v1/drivers?type=other").await.status, 400);
    assert_eq!(api.get("/v1/drivers?limit=1").await.error(), "400 Unexpected arguments: limit");
    assert_eq!(api.get("/v1/drivers/fake-hardware?fields=name").await.names(), ["links", "name"]);
}

#[tokio::test]
async fn an_old_client_sees_an_old_driver() {
    let api = Api::new().await;

    let answer = api.call("1.1", Method::GET, "/v1/drivers/fake-hardware", Value::Null).await;

    assert_eq!(answer.names(), ["hosts", "links", "name"]);
}

#[tokio::test]
async fn properties_say_whether_they_are_needed() {
    let answer = Api::new().await.get("/v1/drivers/fake-hardware/properties").await;

    assert_eq!(answer.body, json!({"B1": "B1 description. Required.", "B2": "B2 description. Required."}));
}

#[tokio::test]
async fn what_does_not_exist_is_404() {
    let api = Api::new().await;

    for path in ["/v1/drivers/nosuch", "/v1/drivers/nosuch/properties"] {
        let answer = api.get(path).await;
        assert_eq!(answer.error(), "404 Could not find the following driver(s) or hardware type(s): nosuch.");
    }
    assert_eq!(api.get("/v1/conductors/nosuch").await.error(), "404 Conductor nosuch could not be found.");
}

#[tokio::test]
async fn conductors_say_what_they_offer_and_whether_they_live() {
    let api = Api::new().await;

    let (short, one) = (api.get("/v1/conductors").await, api.get("/v1/conductors/host-1").await);

    assert_eq!(short.column("conductors", "hostname"), ["host-1"]);
    assert_eq!(short.body["conductors"][0]["alive"], true);
    assert_eq!(short.body["conductors"][0]["drivers"], Value::Null);
    assert_eq!(one.body["drivers"], json!(["fake-hardware"]));
    let next = api.get("/v1/conductors?limit=1").await.body["next"].as_str().unwrap().to_owned();
    assert!(next.ends_with("limit=1&marker=host-1"), "{next}");
}
