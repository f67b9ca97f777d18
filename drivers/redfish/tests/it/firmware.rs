//! Firmware updates: what is sent, what is watched, what a BMC that goes away means.

mod push;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};

use crate::bench::{Bench, Task, task};
use crate::bmc::{Bmc, RESET, ROOT, Reply, SYSTEM, SYSTEMS};

const SERVICE: &str = "/redfish/v1/UpdateService";
const UPDATE: &str = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";
const MONITOR: &str = "/redfish/v1/TaskService/TaskMonitors/1";
const MANAGER: &str = "/redfish/v1/Managers/1";

fn bmc() -> Bmc {
    let bmc = Bmc::start();
    bmc.change(ROOT, &json!({"UpdateService": {"@odata.id": SERVICE}}));
    bmc.change(SERVICE, &json!({"Actions": {"#UpdateService.SimpleUpdate": {"target": UPDATE}}}));
    bmc.change(SYSTEM, &json!({"BiosVersion": "1.0", "Links": {"ManagedBy": [{"@odata.id": MANAGER}]}}));
    bmc.change(MANAGER, &json!({"ManagerType": "BMC", "FirmwareVersion": "2.0"}));
    bmc.rule("POST", UPDATE, 1, Reply::status(202).with("Location", MONITOR));
    bmc
}

fn running(state: &str) -> Reply {
    Reply::Answer(202, vec![], json!({"TaskState": state}).to_string())
}

fn ended(state: &str, status: &str, text: &str) -> Reply {
    let body = json!({"TaskState": state, "TaskStatus": status, "Messages": [{"Message": text, "MessageId": "Update.1.0.X", "Severity": status}]});
    Reply::Answer(200, vec![], body.to_string())
}

fn update(component: &str) -> Vec<FirmwareUpdate> {
    vec![FirmwareUpdate {
        component: component.to_owned(),
        url: "https://h/image.bin".to_owned(),
        wait: None,
    }]
}

/// Calls the step as a conductor does, each time by a driver that knows nothing; answers how often it waited.
async fn run(task: &Task, updates: &[FirmwareUpdate]) -> Result<u32> {
    for waits in 0..50 {
        if Bench::new().firmware.update(task, updates.to_vec()).await? == StepOutcome::Done {
            return Ok(waits);
        }
    }
    Err(DriverError::timeout("the update goes on forever"))
}

fn posts(bmc: &Bmc) -> Vec<Value> {
    let log = bmc.state().log.clone();
    log.iter().filter(|request| request.path == UPDATE).map(|request| request.json()).collect()
}

#[tokio::test]
async fn a_bios_is_updated_with_one_start_and_steady_answers_afterwards() {
    let bmc = bmc();
    bmc.rule("GET", MONITOR, 1, running("New"));
    bmc.rule("GET", MONITOR, 2, running("Running"));
    bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));
    let task = task(&bmc);

    let waits = run(&task, &update("bios")).await.unwrap();

    assert_eq!(posts(&bmc), [json!({"ImageURI": "https://h/image.bin", "TransferProtocol": "HTTPS"})]);
    assert_eq!(bmc.count("POST", RESET), 1);
    assert!(
        waits >= 5,
        "{waits}: the beginning, two looks at the task after the start, two between three good answers"
    );
    assert!(task.refresh().await.unwrap().driver_internal_info.is_empty());
}

#[tokio::test]
async fn several_machines_are_told_apart() {
    let bmc = bmc();
    bmc.change(SYSTEMS, &json!({"Members": [{"@odata.id": SYSTEM}, {"@odata.id": "/redfish/v1/Systems/2"}]}));
    bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));

    run(&task(&bmc), &update("bmc")).await.unwrap();

    assert_eq!(posts(&bmc)[0]["Targets"], json!([SYSTEM]));
}

#[tokio::test]
async fn updates_are_made_one_after_the_other() {
    let bmc = bmc();
    bmc.rule("POST", UPDATE, 1, Reply::status(204));
    bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));
    let both = [update("bmc"), update("nic:7")].concat();

    run(&task(&bmc), &both).await.unwrap();

    assert_eq!(posts(&bmc).len(), 2);
}

