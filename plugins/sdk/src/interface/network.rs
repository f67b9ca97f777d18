//! Attaches a machine to networks.

use farrier_sdk_macros::contract;
use serde_json::{Map, Value};

use crate::error::Result;
use crate::task::DriverTask;

/// A port or port group, as the API shows it.
pub type PortData = Map<String, Value>;

/// Attaches one machine to networks.
///
/// Source: Ironic `NetworkInterface`.
#[contract(network)]
pub trait NetworkInterface {
    /// A port was changed; `port` is as it will be stored.
    async fn port_changed(&self, task: &DriverTask<Self::Info>, port: PortData) -> Result<()>;

    /// A port group was changed; `portgroup` is as it will be stored.
    async fn portgroup_changed(&self, task: &DriverTask<Self::Info>, portgroup: PortData) -> Result<()>;

    /// Attaches a virtual network interface.
    async fn vif_attach(&self, task: &DriverTask<Self::Info>, vif_info: Map<String, Value>) -> Result<()>;

    /// Detaches a virtual network interface.
    async fn vif_detach(&self, task: &DriverTask<Self::Info>, vif_id: String) -> Result<()>;

    /// Attached virtual network interfaces, each with its `id`.
    async fn vif_list(&self, task: &DriverTask<Self::Info>) -> Result<Vec<Map<String, Value>>>;

    /// The virtual network interface a port is attached to.
    async fn get_current_vif(&self, task: &DriverTask<Self::Info>, port: PortData) -> Result<Option<String>>;

    /// Attaches the network for deployment.
    async fn add_provisioning_network(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Detaches the network for deployment.
    async fn remove_provisioning_network(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Attaches the networks of the instance.
    async fn configure_tenant_networks(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Detaches the networks of the instance.
    async fn unconfigure_tenant_networks(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Attaches the network for cleaning; answers what ports got, by port UUID.
    async fn add_cleaning_network(&self, task: &DriverTask<Self::Info>) -> Result<Map<String, Value>>;

    /// Detaches the network for cleaning.
    async fn remove_cleaning_network(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Checks what rescue needs.
    async fn validate_rescue(&self, task: &DriverTask<Self::Info>) -> Result<()> {
        Ok(())
    }

    /// Attaches the network for rescue.
    async fn add_rescuing_network(&self, task: &DriverTask<Self::Info>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }

    /// Detaches the network for rescue.
    async fn remove_rescuing_network(&self, task: &DriverTask<Self::Info>) -> Result<()> {
        Ok(())
    }

    /// Checks what inspection needs.
    #[unsupported]
    async fn validate_inspection(&self, task: &DriverTask<Self::Info>) -> Result<()>;

    /// Attaches the network for inspection.
    async fn add_inspection_network(&self, task: &DriverTask<Self::Info>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }

    /// Detaches the network for inspection.
    async fn remove_inspection_network(&self, task: &DriverTask<Self::Info>) -> Result<()> {
        Ok(())
    }

    /// Attaches the network for service.
    async fn add_servicing_network(&self, task: &DriverTask<Self::Info>) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }

    /// Detaches the network for service.
    async fn remove_servicing_network(&self, task: &DriverTask<Self::Info>) -> Result<()> {
        Ok(())
    }

    /// Whether ports can only be configured while the machine is on.
    async fn need_power_on(&self, task: &DriverTask<Self::Info>) -> Result<bool> {
        Ok(false)
    }

    /// Network configuration for the instance; the node's own unless overridden.
    async fn get_node_network_data(&self, task: &DriverTask<Self::Info>) -> Result<Map<String, Value>> {
        Ok(task.node().network_data.clone())
    }

    /// What the implementation can do; nothing unless overridden.
    async fn get_capabilities(&self, task: &DriverTask<Self::Info>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
