//! Logging in and out: the table of the module `session`, row by row.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use insta::assert_snapshot;

use crate::bench::{Bench, node, task, task_with};
use crate::bmc::{Bmc, PASSWORD, Reply, SESSIONS, SYSTEM, USER};

#[tokio::test]
async fn one_session_serves_all_operations_on_one_connection() {
    let (bmc, bench) = (Bmc::start(), Bench::new());

    for _ in 0..100 {
        assert_eq!(bench.power.get_power_state(&task(&bmc)).await.unwrap(), PowerState::Off);
    }

    assert_eq!(bmc.asked()[..3], ["GET / 200", "POST /SessionService/Sessions 201", "GET /Systems/1 200"]);
    assert_eq!((bmc.count("POST", SESSIONS), bmc.count("GET", SYSTEM)), (1, 100));
    assert_eq!((bmc.asked().len(), bmc.connections()), (102, 1));
}

#[tokio::test]
async fn simultaneous_operations_share_one_login() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let (first, second, third) = (task(&bmc), task(&bmc), task(&bmc));

    let states = tokio::join!(
        bench.power.get_power_state(&first),
        bench.power.get_power_state(&second),
        bench.power.get_power_state(&third),
    );

    assert!(states.0.is_ok() && states.1.is_ok() && states.2.is_ok());
    assert_eq!(bmc.count("POST", SESSIONS), 1);
}

#[tokio::test]
async fn a_login_that_nobody_waits_for_any_more_is_not_lost() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    {
        let task = task(&bmc);
        let mut call = Box::pin(bench.power.get_power_state(&task));
        // Dropped in the middle of the login.
        while bmc.count("POST", SESSIONS) == 0 {
            tokio::select! {
                biased;
                _ = &mut call => break,
                () = tokio::task::yield_now() => {}
            }
        }
    }

    bench.power.get_power_state(&task(&bmc)).await.unwrap();
    bench.close().await;

    assert_eq!(bmc.count("POST", SESSIONS), 1);
    assert!(bmc.state().tokens.is_empty());
}

#[tokio::test]
async fn nobody_logs_in_without_an_account() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.state().user = None;
    let task = node(&json!({"driver_info": {"redfish_address": bmc.url(), "redfish_system_id": SYSTEM}}));

    bench.power.get_power_state(&task).await.unwrap();

    assert_eq!(bmc.asked(), ["GET /Systems/1 200"]);
}

#[tokio::test]
async fn basic_never_asks_for_a_session() {
    let (bmc, bench) = (Bmc::start(), Bench::new());

    bench.power.get_power_state(&task_with(&bmc, &json!({"redfish_auth_type": "basic"}))).await.unwrap();

    assert_eq!(bmc.asked(), ["GET /Systems/1 200"]);
}

