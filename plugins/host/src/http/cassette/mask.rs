//! What must not be on a cassette, and what stands there instead.

use farrier_sdk::error::DriverError;
use serde_json::Value;

use super::super::request::{Answer, Request};
use super::super::secrets::{MASK, Masked};

/// Headers that let somebody in, besides those that are called like a secret.
const HEADERS_MASKED: [&str; 4] = ["authorization", "cookie", "set-cookie", "www-authenticate"];

/// What the name of a header, member or field contains whose value is masked.
const NAMES_MASKED: [&str; 7] = ["password", "passwd", "secret", "token", "credential", "session", "api-key"];

/// An answer without what must not be kept.
pub(super) fn masked(mut answer: Answer, known: &Masked) -> Answer {
    for (name, value) in &mut answer.headers {
        if lets_in(name) {
            MASK.clone_into(value);
        }
    }
    answer.headers.remove("date");
    answer.text = answer.text.map(|text| match serde_json::from_str::<Value>(&text) {
        Ok(mut body) => {
            mask_members(&mut body, known);
            body.to_string()
        }
        Err(_) => known.text(&text),
    });
    answer
}

/// A request without what it logs in with, other than by references.
pub(super) fn without_logins(request: &Request) -> Request {
    let mut request = request.clone();
    // It names the machine, and its own exchange is not recorded.
    request.login = None;
    let form = request.form.iter_mut().flatten();
    for (name, value) in request.headers.iter_mut().chain(&mut request.query).chain(form) {
        if lets_in(name) && value.is_string() {
            *value = Value::from(MASK);
        }
    }
    if let Some(body) = &mut request.json {
        mask_members(body, &Masked::default());
    }
    request
}

/// Whether a header, member or field of this name lets somebody in.
fn lets_in(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HEADERS_MASKED.contains(&name.as_str()) || NAMES_MASKED.iter().any(|word| name.contains(word))
}

fn mask_members(value: &mut Value, known: &Masked) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if lets_in(name) && member.is_string() {
                    *member = Value::from(MASK);
                } else {
                    mask_members(member, known);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_members(item, known)),
        Value::String(text) => *text = known.text(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An error that does not tell whose machine it was.
pub(super) fn without_address(error: &DriverError, request: &Request) -> DriverError {
    let text = error.message().replace(&request.shown(), &request.path_and_query());
    DriverError::new(error.kind(), text).retryable(error.is_retryable())
}
