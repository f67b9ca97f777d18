//! Step 11: what would end the process ends a child instead.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farrier_loader::probe::{Command, Prober};
use farrier_loader::{LoadError, State, Step};
use farrier_sim::wait::wait_for;
use serde_json::json;

use crate::bad_file::{c_plugin, note};
use crate::bench::{Bench, only_refusal};

/// A library made of C whose constructor does this.
fn constructor(bench: &Bench, code: &str) -> Vec<u8> {
    let code = format!(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
         __attribute__((constructor)) static void run(void) {{ {code} }}"
    );
    c_plugin(bench, &code, &note("acme"), &[])
}

fn rogue_in_child(what: &str) -> LoadError {
    only_refusal(&Bench::with_rogue().load_with("FARRIER_ROGUE", what)).clone()
}

#[test]
fn a_constructor_that_aborts_is_refused() {
    let error = rogue_in_child("constructor-crash");

    assert_eq!(error.step(), Step::Trial);
    assert_eq!(error.to_string(), "loading it ended a child process with SIGABRT");
}

#[test]
fn a_constructor_that_reads_where_nothing_is_is_refused() {
    let bench = Bench::new();
    let library = constructor(&bench, "fprintf(stderr, \"about to crash\\n\"); *(volatile int *)16 = 1;");
    bench.add("libacme.so", &library);

    let report = bench.load();

    let error = only_refusal(&report);
    assert_eq!(
        error.to_string(),
        "loading it ended a child process with SIGSEGV, after printing `about to crash`"
    );
}

#[test]
fn a_constructor_that_exits_is_refused() {
    let error = rogue_in_child("constructor-exit");

    assert_eq!(error, LoadError::Exited { code: 3, output: String::new() });
}

#[test]
fn an_exit_that_says_all_is_well_is_refused_as_well() {
    let bench = Bench::new();
    bench.add("libacme.so", &constructor(&bench, "exit(0);"));

    assert_eq!(only_refusal(&bench.load()), &LoadError::Exited { code: 0, output: String::new() });
}

#[test]
fn a_constructor_that_hangs_is_refused_and_its_process_ended() {
    let bench = Bench::new();
    let trace = bench.workshop().join("pids");
    let code = format!(
        "int child = fork(); FILE *trace = fopen(\"{}\", \"a\"); fprintf(trace, \"%d\\n\", getpid()); \
         fclose(trace); (void)child; for (;;) pause();",
        trace.display()
    );
    bench.add("libacme.so", &constructor(&bench, &code));

    let report = bench.load_with("UNUSED", "");

    let error = only_refusal(&report);
    assert!(matches!(error, LoadError::Hung { .. }), "{error}");
    assert_eq!(error.to_string(), "loading it in a child process did not end within 2.0 s");
    let pids = fs::read_to_string(trace).unwrap();
    assert_eq!(pids.lines().count(), 2, "the child and the one it started: {pids}");
    for pid in pids.lines() {
        let gone = || (!runs(pid)).then_some(());
        wait_for("the end of what hung", Duration::from_secs(10), gone).unwrap();
    }
}

/// Whether the process is more than an entry that nobody has collected.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn a_child_that_hangs_ends_with_the_one_that_started_it() {
    let bench = Bench::with_rogue();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_farrier-probe"))
        .env("FARRIER_ROGUE", "constructor-hang")
        .stdin(fs::File::open(bench.path().join("librogue.so")).unwrap())
        .stdout(OwnedFd::from(theirs))
        .spawn()
        .unwrap();
    let request = json!({"note": note("rogue").to_string(), "options": {}, "interfaces": []});
    writeln!(ours, "{request}").unwrap();
    let mut word = String::new();
    BufReader::new(&ours).read_line(&mut word).unwrap();
    assert_eq!(word, "\"begins\"\n");

    drop(ours);

    let status = wait_for("the end of the child", Duration::from_secs(10), || child.try_wait().unwrap());
    assert_eq!(status.unwrap().code(), None, "by a signal of its own");
}

#[test]
fn what_a_library_prints_is_not_taken_for_the_childs_word() {
    let error = rogue_in_child("constructor-print");

    let output = "\"loaded\"".to_owned();
    assert_eq!(error, LoadError::Crashed { signal: "SIGABRT".to_owned(), output });
}

