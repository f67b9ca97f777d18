//! A directory of plugins, and a loader on it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farrier_loader::probe::{Command, Prober};
use farrier_loader::{Candidate, Enabled, LoadError, Loader, Refusal, Report, Scan, Search};
use farrier_sim::plugin;
use serde_json::{Map, Value};
use tempfile::TempDir;

/// How long a trial may take that is meant to hang: long beside a process start on a busy machine.
const HANG_LIMIT: Duration = Duration::from_secs(2);

/// A directory in which plugins are put; removed with its last user.
pub(crate) struct Bench {
    temporary: TempDir,
}

impl Bench {
    /// An empty one, in the target directory: programs may be there.
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(temporary.path().join("plugins")).unwrap();
        let bench = Self { temporary };
        bench.set_mode("", 0o755);
        bench
    }

    /// One with the plugin `rogue`.
    pub(crate) fn with_rogue() -> Self {
        let bench = Self::new();
        bench.add("librogue.so", &rogue());
        bench
    }

    /// The plugin directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.temporary.path().join("plugins")
    }

    /// A directory beside it, for what is not to be found.
    pub(crate) fn workshop(&self) -> &Path {
        self.temporary.path()
    }

    /// Writes a file into the directory.
    pub(crate) fn add(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).unwrap();
        self.set_mode(name, 0o755);
        path
    }

    /// Sets the permissions of a file, or of the directory itself if `name` is empty.
    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path().join(name), Permissions::from_mode(mode)).unwrap();
    }

    /// Steps 1 to 7.
    pub(crate) fn scan(&self) -> Scan {
        Search::new([self.path()]).scan()
    }

    /// The only file after steps 1 to 7.
    pub(crate) fn only(&self) -> Candidate {
        let mut scan = self.scan();
        assert_eq!(scan.candidates.len(), 1, "{scan:?}");
        scan.candidates.remove(0)
    }

    /// Why the only file was refused in steps 1 to 7.
    pub(crate) fn refusal(&self) -> Refusal {
        self.only().refusal().expect("it is refused")
    }

    /// A loader of everything in the directory, with children for trials.
    pub(crate) fn loader(&self) -> Loader {
        let mut loader = Loader::new(Enabled::everything_in(&self.scan()));
        loader.prober = Some(prober(&[]));
        loader
    }

    /// Loads everything in the directory.
    pub(crate) fn load(&self) -> Report {
        self.loader().load(self.scan())
    }

    /// Loads everything; children see `variable` set.
    pub(crate) fn load_with(&self, variable: &str, value: &str) -> Report {
        let mut loader = self.loader();
        loader.prober = Some(prober(&[(variable, value)]).with_limit(HANG_LIMIT));
        loader.load(self.scan())
    }

    /// Loads everything in this process, without a trial in a child, with options for `rogue`.
    pub(crate) fn load_untried(&self, options: Value) -> Report {
        let mut loader = self.loader();
        loader.prober = None;
        loader.open_timeout = HANG_LIMIT;
        loader.options.insert("rogue".to_owned(), object(options));
        loader.load(self.scan())
    }
}

/// Children for trials, with some variables in their environment.
pub(crate) fn prober(environment: &[(&str, &str)]) -> Prober {
    Prober::new(Command {
        program: PathBuf::from(env!("CARGO_BIN_EXE_farrier-probe")),
        arguments: Vec::new(),
        environment: environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
    })
}

/// Why the only refused file of a report was refused, and nothing was loaded.
pub(crate) fn only_refusal(report: &Report) -> &LoadError {
    assert!(report.plugins.is_empty(), "{:?}", report.plugins);
    let [refusal] = report.refused.as_slice() else { panic!("{:?}", report.refused) };
    &refusal.error
}

/// The bytes of the plugin `rogue`.
pub(crate) fn rogue() -> Vec<u8> {
    fs::read(plugin::library("rogue").unwrap()).unwrap()
}

/// A JSON object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("{value}") };
    object
}
