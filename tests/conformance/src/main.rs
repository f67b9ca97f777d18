//! `farrier-conformance`: judges a plugin, for its maker and for whoever certifies it.

#![expect(clippy::print_stdout, reason = "a tool that talks to whoever started it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use farrier_conformance::certificate::{CertificateError, SigningKey, VerifyingKey};
use farrier_conformance::check::{Check, checks};
use farrier_conformance::profile::{TargetConfig, TargetKind};
use farrier_conformance::report::{Report, diff};
use farrier_conformance::{CHECKS, Options, Profile, Program, child_main, is_child, run, serve_emulator};
use farrier_loader::Sha256;

#[derive(Debug, Parser)]
#[command(
    name = "farrier-conformance",
    version,
    about = "Judge a Farrier plugin",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the checks and print a report; status 0 when the level of the profile is reached
    Run(Box<Run>),
    /// List all checks
    List {
        /// As Markdown, as the manual has it
        #[arg(long)]
        markdown: bool,
    },
    /// Say what one check requires and why
    Explain {
        /// The check, such as POW-002
        id: String,
    },
    /// Serve one of the kit's own emulators until this is ended; its first line, JSON, says where it is
    Emulate {
        /// `redfish` or `ipmi`
        name: String,
    },
    /// Make sure that a report is what was signed; status 1 when it is not
    Verify(Verify),
    /// Compare two reports; status 1 when something got worse
    Diff {
        /// Report in JSON
        before: PathBuf,
        /// Report in JSON
        now: PathBuf,
    },
}

/// Options of `run`.
#[derive(Debug, Args)]
struct Run {
    /// The plugin: a shared library
    file: PathBuf,
    /// What it is judged by, TOML; without one, only what needs no node is looked at
    #[arg(long)]
    profile: Option<PathBuf>,
    /// Where the machine is, TOML with a table `target`, instead of what the profile says
    #[arg(long)]
    target: Option<PathBuf>,
    /// Checks, groups, or beginnings with `*`: `POW`, `CON-003`, `FLT-01*`
    #[arg(long, value_delimiter = ',')]
    filter: Vec<String>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Checks at once; as many as there are processors unless given
    #[arg(long)]
    jobs: Option<usize>,
    /// Run all checks in this process, for a debugger
    #[arg(long)]
    in_process: bool,
    /// The release before this one, for upgrade checks
    #[arg(long)]
    previous: Option<PathBuf>,
    /// Serial number of the real machine that may be switched off and changed
    #[arg(long, value_name = "SERIAL")]
    confirm: Option<String>,
    /// Directory where what the machine says is recorded; it is made, or empty
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Directory of a recording that stands for the machine
    #[arg(long, value_name = "DIR", conflicts_with_all = ["record", "target", "confirm"])]
    replay: Option<PathBuf>,
    /// Private key that signs the JSON report: ed25519, PKCS #8 in PEM
    #[arg(long, value_name = "FILE")]
    sign: Option<PathBuf>,
    /// Reports: `text`, and `json=FILE`, `junit=FILE`, `html=FILE`
    #[arg(long, value_delimiter = ',', default_value = "text")]
    report: Vec<String>,
}

/// Options of `verify`.
#[derive(Debug, Args)]
struct Verify {
    /// The report, JSON
    report: PathBuf,
    /// Public key of whoever signed it, PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The plugin that the report has to be about
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    if is_child() {
        child_main();
    }
    match Cli::parse().verb {
        Verb::Run(options) => judge(&options),
        Verb::List { markdown } => {
            print!("{}", if markdown { markdown_list() } else { list() });
            Ok(ExitCode::SUCCESS)
        }
        Verb::Explain { id } => explain(&id),
        Verb::Emulate { name } => match serve_emulator(&name, |line| println!("{line}")) {
            Ok(never) => match never {},
            Err(why) => bail!(why),
        },
        Verb::Verify(options) => verify(&options),
        Verb::Diff { before, now } => compare(&before, &now),
    }
}

