//! What conductor and driver remember about a node.
//!
//! Conductor and drivers write `driver_internal_info` of one node at the same time: the conductor as part of a
//! node, a driver by itself during a call. Both write single members, in a transaction that first reads what is
//! there, and each write makes a new revision.

use farrier_model::node::{Fields, Node, NodeId};

use super::{Admission, update_statement};
use crate::error::StoreError;
use crate::pool::WriteTransaction;
use crate::record::{Assignment, Record};
use crate::statement::{Statement, Value};
use crate::store::{Store, now};

impl Store {
    /// Changes members of a node's `driver_internal_info`, if it still is at revision `expected`, and returns the
    /// new revision.
    ///
    /// `unset` is removed first, then `set` is put in. Stamps `updated_at`.
    ///
    /// # Errors
    ///
    /// - [`InternalInfoConflict`](StoreError::InternalInfoConflict): somebody else wrote in between. Read, and
    ///   decide again.
    /// - [`NodeNotFound`](StoreError::NodeNotFound).
    pub async fn node_internal_info_save(
        &self,
        id: NodeId,
        expected: i64,
        set: Fields,
        unset: &[String],
    ) -> Result<i64, StoreError> {
        const OPERATION: &str = "node_internal_info_save";
        let mut transaction = self.pools().begin(OPERATION).await?;
        let mut stored = self.internal_info(&mut transaction, OPERATION, id).await?;
        if stored.revision != expected {
            let (node, found) = (stored.node, stored.revision);
            return Err(StoreError::InternalInfoConflict { node, expected, found });
        }
        for key in unset {
            stored.fields.remove(key);
        }
        stored.fields.extend(set);
        let sql = "UPDATE nodes SET driver_internal_info = $1, driver_internal_info_revision = $2, \
                   updated_at = $3 WHERE id = $4";
        let statement = Statement::new(OPERATION, sql)
            .bind(Value::json(&stored.fields))
            .bind(expected + 1)
            .bind(Value::time(now()))
            .bind(id);
        transaction.run(statement).await?;
        transaction.commit().await?;
        Ok(expected + 1)
    }

    /// Writes `assignments` and the members of `driver_internal_info` in which `after` differs from `before`, if
    /// `admission` has room; none when the lock that `before` was read under is lost.
    pub(super) async fn node_update_in_transaction(
        &self,
        before: &Node,
        after: &Node,
        mut assignments: Vec<Assignment>,
        admission: Option<&Admission>,
    ) -> Result<Option<Node>, StoreError> {
        const OPERATION: &str = "node_update";
        let mut transaction = self.pools().begin(OPERATION).await?;
        // Before any row is locked: who waits here keeps nobody waiting.
        if let Some(admission) = admission {
            self.check_room(&mut transaction, OPERATION, admission).await?;
        }
        if before.driver_internal_info != after.driver_internal_info {
            let mut stored = self.internal_info(&mut transaction, OPERATION, before.id).await?;
            merge(&mut stored.fields, &before.driver_internal_info, &after.driver_internal_info);
            assignments.push(("driver_internal_info", Value::json(&stored.fields)));
            assignments.push(("driver_internal_info_revision", (stored.revision + 1).into()));
        }
        let rows = transaction.run(update_statement(before, assignments)).await?;
        transaction.commit().await?;
        rows.first().map(Node::read).transpose()
    }

    /// Reads what is stored, and keeps others from changing it until the transaction ends.
    async fn internal_info(
        &self,
        transaction: &mut WriteTransaction,
        operation: &'static str,
        id: NodeId,
    ) -> Result<Stored, StoreError> {
        let sql = format!(
            "SELECT uuid, driver_internal_info, driver_internal_info_revision FROM nodes WHERE id = $1{}",
            self.dialect().for_update()
        );
        let rows = transaction.run(Statement::new(operation, sql).bind(id)).await?;
        let row = rows.first().ok_or_else(|| Node::not_found(id.to_string()))?;
        Ok(Stored {
            node: row.parsed("uuid")?,
            fields: row.json("driver_internal_info")?,
            revision: row.integer("driver_internal_info_revision")?,
        })
    }
}

/// What is stored now.
struct Stored {
    node: uuid::Uuid,
    fields: Fields,
    revision: i64,
}

/// Applies to `stored` what changed between `before` and `after`.
fn merge(stored: &mut Fields, before: &Fields, after: &Fields) {
    for key in before.keys() {
        if !after.contains_key(key) {
            stored.remove(key);
        }
    }
    for (key, value) in after {
        if before.get(key) != Some(value) {
            stored.insert(key.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_fields() -> impl Strategy<Value = Fields> {
        let key = prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned);
        let fields = prop::collection::btree_map(key, 0..3_i64, 0..4);
        fields.prop_map(|map| map.into_iter().map(|(key, value)| (key, value.into())).collect())
    }

    proptest! {
        #[test]
        fn without_others_the_result_is_what_was_wanted(before in any_fields(), after in any_fields()) {
            let mut stored = before.clone();

            merge(&mut stored, &before, &after);

            prop_assert_eq!(stored, after);
        }

        #[test]
        fn what_we_did_not_touch_stays_as_others_left_it(
            before in any_fields(),
            after in any_fields(),
            others in any_fields(),
        ) {
            let mut stored = others.clone();

            merge(&mut stored, &before, &after);

            for key in ["a", "b", "c", "d"] {
                let expected = if before.get(key) == after.get(key) { &others } else { &after };
                prop_assert_eq!(stored.get(key), expected.get(key));
            }
        }
    }
}
