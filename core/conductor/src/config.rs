//! Options of the conductor. Names and defaults are Ironic's where it has them.

mod notification;
mod sensor_data;

use std::net::Ipv6Addr;
use std::time::Duration;

use farrier_model::step::{StepId, StepPriority};
use farrier_sdk::interface::InterfaceType;
use serde::{Deserialize, Serialize};

use crate::ring::HashAlgorithm;

pub use crate::operation::rescue::RescueHash;
pub use notification::{NotificationConfig, VerifyCa, WebhookConfig};
pub use sensor_data::SensorDataConfig;

/// Which drivers a conductor offers: the table `[drivers]`.
///
/// An empty or absent list of interfaces is calculated: for every enabled hardware type the first implementation
/// it supports. The defaults name what is part of Farrier itself, so that a plugin directory with one driver in
/// it is enough to start.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriverConfig {
    /// Hardware types to offer.
    pub enabled_hardware_types: Vec<String>,
    /// BIOS interfaces to offer.
    pub enabled_bios_interfaces: Vec<String>,
    /// Boot interfaces to offer.
    pub enabled_boot_interfaces: Vec<String>,
    /// Console interfaces to offer.
    pub enabled_console_interfaces: Vec<String>,
    /// Deploy interfaces to offer.
    pub enabled_deploy_interfaces: Vec<String>,
    /// Firmware interfaces to offer.
    pub enabled_firmware_interfaces: Vec<String>,
    /// Inspect interfaces to offer.
    pub enabled_inspect_interfaces: Vec<String>,
    /// Management interfaces to offer.
    pub enabled_management_interfaces: Vec<String>,
    /// Network interfaces to offer.
    pub enabled_network_interfaces: Vec<String>,
    /// Power interfaces to offer.
    pub enabled_power_interfaces: Vec<String>,
    /// RAID interfaces to offer.
    pub enabled_raid_interfaces: Vec<String>,
    /// Rescue interfaces to offer.
    pub enabled_rescue_interfaces: Vec<String>,
    /// Storage interfaces to offer.
    pub enabled_storage_interfaces: Vec<String>,
    /// Vendor interfaces to offer.
    pub enabled_vendor_interfaces: Vec<String>,
    /// BIOS interface of nodes that choose none, whatever their hardware type.
    pub default_bios_interface: Option<String>,
    /// Boot interface of nodes that choose none, whatever their hardware type.
    pub default_boot_interface: Option<String>,
    /// Console interface of nodes that choose none, whatever their hardware type.
    pub default_console_interface: Option<String>,
    /// Deploy interface of nodes that choose none, whatever their hardware type.
    pub default_deploy_interface: Option<String>,
    /// Firmware interface of nodes that choose none, whatever their hardware type.
    pub default_firmware_interface: Option<String>,
    /// Inspect interface of nodes that choose none, whatever their hardware type.
    pub default_inspect_interface: Option<String>,
    /// Management interface of nodes that choose none, whatever their hardware type.
    pub default_management_interface: Option<String>,
    /// Network interface of nodes that choose none, whatever their hardware type.
    pub default_network_interface: Option<String>,
    /// Power interface of nodes that choose none, whatever their hardware type.
    pub default_power_interface: Option<String>,
    /// RAID interface of nodes that choose none, whatever their hardware type.
    pub default_raid_interface: Option<String>,
    /// Rescue interface of nodes that choose none, whatever their hardware type.
    pub default_rescue_interface: Option<String>,
    /// Storage interface of nodes that choose none, whatever their hardware type.
    pub default_storage_interface: Option<String>,
    /// Vendor interface of nodes that choose none, whatever their hardware type.
    pub default_vendor_interface: Option<String>,
}

impl Default for DriverConfig {
    fn default() -> Self {
        let list = |name: &str| vec![name.to_owned()];
        Self {
            enabled_hardware_types: vec!["ipmi".to_owned(), "redfish".to_owned()],
            enabled_bios_interfaces: list("no-bios"),
            enabled_boot_interfaces: list("noop"),
            enabled_console_interfaces: list("no-console"),
            enabled_deploy_interfaces: list("noop"),
            enabled_firmware_interfaces: list("no-firmware"),
            enabled_inspect_interfaces: list("no-inspect"),
            enabled_management_interfaces: Vec::new(),
            enabled_network_interfaces: list("noop"),
            enabled_power_interfaces: Vec::new(),
            enabled_raid_interfaces: list("no-raid"),
            enabled_rescue_interfaces: list("no-rescue"),
            enabled_storage_interfaces: list("noop"),
            enabled_vendor_interfaces: list("no-vendor"),
            default_bios_interface: None,
            default_boot_interface: None,
            default_console_interface: None,
            default_deploy_interface: None,
            default_firmware_interface: None,
            default_inspect_interface: None,
            default_management_interface: None,
            default_network_interface: None,
            default_power_interface: None,
            default_raid_interface: None,
            default_rescue_interface: None,
            default_storage_interface: Some("noop".to_owned()),
            default_vendor_interface: None,
        }
    }
}

