//! The feature `tokio`: its timers and sockets work although somebody else polls.

use std::fs;

use serde_json::json;

use crate::host::call;
use crate::task::FakeTask;
use crate::{implementation, vendor_call};

#[test]
fn timers_and_sockets_work_under_a_foreign_executor() {
    assert_eq!(vendor_call("nap", &FakeTask::new(1)), Ok(json!("true true")));
}

#[test]
fn a_call_does_not_leave_its_context_behind() {
    vendor_call("nap", &FakeTask::new(1)).unwrap();

    assert!(tokio::runtime::Handle::try_current().is_err());
}

#[test]
fn the_one_thread_of_a_plugin_has_its_name() {
    let vendor = implementation("vendor");
    // The thread gives itself its name; once a timer has run, it has.
    call(&vendor, "vendor_call", &json!({"method": "nap"}), FakeTask::new(1).to_box()).unwrap();

    let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path().join("comm"));
    let names: Vec<_> = threads.filter_map(|path| fs::read_to_string(path).ok()).collect();

    assert!(names.iter().any(|name| name.trim_end() == "acme-test-io"), "{names:?}");
}
