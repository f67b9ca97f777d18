//! What was read from a machine and kept: BIOS settings, firmware, inventory.

use farrier_model::bios::BiosSetting;
use farrier_model::firmware::FirmwareComponent;
use farrier_model::inventory::Inventory;
use farrier_model::node::Node;

use super::Conductor;
use crate::error::ConductorError;

impl Conductor {
    /// The BIOS settings of a node as they were last read, by name.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn bios_settings(&self, node: &Node) -> Result<Vec<BiosSetting>, ConductorError> {
        Ok(self.store().bios_settings_by_node(node.id).await?)
    }

    /// The firmware of a node's components as it was last read, by component.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn firmware(&self, node: &Node) -> Result<Vec<FirmwareComponent>, ConductorError> {
        Ok(self.store().firmware_by_node(node.id).await?)
    }

    /// What the last inspection of a node found.
    ///
    /// # Errors
    ///
    /// `NotFound`: it was never inspected, or the inspection found nothing to keep.
    pub async fn inventory(&self, node: &Node) -> Result<Inventory, ConductorError> {
        Ok(self.store().inventory_get(node.id).await?)
    }
}
