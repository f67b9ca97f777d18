//! The configuration file: one table per part, and one per plugin.
//!
//! Files are read in order, then the environment (`FARRIER_SECTION__KEY`); later values win.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use farrier_conductor::config::{
    ConductorConfig, DriverConfig, JSON_RPC_PORT, NotificationConfig, RpcTransport, SensorDataConfig,
    identity,
};
use farrier_model::step::StepId;
use farrier_sdk::secret::Secret;
use farrier_store::StoreConfig;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The file that is read when none is given.
pub(crate) const DEFAULT_FILE: &str = "/etc/farrier/farrier.toml";

/// Names of the tables that belong to no plugin.
const OWN_TABLES: [&str; 10] = [
    "api",
    "conductor",
    "database",
    "drivers",
    "image_server",
    "json_rpc",
    "log",
    "notifications",
    "plugins",
    "sensor_data",
];

/// Everything that can be configured.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// The REST API.
    pub(crate) api: ApiConfig,
    /// The database.
    pub(crate) database: StoreConfig,
    /// Where plugins are.
    pub(crate) plugins: PluginConfig,
    /// Which drivers are offered.
    pub(crate) drivers: DriverConfig,
    /// The conductor.
    pub(crate) conductor: ConductorConfig,
    /// How conductors reach each other.
    pub(crate) json_rpc: JsonRpcConfig,
    /// Which files of this machine BMCs can fetch.
    pub(crate) image_server: ImageServerConfig,
    /// What is told to whom.
    pub(crate) notifications: NotificationConfig,
    /// What is told of sensors.
    pub(crate) sensor_data: SensorDataConfig,
    /// The log.
    pub(crate) log: LogConfig,
    /// Every other table: options of the plugin of that name.
    #[serde(flatten)]
    pub(crate) plugin_options: BTreeMap<String, Value>,
}

/// Table `[api]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ApiConfig {
    /// Address to listen on.
    pub(crate) host_ip: IpAddr,
    /// Port to listen on; 0 takes a free one, which the log tells.
    pub(crate) port: u16,
    /// What links begin with, when it is not what clients ask for.
    pub(crate) public_endpoint: Option<String>,
    /// Most records in one answer.
    pub(crate) max_limit: u32,
    /// Who may ask: everybody (`noauth`), or users of a file (`http_basic`).
    pub(crate) auth_strategy: AuthStrategy,
    /// The file with a line `user:bcrypt hash` for each user, as `htpasswd -nbB` writes them; read again when it
    /// changes.
    pub(crate) http_basic_auth_user_file: Option<PathBuf>,
    /// Clean steps that are never run, as `interface.step`.
    pub(crate) disallow_clean_steps: Vec<StepId>,
    /// Deploy steps that are never run, as `interface.step`.
    pub(crate) disallow_deploy_steps: Vec<StepId>,
    /// Service steps that are never run, as `interface.step`.
    pub(crate) disallow_service_steps: Vec<StepId>,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthStrategy {
    /// Everybody who reaches the address.
    Noauth,
    /// The users of a file.
    HttpBasic,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            host_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 6385,
            public_endpoint: None,
            max_limit: 1000,
            auth_strategy: AuthStrategy::Noauth,
            http_basic_auth_user_file: None,
            disallow_clean_steps: Vec::new(),
            disallow_deploy_steps: Vec::new(),
            disallow_service_steps: Vec::new(),
        }
    }
}

/// Table `[json_rpc]`: used with `rpc_transport = "json-rpc"` in table `[conductor]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JsonRpcConfig {
    /// Address to listen on for other conductors. What is said is signed but not encrypted, so that it has to be one
    /// of a network that only conductors are in.
    pub(crate) host_ip: IpAddr,
    /// Port to listen on.
    pub(crate) port: u16,
    /// Seconds that another conductor has to answer.
    pub(crate) timeout: u64,
    /// What all conductors know and nobody else: at least 32 characters.
    pub(crate) secret: Option<Secret<String>>,
}

impl Default for JsonRpcConfig {
    fn default() -> Self {
        Self { host_ip: IpAddr::V4(Ipv4Addr::LOCALHOST), port: JSON_RPC_PORT, timeout: 120, secret: None }
    }
}

