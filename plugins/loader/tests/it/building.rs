//! Plugins built by other hands: against a changed boundary, or without the SDK.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A workspace that looks like ours, in the target directory, so that what both have in common is built once.
///
/// Copies of crates lie in a folder of the workspace's name: cargo tells crates apart by where they are below the root, and
/// would take one workspace's changed copy for another's.
///
/// Files are written only when they differ, so that a second run finds everything built.
pub(crate) struct Workspace {
    name: String,
    folder: PathBuf,
}

impl Workspace {
    /// One with copies of `crates` of ours, and of the lock file.
    pub(crate) fn new(name: &str, crates: &[&str], members: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let workspace = Self { name: name.to_owned(), folder };
        let mut manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        for path in crates {
            let (ours, theirs) = (format!("path = \"{path}\""), format!("path = \"{name}/{path}\""));
            assert!(manifest.contains(&ours), "{ours}");
            manifest = manifest.replace(&ours, &theirs);
        }
        let (before, rest) = manifest.split_once("members = [").unwrap();
        let (_, after) = rest.split_once(']').unwrap();
        let copies = crates.iter().map(|path| format!("\"{name}/{path}\""));
        let list: Vec<String> = copies.chain(members.iter().map(|member| format!("\"{member}\""))).collect();
        workspace.write("Cargo.toml", &format!("{before}members = [{}]{after}", list.join(", ")));
        workspace.write("Cargo.lock", &fs::read_to_string(root().join("Cargo.lock")).unwrap());
        for name in crates {
            workspace.copy(Path::new(name));
        }
        workspace
    }

    fn copy(&self, path: &Path) {
        let source = root().join(path);
        if source.is_dir() {
            for entry in fs::read_dir(source).unwrap() {
                self.copy(&path.join(entry.unwrap().file_name()));
            }
        } else {
            self.write(Path::new(&self.name).join(path), &fs::read_to_string(source).unwrap());
        }
    }

    /// Replaces `from`, which occurs once, in a copied file.
    pub(crate) fn change(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(root().join(path)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {path}");
        self.write(Path::new(&self.name).join(path), &text.replace(from, to));
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) {
        let path = self.folder.join(path);
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Builds `package`; answers its library.
    pub(crate) fn build(&self, package: &str) -> Vec<u8> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(&self.folder).args(["build", "--quiet", "--offline", "--package", package]);
        command.arg("--target-dir").arg(target.join("loader-tests"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(target.join(format!("loader-tests/debug/lib{}.so", package.replace('-', "_")))).unwrap()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
