//! Nodes.

mod admission;
mod brief;
mod filter;
mod internal_info;
mod lock;
mod release;
mod row;
mod summary;
#[cfg(test)]
mod tests;

use farrier_model::node::{Node, NodeId, NodeIdent, NodeName};
use farrier_model::provision::ProvisionState;

use crate::error::{DuplicateField, RecordKind, StoreError};
use crate::page::Page;
use crate::pool::WriteTransaction;
use crate::record::{Assignment, Record, changes, insert, one, select, update};
use crate::statement::{Statement, Value};
use crate::store::{Store, now};

pub use admission::Admission;
pub use brief::NodeBrief;
pub use filter::{Children, NodeFilter};
pub use lock::{Gone, HandOver};
pub use release::Releases;
pub(crate) use release::{Release, ReleaseSender};
pub use summary::NodeSummary;

impl Store {
    /// The node with this number or UUID.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_get(&self, ident: impl Into<NodeIdent>) -> Result<Node, StoreError> {
        let ident = ident.into();
        let mut statement = select::<Node>("node_get");
        statement.push(" WHERE ");
        push_ident(&mut statement, ident);
        one(&self.pools().read(statement).await?, ident)
    }

    /// The node that an API client means: by UUID or name.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_get_by_name(&self, name: impl Into<NodeName>) -> Result<Node, StoreError> {
        let name = name.into();
        let mut statement = select::<Node>("node_get_by_name");
        match &name {
            NodeName::Uuid(uuid) => {
                statement.push(" WHERE uuid = ");
                statement.push_bind(*uuid);
            }
            NodeName::Name(name) => {
                statement.push(" WHERE name = ");
                statement.push_bind(name);
            }
        }
        one(&self.pools().read(statement).await?, name)
    }

    /// The nodes that `filter` lets through.
    ///
    /// # Errors
    ///
    /// [`InvalidSortKey`](StoreError::InvalidSortKey), and [`NodeNotFound`](StoreError::NodeNotFound) for the
    /// marker.
    pub async fn node_list(&self, filter: &NodeFilter, page: &Page) -> Result<Vec<Node>, StoreError> {
        const OPERATION: &str = "node_list";
        let mut statement = select::<Node>(OPERATION);
        filter.push(&mut statement);
        self.list(OPERATION, statement, page).await
    }

    /// How many nodes `filter` lets through.
    pub async fn node_count(&self, filter: &NodeFilter) -> Result<i64, StoreError> {
        let mut statement = Statement::new("node_count", "SELECT COUNT(*) AS number FROM nodes");
        filter.push(&mut statement);
        let rows = self.pools().read(statement).await?;
        rows.first().map_or(Ok(0), |row| row.integer("number"))
    }

    /// Enrolls a node with its traits and tags, and returns it as it is stored.
    ///
    /// `id`, the lock and the times of `node` are not looked at; a node is never created locked.
    ///
    /// # Errors
    ///
    /// [`Duplicate`](StoreError::Duplicate) by UUID, name or instance UUID.
    pub async fn node_create(&self, node: &Node) -> Result<Node, StoreError> {
        match self.node_insert(node).await {
            Err(error) if error.is_unique_violation() => Err(self.node_duplicate(node, None, error).await),
            other => other,
        }
    }

    async fn node_insert(&self, node: &Node) -> Result<Node, StoreError> {
        const OPERATION: &str = "node_create";
        let mut assignments = self.node_cut(node).values();
        assignments.push(("uuid", node.uuid.into()));
        assignments.push(("created_at", Value::time(now())));
        assignments.push(("driver_internal_info", Value::json(&node.driver_internal_info)));
        let mut transaction = self.pools().begin(OPERATION).await?;
        let rows = transaction.run(insert::<Node>(OPERATION, assignments)).await?;
        let id = NodeId(rows.first().map_or(Ok(0), |row| row.integer("id"))?);
        words_insert(&mut transaction, &TRAITS, id, &node.traits).await?;
        words_insert(&mut transaction, &TAGS, id, &node.tags).await?;
        let mut statement = select::<Node>(OPERATION);
        statement.push(" WHERE id = ");
        statement.push_bind(id);
        let node = one(&transaction.run(statement).await?, id)?;
        transaction.commit().await?;
        Ok(node)
    }

    /// Writes what `after` has changed since `before` was read, and returns the node as it is stored.
    ///
    /// - Only fields that differ are written; nothing is when none do. `id`, `uuid`, the lock, the times, traits
    ///   and tags are not looked at.
    /// - In `driver_internal_info` only the members that differ are written, so that what a driver saved in
    ///   between stays.
    /// - Stamps `updated_at`; with a new provision state also `provision_updated_at` and the inspection times.
    /// - When `before` was read under a lock, the node must still be held by the same holder: whoever lost the
    ///   lock writes nothing.
    ///
    /// # Errors
    ///
    /// - [`NodeNotFound`](StoreError::NodeNotFound).
    /// - [`NodeLocked`](StoreError::NodeLocked), [`NodeNotLocked`](StoreError::NodeNotLocked): the lock that
    ///   `before` was read under is lost.
    /// - [`Duplicate`](StoreError::Duplicate) by name or instance UUID.
    pub async fn node_update(&self, before: &Node, after: &Node) -> Result<Node, StoreError> {
        self.node_change(before, after, None).await
    }

    /// Writes what changed, if `admission` has room for it.
    async fn node_change(
        &self,
        before: &Node,
        after: &Node,
        admission: Option<&Admission>,
    ) -> Result<Node, StoreError> {
        let mut assignments = changes(before, &self.node_cut(after));
        let internal_info = before.driver_internal_info != after.driver_internal_info;
        if assignments.is_empty() && !internal_info {
            return self.node_get(before.id).await;
        }
        stamp(&mut assignments, before.provision_state, after.provision_state);
        let written = if internal_info || admission.is_some() {
            self.node_update_in_transaction(before, after, assignments, admission).await
        } else {
            self.node_update_alone(before, assignments).await
        };
        match written {
            Ok(Some(node)) => Ok(node),
            Ok(None) => Err(self.node_lock_lost(before).await),
            Err(error) if error.is_unique_violation() => {
                Err(self.node_duplicate(after, Some(before.id), error).await)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes `assignments`; none when the lock that `before` was read under is lost.
    async fn node_update_alone(
        &self,
        before: &Node,
        assignments: Vec<Assignment>,
    ) -> Result<Option<Node>, StoreError> {
        let rows = self.pools().write(update_statement(before, assignments)).await?;
        rows.first().map(Node::read).transpose()
    }

    /// Says that the node is still being worked on: stamps `provision_updated_at` and nothing else.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_touch_provisioning(&self, id: NodeId) -> Result<(), StoreError> {
        let sql = "UPDATE nodes SET provision_updated_at = $1 WHERE id = $2 RETURNING id";
        let statement = Statement::new("node_touch_provisioning", sql).bind(Value::time(now())).bind(id);
        let rows = self.pools().write(statement).await?;
        rows.first().map(drop).ok_or_else(|| Node::not_found(id.to_string()))
    }

    /// Deletes a node with its ports, port groups, volumes, traits, tags and history, whoever holds it.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_destroy(&self, ident: impl Into<NodeIdent>) -> Result<(), StoreError> {
        let ident = ident.into();
        let mut statement = Statement::new("node_destroy", "DELETE FROM nodes WHERE ");
        push_ident(&mut statement, ident);
        statement.push(&self.dialect().returning_deleted());
        let rows = self.pools().write(statement).await?;
        let row = rows.first().ok_or_else(|| Node::not_found(ident.to_string()))?;
        // Who waits for its lock waits in vain.
        self.announce(row)
    }

    /// Replaces the traits of a node.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_traits_set(&self, id: NodeId, traits: &[String]) -> Result<(), StoreError> {
        self.words_set(&TRAITS, id, traits).await
    }

    /// Replaces the tags of a node.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_tags_set(&self, id: NodeId, tags: &[String]) -> Result<(), StoreError> {
        self.words_set(&TAGS, id, tags).await
    }

    async fn words_set(&self, words: &Words, id: NodeId, items: &[String]) -> Result<(), StoreError> {
        let mut transaction = self.begin_on_node(words.operation, id).await?;
        let sql = format!("DELETE FROM {} WHERE node_id = $1", words.table);
        transaction.run(Statement::new(words.operation, sql).bind(id)).await?;
        words_insert(&mut transaction, words, id, items).await?;
        transaction.commit().await
    }

    /// Begins a transaction that is alone in changing what belongs to a node.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub(crate) async fn begin_on_node(
        &self,
        operation: &'static str,
        id: NodeId,
    ) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.pools().begin(operation).await?;
        let sql = format!("SELECT id FROM nodes WHERE id = $1{}", self.dialect().for_update());
        let rows = transaction.run(Statement::new(operation, sql).bind(id)).await?;
        rows.first().map(|_| transaction).ok_or_else(|| Node::not_found(id.to_string()))
    }

    /// `node` with its messages cut to what is kept of them.
    fn node_cut(&self, node: &Node) -> Node {
        Node {
            last_error: self.cut(node.last_error.clone()),
            maintenance_reason: self.cut(node.maintenance_reason.clone()),
            ..node.clone()
        }
    }

    /// Finds out which value of `node` another node has; `error` when none does any more.
    async fn node_duplicate(&self, node: &Node, own: Option<NodeId>, error: StoreError) -> StoreError {
        let mut statement = Statement::new(
            "node_duplicate",
            "SELECT uuid, name, instance_uuid FROM nodes \
             WHERE (uuid = $1 OR name = $2 OR instance_uuid = $3) AND id <> $4",
        );
        statement = statement
            .bind(node.uuid)
            .bind(&node.name)
            .bind(Value::shown(node.instance_uuid))
            .bind(own.unwrap_or(NodeId(0)));
        let Ok(rows) = self.pools().read(statement).await else { return error };
        let (uuid, instance) = (node.uuid.to_string(), node.instance_uuid.map(|uuid| uuid.to_string()));
        let candidates = [
            ("uuid", DuplicateField::Uuid, Some(uuid)),
            ("name", DuplicateField::Name, node.name.clone()),
            ("instance_uuid", DuplicateField::InstanceUuid, instance),
        ];
        for (column, field, value) in candidates {
            let Some(value) = value else { continue };
            if rows.iter().any(|row| row.text_or_null(column).is_ok_and(|text| text.as_ref() == Some(&value)))
            {
                return StoreError::Duplicate { record: RecordKind::Node, field, value };
            }
        }
        error
    }
}

