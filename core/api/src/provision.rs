//! Requests that move a node through its life.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::argument;
use crate::boolean;
use crate::error::{ErrorName, Fault};
use crate::literal::quoted;
use crate::version::Microversion;
use crate::version::table::{
    ABORT_DEPLOY_WAIT, ABORT_INSPECT_WAIT, CONFIGDRIVE_OBJECT, Kind, REBUILD_CONFIGDRIVE,
    SERVICE_DISABLE_RAMDISK, Topic,
};

/// A member of a request besides the target.
struct Member {
    name: &'static str,
    /// The verbs it goes with, as the client spells them.
    verbs: &'static [&'static str],
    /// Those verbs, as refusals name them.
    told: &'static str,
    /// Verbs that need it or, if they take one, a runbook.
    needed: &'static [&'static str],
}

const DEPLOY: &[&str] = &["active", "deploy", "rebuild"];

#[rustfmt::skip]
const MEMBERS: &[Member] = &[
    Member { name: "configdrive", verbs: DEPLOY, told: "active, deploy or rebuild", needed: &[] },
    Member { name: "deploy_steps", verbs: DEPLOY, told: "active, deploy or rebuild", needed: &[] },
    Member { name: "clean_steps", verbs: &["clean"], told: "clean", needed: &["clean"] },
    Member { name: "service_steps", verbs: &["service"], told: "service", needed: &["service"] },
    Member { name: "rescue_password", verbs: &["rescue"], told: "rescue", needed: &["rescue"] },
    Member { name: "disable_ramdisk", verbs: &["clean", "service"], told: "clean or service", needed: &[] },
    Member { name: "runbook", verbs: &["clean", "service"], told: "clean or service", needed: &[] },
    // next member above this line
];

/// What a config drive that the server is to build may be made of.
const CONFIGDRIVE_PARTS: &[&str] = &["meta_data", "network_data", "user_data", "vendor_data"];

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

/// A body whose target is known and whose other members were not looked at yet: whether the node allows the verb
/// comes before them.
#[derive(Clone, PartialEq)]
pub struct UncheckedProvisionRequest {
    /// The verb as the client spells it.
    pub target: String,
    arguments: Map<String, Value>,
}

impl UncheckedProvisionRequest {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// 400: no target, or an unknown member.
    pub fn read(body: &Value) -> Result<Self, Fault> {
        let known: Vec<&str> =
            std::iter::once("target").chain(MEMBERS.iter().map(|member| member.name)).collect();
        let arguments = argument::read(body, &known, &["target"])?;
        match argument::text(&arguments, "target")? {
            Some(target) => Ok(Self { target, arguments }),
            None => Err(Fault::missing_parameter("target")),
        }
    }

    /// Checks whether `version` knows the verb for a node in `state`, and the members.
    ///
    /// # Errors
    ///
    /// 406: the verb, one of its uses or a member is newer.
    pub fn check_version(&self, version: Microversion, state: &str) -> Result<(), Fault> {
        let has = |kind, name: &str| version.has(Topic::Provision, kind, name);
        let abort = self.target == "abort";
        let drive = self.arguments.get("configdrive").filter(|value| !value.is_null());
        let newer = !has(Kind::Verb, &self.target)
            || self.arguments.keys().any(|name| !has(Kind::Parameter, name))
            || (abort && state == "inspect wait" && !has(Kind::Behavior, ABORT_INSPECT_WAIT))
            || (abort && state == "wait call-back" && !has(Kind::Behavior, ABORT_DEPLOY_WAIT))
            || (self.target == "rebuild" && drive.is_some() && !has(Kind::Behavior, REBUILD_CONFIGDRIVE))
            || (drive.is_some_and(Value::is_object) && !has(Kind::Behavior, CONFIGDRIVE_OBJECT))
            || (self.target == "service"
                && self.arguments.contains_key("disable_ramdisk")
                && !has(Kind::Behavior, SERVICE_DISABLE_RAMDISK));
        if newer { Err(Fault::not_acceptable()) } else { Ok(()) }
    }

