//! `PKG`: what can be said about the file without running anything of it.

use farrier_loader::LoadError;
use farrier_sdk::descriptor::{Descriptor, PropertyDescriptor};
use farrier_sdk::error::Chain;
use farrier_sdk::interface::InterfaceType;

use crate::bench::Bench;
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, none_of, not_applicable, not_run};
use crate::symbols::{size_in_memory, symbols, texts};

/// The one symbol a plugin exports. Source: abi_stable 0.11.
const ROOT_SYMBOL: &str = "_1as_0lib_1header_0root_bmodule_bloader";

/// Functions that change or end the process all plugins share, or start others.
const FORBIDDEN: &[&str] = &[
    "fork",
    "vfork",
    "execv",
    "execve",
    "execvp",
    "execvpe",
    "posix_spawn",
    "posix_spawnp",
    "system",
    "popen",
    "setenv",
    "unsetenv",
    "putenv",
    "clearenv",
    "chdir",
    "fchdir",
    "chroot",
    "signal",
    "setuid",
    "setgid",
    "umask",
    "daemon",
    "dlclose",
    "setlocale",
];

/// Words in the names of values that are secrets.
const SECRET_WORDS: &[&str] =
    &["password", "passwd", "passphrase", "secret", "token", "credential", "private_key", "api_key"];

/// CPU features that every machine has which a conductor runs on.
const CPU_BASELINE: &[&str] = &["sse2", "sse", "fxsr", "neon"];

/// Bytes of a MiB.
const MIB: u64 = 1024 * 1024;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "PKG-001", level: Level::Must, needs: Needs::File, run: is_a_plugin,
        requirement: "The file is a plugin that this system could load: format, descriptor, build, needed libraries.",
        source: "load steps 1 to 7" },
    Check { id: "PKG-002", level: Level::Must, needs: Needs::File, run: exports_one_symbol,
        requirement: "The library exports its root module and nothing else.",
        source: "plugin boundary: symbols of plugins must not meet" },
    Check { id: "PKG-003", level: Level::Must, needs: Needs::File, run: leaves_the_process_alone,
        requirement: "The library imports no function that changes the process it shares: fork, exec, setenv, chdir, signal.",
        source: "plugin boundary: one process for all plugins" },
    Check { id: "PKG-004", level: Level::Should, needs: Needs::File, run: runs_on_old_systems,
        requirement: "The library needs no C library newer than the profile allows.",
        source: "load step 7; systems that are still supported" },
    Check { id: "PKG-005", level: Level::Should, needs: Needs::File, run: is_small,
        requirement: "The library takes no more memory than the profile allows.",
        source: "plugin boundary: hundreds of plugins in one process" },
    Check { id: "PKG-006", level: Level::Must, needs: Needs::File, run: describes_properties,
        requirement: "Every property of `driver_info` and every option has a description.",
        source: "descriptor: operators read it before they run anything" },
    Check { id: "PKG-007", level: Level::Must, needs: Needs::File, run: describes_steps,
        requirement: "Every step, every argument of a step and every vendor method has a description.",
        source: "descriptor: operators read it before they run anything" },
    Check { id: "PKG-008", level: Level::Must, needs: Needs::File, run: marks_secrets,
        requirement: "Properties and options whose names say that they are secrets are marked secret.",
        source: "descriptor: what is not marked is shown in API and logs" },
    Check { id: "PKG-009", level: Level::Should, needs: Needs::File, run: says_its_license,
        requirement: "The descriptor says under which license the plugin is.",
        source: "descriptor" },
    Check { id: "PKG-010", level: Level::Must, needs: Needs::File, run: hardware_types_are_whole,
        requirement: "Every hardware type supports at least one power and one management implementation.",
        source: "Ironic's driver factory: core interfaces" },
    Check { id: "PKG-011", level: Level::Must, needs: Needs::File, run: implementations_are_reachable,
        requirement: "Every implementation is supported by a hardware type of the plugin.",
        source: "Ironic's driver factory: only supported implementations are used" },
    Check { id: "PKG-012", level: Level::Should, needs: Needs::File, run: runs_on_old_processors,
        requirement: "The library is built for the baseline of its architecture.",
        source: "load step 6" },
    Check { id: "PKG-013", level: Level::Must, needs: Needs::File, run: has_what_is_expected,
        requirement: "The plugin implements every method its profile expects.",
        source: "the profile" },
];

fn is_a_plugin(bench: &Bench) -> Judgement {
    match &bench.candidate()?.descriptor {
        Ok(_) => Ok(()),
        // The kit's own directory, not the plugin's fault.
        Err(error @ (LoadError::NoExec { .. } | LoadError::UntrustedDirectory { .. })) => {
            not_run(format!("{}; set `TMPDIR` to another directory", Chain(error)))
        }
        Err(error) => failed(format!("step {}: {}", error.step(), Chain(error))),
    }
}

fn exports_one_symbol(bench: &Bench) -> Judgement {
    let exported: Vec<String> = symbols(bench.bytes())
        .into_iter()
        .filter(|symbol| symbol.defined)
        .map(|symbol| symbol.name)
        .collect();
    if !exported.iter().any(|name| name == ROOT_SYMBOL) {
        return failed("it exports no root module");
    }
    let others: Vec<&str> = exported.iter().map(String::as_str).filter(|name| *name != ROOT_SYMBOL).collect();
    if others.is_empty() { Ok(()) } else { failed(format!("it also exports `{}`", others.join("`, `"))) }
}

fn leaves_the_process_alone(bench: &Bench) -> Judgement {
    let imported: Vec<String> = symbols(bench.bytes())
        .into_iter()
        .filter(|symbol| !symbol.defined && FORBIDDEN.contains(&symbol.name.as_str()))
        .map(|symbol| symbol.name)
        .collect();
    if imported.is_empty() { Ok(()) } else { failed(format!("it imports `{}`", imported.join("`, `"))) }
}

