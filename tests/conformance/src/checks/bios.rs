//! `BIO`: BIOS settings, on a machine.

use std::collections::{BTreeMap, BTreeSet};

use farrier_sdk::interface::InterfaceType;
use serde_json::{Value, json};

use super::stand::{self, Stand};
use crate::bench::Bench;
use crate::check::{Check, Finding, Judgement, Level, Needs, failed, not_applicable, not_run};

/// A setting that no machine has.
const UNKNOWN: &str = "KitUnknownSetting";

/// Words that stand for each other's opposite.
const OPPOSITES: [(&str, &str); 3] = [("Enabled", "Disabled"), ("On", "Off"), ("Yes", "No")];

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "BIO-001", level: Level::Must, needs: Needs::Machine, run: settings_have_a_shape,
        requirement: "`cache_bios_settings` answers settings with a name and a plain value, none of them twice.",
        source: "BiosInterface::cache_bios_settings" },
    Check { id: "BIO-002", level: Level::Must, needs: Needs::MachineChanged, run: a_setting_is_changed,
        requirement: "When `apply_configuration` has ended, a setting has its new value; and the old one when that was asked for again.",
        source: "BiosInterface::apply_configuration" },
    Check { id: "BIO-003", level: Level::Must, needs: Needs::MachineChanged, run: unknown_settings_are_refused,
        requirement: "A setting that the machine does not have is refused as `invalid_parameter` and named.",
        source: "BiosInterface::apply_configuration, errors" },
    Check { id: "BIO-004", level: Level::Must, needs: Needs::MachineChanged, run: refused_as_a_whole,
        requirement: "Of settings that were refused for one among them, none is in effect after the next start.",
        source: "Ironic's clean steps: what has failed is not half done" },
    Check { id: "BIO-005", level: Level::Must, needs: Needs::MachineChanged, run: repeats,
        requirement: "Settings that the machine already has can be applied, and stay as they are.",
        source: "BiosInterface::apply_configuration: the conductor repeats what it is not sure of" },
    Check { id: "BIO-006", level: Level::Must, needs: Needs::MachineChanged, run: resets,
        requirement: "After `factory_reset` a setting has the same value, whatever it was before.",
        source: "BiosInterface::factory_reset" },
];

/// Something that can be changed, there and back.
struct Change {
    name: String,
    /// Nothing when the machine did not have it.
    before: Option<Value>,
    after: Value,
}

fn settings(stand: &Stand) -> Result<BTreeMap<String, Value>, Finding> {
    let answer = stand.ask("cache_bios_settings", &json!({}))?;
    let read = |setting: &Value| {
        let name = setting.get("name")?.as_str()?.to_owned();
        Some((name, setting.get("value")?.clone()))
    };
    match answer.as_array().map(|list| list.iter().map(read).collect()) {
        Some(Some(settings)) => Ok(settings),
        _ => failed(format!("`cache_bios_settings` answered {answer}")),
    }
}

/// One setting that may be changed: the profile's, or one whose values are known.
fn change(stand: &Stand) -> Result<Change, Finding> {
    stand.needs(&["cache_bios_settings", "apply_configuration"])?;
    let now = settings(stand)?;
    if let Some((name, after)) = stand.bench.profile().bios_settings.iter().next() {
        let before = now.get(name).cloned();
        if before.as_ref() == Some(after) {
            return not_run(format!(
                "the machine's `{name}` is what `bios_settings` of the profile would make it"
            ));
        }
        return Ok(Change { name: name.clone(), before, after: after.clone() });
    }
    let found = now.iter().find_map(|(name, value)| Some((name, value, opposite(value)?)));
    match found {
        Some((name, before, after)) => Ok(Change { name: name.clone(), before: Some(before.clone()), after }),
        None => match stand.bench.profile().absence(InterfaceType::Bios, "apply_configuration") {
            Some(reason) => {
                Err(Finding::Absent(format!("not applicable: {reason}; the plugin knows none to change")))
            }
            None => not_run("the profile names none of `bios_settings` that may be changed"),
        },
    }
}

fn opposite(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(set) => Some(Value::Bool(!set)),
        Value::String(word) => OPPOSITES
            .iter()
            .flat_map(|(one, other)| [(one, other), (other, one)])
            .find_map(|(one, other)| (word == one).then(|| Value::from(*other))),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn list(settings: &[(&str, &Value)]) -> Value {
    let list: Vec<Value> =
        settings.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"settings": list})
}

