//! JSON patch as this API means it: changes to the members of one resource.
//!
//! The body is a list of operations `add`, `replace` and `remove`. The first element of a path is a member of the
//! resource and decides whether it may change at all. All operations succeed, or nothing changes.
//!
//! Source: RFC 6902, narrowed as Ironic does.

mod edit;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::boolean;
use crate::depth::{DEPTH_MAX, is_too_deep_below};
use crate::error::{ErrorName, Fault};
use crate::literal::{literal, quoted};
use crate::schema::{self, Member, Shape, is_secret_holder, missing, wrong_type};
use crate::secret::{MASK, is_secret_key};
use crate::version::Microversion;
use crate::version::table::{Kind, PATCH_ESCAPES, Topic};

/// What a patch may change of one kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Under which topic the members' versions stand.
    pub topic: Topic,
    /// The members that may change, in the order in which a refusal lists them.
    pub roots: &'static [Root],
}

/// A member that may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// Its name and what it may be.
    pub member: Member,
    /// What removing it sets.
    pub unset: Unset,
}

/// What removing a member sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// Null.
    Null,
    /// An empty mapping.
    Empty,
    /// An empty text.
    Blank,
    /// This boolean.
    Flag(bool),
    /// What the server works out; the result says which members that are.
    Chosen,
    /// Nothing: the member cannot be removed.
    Required,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Sets a member, or puts an item into a list.
    Add,
    /// Sets a member or an item that exists.
    Replace,
    /// Takes a member or an item away.
    Remove,
}

impl Operator {
    /// As it stands in an operation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// One operation, checked; its `Debug` does not show the value.
#[derive(Clone, PartialEq)]
pub struct Operation {
    operator: Operator,
    root: &'static Root,
    below: Vec<String>,
    path: String,
    value: Value,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator.as_str(), self.path)
    }
}

/// A list of operations, checked against the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    operations: Vec<Operation>,
}

/// A resource after a patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Patched {
    /// Every member that was given, changed as the patch says; members that the server must choose are missing.
    pub members: Map<String, Value>,
    /// The members that any operation named, whether or not their value is another now.
    pub named: BTreeSet<&'static str>,
    /// Those of them that were removed and are the server's to choose.
    pub chosen: BTreeSet<&'static str>,
}

impl Rules {
    /// The rule for a member.
    pub fn root(&self, name: &str) -> Option<&'static Root> {
        self.roots.iter().find(|root| root.member.name == name)
    }
}

impl Patch {
    /// Reads a body and checks every operation against the rules.
    ///
    /// # Errors
    ///
    /// - 400: not a list of operations, a path that is none, or a member that cannot change.
    /// - 406: a member is newer than `version`.
    pub fn parse(rules: &Rules, version: Microversion, body: &Value) -> Result<Self, Fault> {
        let Some(items) = body.as_array() else {
            return Err(Fault::schema("patch", wrong_type(&literal(body), &["array"])));
        };
        let operations =
            items.iter().map(|item| operation(rules, version, item)).collect::<Result<Vec<_>, Fault>>()?;
        if operations
            .iter()
            .any(|operation| !version.has(rules.topic, Kind::Field, operation.root.member.name))
        {
            return Err(Fault::not_acceptable());
        }
        Ok(Self { operations })
    }

    /// The operations in their order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Applies the operations to the stored members of a resource, secrets in clear.
    ///
    /// Texts that mean booleans become booleans, and null becomes what removing the member would set.
    ///
    /// # Errors
    ///
    /// 400: an operation does not fit what is there, or the result is not what the member may be.
    pub fn apply(&self, members: &Map<String, Value>) -> Result<Patched, Fault> {
        let mut patched =
            Patched { members: members.clone(), named: BTreeSet::new(), chosen: BTreeSet::new() };
        for operation in &self.operations {
            patched.named.insert(operation.root.member.name);
            // One level at a time is deep in the end too.
            if is_too_deep_below(&operation.value, operation.below.len()) {
                return Err(operation.failed(&format!("more than {DEPTH_MAX} levels are not allowed")));
            }
            operation.apply(&mut patched.members).map_err(|reason| operation.failed(&reason))?;
        }
        for operation in &self.operations {
            patched.settle(operation.root)?;
        }
        Ok(patched)
    }
}

