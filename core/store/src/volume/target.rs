//! Volume targets.

use farrier_model::node::NodeId;
use farrier_model::volume::VolumeTarget;
use uuid::Uuid;

use super::VolumeFilter;
use crate::error::{DuplicateField, RecordKind, StoreError};
use crate::page::Page;
use crate::record::{Assignment, Record, SortKind, changes, select};
use crate::statement::{Row, Statement, Value};
use crate::store::Store;

use SortKind::{Integer, Text};

impl Store {
    /// The volume target with this UUID.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound).
    pub async fn volume_target_get(&self, uuid: Uuid) -> Result<VolumeTarget, StoreError> {
        self.record_get("volume_target_get", uuid).await
    }

    /// The volume targets of a node, oldest first.
    pub async fn volume_targets_by_node(&self, node: NodeId) -> Result<Vec<VolumeTarget>, StoreError> {
        self.records_by_node("volume_targets_by_node", node).await
    }

    /// The volume targets that `filter` lets through.
    ///
    /// # Errors
    ///
    /// [`InvalidSortKey`](StoreError::InvalidSortKey), and [`NotFound`](StoreError::NotFound) for the marker.
    pub async fn volume_target_list(
        &self,
        filter: &VolumeFilter,
        page: &Page,
    ) -> Result<Vec<VolumeTarget>, StoreError> {
        const OPERATION: &str = "volume_target_list";
        let mut statement = select::<VolumeTarget>(OPERATION);
        filter.push(&mut statement);
        self.list(OPERATION, statement, page).await
    }

    /// Makes a volume target known, and returns it as it is stored.
    ///
    /// # Errors
    ///
    /// [`Duplicate`](StoreError::Duplicate) by UUID or by boot index on its node, and
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn volume_target_create(&self, target: &VolumeTarget) -> Result<VolumeTarget, StoreError> {
        match self.record_create("volume_target_create", target.uuid, target).await {
            Ok(created) => Ok(created),
            Err(error) => Err(self.volume_target_refused(target, None, error).await),
        }
    }

    /// Writes what `after` has changed since `before` was read, and returns the target as it is stored.
    ///
    /// # Errors
    ///
    /// Those of [`Store::volume_target_create`], and [`NotFound`](StoreError::NotFound) for the target
    /// itself.
    pub async fn volume_target_update(
        &self,
        before: &VolumeTarget,
        after: &VolumeTarget,
    ) -> Result<VolumeTarget, StoreError> {
        let assignments = changes(before, after);
        if assignments.is_empty() {
            return self.volume_target_get(before.uuid).await;
        }
        match self.record_update("volume_target_update", before.id, before.uuid, assignments).await {
            Ok(written) => Ok(written),
            Err(error) => Err(self.volume_target_refused(after, Some(before.id), error).await),
        }
    }

    /// Forgets a volume target.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound).
    pub async fn volume_target_destroy(&self, uuid: Uuid) -> Result<(), StoreError> {
        self.record_destroy::<VolumeTarget>("volume_target_destroy", uuid).await
    }

    /// Finds out why the database refused `target`.
    async fn volume_target_refused(
        &self,
        target: &VolumeTarget,
        own: Option<i64>,
        error: StoreError,
    ) -> StoreError {
        if error.is_foreign_key_violation() {
            return self.node_get(target.node_id).await.err().unwrap_or(error);
        }
        if !error.is_unique_violation() {
            return error;
        }
        let duplicate =
            |field, value| StoreError::Duplicate { record: RecordKind::VolumeTarget, field, value };
        let sql = "SELECT uuid FROM volume_targets \
                   WHERE (uuid = $1 OR (node_id = $2 AND boot_index = $3)) AND id <> $4";
        let statement = Statement::new("volume_target_refused", sql)
            .bind(target.uuid)
            .bind(target.node_id)
            .bind(target.boot_index)
            .bind(own.unwrap_or(0));
        let Ok(rows) = self.pools().read(statement).await else { return error };
        let uuid = target.uuid.to_string();
        if rows.iter().any(|row| row.text("uuid").is_ok_and(|text| text == uuid)) {
            duplicate(DuplicateField::Uuid, uuid)
        } else if rows.is_empty() {
            error
        } else {
            duplicate(DuplicateField::BootIndex, target.boot_index.to_string())
        }
    }
}

impl Record for VolumeTarget {
    const KIND: RecordKind = RecordKind::VolumeTarget;
    const TABLE: &'static str = "volume_targets";
    const COLUMNS: &'static str =
        "*, (SELECT nodes.uuid FROM nodes WHERE nodes.id = volume_targets.node_id) AS node_uuid";
    const SORT: &'static [(&'static str, SortKind)] = &[
        ("id", Integer),
        ("uuid", Text),
        ("volume_type", Text),
        ("volume_id", Text),
        ("boot_index", Integer),
        ("created_at", Text),
        ("updated_at", Text),
        // next sortable column above this line
    ];

    fn values(&self) -> Vec<Assignment> {
        vec![
            ("node_id", self.node_id.into()),
            ("volume_type", (&self.volume_type).into()),
            ("volume_id", (&self.volume_id).into()),
            ("boot_index", self.boot_index.into()),
            ("properties", Value::json(&self.properties)),
            ("extra", Value::json(&self.extra)),
        ]
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.integer("id")?,
            uuid: row.parsed("uuid")?,
            node_id: NodeId(row.integer("node_id")?),
            node_uuid: row.parsed("node_uuid")?,
            volume_type: row.text("volume_type")?,
            volume_id: row.text("volume_id")?,
            boot_index: row.integer("boot_index")?,
            properties: row.json("properties")?,
            extra: row.json("extra")?,
            created_at: row.parsed("created_at")?,
            updated_at: row.parsed_or_null("updated_at")?,
        })
    }
}
