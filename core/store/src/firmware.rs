//! Firmware of components.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use farrier_model::firmware::FirmwareComponent;
use farrier_model::node::NodeId;

use crate::error::StoreError;
use crate::statement::{Row, Statement, Value};
use crate::store::{Store, now};

impl Store {
    /// The firmware of a node's components, by component.
    pub async fn firmware_by_node(&self, node: NodeId) -> Result<Vec<FirmwareComponent>, StoreError> {
        let sql = "SELECT * FROM firmware_components WHERE node_id = $1 ORDER BY component";
        let rows = self.pools().read(Statement::new("firmware_by_node", sql).bind(node)).await?;
        rows.iter().map(read).collect()
    }

    /// Keeps the versions that were just read from a machine, by component.
    ///
    /// A component with another version than before was flashed; one that is not there any more is forgotten.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn firmware_sync(
        &self,
        node: NodeId,
        found: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "firmware_sync";
        let mut transaction = self.begin_on_node(OPERATION, node).await?;
        let sql = "SELECT * FROM firmware_components WHERE node_id = $1";
        let rows = transaction.run(Statement::new(OPERATION, sql).bind(node)).await?;
        let kept = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        for gone in kept.iter().filter(|kept| !found.contains_key(&kept.component)) {
            let sql = "DELETE FROM firmware_components WHERE node_id = $1 AND component = $2";
            transaction.run(Statement::new(OPERATION, sql).bind(node).bind(&gone.component)).await?;
        }
        for (component, version) in found {
            let sql = match kept.iter().find(|kept| kept.component == *component) {
                Some(kept) if kept.current_version == *version => continue,
                Some(_) => {
                    "UPDATE firmware_components SET current_version = $3, last_version_flashed = $3, updated_at = $4 \
                     WHERE node_id = $1 AND component = $2"
                }
                None => {
                    "INSERT INTO firmware_components (node_id, component, initial_version, current_version, created_at) \
                     VALUES ($1, $2, $3, $3, $4)"
                }
            };
            let statement = Statement::new(OPERATION, sql).bind(node).bind(component).bind(version);
            transaction.run(statement.bind(Value::time(now()))).await?;
        }
        transaction.commit().await
    }
}

fn read(row: &Row) -> Result<FirmwareComponent, StoreError> {
    Ok(FirmwareComponent {
        component: row.text("component")?,
        initial_version: row.text("initial_version")?,
        current_version: row.text("current_version")?,
        last_version_flashed: row.text_or_null("last_version_flashed")?,
        created_at: row.parsed("created_at")?,
        updated_at: row.parsed_or_null("updated_at")?,
    })
}
