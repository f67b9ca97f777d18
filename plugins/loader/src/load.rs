//! The whole sequence.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use farrier_host::{Cassette, OpenConfig, Origin, Plugin};
use farrier_sdk::descriptor::Descriptor;
use serde_json::{Map, Value};

use crate::candidate::{Candidate, Contents};
use crate::claims::{Claim, refuse_duplicates};
use crate::enabled::Enabled;
use crate::error::LoadError;
use crate::library::Library;
use crate::probe::{Prober, Request};
use crate::refusal::Refusal;
use crate::report::{Report, Row, State, rows};
use crate::sealed::Sealed;
use crate::search::Scan;
use crate::{open, start};

/// Most children at work at once: a trial is a process start and some page faults.
const TRIALS_MAX: usize = 4;

/// Loads what is enabled.
///
/// Blocks while children load and plugins start; not for async workers.
pub struct Loader {
    /// What the configuration asks for.
    pub enabled: Enabled,
    /// Options by name of plugin: its table of the configuration.
    pub options: BTreeMap<String, Map<String, Value>>,
    /// Names the host provides itself.
    pub reserved: Vec<Claim>,
    /// Who tries libraries in children; none to load without a trial, as in a process that may die.
    pub prober: Option<Prober>,
    /// How long a plugin's `open` may take.
    pub open_timeout: Duration,
    /// Where HTTP requests of plugins are recorded, or answered from; for tools, a conductor has none.
    pub cassette: Option<Cassette>,
}

/// What will be loaded, after steps 8 to 11. Nothing of it has run in this process.
#[derive(Debug)]
pub struct Plan {
    ready: Vec<(Library, Ready)>,
    /// Acceptable, but not enabled: never executed.
    pub available: Vec<Library>,
    /// Refused so far.
    pub refused: Vec<Refusal>,
    open_timeout: Duration,
    cassette: Option<Cassette>,
}

/// A library whose turn has come.
#[derive(Debug)]
struct Ready {
    descriptor: Descriptor,
    sealed: Sealed,
    request: Request,
}

impl fmt::Debug for Loader {
    /// Without the values of options, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("enabled", &self.enabled)
            .field("options", &self.options.keys())
            .field("reserved", &self.reserved)
            .field("prober", &self.prober)
            .field("open_timeout", &self.open_timeout)
            .field("cassette", &self.cassette)
            .finish()
    }
}

impl Loader {
    /// Loads what `enabled` says, with no options and without a trial until [`Loader::prober`] is set.
    #[must_use]
    pub fn new(enabled: Enabled) -> Self {
        Self {
            enabled,
            options: BTreeMap::new(),
            reserved: Vec::new(),
            prober: None,
            open_timeout: OpenConfig::default().timeout,
            cassette: None,
        }
    }

    /// All steps.
    #[must_use]
    pub fn load(&self, scan: Scan) -> Report {
        self.plan(scan).load()
    }

    /// Steps 8 to 11: everything short of running a plugin in this process.
    #[must_use]
    pub fn plan(&self, scan: Scan) -> Plan {
        let Scan { mut candidates, refused } = scan;
        let mut plan = Plan {
            ready: Vec::new(),
            available: Vec::new(),
            refused,
            open_timeout: self.open_timeout,
            cassette: self.cassette.clone(),
        };
        // Step 8, trust, goes here: lock file, signatures, certificates.
        refuse_duplicates(&mut candidates, &self.reserved);
        let mut wanted = Vec::new();
        for Candidate { library, descriptor, contents } in candidates {
            let ready = match descriptor {
                Err(error) => Err(error),
                Ok(descriptor) if !self.enabled.wants(&descriptor) => {
                    plan.available.push(library);
                    continue;
                }
                Ok(descriptor) => self.prepare(descriptor, contents),
            };
            match ready {
                Ok(ready) => wanted.push((library, ready)),
                Err(error) => plan.refused.push(Refusal { library, error }),
            }
        }
        let verdicts = self.try_all(&wanted);
        for ((library, ready), verdict) in wanted.into_iter().zip(verdicts) {
            match verdict {
                Ok(()) => plan.ready.push((library, ready)),
                Err(error) => plan.refused.push(Refusal { library, error }),
            }
        }
        plan
    }

