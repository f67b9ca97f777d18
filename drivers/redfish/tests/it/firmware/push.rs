//! Images that are pushed to a BMC that fetches none.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::thread;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};

use super::{MONITOR, SERVICE, bmc, ended, run, running};
use crate::bench::{Bench, node, task, task_with};
use crate::bmc::{Bmc, PASSWORD, ROOT, Reply, SYSTEM, SYSTEMS, USER};

const TASKS: &str = "/redfish/v1/TaskService/Tasks";

const UPLOAD: &str = "/redfish/v1/UpdateService/upload";

/// A BMC that fetches nothing and takes images at these places.
fn taking(places: &Value) -> Bmc {
    let bmc = bmc();
    bmc.change(SERVICE, &json!({"Actions": null}));
    bmc.change(SERVICE, places);
    bmc
}

/// A server with an image of this text, and the update to it.
fn served(image: &str) -> (Bmc, Vec<FirmwareUpdate>) {
    let server = Bmc::start();
    server.rule("GET", "/fw/image.bin", 9, Reply::Answer(200, vec![], image.to_owned()));
    let url = format!("{}/fw/image.bin", server.url().replace("http://", "http://user:s3cret@"));
    (server, vec![FirmwareUpdate { component: "bmc".to_owned(), url, wait: None }])
}

/// What was posted to a place: type and body.
fn pushed(bmc: &Bmc, place: &str) -> Vec<(String, String)> {
    let log = bmc.state().log.clone();
    let of = |request: &crate::bmc::Request| {
        let kind = request.header("content-type").unwrap_or_default().to_owned();
        (kind, String::from_utf8_lossy(&request.body).into_owned())
    };
    log.iter().filter(|request| request.method == "POST" && request.path == place).map(of).collect()
}

#[tokio::test]
async fn a_bmc_that_fetches_nothing_is_sent_the_image_in_parts() {
    let bmc = taking(&json!({"MultipartHttpPushUri": UPLOAD, "HttpPushUri": "/redfish/v1/other"}));
    let image = "firmware".repeat(200_000);
    let (server, update) = served(&image);
    bmc.rule("POST", UPLOAD, 1, Reply::status(202).with("Location", MONITOR));
    bmc.rule("GET", MONITOR, 1, running("Running"));
    bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));

    run(&task(&bmc), &update).await.unwrap();

    let pushed = pushed(&bmc, UPLOAD);
    let [(kind, body)] = pushed.as_slice() else { panic!("{} times", pushed.len()) };
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let parts: Vec<_> = body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "nothing before, two parts, the end");
    assert!(parts[1].ends_with("Content-Type: application/json\r\n\r\n{}\r\n"), "{}", parts[1]);
    let (head, file) = parts[2].split_once("\r\n\r\n").unwrap();
    assert!(head.contains("name=\"UpdateFile\"; filename=\"image.bin\""), "{head}");
    assert_eq!(file.trim_end(), image);
    let asked = server.state().log.clone();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].header("x-auth-token"), asked[0].header("authorization")),
        (None, Some("Basic dXNlcjpzM2NyZXQ="))
    );
    assert_eq!(bmc.count("GET", MONITOR), 2);
}

#[tokio::test]
async fn a_place_for_images_may_lie_beside_the_service_but_on_no_other_machine() {
    let bmc = taking(&json!({"HttpPushUri": "https://192.0.2.1/cgi-bin/upload"}));
    let (_server, update) = served("firmware");
    bmc.rule("POST", "/cgi-bin/upload", 1, Reply::status(204));

    run(&task(&bmc), &update).await.unwrap();

    let octets = "application/octet-stream".to_owned();
    assert_eq!(pushed(&bmc, "/cgi-bin/upload"), [(octets, "firmware".to_owned())]);
}

