//! Finding the System of a node, and what it may be asked.

use farrier_sdk::prelude::warn;
use reqwest::Method;

use crate::client::address::canonical;
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::resource::action::ActionInfo;
use crate::resource::collection::Collection;
use crate::resource::system::System;

/// Most Systems looked at to find the one that can be reset.
const SYSTEMS_MAX: usize = 64;

/// Most paths named in an error.
const PATHS_SHOWN_MAX: usize = 10;

/// The System of a node, read once in an operation.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it is.
    pub path: String,
    /// What it says.
    pub system: System,
}

impl Operation {
    /// Reads the System that a node names, or the only one of its BMC.
    ///
    /// Of several, the only one that can be reset is taken: boards of accelerators show a System that cannot.
    ///
    /// # Errors
    ///
    /// [`Failure::Failed`] naming all paths when there is no single one, and those of reading.
    pub async fn system(&self, configured: Option<&str>) -> Result<Found> {
        let known = self.lease().system_path(configured);
        let guessed = known.is_some() && configured.is_none();
        let path = match known.or_else(|| configured.map(str::to_owned)) {
            Some(path) => path,
            None => return self.search_system().await,
        };
        match self.read::<System>(&path).await {
            Ok(system) => {
                self.lease().remember_system(configured, &path);
                Ok(Found { path, system })
            }
            // What was found before has moved.
            Err(error) if guessed && error.is_missing() => self.search_system().await,
            Err(error) => Err(error),
        }
    }

    /// Reads a System again.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn again(&self, found: &Found) -> Result<Found> {
        let system = self.read(&found.path).await?;
        Ok(Found { path: found.path.clone(), system })
    }

    /// The reset types a System allows; `None` when it does not say.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn reset_types(&self, found: &Found) -> Result<Option<Vec<String>>> {
        let Some((action, _)) = found.system.reset() else { return Ok(None) };
        if let Some(allowed) = &action.allowed {
            return Ok(Some(allowed.clone()));
        }
        if let Some(known) = self.lease().known_reset_types(&found.path) {
            return Ok(known);
        }
        let info = match action.info.as_deref().and_then(|link| self.link(link)) {
            Some(path) => self.read_optional::<ActionInfo>(&path).await?,
            None => None,
        };
        let allowed = info.as_ref().and_then(|info| info.allowed("ResetType")).map(<[String]>::to_vec);
        self.lease().remember_reset_types(&found.path, allowed.clone());
        Ok(allowed)
    }

    async fn search_system(&self) -> Result<Found> {
        let root = self.root().await?;
        let Some(collection) = root.systems.as_deref().and_then(|link| self.link(link)) else {
            return Err(self.no_system("the service has no Systems"));
        };
        let members = self.members(&collection).await?;
        let found = match members.as_slice() {
            [] => return Err(self.no_system("the service has no System")),
            [only] => Found { path: only.clone(), system: self.read(only).await? },
            several => self.search_resettable(several).await?,
        };
        self.lease().remember_system(None, &found.path);
        Ok(found)
    }

    async fn search_resettable(&self, paths: &[String]) -> Result<Found> {
        let mut resettable = Vec::new();
        for path in paths.iter().take(SYSTEMS_MAX) {
            // One that cannot be read cannot be the one.
            let Ok(system) = self.read::<System>(path).await else { continue };
            if system.reset().is_some() {
                resettable.push(Found { path: path.clone(), system });
            }
        }
        match (resettable.pop(), resettable.is_empty()) {
            (Some(found), true) => {
                warn!(system = found.path, "several Systems; the only one that can be reset is taken");
                Ok(found)
            }
            _ => {
                let shown: Vec<_> =
                    paths.iter().take(PATHS_SHOWN_MAX).map(|path| format!("`{path}`")).collect();
                let shown = shown.join(", ");
                Err(self.no_system(&format!("`redfish_system_id` has to name one of {shown}")))
            }
        }
    }

    /// Members of a collection that may be followed, each once.
    async fn members(&self, collection: &str) -> Result<Vec<String>> {
        let members = self.read::<Collection>(collection).await?.members;
        let mut paths: Vec<String> = Vec::new();
        for path in members.iter().filter_map(|link| self.link(link)) {
            let known = |other: &str| canonical(other) == canonical(&path);
            if !known(collection) && !paths.iter().any(|other| known(other)) {
                paths.push(path);
            }
        }
        Ok(paths)
    }

    fn no_system(&self, text: &str) -> RedfishError {
        let origin = &self.lease().account().address;
        let text = format!("no System to work with at `{origin}`: {text}");
        self.error(Method::GET, origin.prefix(), Failure::Failed(text))
    }
}
