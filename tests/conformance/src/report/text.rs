//! The report for people.

use std::fmt::Write as _;

use super::{Entry, Outcome, Report};

/// How much of a log is shown, in lines.
const LOG_LINES_MAX: usize = 8;

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    write(report, &mut text).unwrap_or_default();
    text
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    let plugin = &report.plugin;
    writeln!(text, "{} {} ({})", plugin.name, plugin.version, plugin.file)?;
    writeln!(text, "sha256 {}", plugin.sha256)?;
    writeln!(text, "profile {}, target {}, seed {}\n", report.profile, report.target, report.seed)?;
    for note in &report.notes {
        writeln!(text, "note: {note}\n")?;
    }
    let mut worst: Vec<&Entry> =
        report.checks.iter().filter(|entry| entry.outcome < Outcome::Skipped).collect();
    worst.sort_by_key(|entry| entry.outcome);
    for entry in worst {
        writeln!(text, "{} {} ({})", entry.id, entry.outcome, entry.level)?;
        writeln!(text, "    {}", entry.requirement)?;
        writeln!(text, "    {}", entry.reason)?;
        let lines: Vec<&str> = entry.log.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES_MAX)) {
            writeln!(text, "    | {line}")?;
        }
    }
    let skipped = report.checks.iter().filter(|entry| entry.outcome == Outcome::Skipped);
    for entry in skipped {
        writeln!(text, "{} skipped: {}", entry.id, entry.reason)?;
    }
    let count = |outcome| report.count(outcome);
    writeln!(
        text,
        "\n{} passed, {} failed, {} crashed, {} timed out, {} warned, {} skipped",
        count(Outcome::Passed),
        count(Outcome::Failed),
        count(Outcome::Crashed),
        count(Outcome::TimedOut),
        count(Outcome::Warned),
        count(Outcome::Skipped),
    )?;
    if report.filter.is_empty() {
        let (verdict, aim) = (report.verdict, report.aim);
        writeln!(
            text,
            "level {verdict}{}",
            if aim <= verdict { String::new() } else { format!(", wanted {aim}") }
        )?;
    } else {
        writeln!(text, "no level: only {} was looked at", report.filter.join(", "))?;
        return Ok(());
    }
    if !report.untested.is_empty() {
        writeln!(text, "declared, and not tested on this target: {}", report.untested.join(", "))?;
    }
    if let Some(next) = report.verdict.next() {
        writeln!(text, "missing for {next}:")?;
        for line in &report.missing {
            writeln!(text, "    {line}")?;
        }
    }
    Ok(())
}