/// Table `[image_server]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ImageServerConfig {
    /// Directories whose files can be deployed as `file://`; without any nothing is served.
    pub(crate) directories: Vec<PathBuf>,
    /// Address to listen on for BMCs.
    pub(crate) host_ip: IpAddr,
    /// Port to listen on; 0 takes a free one, which the log tells.
    pub(crate) port: u16,
    /// What addresses of images begin with, as BMCs reach them: when it is not where is listened.
    pub(crate) public_url: Option<String>,
    /// Seconds that an address is good for. A BMC reads from it for as long as the machine reads its medium.
    pub(crate) url_lifetime: u64,
    /// What addresses are signed with, at least 32 characters; made up at each start unless set, so that addresses end
    /// with the daemon.
    pub(crate) secret: Option<Secret<String>>,
}

impl Default for ImageServerConfig {
    fn default() -> Self {
        Self {
            directories: Vec::new(),
            host_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 6388,
            public_url: None,
            url_lifetime: 86400,
            secret: None,
        }
    }
}

/// Table `[plugins]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PluginConfig {
    /// Directories with plugins, searched in order.
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) directory: Vec<PathBuf>,
    /// Libraries that plugins may need besides those of every system, as `libvendor.so.1`; all plugins share one.
    pub(crate) libraries: Vec<String>,
    /// Whether any refused library keeps the daemon from starting, not only one that is needed.
    pub(crate) strict: bool,
}

impl Default for PluginConfig {
    fn default() -> Self {
        let directory = vec!["/usr/lib/farrier/plugins".into(), "/var/lib/farrier/plugins".into()];
        Self { directory, libraries: Vec::new(), strict: false }
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(PathBuf),
        Many(Vec<PathBuf>),
    }

    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(path) => vec![path],
        OneOrMany::Many(paths) => paths,
    })
}

/// Table `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// What to log, as `info` or `info,farrier_conductor=debug`; `RUST_LOG` wins.
    pub(crate) filter: String,
    /// How: lines for people on a terminal and JSON elsewhere, unless set.
    pub(crate) format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// How log records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file that was asked for does not exist.
    #[error("configuration file `{}` does not exist", .0.display())]
    Missing(PathBuf),
    /// A file or variable cannot be read as what it should be.
    #[error("configuration can not be read: {0}")]
    Invalid(Box<figment::Error>),
    /// A table is neither ours nor a plugin's.
    #[error(
        "table `[{name}]` belongs to nothing: it is none of {own} and there is no plugin of that name (plugins are {plugins})",
        own = OWN_TABLES.join(", ")
    )]
    UnknownTable {
        /// The table.
        name: String,
        /// Plugins that were found.
        plugins: String,
    },
    /// A plugin's table is no table.
    #[error("`{0}` is not a table, write `[{0}]` and its options below")]
    NotATable(String),
}

