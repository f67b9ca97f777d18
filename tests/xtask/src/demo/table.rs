//! The table at the end.

use std::time::Duration;

/// One action on one node, as it was seen.
#[derive(Debug)]
pub(super) struct Row {
    /// Name of the node.
    pub(super) node: String,
    /// Its driver.
    pub(super) driver: String,
    /// File name of the plugin that brings the driver.
    pub(super) plugin: String,
    /// The power target that was asked for.
    pub(super) action: String,
    /// Who held the node's lock meanwhile.
    pub(super) lock: Option<String>,
    /// Power state in the API before.
    pub(super) before: Option<String>,
    /// Power state in the API after.
    pub(super) after: Option<String>,
    /// Power state that the simulated BMC itself reports after.
    pub(super) bmc: Option<String>,
    /// From the request until the API showed the result.
    pub(super) time: Duration,
}

const HEADS: [&str; 9] =
    ["NODE", "DRIVER", "PLUGIN", "ACTION", "LOCKED BY", "BEFORE", "AFTER", "BMC SAYS", "TIME"];

/// The table, a line per action.
pub(super) fn text(rows: &[Row]) -> String {
    let mut lines = vec![HEADS.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cells(row: &Row) -> [String; HEADS.len()] {
    let or = |value: &Option<String>, without: &str| value.clone().unwrap_or_else(|| without.to_owned());
    [
        row.node.clone(),
        row.driver.clone(),
        row.plugin.clone(),
        row.action.clone(),
        or(&row.lock, "not seen"),
        or(&row.before, "unknown"),
        or(&row.after, "unknown"),
        or(&row.bmc, "no BMC"),
        format!("{:.2} s", row.time.as_secs_f64()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_what_is_unknown_is_said() {
        let row = Row {
            node: "demo-fake".to_owned(),
            driver: "fake-hardware".to_owned(),
            plugin: "libfarrier_fake.so".to_owned(),
            action: "power on".to_owned(),
            lock: Some("here".to_owned()),
            before: None,
            after: Some("power on".to_owned()),
            bmc: None,
            time: Duration::from_millis(314),
        };

        let expected = "\
NODE       DRIVER         PLUGIN              ACTION    LOCKED BY  BEFORE   AFTER     BMC SAYS  TIME
demo-fake  fake-hardware  libfarrier_fake.so  power on  here       unknown  power on  no BMC    0.31 s
";
        assert_eq!(text(&[row]), expected);
    }
}