#[tokio::test]
async fn several_machines_are_told_apart_by_what_goes_with_an_image() {
    let bmc = taking(&json!({"MultipartHttpPushUri": UPLOAD}));
    bmc.change(SYSTEMS, &json!({"Members": [{"@odata.id": SYSTEM}, {"@odata.id": "/redfish/v1/Systems/2"}]}));
    let (_server, update) = served("firmware");
    bmc.rule("POST", UPLOAD, 1, Reply::status(204));

    run(&task(&bmc), &update).await.unwrap();

    assert!(pushed(&bmc, UPLOAD)[0].1.contains(&format!("{{\"Targets\":[\"{SYSTEM}\"]}}")));
}

#[tokio::test]
async fn an_image_that_cannot_be_had_or_is_too_long_is_not_pushed() {
    let bmc = taking(&json!({"HttpPushUri": UPLOAD, "MaxImageSizeBytes": 7}));
    let (server, update) = served("firmware");
    let long = run(&task(&bmc), &update).await.unwrap_err();
    assert!(long.message().contains("8 bytes") && !long.is_retryable(), "{long}");

    server.rule("GET", "/fw/gone.bin", 9, Reply::status(404));
    let gone = vec![FirmwareUpdate { url: update[0].url.replace("image", "gone"), ..update[0].clone() }];
    let missing = run(&task(&bmc), &gone).await.unwrap_err();

    assert!(missing.message().contains("its server answered 404"), "{missing}");
    assert!(!missing.message().contains("s3cret") && !long.message().contains("s3cret"));
    assert_eq!(bmc.count("POST", UPLOAD), 0);
}

#[tokio::test]
async fn an_image_is_pushed_again_for_a_lost_session_and_not_for_a_lost_answer() {
    let bmc = taking(&json!({"HttpPushUri": UPLOAD}));
    let (_server, update) = served("firmware");
    bmc.rule("POST", UPLOAD, 1, Reply::status(401));
    bmc.rule("POST", UPLOAD, 1, Reply::status(204));
    run(&task(&bmc), &update).await.unwrap();
    assert_eq!(pushed(&bmc, UPLOAD).len(), 2);

    bmc.rule("POST", UPLOAD, 9, Reply::Drop);
    let lost = run(&task(&bmc), &update).await.unwrap_err();

    assert!(lost.message().contains("may be under way") && !lost.is_retryable(), "{lost}");
    assert_eq!(pushed(&bmc, UPLOAD).len(), 3);
}

#[tokio::test]
async fn an_image_for_one_of_several_machines_is_not_pushed_where_nobody_can_be_told_which() {
    let bmc = taking(&json!({"HttpPushUri": UPLOAD}));
    bmc.change(SYSTEMS, &json!({"Members": [{"@odata.id": SYSTEM}, {"@odata.id": "/redfish/v1/Systems/2"}]}));
    let (_server, update) = served("firmware");

    let error = run(&task(&bmc), &update).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unsupported, false), "{error}");
    assert_eq!(bmc.count("POST", UPLOAD), 0);
}

#[tokio::test]
async fn a_push_that_may_have_begun_something_is_not_repeated() {
    for status in [500, 502, 504] {
        let bmc = taking(&json!({"HttpPushUri": UPLOAD}));
        let (_server, update) = served("firmware");
        bmc.rule("POST", UPLOAD, 9, Reply::status(status));

        let error = run(&task(&bmc), &update).await.unwrap_err();

        assert!(!error.is_retryable() && error.message().contains("may be under way"), "{error}");
        assert_eq!(bmc.count("POST", UPLOAD), 1);
    }
}

/// Where a BMC is reached by one connection and by no other.
fn reached_once(bmc: &Bmc) -> String {
    // An address of its own: nobody else takes the port when it is free.
    let door = TcpListener::bind(("127.0.0.77", 0)).unwrap();
    let url = format!("http://{}", door.local_addr().unwrap());
    let port = bmc.port;
    thread::spawn(move || {
        let (mut near, _) = door.accept().unwrap();
        drop(door);
        let mut far = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut asked, mut asks) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        thread::spawn(move || io::copy(&mut asked, &mut asks));
        io::copy(&mut far, &mut near).ok();
    });
    url
}

