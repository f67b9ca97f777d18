//! `farrier plugin new`: a plugin crate that builds, passes its tests and loads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::json;

use super::PluginError;
use super::template::{FILES, Names};
use crate::error::CliError;
use crate::output::Output;

/// Longest name of a plugin.
const NAME_SIZE_MAX: usize = 64;

/// Names that mean something else: words of Rust, which no package may be called, and a package the plugin needs.
const NAMES_TAKEN: [&str; 41] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "pub", "ref", "return", "self", "serde", "static", "struct", "test",
    "trait", "true", "type", "use",
];

/// What the new plugin is called and built on.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the plugin, of its hardware type and of its implementations
    name: String,
    /// Where to write it [default: a directory of that name]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Take the SDK from a checkout of Farrier: its folder `plugins/sdk`
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "sdk_git")]
    sdk_path: Option<PathBuf>,
    /// Take the SDK from a git repository
    #[arg(long, value_name = "URL")]
    sdk_git: Option<String>,
    /// Which tag of the git repository
    #[arg(long, value_name = "TAG", requires = "sdk_git")]
    sdk_tag: Option<String>,
}

/// Writes the crate.
pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), CliError> {
    let name = &arguments.name;
    if let Some(why) = wrong(name) {
        return Err(PluginError::Name { name: name.clone(), why }.into());
    }
    let directory = arguments.directory.clone().unwrap_or_else(|| PathBuf::from(name));
    if directory.exists() {
        return Err(PluginError::Exists { directory }.into());
    }
    let (names, sdk) = (Names::new(name), sdk(arguments)?);
    for file in FILES {
        write(&directory.join(file.path), &file.text(&names, &sdk))?;
    }
    let format = if formatted(&directory) { "" } else { "  cargo fmt\n" };
    let shown = directory.display();
    let text = format!(
        "plugin `{name}` is in `{shown}`\n\n  cd {shown}\n{format}  cargo test\n  cargo build --release\n  farrier plugin check target/release/{}\n",
        names.library()
    );
    let files: Vec<&str> = FILES.iter().map(|file| file.path).collect();
    output.facts(&text, &json!({"plugin": name, "directory": directory, "files": files}))
}

/// Formats the crate as its owner's `cargo fmt` would; whether that was possible.
///
/// How long lines are and how names are sorted depends on the plugin's name, so that no template is right for all.
fn formatted(directory: &Path) -> bool {
    let roots = ["src/lib.rs", "examples/simulator/main.rs"].map(|root| directory.join(root));
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024"]).args(roots);
    rustfmt.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    rustfmt.status().is_ok_and(|status| status.success())
}

/// Why a name cannot be one.
fn wrong(name: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || NAME_SIZE_MAX < name.len() {
        return Some("it has to have 1 to 64 characters");
    }
    if !name.bytes().all(allowed) {
        return Some("it has to be of a-z, 0-9 and `-`");
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase())
        || name.ends_with('-')
        || name.contains("--")
    {
        return Some("it has to begin with a letter, and hyphens stand between letters and digits");
    }
    NAMES_TAKEN.contains(&name).then_some("Rust has that name already")
}

/// The dependency on the SDK, as it stands in `Cargo.toml`.
fn sdk(arguments: &Arguments) -> Result<String, CliError> {
    if let Some(path) = &arguments.sdk_path {
        let manifest = path.join("Cargo.toml");
        let absolute = fs::canonicalize(&manifest).map_err(|source| PluginError::Value {
            what: format!("the SDK at `{}`", path.display()),
            source,
        })?;
        let folder = absolute.parent().unwrap_or(path);
        return Ok(format!("{{ path = {} }}", quoted(&folder.to_string_lossy())));
    }
    if let Some(url) = &arguments.sdk_git {
        let tag = arguments.sdk_tag.as_ref().map(|tag| format!(", tag = {}", quoted(tag)));
        return Ok(format!("{{ git = {}{} }}", quoted(url), tag.unwrap_or_default()));
    }
    // All crates of a release have one version.
    Ok(quoted(env!("CARGO_PKG_VERSION")))
}

/// A text of TOML.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |source| PluginError::Write { file: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_configuration_cargo_and_rust_can_carry() {
        for good in ["acme", "a", "pdu-http", "x86"] {
            assert_eq!(wrong(good), None, "{good}");
        }
        for bad in ["", "Acme", "acme_pdu", "3com", "-a", "a-", "a--b", "a b", "../a", "fn", "test", "serde"]
        {
            assert!(wrong(bad).is_some(), "{bad}");
        }
        assert!(wrong(&"x".repeat(65)).is_some());
    }
}
