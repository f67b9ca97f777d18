//! Options, and what goes wrong with them.

use farrier_sdk::prelude::*;

/// Options as they should be read.
#[derive(Debug, Options)]
struct Good {
    /// The check to fail
    rule: Option<String>,
    /// Nothing in particular
    #[option(default = 3)]
    spare: u16,
}

/// Options of the table `wayward`.
#[derive(Debug)]
pub(crate) struct WaywardOptions {
    pub(crate) rule: String,
}

impl Options for WaywardOptions {
    const DESCRIPTOR: &'static str = Good::DESCRIPTOR;

    fn from_map(map: &Map<String, Value>) -> Result<Self> {
        let nameless = map.get("rule").is_some_and(|rule| rule == "LOD-006");
        match Good::from_map(map) {
            Ok(good) => {
                debug!(spare = good.spare, "options were read");
                Ok(Self { rule: good.rule.unwrap_or_default() })
            }
            Err(_) if nameless => {
                Err(DriverError::invalid_parameter("there is something wrong with the options"))
            }
            Err(error) => Err(error),
        }
    }
}