impl DriverConfig {
    /// `enabled_<kind>_interfaces`, as configured.
    #[must_use]
    pub fn enabled(&self, kind: InterfaceType) -> &[String] {
        match kind {
            InterfaceType::Boot => &self.enabled_boot_interfaces,
            InterfaceType::Deploy => &self.enabled_deploy_interfaces,
            InterfaceType::Management => &self.enabled_management_interfaces,
            InterfaceType::Network => &self.enabled_network_interfaces,
            InterfaceType::Power => &self.enabled_power_interfaces,
            InterfaceType::Bios => &self.enabled_bios_interfaces,
            InterfaceType::Console => &self.enabled_console_interfaces,
            InterfaceType::Firmware => &self.enabled_firmware_interfaces,
            InterfaceType::Inspect => &self.enabled_inspect_interfaces,
            InterfaceType::Raid => &self.enabled_raid_interfaces,
            InterfaceType::Rescue => &self.enabled_rescue_interfaces,
            InterfaceType::Storage => &self.enabled_storage_interfaces,
            InterfaceType::Vendor => &self.enabled_vendor_interfaces,
        }
    }

    /// `default_<kind>_interface`, as configured.
    #[must_use]
    pub fn default_of(&self, kind: InterfaceType) -> Option<&str> {
        match kind {
            InterfaceType::Boot => &self.default_boot_interface,
            InterfaceType::Deploy => &self.default_deploy_interface,
            InterfaceType::Management => &self.default_management_interface,
            InterfaceType::Network => &self.default_network_interface,
            InterfaceType::Power => &self.default_power_interface,
            InterfaceType::Bios => &self.default_bios_interface,
            InterfaceType::Console => &self.default_console_interface,
            InterfaceType::Firmware => &self.default_firmware_interface,
            InterfaceType::Inspect => &self.default_inspect_interface,
            InterfaceType::Raid => &self.default_raid_interface,
            InterfaceType::Rescue => &self.default_rescue_interface,
            InterfaceType::Storage => &self.default_storage_interface,
            InterfaceType::Vendor => &self.default_vendor_interface,
        }
        .as_deref()
    }
}