/// Words attached to nodes.
struct Words {
    operation: &'static str,
    table: &'static str,
    column: &'static str,
}

const TRAITS: Words = Words { operation: "node_traits_set", table: "node_traits", column: "trait" };
const TAGS: Words = Words { operation: "node_tags_set", table: "node_tags", column: "tag" };

async fn words_insert(
    transaction: &mut WriteTransaction,
    words: &Words,
    id: NodeId,
    items: &[String],
) -> Result<(), StoreError> {
    let Words { operation, table, column } = words;
    for item in items {
        let sql = format!("INSERT INTO {table} (node_id, {column}) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        transaction.run(Statement::new(operation, sql).bind(id).bind(item)).await?;
    }
    Ok(())
}

/// Appends the condition that a row is the node meant.
fn push_ident(statement: &mut Statement, ident: NodeIdent) {
    match ident {
        NodeIdent::Id(id) => {
            statement.push("id = ");
            statement.push_bind(id);
        }
        NodeIdent::Uuid(uuid) => {
            statement.push("uuid = ");
            statement.push_bind(uuid);
        }
    }
}

/// Adds the times that go with a change to `assignments`.
fn stamp(assignments: &mut Vec<Assignment>, before: ProvisionState, after: ProvisionState) {
    const STARTED: &str = "inspection_started_at";
    const FINISHED: &str = "inspection_finished_at";
    use ProvisionState::{InspectFail, InspectWait, Inspecting, Manageable};
    let time = || Value::time(now());
    assignments.push(("updated_at", time()));
    if before == after {
        return;
    }
    assignments.push(("provision_updated_at", time()));
    if after == Inspecting {
        assignments.push((STARTED, time()));
        assignments.push((FINISHED, Value::time(None)));
    } else if after == InspectFail {
        assignments.push((STARTED, Value::time(None)));
    } else if after == Manageable && matches!(before, Inspecting | InspectWait) {
        assignments.push((STARTED, Value::time(None)));
        assignments.push((FINISHED, time()));
    }
}

/// The update of the node that `before` shows, if it is still held by whoever held it then.
fn update_statement(before: &Node, assignments: Vec<Assignment>) -> Statement {
    let mut statement = update::<Node>("node_update", assignments);
    statement.push(" WHERE id = ");
    statement.push_bind(before.id);
    if let Some(holder) = &before.reservation {
        statement.push(" AND reservation = ");
        statement.push_bind(holder);
    }
    statement.push(" RETURNING ");
    statement.push(Node::COLUMNS);
    statement
}
