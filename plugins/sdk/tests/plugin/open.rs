//! Starting and ending the plugin.

use std::time::Duration;

use farrier_sdk::error::ErrorKind;
use farrier_sdk::glue::from_reply;
use serde_json::{Value, json};

use crate::acme::{CLOSED, farrier_plugin};
use crate::host::{self, FakeHost, block_on};
use crate::task::FakeTask;

/// What the plugin greets with, which is what it made of its options.
fn greeting(options: &Value) -> String {
    let plugin = host::open(farrier_plugin(), &FakeHost::default(), options).unwrap();
    let power = host::interface(&plugin, "power", "acme").unwrap();
    let error = host::call(&power, "reboot", &json!({}), FakeTask::new(1).to_box()).unwrap_err();
    error.message().to_owned()
}

#[test]
fn options_reach_the_implementations() {
    assert_eq!(greeting(&json!({"greeting": "hi", "repetitions": 2, "shout": true})), "HI HI");
}

#[test]
fn absent_options_have_their_defaults() {
    assert_eq!(greeting(&json!({"repetitions": 1, "shout": null})), "hello");
}

#[test]
fn everything_wrong_with_the_options_is_said_at_once() {
    let options = json!({"repetitions": "often", "shout": 1, "whisper": true});

    let error = host::open(farrier_plugin(), &FakeHost::default(), &options).err().unwrap();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    for named in ["`repetitions`: expected u16", "`shout`: expected a boolean", "`whisper`: unknown"] {
        assert!(error.message().contains(named), "{error}");
    }
}

#[test]
fn a_plugin_may_refuse_to_start() {
    let error = host::open(farrier_plugin(), &FakeHost::default(), &json!({"greeting": ""})).err().unwrap();

    assert_eq!(error.message(), "`greeting` has to say something");
}

#[test]
fn a_panic_while_starting_is_an_error() {
    let error =
        host::open(farrier_plugin(), &FakeHost::default(), &json!({"greeting": "panic"})).err().unwrap();

    assert_eq!(error.kind(), ErrorKind::PluginPanicked);
    assert!(error.message().contains("the greeting was `panic`"), "{error}");
    assert!(error.message().contains("tests/plugin/acme.rs:"), "{error}");
}

#[test]
fn an_implementation_is_opened_by_its_alias_too() {
    let plugin = host::open(farrier_plugin(), &FakeHost::default(), &json!({})).unwrap();

    assert!(host::interface(&plugin, "power", "acme-old").is_ok());
}

#[test]
fn what_the_plugin_lacks_is_not_opened() {
    let plugin = host::open(farrier_plugin(), &FakeHost::default(), &json!({})).unwrap();

    for (kind, name, text) in [
        ("power", "acme-2", "there is no power implementation `acme-2`"),
        ("management", "acme-old", "there is no management implementation `acme-old`"),
        ("coffee", "acme", "`coffee` is not an interface type"),
    ] {
        let error = host::interface(&plugin, kind, name).err().unwrap();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, text));
    }
}

#[test]
fn closing_gives_the_plugin_time_to_end() {
    let options = json!({"greeting": "good night", "repetitions": 1});
    let plugin = host::open(farrier_plugin(), &FakeHost::default(), &options).unwrap();

    let reply = block_on(plugin.close(1500).into_future());

    assert_eq!(from_reply(reply), Ok(Vec::new()));
    let closed = CLOSED.lock().unwrap().clone();
    assert!(closed.contains(&("good night".to_owned(), Duration::from_millis(1500))), "{closed:?}");
}

#[test]
fn a_plugin_linked_into_a_program_is_opened_as_often_as_wanted() {
    let host = FakeHost::default();

    let first = host::open(farrier_plugin(), &host, &json!({}));
    let second = host::open(farrier_plugin(), &host, &json!({}));

    assert!(first.is_ok() && second.is_ok());
}

#[test]
fn a_plugin_linked_into_a_program_leaves_the_log_to_it() {
    let host = FakeHost::default();
    let plugin = host::open(farrier_plugin(), &host, &json!({})).unwrap();
    let vendor = host::interface(&plugin, "vendor", "acme").unwrap();

    host::call(&vendor, "vendor_call", &json!({"method": "log"}), FakeTask::new(1).to_box()).unwrap();

    assert_eq!(host.logged(1), []);
}