/// How a conductor works: the table `[conductor]`. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConductorConfig {
    /// Name of this conductor and tag of its locks; the host's name when empty.
    pub host: String,
    /// How conductors reach each other: requests about a node are handed to the conductor that owns it, or each does
    /// the work it is asked for itself. With `json-rpc` the name above is also the address of this conductor, and has
    /// the port of table `[json_rpc]` behind it when that is not the usual one.
    pub rpc_transport: RpcTransport,
    /// Group of nodes this conductor may own; empty for the default group.
    pub conductor_group: String,
    /// How often a busy node is tried before `NodeLocked`.
    pub node_locked_retry_attempts: u32,
    /// Seconds between two tries.
    pub node_locked_retry_interval: f64,
    /// Jobs that may run at once.
    pub workers_pool_size: usize,
    /// Percentage of them kept for requests when periodic work has taken the rest, 0 to 50.
    pub reserved_workers_pool_percentage: usize,
    /// Seconds a machine has to reach a power state.
    pub power_state_change_timeout: u64,
    /// Seconds a machine has to switch itself off when asked.
    pub soft_power_off_timeout: u64,
    /// Seconds any other call of a driver may take.
    pub driver_call_timeout: u64,
    /// Seconds a step may take, or what a driver does for an operation, before it counts as failed.
    pub driver_step_timeout: u64,
    /// Whether nodes are cleaned before they become available, unless the node says otherwise.
    pub automated_clean: bool,
    /// Whether nodes in maintenance may be cleaned on their way to `available`, and go on with what they do.
    pub allow_provisioning_in_maintenance: bool,
    /// Most nodes that may be in deployment at once.
    pub max_concurrent_deploy: u32,
    /// Most nodes that may be in tear-down or cleaning at once.
    pub max_concurrent_clean: u32,
    /// Whether these two limits count the nodes of each conductor group by themselves.
    pub max_concurrent_per_conductor_group: bool,
    /// Boot modes that machines must not be in when they are deployed: `uefi`, `bios`.
    pub disallowed_deployment_boot_modes: Vec<String>,
    /// Whether a machine is powered off when its agent is running and its deployment failed.
    pub power_off_after_deploy_failure: bool,
    /// How the password of the rescue system is hashed: `sha256` or `sha512`.
    pub rescue_password_hash_algorithm: RescueHash,
    /// Whether a machine is powered off when its cleaning failed.
    pub poweroff_in_cleanfail: bool,
    /// Whether a machine is powered off when its service failed.
    pub poweroff_in_servicefail: bool,
    /// Priorities of clean steps, as `interface.step:priority`; 0 switches a step off.
    pub clean_step_priority_override: Vec<StepPriority>,
    /// Priorities of verify steps, as `interface.step:priority`; 0 switches a step off.
    pub verify_step_priority_override: Vec<StepPriority>,
    /// Clean steps that are never run, as `interface.step`; configured in table `[api]`.
    #[serde(skip)]
    pub disallow_clean_steps: Vec<StepId>,
    /// Deploy steps that are never run, as `interface.step`; configured in table `[api]`.
    #[serde(skip)]
    pub disallow_deploy_steps: Vec<StepId>,
    /// Service steps that are never run, as `interface.step`; configured in table `[api]`.
    #[serde(skip)]
    pub disallow_service_steps: Vec<StepId>,
    /// Most seconds that a step `wait` may ask for; longer ones are cut.
    pub max_conductor_wait_step_seconds: u64,
    /// Whether a step that runs on child nodes may answer that it goes on by itself.
    pub permit_child_node_step_async_result: bool,
    /// Whether what goes wrong with a node is kept in its history.
    pub node_history: bool,
    /// Whether the beginning and the end of a list of steps are kept in the history too.
    pub record_step_flows_in_history: bool,
    /// Whether nodes in `available` may be deleted.
    pub allow_deleting_available_nodes: bool,
    /// Seconds without a heartbeat after which a conductor counts as dead.
    pub heartbeat_timeout: u64,
    /// Seconds between two heartbeats.
    pub heartbeat_interval: f64,
    /// Seconds between two looks for conductors that have been gone for long; 0 switches them off.
    pub conductor_cleanup_interval: f64,
    /// Most of them that are forgotten at once.
    pub conductor_cleanup_batch_size: usize,
    /// Seconds after which a conductor that is gone is forgotten; at least three times `heartbeat_timeout`.
    pub conductor_cleanup_timeout: u64,
    /// Points of each conductor on the circle that says which nodes are whose: two to the power of this.
    pub hash_partition_exponent: u32,
    /// Seconds after which it is found out anew which conductors there are.
    pub hash_ring_reset_interval: u64,
    /// What places nodes on the circle; the same on all conductors.
    pub hash_ring_algorithm: HashAlgorithm,
    /// Most nodes that one pass of the timeouts and of taking over acts on.
    pub periodic_max_workers: usize,
    /// Seconds between two synchronisations of power states; 0 switches them off.
    pub sync_power_state_interval: f64,
    /// Workers of one synchronisation of power states. Each has 32 nodes under way at once and takes no place in the
    /// pool, but the pool must be large enough for them.
    pub sync_power_state_workers: usize,
    /// Seconds that a BMC has to answer one question of a synchronisation.
    pub sync_power_state_timeout: u64,
    /// How often in a row a power state may be unknown or not as recorded before the node goes into maintenance.
    pub power_state_sync_max_retries: u32,
    /// Whether a machine that is not as recorded is switched; the record is corrected otherwise.
    pub force_power_state_during_sync: bool,
    /// Whether the health of machines is asked for with their power state.
    pub enable_health_monitoring: bool,
    /// Seconds between two looks at nodes in maintenance because of their power; 0 switches them off.
    pub power_failure_recovery_interval: f64,
    /// Whether agents stay running between operations.
    pub fast_track: bool,
    /// Whether agents must be reached over TLS.
    pub require_tls: bool,
    /// Seconds a deployment may wait for its agent; 0: for ever.
    pub deploy_callback_timeout: u64,
    /// Seconds a cleaning may wait for its agent; 0: for ever.
    pub clean_callback_timeout: u64,
    /// Seconds a service may wait for its agent; 0: for ever.
    pub service_callback_timeout: u64,
    /// Seconds a rescue may wait for its agent; 0: for ever.
    pub rescue_callback_timeout: u64,
    /// Seconds an inspection may wait for its result; 0: for ever.
    pub inspect_wait_timeout: u64,
    /// Seconds between two looks for nodes that wait too long, or whose conductor is gone; 0 switches them off.
    pub check_provision_state_interval: f64,
    /// Seconds between two looks for nodes that wait too long to be rescued; 0 switches them off.
    pub check_rescue_state_interval: f64,
    /// Seconds between two looks for nodes that another conductor prepared; 0 switches them off.
    pub sync_local_state_interval: f64,
    /// Seconds between two clean-ups of the nodes' histories; 0 switches them off.
    pub node_history_cleanup_interval: f64,
    /// Entries deleted at once by a clean-up.
    pub node_history_cleanup_batch_count: u32,
    /// Entries of each node that a clean-up keeps.
    pub node_history_max_entries: u32,
    /// Days that a clean-up keeps every entry.
    pub node_history_minimum_days: u32,
    /// What is told of sensors; configured in table `[sensor_data]`.
    #[serde(skip)]
    pub sensor_data: SensorDataConfig,
    /// Seconds that running work has to end when the conductor stops; 0 waits for as long as it takes.
    pub graceful_shutdown_timeout: u64,
    /// The same when the conductor is drained: when it was told to stop with SIGUSR2.
    pub drain_shutdown_timeout: u64,
}