fn runs_on_old_systems(bench: &Bench) -> Judgement {
    let allowed = &bench.profile().limits.glibc;
    let Some(limit) = version(allowed) else {
        return not_run(format!("`{allowed}` in the profile is no version"));
    };
    match newest_glibc(bench.bytes()) {
        Some(needed) if limit < needed => {
            failed(format!("it needs GLIBC {}.{}, allowed is {allowed}", needed.0, needed.1))
        }
        Some(_) | None => Ok(()),
    }
}

/// The newest version of the C library that is named beside the symbols.
fn newest_glibc(file: &[u8]) -> Option<(u32, u32)> {
    texts(file).iter().filter_map(|text| version(text.strip_prefix("GLIBC_")?)).max()
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn is_small(bench: &Bench) -> Judgement {
    let (size, limit) = (size_in_memory(bench.bytes()), bench.profile().limits.size_mib);
    if size <= limit * MIB {
        return Ok(());
    }
    failed(format!("it takes {} MiB, allowed are {limit}", size.div_ceil(MIB)))
}

/// Every property and option with where it is.
fn values(descriptor: &Descriptor) -> Vec<(String, &PropertyDescriptor)> {
    let of_interfaces = descriptor.interfaces.iter().flat_map(|interface| {
        let place = format!("{} `{}`", interface.kind, interface.name);
        interface.properties.iter().map(move |property| (format!("property of {place}"), property))
    });
    of_interfaces.chain(descriptor.options.iter().map(|option| ("option".to_owned(), option))).collect()
}

fn describes_properties(bench: &Bench) -> Judgement {
    let silent =
        values(bench.descriptor()?).into_iter().filter(|(_, value)| value.description.trim().is_empty());
    none_of(
        &silent
            .map(|(place, value)| format!("{place} `{}` has no description", value.name))
            .collect::<Vec<_>>(),
    )
}

fn describes_steps(bench: &Bench) -> Judgement {
    let mut faults = Vec::new();
    for interface in &bench.descriptor()?.interfaces {
        for step in &interface.steps {
            let place = format!("step `{}.{}`", interface.kind, step.step);
            if step.doc.trim().is_empty() {
                faults.push(format!("{place} has no description"));
            }
            let silent = step.args.iter().filter(|(_, argument)| argument.description.trim().is_empty());
            faults.extend(silent.map(|(name, _)| format!("argument `{name}` of {place} has no description")));
        }
        let silent = interface.vendor_methods.iter().filter(|method| method.description.trim().is_empty());
        faults.extend(silent.map(|method| format!("vendor method `{}` has no description", method.name)));
    }
    none_of(&faults)
}

fn marks_secrets(bench: &Bench) -> Judgement {
    let open = values(bench.descriptor()?).into_iter().filter(|(_, value)| {
        let name = value.name.to_ascii_lowercase();
        !value.secret && value.kind != "boolean" && SECRET_WORDS.iter().any(|word| name.contains(word))
    });
    none_of(
        &open
            .map(|(place, value)| format!("{place} `{}` is not marked secret", value.name))
            .collect::<Vec<_>>(),
    )
}

fn says_its_license(bench: &Bench) -> Judgement {
    if bench.descriptor()?.license.trim().is_empty() { failed("`license` is empty") } else { Ok(()) }
}

fn hardware_types_are_whole(bench: &Bench) -> Judgement {
    let descriptor = bench.descriptor()?;
    if descriptor.hardware_types.is_empty() {
        return not_applicable("it offers no hardware type");
    }
    let mut faults = Vec::new();
    for (name, supported) in &descriptor.hardware_types {
        for kind in [InterfaceType::Power, InterfaceType::Management] {
            if supported.get(&kind).is_none_or(Vec::is_empty) {
                faults.push(format!("hardware type `{name}` supports no {kind} implementation"));
            }
        }
    }
    none_of(&faults)
}

fn implementations_are_reachable(bench: &Bench) -> Judgement {
    let descriptor = bench.descriptor()?;
    if descriptor.hardware_types.is_empty() {
        return not_applicable("it offers no hardware type, its implementations are for others");
    }
    let lost = descriptor.interfaces.iter().filter(|interface| {
        let lists = descriptor.hardware_types.values().filter_map(|supported| supported.get(&interface.kind));
        !lists.flatten().any(|name| interface.answers_to(name))
    });
    none_of(
        &lost
            .map(|interface| format!("no hardware type supports {} `{}`", interface.kind, interface.name))
            .collect::<Vec<_>>(),
    )
}

fn runs_on_old_processors(bench: &Bench) -> Judgement {
    let cpu = &bench.descriptor()?.cpu;
    let more: Vec<&str> =
        cpu.iter().map(String::as_str).filter(|name| !CPU_BASELINE.contains(name)).collect();
    if more.is_empty() { Ok(()) } else { failed(format!("it is built to use {}", more.join(", "))) }
}

fn has_what_is_expected(bench: &Bench) -> Judgement {
    let expected = &bench.profile().expect;
    if expected.is_empty() {
        return Err(Finding::NotApplicable("the profile expects nothing in particular".to_owned()));
    }
    let descriptor = bench.descriptor()?;
    let mut faults = Vec::new();
    for (kind, methods) in expected {
        let interfaces = descriptor.interfaces.iter().filter(|interface| interface.kind == *kind);
        let offered: Vec<_> = interfaces.collect();
        let lacking =
            methods.iter().filter(|method| !offered.iter().any(|one| one.methods.contains(*method)));
        faults.extend(lacking.map(|method| format!("no {kind} implementation has `{method}`")));
    }
    none_of(&faults)
}
