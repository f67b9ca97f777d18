//! The kit in a vendor's `cargo test`.

use std::path::Path;

use crate::profile::Profile;
use crate::run::{Options, Program, run};
use crate::sandbox::{child_main, is_child};

/// Judges a plugin in a test, and panics with the report when it does not reach the level its profile aims at.
///
/// Each check runs in a process of its own: the running test again, alone. So call it first in a test that does
/// nothing else:
///
/// ```no_run
/// #[test]
/// fn conforms() {
///     farrier_conformance::check("target/debug/libacme.so", "conformance.toml");
/// }
/// ```
///
/// # Panics
///
/// With a readable report when the level is not reached; when library or profile cannot be read.
#[expect(clippy::panic, reason = "that is how a test fails")]
#[track_caller]
pub fn check(library: impl AsRef<Path>, profile: impl AsRef<Path>) {
    if is_child() {
        child_main();
    }
    let profile = match Profile::from_file(profile.as_ref()) {
        Ok(profile) => profile,
        Err(error) => panic!("{}", farrier_sdk::error::Chain(&error)),
    };
    let options = Options { program: Some(this_test()), ..Options::default() };
    match run(library.as_ref(), &profile, &options) {
        Ok(report) if report.is_good() => {}
        Ok(report) => panic!("the plugin does not conform\n\n{}", report.text()),
        Err(error) => panic!("{}", farrier_sdk::error::Chain(&error)),
    }
}

/// What runs the present test alone.
fn this_test() -> Program {
    let mut program = Program::this();
    // The test harness names threads after tests; with one thread for all it does not, then all run again up to ours.
    match std::thread::current().name() {
        Some(name) if name != "main" => {
            program.arguments = ["--exact", name, "--nocapture"].map(Into::into).to_vec();
        }
        _ => program.arguments = std::env::args_os().skip(1).collect(),
    }
    program
}
