//! Requests that move a node through its life.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::argument;
use crate::boolean;
use crate::error::Fault;
use crate::literal::quoted;
use crate::version::Microversion;
use crate::version::table::{Kind, Topic};

/// The verbs that go with each member besides the target.
#[rustfmt::skip]
const MEMBERS: &[(&str, &[&str])] = &[
    ("configdrive", &["active", "deploy", "rebuild"]),
    ("deploy_steps", &["active", "deploy", "rebuild"]),
    ("clean_steps", &["clean"]),
    ("service_steps", &["service"]),
    ("rescue_password", &["rescue"]),
    ("disable_ramdisk", &["clean", "service"]),
    ("runbook", &["clean", "service"]),
    // next member above this line
];

/// What `PUT /v1/nodes/ID/states/provision` says; its `Debug` shows neither config drive nor password.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct ProvisionRequest {
    /// The verb; one that is unknown is refused with the node's state, which this crate does not know.
    pub target: String,
    /// An address, text in base64, or an object of which the server builds the drive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configdrive: Option<Value>,
    /// Steps of a deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deploy_steps: Option<Vec<Value>>,
    /// Steps of a manual cleaning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clean_steps: Option<Vec<Value>>,
    /// Steps of a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_steps: Option<Vec<Value>>,
    /// The password of the rescue system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescue_password: Option<String>,
    /// Whether to do without the ramdisk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_ramdisk: Option<bool>,
    /// Name or UUID of a runbook that has the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
}

impl ProvisionRequest {
    /// Reads and checks a body, as far as that needs neither node nor driver.
    ///
    /// # Errors
    ///
    /// - 400: no target, an unknown member, one of the wrong type or with a verb it does not go with.
    /// - 406: the verb or a member is newer than `version`.
    pub fn parse(version: Microversion, body: &Value) -> Result<Self, Fault> {
        let known: Vec<&str> =
            std::iter::once("target").chain(MEMBERS.iter().map(|(name, _)| *name)).collect();
        let arguments = argument::read(body, &known, &["target"])?;
        let Some(target) = argument::text(&arguments, "target")? else {
            return Err(Fault::missing_parameter("target"));
        };
        let newer = !version.has(Topic::Provision, Kind::Verb, &target)
            || arguments.keys().any(|name| !version.has(Topic::Provision, Kind::Parameter, name));
        if newer {
            return Err(Fault::not_acceptable());
        }
        for (name, verbs) in MEMBERS {
            let given = arguments.get(*name).is_some_and(|value| !value.is_null());
            if given && !verbs.contains(&target.as_str()) {
                return Err(Fault::invalid(format!(
                    "\"{name}\" only goes with the target {}",
                    verbs.join(", ")
                )));
            }
        }
        Ok(Self {
            configdrive: arguments.get("configdrive").filter(|value| !value.is_null()).cloned(),
            deploy_steps: steps(&arguments, "deploy_steps")?,
            clean_steps: steps(&arguments, "clean_steps")?,
            service_steps: steps(&arguments, "service_steps")?,
            rescue_password: argument::text(&arguments, "rescue_password")?,
            disable_ramdisk: flag(&arguments, "disable_ramdisk")?,
            runbook: argument::text(&arguments, "runbook")?,
            target,
        })
    }
}

impl fmt::Debug for ProvisionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvisionRequest").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Reads a list of steps, each an object; what a step holds is the step's own matter.
fn steps(arguments: &Map<String, Value>, name: &str) -> Result<Option<Vec<Value>>, Fault> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) if items.iter().all(Value::is_object) => Ok(Some(items.clone())),
        Some(_) => Err(Fault::invalid(format!("Expected a list of objects for {}", quoted(name)))),
    }
}

/// Reads an optional boolean.
fn flag(arguments: &Map<String, Value>, name: &str) -> Result<Option<bool>, Fault> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => boolean::from_value(name, value).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::version::MAX;

    fn refused(minor: u16, body: Value) -> String {
        let fault = ProvisionRequest::parse(Microversion::new(minor), &body).unwrap_err();
        format!("{} {fault}", fault.code())
    }

    #[test]
    fn a_verb_and_its_steps_are_read() {
        let body =
            json!({"target": "clean", "clean_steps": [{"interface": "bios", "step": "factory_reset"}]});

        let request = ProvisionRequest::parse(MAX, &body).unwrap();

        assert_eq!(serde_json::to_value(&request).unwrap(), body);
    }

    #[test]
    fn wrong_requests_are_refused() {
        let refusals = [
            refused(72, json!({})),
            refused(72, json!({"target": "manage", "clean_steps": []})),
            refused(72, json!({"target": "clean", "clean_steps": {}})),
            refused(72, json!({"target": "clean", "clean_steps": [1]})),
            refused(10, json!({"target": "adopt"})),
            refused(68, json!({"target": "active", "deploy_steps": []})),
        ];

        insta::assert_snapshot!(refusals.join("\n"), @r#"
        400 Missing mandatory parameter: target
        400 "clean_steps" only goes with the target clean
        400 Expected a list of objects for 'clean_steps'
        400 Expected a list of objects for 'clean_steps'
        406 Request not acceptable.
        406 Request not acceptable.
        "#);
    }

    #[test]
    fn debug_output_shows_no_password() {
        let request =
            ProvisionRequest::parse(MAX, &json!({"target": "rescue", "rescue_password": "hunter2"})).unwrap();

        assert_eq!(format!("{request:?}"), r#"ProvisionRequest { target: "rescue", .. }"#);
    }
}