fn apply(stand: &Stand, name: &str, value: &Value) -> Judgement {
    stand.make("apply_configuration", &list(&[(name, value)]))
}

fn expect(stand: &Stand, name: &str, value: &Value, when: &str) -> Judgement {
    match settings(stand)?.get(name) {
        Some(now) if now == value => Ok(()),
        now => failed(format!("{when} `{name}` is {} instead of {value}", now.unwrap_or(&Value::Null))),
    }
}

/// Puts back what was there before, whatever was found meanwhile.
fn restoring(stand: &Stand, look: impl FnOnce() -> Judgement) -> Judgement {
    let before = settings(stand)?;
    let finding = look();
    let now = settings(stand)?;
    let differing: Vec<(&str, &Value)> = before
        .iter()
        .filter(|(name, value)| now.get(*name).is_some_and(|now| now != *value))
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    let restored =
        if differing.is_empty() { Ok(()) } else { stand.make("apply_configuration", &list(&differing)) };
    finding.and(restored)
}

fn settings_have_a_shape(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Bios, |stand| {
        stand.needs(&["cache_bios_settings"])?;
        let answer = stand.ask("cache_bios_settings", &json!({}))?;
        let Some(list) = answer.as_array() else { return failed(format!("they are {answer}")) };
        let mut names = BTreeSet::new();
        for setting in list {
            let name = setting.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
            let plain = setting.get("value").is_some_and(|value| !value.is_object() && !value.is_array());
            match name {
                Some(name) if plain && names.insert(name) => {}
                Some(name) if plain => return failed(format!("`{name}` is there twice")),
                _ => return failed(format!("{setting} is no setting")),
            }
        }
        Ok(())
    })
}

fn a_setting_is_changed(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Bios, |stand| {
        let change = change(stand)?;
        restoring(stand, || {
            apply(stand, &change.name, &change.after)?;
            expect(stand, &change.name, &change.after, "after `apply_configuration`")?;
            let Some(before) = &change.before else { return Ok(()) };
            apply(stand, &change.name, before)?;
            expect(stand, &change.name, before, "when it was changed back")
        })
    })
}

fn unknown_settings_are_refused(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Bios, |stand| {
        stand.needs(&["apply_configuration"])?;
        let answer = stand.finish("apply_configuration", &list(&[(UNKNOWN, &json!("Enabled"))]))?;
        stand.is_refusal("apply_configuration", &format!("setting `{UNKNOWN}`"), answer, &[UNKNOWN])
    })
}

fn refused_as_a_whole(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Bios, |stand| {
        let change = change(stand)?;
        let Some(before) = &change.before else { return not_applicable("its settings are not there before") };
        restoring(stand, || {
            let both = list(&[(&change.name, &change.after), (UNKNOWN, &json!("Enabled"))]);
            if stand.finish("apply_configuration", &both)?.is_ok() {
                return not_applicable("it refuses no setting");
            }
            let timeout = stand.session.patience().as_secs();
            match stand.sibling(InterfaceType::Power, "reboot", &json!({"timeout": timeout})) {
                Some(Err(error)) => failed(format!("`reboot`: {error}")),
                _ => expect(stand, &change.name, before, "after settings were refused"),
            }
        })
    })
}

fn repeats(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Bios, |stand| {
        let change = change(stand)?;
        let value = change.before.as_ref().unwrap_or(&change.after);
        restoring(stand, || {
            for _ in 0..2 {
                apply(stand, &change.name, value)?;
                expect(stand, &change.name, value, "after it was asked for once more")?;
            }
            Ok(())
        })
    })
}

fn resets(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Bios, |stand| {
        stand.needs(&["factory_reset"])?;
        let change = change(stand)?;
        restoring(stand, || {
            let now = || Ok(settings(stand)?.get(&change.name).cloned());
            let reset_from = |value: Option<&Value>| {
                let before = now()?;
                if let Some(value) = value.filter(|value| before.as_ref() != Some(value)) {
                    apply(stand, &change.name, value)?;
                }
                stand.make("factory_reset", &json!({}))?;
                now()
            };
            let (one, other) = (reset_from(Some(&change.after))?, reset_from(change.before.as_ref())?);
            if one == other && (change.before.is_some() || one.as_ref() != Some(&change.after)) {
                return Ok(());
            }
            let told = |value: Option<Value>| value.unwrap_or_default();
            failed(format!(
                "`{}` is {} or {} afterwards, as it was before",
                change.name,
                told(one),
                told(other)
            ))
        })
    })
}