#[tokio::test]
async fn a_failed_task_is_told_with_its_words_and_forgotten() {
    let bmc = bmc();
    bmc.rule("GET", MONITOR, 1, ended("Exception", "Critical", "wrong image"));
    let task = task(&bmc);

    let error = run(&task, &update("bmc")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Hardware);
    assert!(error.message().contains("wrong image"), "{error}");
    assert!(task.refresh().await.unwrap().driver_internal_info.is_empty());
}

#[tokio::test]
async fn a_task_that_vanished_is_taken_for_done() {
    let bmc = bmc();

    run(&task(&bmc), &update("bmc")).await.unwrap();

    assert_eq!(bmc.count("GET", MONITOR), 1);
}

#[tokio::test]
async fn a_bmc_that_goes_away_for_its_own_update_is_waited_for() {
    let bmc = bmc();
    bmc.rule("GET", MONITOR, 1, running("Running"));
    bmc.rule("GET", MONITOR, 12, Reply::Drop);
    bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));

    run(&task(&bmc), &update("bmc")).await.unwrap();

    assert_eq!(bmc.count("POST", RESET), 0);
    assert_eq!(posts(&bmc).len(), 1);
}

#[tokio::test]
async fn a_network_card_that_hesitates_gets_a_start() {
    let bmc = bmc();
    bmc.rule("GET", MONITOR, 3, running("Starting"));
    bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));

    run(&task(&bmc), &update("nic:7")).await.unwrap();

    assert_eq!(bmc.count("POST", RESET), 1);
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_not_asked_for_again() {
    let bmc = bmc();
    bmc.state().log.clear();
    bmc.change(SERVICE, &json!({"Actions": {"#UpdateService.SimpleUpdate": {"target": "/redfish/v1/lost"}}}));
    bmc.rule("POST", "/redfish/v1/lost", 9, Reply::Drop);

    let error = run(&task(&bmc), &update("bmc")).await.unwrap_err();

    assert!(!error.is_retryable(), "{error}");
    assert_eq!(bmc.count("POST", "/redfish/v1/lost"), 1);
}

#[tokio::test]
async fn an_update_that_may_have_begun_is_not_asked_for_again() {
    for status in [500, 502, 504] {
        let bmc = bmc();
        bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));
        bmc.rule("POST", UPDATE, 9, Reply::error(status, "Update.1.0.X", "the image is out of reach"));
        let task = task(&bmc);

        let error = run(&task, &[update("bmc"), update("nic:7")].concat()).await.unwrap_err();

        assert!(!error.is_retryable(), "{status}: {error}");
        assert!(error.message().contains("may be under way"), "{error}");
        assert!(error.message().contains("the image is out of reach"), "{error}");
        assert_eq!(posts(&bmc).len(), 2, "{status}: one for each image");
        assert!(task.refresh().await.unwrap().driver_internal_info.is_empty());
    }
}

#[tokio::test]
async fn an_update_is_asked_for_later_when_only_a_login_for_it_failed() {
    let (bmc, place) = (bmc(), "/redfish/v1/place");
    bmc.change(SERVICE, &json!({"Actions": {"#UpdateService.SimpleUpdate": {"target": place}}}));
    bmc.rule("POST", place, 1, Reply::status(401));
    bmc.rule("POST", place, 1, Reply::status(204));
    bmc.rule_after("POST", crate::bmc::SESSIONS, 1, 1, Reply::status(500));
    let task = task(&bmc);

    let error = run(&task, &update("bmc")).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");

    run(&task, &update("bmc")).await.unwrap();
    assert_eq!(bmc.count("POST", place), 2);
}

/// A node whose update somebody was asking for when he came to his end.
fn asking(bmc: &Bmc) -> Task {
    asking_in(bmc, "clean wait")
}

/// The same in another state.
fn asking_in(bmc: &Bmc, state: &str) -> Task {
    let progress = json!({"queue": update("bmc"), "done": 0, "stage": {"asking": {"since": 4_000_000_000_i64, "before": "2.0"}}});
    crate::bench::node(
        &json!({"driver_info": {"redfish_address": bmc.url(), "redfish_username": crate::bmc::USER,
        "redfish_password": crate::bmc::PASSWORD}, "driver_internal_info": {"redfish_fw_updates": progress},
        "provision_state": state}),
    )
}

