//! Volume connectors.

use farrier_model::node::NodeId;
use farrier_model::volume::VolumeConnector;
use uuid::Uuid;

use super::VolumeFilter;
use crate::error::{DuplicateField, RecordKind, StoreError};
use crate::page::Page;
use crate::record::{Assignment, Record, SortKind, changes, select};
use crate::statement::{Row, Statement, Value};
use crate::store::Store;

use SortKind::{Integer, Text};

impl Store {
    /// The volume connector with this UUID.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound).
    pub async fn volume_connector_get(&self, uuid: Uuid) -> Result<VolumeConnector, StoreError> {
        self.record_get("volume_connector_get", uuid).await
    }

    /// The volume connectors of a node, oldest first.
    pub async fn volume_connectors_by_node(&self, node: NodeId) -> Result<Vec<VolumeConnector>, StoreError> {
        self.records_by_node("volume_connectors_by_node", node).await
    }

    /// The volume connectors that `filter` lets through.
    ///
    /// # Errors
    ///
    /// [`InvalidSortKey`](StoreError::InvalidSortKey), and [`NotFound`](StoreError::NotFound) for the marker.
    pub async fn volume_connector_list(
        &self,
        filter: &VolumeFilter,
        page: &Page,
    ) -> Result<Vec<VolumeConnector>, StoreError> {
        const OPERATION: &str = "volume_connector_list";
        let mut statement = select::<VolumeConnector>(OPERATION);
        filter.push(&mut statement);
        self.list(OPERATION, statement, page).await
    }

    /// Makes a volume connector known, and returns it as it is stored.
    ///
    /// # Errors
    ///
    /// [`Duplicate`](StoreError::Duplicate) by UUID or by type and identifier, and
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn volume_connector_create(
        &self,
        connector: &VolumeConnector,
    ) -> Result<VolumeConnector, StoreError> {
        match self.record_create("volume_connector_create", connector.uuid, connector).await {
            Ok(created) => Ok(created),
            Err(error) => Err(self.volume_connector_refused(connector, None, error).await),
        }
    }

    /// Writes what `after` has changed since `before` was read, and returns the connector as it is stored.
    ///
    /// # Errors
    ///
    /// Those of [`Store::volume_connector_create`], and [`NotFound`](StoreError::NotFound) for the connector
    /// itself.
    pub async fn volume_connector_update(
        &self,
        before: &VolumeConnector,
        after: &VolumeConnector,
    ) -> Result<VolumeConnector, StoreError> {
        let assignments = changes(before, after);
        if assignments.is_empty() {
            return self.volume_connector_get(before.uuid).await;
        }
        match self.record_update("volume_connector_update", before.id, before.uuid, assignments).await {
            Ok(written) => Ok(written),
            Err(error) => Err(self.volume_connector_refused(after, Some(before.id), error).await),
        }
    }

    /// Forgets a volume connector.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound).
    pub async fn volume_connector_destroy(&self, uuid: Uuid) -> Result<(), StoreError> {
        self.record_destroy::<VolumeConnector>("volume_connector_destroy", uuid).await
    }

    /// Finds out why the database refused `connector`.
    async fn volume_connector_refused(
        &self,
        connector: &VolumeConnector,
        own: Option<i64>,
        error: StoreError,
    ) -> StoreError {
        if error.is_foreign_key_violation() {
            return self.node_get(connector.node_id).await.err().unwrap_or(error);
        }
        if !error.is_unique_violation() {
            return error;
        }
        let duplicate =
            |field, value| StoreError::Duplicate { record: RecordKind::VolumeConnector, field, value };
        let sql = "SELECT uuid FROM volume_connectors \
                   WHERE (uuid = $1 OR (type = $2 AND connector_id = $3)) AND id <> $4";
        let statement = Statement::new("volume_connector_refused", sql)
            .bind(connector.uuid)
            .bind(&connector.kind)
            .bind(&connector.connector_id)
            .bind(own.unwrap_or(0));
        let Ok(rows) = self.pools().read(statement).await else { return error };
        let uuid = connector.uuid.to_string();
        if rows.iter().any(|row| row.text("uuid").is_ok_and(|text| text == uuid)) {
            duplicate(DuplicateField::Uuid, uuid)
        } else if rows.is_empty() {
            error
        } else {
            duplicate(DuplicateField::ConnectorId, format!("{} {}", connector.kind, connector.connector_id))
        }
    }
}

impl Record for VolumeConnector {
    const KIND: RecordKind = RecordKind::VolumeConnector;
    const TABLE: &'static str = "volume_connectors";
    const COLUMNS: &'static str =
        "*, (SELECT nodes.uuid FROM nodes WHERE nodes.id = volume_connectors.node_id) AS node_uuid";
    const SORT: &'static [(&'static str, SortKind)] = &[
        ("id", Integer),
        ("uuid", Text),
        ("type", Text),
        ("connector_id", Text),
        ("created_at", Text),
        ("updated_at", Text),
        // next sortable column above this line
    ];

    fn values(&self) -> Vec<Assignment> {
        vec![
            ("node_id", self.node_id.into()),
            ("type", (&self.kind).into()),
            ("connector_id", (&self.connector_id).into()),
            ("extra", Value::json(&self.extra)),
        ]
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.integer("id")?,
            uuid: row.parsed("uuid")?,
            node_id: NodeId(row.integer("node_id")?),
            node_uuid: row.parsed("node_uuid")?,
            kind: row.text("type")?,
            connector_id: row.text("connector_id")?,
            extra: row.json("extra")?,
            created_at: row.parsed("created_at")?,
            updated_at: row.parsed_or_null("updated_at")?,
        })
    }
}