#[test]
fn a_crash_while_starting_is_refused() {
    let error = rogue_in_child("open-exit");

    assert_eq!(error, LoadError::Exited { code: 3, output: String::new() });
}

#[test]
fn a_start_that_hangs_is_refused() {
    let error = rogue_in_child("open-hang");

    assert!(matches!(error, LoadError::Hung { .. }), "{error}");
}

#[test]
fn what_the_child_refuses_is_refused_with_its_words() {
    let error = rogue_in_child("open-refuse");

    assert_eq!(error.step(), Step::Start);
    assert!(matches!(error, LoadError::Refused { .. }), "{error}");
}

#[test]
fn a_bad_file_does_not_keep_the_good_ones_from_loading() {
    let bench = Bench::with_rogue();
    bench.add("a-text.so", b"text");
    bench.add("b-crash.so", &constructor(&bench, "abort();"));

    let report = bench.load();

    let states: Vec<(String, State)> =
        report.rows().iter().map(|row| (row.library.file_name(), row.state)).collect();
    let expected =
        [("a-text.so", State::Refused), ("b-crash.so", State::Refused), ("librogue.so", State::Loaded)];
    assert_eq!(states, expected.map(|(name, state)| (name.to_owned(), state)));
    assert_eq!(report.plugins[0].name(), "rogue");
}

#[test]
fn a_plan_runs_libraries_in_children_only() {
    let bench = Bench::new();
    let trace = bench.workshop().join("pids");
    let code = format!(
        "FILE *trace = fopen(\"{}\", \"a\"); fprintf(trace, \"%d\\n\", getpid()); fclose(trace);",
        trace.display()
    );
    bench.add("libacme.so", &constructor(&bench, &code));

    let plan = bench.loader().plan(bench.scan());

    let pids = fs::read_to_string(trace).unwrap();
    assert_eq!(pids.lines().count(), 1, "{plan:?}");
    assert_ne!(pids.trim(), std::process::id().to_string());
}

/// A copy of the program for children, which can be taken away.
fn copied_program(bench: &Bench) -> PathBuf {
    let program = bench.workshop().join("probe");
    fs::copy(env!("CARGO_BIN_EXE_farrier-probe"), &program).unwrap();
    program
}

fn prober(program: &Path) -> Prober {
    Prober::new(Command { program: program.to_owned(), arguments: Vec::new(), environment: Vec::new() })
}

#[test]
fn the_same_file_is_tried_once() {
    let bench = Bench::with_rogue();
    let program = copied_program(&bench);
    let mut loader = bench.loader();
    loader.prober = Some(prober(&program));
    assert_eq!(loader.plan(bench.scan()).rows()[0].state, State::Loadable);

    fs::remove_file(program).unwrap();

    assert_eq!(loader.plan(bench.scan()).rows()[0].state, State::Loadable, "the verdict is remembered");
    loader.options.insert("rogue".to_owned(), serde_json::Map::from_iter([("x".to_owned(), 1.into())]));
    let rows = loader.plan(bench.scan()).rows();
    assert!(matches!(rows[0].refusal.as_ref().unwrap().error, LoadError::NoTrial { .. }), "other options");
}

#[test]
fn without_a_child_nothing_is_loaded() {
    let bench = Bench::with_rogue();
    let mut loader = bench.loader();
    loader.prober = Some(prober(Path::new("/no/such/program")));

    let report = loader.load(bench.scan());

    assert_eq!(
        only_refusal(&report).to_string(),
        "no child process for the trial load: `/no/such/program` cannot be started: No such file or directory (os error 2)"
    );
}

#[test]
fn a_program_that_is_no_child_is_not_blamed_on_the_library() {
    let bench = Bench::with_rogue();
    let program = bench.workshop().join("wrong");
    fs::write(&program, "#!/bin/sh\necho usage: wrong >&2\nexit 2\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut loader = bench.loader();
    loader.prober = Some(prober(&program));

    let report = loader.load(bench.scan());

    let error = only_refusal(&report);
    assert!(matches!(error, LoadError::NoTrial { .. }), "{error}");
    assert!(error.to_string().ends_with("ended with exit status: 2: usage: wrong"), "{error}");
}

#[test]
fn the_child_started_by_hand_says_that_it_is_not_for_that() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_farrier-probe"))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("a trial load is started by the plugin loader, not by hand"), "{text}");
}
