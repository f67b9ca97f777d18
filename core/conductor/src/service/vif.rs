//! Virtual network interfaces of a node.

use farrier_model::node::{Fields, NodeName};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::network::NetworkClient;

use super::{Conductor, end};
use crate::error::ConductorError;
use crate::task::{Acquire, RequestContext};

impl Conductor {
    /// The virtual network interfaces attached to a node, each with its `id`. Takes no lock.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`; what the driver answers.
    pub async fn vifs(
        &self,
        context: RequestContext,
        name: &NodeName,
    ) -> Result<Vec<Fields>, ConductorError> {
        let node = self.node(name).await?;
        let acquire = Acquire { context, ..Acquire::new("list vifs") };
        let mut task = self.tasks.acquire_shared(&node, acquire).await?;
        let network = NetworkClient(task.caller(InterfaceType::Network)?);
        network.validate().await.map_err(network.0.failed("validate"))?;
        network.vif_list().await.map_err(network.0.failed("vif_list"))
    }

    /// Attaches a virtual network interface to a node.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`; what the driver answers.
    pub async fn attach_vif(
        &self,
        context: RequestContext,
        name: &NodeName,
        vif: Fields,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        let mut task = self.exclusive(context, &node, "attach vif").await?;
        let attach = async {
            let network = task.network()?;
            network.validate().await.map_err(network.0.failed("validate"))?;
            network.vif_attach(vif).await.map_err(network.0.failed("vif_attach"))?;
            task.save().await
        };
        let answer = attach.await;
        end(task, answer).await
    }

    /// Detaches a virtual network interface from a node.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`; what the driver answers.
    pub async fn detach_vif(
        &self,
        context: RequestContext,
        name: &NodeName,
        vif: String,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        let mut task = self.exclusive(context, &node, "detach vif").await?;
        let detach = async {
            let network = task.network()?;
            network.validate().await.map_err(network.0.failed("validate"))?;
            network.vif_detach(vif).await.map_err(network.0.failed("vif_detach"))?;
            task.save().await
        };
        let answer = detach.await;
        end(task, answer).await
    }
}
