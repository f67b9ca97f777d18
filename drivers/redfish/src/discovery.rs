//! Finding the System of a node, and what it may be asked.

use farrier_sdk::prelude::warn;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::client::address::canonical;
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::quirks::{Habit, Habits};
use crate::resource::action::ActionInfo;
use crate::resource::collection::{Collection, Expanded};
use crate::resource::system::System;

/// Most Systems looked at to find the one that can be reset.
const SYSTEMS_MAX: usize = 64;

/// Most paths named in an error.
const PATHS_SHOWN_MAX: usize = 10;

/// What asks for the members of a collection together with it.
///
/// Source: DSP0266, section 7.3.
const EXPAND: &str = "?$expand=.($levels=1)";

/// Members that an expanded collection shows as references have no more than these.
const REFERENCE_SIZE_MAX: usize = 2;

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
        match self.read_system(&path).await {
            Ok(system) => {
                self.lease().remember_system(configured, &path);
                Ok(Found { path, system })
            }
            // What was found before has moved.
            Err(error) if guessed && error.is_missing() => self.search_system().await,
            Err(error) => Err(error),
        }
    }

    /// Reads the System for one of several questions of a pass, unless it was read for an earlier one.
    ///
    /// # Errors
    ///
    /// As [`system`](Self::system).
    pub async fn system_in_pass(&self, configured: Option<&str>, pass: Option<&str>) -> Result<Found> {
        match pass.and_then(|pass| self.lease().glance(pass, configured)) {
            Some(found) => Ok(found),
            None => self.system_for_pass(configured, pass).await,
        }
    }

    /// Reads the System now, also for the questions of a pass that follow.
    ///
    /// # Errors
    ///
    /// As [`system`](Self::system).
    pub async fn system_for_pass(&self, configured: Option<&str>, pass: Option<&str>) -> Result<Found> {
        let changes = self.lease().changes();
        let found = self.system(configured).await?;
        if let Some(pass) = pass {
            self.lease().remember_glance(changes, pass, configured, &found);
        }
        Ok(found)
    }

    /// Reads a System again.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn again(&self, found: &Found) -> Result<Found> {
        let system = self.read_system(&found.path).await?;
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

    /// Managers of a System, in order: those it names, else the only one of the service.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn managers(&self, found: &Found) -> Result<Vec<String>> {
        if let Some(links) = &found.system.links {
            let named = if links.managed_by.is_empty() { &links.managers } else { &links.managed_by };
            let named = distinct(named.iter().filter_map(|link| self.link(link)));
            if !named.is_empty() {
                return Ok(named);
            }
        }
        let root = self.root().await?;
        let Some(collection) = root.managers.as_deref().and_then(|link| self.link(link)) else {
            return Ok(Vec::new());
        };
        if let Some(only) = self.lease().known_manager() {
            return Ok(vec![only]);
        }
        let members = match self.members(&collection).await {
            Ok(members) => members,
            Err(error) if error.is_missing() => Vec::new(),
            Err(error) => return Err(error),
        };
        // A BMC that starts may show none yet.
        let [only] = members.as_slice() else { return Ok(Vec::new()) };
        self.lease().remember_manager(only.clone());
        Ok(members)
    }

    /// Chassis of a System, in order.
    #[must_use]
    pub fn chassis(&self, found: &Found) -> Vec<String> {
        let links = found.system.links.as_ref().map(|links| links.chassis.as_slice()).unwrap_or_default();
        distinct(links.iter().filter_map(|link| self.link(link)))
    }

    /// Whether the members of this service's collections can be read together with them, all of them whole.
    pub async fn expands(&self, found: &Found) -> bool {
        let root = self.root().await.ok();
        let lossy = Habits::of(root.as_deref(), &found.system).has(Habit::ExpandLoses);
        !lossy && root.is_some_and(|root| root.expands())
    }

    /// Members of a collection with their paths, together with it if `expand`.
    ///
    /// A member that cannot be read is left out, with a warning.
    ///
    /// # Errors
    ///
    /// Those of reading the collection, and of members when the BMC cannot be reached.
    pub async fn resources<T: DeserializeOwned>(
        &self,
        collection: &str,
        expand: bool,
    ) -> Result<Vec<(String, T)>> {
        let mut read = Vec::new();
        for (path, resource) in self.listed(collection, expand).await? {
            if let Some(resource) = resource {
                read.push((path, resource));
                continue;
            }
            match self.read(&path).await {
                Ok(resource) => read.push((path, resource)),
                Err(error) if error.is_answer() => {
                    warn!(member = path, %error, "a member of a collection is left out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    /// Paths of the members of a collection, each with the member where it came together with the collection.
    pub(crate) async fn listed<T: DeserializeOwned>(
        &self,
        collection: &str,
        expand: bool,
    ) -> Result<Vec<(String, Option<T>)>> {
        let whole = if expand { self.expanded(collection).await? } else { None };
        let Some(members) = whole else {
            return Ok(self.members(collection).await?.into_iter().map(|path| (path, None)).collect());
        };
        let resource = |body: Map<String, Value>| {
            let is_whole = body.len() > REFERENCE_SIZE_MAX;
            is_whole.then(|| serde_json::from_value(Value::Object(body)).ok()).flatten()
        };
        Ok(members.into_iter().map(|(path, body)| (path, resource(body))).collect())
    }

    /// Members of an expanded collection; `None` when the BMC does not expand this one.
    async fn expanded(&self, collection: &str) -> Result<Option<Vec<(String, Map<String, Value>)>>> {
        if collection.contains('?') {
            return Ok(None);
        }
        let expanded: Expanded = match self.read(&format!("{collection}{EXPAND}")).await {
            Ok(expanded) => expanded,
            Err(error) if error.is_nonsense() => return Ok(None),
            Err(error)
                if error.status().is_some_and(|status| status.is_client_error()) && !error.is_missing() =>
            {
                return Ok(None);
            }
            Err(error) if error.status().is_some_and(|status| status.is_server_error()) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut members: Vec<(String, Map<String, Value>)> = Vec::new();
        for member in expanded.members {
            let path = member.get("@odata.id").and_then(Value::as_str).and_then(|link| self.link(link));
            let Some(path) = path.filter(|path| canonical(path) != canonical(collection)) else { continue };
            if !members.iter().any(|(known, _)| canonical(known) == canonical(&path)) {
                members.push((path, member));
            }
        }
        Ok(Some(members))
    }

    async fn search_system(&self) -> Result<Found> {
        let root = self.root().await?;
        let Some(collection) = root.systems.as_deref().and_then(|link| self.link(link)) else {
            return Err(self.no_system("the service has no Systems"));
        };
        let members = self.members(&collection).await?;
        let found = match members.as_slice() {
            [] => return Err(self.no_system("the service has no System")),
            [only] => Found { path: only.clone(), system: self.read_system(only).await? },
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
    pub(crate) async fn members(&self, collection: &str) -> Result<Vec<String>> {
        let members = self.read::<Collection>(collection).await?.members;
        let links = members.iter().filter_map(|link| self.link(link));
        Ok(distinct(links.filter(|path| canonical(path) != canonical(collection))))
    }

    fn no_system(&self, text: &str) -> RedfishError {
        let origin = &self.lease().account().address;
        let text = format!("no System to work with at `{origin}`: {text}");
        self.error(Method::GET, origin.prefix(), Failure::Failed(text))
    }
}

/// Each path once, however it is written.
fn distinct(links: impl Iterator<Item = String>) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for path in links {
        if !paths.iter().any(|other| canonical(other) == canonical(&path)) {
            paths.push(path);
        }
    }
    paths
}
