//! `farrier plugin docs`: what operators have to know, as Markdown. None of the library's code runs.

use std::fmt::Write as _;
use std::path::Path;

use farrier_sdk::descriptor::{Descriptor, InterfaceDescriptor, PropertyDescriptor};
use serde_json::json;

use super::{descriptor, inspect};
use crate::error::CliError;
use crate::output::Output;

/// Writes the page.
pub(super) fn run(file: &Path, output: &Output) -> Result<(), CliError> {
    let (_, descriptor) = inspect::described(file)?;
    let page = page(&descriptor);
    output.facts(&page, &json!({"markdown": page}))
}

fn page(descriptor: &Descriptor) -> String {
    let mut page = format!("# Plugin `{}`\n\n", plain(&descriptor.name));
    let mut say = |text: String| page.push_str(&text);
    if !descriptor.description.is_empty() {
        say(format!("{}\n\n", plain(&descriptor.description)));
    }
    say(format!("Version {}", plain(&descriptor.version)));
    for (what, text) in
        [("by", &descriptor.vendor), ("license", &descriptor.license), ("see", &descriptor.homepage)]
    {
        if !text.is_empty() {
            say(format!(", {what} {}", plain(text)));
        }
    }
    say(".\n".to_owned());
    say(hardware(descriptor));
    for interface in &descriptor.interfaces {
        say(implementation(interface));
    }
    if !descriptor.options.is_empty() {
        let name = plain(&descriptor.name);
        say(format!("\n## Options\n\nOf the table `[{name}]` of the configuration.\n\n"));
        say(properties("option", &descriptor.options));
    }
    page
}

fn hardware(descriptor: &Descriptor) -> String {
    let mut text = String::new();
    for (name, supported) in &descriptor.hardware_types {
        let rows = supported.iter().map(|(kind, names)| [kind.to_string(), code(names)]);
        let table = table(["interface type", "implementations, best first"], rows);
        // Writing to a text cannot fail.
        write!(text, "\n## Hardware type `{}`\n\n{table}", plain(name)).unwrap_or_default();
    }
    text
}

fn implementation(interface: &InterfaceDescriptor) -> String {
    let mut text = format!("\n## {} `{}`\n", interface.kind, plain(&interface.name));
    let mut say = |more: String| text.push_str(&more);
    if !interface.supported {
        say("\nNobody answers for it any more.\n".to_owned());
    }
    if !interface.aliases.is_empty() {
        say(format!("\nAlso called {}.\n", code(&interface.aliases)));
    }
    say(format!("\nMethods: {}.\n", code(&interface.methods)));
    if !interface.properties.is_empty() {
        say(format!("\n`driver_info`:\n\n{}", properties("key", &interface.properties)));
    }
    if !interface.steps.is_empty() {
        let rows = interface.steps.iter().map(|step| {
            let arguments = step.args.iter().map(|(name, argument)| {
                let required = if argument.required { ", required" } else { "" };
                format!("`{}`: {}{required}", plain(name), plain(&argument.description))
            });
            let arguments: Vec<String> = arguments.collect();
            [
                format!("`{}`", plain(&step.step)),
                descriptor::step(step),
                plain(&step.doc),
                arguments.join("<br>"),
            ]
        });
        say(format!("\nSteps:\n\n{}", table(["step", "kind", "does", "arguments"], rows)));
    }
    if !interface.vendor_methods.is_empty() {
        let rows = interface.vendor_methods.iter().map(|method| {
            [format!("`{}`", plain(&method.name)), method.http_methods.join(", "), plain(&method.description)]
        });
        say(format!("\nVendor methods:\n\n{}", table(["method", "HTTP", "does"], rows)));
    }
    text
}

fn properties(what: &'static str, properties: &[PropertyDescriptor]) -> String {
    let rows = properties.iter().map(|property| {
        let secret = if property.secret { "; secret" } else { "" };
        [
            format!("`{}`", plain(&property.name)),
            plain(&property.kind),
            plain(&descriptor::default(property)),
            format!("{}{secret}", plain(&property.description)),
        ]
    });
    table([what, "type", "default", "meaning"], rows)
}

fn table<const WIDTH: usize>(heads: [&str; WIDTH], rows: impl Iterator<Item = [String; WIDTH]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&heads.map(str::to_owned)) + &line(&heads.map(|_| "---".to_owned()));
    rows.for_each(|row| text.push_str(&line(&row)));
    text
}

/// Names in backticks.
fn code<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", plain(name))).collect();
    names.join(", ")
}

/// Text that Markdown takes for nothing else.
fn plain(text: &str) -> String {
    let text = farrier_loader::tame(text);
    let mut plain = String::new();
    for character in text.chars() {
        match character {
            '|' => plain.push_str("\\|"),
            '<' => plain.push_str("&lt;"),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_writes_breaks_no_table_and_makes_no_markup() {
        assert_eq!(plain("a|b <script>\n\u{1b}"), "a\\|b &lt;script> \\u{1b}");
    }
}
