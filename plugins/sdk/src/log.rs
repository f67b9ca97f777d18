//! What the SDK and the plugin say in the conductor's log.

#[cfg(feature = "tracing")]
pub(crate) mod forward;

use farrier_abi::LogRecord;
use farrier_abi::abi_stable::std_types::RStr;

use crate::task::TaskShared;

/// The number of a warning at the boundary.
const WARN: u8 = 2;

/// Warns in the SDK's own name during a call, whether or not the plugin uses `tracing`.
pub(crate) fn warn(task: &TaskShared, message: &str) {
    let (host, target) = (task.runtime().host(), RStr::from_str(module_path!()));
    if !host.log_enabled(WARN, target) {
        return;
    }
    host.log(&LogRecord {
        level: WARN,
        line: line!(),
        task: task.id(),
        target,
        file: RStr::from_str(file!()),
        message: RStr::from_str(message),
        fields: RStr::from_str(""),
    });
}
