//! Installs what a verb needs and this machine lacks: Debian packages, Python programs, cargo's helpers.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use farrier_sim::{process, program, venv};

use crate::command::{run, succeeds};
use crate::error::TaskError;
use crate::workspace::Workspace;

/// A package of the distribution, and how to see that it is there.
#[derive(Debug)]
pub(crate) struct Package {
    name: &'static str,
    sign: Sign,
}

/// What a package brings.
#[derive(Debug)]
enum Sign {
    /// A program on the path.
    Program(&'static str),
    /// A file.
    File(&'static str),
    /// A module of the Python on the path.
    Python(&'static str),
    /// A module of the distribution's own Python, which need not be the one on the path.
    SystemPython(&'static str),
}

/// Compiler, for the database that is built in and for the broken plugins that tests build.
const COMPILER: [Package; 2] = [
    Package { name: "gcc", sign: Sign::Program("cc") },
    Package { name: "libc6-dev", sign: Sign::File("/usr/include/stdio.h") },
];
/// Simulated BMC of the `ipmi` driver.
const IPMI_SIM: Package = Package { name: "openipmi", sign: Sign::Program("ipmi_sim") };
/// Somebody else's IPMI client, to compare with.
const IPMITOOL: Package = Package { name: "ipmitool", sign: Sign::Program("ipmitool") };
/// Another client that nobody of us wrote.
const FREEIPMI: Package = Package { name: "freeipmi-tools", sign: Sign::Program("ipmipower") };
/// Makes keys, as the manual shows it.
const OPENSSL: Package = Package { name: "openssl", sign: Sign::Program("openssl") };
/// What runs the virtual machine of the labs.
const VIRTUAL_MACHINE: [Package; 3] = [
    Package { name: "qemu-system-x86", sign: Sign::Program("qemu-system-x86_64") },
    Package { name: "seabios", sign: Sign::File("/usr/share/seabios/bios.bin") },
    Package { name: "xxd", sign: Sign::Program("xxd") },
];
/// What runs virtual machines that a BMC with Redfish switches.
const REDFISH_MACHINE: [Package; 6] = [
    Package { name: "qemu-system-x86", sign: Sign::Program("qemu-system-x86_64") },
    Package { name: "seabios", sign: Sign::File("/usr/share/seabios/bios-256k.bin") },
    Package { name: "ovmf", sign: Sign::File("/usr/share/OVMF/OVMF_CODE_4M.fd") },
    Package { name: "libvirt-daemon-system", sign: Sign::Program("libvirtd") },
    Package { name: "python3-libvirt", sign: Sign::SystemPython("libvirt") },
    Package { name: "python3-venv", sign: Sign::SystemPython("ensurepip") },
];
/// The second database.
const POSTGRES: Package = Package { name: "postgresql", sign: Sign::File("/usr/lib/postgresql") };
/// What Python programs are installed with.
const PYTHON: [Package; 2] = [
    Package { name: "python3", sign: Sign::Program("python3") },
    Package { name: "python3-venv", sign: Sign::Python("ensurepip") },
];

/// The Python programs and all they need, with versions.
const REQUIREMENTS: &str = include_str!("../requirements.txt");
/// Which of them the BMC of a virtual machine needs.
const MACHINE_REQUIREMENTS: &[&str] = &[
    "bcrypt",
    "blinker",
    "certifi",
    "charset-normalizer",
    "click",
    "Flask",
    "idna",
    "itsdangerous",
    "Jinja2",
    "MarkupSafe",
    "pbr",
    "requests",
    "sushy-tools",
    "tenacity",
    "urllib3",
    "WebOb",
    "Werkzeug",
];
/// The distribution's Python, for which it has the module of libvirt.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// A program that is compiled where there is none, once; each release builds with our toolchain.
#[derive(Debug)]
struct Tool {
    package: &'static str,
    version: &'static str,
    /// What tells its version.
    ask: &'static [&'static str],
    /// Whether that is a command of cargo rather than a program of its own.
    of_cargo: bool,
    /// All but what we do not use, such as its way to update itself.
    features: &'static [&'static str],
}

/// Runs the tests.
const NEXTEST: Tool = Tool {
    package: "cargo-nextest",
    version: "0.9.143",
    ask: &["nextest", "--version"],
    of_cargo: true,
    features: &["default-no-update"],
};
/// Builds the manual; two to three minutes of a processor.
const MDBOOK: Tool =
    Tool { package: "mdbook", version: "0.5.4", ask: &["--version"], of_cargo: false, features: &[] };
/// Checks the dependencies; three to four minutes of a processor.
const DENY: Tool = Tool {
    package: "cargo-deny",
    version: "0.20.2",
    ask: &["deny", "--version"],
    of_cargo: true,
    features: &[],
};

impl Package {
    fn is_missing(&self) -> bool {
        match self.sign {
            Sign::Program(program) => program::find(program, "").is_err(),
            Sign::File(file) => !Path::new(file).exists(),
            Sign::Python(module) => !has_module("python3", module),
            Sign::SystemPython(module) => !has_module(SYSTEM_PYTHON, module),
        }
    }
}

fn has_module(python: &str, module: &str) -> bool {
    let mut python = Command::new(python);
    python.args(["-c", &format!("import {module}")]);
    succeeds(python)
}

/// All that the tests need.
pub(crate) fn for_tests(workspace: &Workspace) -> Result<(), TaskError> {
    packages(&packages_of_tests(workspace))?;
    python_programs()?;
    machine_programs()?;
    for tool in [&NEXTEST, &DENY, &MDBOOK] {
        compile(workspace, tool)?;
    }
    Ok(())
}

/// What the manual needs.
pub(crate) fn for_manual(workspace: &Workspace) -> Result<(), TaskError> {
    compile(workspace, &MDBOOK)
}

/// Names what the tests need and this machine lacks; installs nothing.
pub(crate) fn missing_for_tests(workspace: &Workspace) -> Vec<String> {
    let mut missing: Vec<String> = packages_of_tests(workspace)
        .into_iter()
        .filter(|package| package.is_missing())
        .map(|package| package.name.to_owned())
        .collect();
    if !venv_is_current(&venv::directory()) {
        missing.push("Python programs".to_owned());
    }
    if !is_current(&venv::machine_directory(), &machine_requirements()) {
        missing.push("Python programs for virtual machines".to_owned());
    }
    let tools = [&NEXTEST, &DENY, &MDBOOK].into_iter().filter(|tool| !tool.is_there(workspace));
    missing.extend(tools.map(|tool| tool.package.to_owned()));
    missing
}

/// What a simulated BMC that speaks IPMI needs.
pub(crate) fn for_ipmi() -> Result<(), TaskError> {
    packages(&[IPMI_SIM])
}

/// What a simulated BMC that speaks Redfish needs, and the `baremetal` client.
pub(crate) fn for_redfish() -> Result<(), TaskError> {
    python_programs()
}

/// What a virtual machine with a BMC that speaks Redfish needs.
pub(crate) fn for_redfish_machine() -> Result<(), TaskError> {
    packages(&REDFISH_MACHINE)?;
    machine_programs()
}

/// What a database of its own needs.
pub(crate) fn for_postgres() -> Result<(), TaskError> {
    packages(&[POSTGRES])
}

/// What only building needs.
pub(crate) fn for_building() -> Result<(), TaskError> {
    packages(&COMPILER)
}

/// The virtual machine belongs to the labs; without them nobody needs it.
fn packages_of_tests(workspace: &Workspace) -> Vec<Package> {
    let always = COMPILER.into_iter().chain([IPMI_SIM, IPMITOOL, FREEIPMI, OPENSSL, POSTGRES]).chain(PYTHON);
    let always = always.chain(REDFISH_MACHINE);
    always.chain(VIRTUAL_MACHINE.into_iter().filter(|_| workspace.labs().is_some())).collect()
}

fn packages(wanted: &[Package]) -> Result<(), TaskError> {
    let missing: Vec<&str> =
        wanted.iter().filter(|package| package.is_missing()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let remedy = || format!("install the packages {}", missing.join(" "));
    let apt = program::find("apt-get", &remedy())?;
    let mut prefix = Vec::new();
    if !is_root() {
        prefix.push(program::find("sudo", &format!("as root, {}", remedy()))?);
    }
    println!("installing the packages {}", missing.join(" "));
    let apt_get = |arguments: &[&str]| {
        let words: Vec<_> = prefix.iter().chain([&apt]).collect();
        let (first, rest) = words.split_first().expect("apt-get itself is always among them");
        let mut command = Command::new(first);
        command.args(rest).args(["-qq", "-o", "DPkg::Lock::Timeout=300"]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    quietly(apt_get(&["update"]))?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(&missing);
    quietly(apt_get(&arguments))
}

/// Runs `command` and shows what it printed only when it fails.
fn quietly(command: Command) -> Result<(), TaskError> {
    process::run(command)?;
    Ok(())
}

fn is_root() -> bool {
    let mut id = Command::new("id");
    id.arg("-u");
    id.output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The Python programs of the labs.
fn python_programs() -> Result<(), TaskError> {
    let directory = venv::directory();
    if venv_is_current(&directory) {
        return Ok(());
    }
    python_environment(&directory, REQUIREMENTS)
}

/// Makes a Python environment in `directory`, unless the one that is there has the same requirements.
pub(crate) fn python_environment(directory: &Path, requirements: &str) -> Result<(), TaskError> {
    if is_current(directory, requirements) {
        return Ok(());
    }
    packages(&PYTHON)?;
    environment(directory, requirements, "python3", &[])
}

/// The BMC of a virtual machine, for the Python that has the module of libvirt.
fn machine_programs() -> Result<(), TaskError> {
    let (directory, requirements) = (venv::machine_directory(), machine_requirements());
    environment(&directory, &requirements, SYSTEM_PYTHON, &["--system-site-packages"])
}

/// What the BMC of a virtual machine needs, with the versions that everything else has.
fn machine_requirements() -> String {
    let wanted =
        |line: &&str| line.split_once("==").is_some_and(|(name, _)| MACHINE_REQUIREMENTS.contains(&name));
    REQUIREMENTS.lines().filter(wanted).map(|line| format!("{line}\n")).collect()
}

/// Makes a Python environment unless it is there.
fn environment(
    directory: &Path,
    requirements: &str,
    python: &str,
    options: &[&str],
) -> Result<(), TaskError> {
    let _lock = lock(directory)?;
    if is_current(directory, requirements) {
        return Ok(());
    }
    println!("installing Python programs in {}", directory.display());
    let mut make = Command::new(python);
    make.args(["-m", "venv", "--clear"]).args(options).arg(directory);
    run(make)?;
    let list = stamp(directory).with_extension("new");
    fs::write(&list, requirements).map_err(TaskError::io(format!("write `{}`", list.display())))?;
    let mut install = Command::new(directory.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    install.arg(&list);
    run(install)?;
    // Written under another name first, so that a broken installation is not taken for a whole one.
    fs::rename(&list, stamp(directory)).map_err(TaskError::io("keep the list of requirements"))
}

/// Keeps others from installing in `directory` until the file is dropped.
fn lock(directory: &Path) -> Result<File, TaskError> {
    let path = directory.with_extension("lock");
    let failed = || TaskError::io(format!("lock `{}`", path.display()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed())?;
    }
    let file = File::create(&path).map_err(failed())?;
    file.lock().map_err(failed())?;
    Ok(file)
}

fn venv_is_current(directory: &Path) -> bool {
    let mut python = Command::new(directory.join("bin/python"));
    python.args(["-c", "import pyghmi, sushy_tools"]);
    is_current(directory, REQUIREMENTS) && succeeds(python)
}

fn is_current(directory: &Path, requirements: &str) -> bool {
    fs::read_to_string(stamp(directory)).is_ok_and(|text| text == requirements)
}

fn stamp(directory: &Path) -> std::path::PathBuf {
    directory.join("requirements.txt")
}

impl Tool {
    fn is_there(&self, workspace: &Workspace) -> bool {
        if self.of_cargo {
            return succeeds(workspace.cargo(self.ask.iter().copied()));
        }
        let mut ask = Command::new(self.package);
        ask.args(self.ask);
        succeeds(ask)
    }
}

/// Compiles a tool unless it is there, in whatever version.
fn compile(workspace: &Workspace, tool: &Tool) -> Result<(), TaskError> {
    if tool.is_there(workspace) {
        return Ok(());
    }
    let (package, version) = (tool.package, tool.version);
    println!("installing {package} {version}; it is compiled once, which takes some minutes");
    let mut install = workspace.cargo(["install", "--locked", package, "--version", version]);
    install.arg("--no-default-features");
    if !tool.features.is_empty() {
        install.args(["--features", &tool.features.join(",")]);
    }
    run(install)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_requirement_has_its_version() {
        let loose: Vec<&str> = REQUIREMENTS
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("=="))
            .collect();

        assert!(loose.is_empty(), "{loose:?}");
    }

    #[test]
    fn every_requirement_of_the_machines_has_its_version() {
        let found: Vec<String> = machine_requirements()
            .lines()
            .filter_map(|line| Some(line.split_once("==")?.0.to_owned()))
            .collect();

        let lacking: Vec<_> =
            MACHINE_REQUIREMENTS.iter().filter(|name| !found.iter().any(|found| found == *name)).collect();
        assert!(lacking.is_empty(), "{lacking:?}");
    }

    #[test]
    fn a_missing_program_is_noticed() {
        let package = Package { name: "nothing", sign: Sign::Program("no-such-program") };

        assert!(package.is_missing());
    }
}
