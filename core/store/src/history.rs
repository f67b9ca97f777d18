//! History of nodes.

#[cfg(test)]
mod tests;

use std::time::Duration;

use farrier_model::history::HistoryEntry;
use farrier_model::node::NodeId;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::error::{RecordKind, StoreError};
use crate::page::Page;
use crate::record::{Assignment, Record, SortKind, insert, one, select};
use crate::statement::{Row, Statement, Value};
use crate::store::{Store, now};

use SortKind::{Integer, Text};

impl Store {
    /// Writes an entry, and returns it as it is stored.
    ///
    /// # Errors
    ///
    /// [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn history_create(&self, entry: &HistoryEntry) -> Result<HistoryEntry, StoreError> {
        let mut assignments = entry.values();
        assignments.push(("created_at", Value::time(now())));
        match self.pools().write(insert::<HistoryEntry>("history_create", assignments)).await {
            Ok(rows) => one(&rows, entry.uuid),
            Err(error) if error.is_foreign_key_violation() => {
                Err(self.node_get(entry.node_id).await.err().unwrap_or(error))
            }
            Err(error) => Err(error),
        }
    }

    /// One entry of a node's history.
    ///
    /// # Errors
    ///
    /// [`NotFound`](StoreError::NotFound), also when the entry is another node's.
    pub async fn history_get(&self, node: NodeId, uuid: Uuid) -> Result<HistoryEntry, StoreError> {
        let mut statement = select::<HistoryEntry>("history_get");
        statement.push(" WHERE node_id = ");
        statement.push_bind(node);
        statement.push(" AND uuid = ");
        statement.push_bind(uuid);
        one(&self.pools().read(statement).await?, uuid)
    }

    /// A node's history.
    ///
    /// # Errors
    ///
    /// [`InvalidSortKey`](StoreError::InvalidSortKey), and [`NotFound`](StoreError::NotFound) for the marker.
    pub async fn history_list(&self, node: NodeId, page: &Page) -> Result<Vec<HistoryEntry>, StoreError> {
        const OPERATION: &str = "history_list";
        let mut statement = select::<HistoryEntry>(OPERATION);
        statement.push(" WHERE node_id = ");
        statement.push_bind(node);
        self.list(OPERATION, statement, page).await
    }

    /// Forgets all of a node's history but the newest `keep` entries, and says how many.
    pub async fn history_prune(&self, node: NodeId, keep: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM node_history WHERE node_id = $1 AND id NOT IN \
                   (SELECT id FROM node_history WHERE node_id = $1 ORDER BY id DESC LIMIT $2) RETURNING id";
        let statement = Statement::new("history_prune", sql).bind(node).bind(i64::from(keep));
        Ok(self.pools().write(statement).await?.len())
    }

    /// Forgets, of the history of all nodes, entries older than `age` that are not among the newest `keep` of
    /// their node, oldest first, at most `limit`; says how many.
    pub async fn history_prune_all(&self, keep: u32, age: Duration, limit: u32) -> Result<usize, StoreError> {
        let sql = "DELETE FROM node_history WHERE id IN (SELECT id FROM \
                   (SELECT id, created_at, ROW_NUMBER() OVER (PARTITION BY node_id ORDER BY id DESC) AS rank \
                   FROM node_history) AS ranked WHERE rank > $1 AND created_at <= $2 ORDER BY id LIMIT $3) \
                   RETURNING id";
        let before = now().saturating_sub(SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX));
        let statement = Statement::new("history_prune_all", sql)
            .bind(i64::from(keep))
            .bind(Value::time(before.unwrap_or(Timestamp::MIN)))
            .bind(i64::from(limit));
        Ok(self.pools().write(statement).await?.len())
    }
}

impl Record for HistoryEntry {
    const KIND: RecordKind = RecordKind::HistoryEntry;
    const TABLE: &'static str = "node_history";
    const COLUMNS: &'static str = "*";
    const SORT: &'static [(&'static str, SortKind)] = &[
        ("id", Integer),
        ("uuid", Text),
        ("created_at", Text),
        ("severity", Text),
        ("event_type", Text),
        // next sortable column above this line
    ];

    fn values(&self) -> Vec<Assignment> {
        vec![
            ("uuid", self.uuid.into()),
            ("node_id", self.node_id.into()),
            ("conductor", (&self.conductor).into()),
            ("severity", self.severity.as_str().into()),
            ("event", (&self.event).into()),
            ("event_type", (&self.event_type).into()),
            ("user_id", (&self.user).into()),
            ("project_id", (&self.project).into()),
            ("state", Value::shown(self.state)),
            ("target_provision_state", Value::shown(self.target_provision_state)),
            ("duration_seconds", self.duration_seconds.into()),
        ]
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.integer("id")?,
            uuid: row.parsed("uuid")?,
            node_id: NodeId(row.integer("node_id")?),
            conductor: row.text("conductor")?,
            severity: row.parsed("severity")?,
            event: row.text("event")?,
            event_type: row.text("event_type")?,
            user: row.text_or_null("user_id")?,
            project: row.text_or_null("project_id")?,
            state: row.parsed_or_null("state")?,
            target_provision_state: row.parsed_or_null("target_provision_state")?,
            duration_seconds: row.integer_or_null("duration_seconds")?,
            created_at: row.parsed("created_at")?,
        })
    }
}
