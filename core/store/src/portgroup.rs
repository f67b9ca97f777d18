//! Port groups.

use farrier_model::node::NodeId;
use farrier_model::portgroup::Portgroup;
use uuid::Uuid;

use crate::error::{DuplicateField, RecordKind, StoreError};
use crate::page::Page;
use crate::record::{Assignment, Record, SortKind, changes, one, select};
use crate::statement::{Row, Statement, Value};
use crate::store::Store;

use SortKind::{Integer, Text};

/// Which port groups a list contains; a port group must pass every filter that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortgroupFilter {
    /// Of this node.
    pub node: Option<Uuid>,
    /// With this MAC address, in any case.
    pub address: Option<String>,
    /// Of a node in one of these shards; any if there are none.
    pub shards: Vec<String>,
}

impl Store {
    /// The port group with this UUID.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound).
    pub async fn portgroup_get(&self, uuid: Uuid) -> Result<Portgroup, StoreError> {
        self.record_get("portgroup_get", uuid).await
    }

    /// The port group with this name.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound).
    pub async fn portgroup_get_by_name(&self, name: &str) -> Result<Portgroup, StoreError> {
        let mut statement = select::<Portgroup>("portgroup_get_by_name");
        statement.push(" WHERE name = ");
        statement.push_bind(name);
        one(&self.pools().read(statement).await?, name)
    }

    /// The port groups of a node, oldest first.
    pub async fn portgroups_by_node(&self, node: NodeId) -> Result<Vec<Portgroup>, StoreError> {
        self.records_by_node("portgroups_by_node", node).await
    }

    /// The port groups that `filter` lets through.
    ///
    /// # Errors
    ///
    /// [`InvalidSortKey`](StoreError::InvalidSortKey), and [`NotFound`](StoreError::NotFound) for the marker.
    pub async fn portgroup_list(
        &self,
        filter: &PortgroupFilter,
        page: &Page,
    ) -> Result<Vec<Portgroup>, StoreError> {
        const OPERATION: &str = "portgroup_list";
        let mut statement = select::<Portgroup>(OPERATION);
        filter.push(&mut statement);
        self.list(OPERATION, statement, page).await
    }

    /// Makes a port group, and returns it as it is stored.
    ///
    /// # Errors
    ///
    /// [`Duplicate`](StoreError::Duplicate) by UUID, name or MAC address, and
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn portgroup_create(&self, portgroup: &Portgroup) -> Result<Portgroup, StoreError> {
        match self.record_create("portgroup_create", portgroup.uuid, portgroup).await {
            Ok(created) => Ok(created),
            Err(error) => Err(self.portgroup_refused(portgroup, None, error).await),
        }
    }

    /// Writes what `after` has changed since `before` was read, and returns the port group as it is stored.
    ///
    /// # Errors
    ///
    /// Those of [`Store::portgroup_create`], and [`NotFound`](StoreError::NotFound) for the port group itself.
    pub async fn portgroup_update(
        &self,
        before: &Portgroup,
        after: &Portgroup,
    ) -> Result<Portgroup, StoreError> {
        let assignments = changes(before, after);
        if assignments.is_empty() {
            return self.portgroup_get(before.uuid).await;
        }
        match self.record_update("portgroup_update", before.id, before.uuid, assignments).await {
            Ok(written) => Ok(written),
            Err(error) => Err(self.portgroup_refused(after, Some(before.id), error).await),
        }
    }

    /// Takes a port group apart that has no ports any more.
    ///
    /// # Errors
    ///
    /// [`PortgroupNotEmpty`](StoreError::PortgroupNotEmpty), [`NotFound`](StoreError::NotFound).
    pub async fn portgroup_destroy(&self, uuid: Uuid) -> Result<(), StoreError> {
        match self.record_destroy::<Portgroup>("portgroup_destroy", uuid).await {
            Err(error) if error.is_foreign_key_violation() => {
                Err(StoreError::PortgroupNotEmpty { portgroup: uuid })
            }
            destroyed => destroyed,
        }
    }