#[tokio::test]
async fn a_bmc_without_sessions_gets_user_and_password_from_then_on() {
    for answer in [Reply::status(404), Reply::status(405), Reply::status(501), Reply::status(201)] {
        let (bmc, bench) = (Bmc::start(), Bench::new());
        bmc.rule("POST", SESSIONS, 1, answer.clone());

        for _ in 0..3 {
            bench.power.get_power_state(&task(&bmc)).await.unwrap();
        }

        assert_eq!((bmc.count("POST", SESSIONS), bmc.asked().len()), (1, 5), "{answer:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_demanded_and_not_had_is_an_error() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.state().has_sessions = false;
    let task = task_with(&bmc, &json!({"redfish_auth_type": "session"}));

    let error = bench.power.get_power_state(&task).await.unwrap_err();

    assert!(error.message().ends_with("answered 404; the BMC has no sessions"), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_refused_session_leads_to_user_and_password_if_they_work() {
    for status in [401, 403] {
        let (bmc, bench) = (Bmc::start(), Bench::new());
        bmc.rule("POST", SESSIONS, 9, Reply::status(status));

        for _ in 0..2 {
            bench.power.get_power_state(&task(&bmc)).await.unwrap();
        }

        assert_eq!(bmc.count("POST", SESSIONS), 1);
    }
}

#[tokio::test]
async fn a_wrong_password_reaches_the_bmc_twice_and_is_then_remembered() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let wrong = || task_with(&bmc, &json!({"redfish_password": "wr0ng"}));

    let error = bench.power.get_power_state(&wrong()).await.unwrap_err();
    for _ in 0..10 {
        let again = bench.power.get_power_state(&wrong()).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AuthFailed);
    }

    assert_eq!(error.kind(), ErrorKind::AuthFailed);
    assert!(
        error.message().starts_with("get power state failed: authentication failed for user `root`"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("wr0ng"));
    assert_eq!(bmc.asked()[1..], ["POST /SessionService/Sessions 401", "GET /Systems 401"]);

    // Other credentials are not held back.
    bench.power.get_power_state(&task(&bmc)).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_remembered_even_if_no_client_is_kept() {
    let (bmc, bench) = (Bmc::start(), Bench::with(json!({"connection_cache_size": 0})));
    let wrong = || task_with(&bmc, &json!({"redfish_password": "wr0ng"}));

    for _ in 0..5 {
        bench.power.get_power_state(&wrong()).await.unwrap_err();
    }

    assert_eq!(bmc.count("POST", SESSIONS), 1);
}

#[tokio::test]
async fn a_full_bmc_gets_user_and_password_this_time_only() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule(
        "POST",
        SESSIONS,
        1,
        Reply::error(503, "IDRAC.2.8.RAC0218", "The maximum number of user sessions is reached."),
    );

    for _ in 0..3 {
        bench.power.get_power_state(&task(&bmc)).await.unwrap();
    }

    assert_eq!(bmc.count("POST", SESSIONS), 2);
    assert_eq!(bmc.state().tokens.len(), 1);
}

#[tokio::test]
async fn a_full_bmc_is_busy_when_a_session_is_demanded() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("POST", SESSIONS, 1, Reply::error(400, "Base.1.8.SessionLimitExceeded", "Too many."));
    let task = task_with(&bmc, &json!({"redfish_auth_type": "session"}));

    let error = bench.power.get_power_state(&task).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Busy, true));
    assert!(error.message().contains("no free session (SessionLimitExceeded)"), "{error}");
}

#[tokio::test]
async fn a_lost_session_is_replaced_once() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bench.power.get_power_state(&task(&bmc)).await.unwrap();
    bmc.state().tokens.clear();

    bench.power.get_power_state(&task(&bmc)).await.unwrap();

    let asked = bmc.asked();
    let tail = ["GET /Systems/1 401", "POST /SessionService/Sessions 201", "GET /Systems/1 200"];
    assert_eq!(asked[asked.len() - 3..], tail);
    assert_eq!(bmc.state().tokens.len(), 1);
}

#[tokio::test]
async fn a_new_session_that_is_refused_at_once_is_an_authentication_error() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("GET", SYSTEM, 9, Reply::status(401));

    let error = bench.power.get_power_state(&task(&bmc)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::AuthFailed);
    assert_eq!((bmc.count("POST", SESSIONS), bmc.count("GET", SYSTEM)), (1, 1));
}

#[tokio::test]
async fn basic_that_is_refused_is_an_authentication_error() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.state().has_basic = false;
    let task = task_with(&bmc, &json!({"redfish_auth_type": "basic"}));

    for _ in 0..3 {
        assert_eq!(bench.power.get_power_state(&task).await.unwrap_err().kind(), ErrorKind::AuthFailed);
    }

    assert_eq!(bmc.asked(), ["GET /Systems/1 401"]);
}

