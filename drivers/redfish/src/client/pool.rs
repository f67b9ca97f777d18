//! The clients that are kept, one for each account, the least recently used going first.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::account::{Account, Tuning};
use super::gate::Gate;
use super::operation::Operation;
use super::session::LOGOUT_TIME_MAX;
use super::tls::TlsError;
use super::{Client, Jobs};

/// How long a client is kept that nobody uses: its nodes are gone, or not looked at any more.
const IDLE_TIME_MAX: Duration = Duration::from_mins(15);

/// How often such clients are looked for at most.
const SWEEP_PAUSE: Duration = Duration::from_mins(1);

/// All clients of this plugin.
///
/// A client that leaves the pool is logged out as soon as nobody uses it: when it is the least recently used
/// of too many, when it was not used for long, when its node has other credentials now, and at the end.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    tuning: Arc<Tuning>,
    table: Mutex<Table>,
    jobs: Jobs,
}

#[derive(Default)]
struct Table {
    clients: HashMap<Arc<Account>, Entry>,
    /// Which account a node used last.
    nodes: HashMap<String, Arc<Account>>,
    /// One for each BMC, by its origin.
    gates: HashMap<String, Gate>,
    /// Refusals of accounts whose clients are gone.
    refusals: HashMap<Arc<Account>, Instant>,
    clock: u64,
    /// When unused clients were looked for last.
    swept: Option<Instant>,
    closed: bool,
}

struct Entry {
    client: Arc<Client>,
    nodes: HashSet<String>,
    used: u64,
    used_at: Instant,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("clients", &self.len()).finish_non_exhaustive()
    }
}

impl Pool {
    /// An empty pool; its jobs run on the runtime of the caller.
    #[must_use]
    pub fn new(tuning: Tuning) -> Self {
        let jobs = Jobs { tracker: TaskTracker::new(), runtime: Handle::current() };
        Self { shared: Arc::new(Shared { tuning: Arc::new(tuning), table: Mutex::default(), jobs }) }
    }

    /// Starts an operation on the BMC of a node, with a limit of its own and the end of the whole call; says
    /// also whether a client had to be made for it.
    ///
    /// # Errors
    ///
    /// [`TlsError`], when a client has to be made and there is nothing to trust.
    pub fn operation(
        &self,
        node: &str,
        account: Account,
        name: &'static str,
        limit: Duration,
        call_ends: Option<Instant>,
    ) -> Result<(Operation, bool), TlsError> {
        let (lease, new) = self.lease(node, account)?;
        Ok((Operation::new(lease, name, limit, call_ends), new))
    }

    /// How many clients are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.table().clients.len()
    }

    /// Whether no client is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Logs all clients out at the same time; what takes longer than `patience` is left.
    pub async fn close(&self, patience: Duration) {
        let clients: Vec<_> = {
            let mut table = self.shared.table();
            table.closed = true;
            table.nodes.clear();
            table.clients.drain().map(|(_, entry)| entry.client).collect()
        };
        self.shared.retire(clients);
        self.shared.jobs.tracker.close();
        let all = self.shared.jobs.tracker.wait();
        if timeout(patience.min(LOGOUT_TIME_MAX), all).await.is_err() {
            farrier_sdk::prelude::warn!("sessions are left on BMCs that did not answer the logout in time");
        }
    }

    fn lease(&self, node: &str, account: Account) -> Result<(Lease, bool), TlsError> {
        let (idle, moved, kept, gate, refused) = {
            let mut table = self.shared.table();
            let idle = table.sweep(Instant::now());
            let moved = table.move_node(node, &account);
            let kept = table.use_client(node, &account);
            let gate = table.gate(&account, self.shared.tuning.requests_max);
            (idle, moved, kept, gate, table.refusals.get(&account).copied())
        };
        self.shared.retire(moved.into_iter().chain(idle));
        let new = kept.is_none();
        let client = match kept {
            Some(client) => client,
            None => {
                // Reading certificates takes a while; nobody else waits for it.
                let (tuning, jobs) = (Arc::clone(&self.shared.tuning), self.shared.jobs.clone());
                let made = Arc::new(Client::new(account, tuning, gate, jobs, refused)?);
                let (client, evicted) =
                    self.shared.table().insert(node, made, self.shared.tuning.clients_max);
                self.shared.retire(evicted);
                client
            }
        };
        Ok((Lease { client, shared: Arc::clone(&self.shared) }, new))
    }
}

impl Table {
    /// Takes out the clients that nobody has used for long.
    fn sweep(&mut self, now: Instant) -> Vec<Arc<Client>> {
        if self.swept.is_some_and(|swept| now < swept + SWEEP_PAUSE) {
            return Vec::new();
        }
        self.swept = Some(now);
        let is_idle = |entry: &Entry| {
            entry.used_at + IDLE_TIME_MAX <= now && entry.client.leases.load(Ordering::Relaxed) == 0
        };
        let idle: Vec<Entry> =
            self.clients.extract_if(|_, entry| is_idle(entry)).map(|(_, entry)| entry).collect();
        for node in idle.iter().flat_map(|entry| &entry.nodes) {
            self.nodes.remove(node);
        }
        idle.into_iter().map(|entry| entry.client).collect()
    }

