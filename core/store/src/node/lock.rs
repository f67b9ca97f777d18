//! Locks of nodes.
//!
//! A lock is the column `reservation`: whoever writes its tag into it while it is empty holds the node. Taking
//! and releasing it are one conditional write each, and leave `updated_at` alone. Who waits for a lock that another
//! process may hold says so in `reservation_wanted`, so that a release nobody waits for costs nothing more.
//!
//! Source: Ironic's task manager.

use std::time::Duration;

use farrier_model::node::{Node, NodeId, NodeIdent};
use farrier_sdk::error::Chain;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tracing::warn;
use uuid::Uuid;

use super::push_ident;
use super::release::{Release, Releases};
use crate::error::StoreError;
use crate::record::Record;
use crate::statement::{Row, Statement, Value};
use crate::store::{Store, now};

/// How often a lock is tried that was taken when we tried and free when we looked who has it.
const ATTEMPTS_MAX: usize = 8;

/// How a lock changes hands without being free in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// Who has it.
    pub from: String,
    /// When he took it, so that no later lock of his is meant; whichever he has without.
    pub since: Option<Timestamp>,
    /// Who gets it.
    pub holder: String,
    /// What he wants it for.
    pub purpose: String,
    /// Who must be gone when it happens, if somebody must: a conductor that lives would miss the lock that it has, and
    /// not know of the one that it gets.
    pub gone: Option<Gone>,
}

/// A conductor that cannot be counted on; see [`Store::conductor_is_alive`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Its name.
    pub conductor: String,
    /// How long nothing was heard of it.
    pub timeout: Duration,
}

