//! Where log records go: standard error, as lines or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogConfig, LogFormat};

/// Starts logging. `RUST_LOG` wins over the configuration.
///
/// # Errors
///
/// The filter is none.
pub(crate) fn start(config: &LogConfig) -> Result<(), ParseError> {
    let text = std::env::var("RUST_LOG").unwrap_or_else(|_| config.filter.clone());
    let filter = EnvFilter::try_new(text)?;
    let terminal = std::io::stderr().is_terminal();
    let json = match config.format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(terminal);
    // Fails only when logging was started before, which is as good.
    if json {
        registry
            .with(layer.json().with_current_span(true).with_span_list(true))
            .try_init()
            .unwrap_or_default();
    } else {
        registry.with(layer).try_init().unwrap_or_default();
    }
    Ok(())
}