    /// Checks the members, as far as that needs neither node nor driver.
    ///
    /// # Errors
    ///
    /// 400: a member of the wrong type or with a verb it does not go with, or one that the verb needs is missing.
    pub fn check(self) -> Result<ProvisionRequest, Fault> {
        let Self { target, arguments } = self;
        let given = |name: &str| arguments.get(name).is_some_and(|value| !value.is_null());
        for Member { name, verbs, told, .. } in MEMBERS {
            if given(name) && !verbs.contains(&target.as_str()) {
                let text = format!("\"{name}\" is only valid when setting target provision state to {told}");
                return Err(Fault::new(ErrorName::ClientSideError, text));
            }
        }
        let steps_given = MEMBERS.iter().any(|member| member.name.ends_with("_steps") && given(member.name));
        if given("runbook") && steps_given {
            let text = "A runbook and steps can not be given together";
            return Err(Fault::new(ErrorName::ClientSideError, text));
        }
        let request = ProvisionRequest {
            configdrive: configdrive(&arguments)?,
            deploy_steps: steps(&arguments, "deploy_steps")?,
            clean_steps: steps(&arguments, "clean_steps")?,
            service_steps: steps(&arguments, "service_steps")?,
            rescue_password: argument::text(&arguments, "rescue_password")?,
            disable_ramdisk: flag(&arguments, "disable_ramdisk")?,
            runbook: argument::text(&arguments, "runbook")?,
            target,
        };
        request.check_needed()?;
        Ok(request)
    }
}

impl fmt::Debug for UncheckedProvisionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UncheckedProvisionRequest").field("target", &self.target).finish_non_exhaustive()
    }
}

impl ProvisionRequest {
    /// Reads and checks a body for a node of which nothing is known.
    ///
    /// # Errors
    ///
    /// Those of [`UncheckedProvisionRequest`].
    pub fn parse(version: Microversion, body: &Value) -> Result<Self, Fault> {
        let request = UncheckedProvisionRequest::read(body)?;
        request.check_version(version, "")?;
        request.check()
    }

    /// The steps for the target.
    pub fn steps(&self) -> Option<&[Value]> {
        let steps = self.deploy_steps.as_ref().or(self.clean_steps.as_ref()).or(self.service_steps.as_ref());
        steps.map(Vec::as_slice)
    }

