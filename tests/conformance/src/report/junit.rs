//! The report for CI systems, as JUnit's XML has come to be understood.

use std::fmt::Write as _;

use super::{Entry, Outcome, Report, escaped};
use crate::check::CHECKS;

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    write(report, &mut text).unwrap_or_default();
    text
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run are few")]
fn seconds(entry: &Entry) -> f64 {
    entry.duration_ms as f64 / 1000.0
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    writeln!(text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(text, "<testsuites name=\"farrier-conformance {}\">", escaped(&report.plugin.name))?;
    for group in CHECKS {
        let entries: Vec<&Entry> = report.checks.iter().filter(|entry| entry.group == group.id).collect();
        if entries.is_empty() {
            continue;
        }
        let count =
            |outcomes: &[Outcome]| entries.iter().filter(|entry| outcomes.contains(&entry.outcome)).count();
        writeln!(
            text,
            "  <testsuite name=\"{} {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
            group.id,
            escaped(group.title),
            entries.len(),
            count(&[Outcome::Failed]),
            count(&[Outcome::Crashed, Outcome::TimedOut]),
            count(&[Outcome::Skipped]),
        )?;
        for entry in entries {
            write_case(entry, text)?;
        }
        writeln!(text, "  </testsuite>")?;
    }
    writeln!(text, "</testsuites>")
}

fn write_case(entry: &Entry, text: &mut String) -> std::fmt::Result {
    write!(
        text,
        "    <testcase classname=\"{}\" name=\"{} {}\" time=\"{:.3}\"",
        entry.group,
        entry.id,
        escaped(&entry.requirement),
        seconds(entry)
    )?;
    let (reason, log) = (escaped(&entry.reason), escaped(&entry.log));
    match entry.outcome {
        Outcome::Passed => writeln!(text, "/>"),
        Outcome::Skipped => writeln!(text, "><skipped message=\"{reason}\"/></testcase>"),
        Outcome::Warned => writeln!(text, "><system-out>{reason}\n{log}</system-out></testcase>"),
        Outcome::Failed => writeln!(text, "><failure message=\"{reason}\">{log}</failure></testcase>"),
        Outcome::Crashed | Outcome::TimedOut => {
            writeln!(text, "><error message=\"{}: {reason}\">{log}</error></testcase>", entry.outcome)
        }
    }
}
