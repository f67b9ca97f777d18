//! Records as rows: what all of them share.

use farrier_model::node::NodeId;
use uuid::Uuid;

use crate::error::{RecordKind, StoreError};
use crate::statement::{Row, Statement, Value};
use crate::store::{Store, now};

/// A column and what is to be written to it.
pub(crate) type Assignment = (&'static str, Value);

/// A record that is a row of a table.
pub(crate) trait Record: Sized {
    /// What it is called in messages.
    const KIND: RecordKind;
    /// Its table.
    const TABLE: &'static str;
    /// What a `SELECT` or `RETURNING` must list so that [`Record::read`] finds all it needs.
    const COLUMNS: &'static str;
    /// By what lists of it can be sorted.
    const SORT: &'static [(&'static str, SortKind)];

    /// The columns that its owner may change, with its values.
    fn values(&self) -> Vec<Assignment>;

    /// Reads it from a row.
    fn read(row: &Row) -> Result<Self, StoreError>;

    /// The error when there is none.
    fn not_found(ident: String) -> StoreError {
        StoreError::NotFound { record: Self::KIND, ident }
    }
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SortKind {
    /// As a number.
    Integer,
    /// As text, by its bytes.
    Text,
}

/// The first row as a record; [`Record::not_found`] when there is none.
pub(crate) fn one<R: Record>(rows: &[Row], ident: impl ToString) -> Result<R, StoreError> {
    rows.first().map_or_else(|| Err(R::not_found(ident.to_string())), R::read)
}

/// All rows as records.
pub(crate) fn all<R: Record>(rows: &[Row]) -> Result<Vec<R>, StoreError> {
    rows.iter().map(R::read).collect()
}

/// `SELECT ... FROM table`, to be followed by conditions.
pub(crate) fn select<R: Record>(operation: &'static str) -> Statement {
    Statement::new(operation, format!("SELECT {} FROM {}", R::COLUMNS, R::TABLE))
}

/// `INSERT INTO table ... RETURNING ...` of `assignments`.
pub(crate) fn insert<R: Record>(operation: &'static str, assignments: Vec<Assignment>) -> Statement {
    let (names, values): (Vec<_>, Vec<_>) = assignments.into_iter().unzip();
    let mut statement =
        Statement::new(operation, format!("INSERT INTO {} ({}) VALUES (", R::TABLE, names.join(", ")));
    statement.push_list(values);
    statement.push(") RETURNING ");
    statement.push(R::COLUMNS);
    statement
}

/// `UPDATE table SET ...`, to be followed by conditions and `RETURNING`.
pub(crate) fn update<R: Record>(operation: &'static str, assignments: Vec<Assignment>) -> Statement {
    let mut statement = Statement::new(operation, format!("UPDATE {} SET ", R::TABLE));
    for (index, (name, value)) in assignments.into_iter().enumerate() {
        if index > 0 {
            statement.push(", ");
        }
        statement.push(name);
        statement.push(" = ");
        statement.push_bind(value);
    }
    statement
}

/// What `after` has that `before` has not.
pub(crate) fn changes<R: Record>(before: &R, after: &R) -> Vec<Assignment> {
    let pairs = before.values().into_iter().zip(after.values());
    pairs.filter(|(before, after)| before != after).map(|(_, after)| after).collect()
}

/// What is done to every record that belongs to a node and has a UUID.
impl Store {
    /// The record with this UUID.
    pub(crate) async fn record_get<R: Record>(
        &self,
        operation: &'static str,
        uuid: Uuid,
    ) -> Result<R, StoreError> {
        let mut statement = select::<R>(operation);
        statement.push(" WHERE uuid = ");
        statement.push_bind(uuid);
        one(&self.pools().read(statement).await?, uuid)
    }

    /// The records of a node, oldest first.
    pub(crate) async fn records_by_node<R: Record>(
        &self,
        operation: &'static str,
        node: NodeId,
    ) -> Result<Vec<R>, StoreError> {
        let mut statement = select::<R>(operation);
        statement.push(" WHERE node_id = ");
        statement.push_bind(node);
        statement.push(" ORDER BY id");
        all(&self.pools().read(statement).await?)
    }

    /// Writes a new record, and returns it as it is stored.
    pub(crate) async fn record_create<R: Record>(
        &self,
        operation: &'static str,
        uuid: Uuid,
        record: &R,
    ) -> Result<R, StoreError> {
        let mut assignments = record.values();
        assignments.push(("uuid", uuid.into()));
        assignments.push(("created_at", Value::time(now())));
        one(&self.pools().write(insert::<R>(operation, assignments)).await?, uuid)
    }

    /// Writes `assignments`, which are not empty, stamps `updated_at`, and returns the record as it is stored.
    pub(crate) async fn record_update<R: Record>(
        &self,
        operation: &'static str,
        id: i64,
        uuid: Uuid,
        mut assignments: Vec<Assignment>,
    ) -> Result<R, StoreError> {
        assignments.push(("updated_at", Value::time(now())));
        let mut statement = update::<R>(operation, assignments);
        statement.push(" WHERE id = ");
        statement.push_bind(id);
        statement.push(" RETURNING ");
        statement.push(R::COLUMNS);
        one(&self.pools().write(statement).await?, uuid)
    }

    /// Deletes the record with this UUID.
    pub(crate) async fn record_destroy<R: Record>(
        &self,
        operation: &'static str,
        uuid: Uuid,
    ) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM {} WHERE uuid = $1 RETURNING id", R::TABLE);
        let rows = self.pools().write(Statement::new(operation, sql).bind(uuid)).await?;
        rows.first().map(drop).ok_or_else(|| R::not_found(uuid.to_string()))
    }
}