    /// Refuses a verb without what it needs; an empty list or text is nothing.
    fn check_needed(&self) -> Result<(), Fault> {
        let none =
            |steps: &Option<Vec<Value>>| steps.as_ref().is_none_or(Vec::is_empty) && self.runbook.is_none();
        for Member { name, told, needed, .. } in MEMBERS {
            let missing = match *name {
                "clean_steps" => none(&self.clean_steps),
                "service_steps" => none(&self.service_steps),
                "rescue_password" => self.rescue_password.as_deref().is_none_or(str::is_empty),
                _ => false,
            };
            if missing && needed.contains(&self.target.as_str()) {
                let kind = if *name == "rescue_password" { "A non-empty " } else { "" };
                let text =
                    format!("{kind}\"{name}\" is required when setting target provision state to {told}");
                return Err(Fault::new(ErrorName::ClientSideError, text));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ProvisionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvisionRequest").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Reads a config drive: an address, text in base64, or an object of its parts.
fn configdrive(arguments: &Map<String, Value>) -> Result<Option<Value>, Fault> {
    let wrong = |problem: String| Err(Fault::schema("configdrive", problem));
    match arguments.get("configdrive") {
        None | Some(Value::Null) => Ok(None),
        Some(text @ Value::String(_)) => Ok(Some(text.clone())),
        Some(Value::Object(parts)) => {
            let unknown = parts.keys().find(|name| !CONFIGDRIVE_PARTS.contains(&name.as_str()));
            if let Some(unknown) = unknown {
                return wrong(format!(
                    "Additional properties are not allowed ({} was unexpected)",
                    quoted(unknown)
                ));
            }
            let mapping = |name: &&&str| **name != "user_data";
            let wrong_part = CONFIGDRIVE_PARTS
                .iter()
                .filter(mapping)
                .find(|name| parts.get(**name).is_some_and(|value| !value.is_object() && !value.is_null()));
            match wrong_part {
                Some(name) => wrong(format!("{} is not of type 'object', 'null'", quoted(name))),
                None => Ok(Some(Value::Object(parts.clone()))),
            }
        }
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
            wrong("the value is not of type 'object', 'string', 'null'".to_owned())
        }
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
            refused(72, json!({"target": "clean"})),
            refused(72, json!({"target": "clean", "clean_steps": []})),
            refused(72, json!({"target": "clean", "clean_steps": {}})),
            refused(72, json!({"target": "clean", "clean_steps": [1]})),
            refused(115, json!({"target": "service"})),
            refused(115, json!({"target": "clean", "clean_steps": [{}], "runbook": "r"})),
            refused(72, json!({"target": "rescue"})),
            refused(72, json!({"target": "rescue", "rescue_password": ""})),
            refused(72, json!({"target": "manage", "rescue_password": "hunter2"})),
            refused(72, json!({"target": "manage", "configdrive": "x"})),
            refused(72, json!({"target": "active", "configdrive": ["hunter2"]})),
            refused(72, json!({"target": "active", "configdrive": {"bogus": 1}})),
            refused(72, json!({"target": "active", "configdrive": {"meta_data": "hunter2"}})),
            refused(72, json!({"target": "manage", "bogus": 1})),
        ];

        insta::assert_snapshot!(refusals.join("\n"), @r#"
    400 Missing mandatory parameter: target
    400 "clean_steps" is only valid when setting target provision state to clean
    400 "clean_steps" is required when setting target provision state to clean
    400 "clean_steps" is required when setting target provision state to clean
    400 Expected a list of objects for 'clean_steps'
    400 Expected a list of objects for 'clean_steps'
    400 "service_steps" is required when setting target provision state to service
    400 A runbook and steps can not be given together
    400 A non-empty "rescue_password" is required when setting target provision state to rescue
    400 A non-empty "rescue_password" is required when setting target provision state to rescue
    400 "rescue_password" is only valid when setting target provision state to rescue
    400 "configdrive" is only valid when setting target provision state to active, deploy or rebuild
    400 Schema error for configdrive: the value is not of type 'object', 'string', 'null'
    400 Schema error for configdrive: Additional properties are not allowed ('bogus' was unexpected)
    400 Schema error for configdrive: 'meta_data' is not of type 'object', 'null'
    400 Unexpected arguments: bogus
    "#);
    }

    #[test]
    fn what_is_newer_than_the_version_is_not_acceptable() {
        for (minor, body) in [
            (3, json!({"target": "manage"})),
            (16, json!({"target": "adopt"})),
            (72, json!({"target": "deploy"})),
            (84, json!({"target": "unhold"})),
            (68, json!({"target": "active", "deploy_steps": []})),
            (34, json!({"target": "rebuild", "configdrive": "x"})),
            (55, json!({"target": "active", "configdrive": {}})),
            (107, json!({"target": "service", "service_steps": [{}], "disable_ramdisk": true})),
            (91, json!({"target": "clean", "runbook": "x"})),
        ] {
            assert_eq!(refused(minor, body.clone()), "406 Request not acceptable.", "{body}");
            assert!(ProvisionRequest::parse(Microversion::new(minor + 1), &body).is_ok(), "{body}");
        }
    }

    #[test]
    fn abort_came_state_by_state() {
        let abort = UncheckedProvisionRequest::read(&json!({"target": "abort"})).unwrap();
        for (minor, state) in [(13, "clean wait"), (41, "inspect wait"), (110, "wait call-back")] {
            let allowed = |minor| abort.check_version(Microversion::new(minor), state).is_ok();
            assert!(!allowed(minor - 1) && allowed(minor), "{state}");
        }
    }

    #[test]
    fn debug_output_shows_no_password() {
        let request =
            ProvisionRequest::parse(MAX, &json!({"target": "rescue", "rescue_password": "hunter2"})).unwrap();

        assert_eq!(format!("{request:?}"), r#"ProvisionRequest { target: "rescue", .. }"#);
    }
}