    /// Takes a node away from the client of another account; returns that client if no node is left to it.
    fn move_node(&mut self, node: &str, account: &Account) -> Option<Arc<Client>> {
        let old = self.nodes.get(node).filter(|old| ***old != *account)?.clone();
        self.nodes.remove(node);
        let entry = self.clients.get_mut(&old)?;
        entry.nodes.remove(node);
        if !entry.nodes.is_empty() {
            return None;
        }
        self.clients.remove(&old).map(|entry| entry.client)
    }

    /// The client of an account, counted as in use.
    fn use_client(&mut self, node: &str, account: &Account) -> Option<Arc<Client>> {
        self.clock += 1;
        let (key, _) = self.clients.get_key_value(account)?;
        let key = Arc::clone(key);
        let entry = self.clients.get_mut(account)?;
        (entry.used, entry.used_at) = (self.clock, Instant::now());
        if !entry.nodes.contains(node) {
            entry.nodes.insert(node.to_owned());
            self.nodes.insert(node.to_owned(), key);
        }
        entry.client.leases.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(&entry.client))
    }

    fn gate(&mut self, account: &Account, reads_max: u32) -> Gate {
        self.gates.retain(|_, gate| !gate.is_unshared());
        self.gates.entry(account.address.to_string()).or_insert_with(|| Gate::new(reads_max)).clone()
    }

    /// Keeps a new client, unless somebody made the same one meanwhile; returns the one to use and those that
    /// had to go for it.
    fn insert(&mut self, node: &str, made: Arc<Client>, max: usize) -> (Arc<Client>, Vec<Arc<Client>>) {
        let now = Instant::now();
        self.refusals.retain(|_, until| now < *until);
        if let Some(client) = self.use_client(node, &made.account) {
            return (client, Vec::new());
        }
        made.leases.fetch_add(1, Ordering::Relaxed);
        if self.closed || max == 0 {
            return (made, Vec::new());
        }
        let mut evicted = Vec::new();
        while self.clients.len() >= max {
            let oldest =
                self.clients.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| Arc::clone(key));
            let Some(entry) = oldest.and_then(|key| self.clients.remove(&key)) else { break };
            entry.nodes.iter().for_each(|node| {
                self.nodes.remove(node);
            });
            evicted.push(entry.client);
        }
        let key = Arc::new(made.account.clone());
        self.clients.insert(
            Arc::clone(&key),
            Entry {
                client: Arc::clone(&made),
                nodes: HashSet::from([node.to_owned()]),
                used: self.clock,
                used_at: now,
            },
        );
        self.nodes.insert(node.to_owned(), key);
        (made, evicted)
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends clients that have left the pool, unless they are in use: then the last lease does it.
    fn retire(&self, clients: impl IntoIterator<Item = Arc<Client>>) {
        for client in clients {
            if client.leases.load(Ordering::Relaxed) == 0 {
                self.log_out(client);
            }
        }
    }

    /// Gives a client back; one that the pool does not keep ends with its last lease.
    fn release(&self, client: &Arc<Client>) {
        let ends = {
            let mut table = self.table();
            let last = client.leases.fetch_sub(1, Ordering::Relaxed) == 1;
            let kept =
                table.clients.get(&client.account).is_some_and(|entry| Arc::ptr_eq(&entry.client, client));
            if last
                && !kept
                && let Some(until) = client.refused_until()
            {
                table.refusals.insert(Arc::new(client.account.clone()), until);
            }
            last && !kept
        };
        if ends {
            self.log_out(Arc::clone(client));
        }
    }

    fn log_out(&self, client: Arc<Client>) {
        if client.account.login.is_some() {
            let _job = self.jobs.tracker.spawn_on(async move { client.log_out().await }, &self.jobs.runtime);
        }
    }
}

/// A client in use.
pub(crate) struct Lease {
    client: Arc<Client>,
    shared: Arc<Shared>,
}

impl Lease {
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        self.client.leases.fetch_add(1, Ordering::Relaxed);
        Self { client: Arc::clone(&self.client), shared: Arc::clone(&self.shared) }
    }
}

impl Deref for Lease {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.release(&self.client);
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::prelude::Options;

    use super::*;
    use crate::client::account::AuthType;
    use crate::client::address::Address;
    use crate::client::tls::{TlsVersion, Verify};
    use crate::options::RedfishOptions;

    fn account(host: &str) -> Account {
        Account {
            address: Address::parse(&format!("http://{host}")).unwrap(),
            verify: Verify::System,
            tls_oldest: TlsVersion::default(),
            ciphers: None,
            auth_type: AuthType::Auto,
            login: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_nobody_uses_for_long_are_not_kept() {
        let pool = Pool::new(RedfishOptions::from_map(&farrier_sdk::prelude::Map::new()).unwrap().tuning());
        let ask =
            |host: &str| pool.operation(host, account(host), "poll", Duration::from_secs(1), None).unwrap();
        let (busy, _) = ask("bmc1");
        ask("bmc2");
        assert_eq!(pool.len(), 2);

        tokio::time::advance(IDLE_TIME_MAX - Duration::from_secs(1)).await;
        ask("bmc3");
        assert_eq!(pool.len(), 3);
        tokio::time::advance(SWEEP_PAUSE).await;
        let (_, is_new) = ask("bmc3");

        assert_eq!((pool.len(), is_new), (2, false), "the one in use, and the one used lately");
        drop(busy);
        let (_, is_new) = ask("bmc2");
        assert!(is_new);
    }
}
