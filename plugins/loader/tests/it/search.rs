//! Step 1: directories.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use farrier_loader::{LoadError, Search, Step, Untrusted};

use crate::bench::{Bench, rogue};

#[test]
fn a_directory_that_is_not_there_is_refused() {
    let scan = Search::new(["/no/such/directory"]).scan();

    let [refusal] = scan.refused.as_slice() else { panic!("{scan:?}") };
    insta::assert_snapshot!(refusal, @"`/no/such/directory` was refused at step 1 (directory): directory `/no/such/directory` cannot be read: No such file or directory (os error 2); create the directory, or correct its name in the configuration");
    assert!(scan.candidates.is_empty());
}

#[test]
fn a_directory_that_others_write_is_refused_and_its_files_still_say_what_they_offer() {
    let bench = Bench::with_rogue();
    bench.set_mode("", 0o777);

    let scan = bench.scan();

    let path = bench.path().canonicalize().unwrap();
    let expected = LoadError::UntrustedDirectory { path, why: Untrusted::Writable { mode: 0o777 } };
    assert_eq!(scan.refused[0].error, expected);
    assert_eq!(scan.candidates[0].descriptor, Err(expected));
    assert!(scan.candidates[0].library.offers.has_hardware_type("rogue"));
}

#[test]
fn a_directory_below_one_that_others_write_is_refused() {
    let bench = Bench::with_rogue();
    fs::set_permissions(bench.workshop(), Permissions::from_mode(0o777)).unwrap();

    let error = bench.refusal().error;

    let path = bench.workshop().canonicalize().unwrap();
    assert_eq!(error, LoadError::UntrustedDirectory { path, why: Untrusted::Writable { mode: 0o777 } });
}

#[test]
fn a_sticky_directory_above_is_no_danger() {
    let bench = Bench::with_rogue();
    fs::set_permissions(bench.workshop(), Permissions::from_mode(0o1777)).unwrap();

    assert!(bench.only().descriptor.is_ok());
}

#[test]
fn a_link_to_a_directory_is_followed_once() {
    let bench = Bench::with_rogue();
    let link = bench.workshop().join("link");
    std::os::unix::fs::symlink(bench.path(), &link).unwrap();

    let scan = Search::new([link]).scan();

    assert!(scan.refused.is_empty(), "{:?}", scan.refused);
    assert_eq!(scan.candidates[0].library.path, bench.path().canonicalize().unwrap().join("librogue.so"));
}

/// Names the directory to the test below, when it runs again where that is mounted.
const MOUNTED: &str = "FARRIER_TEST_NOEXEC";

#[test]
fn a_directory_where_no_program_may_be_is_refused() {
    if let Some(path) = std::env::var_os(MOUNTED) {
        let scan = Search::new([&path]).scan();
        assert_eq!(scan.refused[0].error, LoadError::NoExec { path: path.into() });
        return;
    }
    let directory = Bench::new().path().canonicalize().unwrap();
    fs::create_dir_all(&directory).unwrap();
    let test = "search::a_directory_where_no_program_may_be_is_refused";
    let script = "mount -t tmpfs -o noexec,mode=755 farrier \"$0\" || exit 77; exec \"$1\" --exact \"$2\"";

    // In a name space of its own, which goes with the process.
    let mut again = Command::new("unshare");
    again.args(["--mount", "sh", "-c", script]).arg(&directory);
    again.arg(std::env::current_exe().unwrap()).arg(test).env(MOUNTED, &directory);
    let output = again.output();

    // Only root may mount; for others there is nothing to see.
    let code = output.as_ref().ok().and_then(|output| output.status.code());
    assert_ne!(code, Some(101), "{output:?}");
}

#[test]
fn only_libraries_are_looked_at_and_in_the_order_of_their_names() {
    let bench = Bench::new();
    for name in ["b.so", "a.so", "readme.txt", ".c.so", "d.so.1"] {
        bench.add(name, b"text");
    }

    let scan = bench.scan();

    let names: Vec<String> = scan.candidates.iter().map(|candidate| candidate.library.file_name()).collect();
    assert_eq!(names, ["a.so", "b.so"]);
}

#[test]
fn a_directory_of_thousands_of_files_is_taken_for_a_mistake() {
    let bench = Bench::with_rogue();
    for number in 0..4096 {
        fs::write(bench.path().join(number.to_string()), "").unwrap();
    }

    let scan = bench.scan();

    assert!(scan.candidates.is_empty());
    assert!(scan.refused[0].reason().contains("more than 4096 entries"), "{}", scan.refused[0]);
}

#[test]
fn directories_are_looked_at_in_the_order_they_are_given() {
    let (first, second) = (Bench::with_rogue(), Bench::new());
    second.add("a.so", &rogue());

    let scan = Search::new([first.path(), second.path()]).scan();

    let names: Vec<String> = scan.candidates.iter().map(|candidate| candidate.library.file_name()).collect();
    assert_eq!(names, ["librogue.so", "a.so"]);
    assert_eq!(scan.candidates[0].library.sha256, scan.candidates[1].library.sha256);
    assert_eq!(scan.refused.iter().map(|refusal| refusal.step()).collect::<Vec<Step>>(), []);
}
