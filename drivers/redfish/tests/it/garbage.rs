//! A BMC that answers nonsense, slowly, half or without end: bounded in time and memory, and nobody else's trouble.

use std::time::Instant;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use crate::bench::{Bench, task};
use crate::bmc::{Bmc, Reply, SYSTEM, SYSTEMS};

/// What a BMC can send that is no resource.
fn nonsense() -> Vec<(&'static str, Reply)> {
    let deep = |open: &str| Reply::Answer(200, vec![], open.repeat(10_000));
    let twice = r#"{"PowerState": "On", "PowerState": {"a": [}"#;
    vec![
        ("empty", Reply::status(200)),
        ("array", Reply::Answer(200, vec![], "[]".to_owned())),
        ("number", Reply::Answer(200, vec![], "17".to_owned())),
        ("truncated", Reply::Answer(200, vec![], "{\"PowerState\": \"On".to_owned())),
        (
            "page",
            Reply::Answer(200, vec![("Content-Type", "text/html".to_owned())], "<html></html>".to_owned()),
        ),
        ("large", Reply::Answer(200, vec![], " ".repeat(9 << 20))),
        ("promised", Reply::Cut(64 << 20, "{".to_owned())),
        ("endless", Reply::Endless),
        ("deep", deep("[")),
        ("deep members", deep("{\"a\":")),
        ("broken", Reply::Answer(200, vec![], twice.to_owned())),
    ]
}

#[tokio::test]
async fn row_b09_nonsense_is_an_error_and_no_other_node_waits_for_it() {
    let (good, bench) = (Bmc::start(), Bench::new());
    bench.power.get_power_state(&task(&good)).await.unwrap();
    for (name, reply) in nonsense() {
        let bad = Bmc::start();
        bad.rule("GET", SYSTEM, 1000, reply);

        let start = Instant::now();
        let error = bench.power.get_power_state(&task(&bad)).await.unwrap_err();

        assert!(matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Unreachable), "{name}: {error}");
        assert!(start.elapsed() < Duration::from_secs(10), "{name}: {:?}", start.elapsed());
        assert!(error.to_string().len() < 2000, "{name}");
        assert_eq!(bench.power.get_power_state(&task(&good)).await.unwrap(), PowerState::Off, "{name}");
    }
}

#[tokio::test]
async fn row_b09_a_wrong_type_is_absent_and_a_name_twice_is_nonsense() {
    let bmc = Bmc::start();
    bmc.rule("GET", SYSTEM, 1, Reply::Answer(200, vec![], r#"{"PowerState": 1}"#.to_owned()));
    let state = Bench::new().power.get_power_state(&task(&bmc)).await.unwrap();
    assert_eq!(state, PowerState::Unknown);

    let twice = r#"{"PowerState": "Off", "PowerState": "On"}"#;
    bmc.rule("GET", SYSTEM, 1, Reply::Answer(200, vec![], twice.to_owned()));
    let error = Bench::new().power.get_power_state(&task(&bmc)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    let odd = Reply::Answer(200, vec![], "{\"PowerState\": \"On\", \"Name\": \"\u{fffd}\"}".to_owned());
    bmc.rule("GET", SYSTEM, 1, odd);
    assert_eq!(Bench::new().power.get_power_state(&task(&bmc)).await.unwrap(), PowerState::On);
}

#[tokio::test]
async fn row_b10_links_to_nowhere_are_not_followed() {
    let bmc = Bmc::start();
    let links =
        ["/redfish/v1/../../etc", "//elsewhere/redfish/v1/x", "ftp://h/redfish/v1/x", "", "/cgi-bin/x"];
    for link in links {
        bmc.change(SYSTEM, &json!({"SecureBoot": {"@odata.id": link}, "VirtualMedia": {"@odata.id": link}, "Bios": {"@odata.id": link}}));
        let bench = Bench::new();

        let secure_boot = bench.management.get_secure_boot_state(&task(&bmc)).await.unwrap_err();
        let media = bench.management.get_virtual_media(&task(&bmc)).await.unwrap_err();
        let bios = bench.bios.cache_bios_settings(&task(&bmc)).await.unwrap_err();

        for error in [secure_boot, media, bios] {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{link}: {error}");
        }
    }
    let outside = |path: &String| !path.starts_with("/redfish/v1");
    let asked: Vec<String> = bmc.state().log.iter().map(|request| request.path.clone()).collect();
    assert!(!asked.iter().any(outside), "{asked:?}");
}

#[tokio::test]
async fn row_b10_a_collection_that_holds_itself_or_too_much_is_cut() {
    let bmc = Bmc::start();
    let place = "/redfish/v1/Systems/1/VirtualMedia";
    bmc.change(SYSTEM, &json!({"VirtualMedia": {"@odata.id": place}}));
    bmc.change(place, &json!({"Members": [{"@odata.id": place}, {"@odata.id": format!("{place}/")}, null, {"@odata.id": 3}]}));
    let error = Bench::new().management.get_virtual_media(&task(&bmc)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");

    let many: Vec<_> =
        (0..100_000).map(|n| json!({"@odata.id": format!("/redfish/v1/Systems/{n}")})).collect();
    bmc.change(SYSTEMS, &json!({"Members": many}));
    let task = crate::bench::task_with(&bmc, &json!({"redfish_system_id": null}));
    let state = Bench::new().power.get_power_state(&task).await.unwrap();
    assert_eq!(state, PowerState::Off, "the only one that can be reset");
    assert!(bmc.asked().len() < 200, "{}", bmc.asked().len());
}

#[tokio::test]
async fn row_t08_dead_and_slow_bmcs_do_not_hold_up_the_others() {
    let bench = Arc::new(Bench::with(json!({"read_timeout": 600})));
    let healthy: Vec<Bmc> = (0..20).map(|_| Bmc::start()).collect();
    let silent: Vec<Bmc> = (0..5).map(|_| Bmc::start()).collect();
    for bmc in &silent {
        bmc.rule("GET", SYSTEM, 1000, Reply::Hang);
    }
    // All of them are known before.
    for bmc in &healthy {
        bench.power.get_power_state(&task(bmc)).await.unwrap();
    }
    let poll = |bmc: &Bmc| {
        let (bench, task) = (Arc::clone(&bench), task(bmc));
        async move { bench.power.get_power_state(&task).await }
    };
    let waiting: Vec<_> = silent.iter().map(|bmc| tokio::spawn(poll(bmc))).collect();

    for bmc in &healthy {
        for _ in 0..10 {
            poll(bmc).await.unwrap();
        }
    }

    assert!(waiting.iter().all(|job| !job.is_finished()));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
