//! What the deploy agent says and hears: looking its node up, calling, handing over what it found.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::argument;
use crate::error::Fault;
use crate::identity::is_uuid;
use crate::schema::object;
use crate::secret::MASK;
use crate::version::Microversion;
use crate::version::table::{Kind, Topic};

/// The members of a node that its agent is shown.
pub const LOOKUP_FIELDS: &[&str] = &["uuid", "properties", "instance_info", "driver_internal_info"];

/// How long an agent has until its next call unless it is told otherwise, in seconds.
pub const HEARTBEAT_TIMEOUT: u64 = 300;

/// The body that an inspection hands over besides its plugins' data.
const INVENTORY: &str = "inventory";

/// What `GET /v1/lookup` asks with; what is no MAC address is left to the server to leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookupQuery {
    /// MAC addresses of the machine.
    pub addresses: Vec<String>,
    /// The node, if the agent was told.
    pub node_uuid: Option<String>,
}

impl LookupQuery {
    /// Reads the arguments of a query.
    ///
    /// # Errors
    ///
    /// 400: an unknown argument, or a UUID that is none.
    pub fn parse(arguments: &[(String, String)]) -> Result<Self, Fault> {
        let mut query = Self::default();
        let mut unexpected = Vec::new();
        for (name, text) in arguments {
            match name.as_str() {
                "addresses" => query.addresses = text.split(',').map(|item| item.trim().to_owned()).collect(),
                "node_uuid" => query.node_uuid = Some(checked_uuid(text)?),
                other => unexpected.push(other),
            }
        }
        if unexpected.is_empty() { Ok(query) } else { Err(Fault::unexpected_arguments(&unexpected)) }
    }
}

/// What an agent is to know of its surroundings, as `GET /v1/lookup` answers beside the node.
///
/// `token` is what proves the agent to the server; none when it was given away before.
pub fn config(token: Option<&str>) -> Map<String, Value> {
    let config = json!({
        "metrics": {
            "backend": "noop", "prepend_host": false, "prepend_uuid": false, "prepend_host_reverse": true,
            "global_prefix": null,
        },
        "metrics_statsd": {"statsd_host": "localhost", "statsd_port": 8125},
        "heartbeat_timeout": HEARTBEAT_TIMEOUT,
        "agent_containers": {
            "allow_arbitrary_containers": false, "allowed_containers": [],
            "container_steps_file": "/etc/ironic-python-agent.d/mysteps.yaml", "runner": "podman",
            "pull_options": [], "run_options": ["--rm", "--network=host"],
        },
        "agent_token": token.unwrap_or(MASK),
        "agent_token_required": true,
        "agent_md5_checksum_enable": true,
        "disable_deep_image_inspection": false,
        "permitted_image_formats": ["raw", "gpt", "qcow2", "iso"],
        "agent_skip_bmc_detect": false,
        "enable_bios_bootloader_install": false,
        "tls_min_version": "1.3",
        "tls_cipher_suites": null,
    });
    match config {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

/// What `POST /v1/heartbeat/ID` says; its `Debug` does not show the token.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members are the contract's and say what they mean")]
pub struct HeartbeatRequest {
    pub callback_url: String,
    pub agent_version: Option<String>,
    pub agent_token: Option<String>,
    pub agent_verify_ca: Option<String>,
    pub agent_status: Option<String>,
    pub agent_status_message: Option<String>,
}

impl std::fmt::Debug for HeartbeatRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeartbeatRequest").field("callback_url", &self.callback_url).finish_non_exhaustive()
    }
}

impl HeartbeatRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// - 400: no address, an unknown member, or one that is no text.
    /// - 406: a member is newer than `version`.
    pub fn parse(version: Microversion, body: &Value) -> Result<Self, Fault> {
        const CALLBACK: &str = "callback_url";
        const OTHERS: [&str; 5] =
            ["agent_version", "agent_token", "agent_verify_ca", "agent_status", "agent_status_message"];
        let known: Vec<&str> = std::iter::once(CALLBACK).chain(OTHERS).collect();
        let arguments = argument::read(body, &known, &[CALLBACK])?;
        if arguments.keys().any(|name| !version.has(Topic::Agent, Kind::Parameter, name)) {
            return Err(Fault::not_acceptable());
        }
        // A token that is no text is not quoted back.
        if arguments.get("agent_token").is_some_and(|token| !token.is_string() && !token.is_null()) {
            return Err(Fault::invalid("Expected string for agent_token"));
        }
        let text = |name| argument::text(&arguments, name);
        Ok(Self {
            callback_url: text(CALLBACK)?.ok_or_else(|| Fault::missing_parameter(CALLBACK))?,
            agent_version: text("agent_version")?,
            agent_token: text("agent_token")?,
            agent_verify_ca: text("agent_verify_ca")?,
            agent_status: text("agent_status")?,
            agent_status_message: text("agent_status_message")?,
        })
    }
}