#[tokio::test]
async fn a_bmc_that_is_not_reached_for_a_push_has_begun_nothing() {
    let bmc = taking(&json!({"HttpPushUri": UPLOAD}));
    let (_server, update) = served("firmware");
    let task = task_with(&bmc, &json!({"redfish_address": reached_once(&bmc)}));

    let error = run(&task, &update).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unreachable, true), "{error}");
    assert!(error.message().contains("cannot connect"), "{error}");
    let kept = task.refresh().await.unwrap().driver_internal_info;
    assert_eq!(kept["redfish_fw_updates"]["stage"], "idle", "it is asked for later");
    assert_eq!(bmc.count("POST", UPLOAD), 0);
}

#[tokio::test]
async fn other_machines_of_a_bmc_are_served_while_it_takes_an_image() {
    let (bmc, bench) = (taking(&json!({"HttpPushUri": UPLOAD})), Bench::new());
    let (_server, update) = served("firmware");
    bmc.rule("POST", UPLOAD, 1, Reply::Hang);
    let task = task(&bmc);
    let sibling = node(&json!({"uuid": "b", "driver_info": {"redfish_address": bmc.url(),
        "redfish_username": USER, "redfish_password": PASSWORD, "redfish_system_id": SYSTEM}}));
    let mut pushing = pin!(bench.firmware.update(&task, update));
    let switching = async {
        while bmc.count("POST", UPLOAD) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.power.set_power_state(&sibling, PowerState::On, None).await
    };

    tokio::select! {
        ended = &mut pushing => panic!("{ended:?}"),
        switched = switching => switched.unwrap(),
    }
}

#[tokio::test]
async fn a_redirected_image_is_asked_for_without_the_url_it_came_from() {
    let bmc = taking(&json!({"HttpPushUri": UPLOAD}));
    let (other, _) = served("firmware");
    let server = Bmc::start();
    let asked = "/fw/image.bin?token=s3cret";
    let to = format!("{}/fw/image.bin", other.url());
    server.rule("GET", asked, 1, Reply::status(302).with("Location", &to));
    bmc.rule("POST", UPLOAD, 1, Reply::status(204));
    let url = format!("{}{asked}", server.url());
    let update = vec![FirmwareUpdate { component: "bmc".to_owned(), url, wait: None }];

    run(&task(&bmc), &update).await.unwrap();

    let log = other.state().log.clone();
    assert_eq!((log.len(), log[0].header("referer")), (1, None));
    assert_eq!(bmc.count("POST", UPLOAD), 1);
}

#[tokio::test]
async fn an_image_that_breaks_off_is_not_blamed_on_the_bmc() {
    let (bmc, server) = (taking(&json!({"HttpPushUri": UPLOAD})), Bmc::start());
    server.rule("GET", "/fw/image.bin", 1, Reply::Cut(100, "firm".to_owned()));
    let url = format!("{}/fw/image.bin", server.url().replace("http://", "http://user:s3cret@"));
    let update = vec![FirmwareUpdate { component: "bmc".to_owned(), url, wait: None }];

    let error = run(&task(&bmc), &update).await.unwrap_err();

    assert!(error.message().contains("the image broke off") && !error.is_retryable(), "{error}");
    assert!(!error.message().contains("s3cret"), "{error}");
    assert_eq!(bmc.count("POST", UPLOAD), 0, "nothing came to its end there");
}

#[tokio::test]
async fn a_push_that_is_refused_with_a_new_session_too_is_remembered() {
    let (bmc, bench) = (taking(&json!({"HttpPushUri": UPLOAD})), Bench::new());
    let (_server, update) = served("firmware");
    bmc.rule("POST", UPLOAD, 9, Reply::status(401));
    let task = task(&bmc);

    let refused = bench.firmware.update(&task, update).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AuthFailed, "{refused}");
    assert_eq!(bmc.count("POST", UPLOAD), 2);
    let asked = bmc.asked().len();

    let remembered = bench.power.get_power_state(&task).await.unwrap_err();
    assert_eq!((remembered.kind(), bmc.asked().len()), (ErrorKind::AuthFailed, asked), "{remembered}");
}

