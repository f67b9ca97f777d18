//! BIOS settings.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use farrier_model::bios::BiosSetting;
use farrier_model::node::NodeId;

use crate::error::StoreError;
use crate::statement::{Row, Statement, Value};
use crate::store::{Store, now};

impl Store {
    /// The BIOS settings of a node, by name.
    pub async fn bios_settings_by_node(&self, node: NodeId) -> Result<Vec<BiosSetting>, StoreError> {
        let sql = "SELECT * FROM bios_settings WHERE node_id = $1 ORDER BY name";
        let rows = self.pools().read(Statement::new("bios_settings_by_node", sql).bind(node)).await?;
        rows.iter().map(read).collect()
    }

    /// Keeps what was just read from a machine: settings that are new or changed are written, those that are
    /// gone are forgotten, the rest is not touched.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn bios_settings_sync(
        &self,
        node: NodeId,
        found: &BTreeMap<String, Option<String>>,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "bios_settings_sync";
        let mut transaction = self.begin_on_node(OPERATION, node).await?;
        let sql = "SELECT * FROM bios_settings WHERE node_id = $1";
        let rows = transaction.run(Statement::new(OPERATION, sql).bind(node)).await?;
        let kept = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        for gone in kept.iter().filter(|setting| !found.contains_key(&setting.name)) {
            let sql = "DELETE FROM bios_settings WHERE node_id = $1 AND name = $2";
            transaction.run(Statement::new(OPERATION, sql).bind(node).bind(&gone.name)).await?;
        }
        for (name, value) in found {
            let sql = match kept.iter().find(|setting| setting.name == *name) {
                Some(setting) if setting.value == *value => continue,
                Some(_) => {
                    "UPDATE bios_settings SET value = $3, updated_at = $4 WHERE node_id = $1 AND name = $2"
                }
                None => {
                    "INSERT INTO bios_settings (node_id, name, value, created_at) VALUES ($1, $2, $3, $4)"
                }
            };
            let statement = Statement::new(OPERATION, sql).bind(node).bind(name).bind(value);
            transaction.run(statement.bind(Value::time(now()))).await?;
        }
        transaction.commit().await
    }
}

fn read(row: &Row) -> Result<BiosSetting, StoreError> {
    Ok(BiosSetting {
        name: row.text("name")?,
        value: row.text_or_null("value")?,
        created_at: row.parsed("created_at")?,
        updated_at: row.parsed_or_null("updated_at")?,
    })
}
