//! Traits: words a scheduler finds nodes by.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::argument;
use crate::error::{ErrorName, Fault};
use crate::literal::{literal, quoted};

/// The most characters of a trait.
const LENGTH_MAX: usize = 255;

/// The most traits a node may have.
pub const TRAITS_MAX: usize = 50;

/// What traits begin with: those that an operator makes up, and the name spaces of the standard ones.
const NAME_SPACES: &[&str] = &["CUSTOM_", "COMPUTE_", "HW_", "MISC_", "OWNER_", "STORAGE_"];

/// What `GET` and `PUT .../traits` say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// The traits.
    pub traits: Vec<String>,
}

impl Traits {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// 400: no list of traits, or one that has another member.
    pub fn parse(body: &Value) -> Result<Self, Fault> {
        let arguments = argument::read(body, &["traits"], &["traits"])?;
        let items = arguments.get("traits").and_then(Value::as_array);
        let Some(items) = items else {
            let shown = arguments.get("traits").map(literal).unwrap_or_default();
            return Err(Fault::schema("traits", format!("{shown} is not of type 'array'")));
        };
        let traits = items.iter().map(|item| match item.as_str() {
            Some(text) => check(text).map(|()| text.to_owned()),
            None => Err(Fault::schema("traits", format!("{} is not of type 'string'", literal(item)))),
        });
        let mut traits = traits.collect::<Result<Vec<_>, _>>()?;
        traits.sort_unstable();
        traits.dedup();
        Ok(Self { traits })
    }
}

/// Checks one trait: a standard one, or `CUSTOM_` and letters, digits and underscores in upper case.
///
/// # Errors
///
/// 400: it is none.
pub fn check(text: &str) -> Result<(), Fault> {
    let spelled = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let known = NAME_SPACES.iter().any(|space| text.strip_prefix(space).is_some_and(|rest| !rest.is_empty()));
    if spelled && known && text.len() <= LENGTH_MAX {
        return Ok(());
    }
    let problem =
        format!("{} is neither a standard trait nor one of the form CUSTOM_[A-Z0-9_]+", quoted(text));
    Err(Fault::schema("traits", problem))
}

/// The texts of the contract.
impl Fault {
    /// 404: a node does not have the trait.
    pub fn node_trait_not_found(node: &str, name: &str) -> Self {
        Self::new(ErrorName::NodeTraitNotFound, format!("Node {node} doesn't have a trait '{name}'"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn traits_are_standard_or_of_the_operator() {
        for good in ["CUSTOM_GPU", "CUSTOM_1", "HW_CPU_X86_VMX"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = format!("CUSTOM_{}", "A".repeat(LENGTH_MAX));
        for bad in ["", "CUSTOM_", "CUSTOM_gpu", "GPU", "CUSTOM_A-B", "custom_a", long.as_str()] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_has_each_trait_once() {
        let traits = Traits::parse(&json!({"traits": ["CUSTOM_B", "CUSTOM_A", "CUSTOM_B"]})).unwrap();

        assert_eq!(traits.traits, ["CUSTOM_A", "CUSTOM_B"]);
    }

    #[test]
    fn wrong_lists_are_refused() {
        let texts =
            [json!({}), json!({"traits": "CUSTOM_A"}), json!({"traits": [1]}), json!({"traits": ["a"]})]
                .map(|body| Traits::parse(&body).unwrap_err().to_string());

        insta::assert_snapshot!(texts.join("\n"), @r"
        Missing mandatory parameter: traits
        Schema error for traits: 'CUSTOM_A' is not of type 'array'
        Schema error for traits: 1 is not of type 'string'
        Schema error for traits: 'a' is neither a standard trait nor one of the form CUSTOM_[A-Z0-9_]+
        ");
    }
}
