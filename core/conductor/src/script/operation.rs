//! What is done with the machine: deployment, inspection, rescue, and the networks for it.

use farrier_sdk::prelude::*;
use serde_json::json;

use super::Script;

pub(super) struct Deploy(pub(super) Script);

#[interface(deploy, name = "script")]
impl DeployInterface for Deploy {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.check("deploy.validate", task).await
    }

    /// Deploy the instance
    #[step(deploy, priority = 100)]
    async fn deploy(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("deploy.deploy", task).await
    }

    async fn tear_down(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("deploy.tear_down", task).await
    }

    async fn prepare(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.prepare", task).await
    }

    async fn clean_up(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.clean_up", task).await
    }

    async fn take_over(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.take_over", task).await
    }

    async fn prepare_cleaning(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("deploy.prepare_cleaning", task).await
    }

    async fn tear_down_cleaning(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.tear_down_cleaning", task).await
    }

    async fn prepare_service(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("deploy.prepare_service", task).await
    }

    async fn tear_down_service(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("deploy.tear_down_service", task).await
    }

    async fn heartbeat(
        &self,
        task: &DriverTask<NoInfo>,
        _callback_url: String,
        _agent_version: String,
        _agent_verify_ca: Option<String>,
        _agent_status: Option<String>,
        _agent_status_message: Option<String>,
    ) -> Result<()> {
        self.0.call("deploy.heartbeat", task).await
    }

    /// The node says which interface it wants instead.
    async fn switch_interface(&self, task: &DriverTask<NoInfo>) -> Result<Option<String>> {
        self.0.look("deploy.switch_interface", task).await?;
        Ok(task.node().extra.get("switch_to").and_then(Value::as_str).map(str::to_owned))
    }

    async fn supports_deploy(&self, task: &DriverTask<NoInfo>) -> Result<bool> {
        Ok(task.node().extra.get("supports_deploy") != Some(&json!(false)))
    }
}

pub(super) struct Inspect(pub(super) Script);

#[interface(inspect, name = "script")]
impl InspectInterface for Inspect {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.check("inspect.validate", task).await
    }

    async fn inspect_hardware(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("inspect.inspect_hardware", task).await
    }

    async fn abort(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("inspect.abort", task).await
    }

    async fn continue_inspection(
        &self,
        task: &DriverTask<NoInfo>,
        _inventory: Map<String, Value>,
        _plugin_data: Option<Map<String, Value>>,
    ) -> Result<StepOutcome> {
        self.0.step("inspect.continue_inspection", task).await
    }

    async fn tear_down(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("inspect.tear_down", task).await
    }
}

pub(super) struct Network(pub(super) Script);

#[interface(network, name = "script")]
impl NetworkInterface for Network {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.check("network.validate", task).await
    }

    async fn port_changed(&self, task: &DriverTask<NoInfo>, _port: PortData) -> Result<()> {
        self.0.call("network.port_changed", task).await
    }

    async fn portgroup_changed(&self, task: &DriverTask<NoInfo>, _portgroup: PortData) -> Result<()> {
        self.0.call("network.portgroup_changed", task).await
    }

    async fn vif_attach(&self, task: &DriverTask<NoInfo>, _vif_info: Map<String, Value>) -> Result<()> {
        self.0.call("network.vif_attach", task).await
    }

    async fn vif_detach(&self, task: &DriverTask<NoInfo>, vif_id: String) -> Result<()> {
        self.0.step_with("network.vif_detach", vif_id, task).await.map(drop)
    }

    async fn vif_list(&self, task: &DriverTask<NoInfo>) -> Result<Vec<Map<String, Value>>> {
        self.0.look("network.vif_list", task).await?;
        let attached = task.node().extra.get("vifs").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(attached.into_iter().map(|id| Map::from_iter([("id".to_owned(), id)])).collect())
    }

    async fn get_current_vif(&self, _task: &DriverTask<NoInfo>, _port: PortData) -> Result<Option<String>> {
        Ok(None)
    }

    async fn add_provisioning_network(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.add_provisioning_network", task).await
    }

    async fn remove_provisioning_network(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.remove_provisioning_network", task).await
    }

    async fn configure_tenant_networks(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.configure_tenant_networks", task).await
    }

    async fn unconfigure_tenant_networks(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.unconfigure_tenant_networks", task).await
    }

    async fn add_cleaning_network(&self, task: &DriverTask<NoInfo>) -> Result<Map<String, Value>> {
        self.0.call("network.add_cleaning_network", task).await.map(|_| Map::new())
    }

    async fn remove_cleaning_network(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("network.remove_cleaning_network", task).await
    }
}

pub(super) struct Rescue(pub(super) Script);

#[interface(rescue, name = "script")]
impl RescueInterface for Rescue {
    type Info = NoInfo;

    async fn validate(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.check("rescue.validate", task).await
    }

    async fn rescue(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("rescue.rescue", task).await
    }

    async fn unrescue(&self, task: &DriverTask<NoInfo>) -> Result<StepOutcome> {
        self.0.step("rescue.unrescue", task).await
    }

    async fn clean_up(&self, task: &DriverTask<NoInfo>) -> Result<()> {
        self.0.call("rescue.clean_up", task).await
    }
}
