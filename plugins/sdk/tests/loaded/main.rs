//! A plugin opened as a loader opens it: with its own panic hook and its log going to the host.
//!
//! What is so for the whole process is checked by one test, because `cargo test` runs them in one.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    dead_code,
    reason = "the whole program is a test; the plugin and its host are those of `tests/plugin`"
)]

#[path = "../plugin/acme.rs"]
mod acme;
#[path = "../plugin/host.rs"]
mod host;
#[path = "../plugin/task.rs"]
mod task;

use std::sync::LazyLock;

use farrier_abi::PluginBox;
use farrier_sdk::error::ErrorKind;
use serde_json::{Value, json};

use crate::host::{FakeHost, Logged};
use crate::task::FakeTask;

/// The plugin, opened once per process as a library is.
static LOADED: LazyLock<(FakeHost, PluginBox)> = LazyLock::new(|| {
    let host = FakeHost::default();
    let plugin = host::open_with(acme::farrier_plugin(), &host, &json!({"options": {}})).unwrap();
    // The plugin's hook prints nothing, and a test that fails would not say why.
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        silent(info);
        eprintln!("{info}");
    }));
    (host, plugin)
});

/// Calls a method of an implementation for the task `id`.
fn call(kind: &str, method: &str, arguments: &Value, id: u64) -> farrier_sdk::error::Result<Value> {
    let interface = host::interface(&LOADED.1, kind, "acme").unwrap();
    host::call(&interface, method, arguments, FakeTask::new(id).to_box())
}

#[test]
fn events_of_a_call_are_logged_with_its_task() {
    call("vendor", "vendor_call", &json!({"method": "log"}), 41).unwrap();

    let logged = LOADED.0.logged(41);

    let [first, second] = &logged[..] else { panic!("{logged:?}") };
    assert!(first.file.ends_with("plugin/acme.rs"), "{first:?}");
    let expected = Logged {
        level: 2,
        task: 41,
        target: "loaded::acme".to_owned(),
        file: first.file.clone(),
        message: "port is open".to_owned(),
        fields: json!({"address": "192.0.2.1", "port": 443, "ratio": 0.5}),
    };
    assert_eq!(*first, expected);
    assert_eq!((second.level, second.message.as_str(), &second.fields), (3, "done", &Value::Null));
}

#[test]
fn events_of_a_blocking_call_are_logged_with_its_task() {
    call("management", "get_sensors_data", &json!({}), 42).unwrap();

    let messages: Vec<_> = LOADED.0.logged(42).into_iter().map(|record| record.message).collect();

    assert_eq!(messages, ["reading sensors"]);
}

#[test]
fn a_panicking_destructor_is_logged_with_the_task_of_its_call() {
    let vendor = host::interface(&LOADED.1, "vendor", "acme").unwrap();
    let arguments = br#"{"method":"wait_with_bomb"}"#.as_slice();
    let waiting = vendor.call("vendor_call".into(), arguments.into(), FakeTask::new(43).to_box());
    {
        let mut waiting = std::pin::pin!(waiting.into_future());
        let polled = waiting.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending());
    }

    let logged = LOADED.0.logged(43);

    let [record] = &logged[..] else { panic!("{logged:?}") };
    assert_eq!((record.level, record.message.as_str()), (1, "a destructor panicked"));
    assert!(record.fields["error"].as_str().unwrap().starts_with("the bomb went off at "), "{record:?}");
}

#[test]
fn a_panic_tells_where_it_happened() {
    let error = call("vendor", "vendor_call", &json!({"method": "panic"}), 44).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::PluginPanicked);
    assert!(error.message().contains("plugin/acme.rs:"), "{error}");
}

#[test]
fn a_library_is_opened_once() {
    LazyLock::force(&LOADED);

    let host = FakeHost::default();
    let again = host::open_with(acme::farrier_plugin(), &host, &json!({})).err().unwrap();

    assert_eq!(again.message(), "the plugin is open already");
}

#[test]
fn members_of_a_newer_host_are_ignored() {
    let host = FakeHost::default();
    let config = json!({"linked": true, "options": {}, "features": ["later"]});

    assert!(host::open_with(acme::farrier_plugin(), &host, &config).is_ok());
}