impl Config {
    /// Reads `files`, or the default file if it is there, and the environment.
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        if files.is_empty() && Path::new(DEFAULT_FILE).exists() {
            figment = figment.merge(Toml::file_exact(DEFAULT_FILE));
        }
        for file in files {
            if !file.exists() {
                return Err(ConfigError::Missing(file.clone()));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        // Variables without a section belong to the tools around the daemon.
        let environment = Env::prefixed("FARRIER_").filter(|key| key.as_str().contains("__")).split("__");
        let mut config: Self =
            figment.merge(environment).extract().map_err(|error| ConfigError::Invalid(Box::new(error)))?;
        if config.conductor.host.is_empty() {
            config.conductor.host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        }
        let rpc_port = match config.conductor.rpc_transport {
            RpcTransport::None => None,
            RpcTransport::JsonRpc => Some(config.json_rpc.port),
        };
        config.conductor.host = identity(&config.conductor.host, rpc_port);
        Ok(config)
    }

    /// The options of the conductor, with those that operators find in tables `[api]` and `[sensor_data]`.
    pub(crate) fn conductor(&self) -> ConductorConfig {
        ConductorConfig {
            disallow_clean_steps: self.api.disallow_clean_steps.clone(),
            disallow_deploy_steps: self.api.disallow_deploy_steps.clone(),
            disallow_service_steps: self.api.disallow_service_steps.clone(),
            sensor_data: self.sensor_data.clone(),
            ..self.conductor.clone()
        }
    }

    /// The options of each plugin; every table must belong to one.
    pub(crate) fn options(
        &self,
        plugins: &[String],
    ) -> Result<BTreeMap<String, Map<String, Value>>, ConfigError> {
        let mut options = BTreeMap::new();
        for (name, table) in &self.plugin_options {
            let Value::Object(table) = table else { return Err(ConfigError::NotATable(name.clone())) };
            if !plugins.contains(name) {
                let plugins = if plugins.is_empty() { "none".to_owned() } else { plugins.join(", ") };
                return Err(ConfigError::UnknownTable { name: name.clone(), plugins });
            }
            options.insert(name.clone(), table.clone());
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use farrier_model::notification::Level;

    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Config::read(&[file.path().to_owned()])
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        let config = read("").unwrap();

        assert_eq!(config.api.port, 6385);
        assert_eq!(config.drivers.enabled_hardware_types, ["ipmi", "redfish"]);
        assert!(!config.conductor.host.is_empty());
    }

    #[test]
    fn a_misspelt_option_is_named_with_its_file() {
        let error = read("[api]\nprot = 1\n").unwrap_err().to_string();

        assert!(error.contains("prot") && error.contains("port"), "{error}");
    }

    #[test]
    fn steps_that_never_run_are_said_to_the_api_and_known_to_the_conductor() {
        let text = "[api]\ndisallow_clean_steps = [\"raid.erase\"]\ndisallow_deploy_steps = [\"bios.reset\"]\n\
                    disallow_service_steps = [\"power.off\"]\n";
        let conductor = read(text).unwrap().conductor();

        let shown = [
            &conductor.disallow_clean_steps,
            &conductor.disallow_deploy_steps,
            &conductor.disallow_service_steps,
        ]
        .map(|steps| steps.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(shown, [["raid.erase"], ["bios.reset"], ["power.off"]]);
        let misplaced = read("[conductor]\ndisallow_clean_steps = []\n").unwrap_err().to_string();
        assert!(misplaced.contains("disallow_clean_steps"), "{misplaced}");
    }

    #[test]
    fn a_table_of_nobody_is_refused_when_the_plugins_are_known() {
        let config = read("[imp]\nx = 1\n").unwrap();

        let error = config.options(&["ipmi".to_owned()]).unwrap_err();

        assert!(matches!(error, ConfigError::UnknownTable { ref name, .. } if name == "imp"), "{error}");
    }

    #[test]
    fn a_table_named_like_a_plugin_is_its_options() {
        let config = read("[ipmi]\ncommand_retry_timeout = 5\n").unwrap();

        let options = config.options(&["ipmi".to_owned()]).unwrap();

        assert_eq!(options["ipmi"]["command_retry_timeout"], 5);
    }

    #[test]
    fn nobody_is_told_anything_unless_a_level_is_set() {
        let (silent, telling) =
            (read("").unwrap(), read("[notifications]\nnotification_level = \"info\"\n").unwrap());

        assert_eq!(silent.notifications.notification_level, None);
        assert_eq!(telling.notifications.notification_level, Some(Level::Info));
        assert!(telling.notifications.log && telling.notifications.webhook.is_none());
    }

    #[test]
    fn sensors_are_not_read_unless_that_is_switched_on() {
        let silent = read("").unwrap().conductor().sensor_data;
        let text = "[sensor_data]\nsend_sensor_data = true\ninterval = 60\ndata_types = [\"Fan\"]\n";
        let telling = read(text).unwrap().conductor().sensor_data;
        let misplaced = read("[conductor]\nsend_sensor_data = true\n").unwrap_err().to_string();

        assert_eq!(silent, SensorDataConfig::default());
        assert!(!silent.send_sensor_data);
        let expected = SensorDataConfig {
            send_sensor_data: true,
            interval: 60.0,
            data_types: vec!["Fan".to_owned()],
            ..SensorDataConfig::default()
        };
        assert_eq!(telling, expected);
        assert!(misplaced.contains("send_sensor_data"), "{misplaced}");
    }

    #[test]
    fn a_webhook_needs_an_address_and_nothing_else() {
        let config = read("[notifications.webhook]\nurl = \"http://127.0.0.1/\"\n").unwrap();
        let without = read("[notifications.webhook]\ntoken = \"CANARY\"\n").unwrap_err().to_string();

        assert_eq!(config.notifications.webhook.unwrap().url.expose(), "http://127.0.0.1/");
        assert!(without.contains("url") && !without.contains("CANARY"), "{without}");
    }

    #[test]
    fn one_plugin_directory_needs_no_list() {
        let config = read("[plugins]\ndirectory = \"/opt/plugins\"\n").unwrap();

        assert_eq!(config.plugins.directory, [PathBuf::from("/opt/plugins")]);
    }
}
