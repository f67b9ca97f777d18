//! Why a library was refused.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::interface::InterfaceType;
use serde::{Deserialize, Serialize};

use crate::claims::Claim;
use crate::step::Step;
use crate::text::list;

/// Why a library, or a whole directory, was refused.
///
/// The message reads on after "`libacme.so` was refused:"; which file it is about is in the
/// [`Refusal`](crate::Refusal). [`LoadError::remedy`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum LoadError {
    /// Step 1: the directory cannot be listed.
    #[error("directory `{}` cannot be read: {why}", path.display())]
    DirectoryUnreadable { path: PathBuf, why: String },
    /// Step 1: somebody else could put files into the directory, or replace it; `path` may be a parent.
    #[error("directory `{}` {why}", path.display())]
    UntrustedDirectory { path: PathBuf, why: Untrusted },
    /// Step 1: the operator forbade programs there; a copy in memory would get around that.
    #[error("directory `{}` is on a file system mounted `noexec`", path.display())]
    NoExec { path: PathBuf },

    /// Step 2: the file cannot be read.
    #[error("the file cannot be read: {why}")]
    FileUnreadable { why: String },
    /// Step 2: somebody else could change the file, or it is none.
    #[error("the file {why}")]
    UntrustedFile { why: Untrusted },
    /// Step 2: nothing of this size is a plugin.
    #[error("the file has {size} bytes, at most {limit} are read")]
    TooLarge { size: u64, limit: u64 },

    /// Step 3: another kind of file.
    #[error("not an ELF file: {found}")]
    NotElf { found: String },
    /// Step 3: for another kind of machine.
    #[error("built for {found}, this system needs {expected}")]
    WrongArch { found: String, expected: String },
    /// Step 3: ELF, but not a shared library.
    #[error("{found}, not a shared library")]
    NotALibrary { found: String },
    /// Step 3: ELF, but its tables contradict themselves.
    #[error("the file is damaged: {why}")]
    Malformed { why: String },

    /// Step 4: part of the file is missing; mapping it would end the process.
    #[error("the file is incomplete: it has {size} bytes and needs {needed}")]
    Truncated { needed: u64, size: u64 },

    /// Step 5: a library, but no plugin.
    #[error("not a plugin: {why}")]
    NotAPlugin { why: String },
    /// Step 5: it describes itself in a form we do not accept.
    #[error("its descriptor is not acceptable: {why}")]
    BadDescriptor { why: String },

    /// Step 6: for another generation of hosts.
    #[error("built for ABI {found}, this host has ABI {supported}")]
    AbiVersion { found: u64, supported: u32 },
    /// Step 6: another line of the library below the ABI.
    #[error("built on `{found}`, this host is built on `{supported}`")]
    AbiLibrary { found: String, supported: String },
    /// Step 6: a panic would end the conductor.
    #[error("built with panic strategy `{found}`, only `unwind` keeps a panic inside the plugin")]
    PanicStrategy { found: String },
    /// Step 6: another C library.
    #[error("built for C library `{found}`, this host has `{expected}`")]
    Libc { found: String, expected: String },
    /// Step 6: instructions this machine lacks.
    #[error("built to use {}, which this CPU lacks", list(missing))]
    CpuFeature { missing: Vec<String> },

    /// Step 7: libraries that are not installed.
    #[error("needs {}, which {} not installed", list(names), if names.len() == 1 { "is" } else { "are" })]
    MissingLibrary { names: Vec<String> },
    /// Step 7: libraries that two plugins may need in two versions, of which the process can have only one.
    #[error("needs {}, which {} no system {}", list(names), if names.len() == 1 { "is" } else { "are" }, if names.len() == 1 { "library" } else { "libraries" })]
    ForeignLibrary { names: Vec<String> },
    /// Step 7: a newer C library.
    #[error("needs GLIBC {needs}, this system has {has}")]
    Glibc { needs: String, has: String },
    /// Step 7: something no plugin needs and an attacker likes.
    #[error("the library {why}")]
    Unsafe { why: Hazard },

    /// Step 9: another plugin has this name already; `other` is its file.
    #[error("{what} is already provided by {other}")]
    Duplicate { what: Claim, other: String },

    /// Step 11: the child that loaded it died.
    #[error("loading it ended a child process with {signal}{}", said(output))]
    Crashed { signal: String, output: String },
    /// Step 11: the library ended the process.
    #[error("loading it made a child process exit with code {code}{}", said(output))]
    Exited {
        #[serde(rename = "exit_code")]
        code: i32,
        output: String,
    },
    /// Step 11: the child did not come back and was killed.
    #[error("loading it in a child process did not end within {:.1} s{}", after.as_secs_f64(), said(output))]
    Hung {
        #[serde(with = "seconds", rename = "after_s")]
        after: Duration,
        output: String,
    },
    /// Step 11: no trial took place; says nothing about the library.
    #[error("no child process for the trial load: {why}")]
    NoTrial { why: String },

    /// Step 12: the copy in memory could not be made.
    #[error("it cannot be copied to memory: {why}")]
    Copy { why: String },
    /// Step 12: the system's loader refused it.
    #[error("it cannot be opened: {why}")]
    Dlopen { why: String },
    /// Step 12: it exports no root module, or one of another abi_stable.
    #[error("its root module is not of `{expected}`: {found}")]
    AbiHeader { found: String, expected: String },

    /// Step 13: it lays out types of the boundary differently.
    #[error("the boundary's types differ: {summary}")]
    Layout {
        /// The types that differ.
        types: Vec<String>,
        summary: String,
        /// The comparison in full, for somebody who builds the plugin; a thousand lines.
        full: String,
    },

    /// Step 14: it panicked before it could answer anything.
    #[error("its root module cannot be made: {why}")]
    ConstructorPanicked { why: String },
    /// Step 14: what it says when it runs is not what it said before.
    #[error("its code describes another plugin than its descriptor")]
    DescriptorMismatch,

    /// Step 15: its `open` answered with an error.
    #[error("{}", refused(error))]
    Refused {
        #[source]
        error: DriverError,
    },
    /// Step 15: its `open` did not come back; the thread is left behind.
    #[error("it did not start within {:.1} s", after.as_secs_f64())]
    StartHung {
        #[serde(with = "seconds", rename = "after_s")]
        after: Duration,
    },
    /// Step 15: the host could not give it what a plugin runs on.
    #[error("this host could not start it: {why}")]
    NotStarted { why: String },

    /// Step 16: it lists an implementation that it does not have.
    #[error("it has no {kind} interface `{name}`, although it lists {}", list(offered))]
    InterfaceNotFound { kind: InterfaceType, name: String, offered: Vec<String> },
    /// Step 16: an implementation could not be made.
    #[error("its {kind} interface `{name}` cannot be made")]
    InterfaceRefused {
        kind: InterfaceType,
        name: String,
        #[source]
        error: DriverError,
    },
}

