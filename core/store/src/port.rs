//! Ports.

mod summary;
#[cfg(test)]
mod tests;

use farrier_model::node::NodeId;
use farrier_model::port::Port;
use uuid::Uuid;

use crate::error::{DuplicateField, RecordKind, StoreError};
use crate::page::Page;
use crate::record::{Assignment, Record, SortKind, changes, select};
use crate::statement::{Row, Statement, Value};
use crate::store::Store;

pub use summary::PortSummary;

use SortKind::{Integer, Text};

/// Which ports a list contains; a port must pass every filter that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortFilter {
    /// Of this node.
    pub node: Option<Uuid>,
    /// With this MAC address, in any case.
    pub address: Option<String>,
    /// In this port group.
    pub portgroup: Option<Uuid>,
    /// Of a node in one of these shards; any if there are none.
    pub shards: Vec<String>,
}

impl Store {
    /// The port with this UUID.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound).
    pub async fn port_get(&self, uuid: Uuid) -> Result<Port, StoreError> {
        self.record_get("port_get", uuid).await
    }

    /// The ports of a node, oldest first.
    pub async fn ports_by_node(&self, node: NodeId) -> Result<Vec<Port>, StoreError> {
        self.records_by_node("ports_by_node", node).await
    }

    /// The ports that `filter` lets through.
    ///
    /// # Errors
    ///
    /// [`InvalidSortKey`](StoreError::InvalidSortKey), and [`NotFound`](StoreError::NotFound) for the marker.
    pub async fn port_list(&self, filter: &PortFilter, page: &Page) -> Result<Vec<Port>, StoreError> {
        const OPERATION: &str = "port_list";
        let mut statement = select::<Port>(OPERATION);
        filter.push(&mut statement);
        self.list(OPERATION, statement, page).await
    }

    /// Makes a port known, and returns it as it is stored.
    ///
    /// # Errors
    ///
    /// [`Duplicate`](StoreError::Duplicate) by UUID or MAC address,
    /// [`NodeNotFound`](StoreError::NodeNotFound), and [`NotFound`](StoreError::NotFound) for the port group.
    pub async fn port_create(&self, port: &Port) -> Result<Port, StoreError> {
        match self.record_create("port_create", port.uuid, port).await {
            Ok(created) => Ok(created),
            Err(error) => Err(self.port_refused(port, None, error).await),
        }
    }

    /// Writes what `after` has changed since `before` was read, and returns the port as it is stored.
    ///
    /// # Errors
    ///
    /// Those of [`Store::port_create`], and [`NotFound`](StoreError::NotFound) for the port itself.
    pub async fn port_update(&self, before: &Port, after: &Port) -> Result<Port, StoreError> {
        let assignments = changes(before, after);
        if assignments.is_empty() {
            return self.port_get(before.uuid).await;
        }
        match self.record_update("port_update", before.id, before.uuid, assignments).await {
            Ok(written) => Ok(written),
            Err(error) => Err(self.port_refused(after, Some(before.id), error).await),
        }
    }

    /// Forgets a port.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound).
    pub async fn port_destroy(&self, uuid: Uuid) -> Result<(), StoreError> {
        self.record_destroy::<Port>("port_destroy", uuid).await
    }

    /// Finds out why the database refused `port`.
    async fn port_refused(&self, port: &Port, own: Option<i64>, error: StoreError) -> StoreError {
        const OPERATION: &str = "port_refused";
        if error.is_foreign_key_violation() {
            return match (self.node_get(port.node_id).await, port.portgroup_uuid) {
                (Err(missing), _) => missing,
                (Ok(_), Some(group)) => {
                    StoreError::NotFound { record: RecordKind::Portgroup, ident: group.to_string() }
                }
                (Ok(_), None) => error,
            };
        }
        if !error.is_unique_violation() {
            return error;
        }
        let (uuid, address) = (port.uuid.to_string(), port.address.to_ascii_lowercase());
        let sql = "SELECT uuid FROM ports WHERE (uuid = $1 OR address = $2) AND id <> $3";
        let statement = Statement::new(OPERATION, sql).bind(&uuid).bind(&address).bind(own.unwrap_or(0));
        let Ok(rows) = self.pools().read(statement).await else { return error };
        let same = |row: &Row| row.text("uuid").is_ok_and(|text| text == uuid);
        match rows.first() {
            None => error,
            Some(_) if rows.iter().any(same) => {
                StoreError::Duplicate { record: RecordKind::Port, field: DuplicateField::Uuid, value: uuid }
            }
            Some(_) => StoreError::Duplicate {
                record: RecordKind::Port,
                field: DuplicateField::Address,
                value: address,
            },
        }
    }
}

impl PortFilter {
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
        if let Some(group) = self.portgroup {
            statement.push(" AND portgroup_uuid = ");
            statement.push_bind(group);
        }
        if !self.shards.is_empty() {
            statement.push(" AND node_id IN (SELECT nodes.id FROM nodes WHERE nodes.shard IN (");
            statement.push_list(self.shards.iter().map(Value::from));
            statement.push("))");
        }
    }
}

impl Record for Port {
    const KIND: RecordKind = RecordKind::Port;
    const TABLE: &'static str = "ports";
    const COLUMNS: &'static str =
        "*, (SELECT nodes.uuid FROM nodes WHERE nodes.id = ports.node_id) AS node_uuid";
    const SORT: &'static [(&'static str, SortKind)] = &[
        ("id", Integer),
        ("uuid", Text),
        ("address", Text),
        ("name", Text),
        ("description", Text),
        ("portgroup_uuid", Text),
        ("physical_network", Text),
        ("pxe_enabled", Integer),
        ("is_smartnic", Integer),
        ("available_for_dynamic_portgroup", Integer),
        ("vendor", Text),
        ("category", Text),
        ("created_at", Text),
        ("updated_at", Text),
        // next sortable column above this line
    ];

    fn values(&self) -> Vec<Assignment> {
        vec![
            ("node_id", self.node_id.into()),
            ("portgroup_uuid", Value::shown(self.portgroup_uuid)),
            ("address", (&self.address.to_ascii_lowercase()).into()),
            ("name", (&self.name).into()),
            ("description", (&self.description).into()),
            ("local_link_connection", Value::json(&self.local_link_connection)),
            ("physical_network", (&self.physical_network).into()),
            ("pxe_enabled", self.pxe_enabled.into()),
            ("is_smartnic", self.is_smartnic.into()),
            ("available_for_dynamic_portgroup", self.available_for_dynamic_portgroup.into()),
            ("vendor", (&self.vendor).into()),
            ("category", (&self.category).into()),
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
            portgroup_uuid: row.parsed_or_null("portgroup_uuid")?,
            address: row.text("address")?,
            name: row.text_or_null("name")?,
            description: row.text_or_null("description")?,
            local_link_connection: row.json("local_link_connection")?,
            physical_network: row.text_or_null("physical_network")?,
            pxe_enabled: row.boolean("pxe_enabled")?,
            is_smartnic: row.boolean("is_smartnic")?,
            available_for_dynamic_portgroup: row.boolean("available_for_dynamic_portgroup")?,
            vendor: row.text_or_null("vendor")?,
            category: row.text_or_null("category")?,
            extra: row.json("extra")?,
            internal_info: row.json("internal_info")?,
            created_at: row.parsed("created_at")?,
            updated_at: row.parsed_or_null("updated_at")?,
        })
    }
}
