//! Tables for people: no borders, heads in capitals, color for states.

use std::borrow::Cow;

use comfy_table::{Attribute, Cell as TableCell, Color, ContentArrangement, Table, presets};
use jiff::{SpanRound, Timestamp, Unit};
use serde_json::Value;

/// One column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// What stands above it.
    pub(crate) head: Cow<'static, str>,
    /// The member it shows.
    pub(crate) member: Cow<'static, str>,
    /// How the member is shown.
    pub(crate) cell: Cell,
    /// Whether it is left out of the narrow form.
    pub(crate) wide: bool,
}

/// How a member is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// As it is; mappings as JSON.
    Text,
    /// As the name of a state, with its color.
    State,
    /// As `yes` or `no`; yes is as it should be.
    Good,
    /// As `yes` or `no`; yes is out of the ordinary.
    Odd,
    /// As the time since then.
    Age,
    /// As it is, or another member when it is not set.
    Or(&'static str),
}

impl Column {
    /// A column of the narrow and the wide form.
    pub(crate) const fn new(head: &'static str, member: &'static str, cell: Cell) -> Self {
        Self { head: Cow::Borrowed(head), member: Cow::Borrowed(member), cell, wide: false }
    }

    /// A column of the wide form alone.
    pub(crate) const fn wide(head: &'static str, member: &'static str, cell: Cell) -> Self {
        Self { head: Cow::Borrowed(head), member: Cow::Borrowed(member), cell, wide: true }
    }

    /// A column for a member that the operator asked for.
    pub(crate) fn chosen(member: &str) -> Self {
        let head = member.to_uppercase().replace('_', " ");
        Self { head: Cow::Owned(head), member: Cow::Owned(member.to_owned()), cell: Cell::Text, wide: false }
    }

    /// The members that a server must send for this column.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        let other = match self.cell {
            Cell::Or(other) => Some(other),
            Cell::Text | Cell::State | Cell::Good | Cell::Odd | Cell::Age => None,
        };
        std::iter::once(self.member.as_ref()).chain(other)
    }

    /// The cell of one row.
    fn cell(&self, row: &Value, now: Timestamp) -> TableCell {
        let value = row.get(self.member.as_ref()).unwrap_or(&Value::Null);
        match self.cell {
            Cell::Text => TableCell::new(text(value)),
            Cell::Or(other) if value.is_null() => {
                TableCell::new(text(row.get(other).unwrap_or(&Value::Null)))
            }
            Cell::Or(_) => TableCell::new(text(value)),
            Cell::Age => TableCell::new(age(value, now)),
            Cell::State => {
                paint(TableCell::new(text(value)), state_color(value.as_str().unwrap_or_default()))
            }
            Cell::Good => {
                paint(TableCell::new(text(value)), (value == &Value::Bool(false)).then_some(Color::Red))
            }
            Cell::Odd => {
                paint(TableCell::new(text(value)), (value == &Value::Bool(true)).then_some(Color::Yellow))
            }
        }
    }
}

/// The table as text, a line per row; empty for no rows, so that scripts see nothing.
pub(super) fn render(columns: &[&Column], rows: &[Value], color: bool) -> String {
    render_at(columns, rows, color, Timestamp::now())
}

/// [`render`] at a point in time.
fn render_at(columns: &[&Column], rows: &[Value], color: bool, now: Timestamp) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
        .set_header(columns.iter().map(|column| TableCell::new(&column.head).add_attribute(Attribute::Bold)));
    for row in rows {
        table.add_row(columns.iter().map(|column| column.cell(row, now)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A value for people: nothing is a dash.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.replace('\n', " "),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The time since a timestamp, in its greatest unit; what is no timestamp as it is.
fn age(value: &Value, now: Timestamp) -> String {
    let Some(then) = value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return text(value);
    };
    let span =
        (now - then).round(SpanRound::new().largest(Unit::Hour).smallest(Unit::Second)).unwrap_or_default();
    match (span.get_hours(), span.get_minutes(), span.get_seconds()) {
        (hours @ 48.., _, _) => format!("{}d", hours / 24),
        (hours @ 1.., _, _) => format!("{hours}h"),
        (_, minutes @ 1.., _) => format!("{minutes}m"),
        (_, _, seconds) => format!("{}s", seconds.max(0)),
    }
}

/// A cell in a color.
fn paint(cell: TableCell, color: Option<Color>) -> TableCell {
    match color {
        Some(color) => cell.fg(color),
        None => cell,
    }
}

/// The color of a state: green for on and in use, red for failures, yellow for what will change by itself.
fn state_color(state: &str) -> Option<Color> {
    match state {
        "power on" | "active" => Some(Color::Green),
        "error" => Some(Color::Red),
        _ if state.ends_with(" failed") => Some(Color::Red),
        _ if state.ends_with("ing") || state.ends_with(" wait") || state == "wait call-back" => {
            Some(Color::Yellow)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static COLUMNS: [Column; 6] = [
        Column::new("NAME", "name", Cell::Or("uuid")),
        Column::new("POWER", "power_state", Cell::State),
        Column::new("MAINTENANCE", "maintenance", Cell::Odd),
        Column::new("ALIVE", "alive", Cell::Good),
        Column::new("EXTRA", "extra", Cell::Text),
        Column::new("SEEN", "updated_at", Cell::Age),
    ];

    fn rendered(rows: &[Value], color: bool) -> String {
        let now = "2026-11-22T13:00:00Z".parse().unwrap();
        render_at(&COLUMNS.iter().collect::<Vec<_>>(), rows, color, now)
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            json!({"name": "n1", "power_state": "power on", "maintenance": false, "alive": true, "extra": {"a": 1},
                "updated_at": "2026-11-22T12:58:13.505414+00:00"}),
            json!({"name": null, "uuid": "a1b2c3d4", "power_state": null, "maintenance": true, "alive": false,
                "extra": ["a", "b"], "updated_at": null}),
        ];

        insta::assert_snapshot!(rendered(&rows, false), @r#"
        NAME      POWER     MAINTENANCE  ALIVE  EXTRA    SEEN
        n1        power on  no           yes    {"a":1}  1m
        a1b2c3d4  -         yes          no     a, b     -
        "#);
    }

    #[test]
    fn no_rows_are_no_output() {
        assert_eq!(rendered(&[], false), "");
    }

    #[test]
    fn states_have_their_color_when_wanted() {
        let rows = [json!({"name": "n1", "power_state": "error", "maintenance": true, "alive": false})];

        let colored = rendered(&rows, true);

        assert!(colored.contains("\u{1b}[38;5;9merror"), "{colored:?}");
        assert!(!rendered(&rows, false).contains('\u{1b}'));
    }

    #[test]
    fn ages_are_told_in_their_greatest_unit() {
        let now = "2026-11-22T13:00:00Z".parse().unwrap();
        let ages: Vec<String> = [
            "2026-11-22T12:59:58.9+00:00",
            "2026-11-22T12:57:01+00:00",
            "2026-11-22T02:00:00+00:00",
            "2026-11-20T11:00:00+00:00",
            "2026-11-22T13:00:09+00:00",
            "never",
        ]
        .iter()
        .map(|text| age(&json!(text), now))
        .collect();

        assert_eq!(ages, ["1s", "2m", "11h", "2d", "0s", "never"]);
    }

    #[test]
    fn states_that_pass_are_yellow() {
        assert_eq!(state_color("deploying"), Some(Color::Yellow));
        assert_eq!(state_color("clean wait"), Some(Color::Yellow));
        assert_eq!(state_color("deploy failed"), Some(Color::Red));
        assert_eq!(state_color("manageable"), None);
    }
}
