//! What inspections found.

#[cfg(test)]
mod tests;

use farrier_model::inventory::Inventory;
use farrier_model::node::NodeId;

use crate::error::{RecordKind, StoreError};
use crate::record::{Assignment, Record, SortKind, one, select};
use crate::statement::{Row, Statement, Value};
use crate::store::{Store, now};

impl Store {
    /// What the last inspection of a node found.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound): it was never inspected, or does not exist.
    pub async fn inventory_get(&self, node: NodeId) -> Result<Inventory, StoreError> {
        let mut statement = select::<Inventory>("inventory_get");
        statement.push(" WHERE node_id = ");
        statement.push_bind(node);
        one(&self.pools().read(statement).await?, node)
    }

    /// Stores what an inspection found, in the place of what an earlier one found.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn inventory_save(&self, inventory: &Inventory) -> Result<(), StoreError> {
        let sql = "INSERT INTO node_inventory (node_id, inventory, plugin_data, created_at) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (node_id) DO UPDATE SET \
                   inventory = excluded.inventory, plugin_data = excluded.plugin_data, \
                   created_at = excluded.created_at";
        let statement = Statement::new("inventory_save", sql)
            .bind(inventory.node_id)
            .bind(Value::json(&inventory.inventory))
            .bind(Value::json(&inventory.plugin_data))
            .bind(Value::time(now()));
        match self.pools().write(statement).await {
            Err(error) if error.is_foreign_key_violation() => {
                Err(self.node_get(inventory.node_id).await.err().unwrap_or(error))
            }
            other => other.map(drop),
        }
    }
}

impl Record for Inventory {
    const KIND: RecordKind = RecordKind::Inventory;
    const TABLE: &'static str = "node_inventory";
    const COLUMNS: &'static str = "*";
    const SORT: &'static [(&'static str, SortKind)] = &[];

    fn values(&self) -> Vec<Assignment> {
        vec![("inventory", Value::json(&self.inventory)), ("plugin_data", Value::json(&self.plugin_data))]
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            node_id: NodeId(row.integer("node_id")?),
            inventory: row.json("inventory")?,
            plugin_data: row.json("plugin_data")?,
            created_at: row.parsed("created_at")?,
        })
    }
}