impl Operation {
    /// What it does.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The member of the resource it is about.
    pub fn root(&self) -> &'static str {
        self.root.member.name
    }

    /// The path below that member; empty when the operation is about the member as a whole.
    pub fn below(&self) -> &[String] {
        &self.below
    }

    /// The new value; null for `remove`.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Changes the members; the error is the reason why that cannot be.
    fn apply(&self, members: &mut Map<String, Value>) -> Result<(), String> {
        let name = self.root.member.name;
        if !self.below.is_empty() {
            let holder = is_secret_holder(name);
            let value = members.get_mut(name).ok_or_else(|| format!("member {} not found", quoted(name)))?;
            return edit::edit(value, &self.below, self.operator, &self.value, holder);
        }
        match self.operator {
            Operator::Add | Operator::Replace => members.insert(name.to_owned(), self.value.clone()),
            Operator::Remove => members.remove(name),
        };
        Ok(())
    }

    /// The error of an operation that does not fit.
    fn failed(&self, reason: &str) -> Fault {
        let mut shown = format!("{{'op': {}, 'path': {}", quoted(self.operator.as_str()), quoted(&self.path));
        if self.operator != Operator::Remove {
            let secret =
                is_secret_holder(self.root.member.name) || self.below.iter().any(|key| is_secret_key(key));
            let value = if secret { quoted(MASK) } else { literal(&self.value) };
            shown.push_str(&format!(", 'value': {value}"));
        }
        Fault::new(ErrorName::PatchError, format!("Couldn't apply patch '{shown}}}'. Reason: {reason}"))
    }
}

impl Patched {
    /// Brings a member that an operation named into the form it is stored in.
    fn settle(&mut self, root: &Root) -> Result<(), Fault> {
        let member = &root.member;
        let value = self.members.get(member.name).unwrap_or(&Value::Null);
        if value.is_null() {
            let unset = match root.unset {
                Unset::Null => Value::Null,
                Unset::Empty => Value::Object(Map::new()),
                Unset::Blank => Value::from(""),
                Unset::Flag(flag) => Value::from(flag),
                Unset::Chosen => {
                    self.members.remove(member.name);
                    self.chosen.insert(member.name);
                    return Ok(());
                }
                Unset::Required if self.members.contains_key(member.name) => {
                    return schema::check("patch", member, &Value::Null);
                }
                Unset::Required => return Err(Fault::schema("patch", missing(member.name))),
            };
            self.members.insert(member.name.to_owned(), unset);
            return Ok(());
        }
        schema::check("patch", member, value)?;
        if member.shape == Shape::Flag {
            let flag = boolean::from_value(member.name, value)?;
            self.members.insert(member.name.to_owned(), Value::from(flag));
        }
        Ok(())
    }
}

/// Reads one operation.
fn operation(rules: &Rules, version: Microversion, item: &Value) -> Result<Operation, Fault> {
    let item = schema::object("patch", item)?;
    let required = |name: &str| item.get(name).ok_or_else(|| Fault::schema("patch", missing(name)));
    let (op, path) = (required("op")?, required("path")?);
    let operator = match op.as_str() {
        Some("add") => Operator::Add,
        Some("replace") => Operator::Replace,
        Some("remove") => Operator::Remove,
        Some(_) | None => {
            let problem = format!("{} is not one of ['add', 'replace', 'remove']", literal(op));
            return Err(Fault::schema("patch", problem));
        }
    };
    let Some(path) = path.as_str() else {
        return Err(Fault::schema("patch", wrong_type(&literal(path), &["string"])));
    };
    schema::only("patch", item, &["op", "path", "value"])?;
    let mut below = pointer(version, path)?;
    let name = below.remove(0);
    let Some(root) = rules.root(&name) else { return Err(forbidden(rules, path)) };
    let value = match operator {
        Operator::Add | Operator::Replace => required("value")?.clone(),
        Operator::Remove => Value::Null,
    };
    Ok(Operation { operator, root, below, path: path.to_owned(), value })
}

/// Reads a path into its elements, at least one.
fn pointer(version: Microversion, path: &str) -> Result<Vec<String>, Fault> {
    let escapes = version.has(Topic::Root, Kind::Behavior, PATCH_ESCAPES);
    let pattern = if escapes { r"^(/([\w-]|~[01])+)+$" } else { r"^(/[\w-]+)+$" };
    let elements = path.strip_prefix('/').and_then(|path| {
        path.split('/').map(|element| unescaped(element, escapes)).collect::<Option<Vec<String>>>()
    });
    elements
        .ok_or_else(|| Fault::schema("patch", format!("{} does not match {}", quoted(path), quoted(pattern))))
}

/// Reads one element of a path; `None` when it is empty or has a character that cannot be in one.
fn unescaped(element: &str, escapes: bool) -> Option<String> {
    let mut read = String::with_capacity(element.len());
    let mut characters = element.chars();
    while let Some(character) = characters.next() {
        match character {
            '~' if escapes => match characters.next() {
                Some('0') => read.push('~'),
                Some('1') => read.push('/'),
                Some(_) | None => return None,
            },
            '-' | '_' => read.push(character),
            _ if character.is_alphanumeric() => read.push(character),
            _ => return None,
        }
    }
    (!read.is_empty()).then_some(read)
}

/// The error for a member that cannot change.
fn forbidden(rules: &Rules, path: &str) -> Fault {
    let names: Vec<&str> = rules.roots.iter().map(|root| root.member.name).collect();
    Fault::invalid(format!("Cannot patch {path}. Only the following can be updated: {}", names.join(", ")))
}

#[cfg(test)]
mod tests;
