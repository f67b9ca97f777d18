//! The commands that the manual shows, run as a reader would, and what it says they print.
//!
//! A block of commands on one of the [`PAGES`] has a comment before it: `<!-- run -->`, or `<!-- not run: why -->`. All
//! blocks of a page run in one shell, in a directory of their own. What a line `$ ` begins is a command, `> ` goes on
//! with it; other lines are what it prints, where `...` stands for anything. A comment `<!-- in the test: ... -->` has
//! commands that a reader does not need.

mod page;

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use farrier_sim::port::free_port;
use tempfile::TempDir;

use crate::architecture::root;
use crate::harness::program;
use page::{Block, Fate, Page};

/// Pages whose every block of commands has a mark, from the root.
const PAGES: &[&str] =
    &["docs/src/vendor/start.md", "docs/src/vendor/write.md", "docs/src/vendor/conformance.md", "README.md"];

/// Programs that commands may call.
const PROGRAMS: [&str; 3] = ["farrier", "farrierd", "farrier-conformance"];

/// What separates the output of commands; nothing prints it.
const MARK: &str = "=-=-= next command =-=-=";

fn page(path: &str) -> Page {
    Page::read(&fs::read_to_string(root().join(path)).unwrap())
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    for path in PAGES {
        let unmarked: Vec<usize> = page(path)
            .blocks
            .iter()
            .filter(|block| block.fate == Fate::Unmarked)
            .map(|block| block.line)
            .collect();
        assert!(unmarked.is_empty(), "{path}: blocks without a mark at lines {unmarked:?}");
    }
}

/// Builds a plugin from nothing with the commands of the manual, loads it, calls it and judges it.
#[test]
fn the_first_hour_of_a_vendor_goes_as_written() {
    run("docs/src/vendor/start.md");
}

/// Records a plugin's machine, judges the plugin without it, and signs what was found.
#[test]
fn a_plugin_is_recorded_replayed_and_certified_as_written() {
    run("docs/src/vendor/conformance.md");
}

#[test]
fn the_readme_makes_a_plugin_as_written() {
    run("README.md");
}

/// Runs all commands of a page and compares what they print.
fn run(path: &str) {
    let page = page(path);
    let directory = TempDir::new().unwrap();
    let blocks: Vec<&Block> =
        page.blocks.iter().filter(|block| matches!(block.fate, Fate::Run | Fate::Hidden)).collect();
    let commands = blocks.iter().flat_map(|block| &block.commands);
    // A failed command ends the page, and says so by the mark that is missing.
    let mut script = "set -eo pipefail\n".to_owned();
    for command in commands.clone() {
        script.push_str(&format!("echo '{MARK}'\n{}\n", command.text));
    }
    script.push_str(&format!("echo '{MARK}'\n"));
    let file = directory.path().join("commands.sh");
    fs::write(&file, script).unwrap();

    let output = shell(&file, directory.path());
    let mut parts = output.split(MARK);
    assert_eq!(parts.next().map(str::trim), Some(""), "nothing is printed before the first command");
    for command in commands {
        let Some(printed) = parts.next() else {
            panic!(
                "{path}:{}: `{}` was not reached; the output before:\n{output}",
                command.line, command.text
            );
        };
        let printed = printed.trim();
        assert!(
            command.prints(printed),
            "{path}:{}: `{}` printed\n{printed}\n\ninstead of\n{}",
            command.line,
            command.text,
            command.output.join("\n")
        );
    }
    assert!(parts.next().is_some(), "{path}: the last command failed; the output:\n{output}");
}

/// What a script prints, on both of its outputs. Whatever it has started ends with it.
fn shell(script: &Path, directory: &Path) -> String {
    let programs = directory.join("programs");
    fs::create_dir(&programs).unwrap();
    for name in PROGRAMS {
        std::os::unix::fs::symlink(program(name), programs.join(name)).unwrap();
    }
    // The compiler that builds us, wherever the script is.
    let toolchain = Path::new(env!("CARGO")).parent().unwrap();
    let path = env::join_paths([programs.as_path(), toolchain])
        .map(|first| format!("{}:{}", first.display(), env::var("PATH").unwrap_or_default()))
        .unwrap();
    let work = directory.join("work");
    fs::create_dir(&work).unwrap();
    // One for all runs: the SDK is compiled once.
    let shared = target().join("manual-plugin");
    fs::create_dir_all(&shared).unwrap();
    let port = free_port().unwrap();
    let printed = directory.join("printed");
    let log = fs::File::create(&printed).unwrap();
    let mut command = Command::new("bash");
    command.arg(script).current_dir(&work);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO") && name != "CARGO_HOME" {
            command.env_remove(&name);
        }
    }
    command
        .env("PATH", path)
        .env("HOME", env::var_os("HOME").unwrap_or_default())
        .env("FARRIER", root())
        .env("TARGET", &shared)
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        // What matters here is that it builds.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("FARRIER_API__PORT", port.to_string())
        .env("FARRIER_URL", format!("http://127.0.0.1:{port}"))
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        // So that all it starts can be ended together.
        .process_group(0);
    let mut child = command.spawn().unwrap();
    let group = rustix::process::Pid::from_child(&child);
    child.wait().unwrap();
    // Nothing is left of it when there was nothing in the background.
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap_or_default();
    fs::read_to_string(printed).unwrap()
}

/// The target directory of the running test, which is in `target/debug/deps`.
fn target() -> std::path::PathBuf {
    env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}
