//! Panics end one call and nothing else.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use farrier_abi::abi_stable::std_types::{RSlice, RStr};
use farrier_sdk::error::ErrorKind;
use serde_json::json;

use crate::acme::DROPPED;
use crate::host::call;
use crate::task::FakeTask;
use crate::{implementation, vendor_call};

/// Starts a vendor method, polls it once and drops it.
fn start_and_drop(method: &str) {
    let vendor = implementation("vendor");
    let arguments = json!({"method": method}).to_string();
    let task = FakeTask::new(1).to_box();
    let started = vendor.call(RStr::from_str("vendor_call"), RSlice::from_slice(arguments.as_bytes()), task);
    let mut future = pin!(started.into_future());
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn a_panic_is_an_error_that_tells_where() {
    let error = vendor_call("panic", &FakeTask::new(1)).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::PluginPanicked);
    let place = error.message().strip_prefix("as asked for at ").unwrap();
    let (file, place) = place.split_once(':').unwrap();
    assert!(file.ends_with("tests/plugin/acme.rs"), "{file}");
    assert!(place.split(':').all(|number| number.parse::<u32>().is_ok()), "{place}");
}

#[test]
fn the_next_call_after_a_panic_works() {
    let vendor = implementation("vendor");
    let task = || FakeTask::new(1).to_box();

    call(&vendor, "vendor_call", &json!({"method": "panic"}), task()).unwrap_err();
    let said = call(&vendor, "vendor_call", &json!({"method": "say", "arguments": {"word": "a"}}), task());

    assert_eq!(said, Ok(json!("a")));
}

#[test]
fn a_dropped_call_stops() {
    let before = DROPPED.load(Ordering::SeqCst);

    start_and_drop("wait_forever");

    assert!(before < DROPPED.load(Ordering::SeqCst));
}

#[test]
fn a_panic_in_a_destructor_of_a_dropped_call_goes_no_further() {
    start_and_drop("wait_with_bomb");

    assert!(vendor_call("time_left", &FakeTask::new(1)).is_ok());
}

#[test]
fn a_call_that_is_never_polled_does_not_start() {
    let vendor = implementation("vendor");
    let arguments = br#"{"method":"panic"}"#.as_slice();

    drop(vendor.call(RStr::from_str("vendor_call"), arguments.into(), FakeTask::new(1).to_box()));
}

#[test]
fn a_panic_on_a_thread_of_the_blocking_style_is_an_error_that_tells_where() {
    let arguments = json!({"device": "pxe", "persistent": true});

    let set = call(&implementation("management"), "set_boot_device", &arguments, FakeTask::new(1).to_box());

    let error = set.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PluginPanicked);
    assert!(error.message().starts_with("`pxe`, persistent: true at "), "{error}");
    assert!(error.message().contains("tests/plugin/acme.rs:"), "{error}");
}