    /// Copies the library to memory, where nobody can change it any more.
    fn prepare(&self, descriptor: Descriptor, contents: Option<Contents>) -> Result<Ready, LoadError> {
        let contents = contents.ok_or_else(|| LoadError::Copy { why: "it was not read".to_owned() })?;
        let name = format!("farrier:{}@{}", descriptor.name, descriptor.version);
        let sealed = Sealed::new(&name, &contents)?;
        let options = self.options.get(&descriptor.name).cloned().unwrap_or_default();
        let interfaces = self.enabled.interfaces_of(&descriptor);
        Ok(Ready { descriptor, sealed, request: Request { note: contents.note, options, interfaces } })
    }

    /// Step 11, for several libraries at a time; verdicts in their order.
    fn try_all(&self, wanted: &[(Library, Ready)]) -> Vec<Result<(), LoadError>> {
        let Some(prober) = &self.prober else { return vec![Ok(()); wanted.len()] };
        let next = AtomicUsize::new(0);
        let verdicts: Vec<_> = wanted.iter().map(|_| OnceLock::new()).collect();
        let work = || {
            while let Some(((library, ready), verdict)) = {
                let index = next.fetch_add(1, Ordering::Relaxed);
                wanted.get(index).zip(verdicts.get(index))
            } {
                verdict.get_or_init(|| prober.probe(library.sha256, &ready.sealed, &ready.request));
            }
        };
        thread::scope(|scope| {
            for _ in 1..wanted.len().min(TRIALS_MAX) {
                // Without more threads it takes longer.
                thread::Builder::new().name("plugin-trial".to_owned()).spawn_scoped(scope, work).ok();
            }
            work();
        });
        let untried = || Err(LoadError::NoTrial { why: "the trials ended early".to_owned() });
        verdicts.into_iter().map(|verdict| verdict.into_inner().unwrap_or_else(untried)).collect()
    }
}

impl Plan {
    /// Steps 12 to 16: opens and starts plugins in this process.
    #[must_use]
    pub fn load(self) -> Report {
        let Self { ready, available, refused, open_timeout, cassette } = self;
        let mut report = Report { plugins: Vec::new(), loaded: Vec::new(), available, refused };
        for (library, ready) in ready {
            match ready.load(&library, open_timeout, cassette.clone()) {
                Ok(plugin) => {
                    report.plugins.push(plugin);
                    report.loaded.push(library);
                }
                Err(error) => report.refused.push(Refusal { library, error }),
            }
        }
        report
    }

    /// One row for each file, in the order of their paths.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        rows(self.ready.iter().map(|(library, _)| (library, State::Loadable)), &self.available, &self.refused)
    }
}

impl Ready {
    fn load(
        self,
        library: &Library,
        timeout: Duration,
        cassette: Option<Cassette>,
    ) -> Result<Plugin, LoadError> {
        let Self { descriptor, sealed, request: Request { note, options, interfaces } } = self;
        let module = open::open(sealed.into_handle(), &note)?;
        let sha256 = library.sha256.map(|hash| hash.to_string()).unwrap_or_default();
        let origin = Origin::File { path: library.path.clone(), sha256 };
        let config = OpenConfig { options, timeout, cassette, ..OpenConfig::default() };
        start::start(module, descriptor, origin, &config, &interfaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_option() {
        let mut loader = Loader::new(Enabled::default());
        let options = Map::from_iter([("password".to_owned(), Value::from("hunter2"))]);
        let request = Request { note: String::new(), options: options.clone(), interfaces: Vec::new() };
        loader.options.insert("acme".to_owned(), options);

        let text = format!("{loader:?} {request:?}");

        assert!(text.contains("acme"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