impl Store {
    /// Takes the lock of a node for `holder`, who wants it for `purpose`, and returns the node as it then is.
    ///
    /// The lock is not reentrant: a holder that asks again is refused like anybody else. A call that is dropped
    /// before it ends leaves no lock.
    ///
    /// # Errors
    ///
    /// - [`NodeLocked`](StoreError::NodeLocked) names whoever holds it; [`Store::node_releases`] tells when to try
    ///   again.
    /// - [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_reserve(
        &self,
        ident: impl Into<NodeIdent>,
        holder: &str,
        purpose: &str,
    ) -> Result<Node, StoreError> {
        let (store, ident) = (self.clone(), ident.into());
        let (holder, purpose) = (holder.to_owned(), purpose.to_owned());
        let reserved = async move {
            let node = store.reserve(ident, &holder, &purpose).await?;
            Ok(Reserved { store, holder, back: None, node: Some(node), runtime: Handle::current() })
        };
        Self::guarded("node_reserve", reserved).await
    }

    /// The node of a lock that is taken by `work`, unless the caller does not wait for it.
    async fn guarded(
        operation: &'static str,
        work: impl Future<Output = Result<Reserved, StoreError>> + Send + 'static,
    ) -> Result<Node, StoreError> {
        // The write may be under way when the caller stops waiting, so somebody must wait for it and undo it.
        let mut reserved = Self::detached(operation, work).await?;
        // The guard is disarmed without another point at which the caller could vanish.
        reserved.node.take().ok_or(StoreError::ShuttingDown { operation })
    }

    /// Hands the lock of a node over and returns the node as it then is: nobody can take the node in between. A call
    /// that is dropped before it ends leaves the lock to whoever had it.
    ///
    /// # Errors
    ///
    /// - [`NodeLocked`](StoreError::NodeLocked) names whoever holds it: somebody else, the same one in a later lock,
    ///   or the one it is to be taken from while he who must be gone is not.
    /// - [`NodeNotLocked`](StoreError::NodeNotLocked): nobody does.
    /// - [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_hand_over(&self, id: NodeId, order: HandOver) -> Result<Node, StoreError> {
        let store = self.clone();
        let handed = async move {
            let node = store.hand_over(id, &order).await?;
            let back = HandOver {
                from: order.holder.clone(),
                since: node.reserved_at,
                holder: order.from,
                purpose: "nobody came for it".to_owned(),
                gone: order.gone,
            };
            let runtime = Handle::current();
            Ok(Reserved { store, holder: order.holder, back: Some(back), node: Some(node), runtime })
        };
        Self::guarded("node_hand_over", handed).await
    }

    async fn hand_over(&self, id: NodeId, order: &HandOver) -> Result<Node, StoreError> {
        const OPERATION: &str = "node_hand_over";
        let mut transaction = self.pools().begin(OPERATION).await?;
        let lives = match &order.gone {
            None => false,
            // It can neither come back nor start before this is over: both write its record.
            Some(gone) => self
                .conductor_locked(&mut transaction, OPERATION, &gone.conductor)
                .await?
                .is_some_and(|known| self.conductor_is_alive(&known, gone.timeout)),
        };
        let mut statement = Statement::new(
            OPERATION,
            "UPDATE nodes SET reservation = $1, reservation_purpose = $2, reserved_at = $3 WHERE id = $4",
        )
        .bind(&order.holder)
        .bind(&order.purpose)
        .bind(Value::time(now()))
        .bind(id);
        push_lock(&mut statement, &order.from, order.since);
        statement.push(" RETURNING ");
        statement.push(Node::COLUMNS);
        let rows = if lives { Vec::new() } else { transaction.run(statement).await? };
        transaction.commit().await?;
        match rows.first() {
            Some(row) => Node::read(row),
            None => Err(self.not_held(id.into()).await),
        }
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
            if let (node, Some(holder)) = self.node_holder(ident).await? {
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
        self.node_release_since(ident, holder, None).await
    }

    /// As [`node_release`](Self::node_release), if it is the lock that `holder` took at `since`, and no later one of
    /// his: who does not know whether his last attempt has released it can try again.
    ///
    /// # Errors
    ///
    /// As there; `NodeLocked` names `holder` himself when he has another lock by now.
    pub async fn node_release_since(
        &self,
        ident: impl Into<NodeIdent>,
        holder: &str,
        since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let (store, ident, holder) = (self.clone(), ident.into(), holder.to_owned());
        Self::detached("node_release", async move { store.release(ident, &holder, since).await }).await
    }

    async fn release(
        &self,
        ident: NodeIdent,
        holder: &str,
        since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let mut held = Statement::new("node_release", "");
        push_ident(&mut held, ident);
        push_lock(&mut held, holder, since);
        let statement = held.wrap(|condition| self.dialect().release(condition));
        if let Some(row) = self.pools().write(statement).await?.first() {
            return self.announce(row);
        }
        Err(self.not_held(ident).await)
    }

    /// Why a lock that somebody is said to have is not his.
    async fn not_held(&self, ident: NodeIdent) -> StoreError {
        match self.node_holder(ident).await {
            Ok((node, Some(holder))) => StoreError::NodeLocked { node, holder },
            Ok((node, None)) => StoreError::NodeNotLocked { node },
            Err(error) => error,
        }
    }

    /// Says that `waiter` waits for the lock of a node, so that its release is told to [`Store::node_releases`]
    /// of every process. Answers whether somebody holds it: otherwise there is nothing to wait for.
    ///
    /// What is said is forgotten with the release. Where nobody else shares the database, nothing needs to be said.
    pub async fn node_want(&self, id: NodeId, waiter: &str) -> Result<bool, StoreError> {
        if !self.is_shared() {
            return Ok(true);
        }
        let sql = "UPDATE nodes SET reservation_wanted = COALESCE(reservation_wanted, $1) \
                   WHERE id = $2 AND reservation IS NOT NULL RETURNING id";
        let statement = Statement::new("node_want", sql).bind(waiter).bind(id);
        Ok(!self.pools().write(statement).await?.is_empty())
    }

    /// Hears of every lock that is released from now on: through this store at once, by other processes if
    /// somebody has said that he waits for it; see [`Store::node_want`].
    #[must_use]
    pub fn node_releases(&self) -> Releases {
        self.releases().subscribe()
    }

    /// Empties every lock that `holder` has, its name compared without regard to case, and returns the nodes.
    pub async fn node_reservations_clear(&self, holder: &str) -> Result<Vec<Uuid>, StoreError> {
        let sql = self.dialect().release(&self.held_by(1));
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
    async fn node_holder(&self, ident: NodeIdent) -> Result<(Uuid, Option<String>), StoreError> {
        let mut statement = Statement::new("node_holder", "SELECT uuid, reservation FROM nodes WHERE ");
        push_ident(&mut statement, ident);
        let rows = self.pools().read(statement).await?;
        let row = rows.first().ok_or_else(|| Node::not_found(ident.to_string()))?;
        Ok((row.parsed("uuid")?, row.text_or_null("reservation")?))
    }

    /// Why an update under the lock that `before` shows found no row.
    pub(super) async fn node_lock_lost(&self, before: &Node) -> StoreError {
        self.not_held(before.id.into()).await
    }

    /// Tells that a lock is free, or gone with its node.
    pub(super) fn announce(&self, row: &Row) -> Result<(), StoreError> {
        self.releases().send(Release::Node(NodeId(row.integer("id")?)));
        Ok(())
    }
}

/// Appends the condition that `holder` has the lock, since that time if there is one.
fn push_lock(statement: &mut Statement, holder: &str, since: Option<Timestamp>) {
    statement.push(" AND reservation = ");
    statement.push_bind(holder);
    if since.is_some() {
        statement.push(" AND reserved_at = ");
        statement.push_bind(Value::time(since));
    }
}

/// A lock on its way to whoever asked for it; given back if nobody is there to take it.
struct Reserved {
    store: Store,
    holder: String,
    /// How it goes back to whoever had it before; it was free without one.
    back: Option<HandOver>,
    node: Option<Node>,
    runtime: Handle,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let Some(node) = self.node.take() else { return };
        let (store, holder) = (self.store.clone(), std::mem::take(&mut self.holder));
        let back = self.back.take();
        self.runtime.spawn(async move {
            if let Some(back) = back {
                match store.hand_over(node.id, &back).await {
                    Ok(_) => return,
                    Err(error) => {
                        let to = back.holder;
                        warn!(node = %node.uuid, conductor = %to, error = %Chain(&error), "a lock cannot go back, it is released");
                    }
                }
            }
            if let Err(error) = store.release(node.id.into(), &holder, node.reserved_at).await {
                let error = Chain(&error);
                warn!(node = %node.uuid, conductor = %holder, %error, "a lock nobody waited for is still held");
            }
        });
    }
}
