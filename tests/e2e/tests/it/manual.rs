//! The manual held against the product: its commands are run as a reader would, and what it quotes is looked for.
//!
//! Each block of commands has a comment before it: `<!-- run -->`, or `<!-- not run: why -->`. All blocks of a page run in
//! one shell, in a directory of their own. What a line `$ ` begins is a command, `> ` goes on with it; other lines are what
//! it prints, where `...` stands for anything. A comment `<!-- in the test: ... -->` has commands that a reader does not
//! need.

mod claims;
mod operate;
mod page;

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use farrier_sim::port::free_port;
use tempfile::TempDir;

use crate::architecture::root;
use crate::harness::program;
use page::{Fate, Page, Shown};

/// Pages whose commands are run, by the tests below.
const VENDOR: &[&str] = &["docs/src/vendor/start.md", "docs/src/vendor/conformance.md", "README.md"];

/// Programs that commands may call.
const PROGRAMS: [&str; 4] = ["farrier", "farrierd", "farrier-conformance", "farrier-sim"];

/// What separates the output of commands; nothing prints it.
const MARK: &str = "=-=-= next command =-=-=";

fn page_text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn page(path: &str) -> Page {
    Page::read(&page_text(path))
}

/// Every page of the manual and the readme, from the root.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    let mut folders = vec![root().join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    pages.sort();
    pages
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let mut wrong = Vec::new();
    for path in pages() {
        let run = VENDOR.iter().chain(operate::PAGES).any(|page| *page == path);
        for block in page(&path).blocks {
            let why = match block.fate {
                Fate::Unmarked => "it has no mark",
                Fate::Run if !run => "it says that it is run, and no test runs this page",
                Fate::Run if block.commands.is_empty() => "it is to be run, and no line begins with `$ `",
                Fate::Run | Fate::NotRun | Fate::Hidden => continue,
            };
            wrong.push(format!("{path}:{}: {why}", block.line));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Builds a plugin from nothing with the commands of the manual, loads it, calls it and judges it.
#[test]
fn the_first_hour_of_a_vendor_goes_as_written() {
    run("docs/src/vendor/start.md", &Place::new());
}

/// Records a plugin's machine, judges the plugin without it, and signs what was found.
#[test]
fn a_plugin_is_recorded_replayed_and_certified_as_written() {
    run("docs/src/vendor/conformance.md", &Place::new());
}

#[test]
fn the_readme_makes_a_plugin_as_written() {
    run("README.md", &Place::new());
}

/// Where the commands of a page are run.
struct Place {
    directory: TempDir,
    /// Variables of the shell.
    variables: Vec<(&'static str, String)>,
    /// What a page says, and what is there instead.
    stand_ins: Vec<(&'static str, String)>,
}

impl Place {
    /// A directory, and a free port for the daemon that the page starts.
    fn new() -> Self {
        let port = free_port().unwrap();
        let variables = vec![
            ("FARRIER_API__PORT", port.to_string()),
            ("FARRIER_URL", format!("http://127.0.0.1:{port}")),
        ];
        Self { directory: TempDir::new().unwrap(), variables, stand_ins: Vec::new() }
    }

    fn in_place(&self, text: &str) -> String {
        self.stand_ins.iter().fold(text.to_owned(), |text, (shown, here)| text.replace(shown, here))
    }
}

/// Runs all commands of a page and compares what they print.
fn run(path: &str, place: &Place) {
    let mut commands: Vec<Shown> = Vec::new();
    for block in page(path).blocks {
        if matches!(block.fate, Fate::Run | Fate::Hidden) {
            commands.extend(block.commands);
        }
    }
    for command in &mut commands {
        command.text = place.in_place(&command.text);
        for line in &mut command.output {
            *line = place.in_place(line);
        }
    }
    // A failed command ends the page, and says so by the mark that is missing.
    let mut script = "set -eo pipefail\n".to_owned();
    for command in &commands {
        script.push_str(&format!("echo '{MARK}'\n{}\n", command.text));
    }
    script.push_str(&format!("echo '{MARK}'\n"));

    let output = shell(&script, place);
    let mut parts = output.split(MARK);
    assert_eq!(parts.next().map(str::trim), Some(""), "nothing is printed before the first command");
    for command in &commands {
        let Some(printed) = parts.next() else {
            panic!(
                "{path}:{}: `{}` was not reached; the output before:\n{output}",
                command.line, command.text
            );
        };
        let printed = printed.trim();
        assert!(
            command.prints(printed),
            "{path}:{}: `{}` printed\n{printed}\n\ninstead of\n{}\n\nall of it:\n{output}",
            command.line,
            command.text,
            command.output.join("\n")
        );
    }
    assert!(parts.next().is_some(), "{path}: the last command failed; the output:\n{output}");
}

/// What a script prints, on both of its outputs. Whatever it has started ends with it.
fn shell(script: &str, place: &Place) -> String {
    let directory = place.directory.path();
    let (programs, work) = (directory.join("programs"), directory.join("work"));
    for folder in [&programs, &work] {
        // Those of the page before are of no use to this one.
        fs::remove_dir_all(folder).unwrap_or_default();
        fs::create_dir(folder).unwrap();
    }
    for name in PROGRAMS {
        std::os::unix::fs::symlink(program(name), programs.join(name)).unwrap();
    }
    let file = directory.join("commands.sh");
    fs::write(&file, script).unwrap();
    // The compiler that builds us, wherever the script is.
    let toolchain = Path::new(env!("CARGO")).parent().unwrap();
    let own = [programs, toolchain.to_owned(), farrier_sim::venv::directory().join("bin")];
    let others = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(own.into_iter().chain(env::split_paths(&others))).unwrap();
    // One for all runs: the SDK is compiled once.
    let shared = target().join("manual-plugin");
    fs::create_dir_all(&shared).unwrap();
    let printed = directory.join("printed");
    let log = fs::File::create(&printed).unwrap();
    let mut command = Command::new("bash");
    command.arg(&file).current_dir(&work);
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
        .envs(place.variables.iter().map(|(name, value)| (name, value)))
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
fn target() -> PathBuf {
    env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}
