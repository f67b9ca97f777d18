//! Vendor methods: subscriptions to events, and ejecting.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};

use crate::bench::{Bench, task};
use crate::bmc::{Bmc, ROOT, Reply};

const PLACE: &str = "/redfish/v1/EventService/Subscriptions/";

fn bmc() -> Bmc {
    let bmc = Bmc::start();
    bmc.change(ROOT, &json!({"EventService": {"@odata.id": "/redfish/v1/EventService"}}));
    bmc.change("/redfish/v1/EventService", &json!({"Subscriptions": {"@odata.id": PLACE}, "EventTypesForSubscription": ["Alert", "StatusChange"]}));
    bmc
}

fn arguments(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn created(path: &str) -> Reply {
    let body = json!({"@odata.id": path, "Id": "7", "Destination": "https://h/x", "EventTypes": ["Alert"], "Context": "", "Protocol": "Redfish",
        "HttpHeaders": [{"X-Secret": "s3cret"}]});
    Reply::Answer(201, vec![("Location", path.to_owned())], body.to_string())
}

#[tokio::test]
async fn a_subscription_is_made_shown_listed_and_deleted() {
    let (bmc, bench) = (bmc(), Bench::new());
    let path = format!("{PLACE}7");
    bmc.rule("POST", PLACE, 1, created(&path));
    let made = bench
        .vendor
        .create_subscription(
            &task(&bmc),
            arguments(json!({"Destination": "https://h/x", "HttpHeaders": [{"X-Secret": "s3cret"}]})),
        )
        .await
        .unwrap();
    assert_eq!((&made["Id"], &made["Destination"]), (&json!("7"), &json!("https://h/x")));
    assert!(!made.to_string().contains("s3cret"), "{made}");

    bmc.change(&path, &json!({"Id": "7", "Destination": "https://h/x"}));
    bmc.change(PLACE, &json!({"Members": [{"@odata.id": path}]}));
    let shown = bench.vendor.get_subscription(&task(&bmc), arguments(json!({"id": "7"}))).await.unwrap();
    assert_eq!(shown["Destination"], "https://h/x");
    let all = bench.vendor.get_all_subscriptions(&task(&bmc), Map::new()).await.unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1);
    bench.vendor.delete_subscription(&task(&bmc), arguments(json!({"id": "7"}))).await.unwrap();
    assert_eq!(bmc.count("DELETE", &path), 1);
}

#[tokio::test]
async fn types_that_the_bmc_does_not_have_are_refused_and_those_it_refuses_are_left_out() {
    let (bmc, bench) = (bmc(), Bench::new());
    let unknown = json!({"Destination": "https://h/x", "EventTypes": ["Weather"]});
    let error = bench.vendor.create_subscription(&task(&bmc), arguments(unknown)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
    assert_eq!(bmc.count("POST", PLACE), 0);

    bmc.rule(
        "POST",
        PLACE,
        1,
        Reply::error(400, "Base.1.8.PropertyUnknown", "The property EventTypes is unknown."),
    );
    bmc.rule("POST", PLACE, 1, created(&format!("{PLACE}7")));
    bench
        .vendor
        .create_subscription(&task(&bmc), arguments(json!({"Destination": "https://h/x"})))
        .await
        .unwrap();

    let log = bmc.state().log.clone();
    let sent: Vec<bool> = log
        .iter()
        .filter(|request| request.path == PLACE && request.method == "POST")
        .map(|request| request.json().get("EventTypes").is_some())
        .collect();
    assert_eq!(sent, [true, false]);
}

#[tokio::test]
async fn a_bmc_without_events_says_so() {
    let bmc = Bmc::start();

    let error = Bench::new().vendor.get_all_subscriptions(&task(&bmc), Map::new()).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn arguments_are_checked_before_the_lock() {
    let (bmc, bench) = (bmc(), Bench::new());
    for (method, given) in [
        ("create_subscription", json!({"Destination": "x"})),
        ("get_subscription", json!({"id": "../x"})),
        ("eject_vmedia", json!({"boot_device": "tape"})),
    ] {
        let checked = bench.vendor.validate(&task(&bmc), Some(method.to_owned()), arguments(given)).await;
        assert_eq!(checked.unwrap_err().kind(), ErrorKind::InvalidParameter, "{method}");
    }
    assert!(bmc.asked().is_empty());
}