impl Default for ConductorConfig {
    fn default() -> Self {
        Self {
            host: String::new(),
            rpc_transport: RpcTransport::None,
            conductor_group: String::new(),
            node_locked_retry_attempts: 3,
            node_locked_retry_interval: 1.0,
            workers_pool_size: 300,
            reserved_workers_pool_percentage: 5,
            power_state_change_timeout: 60,
            soft_power_off_timeout: 600,
            driver_call_timeout: 120,
            driver_step_timeout: 3600,
            automated_clean: true,
            allow_provisioning_in_maintenance: true,
            max_concurrent_deploy: 250,
            max_concurrent_clean: 50,
            max_concurrent_per_conductor_group: false,
            disallowed_deployment_boot_modes: Vec::new(),
            power_off_after_deploy_failure: true,
            rescue_password_hash_algorithm: RescueHash::Sha256,
            poweroff_in_cleanfail: false,
            poweroff_in_servicefail: false,
            clean_step_priority_override: Vec::new(),
            verify_step_priority_override: Vec::new(),
            disallow_clean_steps: Vec::new(),
            disallow_deploy_steps: Vec::new(),
            disallow_service_steps: Vec::new(),
            max_conductor_wait_step_seconds: 30,
            permit_child_node_step_async_result: false,
            node_history: true,
            record_step_flows_in_history: true,
            allow_deleting_available_nodes: true,
            heartbeat_timeout: 60,
            heartbeat_interval: 10.0,
            conductor_cleanup_interval: 86400.0,
            conductor_cleanup_batch_size: 50,
            conductor_cleanup_timeout: 1_209_600,
            hash_partition_exponent: 5,
            hash_ring_reset_interval: 15,
            hash_ring_algorithm: HashAlgorithm::Md5,
            periodic_max_workers: 8,
            sync_power_state_interval: 120.0,
            sync_power_state_workers: 8,
            sync_power_state_timeout: 60,
            power_state_sync_max_retries: 3,
            force_power_state_during_sync: true,
            enable_health_monitoring: true,
            power_failure_recovery_interval: 300.0,
            fast_track: false,
            require_tls: false,
            deploy_callback_timeout: 1800,
            clean_callback_timeout: 1800,
            service_callback_timeout: 1800,
            rescue_callback_timeout: 1800,
            inspect_wait_timeout: 1800,
            check_provision_state_interval: 60.0,
            check_rescue_state_interval: 60.0,
            sync_local_state_interval: 180.0,
            node_history_cleanup_interval: 86400.0,
            node_history_cleanup_batch_count: 1000,
            node_history_max_entries: 300,
            node_history_minimum_days: 0,
            sensor_data: SensorDataConfig::default(),
            graceful_shutdown_timeout: 60,
            drain_shutdown_timeout: 1800,
        }
    }
}

/// How conductors reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RpcTransport {
    /// Not at all.
    #[default]
    None,
    /// By JSON-RPC over HTTP.
    JsonRpc,
}

/// The port that conductors listen on for each other unless they are told otherwise.
pub const JSON_RPC_PORT: u16 = 8089;

/// The one name of a conductor: in the registry, in locks, and where others reach it.
///
/// `port` is where it listens for other conductors, if it does; only another one than usual is part of the name.
#[must_use]
pub fn identity(host: &str, port: Option<u16>) -> String {
    match port {
        Some(port) if port != JSON_RPC_PORT && host.parse::<Ipv6Addr>().is_ok() => format!("[{host}]:{port}"),
        Some(port) if port != JSON_RPC_PORT => format!("{host}:{port}"),
        Some(_) | None => host.to_owned(),
    }
}

impl ConductorConfig {
    /// Pause between two tries of a lock; a number that is none counts as no pause.
    #[must_use]
    pub fn lock_interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.node_locked_retry_interval).unwrap_or_default()
    }
}
