//! The machines: they exist in memory only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use farrier_sdk::prelude::*;

use crate::loading::{Loading, RogueOptions};

/// All machines, and what the implementations were asked to do wrong.
#[derive(Debug)]
pub(crate) struct Machines {
    loading: Option<Loading>,
    power: Mutex<HashMap<String, PowerState>>,
}

impl Machines {
    /// Starts the plugin, or does what was asked for instead.
    pub(crate) fn start(options: RogueOptions) -> Result<Self> {
        let loading = Loading::asked(&options);
        loading.map_or(Ok(()), Loading::open)?;
        Ok(Self { loading, power: Mutex::default() })
    }

    /// What was asked for at the start.
    pub(crate) fn loading(&self) -> Option<Loading> {
        self.loading
    }

    /// Power state of the machine of this node; off at first.
    pub(crate) fn power(&self, node: &str) -> PowerState {
        let power = self.power.lock().unwrap_or_else(PoisonError::into_inner);
        power.get(node).copied().unwrap_or(PowerState::Off)
    }

    /// Switches the machine of this node.
    pub(crate) fn set_power(&self, node: &str, state: PowerState) {
        self.power.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned(), state);
    }
}
