//! Steps 15 and 16: the plugin starts and hands out its implementations.

use farrier_abi::PluginModRef;
use farrier_host::{OpenConfig, OpenError, Origin, Plugin};
use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::error::{Chain, ErrorKind};
use farrier_sdk::interface::InterfaceType;

use crate::error::LoadError;

/// Starts the plugin and opens `interfaces` of it.
///
/// # Errors
///
/// Those of the steps 15 and 16.
pub(crate) fn start(
    module: PluginModRef,
    descriptor: Descriptor,
    origin: Origin,
    config: &OpenConfig,
    interfaces: &[(InterfaceType, String)],
) -> Result<Plugin, LoadError> {
    let plugin = Plugin::open(module, descriptor, origin, config).map_err(|error| match error {
        OpenError::Refused(error) => LoadError::Refused { error },
        OpenError::Hung { after } => LoadError::StartHung { after },
        other @ (OpenError::Descriptor(_) | OpenError::Thread(_)) => {
            LoadError::NotStarted { why: Chain(&other).to_string() }
        }
    })?;
    for (kind, name) in interfaces {
        plugin.open_interface(*kind, name).map_err(|error| {
            if error.kind() != ErrorKind::Unsupported {
                return LoadError::InterfaceRefused { kind: *kind, name: name.clone(), error };
            }
            let listed = plugin.descriptor().interfaces.iter().filter(|interface| interface.kind == *kind);
            let offered = listed.map(|interface| interface.name.clone()).collect();
            LoadError::InterfaceNotFound { kind: *kind, name: name.clone(), offered }
        })?;
    }
    Ok(plugin)
}
