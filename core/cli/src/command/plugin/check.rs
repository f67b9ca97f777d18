//! `farrier plugin check`: all steps of loading, each with what it says.

use std::path::PathBuf;

use clap::Args;
use farrier_loader::probe::{self, Prober};
use farrier_loader::{Enabled, Examination, LoadError, Loader, Step, Trust};
use farrier_sdk::error::Chain;
use serde_json::{Value, json};

use super::super::pair::{Pair, mapping};
use super::page::Page;
use super::{PROBE_ARGUMENT, PluginError, inspect};
use crate::error::CliError;
use crate::output::Output;

/// What to check, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The library
    file: PathBuf,
    /// An option of the plugin, as in its table of the configuration
    #[arg(long = "option", value_name = "KEY=VALUE")]
    options: Vec<Pair>,
    /// Do not mind where the file is, whose it is and who may write it: steps 1 and 2
    #[arg(long)]
    anywhere: bool,
}

/// What a step said.
#[derive(Debug)]
enum Outcome {
    Passed,
    Refused(LoadError),
    NotTaken(&'static str),
}

/// Takes the steps and writes what they say; a refusal is an error.
pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), CliError> {
    let file = &arguments.file;
    let examination = inspect::examine(file)?;
    let trust = if arguments.anywhere { Trust::Assumed } else { Trust::Checked };
    let name = examination.library.plugin.clone().unwrap_or_default();
    let version = examination.library.version.clone().unwrap_or_default();
    let outcomes = outcomes(examination, trust, &arguments.options);
    let mut page = Page::default();
    match name.as_str() {
        "" => page.heading(&file.display().to_string()),
        name => page.heading(&format!("{name} {version}")),
    }
    let rows: Vec<(String, String)> = outcomes.iter().map(row).collect();
    page.pairs(rows.iter().map(|(step, text)| (step.as_str(), text.clone())));
    let facts: Vec<Value> = outcomes.iter().map(fact).collect();
    let refusal = outcomes.into_iter().find_map(|(_, outcome)| match outcome {
        Outcome::Refused(error) => Some(error),
        Outcome::Passed | Outcome::NotTaken(_) => None,
    });
    let facts = json!({"file": file, "plugin": name, "accepted": refusal.is_none(), "steps": facts});
    output.facts(&page.into_text(), &facts)?;
    match refusal {
        Some(source) => Err(PluginError::Refused { file: file.clone(), source }.into()),
        None => Ok(()),
    }
}

fn row((step, outcome): &(Step, Outcome)) -> (String, String) {
    let text = match outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Refused(error) => format!("REFUSED: {}; {}", Chain(error), error.remedy()),
        Outcome::NotTaken(why) => format!("- {why}"),
    };
    (format!("{:02} {}", step.number(), step.title()), text)
}

fn fact((step, outcome): &(Step, Outcome)) -> Value {
    match outcome {
        Outcome::Refused(error) => {
            let mut fact = inspect::refusal(error);
            if let Some(members) = fact.as_object_mut() {
                members.insert("outcome".to_owned(), json!("refused"));
            }
            fact
        }
        Outcome::Passed => json!({"step": step.number(), "title": step.title(), "outcome": "passed"}),
        Outcome::NotTaken(why) => {
            json!({"step": step.number(), "title": step.title(), "outcome": "not taken", "reason": why})
        }
    }
}

/// What each step says, in their order.
fn outcomes(mut examination: Examination, trust: Trust, options: &[Pair]) -> Vec<(Step, Outcome)> {
    let mut outcomes: Vec<(Step, Outcome)> = Vec::new();
    for (step, outcome) in &mut examination.steps {
        let minded = trust == Trust::Checked || !matches!(step, Step::Directory | Step::File);
        let outcome = match std::mem::replace(outcome, Ok(())) {
            Ok(()) => Outcome::Passed,
            Err(_) if !minded => Outcome::NotTaken("not asked for"),
            Err(error) => Outcome::Refused(error),
        };
        outcomes.push((*step, outcome));
    }
    // Taken out above: that it could be read is all that counts from here on.
    let readable = examination.descriptor.is_some()
        && outcomes.iter().all(|(step, outcome)| {
            !matches!(outcome, Outcome::Refused(_)) || matches!(step, Step::Directory | Step::File)
        });
    outcomes.push((Step::Trust, Outcome::NotTaken("not checked by this release")));
    if readable {
        outcomes.extend(load(examination, options));
    }
    for step in Step::ALL {
        if !outcomes.iter().any(|(taken, _)| *taken == step) {
            outcomes.push((step, Outcome::NotTaken("not reached")));
        }
    }
    outcomes.sort_by_key(|(step, _)| *step);
    outcomes
}

/// Steps 9 to 16; the last five in a child process.
fn load(examination: Examination, options: &[Pair]) -> Vec<(Step, Outcome)> {
    let loader = loader(&examination, options);
    // Steps 1 and 2 have been told: what comes after them is worth knowing all the same.
    let plan = loader.plan(examination.into_scan(Trust::Assumed));
    let refusal = plan.refused.first().map(|refusal| refusal.error.clone());
    let mut outcomes = Vec::new();
    for step in Step::ALL.into_iter().filter(|step| Step::Names <= *step) {
        match &refusal {
            Some(error) if error.step() == step => {
                outcomes.push((step, Outcome::Refused(error.clone())));
                break;
            }
            Some(_) | None => outcomes.push((step, Outcome::Passed)),
        }
    }
    outcomes
}

/// A loader of everything in one library.
pub(super) fn loader(examination: &Examination, options: &[Pair]) -> Loader {
    let mut enabled = Enabled::default();
    if let Some(descriptor) = &examination.descriptor {
        enabled.hardware_types.extend(descriptor.hardware_types.keys().cloned());
        for interface in &descriptor.interfaces {
            enabled.interfaces.entry(interface.kind).or_default().insert(interface.name.clone());
        }
    }
    let mut loader = Loader::new(enabled);
    let name = examination.library.plugin.clone().unwrap_or_default();
    loader.options.insert(name, mapping(options));
    loader.prober = Some(Prober::new(probe::Command::this_program(PROBE_ARGUMENT)));
    loader
}