/// Why a file or directory is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untrusted {
    /// It belongs to somebody who is neither root nor we.
    Owner {
        /// Whose it is.
        uid: u32,
    },
    /// Others may write it.
    Writable {
        /// Its permissions.
        mode: u32,
    },
    /// A symbolic link, which may lead elsewhere tomorrow.
    Link,
    /// A directory, a pipe, a device.
    NotRegular,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner { uid } => write!(f, "belongs to user {uid}"),
            Self::Writable { mode } => write!(f, "is writable by others (mode {mode:04o})"),
            Self::Link => f.write_str("is a symbolic link"),
            Self::NotRegular => f.write_str("is not a regular file"),
        }
    }
}

/// What makes a library unsafe to map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hazard {
    /// Its code is written to while it is loaded.
    TextRelocations,
    /// It wants an executable stack, for the whole process.
    ExecutableStack,
    /// It maps memory that is writable and executable.
    WritableCode,
    /// It chooses where its libraries come from.
    RunPath {
        /// The path it sets.
        path: String,
    },
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TextRelocations => f.write_str("has relocations in its code (TEXTREL)"),
            Self::ExecutableStack => f.write_str("asks for an executable stack"),
            Self::WritableCode => f.write_str("maps memory that is both writable and executable"),
            Self::RunPath { path } => {
                write!(f, "sets a run path (RPATH) of its own, `{}`", crate::text::tame(path))
            }
        }
    }
}

