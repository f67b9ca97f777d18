//! RAID as it should be; making it so is a clean step.

use std::collections::BTreeMap;

use farrier_model::node::{Fields, NodeName};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::raid::RaidClient;

use super::{Conductor, end};
use crate::error::ConductorError;
use crate::task::RequestContext;

impl Conductor {
    /// Notes which RAID volumes a machine should have, if its driver can make them.
    ///
    /// # Errors
    ///
    /// `NodeNotFound`, `NodeLocked`; what the driver says of the configuration.
    pub async fn set_target_raid_config(
        &self,
        context: RequestContext,
        name: &NodeName,
        config: Fields,
    ) -> Result<(), ConductorError> {
        let node = self.node(name).await?;
        let mut task = self.exclusive(context, &node, "setting target RAID config").await?;
        let set = async {
            let raid = RaidClient(task.caller(InterfaceType::Raid)?);
            let checked = raid.validate_raid_config(config.clone()).await;
            checked.map_err(raid.0.failed("validate_raid_config"))?;
            task.node_mut().target_raid_config = config;
            task.save().await
        };
        let answer = set.await;
        end(task, answer).await
    }

    /// What can be said of a logical disk to the default RAID interface of a hardware type.
    ///
    /// # Errors
    ///
    /// Those of the registry; what the driver answers.
    pub async fn logical_disk_properties(
        &self,
        driver: &str,
    ) -> Result<BTreeMap<String, String>, ConductorError> {
        let raid = RaidClient(self.nodeless(driver, InterfaceType::Raid)?);
        raid.get_logical_disk_properties().await.map_err(raid.0.failed("get_logical_disk_properties"))
    }
}
