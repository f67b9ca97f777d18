//! `IFC`: interface types that a plugin alone cannot show at work, for they need a network, volumes or an agent:
//! deploy, network, storage, rescue. That nodes are accepted is for `CON` to see.

use farrier_sdk::interface::InterfaceType;
use serde_json::{Value, json};

use super::stand::{self, Looks, Stand};
use crate::bench::{Bench, sample};
use crate::check::{Check, Judgement, Level, Needs, none_of, not_applicable};

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "IFC-001", level: Level::Must, needs: Needs::Machine, run: answers_have_a_shape,
        requirement: "What deploy, network and storage tell of a node has the shape that the conductor reads.",
        source: "DeployInterface, NetworkInterface, StorageInterface" },
    Check { id: "IFC-002", level: Level::Must, needs: Needs::MachineChanged, run: rescue_goes_there_and_back,
        requirement: "`rescue` and then `unrescue` come to their end or wait for an agent, and `clean_up` succeeds before and after them, also a second time.",
        source: "RescueInterface; Ironic: what has failed halfway is cleaned up too" },
];

const KINDS: [InterfaceType; 3] = [InterfaceType::Deploy, InterfaceType::Network, InterfaceType::Storage];

/// Whether an answer has its shape.
type Fits = fn(&Value) -> bool;

/// Methods that tell something, and what they may answer.
#[rustfmt::skip]
const SHAPES: [(&str, Fits); 8] = [
    ("supports_deploy", Value::is_boolean),
    ("switch_interface", is_name),
    ("vif_list", is_list_of_vifs),
    ("get_current_vif", is_name),
    ("need_power_on", Value::is_boolean),
    ("get_node_network_data", Value::is_object),
    ("get_capabilities", is_list_of_words),
    ("should_write_image", Value::is_boolean),
    // next method above this line
];

fn is_name(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|name| !name.is_empty())
}

fn is_list_of_words(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

fn is_list_of_vifs(value: &Value) -> bool {
    let has_id = |vif: &Value| vif.get("id").is_some_and(Value::is_string);
    value.as_array().is_some_and(|list| list.iter().all(has_id))
}

/// Looks at all of these types that the plugin has.
fn each(bench: &Bench, look: impl Fn(&Stand) -> Judgement) -> Judgement {
    let mut looks = Looks::default();
    for kind in KINDS {
        looks.take(stand::each(bench, kind, &look))?;
    }
    looks.judgement_or("it has nothing to tell of deploy, network and storage")
}

fn answers_have_a_shape(bench: &Bench) -> Judgement {
    each(bench, |stand| {
        let (mut faults, mut looked) = (Vec::new(), false);
        for (method, fits) in SHAPES.iter().filter(|(method, _)| stand.has(method)) {
            looked = true;
            let answer = stand.ask(method, &sample(method))?;
            if !fits(&answer) {
                faults.push(format!("`{method}` answered {answer}"));
            }
        }
        if looked { none_of(&faults) } else { not_applicable("it tells nothing") }
    })
}

fn rescue_goes_there_and_back(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Rescue, |stand| {
        stand.needs(&["rescue", "unrescue"])?;
        let clean_up = || {
            for _ in 0..2 {
                if stand.has("clean_up") {
                    stand.ask("clean_up", &json!({}))?;
                }
            }
            Ok(())
        };
        clean_up()?;
        let rescued = stand.make("rescue", &json!({}));
        // Whatever became of it, the machine is brought back.
        let back = stand.make("unrescue", &json!({}));
        let cleaned = clean_up();
        rescued.and(back).and(cleaned)
    })
}
