//! Conductors.

#[cfg(test)]
mod tests;

use std::time::Duration;

use farrier_model::conductor::{Conductor, HardwareInterface};

use crate::error::{RecordKind, StoreError};
use crate::pool::WriteTransaction;
use crate::record::{Assignment, Record, SortKind, all, insert, one, select, update};
use crate::statement::{Row, Statement, Value};
use crate::store::{Store, now};

use SortKind::{Integer, Text};

/// How a conductor registers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name; also the tag it locks nodes with.
    pub hostname: String,
    /// Which group of nodes it may own, in lower case; empty for the default group.
    pub conductor_group: String,
    /// The hardware types it offers.
    pub drivers: Vec<String>,
    /// Whether to take over a record that says it is online: so does one left behind by a crash.
    pub replace_online: bool,
}

impl Store {
    /// Registers a conductor as online and returns its record. Interfaces registered under its name before are
    /// forgotten.
    ///
    /// # Errors
    ///
    /// [`ConductorAlreadyRegistered`](StoreError::ConductorAlreadyRegistered): a conductor of this name is
    /// online and `replace_online` is not set.
    pub async fn conductor_register(&self, registration: &Registration) -> Result<Conductor, StoreError> {
        const OPERATION: &str = "conductor_register";
        let hostname = &registration.hostname;
        let mut transaction = self.pools().begin(OPERATION).await?;
        let known = self.conductor_locked(&mut transaction, OPERATION, hostname).await?;
        if known.as_ref().is_some_and(|known| known.online) && !registration.replace_online {
            return Err(StoreError::ConductorAlreadyRegistered { hostname: hostname.clone() });
        }
        let mut drivers = registration.drivers.clone();
        drivers.sort_unstable();
        drivers.dedup();
        let time = Value::time(now());
        let mut assignments = vec![
            ("hostname", hostname.into()),
            ("conductor_group", (&registration.conductor_group).into()),
            ("drivers", drivers_value(&drivers)),
            ("online", true.into()),
            ("updated_at", time.clone()),
        ];
        let statement = match &known {
            Some(known) => {
                interfaces_clear(&mut transaction, OPERATION, known.id).await?;
                let mut statement = update::<Conductor>(OPERATION, assignments);
                statement.push(" WHERE id = ");
                statement.push_bind(known.id);
                statement.push(" RETURNING *");
                statement
            }
            None => {
                assignments.push(("created_at", time));
                insert::<Conductor>(OPERATION, assignments)
            }
        };
        let registered = match transaction.run(statement).await {
            Ok(rows) => one(&rows, hostname)?,
            // Somebody of the same name was quicker.
            Err(error) if error.is_unique_violation() => {
                return Err(StoreError::ConductorAlreadyRegistered { hostname: hostname.clone() });
            }
            Err(error) => return Err(error),
        };
        transaction.commit().await?;
        Ok(registered)
    }

    /// The conductor of this name, online or not.
    ///
    /// # Errors
    ///
    /// [`ConductorNotFound`](StoreError::ConductorNotFound).
    pub async fn conductor_get(&self, hostname: &str) -> Result<Conductor, StoreError> {
        let statement =
            Statement::new("conductor_get", "SELECT * FROM conductors WHERE hostname = $1").bind(hostname);
        one(&self.pools().read(statement).await?, hostname)
    }

    /// All conductors, online or not, oldest first.
    pub async fn conductor_list(&self) -> Result<Vec<Conductor>, StoreError> {
        let mut statement = select::<Conductor>("conductor_list");
        statement.push(" ORDER BY id");
        all(&self.pools().read(statement).await?)
    }

    /// The conductors that can be counted on; see [`Store::conductor_is_alive`].
    pub async fn conductor_list_alive(&self, timeout: Duration) -> Result<Vec<Conductor>, StoreError> {
        let conductors = self.conductor_list().await?;
        Ok(conductors.into_iter().filter(|conductor| self.conductor_is_alive(conductor, timeout)).collect())
    }

    /// Whether a conductor can be counted on: online and, where several share the database, heard of within
    /// `timeout`.
    #[must_use]
    pub fn conductor_is_alive(&self, conductor: &Conductor, timeout: Duration) -> bool {
        conductor.is_alive(now(), self.is_shared().then_some(timeout))
    }

    /// Says that a conductor lives: online, and heard of now.
    ///
    /// # Errors
    ///
    /// [`ConductorNotFound`](StoreError::ConductorNotFound).
    pub async fn conductor_touch(&self, hostname: &str) -> Result<(), StoreError> {
        self.conductor_mark("conductor_touch", hostname, true).await
    }

    /// Says that a conductor has gone, or is about to.
    ///
    /// # Errors
    ///
    /// [`ConductorNotFound`](StoreError::ConductorNotFound).
    pub async fn conductor_offline(&self, hostname: &str) -> Result<(), StoreError> {
        self.conductor_mark("conductor_offline", hostname, false).await
    }

    async fn conductor_mark(
        &self,
        operation: &'static str,
        hostname: &str,
        online: bool,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE conductors SET online = $1, updated_at = $2 WHERE hostname = $3 RETURNING id";
        let statement = Statement::new(operation, sql).bind(online).bind(Value::time(now())).bind(hostname);
        let rows = self.pools().write(statement).await?;
        rows.first().map(drop).ok_or_else(|| Conductor::not_found(hostname.to_owned()))
    }

