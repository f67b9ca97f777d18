//! The report for a browser: one page without anything else.

use std::fmt::Write as _;

use super::{Outcome, Report, escaped};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3em .6em;\
border-bottom:1px solid #ddd}pre{white-space:pre-wrap;background:#f6f6f6;padding:.5em}\
.passed{color:#1a7f37}.failed,.crashed,.timed-out{color:#cf222e;font-weight:bold}.warned{color:#9a6700}\
.skipped{color:#6e7781}";

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    write(report, &mut text).unwrap_or_default();
    text
}

fn class(outcome: Outcome) -> String {
    outcome.to_string().replace(' ', "-")
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    let plugin = &report.plugin;
    let title = escaped(&format!("{} {}", plugin.name, plugin.version));
    writeln!(
        text,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>"
    )?;
    writeln!(text, "<style>{STYLE}</style></head><body>\n<h1>{title}</h1>")?;
    writeln!(text, "<p>Level <b>{}</b>, wanted {}.</p>", report.verdict, report.aim)?;
    if !report.filter.is_empty() {
        writeln!(text, "<p>No certificate: only {} was looked at.</p>", escaped(&report.filter.join(", ")))?;
    }
    if !report.untested.is_empty() {
        let untested = escaped(&report.untested.join(", "));
        writeln!(text, "<p>Declared, and not tested on this target: {untested}.</p>")?;
    }
    writeln!(text, "<table>")?;
    for (name, value) in [
        ("File", &plugin.file),
        ("SHA-256", &plugin.sha256),
        ("SDK", &plugin.sdk),
        ("Compiler", &plugin.rustc),
        ("Profile", &report.profile),
        ("Target", &report.target),
        ("Kit", &report.kit),
    ] {
        writeln!(text, "<tr><th>{name}</th><td>{}</td></tr>", escaped(value))?;
    }
    writeln!(
        text,
        "</table>\n<h2>Checks</h2>\n<table><tr><th>Check</th><th>Level</th><th>Outcome</th><th>Requirement</th></tr>"
    )?;
    for entry in &report.checks {
        write!(
            text,
            "<tr id=\"{0}\"><td>{0}</td><td>{1}</td><td class=\"{2}\">{3}</td><td>{4}",
            entry.id,
            entry.level,
            class(entry.outcome),
            entry.outcome,
            escaped(&entry.requirement)
        )?;
        if !entry.reason.is_empty() {
            write!(text, "<br><i>{}</i>", escaped(&entry.reason))?;
        }
        if !entry.log.is_empty() {
            write!(text, "<details><summary>log</summary><pre>{}</pre></details>", escaped(&entry.log))?;
        }
        writeln!(text, "</td></tr>")?;
    }
    writeln!(text, "</table></body></html>")
}