#[tokio::test]
async fn an_update_that_somebody_asked_for_before_his_end_is_found_among_the_tasks() {
    let bmc = bmc();
    let tasks = "/redfish/v1/TaskService/Tasks";
    bmc.change(ROOT, &json!({"Tasks": {"@odata.id": "/redfish/v1/TaskService"}}));
    bmc.change("/redfish/v1/TaskService", &json!({"Tasks": {"@odata.id": tasks}}));
    bmc.change(
        tasks,
        &json!({"Members": [{"@odata.id": format!("{tasks}/1")}, {"@odata.id": format!("{tasks}/2")}]}),
    );
    bmc.change(
        &format!("{tasks}/1"),
        &json!({"TaskState": "Running", "Payload": {"TargetUri": "/redfish/v1/Other"}}),
    );
    let payload = json!({"TargetUri": UPDATE, "JsonBody": "{\"ImageURI\": \"https:\\/\\/h\\/image.bin\"}"});
    bmc.change(&format!("{tasks}/2"), &json!({"TaskState": "Running", "Payload": payload}));
    let task = asking(&bmc);
    let call = || async { Bench::new().firmware.update(&task, update("bmc")).await.unwrap() };

    assert!(matches!(call().await, StepOutcome::Wait { .. }));
    bmc.change(&format!("{tasks}/2"), &json!({"TaskState": "Completed", "TaskStatus": "OK"}));
    while call().await != StepOutcome::Done {}

    assert_eq!(posts(&bmc).len(), 0);
}

#[tokio::test]
async fn an_update_that_somebody_asked_for_before_his_end_is_not_asked_for_again() {
    let bmc = bmc();

    let error = Bench::new().firmware.update(&asking(&bmc), update("bmc")).await.unwrap_err();

    assert!(error.message().contains("may be under way") && !error.is_retryable(), "{error}");
    assert_eq!(posts(&bmc).len(), 0);
}

#[tokio::test]
async fn a_start_for_an_update_is_gone_on_with_where_somebody_left_it() {
    let bmc = bmc();
    bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));
    let running = json!({"monitor": MONITOR, "since": 4_000_000_000_i64, "restarted": true, "turn": "off",
        "before": null, "silent_since": null});
    let progress = json!({"queue": update("bios"), "done": 0, "stage": {"running": running}});
    let task = crate::bench::node(&json!({"driver_info": {"redfish_address": bmc.url(),
        "redfish_username": crate::bmc::USER, "redfish_password": crate::bmc::PASSWORD},
        "driver_internal_info": {"redfish_fw_updates": progress}, "provision_state": "clean wait"}));

    run(&task, &update("bios")).await.unwrap();

    let log = bmc.state().log.clone();
    let resets: Vec<_> = log.iter().filter(|asked| asked.path == RESET).map(|asked| asked.json()).collect();
    assert_eq!((resets, posts(&bmc).len()), (vec![json!({"ResetType": "On"})], 0));
}

#[tokio::test]
async fn a_bmc_that_updates_itself_is_left_alone_for_as_long_as_its_node_says() {
    let bmc = bmc();
    bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));
    let task = crate::bench::task_with(&bmc, &json!({"firmware_update_unresponsive_bmc_wait": 3600}));
    let update = update("bmc");
    for _ in 0..3 {
        let outcome = Bench::new().firmware.update(&task, update.clone()).await.unwrap();
        assert!(matches!(outcome, StepOutcome::Wait { .. }));
    }
    let before = bmc.asked().len();

    Bench::new().firmware.update(&task, update).await.unwrap();

    assert_eq!(bmc.asked().len(), before);
}

#[tokio::test]
async fn a_bmc_that_neither_fetches_nor_takes_images_says_so() {
    let bmc = Bmc::start();

    let error = run(&task(&bmc), &update("bmc")).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn a_bmc_that_updates_itself_gets_no_power_and_boot_commands() {
    let bmc = bmc();
    let (bench, asking) = (Bench::new(), asking(&bmc));
    let refused = [
        bench.power.set_power_state(&asking, PowerState::On, None).await,
        bench.power.reboot(&asking, None).await,
        bench.management.set_boot_device(&asking, BootDevice::Pxe, false).await,
        bench.management.set_boot_mode(&asking, BootMode::Bios).await,
        bench.management.inject_nmi(&asking).await,
    ];
    for answer in refused {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Busy, true), "{error}");
    }
    assert!(bmc.asked().is_empty(), "{:?}", bmc.asked());

    // What a step has left that was given up hinders nobody.
    let given_up = asking_in(&bmc, "clean failed");
    bench.power.set_power_state(&given_up, PowerState::On, None).await.unwrap();
}