    /// Deletes a conductor and what it left behind: its interfaces, its locks, the power actions it had under way
    /// (`error` becomes their node's last error), and that it once prepared a node.
    ///
    /// # Errors
    ///
    /// [`ConductorNotFound`](StoreError::ConductorNotFound).
    pub async fn conductor_destroy(&self, hostname: &str, error: &str) -> Result<(), StoreError> {
        // In this order what fails half way is found again by trying again.
        self.conductor_get(hostname).await?;
        self.node_target_power_states_clear(hostname, error).await?;
        self.node_reservations_clear(hostname).await?;
        let sql = "DELETE FROM conductors WHERE hostname = $1 RETURNING id";
        let rows = self.pools().write(Statement::new("conductor_destroy", sql).bind(hostname)).await?;
        rows.first().map(drop).ok_or_else(|| Conductor::not_found(hostname.to_owned()))
    }

    /// Says which implementations a conductor offers; all of them or, on error, none.
    ///
    /// # Errors
    ///
    /// - [`ConductorHardwareInterfacesAlreadyRegistered`](StoreError::ConductorHardwareInterfacesAlreadyRegistered):
    ///   one of them is there already, or twice among these.
    /// - [`ConductorNotFound`](StoreError::ConductorNotFound).
    pub async fn conductor_interfaces_register(
        &self,
        conductor: &Conductor,
        interfaces: &[HardwareInterface],
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "conductor_interfaces_register";
        let mut transaction = self.pools().begin(OPERATION).await?;
        for interface in interfaces {
            let sql = "INSERT INTO conductor_hardware_interfaces \
                       (conductor_id, hardware_type, interface_type, interface_name, is_default) \
                       VALUES ($1, $2, $3, $4, $5)";
            let statement = Statement::new(OPERATION, sql)
                .bind(conductor.id)
                .bind(&interface.hardware_type)
                .bind(interface.interface_type.as_str())
                .bind(&interface.interface_name)
                .bind(interface.is_default);
            transaction.run(statement).await.map_err(|error| {
                if error.is_unique_violation() {
                    StoreError::ConductorHardwareInterfacesAlreadyRegistered { conductor: conductor.id }
                } else if error.is_foreign_key_violation() {
                    Conductor::not_found(conductor.hostname.clone())
                } else {
                    error
                }
            })?;
        }
        transaction.commit().await
    }

    /// Which implementations a conductor offers, sorted.
    pub async fn conductor_interfaces_list(
        &self,
        conductor: &Conductor,
    ) -> Result<Vec<HardwareInterface>, StoreError> {
        let sql = "SELECT * FROM conductor_hardware_interfaces WHERE conductor_id = $1";
        let statement = Statement::new("conductor_interfaces_list", sql).bind(conductor.id);
        let rows = self.pools().read(statement).await?;
        let mut interfaces = rows.iter().map(read_interface).collect::<Result<Vec<_>, _>>()?;
        interfaces.sort_unstable();
        Ok(interfaces)
    }

    /// Forgets which implementations a conductor offers.
    pub async fn conductor_interfaces_clear(&self, conductor: &Conductor) -> Result<(), StoreError> {
        const OPERATION: &str = "conductor_interfaces_clear";
        let mut transaction = self.pools().begin(OPERATION).await?;
        interfaces_clear(&mut transaction, OPERATION, conductor.id).await?;
        transaction.commit().await
    }

    /// The conductor of this name, and nobody else changes it until the transaction ends.
    pub(crate) async fn conductor_locked(
        &self,
        transaction: &mut WriteTransaction,
        operation: &'static str,
        hostname: &str,
    ) -> Result<Option<Conductor>, StoreError> {
        let sql = format!("SELECT * FROM conductors WHERE hostname = $1{}", self.dialect().for_update());
        let rows = transaction.run(Statement::new(operation, sql).bind(hostname)).await?;
        rows.first().map(Conductor::read).transpose()
    }
}

async fn interfaces_clear(
    transaction: &mut WriteTransaction,
    operation: &'static str,
    conductor: i64,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM conductor_hardware_interfaces WHERE conductor_id = $1";
    transaction.run(Statement::new(operation, sql).bind(conductor)).await.map(drop)
}

fn read_interface(row: &Row) -> Result<HardwareInterface, StoreError> {
    Ok(HardwareInterface {
        hardware_type: row.text("hardware_type")?,
        interface_type: row.parsed("interface_type")?,
        interface_name: row.text("interface_name")?,
        is_default: row.boolean("is_default")?,
    })
}

/// A list of names as JSON.
fn drivers_value(drivers: &[String]) -> Value {
    // A list of texts; nothing can go wrong here.
    Value::Text(Some(serde_json::to_string(drivers).unwrap_or_default()))
}

impl Record for Conductor {
    const KIND: RecordKind = RecordKind::Conductor;
    const TABLE: &'static str = "conductors";
    const COLUMNS: &'static str = "*";
    const SORT: &'static [(&'static str, SortKind)] = &[
        ("id", Integer),
        ("hostname", Text),
        ("conductor_group", Text),
        ("online", Integer),
        ("created_at", Text),
        ("updated_at", Text),
        // next sortable column above this line
    ];

    fn values(&self) -> Vec<Assignment> {
        vec![
            ("conductor_group", (&self.conductor_group).into()),
            ("drivers", drivers_value(&self.drivers)),
            ("online", self.online.into()),
        ]
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let drivers = serde_json::from_str(&row.text("drivers")?);
        Ok(Self {
            id: row.integer("id")?,
            hostname: row.text("hostname")?,
            conductor_group: row.text("conductor_group")?,
            drivers: drivers
                .map_err(|error| StoreError::Corrupt { column: "drivers", reason: error.to_string() })?,
            online: row.boolean("online")?,
            created_at: row.parsed("created_at")?,
            updated_at: row.parsed("updated_at")?,
        })
    }

    fn not_found(ident: String) -> StoreError {
        StoreError::ConductorNotFound { hostname: ident }
    }
}
