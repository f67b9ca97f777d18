//! Tags of resources, against BMCs that want them in different ways.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use crate::bench::{Bench, task};
use crate::bmc::{Bmc, Reply, SYSTEM};

/// The `If-Match` of each PATCH.
fn tags(bmc: &Bmc) -> Vec<Option<String>> {
    let log = bmc.state().log.clone();
    log.iter()
        .filter(|request| request.method == "PATCH")
        .map(|request| request.header("if-match").map(str::to_owned))
        .collect()
}

async fn set(bmc: &Bmc, bench: &Bench) -> Result<()> {
    bench.management.set_boot_device(&task(bmc), BootDevice::Pxe, false).await
}

#[tokio::test]
async fn a_write_carries_the_tag_of_the_read_before_it() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.state().tag = Some("W/\"a\"".to_owned());

    set(&bmc, &bench).await.unwrap();

    assert_eq!(tags(&bmc), [Some("W/\"a\"".to_owned())]);
}

#[tokio::test]
async fn the_tag_of_the_body_stands_in_for_the_header() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.change(SYSTEM, &json!({"@odata.etag": "\"b\""}));

    set(&bmc, &bench).await.unwrap();

    assert_eq!(tags(&bmc), [Some("\"b\"".to_owned())]);
}

#[tokio::test]
async fn a_bmc_without_tags_gets_none() {
    let (bmc, bench) = (Bmc::start(), Bench::new());

    set(&bmc, &bench).await.unwrap();

    assert_eq!(tags(&bmc), [None]);
}

#[tokio::test]
async fn the_form_that_worked_is_remembered() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.state().tag = Some("W/\"a\"".to_owned());
    bmc.rule("PATCH", SYSTEM, 1, Reply::status(412));

    set(&bmc, &bench).await.unwrap();
    set(&bmc, &bench).await.unwrap();

    let (weak, strong) = (Some("W/\"a\"".to_owned()), Some("\"a\"".to_owned()));
    assert_eq!(tags(&bmc), [weak, strong.clone(), strong]);
}

#[tokio::test]
async fn a_bmc_that_refuses_every_tag_ends_it() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.state().tag = Some("W/\"a\"".to_owned());
    bmc.rule("PATCH", SYSTEM, 99, Reply::status(412));

    let error = set(&bmc, &bench).await.unwrap_err();

    assert!(error.message().contains("answered 412"), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(tags(&bmc).len(), 4);
}

#[tokio::test]
async fn any_tag_goes_where_one_is_required_and_none_is_given() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("PATCH", SYSTEM, 1, Reply::status(428));

    set(&bmc, &bench).await.unwrap();

    assert_eq!(tags(&bmc), [None, Some("*".to_owned())]);
}