#[tokio::test]
async fn a_push_without_an_account_that_is_refused_bars_nobody() {
    let (bmc, bench) = (taking(&json!({"HttpPushUri": UPLOAD})), Bench::new());
    let (_server, update) = served("firmware");
    bmc.state().user = None;
    bmc.rule("POST", UPLOAD, 9, Reply::status(401));
    let task = node(&json!({"driver_info": {"redfish_address": bmc.url(), "redfish_system_id": SYSTEM}}));

    let refused = bench.firmware.update(&task, update).await.unwrap_err();

    assert!(refused.message().contains("answered 401"), "{refused}");
    assert_eq!(bmc.count("POST", UPLOAD), 1);
    bench.power.get_power_state(&task).await.unwrap();
}

#[tokio::test]
async fn a_push_that_is_sent_on_reads_the_image_again() {
    let bmc = taking(&json!({"HttpPushUri": UPLOAD}));
    let (server, update) = served("firmware");
    let place = "/redfish/v1/UpdateService/other";
    bmc.rule("POST", UPLOAD, 1, Reply::status(307).with("Location", place));
    bmc.rule("POST", place, 1, Reply::status(204));

    run(&task(&bmc), &update).await.unwrap();

    assert_eq!(pushed(&bmc, place)[0].1, "firmware");
    assert_eq!((bmc.count("POST", UPLOAD), server.state().log.len()), (1, 2));
}

/// Shows a running task of the same target.
fn show_task(bmc: &Bmc, began: &str) {
    bmc.change(ROOT, &json!({"Tasks": {"@odata.id": "/redfish/v1/TaskService"}}));
    bmc.change("/redfish/v1/TaskService", &json!({"Tasks": {"@odata.id": TASKS}}));
    bmc.change(TASKS, &json!({"Members": [{"@odata.id": format!("{TASKS}/1")}]}));
    let state = json!({"TaskState": "Running", "StartTime": began, "Payload": {"TargetUri": UPLOAD}});
    bmc.change(&format!("{TASKS}/1"), &state);
}

#[tokio::test]
async fn a_task_that_was_there_before_a_push_is_not_taken_for_its_own() {
    let bmc = taking(&json!({"HttpPushUri": UPLOAD}));
    show_task(&bmc, "2100-01-01T00:00:00Z");
    let (_server, update) = served("firmware");
    bmc.rule("POST", UPLOAD, 9, Reply::Drop);

    let error = run(&task(&bmc), &update).await.unwrap_err();

    assert!(error.message().contains("may be under way") && !error.is_retryable(), "{error}");
}

#[tokio::test]
async fn the_task_of_a_push_whose_answer_was_lost_is_found() {
    let bmc = taking(&json!({"HttpPushUri": UPLOAD}));
    show_task(&bmc, "2100-01-01T00:00:00Z");
    let members = json!({"Members": []}).to_string();
    bmc.rule("GET", TASKS, 1, Reply::Answer(200, vec![], members));
    let (_server, update) = served("firmware");
    bmc.rule("POST", UPLOAD, 9, Reply::Drop);

    let outcome = Bench::new().firmware.update(&task(&bmc), update).await.unwrap();

    assert!(matches!(outcome, StepOutcome::Wait { .. }));
    assert_eq!(bmc.count("POST", UPLOAD), 1);
}

#[tokio::test]
async fn after_the_end_of_who_pushed_only_a_task_that_began_since_is_his() {
    for (began, found) in [("2001-01-01T00:00:00Z", false), ("2100-01-01T00:00:00Z", true)] {
        let bmc = taking(&json!({"HttpPushUri": UPLOAD}));
        show_task(&bmc, began);
        let (_server, update) = served("firmware");
        let progress = json!({"queue": update, "done": 0, "stage": {"asking": {"since": 4_000_000_000_i64, "before": "2.0"}}});
        let task = node(&json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": USER,
            "redfish_password": PASSWORD}, "driver_internal_info": {"redfish_fw_updates": progress},
            "provision_state": "clean wait"}));

        let outcome = Bench::new().firmware.update(&task, update).await;

        assert_eq!(outcome.is_ok(), found, "{began}: {outcome:?}");
        assert_eq!(bmc.count("POST", UPLOAD), 0);
    }
}
