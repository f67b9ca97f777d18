//! Boot mode, secure boot, interrupt, lights, console, virtual media, RAID.

use axum::http::Method;
use serde_json::{Value, json};

use super::Api;

#[tokio::test]
async fn what_the_driver_lacks_shows_on_the_node_after_the_answer() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    for (path, target, error) in [
        ("boot_mode", json!("uefi"), "Failed to change boot mode to 'uefi'"),
        ("secure_boot", json!(true), "Failed to change secure boot state to 'on'"),
    ] {
        let answer = api.put(&format!("/v1/nodes/node-1/states/{path}"), json!({"target": target})).await;

        assert_eq!((answer.status, &answer.body), (202, &Value::Null));
        assert_eq!(answer.header("location"), "http://127.0.0.1:6385/v1/nodes/node-1/states");
        let node = api.idle("node-1").await;
        let text = node["last_error"].as_str().unwrap();
        assert!(text.starts_with(error), "{text}");
        assert_eq!(node[path], Value::Null);
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_by_name_and_leave_no_lock() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let called = &api;
    let put = async |version: &str, path: &str, body: Value| {
        let path = format!("/v1/nodes/node-1/{path}");
        let answer = called.call(version, Method::PUT, &path, body).await;
        let name = answer.headers.get("x-farrier-error").map(|name| name.to_str().unwrap().to_owned());
        format!("{} {}", name.unwrap_or_default(), answer.error())
    };

    let refused = [
        put("1.75", "states/boot_mode", json!({"target": "uefi"})).await,
        put("1.76", "states/boot_mode", json!({"target": "dos"})).await,
        put("1.76", "states/boot_mode", json!({})).await,
        put("1.76", "states/secure_boot", json!({"target": "perhaps"})).await,
        put("1.29", "management/inject_nmi", json!({})).await,
        put("1.28", "management/inject_nmi", json!({})).await,
        put("1.29", "management/inject_nmi", json!({"now": true})).await,
        put("1.63", "management/indicators/led@rack", json!({"state": "ON"})).await,
        put("1.63", "management/indicators/led@system", json!({"state": "PURPLE"})).await,
        put("1.63", "management/indicators/led@system", json!({})).await,
        put("1.63", "management/indicators/led", json!({"state": "ON"})).await,
        put("1.63", "management/indicators/led-0@chassis", json!({"state": "OFF"})).await,
        put("1.1", "states/console", json!({"enabled": "perhaps"})).await,
        put("1.1", "states/console", json!({})).await,
        put("1.12", "states/raid", json!([])).await,
        put("1.12", "states/raid", json!({"logical_disks": [{"raid_level": "7", "size_gb": 1}]})).await,
        put("1.11", "states/raid", json!({"logical_disks": []})).await,
    ];

    insta::assert_snapshot!(refused.join("\n"), @r#"
     404 Not Found
    InvalidParameterValue 400 Invalid boot mode dos requested, allowed boot modes are: bios, uefi
    MissingParameterValue 400 Missing mandatory parameter: target
    InvalidParameterValue 400 Invalid target: Unrecognized value 'perhaps', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'
    UnsupportedDriverExtension 400 Driver fake-hardware does not support inject_nmi (disabled or not implemented).
     404 Not Found
    ClientSideError 400 Unexpected arguments: now
    InvalidParameterValue 400 There is no component `rack` with indicators
    InvalidParameterValue 400 Indicator `led` cannot be `purple`, only one of blinking, off, on
    MissingParameterValue 400 Missing mandatory parameter: state
    InvalidParameterValue 400 Indicator "led" is not of the form NAME@COMPONENT
    InvalidParameterValue 400 Indicator `led-0` of component `chassis` cannot be changed
    InvalidParameterValue 400 Invalid enabled: Unrecognized value 'perhaps', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'
    MissingParameterValue 400 Missing mandatory parameter: enabled
    InvalidParameterValue 400 Schema error for raid: [] is not of type 'object'
    InvalidParameterValue 400 Logical disk 0: `raid_level` has to be one of JBOD, 0, 1, 2, 5, 6, 1+0, 5+0, 6+0
     404 Not Found
    "#);
    assert_eq!(api.idle("node-1").await["last_error"], Value::Null);
}

#[tokio::test]
async fn a_node_in_transition_keeps_its_boot_mode() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    api.put_into("node-1", "cleaning", Some("available")).await;

    let answer = api.put("/v1/nodes/node-1/states/boot_mode", json!({"target": "bios"})).await;

    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(api.idle("node-1").await["last_error"], Value::Null);
}

