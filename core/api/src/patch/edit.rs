//! One operation on what a member holds.

use serde_json::{Map, Value};

use super::Operator;
use crate::literal::{literal, quoted};
use crate::secret::mask;

/// Changes the value that `path`, which is not empty, leads to below `value`.
///
/// `holder` says that what is there may hold secrets, so that no reason quotes it. The error is the reason why the
/// operation does not fit.
pub(super) fn edit(
    value: &mut Value,
    path: &[String],
    operator: Operator,
    new: &Value,
    holder: bool,
) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else { return Ok(()) };
    if rest.is_empty() {
        return match value {
            Value::Object(members) => edit_member(members, key, operator, new),
            Value::Array(items) => edit_item(items, key, operator, new),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Err(no_member(value, key, holder))
            }
        };
    }
    let reason = no_member(value, key, holder);
    let below = match value {
        Value::Object(members) => members.get_mut(key),
        Value::Array(items) => index(key).and_then(|at| items.get_mut(at)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    edit(below.ok_or(reason)?, rest, operator, new, holder)
}

/// Changes a member of a mapping.
fn edit_member(
    members: &mut Map<String, Value>,
    key: &str,
    operator: Operator,
    new: &Value,
) -> Result<(), String> {
    let exists = members.contains_key(key);
    match operator {
        Operator::Replace if !exists => Err(format!("can't replace a non-existent object {}", quoted(key))),
        Operator::Remove if !exists => Err(format!("can't remove a non-existent object {}", quoted(key))),
        Operator::Add | Operator::Replace => {
            members.insert(key.to_owned(), new.clone());
            Ok(())
        }
        Operator::Remove => {
            members.remove(key);
            Ok(())
        }
    }
}

/// Changes an item of a list; `-` is the place behind the last.
fn edit_item(items: &mut Vec<Value>, key: &str, operator: Operator, new: &Value) -> Result<(), String> {
    let at = if key == "-" { Some(items.len()) } else { index(key) };
    let Some(at) = at else { return Err(format!("{} is not a place in a list", quoted(key))) };
    match operator {
        Operator::Add if at <= items.len() => items.insert(at, new.clone()),
        Operator::Add => return Err("can't insert outside of list".to_owned()),
        Operator::Replace => match items.get_mut(at) {
            Some(item) => *item = new.clone(),
            None => return Err("can't replace outside of list".to_owned()),
        },
        Operator::Remove if at < items.len() => {
            items.remove(at);
        }
        Operator::Remove => return Err("can't remove outside of list".to_owned()),
    }
    Ok(())
}

/// A place in a list: a number without leading zeros.
fn index(key: &str) -> Option<usize> {
    let number = key.parse().ok()?;
    (key == format!("{number}")).then_some(number)
}

/// The reason when the way to the value ends early.
fn no_member(value: &Value, key: &str, holder: bool) -> String {
    if holder {
        return format!("member {} not found", quoted(key));
    }
    let mut shown = value.clone();
    if let Value::Object(members) = &mut shown {
        mask(members, &[]);
    }
    format!("member {} not found in {}", quoted(key), literal(&shown))
}
