//! Which conductor owns a node.
//!
//! Every conductor has points on a circle, its name hashed again and again, and owns the nodes whose hashed UUIDs lie
//! before them. There is a circle for each hardware type in each group of conductors. Conductors that see the same
//! live conductors agree; for some seconds two may both believe that a node is theirs, so every change takes the lock.
//!
//! Source: Ironic's hash ring and that of tooz, whose placement of nodes is reproduced.

mod algorithm;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use farrier_model::conductor::Conductor as ConductorRecord;
use farrier_store::Store;
use tracing::debug;
use uuid::Uuid;

use crate::config::ConductorConfig;
use crate::error::ConductorError;

pub use algorithm::HashAlgorithm;

/// More points than this per conductor cost more than they even out.
const PARTITION_EXPONENT_MAX: u32 = 12;

/// The circle of one hardware type in one group.
#[derive(Debug)]
pub(crate) struct Ring {
    algorithm: HashAlgorithm,
    /// Where the points are, in order, and whose they are.
    points: Vec<(Box<[u8]>, Arc<str>)>,
}

impl Ring {
    /// A circle of `hosts`, each with `partitions` points.
    pub(crate) fn new<'a>(
        hosts: impl IntoIterator<Item = &'a str>,
        algorithm: HashAlgorithm,
        partitions: usize,
    ) -> Self {
        let mut points = Vec::new();
        for host in hosts {
            let name: Arc<str> = host.into();
            let digests = algorithm.repeated(host).skip(1).take(partitions);
            points.extend(digests.map(|digest| (digest, Arc::clone(&name))));
        }
        points.sort_unstable();
        Self { algorithm, points }
    }

    /// Whose the node is: the first point after it, or the first of all.
    pub(crate) fn owner(&self, node: Uuid) -> Option<&str> {
        let key = self.algorithm.digest(&node.to_string());
        let after = self.points.partition_point(|(point, _)| *point <= key);
        self.points.get(after).or_else(|| self.points.first()).map(|(_, host)| &**host)
    }
}

/// The circles as the database had them at one time.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    /// By group and hardware type.
    rings: BTreeMap<(String, String), Ring>,
}

/// Nobody owns the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unowned {
    /// No conductor is alive.
    NoConductors,
    /// None of them offers the hardware type to the group.
    NoValidHost,
}

impl Mapping {
    fn new(conductors: &[ConductorRecord], config: &ConductorConfig) -> Self {
        let mut hosts: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
        for conductor in conductors {
            for driver in &conductor.drivers {
                let key = (conductor.conductor_group.clone(), driver.clone());
                hosts.entry(key).or_default().insert(&conductor.hostname);
            }
        }
        let partitions = 1_usize << config.hash_partition_exponent.min(PARTITION_EXPONENT_MAX);
        let ring = |hosts| Ring::new(hosts, config.hash_ring_algorithm, partitions);
        Self { rings: hosts.into_iter().map(|(key, hosts)| (key, ring(hosts))).collect() }
    }

    /// The conductor that owns a node.
    pub(crate) fn owner(&self, group: &str, driver: &str, node: Uuid) -> Result<&str, Unowned> {
        if self.rings.is_empty() {
            return Err(Unowned::NoConductors);
        }
        let ring = self.rings.get(&(group.to_owned(), driver.to_owned()));
        ring.and_then(|ring| ring.owner(node)).ok_or(Unowned::NoValidHost)
    }
}

/// The circles, read anew from time to time.
#[derive(Debug)]
pub(crate) struct Rings {
    /// How long they are good.
    reset_interval: Duration,
    known: Mutex<Option<(Instant, Arc<Mapping>)>>,
}

impl Rings {
    /// Circles that were not looked at yet.
    ///
    /// # Errors
    ///
    /// [`ConductorError::IncorrectConfiguration`].
    pub(crate) fn new(config: &ConductorConfig) -> Result<Self, ConductorError> {
        if PARTITION_EXPONENT_MAX < config.hash_partition_exponent {
            let reason = format!(
                "`hash_partition_exponent` is {}, at most {PARTITION_EXPONENT_MAX} is allowed",
                config.hash_partition_exponent
            );
            return Err(ConductorError::IncorrectConfiguration { reason });
        }
        let reset_interval = Duration::from_secs(config.hash_ring_reset_interval);
        Ok(Self { reset_interval, known: Mutex::default() })
    }

    /// The circles as they were last read.
    pub(crate) fn last(&self) -> Option<Arc<Mapping>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, known)| Arc::clone(known))
    }

    /// The circles, not older than the reset interval.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) async fn fresh(
        &self,
        store: &Store,
        config: &ConductorConfig,
    ) -> Result<Arc<Mapping>, ConductorError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some((read, mapping)) if read.elapsed() < self.reset_interval => Ok(mapping),
            Some(_) | None => self.read(store, config).await,
        }
    }

    /// The circles as they are now.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) async fn read(
        &self,
        store: &Store,
        config: &ConductorConfig,
    ) -> Result<Arc<Mapping>, ConductorError> {
        let timeout = Duration::from_secs(config.heartbeat_timeout);
        let conductors = store.conductor_list_alive(timeout).await?;
        let mapping = Arc::new(Mapping::new(&conductors, config));
        debug!(conductors = conductors.len(), rings = mapping.rings.len(), "hash rings are built");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((Instant::now(), Arc::clone(&mapping)));
        Ok(mapping)
    }
}
