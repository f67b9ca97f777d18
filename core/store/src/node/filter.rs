//! Which nodes a list contains.

use farrier_model::node::{Fault, NodeId};
use farrier_model::provision::ProvisionState;
use jiff::Timestamp;
use uuid::Uuid;

use crate::statement::{Statement, Value};

/// Which nodes a list contains; a node must pass every filter that is set. The default lets all through.
///
/// Source: Ironic's REST API, lists; those of periodic work are Ironic's conductor manager's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeFilter {
    /// Used by this instance.
    pub instance_uuid: Option<Uuid>,
    /// Used by an instance of this name.
    pub instance_name: Option<String>,
    /// Used by an instance at all, or by none.
    pub associated: Option<bool>,
    /// In this chassis.
    pub chassis_uuid: Option<Uuid>,
    /// In maintenance, or not.
    pub maintenance: Option<bool>,
    /// Put into maintenance for this.
    pub fault: Option<Fault>,
    /// Retired, or not.
    pub retired: Option<bool>,
    /// In one of these states; any if there are none.
    pub provision_states: Vec<ProvisionState>,
    /// Of one of these hardware types; any if there are none.
    pub drivers: Vec<String>,
    /// Of this resource class.
    pub resource_class: Option<String>,
    /// For conductors of this group, in lower case; empty for the default group.
    pub conductor_group: Option<String>,
    /// Owned by this project.
    pub owner: Option<String>,
    /// Used by this project.
    pub lessee: Option<String>,
    /// Owned or used by this project.
    pub project: Option<String>,
    /// Whose description contains this, without regard to case.
    pub description_contains: Option<String>,
    /// In one of these shards; any if there are none.
    pub shards: Vec<String>,
    /// In a shard at all, or in none.
    pub sharded: Option<bool>,
    /// What to do with nodes that are parts of others.
    pub children: Children,
    /// Held by a conductor, or by none.
    pub reserved: Option<bool>,
    /// Held by one of these; anybody if there are none.
    pub reserved_by: Vec<String>,
    /// With a power action under way, or with none.
    pub power_pending: Option<bool>,
    /// Whose console is on, or off.
    pub console_enabled: Option<bool>,
    /// That entered their state, or heard of their agent, before this.
    pub provision_updated_before: Option<Timestamp>,
    /// Whose inspection began before this.
    pub inspection_started_before: Option<Timestamp>,
    /// Last prepared by another conductor than this, or by none.
    pub conductor_affinity_other_than: Option<i64>,
    /// With a port that has one of these MAC addresses, in any case; any if there are none.
    pub port_addresses: Vec<String>,
    /// One of these, at most 10,000; any if none are given. For those who know by other means than a query.
    pub ids: Option<Vec<NodeId>>,
}

/// What to do with nodes that are parts of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Children {
    /// Treat them like all nodes.
    #[default]
    Included,
    /// Leave them out.
    Excluded,
    /// Only the parts of this node.
    Of(Uuid),
}

impl NodeFilter {
    /// Appends a `WHERE` clause; one that is always there, so that the caller can go on with `AND`.
    pub(super) fn push(&self, statement: &mut Statement) {
        statement.push(" WHERE 1 = 1");
        self.push_equalities(statement);
        self.push_lists(statement);
        self.push_presence(statement);
        self.push_times(statement);
        if let Some(project) = &self.project {
            statement.push(" AND (owner = ");
            statement.push_bind(project);
            statement.push(" OR lessee = ");
            statement.push_bind(project);
            statement.push(")");
        }
        if let Some(text) = &self.description_contains {
            statement.push(" AND LOWER(description) LIKE ");
            statement.push_bind(Value::shown(Some(pattern(text))));
            statement.push(" ESCAPE '\\'");
        }
        match self.children {
            Children::Included => {}
            Children::Excluded => statement.push(" AND parent_node IS NULL"),
            Children::Of(parent) => {
                statement.push(" AND parent_node = ");
                statement.push_bind(parent);
            }
        }
        if let Some(conductor) = self.conductor_affinity_other_than {
            statement.push(" AND (conductor_affinity IS NULL OR conductor_affinity <> ");
            statement.push_bind(conductor);
            statement.push(")");
        }
    }

    fn push_equalities(&self, statement: &mut Statement) {
        let conditions: [(&str, Option<Value>); 11] = [
            ("instance_uuid", self.instance_uuid.map(Value::from)),
            ("instance_name", self.instance_name.as_ref().map(Value::from)),
            ("chassis_uuid", self.chassis_uuid.map(Value::from)),
            ("maintenance", self.maintenance.map(Value::from)),
            ("fault", self.fault.map(|fault| fault.as_str().into())),
            ("retired", self.retired.map(Value::from)),
            ("resource_class", self.resource_class.as_ref().map(Value::from)),
            ("conductor_group", self.conductor_group.as_ref().map(Value::from)),
            ("owner", self.owner.as_ref().map(Value::from)),
            ("lessee", self.lessee.as_ref().map(Value::from)),
            ("console_enabled", self.console_enabled.map(Value::from)),
        ];
        for (column, value) in conditions {
            if let Some(value) = value {
                statement.push(&format!(" AND {column} = "));
                statement.push_bind(value);
            }
        }
    }

    fn push_lists(&self, statement: &mut Statement) {
        let texts = |list: &[String]| list.iter().map(Value::from).collect::<Vec<_>>();
        let states = self.provision_states.iter().map(|state| state.as_str().into()).collect();
        for (column, values) in [
            ("provision_state", states),
            ("driver", texts(&self.drivers)),
            ("shard", texts(&self.shards)),
            ("reservation", texts(&self.reserved_by)),
        ] {
            if !values.is_empty() {
                statement.push(&format!(" AND {column} IN ("));
                statement.push_list(values);
                statement.push(")");
            }
        }
        if !self.port_addresses.is_empty() {
            statement.push(" AND id IN (SELECT ports.node_id FROM ports WHERE ports.address IN (");
            statement.push_list(self.port_addresses.iter().map(|text| (&text.to_ascii_lowercase()).into()));
            statement.push("))");
        }
        match self.ids.as_deref() {
            None => {}
            Some([]) => statement.push(" AND 1 = 0"),
            Some(ids) => {
                statement.push(" AND id IN (");
                statement.push_list(ids.iter().map(|&id| id.into()));
                statement.push(")");
            }
        }
    }

    fn push_presence(&self, statement: &mut Statement) {
        for (column, present) in [
            ("instance_uuid", self.associated),
            ("shard", self.sharded),
            ("reservation", self.reserved),
            ("target_power_state", self.power_pending),
        ] {
            match present {
                None => {}
                Some(true) => statement.push(&format!(" AND {column} IS NOT NULL")),
                Some(false) => statement.push(&format!(" AND {column} IS NULL")),
            }
        }
    }

    fn push_times(&self, statement: &mut Statement) {
        for (column, time) in [
            ("provision_updated_at", self.provision_updated_before),
            ("inspection_started_at", self.inspection_started_before),
        ] {
            if let Some(time) = time {
                statement.push(&format!(" AND {column} < "));
                statement.push_bind(Value::time(time));
            }
        }
    }
}

/// A pattern that matches whatever contains `text`, in lower case.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
