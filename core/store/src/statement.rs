//! One SQL statement with its values, and the rows it answers with.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::str::FromStr;

use farrier_model::node::{Fields, NodeId};
use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use uuid::Uuid;

use crate::error::StoreError;

/// A value bound to a statement; the two types that both databases have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// `BIGINT`: numbers, and booleans as 0 and 1.
    Integer(Option<i64>),
    /// `TEXT`: text, UUIDs, times, JSON.
    Text(Option<String>),
}

impl Value {
    /// A time with microseconds, always of the same length, so that the text sorts like the time.
    pub(crate) fn time(time: impl Into<Option<Timestamp>>) -> Self {
        Self::Text(time.into().map(|time| format!("{time:.6}")))
    }

    /// The text of anything that is shown as it is stored.
    pub(crate) fn shown(value: Option<impl ToString>) -> Self {
        Self::Text(value.map(|value| value.to_string()))
    }

    /// A mapping as JSON.
    pub(crate) fn json(fields: &Fields) -> Self {
        // A mapping's keys are texts, so that nothing can go wrong here.
        Self::Text(Some(serde_json::to_string(fields).unwrap_or_default()))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl From<NodeId> for Value {
    fn from(value: NodeId) -> Self {
        Self::Integer(Some(value.0))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(Some(value.into()))
    }
}

impl From<Option<bool>> for Value {
    fn from(value: Option<bool>) -> Self {
        Self::Integer(value.map(i64::from))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Self {
        Self::Text(value.clone())
    }
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Self::Text(Some(value.to_string()))
    }
}

/// One SQL statement with its values.
///
/// The text is made of our own constants only; whatever comes from outside is bound.
#[derive(Debug)]
pub(crate) struct Statement {
    operation: &'static str,
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

impl Statement {
    /// A statement for `operation`, the store method it belongs to.
    pub(crate) fn new(operation: &'static str, sql: impl Into<Cow<'static, str>>) -> Self {
        Self { operation, sql: sql.into(), values: Vec::new() }
    }

    /// Binds the next value; the text refers to it as `$1`, `$2` and so on.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The store method it belongs to.
    pub(crate) const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The statement that `whole` makes of the text so far, with the same values.
    #[must_use]
    pub(crate) fn wrap(self, whole: impl FnOnce(&str) -> String) -> Self {
        Self { sql: whole(&self.sql).into(), ..self }
    }

    /// Appends text.
    pub(crate) fn push(&mut self, sql: &str) {
        self.sql.to_mut().push_str(sql);
    }

    /// Appends a reference to `value` and binds it.
    pub(crate) fn push_bind(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
        // Writing to a string does not fail.
        write!(self.sql.to_mut(), "${}", self.values.len()).ok();
    }

    /// Appends references to `values`, separated by commas, and binds them.
    pub(crate) fn push_list(&mut self, values: impl IntoIterator<Item = Value>) {
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.push_bind(value);
        }
    }

    /// Runs the statement to its end and collects its rows.
    ///
    /// To its end also when one row is expected: a statement that writes and returns is committed by its last
    /// step, and only that step says whether it was.
    pub(crate) async fn run(self, connection: &mut AnyConnection) -> Result<Vec<Row>, StoreError> {
        let operation = self.operation;
        let mut query = sqlx::query(AssertSqlSafe(self.sql));
        for value in self.values {
            query = match value {
                Value::Integer(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
            };
        }
        let rows =
            query.fetch_all(connection).await.map_err(|error| StoreError::database(operation, error))?;
        Ok(rows.into_iter().map(Row).collect())
    }
}

/// One row of an answer.
pub(crate) struct Row(AnyRow);

impl Row {
    /// A number that may be unset.
    pub(crate) fn integer_or_null(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.0.try_get(column).map_err(|error| corrupt(column, &error))
    }

    /// A number.
    pub(crate) fn integer(&self, column: &'static str) -> Result<i64, StoreError> {
        self.integer_or_null(column)?.ok_or_else(|| unset(column))
    }

    /// A boolean that may be unset.
    pub(crate) fn boolean_or_null(&self, column: &'static str) -> Result<Option<bool>, StoreError> {
        Ok(self.integer_or_null(column)?.map(|value| value != 0))
    }

    /// A boolean.
    pub(crate) fn boolean(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.integer(column)? != 0)
    }

    /// Text that may be unset.
    pub(crate) fn text_or_null(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.0.try_get(column).map_err(|error| corrupt(column, &error))
    }

    /// Text.
    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.text_or_null(column)?.ok_or_else(|| unset(column))
    }

    /// Anything that is read from text and may be unset.
    pub(crate) fn parsed_or_null<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let text = self.text_or_null(column)?;
        text.map(|text| text.parse().map_err(|error| corrupt(column, &error))).transpose()
    }

    /// Anything that is read from text.
    pub(crate) fn parsed<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        self.parsed_or_null(column)?.ok_or_else(|| unset(column))
    }

    /// A mapping.
    pub(crate) fn json(&self, column: &'static str) -> Result<Fields, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| {
            // The error's own text may quote the value.
            let reason = format!("not a JSON object: line {}, column {}", error.line(), error.column());
            StoreError::Corrupt { column, reason }
        })
    }

    /// A list of texts that were joined by [`LIST_SEPARATOR`]; sorted.
    pub(crate) fn list(&self, column: &'static str) -> Result<Vec<String>, StoreError> {
        let joined = self.text_or_null(column)?.unwrap_or_default();
        let mut list: Vec<String> =
            joined.split(LIST_SEPARATOR).filter(|item| !item.is_empty()).map(str::to_owned).collect();
        list.sort_unstable();
        Ok(list)
    }
}

/// Joins the items of a list that a subquery collects; no item contains it.
pub(crate) const LIST_SEPARATOR: char = '\u{1f}';

fn corrupt(column: &'static str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt { column, reason: error.to_string() }
}

fn unset(column: &'static str) -> StoreError {
    StoreError::Corrupt { column, reason: "unset".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_in_order() {
        let mut statement = Statement::new("test", "SELECT * FROM nodes WHERE id = $1").bind(1);
        statement.push(" AND owner IN (");
        statement.push_list(["a".into(), "b".into()]);
        statement.push(")");

        assert_eq!(statement.sql, "SELECT * FROM nodes WHERE id = $1 AND owner IN ($2, $3)");
        assert_eq!(statement.values.len(), 3);
    }

    #[test]
    fn times_sort_as_their_text() {
        let times = ["2026-11-22T12:58:13Z", "2026-11-22T12:58:13.5Z", "2026-11-22T12:58:13.500001Z"];
        let texts: Vec<_> = times.iter().map(|time| Value::time(time.parse::<Timestamp>().ok())).collect();

        assert_eq!(texts[0], Value::Text(Some("2026-11-22T12:58:13.000000Z".to_owned())));
        assert!(texts.is_sorted_by_key(|value| match value {
            Value::Text(text) => text.clone(),
            Value::Integer(_) => None,
        }));
    }
}