#[tokio::test]
async fn a_password_that_must_be_changed_is_named_and_not_tried_again() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let reply = Reply::error(403, "Base.1.8.PasswordChangeRequired", "The password must be changed.");
    bmc.rule("GET", SYSTEM, 9, reply);

    let error = bench.power.get_power_state(&task(&bmc)).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::AuthFailed, false));
    let shown = error.message().replace(&bmc.port.to_string(), "PORT");
    assert_snapshot!(shown, @"get power state failed: GET `/redfish/v1/Systems/1` at `http://127.0.0.1:PORT` was denied: the password of the account must be changed first");
    assert_eq!(bmc.count("GET", SYSTEM), 1);
}

#[tokio::test]
async fn a_missing_privilege_keeps_the_session() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("GET", SYSTEM, 1, Reply::error(403, "Base.1.8.InsufficientPrivilege", "No."));

    let error = bench.power.get_power_state(&task(&bmc)).await.unwrap_err();
    bench.power.get_power_state(&task(&bmc)).await.unwrap();

    assert!(error.message().contains("was denied: No. (InsufficientPrivilege)"), "{error}");
    assert_eq!(bmc.count("POST", SESSIONS), 1);
}

#[tokio::test]
async fn sessions_end_with_the_plugin() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bench.power.get_power_state(&task(&bmc)).await.unwrap();
    assert_eq!(bmc.state().tokens.len(), 1);

    bench.close().await;

    assert!(bmc.state().tokens.is_empty());
}

#[tokio::test]
async fn the_session_of_old_credentials_ends() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bench.power.get_power_state(&task(&bmc)).await.unwrap();
    bmc.state().user = Some((USER.to_owned(), "n3w".to_owned()));

    bench.power.get_power_state(&task_with(&bmc, &json!({"redfish_password": "n3w"}))).await.unwrap();
    bench.close().await;

    assert_eq!(bmc.count("DELETE", &format!("{SESSIONS}/token-1")), 1);
    assert!(bmc.state().tokens.is_empty());
}

#[tokio::test]
async fn the_client_used_least_recently_goes_and_logs_out() {
    let bmcs = [Bmc::start(), Bmc::start(), Bmc::start()];
    let bench = Bench::with(json!({"connection_cache_size": 2}));
    let ask = |index: usize| {
        let bmc = &bmcs[index];
        let info =
            json!({"redfish_address": bmc.url(), "redfish_username": USER, "redfish_password": PASSWORD});
        let task = node(&json!({"uuid": format!("node-{index}"), "driver_info": info}));
        let power = &bench.power;
        async move { power.get_power_state(&task).await.unwrap() }
    };

    for index in [0, 1, 0, 2, 0] {
        ask(index).await;
    }
    let logged_in: Vec<usize> = bmcs.iter().map(|bmc| bmc.count("POST", SESSIONS)).collect();
    bench.close().await;

    assert_eq!(logged_in, [1, 1, 1]);
    assert!(bmcs.iter().all(|bmc| bmc.state().tokens.is_empty()));
}

#[tokio::test]
async fn a_session_without_a_place_is_used_all_the_same() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.state().tokens.insert("t".to_owned());
    bmc.rule("POST", SESSIONS, 1, Reply::status(200).with("X-Auth-Token", "t").with("Location", ""));

    bench.power.get_power_state(&task(&bmc)).await.unwrap();
    bench.close().await;

    assert_eq!(bmc.count("GET", SYSTEM), 1);
}

#[tokio::test]
async fn sessions_are_found_through_their_service() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let root = json!({"SessionService": {"@odata.id": "/redfish/v1/Sess"}, "Links": {"Sessions": null}});
    bmc.change("/redfish/v1/", &root);
    bmc.rule(
        "GET",
        "/redfish/v1/Sess",
        1,
        Reply::Answer(200, vec![], json!({"Sessions": {"@odata.id": SESSIONS}}).to_string()),
    );

    bench.power.get_power_state(&task(&bmc)).await.unwrap();

    assert_eq!(bmc.state().tokens.len(), 1);
}