/// Calls the older step as a conductor does, each time by a driver that knows nothing.
async fn run_images(task: &Task, images: &Value) -> Result<()> {
    for _ in 0..50 {
        let images = farrier_sdk::serde_json::from_value(json!({"firmware_images": images})).unwrap();
        if Bench::new().management.update_firmware(task, images).await? == StepOutcome::Done {
            return Ok(());
        }
    }
    Err(DriverError::timeout("the update goes on forever"))
}

#[tokio::test]
async fn images_of_anything_are_followed_by_a_start_each() {
    let bmc = bmc();
    bmc.rule("POST", UPDATE, 1, Reply::status(202).with("Location", MONITOR));
    // One ends, is asked for again after the start, and so is the next.
    bmc.rule("GET", MONITOR, 1, running("Running"));
    bmc.rule("GET", MONITOR, 4, ended("Completed", "OK", "done"));
    let (task, image) =
        (task(&bmc), |name: &str| json!({"url": format!("https://h/{name}"), "checksum": "c"}));

    run_images(&task, &json!([image("a.bin"), image("b.bin")])).await.unwrap();

    let uris: Vec<_> = posts(&bmc).iter().map(|post| post["ImageURI"].clone()).collect();
    assert_eq!(uris, ["https://h/a.bin", "https://h/b.bin"]);
    let resets = bmc
        .state()
        .log
        .iter()
        .filter(|asked| asked.path == RESET)
        .map(|asked| asked.json())
        .collect::<Vec<_>>();
    let (on, off) = (json!({"ResetType": "On"}), json!({"ResetType": "ForceOff"}));
    assert_eq!(resets, [on.clone(), off, on], "it was off at first");
    assert!(task.refresh().await.unwrap().driver_internal_info.is_empty());
}

#[tokio::test]
async fn an_image_of_anything_that_waits_for_a_start_gets_one() {
    let bmc = bmc();
    bmc.rule("GET", MONITOR, 3, running("Starting"));
    bmc.rule("GET", MONITOR, 1, ended("Completed", "OK", "done"));

    run_images(&task(&bmc), &json!([{"url": "https://h/a.bin", "checksum": "c"}])).await.unwrap();

    assert_eq!((posts(&bmc).len(), bmc.count("POST", RESET)), (1, 1));
    let none =
        run_images(&task(&bmc), &json!([{"url": "swift://h/a.bin", "checksum": "c"}])).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidParameter, "{none}");
}

#[tokio::test]
async fn versions_are_read_of_all_components() {
    let bmc = bmc();
    let adapters = "/redfish/v1/Chassis/1/NetworkAdapters";
    bmc.change(SYSTEM, &json!({"Links": {"Chassis": [{"@odata.id": "/redfish/v1/Chassis/1"}]}}));
    bmc.change("/redfish/v1/Chassis/1", &json!({"NetworkAdapters": {"@odata.id": adapters}}));
    bmc.change(
        adapters,
        &json!({"Members": [{"@odata.id": format!("{adapters}/1")}, {"@odata.id": format!("{adapters}/2")}]}),
    );
    bmc.change(
        &format!("{adapters}/1"),
        &json!({"Id": "1", "SerialNumber": "S7", "Controllers": [{"FirmwarePackageVersion": "3.1"}]}),
    );
    bmc.rule(
        "GET",
        &format!("{adapters}/2"),
        9,
        Reply::error(400, "Base.1.8.GeneralError", "the host is off"),
    );

    let components = Bench::new().firmware.cache_firmware_components(&task(&bmc)).await.unwrap();

    let shown: Vec<_> =
        components.iter().map(|c| (c.component.as_str(), c.current_version.as_str())).collect();
    assert_eq!(shown, [("bios", "1.0"), ("bmc", "2.0"), ("nic:S7", "3.1")]);
}
