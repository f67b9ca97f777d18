//! The child of a trial load, for this crate's tests; the daemon starts itself again instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    farrier_loader::probe::child_main()
}
