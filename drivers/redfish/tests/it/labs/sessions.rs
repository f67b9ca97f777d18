//! Sessions on a vendor's BMC: how many, how long, and that none is left.

use std::collections::BTreeSet;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use super::{Mockup, PASSWORD};
use crate::bench::Bench;

const DELL: &str = "dell-poweredge-r750.json";

#[tokio::test]
async fn a_thousand_polls_take_one_login_and_one_connection() {
    let (mockup, bench) = (Mockup::start(DELL, &[]), Bench::new());
    let task = mockup.plain_task();

    for _ in 0..1000 {
        bench.power.get_power_state(&task).await.unwrap();
    }

    // Root, login, collection of Systems, and one look each time.
    mockup.expect_log(&1003, |log| log.len());
    mockup.expect_log(&1, |log| log.iter().map(|entry| entry.connection).collect::<BTreeSet<_>>().len());
    assert_eq!((mockup.logins(), mockup.sessions()), (1, 1));
}

#[tokio::test]
async fn a_bmc_that_closes_every_connection_still_gets_one_login() {
    let (mockup, bench) = (Mockup::start(DELL, &["--close"]), Bench::new());

    for _ in 0..5 {
        bench.power.get_power_state(&mockup.plain_task()).await.unwrap();
    }

    assert_eq!((mockup.logins(), mockup.sessions()), (1, 1));
}

#[tokio::test]
async fn an_expired_session_is_replaced() {
    let faults =
        json!([{"method": "GET", "path": "^/redfish/v1/Systems/", "times": 1, "expire_sessions": true}]);
    let (mockup, bench) = (Mockup::start(DELL, &[]), Bench::new());
    let task = mockup.plain_task();
    bench.power.get_power_state(&task).await.unwrap();
    mockup.request("POST", "/__lab/faults", Some(&faults));
    bench.power.get_power_state(&task).await.unwrap();

    assert_eq!((mockup.logins(), mockup.sessions()), (2, 1));
}

#[tokio::test]
async fn a_session_lost_in_a_write_does_not_repeat_the_write() {
    let (mockup, bench) =
        (Mockup::start(DELL, &["--faults", &Mockup::faults("session-lost.json")]), Bench::new());

    bench.management.set_boot_device(&mockup.plain_task(), BootDevice::Pxe, false).await.unwrap();

    mockup.expect_log(&vec![401, 204], |log| {
        log.iter().filter(|entry| entry.method == "PATCH").map(|entry| entry.status).collect()
    });
    assert_eq!(mockup.logins(), 2);
}

#[tokio::test]
async fn a_full_bmc_is_used_without_a_session() {
    let (mockup, bench) = (Mockup::start(DELL, &["--max-sessions", "0"]), Bench::new());

    for _ in 0..2 {
        bench.power.get_power_state(&mockup.plain_task()).await.unwrap();
    }

    mockup.expect_log(&vec!["basic".to_owned(); 2], |log| {
        log.iter().filter(|entry| entry.path.contains("Systems/")).map(|entry| entry.how.clone()).collect()
    });
    assert_eq!(mockup.sessions(), 0);
}

#[tokio::test]
async fn a_bmc_with_basic_only_or_sessions_only_is_used_as_it_is() {
    for (habit, how) in [("basic", "basic"), ("session", "session")] {
        let (mockup, bench) = (Mockup::start(DELL, &["--auth", habit]), Bench::new());

        bench.power.get_power_state(&mockup.plain_task()).await.unwrap();

        mockup.expect_log(&Some(how.to_owned()), |log| {
            log.iter().find(|entry| entry.path.contains("Systems/")).map(|entry| entry.how.clone())
        });
    }
}

#[tokio::test]
async fn no_session_is_left_behind() {
    let (mockup, bench) = (Mockup::start(DELL, &[]), Bench::new());
    bench.power.get_power_state(&mockup.plain_task()).await.unwrap();
    bench.management.get_boot_device(&mockup.plain_task()).await.unwrap();
    assert_eq!(mockup.sessions(), 1);

    bench.close().await;

    assert_eq!(mockup.sessions(), 0);
}

#[tokio::test]
async fn a_wrong_password_locks_no_account() {
    let (mockup, bench) = (Mockup::start(DELL, &[]), Bench::new());
    let wrong = || mockup.task(&json!({"redfish_password": format!("not-{PASSWORD}")}));

    for _ in 0..20 {
        let error = bench.power.get_power_state(&wrong()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthFailed);
    }

    mockup.expect_log(&2, |log| log.iter().filter(|entry| entry.status == 401).count());
}