/// What `POST /v1/continue_inspection` hands over.
#[derive(Clone, Default, PartialEq)]
pub struct InspectionData {
    /// The node, if the agent was told.
    pub node_uuid: Option<String>,
    /// The machine.
    pub inventory: Map<String, Value>,
    /// What else the agent found.
    pub plugin_data: Map<String, Value>,
}

impl std::fmt::Debug for InspectionData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InspectionData").field("node_uuid", &self.node_uuid).finish_non_exhaustive()
    }
}

impl InspectionData {
    /// Reads the query and the body.
    ///
    /// # Errors
    ///
    /// 400: no inventory, a body that is no mapping, an unknown argument, or a UUID that is none.
    pub fn parse(arguments: &[(String, String)], body: &Value) -> Result<Self, Fault> {
        let unexpected: Vec<&str> =
            arguments.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "node_uuid").collect();
        if !unexpected.is_empty() {
            return Err(Fault::unexpected_arguments(&unexpected));
        }
        let node_uuid = arguments.last().map(|(_, text)| checked_uuid(text)).transpose()?;
        let mut plugin_data = match body {
            Value::Object(members) => members.clone(),
            // What an agent found is not quoted back.
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(Fault::schema("inspection data", "the body is not of type 'object'"));
            }
        };
        let inventory = plugin_data.remove(INVENTORY).unwrap_or(Value::Null);
        if !inventory.is_object() {
            return Err(Fault::schema("inspection data", "'inventory' is a required object"));
        }
        let inventory = object("inventory", &inventory)?.clone();
        Ok(Self { node_uuid, inventory, plugin_data })
    }
}

fn checked_uuid(text: &str) -> Result<String, Fault> {
    if is_uuid(text) { Ok(text.to_owned()) } else { Err(Fault::invalid_uuid("node_uuid", text)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::MAX;

    const UUID: &str = "a1b2c3d4-0001-4000-8000-000000000001";

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_lookup_has_addresses_and_perhaps_a_uuid() {
        let query = LookupQuery::parse(&pairs(&[("addresses", "a, b"), ("node_uuid", UUID)])).unwrap();

        assert_eq!(
            (query.addresses, query.node_uuid.as_deref()),
            (vec!["a".to_owned(), "b".to_owned()], Some(UUID))
        );
        assert!(LookupQuery::parse(&pairs(&[("node_uuid", "x")])).is_err());
        assert!(LookupQuery::parse(&pairs(&[("x", "y")])).is_err());
    }

    #[test]
    fn a_token_is_told_once() {
        assert_eq!(config(Some("t"))["agent_token"], "t");
        assert_eq!(config(None)["agent_token"], MASK);
    }

    #[test]
    fn wrong_heartbeats_are_refused_without_their_token() {
        let refused =
            |minor, body| HeartbeatRequest::parse(Microversion::new(minor), &body).unwrap_err().to_string();
        let texts = [
            refused(115, json!({})),
            refused(115, json!({"callback_url": 1})),
            refused(115, json!({"callback_url": "u", "bogus": 1})),
            refused(115, json!({"callback_url": "u", "agent_token": ["hunter2"]})),
            refused(61, json!({"callback_url": "u", "agent_token": "hunter2"})),
            refused(35, json!({"callback_url": "u", "agent_version": "1"})),
        ];

        insta::assert_snapshot!(texts.join("\n"), @r"
        Missing mandatory parameter: callback_url
        Expected string for callback_url: 1
        Unexpected arguments: bogus
        Expected string for agent_token
        Request not acceptable.
        Request not acceptable.
        ");
        let good =
            HeartbeatRequest::parse(MAX, &json!({"callback_url": "u", "agent_token": "hunter2"})).unwrap();
        assert!(!format!("{good:?}").contains("hunter2"));
    }

    #[test]
    fn what_an_inspection_found_is_split() {
        let body = json!({"inventory": {"cpu": {}}, "lldp": [1]});

        let data = InspectionData::parse(&pairs(&[("node_uuid", UUID)]), &body).unwrap();

        assert_eq!(Value::Object(data.inventory), json!({"cpu": {}}));
        assert_eq!(Value::Object(data.plugin_data), json!({"lldp": [1]}));
        for body in [json!({}), json!([]), json!(null), json!({"inventory": 1})] {
            assert!(InspectionData::parse(&[], &body).is_err(), "{body}");
        }
    }
}
