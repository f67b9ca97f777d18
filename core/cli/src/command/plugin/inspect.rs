//! `farrier plugin inspect`: what a library says about itself. None of its code runs.

use std::path::Path;

use farrier_loader::{Examination, LoadError};
use farrier_sdk::descriptor::{Descriptor, InterfaceDescriptor};
use farrier_sdk::error::Chain;
use serde_json::{Value, json};

use super::page::Page;
use super::{PluginError, descriptor};
use crate::error::CliError;
use crate::output::Output;

/// Reads the file at `file`, or says why that is not possible.
pub(super) fn examine(file: &Path) -> Result<Examination, CliError> {
    Examination::of(file).map_err(|source| PluginError::Unreadable { file: file.to_owned(), source }.into())
}

/// The descriptor, or why there is none.
pub(super) fn described(file: &Path) -> Result<(Examination, Descriptor), CliError> {
    let mut examination = examine(file)?;
    match examination.descriptor.take() {
        Some(descriptor) => Ok((examination, descriptor)),
        None => {
            let none = || LoadError::NotAPlugin { why: "it has no descriptor".to_owned() };
            let source = examination.refusals().next().cloned().unwrap_or_else(none);
            Err(PluginError::Refused { file: file.to_owned(), source }.into())
        }
    }
}

/// Writes the page.
pub(super) fn run(file: &Path, output: &Output) -> Result<(), CliError> {
    let (examination, descriptor) = described(file)?;
    output.facts(&page(&examination, &descriptor), &facts(&examination, &descriptor))
}

fn facts(examination: &Examination, descriptor: &Descriptor) -> Value {
    let refusals: Vec<Value> = examination.refusals().map(refusal).collect();
    json!({
        "library": examination.library,
        "needs": examination.needs,
        "descriptor": descriptor,
        "refusals": refusals,
    })
}

/// A refusal for programs.
pub(super) fn refusal(error: &LoadError) -> Value {
    let step = error.step();
    json!({
        "step": step.number(),
        "title": step.title(),
        "reason": Chain(error).to_string(),
        "remedy": error.remedy(),
    })
}

fn page(examination: &Examination, descriptor: &Descriptor) -> String {
    let (library, needs) = (&examination.library, &examination.needs);
    let mut page = Page::default();
    page.heading(&format!("{} {}", descriptor.name, descriptor.version));
    page.pairs([
        ("about", descriptor.description.clone()),
        ("vendor", descriptor.vendor.clone()),
        ("license", descriptor.license.clone()),
        ("homepage", descriptor.homepage.clone()),
    ]);
    page.heading("library");
    page.pairs([
        ("file", library.path.display().to_string()),
        ("size", library.size.map(|size| format!("{size} bytes")).unwrap_or_default()),
        ("sha256", library.sha256.map(|hash| hash.to_string()).unwrap_or_default()),
        ("build id", library.build_id.clone().unwrap_or_default()),
        ("built with", format!("farrier-sdk {}, rustc {}", descriptor.sdk, descriptor.rustc)),
        ("built for", built_for(examination, descriptor)),
        ("needs", needs.libraries.join(" ")),
    ]);
    for error in examination.refusals() {
        page.line(&format!("REFUSED at step {}: {}", error.step(), Chain(error)));
    }
    for (name, supported) in &descriptor.hardware_types {
        page.heading(&format!("hardware type `{name}`"));
        page.pairs(supported.iter().map(|(kind, names)| (kind.as_str(), names.join(", "))));
    }
    for interface in &descriptor.interfaces {
        describe(&mut page, interface);
    }
    if !descriptor.options.is_empty() {
        page.heading(&format!("options, table [{}] of the configuration", descriptor.name));
        page.pairs(
            descriptor.options.iter().map(|option| (option.name.as_str(), descriptor::property(option))),
        );
    }
    page.into_text()
}

fn built_for(examination: &Examination, descriptor: &Descriptor) -> String {
    let needs = &examination.needs;
    let machine = needs.machine.as_deref().unwrap_or("an unknown machine");
    let glibc = needs.glibc.as_ref().map(|version| format!(", GLIBC {version} or newer")).unwrap_or_default();
    let cpu = descriptor.cpu.join(" ");
    format!("{machine} ({cpu}), {}{glibc}, ABI {} on {}", descriptor.libc, descriptor.abi, descriptor.abi_lib)
}

fn describe(page: &mut Page, interface: &InterfaceDescriptor) {
    page.heading(&format!("{} `{}`", interface.kind, interface.name));
    let words = |names: &mut dyn Iterator<Item = &String>| names.cloned().collect::<Vec<_>>().join(" ");
    page.pairs([
        ("aliases", words(&mut interface.aliases.iter())),
        ("api", interface.api.clone()),
        ("style", if interface.blocking { "blocking" } else { "async" }.to_owned()),
        ("supported", if interface.supported { "" } else { "no longer" }.to_owned()),
        ("methods", words(&mut interface.methods.iter())),
    ]);
    for property in &interface.properties {
        page.pairs([("property", format!("{}: {}", property.name, descriptor::property(property)))]);
    }
    for step in &interface.steps {
        page.pairs([("step", format!("{}: {} ({})", step.step, step.doc, descriptor::step(step)))]);
        for (name, argument) in &step.args {
            let required = if argument.required { " (required)" } else { "" };
            page.pairs([("argument", format!("{name}: {}{required}", argument.description))]);
        }
    }
    for method in &interface.vendor_methods {
        let text = format!("{} {}: {}", method.http_methods.join(","), method.name, method.description);
        page.pairs([("vendor method", text)]);
    }
}
