//! What the kit itself sees of a machine, and does to it: as it is, or as it was recorded.

use farrier_host::Cassette;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Stands beside one machine.
#[derive(Default)]
pub(crate) struct Witness(Option<(Cassette, String)>);

impl Witness {
    /// Writes down what is seen of `machine`, or tells what was.
    pub(crate) fn new(cassette: Cassette, machine: String) -> Self {
        Self(Some((cassette, machine)))
    }

    /// Looks at the machine.
    pub(crate) fn look<T>(&self, what: &str, look: impl FnOnce() -> T) -> T
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let Some((cassette, machine)) = &self.0 else { return look() };
        read(cassette.look(machine, what, || serde_json::to_value(look()).unwrap_or_default()))
    }

    /// Changes the machine: what is read afterwards may be different.
    pub(crate) fn change<T>(&self, what: &str, change: impl FnOnce() -> T) -> T
    where
        T: Serialize + DeserializeOwned + Default,
    {
        let Some((cassette, machine)) = &self.0 else { return change() };
        read(cassette.change(machine, what, || serde_json::to_value(change()).unwrap_or_default()))
    }
}

/// What was noted; what does not fit the recording ends the check anyway.
fn read<T: DeserializeOwned + Default>(noted: Option<Value>) -> T {
    noted.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}
