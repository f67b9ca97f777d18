//! Locks of nodes.
//!
//! A lock is the column `reservation`: whoever writes its tag into it while it is empty holds the node. Taking
//! and releasing it are one conditional write each, and leave `updated_at` alone.
//!
//! Source: Ironic's task manager.

use farrier_model::node::{Node, NodeId, NodeIdent};
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tracing::warn;
use uuid::Uuid;

use super::push_ident;
use crate::error::StoreError;
use crate::record::Record;
use crate::statement::{Row, Statement, Value};
use crate::store::{Store, now};

/// How often a lock is tried that was taken when we tried and free when we looked who has it.
const ATTEMPTS_MAX: usize = 8;

/// Empties the columns of a lock.
const RELEASE: &str = "reservation = NULL, reservation_purpose = NULL, reserved_at = NULL";

/// A lock was released through this [`Store`]; other processes' releases are not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeReleased {
    /// The node.
    pub id: NodeId,
    /// The same node.
    pub uuid: Uuid,
}

impl Store {
    /// Takes the lock of a node for `holder`, who wants it for `purpose`, and returns the node as it then is.
    ///
    /// The lock is not reentrant: a holder that asks again is refused like anybody else. A call that is dropped
    /// before it ends leaves no lock.
    ///
    /// # Errors
    ///
    /// - [`NodeLocked`](StoreError::NodeLocked) names whoever holds it.
    /// - [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_reserve(
        &self,
        ident: impl Into<NodeIdent>,
        holder: &str,
        purpose: &str,
    ) -> Result<Node, StoreError> {
        let (store, ident) = (self.clone(), ident.into());
        let (holder, purpose) = (holder.to_owned(), purpose.to_owned());
        // The write may be under way when the caller stops waiting, so somebody must wait for it and undo it.
        let mut reserved = Self::detached("node_reserve", async move {
            let node = store.reserve(ident, &holder, &purpose).await?;
            Ok(Reserved { store, holder, node: Some(node), runtime: Handle::current() })
        })
        .await?;
        // The guard is disarmed without another point at which the caller could vanish.
        reserved.node.take().ok_or(StoreError::ShuttingDown { operation: "node_reserve" })
    }

    async fn reserve(&self, ident: NodeIdent, holder: &str, purpose: &str) -> Result<Node, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut statement = Statement::new(
                "node_reserve",
                "UPDATE nodes SET reservation = $1, reservation_purpose = $2, reserved_at = $3 WHERE ",
            )
            .bind(holder)
            .bind(purpose)
            .bind(Value::time(now()));
            push_ident(&mut statement, ident);
            statement.push(" AND reservation IS NULL RETURNING ");
            statement.push(Node::COLUMNS);
            if let Some(row) = self.pools().write(statement).await?.first() {
                return Node::read(row);
            }
            if let (node, Some(holder)) = self.node_holder("node_reserve", ident).await? {
                return Err(StoreError::NodeLocked { node, holder });
            }
        }
        Err(StoreError::Busy { operation: "node_reserve", source: None })
    }

    /// Releases the lock that `holder` has on a node, and tells [`Store::node_releases`].
    ///
    /// A lock that somebody else holds is never released. Once called it runs to its end, also when the caller
    /// stops waiting.
    ///
    /// # Errors
    ///
    /// - [`NodeLocked`](StoreError::NodeLocked) names whoever holds it instead.
    /// - [`NodeNotLocked`](StoreError::NodeNotLocked): nobody does.
    /// - [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_release(&self, ident: impl Into<NodeIdent>, holder: &str) -> Result<(), StoreError> {
        let (store, ident, holder) = (self.clone(), ident.into(), holder.to_owned());
        Self::detached("node_release", async move { store.release(ident, &holder).await }).await
    }

    async fn release(&self, ident: NodeIdent, holder: &str) -> Result<(), StoreError> {
        const OPERATION: &str = "node_release";
        let mut statement = Statement::new(OPERATION, format!("UPDATE nodes SET {RELEASE} WHERE "));
        push_ident(&mut statement, ident);
        statement.push(" AND reservation = ");
        statement.push_bind(holder);
        statement.push(" RETURNING id, uuid");
        if let Some(row) = self.pools().write(statement).await?.first() {
            return self.announce(row);
        }
        match self.node_holder(OPERATION, ident).await? {
            (node, Some(holder)) => Err(StoreError::NodeLocked { node, holder }),
            (node, None) => Err(StoreError::NodeNotLocked { node }),
        }
    }

    /// Tells of every lock that is released through this store from now on; whoever waits for one need not poll.
    ///
    /// A receiver that is far behind misses some and is told so.
    #[must_use]
    pub fn node_releases(&self) -> broadcast::Receiver<NodeReleased> {
        self.releases().subscribe()
    }

    /// Empties every lock that `holder` has, its name compared without regard to case, and returns the nodes.
    pub async fn node_reservations_clear(&self, holder: &str) -> Result<Vec<Uuid>, StoreError> {
        let condition = self.held_by(1);
        let sql = format!("UPDATE nodes SET {RELEASE} WHERE {condition} RETURNING id, uuid");
        let statement = Statement::new("node_reservations_clear", sql).bind(&holder.to_ascii_lowercase());
        let rows = self.pools().write(statement).await?;
        let nodes = rows.iter().map(|row| row.parsed("uuid")).collect::<Result<Vec<Uuid>, _>>()?;
        for row in &rows {
            self.announce(row)?;
        }
        if !nodes.is_empty() {
            warn!(conductor = %holder, nodes = ?nodes, "locks left behind are cleared");
        }
        Ok(nodes)
    }

    /// Empties the target power state of every node that `holder` has locked, its name compared without regard to
    /// case, leaves `error` as their last error, and returns them.
    pub async fn node_target_power_states_clear(
        &self,
        holder: &str,
        error: &str,
    ) -> Result<Vec<Uuid>, StoreError> {
        let condition = self.held_by(3);
        let sql = format!(
            "UPDATE nodes SET target_power_state = NULL, last_error = $1, updated_at = $2 \
             WHERE {condition} AND target_power_state IS NOT NULL RETURNING uuid"
        );
        let statement = Statement::new("node_target_power_states_clear", sql)
            .bind(&self.cut(Some(error.to_owned())))
            .bind(Value::time(now()))
            .bind(&holder.to_ascii_lowercase());
        let rows = self.pools().write(statement).await?;
        let nodes = rows.iter().map(|row| row.parsed("uuid")).collect::<Result<Vec<Uuid>, _>>()?;
        if !nodes.is_empty() {
            warn!(conductor = %holder, nodes = ?nodes, "power actions left behind are given up");
        }
        Ok(nodes)
    }

    /// The condition that a node is held by the lower-case name bound as `number`.
    fn held_by(&self, number: usize) -> String {
        format!("LOWER({}) = ${number}", self.dialect().by_bytes("reservation"))
    }

    /// The UUID of a node and whoever holds it.
    async fn node_holder(
        &self,
        operation: &'static str,
        ident: NodeIdent,
    ) -> Result<(Uuid, Option<String>), StoreError> {
        let mut statement = Statement::new(operation, "SELECT uuid, reservation FROM nodes WHERE ");
        push_ident(&mut statement, ident);
        let rows = self.pools().read(statement).await?;
        let row = rows.first().ok_or_else(|| Node::not_found(ident.to_string()))?;
        Ok((row.parsed("uuid")?, row.text_or_null("reservation")?))
    }

    /// Why an update under the lock that `before` shows found no row.
    pub(super) async fn node_lock_lost(&self, before: &Node) -> StoreError {
        match self.node_holder("node_update", before.id.into()).await {
            Ok((node, Some(holder))) => StoreError::NodeLocked { node, holder },
            Ok((node, None)) => StoreError::NodeNotLocked { node },
            Err(error) => error,
        }
    }

    fn announce(&self, row: &Row) -> Result<(), StoreError> {
        let released = NodeReleased { id: NodeId(row.integer("id")?), uuid: row.parsed("uuid")? };
        // Nobody may be listening, which is what the error says.
        self.releases().send(released).ok();
        Ok(())
    }
}

/// A lock on its way to whoever asked for it; given back if nobody is there to take it.
struct Reserved {
    store: Store,
    holder: String,
    node: Option<Node>,
    runtime: Handle,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let Some(node) = self.node.take() else { return };
        let (store, holder) = (self.store.clone(), std::mem::take(&mut self.holder));
        self.runtime.spawn(async move {
            if let Err(error) = store.release(node.id.into(), &holder).await {
                warn!(node = %node.uuid, conductor = %holder, %error, "a lock nobody waited for is still held");
            }
        });
    }
}