fn judge(options: &Run) -> anyhow::Result<ExitCode> {
    let mut profile = match &options.profile {
        Some(path) => Profile::from_file(path)?,
        None => Profile { name: "none".to_owned(), ..Profile::default() },
    };
    if let Some(target) = &options.target {
        profile.set_target(target)?;
    }
    if let Some(directory) = &options.replay {
        profile.target = TargetConfig {
            kind: TargetKind::Replay,
            recording: Some(directory.clone()),
            ..TargetConfig::default()
        };
    }
    let key = options.sign.as_deref().map(|path| signing_key(path, options)).transpose()?;
    let filter: Vec<String> = options.filter.iter().map(|pattern| pattern.to_ascii_uppercase()).collect();
    let run_options = Options {
        filter,
        seed: options.seed,
        jobs: options.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)),
        program: (!options.in_process).then(Program::this),
        previous: options.previous.clone(),
        confirmed: options.confirm.clone(),
        record: options.record.clone(),
    };
    let mut report = run(&options.file, &profile, &run_options)?;
    if let Some(key) = key {
        key.sign(&mut report)?;
    }
    for form in &options.report {
        write_report(&report, form)?;
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The key that signs; what cannot be signed is said before an hour of checks and not after it.
fn signing_key(path: &Path, options: &Run) -> anyhow::Result<SigningKey> {
    if !options.filter.is_empty() {
        bail!("{}", CertificateError::Part);
    }
    if !options.report.iter().any(|form| form.starts_with("json=")) {
        bail!("`--sign` signs the JSON report: say where it goes, `--report text,json=FILE`");
    }
    let text = fs::read_to_string(path).with_context(|| format!("read key `{}`", path.display()))?;
    SigningKey::from_pem(&text).with_context(|| format!("use key `{}`", path.display()))
}

fn verify(options: &Verify) -> anyhow::Result<ExitCode> {
    let Verify { report: path, key, library } = options;
    let read = |path: &Path, what: &str| {
        fs::read_to_string(path).with_context(|| format!("read {what} `{}`", path.display()))
    };
    let key =
        VerifyingKey::from_pem(&read(key, "key")?).with_context(|| format!("use key `{}`", key.display()))?;
    let report =
        key.verify(&read(path, "report")?).with_context(|| format!("verify `{}`", path.display()))?;
    if let Some(library) = library {
        let bytes = fs::read(library).with_context(|| format!("read `{}`", library.display()))?;
        let found = Sha256::of(&bytes).to_string();
        if found != report.plugin.sha256 {
            let (certified, library) = (&report.plugin.sha256, library.display());
            bail!("the report is about other bytes: sha256 {certified}, `{library}` has {found}");
        }
    }
    let plugin = &report.plugin;
    println!("{} {}: level {}", plugin.name, plugin.version, report.verdict);
    println!("sha256 {}", plugin.sha256);
    println!("profile {}, target {}, kit {}", report.profile, report.target, report.kit);
    println!("signed by {}", key.fingerprint());
    Ok(ExitCode::SUCCESS)
}

fn write_report(report: &Report, form: &str) -> anyhow::Result<()> {
    let (form, file) = form.split_once('=').map_or((form, None), |(form, file)| (form, Some(file)));
    let text = match form {
        "text" => report.text(),
        "json" => report.json()?,
        "junit" => report.junit(),
        "html" => report.html(),
        other => bail!("`{other}` is none of the reports text, json, junit, html"),
    };
    match file {
        None => print!("{text}"),
        Some(file) => fs::write(file, text).with_context(|| format!("write report `{file}`"))?,
    }
    Ok(())
}

fn list() -> String {
    let lines = checks().map(|check| format!("{}  {:6}  {}\n", check.id, check.level, check.requirement));
    lines.collect()
}

fn markdown_list() -> String {
    let mut text = String::new();
    for group in CHECKS {
        text.push_str(&format!("### {}: {}\n\n", group.id, group.title));
        text.push_str("| check | level | needs | requirement | source |\n|---|---|---|---|---|\n");
        for check in group.checks {
            let Check { id, level, requirement, source, .. } = check;
            text.push_str(&format!(
                "| {id} | {level} | {} | {requirement} | {source} |\n",
                check.needs.as_str()
            ));
        }
        text.push('\n');
    }
    text
}

fn explain(id: &str) -> anyhow::Result<ExitCode> {
    let Some(check) = Check::find(id) else {
        bail!("there is no check `{id}`; `farrier-conformance list` names them")
    };
    println!("{} ({}; needs: {})\n", check.id, check.level, check.needs.as_str());
    println!("{}\n\nSource: {}", check.requirement, check.source);
    println!("\nRun it alone, under a debugger if need be:\n");
    println!("    farrier-conformance run FILE --profile PROFILE --filter {} --in-process", check.id);
    Ok(ExitCode::SUCCESS)
}

fn compare(before: &Path, now: &Path) -> anyhow::Result<ExitCode> {
    let read = |path: &Path| -> anyhow::Result<Report> {
        let text = fs::read_to_string(path).with_context(|| format!("read report `{}`", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("`{}` is no report", path.display()))
    };
    let (before, now) = (read(before)?, read(now)?);
    let changes = diff(&before, &now);
    for change in &changes {
        println!("{change}");
    }
    if before.verdict != now.verdict {
        println!("level: {} -> {}", before.verdict, now.verdict);
    }
    let worse =
        now.verdict < before.verdict || changes.iter().any(farrier_conformance::report::Change::is_worse);
    Ok(if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
