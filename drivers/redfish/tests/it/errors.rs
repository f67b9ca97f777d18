//! What becomes of bad answers, row by row: the kind of the error, whether trying again may help, what it says.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use crate::bench::{Bench, task};
use crate::bmc::{Bmc, PASSWORD, Reply, SESSIONS, SYSTEM};

/// Reading the System of a BMC that answers so.
async fn reading(reply: Reply) -> DriverError {
    let bmc = Bmc::start();
    bmc.rule("GET", SYSTEM, 100, reply);
    Bench::new().power.get_power_state(&task(&bmc)).await.unwrap_err()
}

/// Changing the System of a BMC that answers so.
async fn changing(reply: Reply) -> DriverError {
    let bmc = Bmc::start();
    bmc.rule("PATCH", SYSTEM, 100, reply);
    Bench::new().management.set_boot_device(&task(&bmc), BootDevice::Pxe, false).await.unwrap_err()
}

fn said(status: u16) -> Reply {
    Reply::error(status, "Acme.1.0.Trouble", "what the BMC says")
}

/// Kind, whether it may be tried again, and that it says everything but the password.
fn expect(error: &DriverError, kind: ErrorKind, retryable: bool, texts: &[&str]) {
    assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{error}");
    for text in texts {
        assert!(error.message().contains(text), "`{text}` in: {error}");
    }
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}

#[tokio::test]
async fn row_e05_a_denied_request_is_not_tried_again() {
    let error = reading(said(403)).await;
    expect(
        &error,
        ErrorKind::AuthFailed,
        false,
        &["get power state failed", "GET `/redfish/v1/Systems/1`", "what the BMC says"],
    );
    let license = reading(Reply::error(403, "SMC.1.0.OemLicenseNotPassed", "needs a license")).await;
    expect(&license, ErrorKind::AuthFailed, false, &["license"]);
    let change = reading(Reply::error(403, "Base.1.8.PasswordChangeRequired", "x")).await;
    expect(&change, ErrorKind::AuthFailed, false, &["password of the account must be changed"]);
}

#[tokio::test]
async fn row_e06_a_missing_system_is_named() {
    let error = reading(said(404)).await;

    expect(&error, ErrorKind::Hardware, false, &["/redfish/v1/Systems/1", "404", "what the BMC says"]);
}

#[tokio::test]
async fn row_e07_what_a_bmc_does_not_have_is_unsupported() {
    for status in [405, 501] {
        expect(&changing(said(status)).await, ErrorKind::Unsupported, false, &["PATCH", "what the BMC says"]);
    }
    let bmc = Bmc::start();
    let none = Bench::new().management.get_secure_boot_state(&task(&bmc)).await.unwrap_err();
    expect(&none, ErrorKind::Unsupported, false, &["has no secure boot"]);
    bmc.change(SYSTEM, &json!({"SecureBoot": {"@odata.id": "/redfish/v1/gone"}}));
    let gone = Bench::new().management.get_secure_boot_state(&task(&bmc)).await.unwrap_err();
    expect(&gone, ErrorKind::Unsupported, false, &["has no secure boot"]);
}

#[tokio::test]
async fn row_e08_a_bad_request_says_what_the_bmc_says() {
    expect(
        &changing(said(400)).await,
        ErrorKind::Hardware,
        false,
        &["set boot device failed", "400", "what the BMC says"],
    );
    let bmc = Bmc::start();
    let unknown =
        Bench::new().management.set_boot_device(&task(&bmc), BootDevice::Floppy, false).await.unwrap_err();
    expect(&unknown, ErrorKind::InvalidParameter, false, &["`floppy`"]);
}

#[tokio::test]
async fn row_e09_a_conflict_may_pass() {
    expect(&changing(said(409)).await, ErrorKind::Conflict, true, &["409", "what the BMC says"]);
}

#[tokio::test]
async fn row_e10_refused_tags_end_it() {
    for status in [412, 428] {
        expect(&changing(said(status)).await, ErrorKind::Hardware, false, &["PATCH"]);
    }
}

#[tokio::test]
async fn row_e11_a_bmc_that_is_not_ready_may_be_later() {
    for status in [429, 500, 502, 503, 504] {
        let error = reading(said(status)).await;
        expect(&error, ErrorKind::Busy, true, &["the BMC is not ready", "what the BMC says"]);
    }
    let not_ready = changing(Reply::error(400, "IDRAC.2.8.SYS518", "not yet")).await;
    expect(&not_ready, ErrorKind::Busy, true, &["the BMC is not ready", "not yet"]);
}

#[tokio::test]
async fn row_e12_good_answers_with_bad_bodies_are_unexpected() {
    for body in ["", "[]", "17", "{\"PowerState\": \"On", "<html></html>"] {
        let error = reading(Reply::Answer(200, vec![], body.to_owned())).await;
        expect(&error, ErrorKind::Protocol, true, &["unexpected answer", "/redfish/v1/Systems/1"]);
    }
}

#[tokio::test]
async fn row_e13_a_task_that_fails_or_never_ends_is_an_error() {
    let monitor = "/redfish/v1/TaskService/TaskMonitors/1";
    let bmc = Bmc::start();
    bmc.rule("PATCH", SYSTEM, 1, Reply::status(202).with("Location", monitor));
    let body = json!({"TaskState": "Exception", "Messages": [{"Message": "it broke", "MessageId": "Acme.1.0.Broke"}]});
    bmc.rule("GET", monitor, 1, Reply::Answer(200, vec![], body.to_string()));

    let error =
        Bench::new().management.set_boot_device(&task(&bmc), BootDevice::Pxe, false).await.unwrap_err();

    expect(&error, ErrorKind::Hardware, false, &["it broke"]);
}

#[tokio::test]
async fn row_e03_refused_credentials_are_remembered_with_the_time_that_is_left() {
    let bmc = Bmc::start();
    bmc.state().user = Some(("root".to_owned(), "other".to_owned()));
    bmc.state().has_basic = false;

    let error = Bench::new().power.get_power_state(&task(&bmc)).await.unwrap_err();

    expect(
        &error,
        ErrorKind::AuthFailed,
        true,
        &["authentication failed for user `root`", "s until the next try"],
    );
}

#[tokio::test]
async fn row_e04_a_bmc_without_a_free_session_is_busy() {
    let bmc = Bmc::start();
    bmc.rule("POST", SESSIONS, 100, Reply::error(503, "IDRAC.2.8.RAC0218", "full"));
    let task = crate::bench::task_with(&bmc, &json!({"redfish_auth_type": "session"}));

    let error = Bench::new().power.get_power_state(&task).await.unwrap_err();

    expect(&error, ErrorKind::Busy, true, &["no free session", "RAC0218"]);
}

#[tokio::test]
async fn row_e15_no_query_stands_in_a_text() {
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"SecureBoot": {"@odata.id": "/redfish/v1/x?token=hidden"}}));
    bmc.rule("GET", "/redfish/v1/x?token=hidden", 9, said(400));

    let error = Bench::new().management.get_secure_boot_state(&task(&bmc)).await.unwrap_err();

    assert!(!error.message().contains("hidden") && error.message().contains("/redfish/v1/x"), "{error}");
}
