//! Work that a BMC goes on with after its answer.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use crate::bench::{Bench, task};
use crate::bmc::{Bmc, Reply, SYSTEM};

const MONITOR: &str = "/redfish/v1/TaskService/TaskMonitors/1";

fn accepted() -> Reply {
    Reply::status(202).with("Location", MONITOR).with("Retry-After", "0")
}

fn task_body(state: &str, status: &str) -> String {
    let message = json!({"MessageId": "Acme.1.0.Broken", "Message": "It broke.", "Severity": "Critical"});
    json!({"@odata.id": MONITOR, "TaskState": state, "TaskStatus": status, "Messages": [message]}).to_string()
}

async fn set(bmc: &Bmc, bench: &Bench) -> Result<()> {
    bench.management.set_boot_device(&task(bmc), BootDevice::Pxe, false).await
}

#[tokio::test]
async fn a_change_is_done_when_its_task_is() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("PATCH", SYSTEM, 1, accepted());
    bmc.rule("GET", MONITOR, 2, Reply::Answer(202, vec![], String::new()));
    bmc.rule("GET", MONITOR, 1, Reply::Answer(200, vec![], task_body("Running", "OK")));
    bmc.rule("GET", MONITOR, 1, Reply::Answer(200, vec![], task_body("Completed", "OK")));

    set(&bmc, &bench).await.unwrap();

    assert_eq!(bmc.count("GET", MONITOR), 4);
}

#[tokio::test]
async fn a_failed_task_tells_why() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("PATCH", SYSTEM, 1, accepted());
    bmc.rule("GET", MONITOR, 1, Reply::Answer(200, vec![], task_body("Exception", "Critical")));

    let error = set(&bmc, &bench).await.unwrap_err();

    assert!(error.message().contains("ended as `Exception`: It broke. (Broken)"), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_task_that_vanishes_is_finished() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("PATCH", SYSTEM, 1, accepted());

    set(&bmc, &bench).await.unwrap();

    assert_eq!(bmc.count("GET", MONITOR), 1);
}

#[tokio::test]
async fn the_task_in_the_body_is_followed_and_none_is_fine() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("PATCH", SYSTEM, 1, Reply::Answer(202, vec![], task_body("New", "OK")));
    bmc.rule("PATCH", SYSTEM, 1, Reply::status(202));
    bmc.rule("GET", MONITOR, 1, Reply::status(204));

    set(&bmc, &bench).await.unwrap();
    set(&bmc, &bench).await.unwrap();

    assert_eq!(bmc.count("GET", MONITOR), 1);
}