impl LoadError {
    /// The step that refuses with this error.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::DirectoryUnreadable { .. } | Self::UntrustedDirectory { .. } | Self::NoExec { .. } => {
                Step::Directory
            }
            Self::FileUnreadable { .. } | Self::UntrustedFile { .. } | Self::TooLarge { .. } => Step::File,
            Self::NotElf { .. }
            | Self::WrongArch { .. }
            | Self::NotALibrary { .. }
            | Self::Malformed { .. } => Step::Format,
            Self::Truncated { .. } => Step::Extent,
            Self::NotAPlugin { .. } | Self::BadDescriptor { .. } => Step::Descriptor,
            Self::AbiVersion { .. }
            | Self::AbiLibrary { .. }
            | Self::PanicStrategy { .. }
            | Self::Libc { .. }
            | Self::CpuFeature { .. } => Step::Build,
            Self::MissingLibrary { .. }
            | Self::ForeignLibrary { .. }
            | Self::Glibc { .. }
            | Self::Unsafe { .. } => Step::Libraries,
            Self::Duplicate { .. } => Step::Names,
            Self::Crashed { .. } | Self::Exited { .. } | Self::Hung { .. } | Self::NoTrial { .. } => {
                Step::Trial
            }
            Self::Copy { .. } | Self::Dlopen { .. } | Self::AbiHeader { .. } => Step::Open,
            Self::Layout { .. } => Step::Layout,
            Self::ConstructorPanicked { .. } | Self::DescriptorMismatch => Step::Module,
            Self::Refused { .. } | Self::StartHung { .. } | Self::NotStarted { .. } => Step::Start,
            Self::InterfaceNotFound { .. } | Self::InterfaceRefused { .. } => Step::Interfaces,
        }
    }

    /// What the operator, or whoever built the library, can do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::DirectoryUnreadable { .. } => {
                "create the directory, or correct its name in the configuration"
            }
            Self::UntrustedDirectory { why, .. } => match why {
                Untrusted::Owner { .. } => "`chown` it to root or to the user who runs this program",
                Untrusted::Writable { .. } | Untrusted::Link | Untrusted::NotRegular => "`chmod go-w` it",
            },
            Self::NoExec { .. } => "keep plugins on a file system that may hold programs",
            Self::FileUnreadable { .. } => "check the file and its permissions",
            Self::UntrustedFile { why } => match why {
                Untrusted::Owner { .. } => "`chown` it to root or to the user who runs this program",
                Untrusted::Writable { .. } => "`chmod go-w` it",
                Untrusted::Link => "put the library itself into the directory",
                Untrusted::NotRegular => "remove it from the directory",
            },
            Self::TooLarge { .. }
            | Self::NotElf { .. }
            | Self::NotALibrary { .. }
            | Self::NotAPlugin { .. } => {
                "remove it from the directory; a plugin is a shared library built on `farrier-sdk`"
            }
            Self::Malformed { .. } | Self::Truncated { .. } => "copy the file again",
            Self::WrongArch { .. } => "get the build for this machine",
            Self::BadDescriptor { .. } => "rebuild the plugin with an SDK of this host's release",
            Self::AbiVersion { .. } | Self::AbiLibrary { .. } | Self::Layout { .. } => {
                "use a build of the plugin for this host, or the host it was built for"
            }
            Self::PanicStrategy { .. } => "rebuild the plugin with `panic = \"unwind\"`",
            Self::Libc { .. } => "get the build for this C library",
            Self::CpuFeature { .. } => "rebuild the plugin without `target-cpu=native`",
            Self::MissingLibrary { .. } => "install them, or link them into the plugin",
            Self::ForeignLibrary { .. } => {
                "link them into the plugin, or allow them by name in the configuration"
            }
            Self::Glibc { .. } => "get a build for this system, made on a system as old, or upgrade this one",
            Self::Unsafe { .. } => "rebuild the plugin without it",
            Self::Duplicate { .. } => "keep one of the two files",
            Self::Crashed { .. } | Self::Exited { .. } | Self::Hung { .. } | Self::StartHung { .. } => {
                "report it to the plugin's maker; this process was not touched"
            }
            Self::NoTrial { .. } | Self::Copy { .. } | Self::NotStarted { .. } => {
                "check this system's limits on memory, files and processes"
            }
            Self::Dlopen { .. } | Self::AbiHeader { .. } | Self::ConstructorPanicked { .. } => {
                "rebuild the plugin with `export_plugin!` of `farrier-sdk`"
            }
            Self::DescriptorMismatch => "do not trust this file; get it again from its maker",
            Self::Refused { .. } => "check the plugin's options in the configuration",
            Self::InterfaceNotFound { .. } | Self::InterfaceRefused { .. } => {
                "report it to the plugin's maker, or do not enable this implementation"
            }
        }
    }
}

/// What a child printed before it died.
fn said(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!(", after printing `{output}`") }
}

fn refused(error: &DriverError) -> &'static str {
    if error.kind() == ErrorKind::PluginPanicked {
        "it panicked when it started"
    } else {
        "it refused to start"
    }
}

mod seconds {
    //! Durations as a number of seconds.

    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::error::Chain;

    use super::*;

    #[test]
    fn an_error_survives_the_way_from_the_child() {
        let error = LoadError::Hung { after: Duration::from_millis(1500), output: String::new() };

        let text = serde_json::to_string(&error).unwrap();

        insta::assert_snapshot!(text, @r#"{"code":"hung","after_s":1.5,"output":""}"#);
        assert_eq!(serde_json::from_str::<LoadError>(&text).unwrap(), error);
    }

    #[test]
    fn a_panic_in_open_is_told_with_its_place() {
        let panic = DriverError::new(ErrorKind::PluginPanicked, "index out of bounds at src/lib.rs:18:97");
        let error = LoadError::Refused { error: panic };

        insta::assert_snapshot!(Chain(&error), @"it panicked when it started: index out of bounds at src/lib.rs:18:97");
    }

    #[test]
    fn one_and_several_missing_libraries_read_well() {
        let one = LoadError::MissingLibrary { names: vec!["liba.so.1".to_owned()] };
        let two = LoadError::MissingLibrary { names: vec!["liba.so.1".to_owned(), "libb.so".to_owned()] };

        assert_eq!(one.to_string(), "needs `liba.so.1`, which is not installed");
        assert_eq!(two.to_string(), "needs `liba.so.1`, `libb.so`, which are not installed");
    }
}
