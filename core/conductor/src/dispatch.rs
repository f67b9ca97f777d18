//! The one caller of driver methods: always with a deadline, a span and a task.
//!
//! **Invariant:** no other module calls an interface.

mod nodeless;

use std::sync::Arc;
use std::time::Duration;

use farrier_host::{CallOptions, Interface};
use farrier_sdk::error::DriverError;
use farrier_sdk::glue::Caller;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::boot::BootClient;
use farrier_sdk::interface::console::ConsoleClient;
use farrier_sdk::interface::deploy::DeployClient;
use farrier_sdk::interface::inspect::InspectClient;
use farrier_sdk::interface::management::ManagementClient;
use farrier_sdk::interface::network::NetworkClient;
use farrier_sdk::interface::power::PowerClient;
use farrier_sdk::interface::rescue::RescueClient;
use farrier_sdk::interface::storage::StorageClient;
use tracing::{Level, span};
use uuid::Uuid;

use crate::access::TaskAccess;
use crate::error::ConductorError;
use crate::task::{Core, ExclusiveTask, SharedTask};

/// Carries the calls of one task to one slot of its driver.
#[derive(Debug, Clone)]
pub(crate) struct DriverCaller {
    interface: Arc<Interface>,
    access: TaskAccess,
    node: Uuid,
    hardware_type: String,
    timeout: Duration,
}

impl DriverCaller {
    /// The same with another limit.
    pub(crate) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same for one of several questions about the machine, one after the other.
    pub(crate) fn in_pass(mut self, pass: &Arc<str>) -> Self {
        self.access = self.access.in_pass(pass);
        self
    }

    /// Names the slot in an error.
    pub(crate) fn failed(
        &self,
        operation: &'static str,
    ) -> impl FnOnce(DriverError) -> ConductorError + use<> {
        let (node, kind, name) = (self.node, self.interface.kind(), self.interface.name().to_owned());
        let (hardware_type, grip) = (self.hardware_type.clone(), Arc::clone(self.access.grip()));
        move |source| {
            if grip.take_refused() {
                return ConductorError::ExclusiveLockRequired { node, kind, name, operation };
            }
            let source = Box::new(source);
            ConductorError::Driver { node, hardware_type, kind, name, operation, source }
        }
    }
}

impl Caller for DriverCaller {
    async fn call(&self, method: &'static str, arguments: Vec<u8>) -> Result<Vec<u8>, DriverError> {
        let span = span!(
            Level::INFO,
            "call",
            node = %self.node,
            hardware_type = self.hardware_type,
            interface = %self.interface.kind(),
            implementation = self.interface.name(),
            method,
        );
        self.access.grip().admit(self.node, method)?;
        let options = CallOptions { timeout: Some(self.timeout), span, ..CallOptions::default() };
        self.interface.call(method, arguments, Arc::new(self.access.within(self.timeout)), &options).await
    }
}

impl Core {
    /// Reaches one slot of the driver.
    pub(crate) fn caller(&mut self, kind: InterfaceType) -> Result<DriverCaller, ConductorError> {
        self.check_released()?;
        self.load_driver()?;
        let driver = self.driver.clone().ok_or(ConductorError::Released { node: self.node.uuid })?;
        let (shared, grip) = (&self.shared, &self.grip);
        let access = self.access.get_or_insert_with(|| {
            TaskAccess::new(Arc::clone(shared), driver.clone(), self.node.clone(), Arc::clone(grip))
        });
        Ok(DriverCaller {
            interface: Arc::clone(driver.interface(kind)),
            access: access.clone(),
            node: self.node.uuid,
            hardware_type: driver.hardware_type,
            timeout: self.shared.call_timeout(),
        })
    }
}

impl SharedTask {
    /// Reaches one slot of the driver, for methods that change nothing.
    pub(crate) fn caller(&mut self, kind: InterfaceType) -> Result<DriverCaller, ConductorError> {
        self.core_mut().caller(kind)
    }

    /// The power interface, for methods that change nothing.
    pub(crate) fn power(&mut self) -> Result<PowerClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Power).map(PowerClient)
    }

    /// The management interface, for methods that change nothing.
    pub(crate) fn management(&mut self) -> Result<ManagementClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Management).map(ManagementClient)
    }
}

impl ExclusiveTask {
    /// Reaches one slot of the driver.
    pub(crate) fn caller(&mut self, kind: InterfaceType) -> Result<DriverCaller, ConductorError> {
        self.core_mut().caller(kind)
    }

    /// The power interface.
    pub(crate) fn power(&mut self) -> Result<PowerClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Power).map(PowerClient)
    }

    /// The management interface.
    pub(crate) fn management(&mut self) -> Result<ManagementClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Management).map(ManagementClient)
    }

    /// The boot interface.
    pub(crate) fn boot(&mut self) -> Result<BootClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Boot).map(BootClient)
    }

    /// The console interface.
    pub(crate) fn console(&mut self) -> Result<ConsoleClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Console).map(ConsoleClient)
    }

    /// The deploy interface.
    pub(crate) fn deploy(&mut self) -> Result<DeployClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Deploy).map(DeployClient)
    }

    /// The inspect interface.
    pub(crate) fn inspect(&mut self) -> Result<InspectClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Inspect).map(InspectClient)
    }

    /// The network interface.
    pub(crate) fn network(&mut self) -> Result<NetworkClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Network).map(NetworkClient)
    }

    /// The rescue interface.
    pub(crate) fn rescue(&mut self) -> Result<RescueClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Rescue).map(RescueClient)
    }

    /// The storage interface.
    pub(crate) fn storage(&mut self) -> Result<StorageClient<DriverCaller>, ConductorError> {
        self.caller(InterfaceType::Storage).map(StorageClient)
    }
}
