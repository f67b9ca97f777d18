//! Power, states, validation, boot device.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Api, NODE};

#[tokio::test]
async fn power_changes_after_the_answer() {
    let api = Api::new().await;
    api.enroll(json!({})).await;

    for (target, state) in [
        ("power on", "power on"),
        ("rebooting", "power on"),
        ("soft rebooting", "power on"),
        ("soft power off", "power off"),
        ("power on", "power on"),
        ("power off", "power off"),
    ] {
        let answer = api.put("/v1/nodes/node-1/states/power", json!({"target": target})).await;

        assert_eq!((answer.status, &answer.body), (202, &Value::Null), "{target}");
        assert_eq!(answer.header("location"), "http://127.0.0.1:6385/v1/nodes/node-1/states");
        let node = api.idle("node-1").await;
        assert_eq!((&node["power_state"], &node["last_error"]), (&json!(state), &Value::Null), "{target}");
    }
}

#[tokio::test]
async fn wrong_power_requests_are_refused_at_once() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let power = |version, body| api.call(version, Method::PUT, "/v1/nodes/node-1/states/power", body);

    let refused = [
        power("1.72", json!({"target": "sideways"})).await.error(),
        power("1.72", json!({})).await.error(),
        power("1.72", json!({"target": "power off", "timeout": 0})).await.error(),
        power("1.26", json!({"target": "soft power off"})).await.error(),
        api.put("/v1/nodes/nosuch/states/power", json!({"target": "power on"})).await.error(),
    ];

    insta::assert_snapshot!(refused.join("\n"), @r#"
        400 The requested action "sideways" can not be performed on node "a1b2c3d4-0001-4000-8000-000000000001" while it is in state "None".
        400 Missing mandatory parameter: target
        400 timeout has to be positive integer
        406 Request not acceptable.
        404 Node nosuch could not be found.
        "#);
}

#[tokio::test]
async fn a_node_that_somebody_works_on_is_409() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let node = api.store.node_get_by_name("node-1").await.unwrap();
    api.store.node_reserve(node.id, "host-2", "testing").await.unwrap();

    let text = format!(
        "409 Node {NODE} is locked by host host-2, please retry after the current operation is completed."
    );

    let power = api.put("/v1/nodes/node-1/states/power", json!({"target": "power on"})).await;
    assert_eq!(power.error(), text);
    let patch = json!([{"op": "add", "path": "/extra/a", "value": 1}]);
    assert_eq!(api.patch("/v1/nodes/node-1", patch).await.error(), text);
    assert_eq!(api.delete("/v1/nodes/node-1").await.error(), text);
    assert_eq!(api.get("/v1/nodes/node-1").await.body["reservation"], "host-2");
}

#[tokio::test]
async fn a_node_that_must_stay_on_is_not_switched_off() {
    let api = Api::new().await;
    api.enroll(json!({"disable_power_off": true})).await;

    let answer = api.put("/v1/nodes/node-1/states/power", json!({"target": "power off"})).await;

    assert!(answer.error().starts_with("409 "), "{}", answer.error());
    assert_eq!(answer.header("x-farrier-error"), "PowerStateFailure");
}

#[tokio::test]
async fn states_are_a_part_of_the_node_and_grow_with_versions() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let path = format!("/v1/nodes/{NODE}/states");
    let states = |version| api.call(version, Method::GET, &path, Value::Null);

    let (old, new) = (states("1.1").await, states("1.75").await);

    assert!(!old.names().contains(&"raid_config"));
    assert!(new.names().contains(&"boot_mode"));
    assert_eq!(new.body["provision_state"], "enroll");
    assert_eq!(old.body["provision_state"], "enroll");
}

#[tokio::test]
async fn validation_answers_for_every_interface_but_vendor() {
    let api = Api::new().await;
    api.enroll(json!({"bios_interface": "no-bios"})).await;

    let answer = api.get("/v1/nodes/node-1/validate").await;

    assert_eq!(answer.names().len(), 12);
    assert!(!answer.names().contains(&"vendor"));
    assert_eq!(answer.body["power"], json!({"result": true}));
    assert_eq!(answer.body["bios"]["result"], false);
    let reason = answer.body["bios"]["reason"].as_str().unwrap();
    assert!(reason.contains("does not support bios"), "{reason}");
}

#[tokio::test]
async fn the_boot_device_is_set_and_shown() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    const PATH: &str = "/v1/nodes/node-1/management/boot_device";

    let set = api.put(PATH, json!({"boot_device": "pxe", "persistent": true})).await;

    assert_eq!((set.status, &set.body), (204, &Value::Null));
    assert_eq!(api.get(PATH).await.body["boot_device"], "pxe");
    let supported = api.get(&format!("{PATH}/supported")).await;
    assert_eq!(supported.body, json!({"supported_boot_devices": ["pxe"]}));
    let disk = api.put(PATH, json!({"boot_device": "disk"})).await;
    assert_eq!(disk.status, 400, "{disk:?}");
    assert_eq!(api.idle("node-1").await["reservation"], Value::Null);
}

/// A client that goes while its request is being worked on.
#[tokio::test]
async fn a_client_that_goes_leaves_no_lock_and_no_half_made_change() {
    use tower::ServiceExt;

    let api = Api::new().await;
    api.enroll(json!({})).await;
    for polls in 1..40 {
        for (method, path, body) in [
            ("PUT", "/v1/nodes/node-1/states/power", json!({"target": "rebooting"})),
            ("PUT", "/v1/nodes/node-1/management/boot_device", json!({"boot_device": "pxe"})),
            ("GET", "/v1/nodes/node-1/management/boot_device", Value::Null),
            ("PATCH", "/v1/nodes/node-1", json!([{"op": "add", "path": "/extra/a", "value": polls}])),
        ] {
            let request = axum::http::Request::builder()
                .method(method)
                .uri(path)
                .header("content-type", "application/json")
                .header("x-openstack-ironic-api-version", "latest");
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let request = request.body(axum::body::Body::from(body)).unwrap();
            let mut response = Box::pin(api.router.clone().oneshot(request));
            for _ in 0..polls {
                if futures_util::poll!(&mut response).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }

            drop(response);

            let node = api.idle("node-1").await;
            assert_eq!(node["last_error"], Value::Null, "{method} {path} after {polls} polls");
        }
    }
}
