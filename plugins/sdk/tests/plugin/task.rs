//! Tasks that answer what the test says and remember what they were asked.

use std::sync::{Arc, Mutex};

use farrier_abi::abi_stable::sabi_trait::TD_Opaque;
use farrier_abi::abi_stable::std_types::{RArc, RStr, RVec};
use farrier_abi::{BFuture, Bytes, CallFuture, Task, Task_TO, TaskBox};
use farrier_sdk::error::{DriverError, Result};
use farrier_sdk::glue::{decode, encode, to_reply};
use serde_json::{Value, json};

/// What a task answers to a method with arguments.
type Answer = dyn Fn(&str, &Value) -> Result<Value> + Send + Sync;

/// One call on a node with an address.
#[derive(Clone)]
pub(crate) struct FakeTask {
    id: u64,
    node: Value,
    time_left_ms: u64,
    cancelled: bool,
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl FakeTask {
    /// A task without a deadline that accepts everything with null.
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            node: json!({"driver_info": {"acme_address": "192.0.2.1"}}),
            time_left_ms: u64::MAX,
            cancelled: false,
            answer: Arc::new(|_, _| Ok(Value::Null)),
            asked: Arc::default(),
        }
    }

    pub(crate) fn node(mut self, node: Value) -> Self {
        self.node = node;
        self
    }

    pub(crate) fn time_left_ms(mut self, milliseconds: u64) -> Self {
        self.time_left_ms = milliseconds;
        self
    }

    pub(crate) fn cancelled(mut self) -> Self {
        self.cancelled = true;
        self
    }

    pub(crate) fn answer(
        mut self,
        answer: impl Fn(&str, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.answer = Arc::new(answer);
        self
    }

    /// What was asked so far, in order.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn to_box(&self) -> TaskBox {
        Task_TO::from_ptr(RArc::new(self.clone()), TD_Opaque)
    }
}

/// The answer to what a test does not expect.
pub(crate) fn unexpected(method: &str) -> Result<Value> {
    Err(DriverError::internal(format!("`{method}` was not expected")))
}

impl Task for FakeTask {
    fn id(&self) -> u64 {
        self.id
    }

    fn snapshot(&self) -> Bytes {
        RVec::from(serde_json::to_vec(&self.node).unwrap())
    }

    fn time_left_ms(&self) -> u64 {
        self.time_left_ms
    }

    fn cancelled(&self) -> bool {
        self.cancelled
    }

    fn when_cancelled(&self) -> BFuture<()> {
        if self.cancelled { BFuture::ready(()) } else { BFuture::new(std::future::pending()) }
    }

    fn call(&self, method: RStr<'_>, args: Bytes) -> CallFuture {
        let arguments: Value = decode(&args).unwrap();
        let answer = (self.answer)(method.as_str(), &arguments);
        self.asked.lock().unwrap().push((method.to_string(), arguments));
        BFuture::ready(to_reply(answer.and_then(|answer| encode(&answer))))
    }
}