#[tokio::test]
async fn lights_are_listed_shown_and_set() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    const PATH: &str = "/v1/nodes/node-1/management/indicators";

    let list = api.get(PATH).await;

    assert_eq!(list.column("indicators", "name"), ["led-0@chassis", "led@system"]);
    let light = &list.body["indicators"][1];
    assert_eq!((&light["readonly"], &light["states"]), (&json!(false), &json!(["BLINKING", "OFF", "ON"])));
    assert_eq!(light["links"][0]["href"], format!("http://127.0.0.1:6385{PATH}/led@system"));
    let set = api.put(&format!("{PATH}/led@system"), json!({"state": "BLINKING"})).await;
    assert_eq!((set.status, &set.body), (204, &Value::Null));
    assert_eq!(api.get(&format!("{PATH}/led@system")).await.body, json!({"state": "ON"}));
}

#[tokio::test]
async fn the_console_is_switched_on_and_off() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    const PATH: &str = "/v1/nodes/node-1/states/console";
    let off = json!({"console_enabled": false, "console_info": null});
    assert_eq!(api.get(PATH).await.body, off);

    let on = api.put(PATH, json!({"enabled": true})).await;

    assert_eq!((on.status, on.header("location")), (202, format!("http://127.0.0.1:6385{PATH}").as_str()));
    assert_eq!(api.idle("node-1").await["console_enabled"], true);
    assert_eq!(api.get(PATH).await.body["console_enabled"], true);
    assert_eq!(api.put(PATH, json!({"enabled": true})).await.status, 202);
    assert_eq!(api.put(PATH, json!({"enabled": false})).await.status, 202);
    assert_eq!(api.idle("node-1").await["console_enabled"], false);
    assert_eq!(api.get(PATH).await.body, off);
}

#[tokio::test]
async fn a_node_without_a_console_says_so() {
    let api = Api::new().await;
    api.enroll(json!({"console_interface": "no-console"})).await;

    let answer = api.put("/v1/nodes/node-1/states/console", json!({"enabled": true})).await;

    assert_eq!(
        answer.error(),
        "400 Driver fake-hardware does not support console (disabled or not implemented)."
    );
}

#[tokio::test]
async fn virtual_media_comes_in_three_versions() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    const PATH: &str = "/v1/nodes/node-1/vmedia";
    let image = json!({"device_type": "cdrom", "image_url": "http://192.0.2.1/i.iso"});
    let unsupported =
        "400 Driver fake-hardware does not support get_virtual_media (disabled or not implemented).";

    assert_eq!(api.call("1.88", Method::POST, PATH, image.clone()).await.status, 404);
    assert_eq!(api.call("1.92", Method::GET, PATH, Value::Null).await.status, 404);
    assert_eq!(api.get(PATH).await.error(), unsupported);
    for (method, path, body) in [
        (Method::POST, PATH.to_owned(), image),
        (Method::DELETE, format!("{PATH}?device_types=cdrom,floppy"), Value::Null),
    ] {
        assert_eq!(api.call("1.89", method, &path, body).await.status, 204);
        let node = api.idle("node-1").await;
        assert!(node["last_error"].as_str().unwrap().starts_with("Failed to "), "{node}");
    }
    assert_eq!(api.delete(&format!("{PATH}?device_types=tape")).await.status, 400);
    assert_eq!(api.post(PATH, json!({"device_type": "cdrom"})).await.status, 400);
}

#[tokio::test]
async fn raid_as_it_should_be_is_checked_and_kept() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let config = json!({"logical_disks": [{"raid_level": "1", "size_gb": 100, "is_root_volume": true}]});

    let set = api.put("/v1/nodes/node-1/states/raid", config.clone()).await;

    assert_eq!((set.status, &set.body), (204, &Value::Null));
    assert_eq!(api.get("/v1/nodes/node-1/states").await.body["target_raid_config"], config);
    let patch = json!([{"op": "add", "path": "/raid_interface", "value": "no-raid"}]);
    assert_eq!(api.patch("/v1/nodes/node-1", patch).await.status, 200);
    let refused = api.put("/v1/nodes/node-1/states/raid", config).await;
    assert_eq!(
        refused.error(),
        "404 Driver fake-hardware does not support raid (disabled or not implemented)."
    );
}