    /// Finds out why the database refused `portgroup`.
    async fn portgroup_refused(
        &self,
        portgroup: &Portgroup,
        own: Option<i64>,
        error: StoreError,
    ) -> StoreError {
        if error.is_foreign_key_violation() {
            return self.node_get(portgroup.node_id).await.err().unwrap_or(error);
        }
        if !error.is_unique_violation() {
            return error;
        }
        let candidates = [
            ("uuid", DuplicateField::Uuid, Some(portgroup.uuid.to_string())),
            ("name", DuplicateField::Name, portgroup.name.clone()),
            ("address", DuplicateField::Address, lower(portgroup)),
        ];
        for (column, field, value) in candidates {
            let Some(value) = value else { continue };
            let sql = format!("SELECT id FROM portgroups WHERE {column} = $1 AND id <> $2");
            let statement = Statement::new("portgroup_refused", sql).bind(&value).bind(own.unwrap_or(0));
            if self.pools().read(statement).await.is_ok_and(|rows| !rows.is_empty()) {
                return StoreError::Duplicate { record: RecordKind::Portgroup, field, value };
            }
        }
        error
    }
}

impl PortgroupFilter {
    fn push(&self, statement: &mut Statement) {
        statement.push(" WHERE 1 = 1");
        if let Some(node) = self.node {
            statement.push(" AND node_id = (SELECT nodes.id FROM nodes WHERE nodes.uuid = ");
            statement.push_bind(node);
            statement.push(")");
        }
        if let Some(address) = &self.address {
            statement.push(" AND address = ");
            statement.push_bind(&address.to_ascii_lowercase());
        }
        if !self.shards.is_empty() {
            statement.push(" AND node_id IN (SELECT nodes.id FROM nodes WHERE nodes.shard IN (");
            statement.push_list(self.shards.iter().map(Value::from));
            statement.push("))");
        }
    }
}

/// The MAC address as it is stored.
fn lower(portgroup: &Portgroup) -> Option<String> {
    portgroup.address.as_ref().map(|address| address.to_ascii_lowercase())
}

impl Record for Portgroup {
    const KIND: RecordKind = RecordKind::Portgroup;
    const TABLE: &'static str = "portgroups";
    const COLUMNS: &'static str =
        "*, (SELECT nodes.uuid FROM nodes WHERE nodes.id = portgroups.node_id) AS node_uuid";
    const SORT: &'static [(&'static str, SortKind)] = &[
        ("id", Integer),
        ("uuid", Text),
        ("name", Text),
        ("address", Text),
        ("mode", Text),
        ("standalone_ports_supported", Integer),
        ("physical_network", Text),
        ("category", Text),
        ("dynamic_portgroup", Integer),
        ("created_at", Text),
        ("updated_at", Text),
        // next sortable column above this line
    ];

    fn values(&self) -> Vec<Assignment> {
        vec![
            ("node_id", self.node_id.into()),
            ("name", (&self.name).into()),
            ("address", (&lower(self)).into()),
            ("mode", (&self.mode).into()),
            ("properties", Value::json(&self.properties)),
            ("standalone_ports_supported", self.standalone_ports_supported.into()),
            ("physical_network", (&self.physical_network).into()),
            ("category", (&self.category).into()),
            ("dynamic_portgroup", self.dynamic_portgroup.into()),
            ("extra", Value::json(&self.extra)),
            ("internal_info", Value::json(&self.internal_info)),
        ]
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.integer("id")?,
            uuid: row.parsed("uuid")?,
            node_id: NodeId(row.integer("node_id")?),
            node_uuid: row.parsed("node_uuid")?,
            name: row.text_or_null("name")?,
            address: row.text_or_null("address")?,
            mode: row.text("mode")?,
            properties: row.json("properties")?,
            standalone_ports_supported: row.boolean("standalone_ports_supported")?,
            physical_network: row.text_or_null("physical_network")?,
            category: row.text_or_null("category")?,
            dynamic_portgroup: row.boolean("dynamic_portgroup")?,
            extra: row.json("extra")?,
            internal_info: row.json("internal_info")?,
            created_at: row.parsed("created_at")?,
            updated_at: row.parsed_or_null("updated_at")?,
        })
    }
}

#[cfg(test)]
mod tests;
