//! Lists: sorting them and cutting them into pages.

use uuid::Uuid;

use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::record::{Record, SortKind, all};
use crate::statement::{Row, Statement, Value};
use crate::store::Store;

/// The sort key of a list that asks for none: the order of creation.
const SORT_KEY_DEFAULT: &str = "id";

/// Which part of a list to return, and in which order.
///
/// The default is everything, oldest first.
///
/// Source: Ironic's REST API: lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most this many.
    pub limit: Option<u32>,
    /// Only what comes after the record with this UUID.
    pub marker: Option<Uuid>,
    /// The field to sort by; records that are equal in it are in the order of their creation.
    pub sort_key: String,
    /// Which end comes first.
    pub sort_direction: SortDirection,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            limit: None,
            marker: None,
            sort_key: SORT_KEY_DEFAULT.to_owned(),
            sort_direction: SortDirection::Ascending,
        }
    }
}

/// Which end of a list comes first. Records whose sort key is unset are at the small end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortDirection {
    /// The smallest.
    #[default]
    Ascending,
    /// The largest.
    Descending,
}

impl Store {
    /// Runs `select`, which must end in a `WHERE` clause, and returns one page of it.
    pub(crate) async fn list<R: Record>(
        &self,
        operation: &'static str,
        mut select: Statement,
        page: &Page,
    ) -> Result<Vec<R>, StoreError> {
        let &(column, kind) = R::SORT
            .iter()
            .find(|(column, _)| *column == page.sort_key)
            .ok_or_else(|| StoreError::InvalidSortKey { record: R::KIND, key: page.sort_key.clone() })?;
        let order = Order { column, kind, direction: page.sort_direction, dialect: self.pools().dialect() };
        if let Some(marker) = page.marker {
            let sql = format!("SELECT id AS marker_id, {column} AS marker FROM {} WHERE uuid = $1", R::TABLE);
            let rows = self.pools().read(Statement::new(operation, sql).bind(marker)).await?;
            let row = rows.first().ok_or_else(|| R::not_found(marker.to_string()))?;
            order.push_after(&mut select, row)?;
        }
        order.push_order(&mut select);
        if let Some(limit) = page.limit {
            select.push(" LIMIT ");
            select.push_bind(i64::from(limit));
        }
        all(&self.pools().read(select).await?)
    }
}

/// By what a list is sorted.
struct Order {
    column: &'static str,
    kind: SortKind,
    direction: SortDirection,
    dialect: Dialect,
}

impl Order {
    /// The column as it is compared.
    fn compared(&self) -> String {
        match self.kind {
            SortKind::Integer => self.column.to_owned(),
            SortKind::Text => self.dialect.by_bytes(self.column),
        }
    }

    /// Demands that a row comes after the marker.
    fn push_after(&self, select: &mut Statement, marker: &Row) -> Result<(), StoreError> {
        let (column, compared) = (self.column, self.compared());
        let beyond = match self.direction {
            SortDirection::Ascending => ">",
            SortDirection::Descending => "<",
        };
        let value: Value = match self.kind {
            SortKind::Integer => marker.integer_or_null("marker")?.into(),
            SortKind::Text => (&marker.text_or_null("marker")?).into(),
        };
        let id = marker.integer("marker_id")?;
        if matches!(value, Value::Integer(None) | Value::Text(None)) {
            select.push(&format!(" AND (({column} IS NULL AND id {beyond} "));
            select.push_bind(id);
            match self.direction {
                SortDirection::Ascending => select.push(&format!(") OR {column} IS NOT NULL)")),
                SortDirection::Descending => select.push("))"),
            }
            return Ok(());
        }
        select.push(&format!(" AND ({compared} {beyond} "));
        select.push_bind(value.clone());
        select.push(&format!(" OR ({column} = "));
        select.push_bind(value);
        select.push(&format!(" AND id {beyond} "));
        select.push_bind(id);
        select.push(")");
        if self.direction == SortDirection::Descending {
            select.push(&format!(" OR {column} IS NULL"));
        }
        select.push(")");
        Ok(())
    }

    /// Sorts.
    fn push_order(&self, select: &mut Statement) {
        let (direction, unset) = match self.direction {
            SortDirection::Ascending => ("ASC", "NULLS FIRST"),
            SortDirection::Descending => ("DESC", "NULLS LAST"),
        };
        select.push(&format!(" ORDER BY {} {direction} {unset}, id {direction}", self.compared()));
    }
}
