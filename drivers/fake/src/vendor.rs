//! Vendor methods that compare one argument.

use farrier_sdk::prelude::*;

use crate::delay::{Delay, Delays};

/// Methods that cannot do without the argument `bar`.
const WITH_BAR: [&str; 3] = ["second_method", "third_method_sync", "fourth_method_shared_lock"];

/// Lists two properties of `driver_info` as required, and needs neither of them.
pub(crate) struct FakeVendorInfo;

impl Properties for FakeVendorInfo {
    const DESCRIPTOR: &'static str = concat!(
        r#"[{"name":"B1","type":"string","required":true,"secret":false,"description":"B1 description"},"#,
        r#"{"name":"B2","type":"string","required":true,"secret":false,"description":"B2 description"}]"#,
    );

    fn from_map(_map: &Map<String, Value>) -> Result<Self> {
        Ok(Self)
    }
}

/// Has one method of each sort: asynchronous and not, with the exclusive and with a shared lock, a step too.
pub(crate) struct FakeVendor {
    delay: Delay,
}

impl FakeVendor {
    pub(crate) fn new(delays: &Arc<Delays>) -> Self {
        Self { delay: delays.vendor }
    }

    /// Whether the argument `bar` is `expected`.
    async fn compare(
        &self,
        task: &DriverTask<FakeVendorInfo>,
        arguments: &Map<String, Value>,
        expected: &str,
    ) -> Result<bool> {
        self.delay.pass(task).await?;
        Ok(arguments.get("bar").is_some_and(|bar| bar == expected))
    }
}

#[interface(vendor, name = "fake")]
impl VendorInterface for FakeVendor {
    type Info = FakeVendorInfo;

    async fn validate(
        &self,
        _task: &DriverTask<FakeVendorInfo>,
        method: Option<String>,
        arguments: Map<String, Value>,
    ) -> Result<()> {
        let Some(method) = method.filter(|method| WITH_BAR.contains(&method.as_str())) else { return Ok(()) };
        if arguments.get("bar").is_none_or(|bar| bar.is_null() || bar == "") {
            let text = format!("argument `bar` of vendor method `{method}` is missing");
            return Err(DriverError::missing_parameter(text));
        }
        Ok(())
    }

    /// Compare `bar` with `kazoo`, in the background
    #[vendor_method(http_methods = ["POST"])]
    async fn second_method(
        &self,
        task: &DriverTask<FakeVendorInfo>,
        arguments: Map<String, Value>,
    ) -> Result<bool> {
        self.compare(task, &arguments, "kazoo").await
    }

    /// Compare `bar` with `meow`, and answer
    #[vendor_method(http_methods = ["POST"], asynchronous = false)]
    async fn third_method_sync(
        &self,
        task: &DriverTask<FakeVendorInfo>,
        arguments: Map<String, Value>,
    ) -> Result<bool> {
        self.compare(task, &arguments, "meow").await
    }

    /// Compare `bar` with `woof`, in the background and under a shared lock
    #[vendor_method(http_methods = ["POST"], exclusive = false)]
    async fn fourth_method_shared_lock(
        &self,
        task: &DriverTask<FakeVendorInfo>,
        arguments: Map<String, Value>,
    ) -> Result<bool> {
        self.compare(task, &arguments, "woof").await
    }

    /// Write a line to the log
    #[vendor_method(http_methods = ["POST"])]
    #[step(clean, priority = 1, requires_ramdisk)]
    #[step(service)]
    async fn log_passthrough(&self, task: &DriverTask<FakeVendorInfo>) -> Result<()> {
        self.delay.pass(task).await?;
        info!("vendor method was called");
        Ok(())
    }

    /// Wait until somebody continues the service
    #[step(service)]
    async fn trigger_servicewait(&self, task: &DriverTask<FakeVendorInfo>) -> Result<StepOutcome> {
        self.delay.pass(task).await?;
        Ok(StepOutcome::Wait { poll_after_ms: None })
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::descriptor::{Descriptor, InterfaceDescriptor};
    use farrier_sdk::serde_json::{self, json};
    use farrier_sdk::testing;

    use super::*;

    const VENDOR: FakeVendor = FakeVendor { delay: Delay::NONE };

    fn task() -> DriverTask<FakeVendorInfo> {
        testing::task(json!({})).unwrap()
    }

    fn arguments(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn descriptor() -> InterfaceDescriptor {
        let text = crate::farrier_plugin().descriptor()();
        let descriptor: Descriptor = serde_json::from_str(text.as_str()).unwrap();
        descriptor.interface(InterfaceType::Vendor, "fake").unwrap().clone()
    }

    #[test]
    fn the_listed_properties_may_be_absent() {
        let task = task();

        assert_eq!(task.block_on(VENDOR.validate(&task, None, Map::new())), Ok(()));
    }

    #[test]
    fn bar_is_required_by_the_methods_that_compare_it() {
        let task = task();
        let validate = |method: &str, given: Value| {
            task.block_on(VENDOR.validate(&task, Some(method.to_owned()), arguments(&given)))
        };

        for method in WITH_BAR {
            for given in [json!({}), json!({"bar": null}), json!({"bar": ""}), json!({"foo": "woof"})] {
                let error = validate(method, given).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::MissingParameter);
                assert_eq!(error.message(), format!("argument `bar` of vendor method `{method}` is missing"));
            }
            assert_eq!(validate(method, json!({"bar": "woof"})), Ok(()));
        }
        assert_eq!(validate("log_passthrough", json!({})), Ok(()));
    }

    #[test]
    fn the_synchronous_method_answers_whether_bar_is_meow() {
        let task = task();
        let call =
            |bar: &str| task.block_on(VENDOR.third_method_sync(&task, arguments(&json!({"bar": bar}))));

        assert_eq!(call("meow"), Ok(true));
        assert_eq!(call("woof"), Ok(false));
    }

    #[test]
    fn the_methods_are_of_every_sort() {
        let methods: Vec<_> = descriptor()
            .vendor_methods
            .into_iter()
            .map(|method| (method.name, method.asynchronous, method.require_exclusive_lock))
            .collect();

        let expected = [
            ("second_method", true, true),
            ("third_method_sync", false, true),
            ("fourth_method_shared_lock", true, false),
            ("log_passthrough", true, true),
        ];
        assert_eq!(methods, expected.map(|(name, background, lock)| (name.to_owned(), background, lock)));
    }

    #[test]
    fn one_method_is_two_kinds_of_step() {
        let steps: Vec<_> = descriptor()
            .steps
            .into_iter()
            .map(|step| (step.step, step.kinds.join(","), step.priority, step.requires_ramdisk))
            .collect();

        let expected = [
            ("log_passthrough", "clean", 1, true),
            ("log_passthrough", "service", 0, false),
            ("trigger_servicewait", "service", 0, false),
        ];
        let expected =
            expected.map(|(step, kind, priority, ram)| (step.to_owned(), kind.to_owned(), priority, ram));
        assert_eq!(steps, expected);
    }

    #[test]
    fn a_service_can_be_made_to_wait() {
        let task = task();

        let outcome = task.block_on(VENDOR.trigger_servicewait(&task));

        assert_eq!(outcome, Ok(StepOutcome::Wait { poll_after_ms: None }));
    }
}
