//! The feature `tokio`: its timers and sockets work although somebody else polls.

use serde_json::json;

use crate::task::FakeTask;
use crate::vendor_call;

#[test]
fn timers_and_sockets_work_under_a_foreign_executor() {
    assert_eq!(vendor_call("nap", &FakeTask::new(1)), Ok(json!("true true")));
}

#[test]
fn a_call_does_not_leave_its_context_behind() {
    vendor_call("nap", &FakeTask::new(1)).unwrap();

    assert!(tokio::runtime::Handle::try_current().is_err());
}
