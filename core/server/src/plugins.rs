//! Finding and loading plugins, and telling people about it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table};
use farrier_conductor::registry::{Enabled, RefusedLibrary, RegistryError, builtin_names};
use farrier_loader::probe::{self, Prober};
use farrier_loader::{Candidate, Claim, LoadError, Loader, Plan, Refusal, Row, Scan, Search, State};
use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::interface::InterfaceType;

use crate::config::{Config, ConfigError};

/// The first argument of a child that tries a library; not for people.
pub(crate) const PROBE_ARGUMENT: &str = "plugin-probe";

/// What was found, and what of it is to be loaded.
#[derive(Debug)]
pub(crate) struct Plans {
    /// The sequence up to the point where code of plugins runs in this process.
    pub(crate) plan: Plan,
    /// The names the configuration enables.
    pub(crate) enabled: farrier_loader::Enabled,
    /// Why the configuration cannot be met, if it cannot.
    pub(crate) problem: Option<PlanError>,
}

/// The configuration asks for what is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// Drivers.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Options.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Looks for plugins and tries in children what is enabled. Blocks meanwhile.
pub(crate) fn plan(config: &Config) -> Plans {
    let (directories, libraries) = (config.plugins.directory.clone(), config.plugins.libraries.clone());
    let scan = Search { directories, libraries }.scan();
    let refused: Vec<_> =
        scan.candidates.iter().filter_map(Candidate::refusal).map(|r| quotable(&r)).collect();
    let descriptors: Vec<_> = descriptors(&scan).collect();
    let names: Vec<_> = descriptors.iter().map(|descriptor| descriptor.name.clone()).collect();
    let mut problem = None;
    let enabled = match Enabled::new(&config.drivers, &descriptors, &refused) {
        Ok(enabled) => exact(&enabled),
        Err(error) => {
            problem = Some(PlanError::from(error));
            wished(config, &scan)
        }
    };
    let options = config.options(&names).unwrap_or_else(|error| {
        problem.get_or_insert(error.into());
        BTreeMap::new()
    });
    let mut loader = Loader::new(enabled.clone());
    loader.options = options;
    loader.reserved = reserved();
    loader.prober = Some(Prober::new(probe::Command::this_program(PROBE_ARGUMENT)));
    Plans { plan: loader.plan(scan), enabled, problem }
}

impl Plans {
    /// Refused libraries that offer what is enabled and what nobody else offers.
    pub(crate) fn missing(&self) -> Vec<Refusal> {
        let rows = self.plan.rows();
        let (good, bad): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.refusal.is_none());
        let provided = |name: &String| good.iter().any(|row| row.library.offers.has_hardware_type(name));
        let interface = |kind: InterfaceType, name: &String| {
            good.iter().any(|row| row.library.offers.has_interface(kind, name))
        };
        let refusals = bad.into_iter().filter(|row| {
            let wanted = row.library.offers.enabled(&self.enabled);
            wanted.hardware_types.iter().any(|name| !provided(name))
                || wanted
                    .interfaces
                    .iter()
                    .any(|(kind, names)| names.iter().any(|name| !interface(*kind, name)))
        });
        refusals.filter_map(|row| row.refusal.clone()).collect()
    }
}

fn descriptors(scan: &Scan) -> impl Iterator<Item = &Descriptor> {
    scan.candidates.iter().filter_map(|candidate| candidate.descriptor.as_ref().ok())
}

/// The names that are enabled, for the loader.
fn exact(enabled: &Enabled) -> farrier_loader::Enabled {
    let interfaces =
        InterfaceType::ALL.map(|kind| (kind, enabled.interfaces(kind).iter().cloned().collect()));
    farrier_loader::Enabled {
        hardware_types: enabled.hardware_types().iter().cloned().collect(),
        interfaces: BTreeMap::from(interfaces),
    }
}

/// The names that are configured although they cannot all be had: for the table that says why.
fn wished(config: &Config, scan: &Scan) -> farrier_loader::Enabled {
    let everything = farrier_loader::Enabled::everything_in(scan);
    let wished: BTreeSet<_> = config.drivers.enabled_hardware_types.iter().cloned().collect();
    farrier_loader::Enabled { hardware_types: wished, interfaces: everything.interfaces }
}

/// Names of the conductor's own implementations, which no plugin can take.
fn reserved() -> Vec<Claim> {
    let of_kind = |interface: InterfaceType| {
        let names = builtin_names(interface).iter();
        names.map(move |name| Claim::Interface { interface, name: (*name).to_owned() })
    };
    InterfaceType::ALL.into_iter().flat_map(of_kind).collect()
}

/// A refused file as an error about a missing driver quotes it.
pub(crate) fn quotable(refusal: &Refusal) -> RefusedLibrary {
    let offers = &refusal.library.offers;
    let interfaces =
        offers.interfaces.iter().flat_map(|(kind, names)| names.iter().map(|name| (*kind, name.clone())));
    RefusedLibrary {
        file: refusal.library.file_name(),
        reason: refusal.reason(),
        hardware_types: offers.hardware_types.clone(),
        interfaces: interfaces.collect(),
    }
}

/// How `farrierd plugins` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// A table.
    Table,
    /// A table, and the full text of every refusal.
    Explained,
    /// A JSON list.
    Json,
}

/// Writes what would be loaded, what not and why.
pub(crate) fn list(out: &mut impl Write, plans: &Plans, listing: Listing) -> io::Result<()> {
    let rows = plans.plan.rows();
    if listing == Listing::Json {
        serde_json::to_writer_pretty(&mut *out, &rows)?;
        return writeln!(out);
    }
    if rows.is_empty() {
        writeln!(out, "no plugins were found")?;
    } else {
        writeln!(out, "{}", table(&rows))?;
    }
    if listing == Listing::Explained {
        for refusal in rows.iter().filter_map(|row| row.refusal.as_ref()) {
            writeln!(out, "\n{refusal}")?;
            if let LoadError::Layout { full, .. } = &refusal.error {
                writeln!(out, "{full}")?;
            }
        }
    }
    Ok(())
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["FILE", "PLUGIN", "VERSION", "STATE", "HARDWARE TYPES", "WHY"]);
    for row in rows {
        let why = match (&row.refusal, row.state) {
            (Some(refusal), _) => format!("step {}: {}", refusal.step(), refusal.reason()),
            (None, State::Available) => "nothing of it is enabled".to_owned(),
            (None, State::Loaded | State::Loadable | State::Refused) => String::new(),
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        table.add_row([
            row.library.path.display().to_string(),
            text(&row.library.plugin),
            text(&row.library.version),
            row.state.to_string(),
            row.library.offers.hardware_types.join(", "),
            why,
        ]);
    }
    table
}
