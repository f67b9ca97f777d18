//! `farrier node console`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use farrier_api::node::NODE;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::{Context, path};
use super::change::{Change, Told};
use crate::error::{CliError, ClientError, Failures};
use crate::output::{Cell, Column, Done};

/// How long a console may take to start or to end unless the operator says.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Which console, and what becomes of it.
#[derive(Debug, Args)]
pub(crate) struct ConsoleArguments {
    /// UUID or name of the node
    node: String,
    /// Switch it; without, tell where it is
    switch: Option<ConsoleSwitch>,
    /// Wait until it is switched, and tell where it is
    #[arg(long, requires = "switch")]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "SECONDS", requires = "wait", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
}

/// What can be done with a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConsoleSwitch {
    /// Make it reachable
    On,
    /// End it
    Off,
}

/// What a node says of its console.
#[derive(Debug, Deserialize)]
struct Present {
    console_enabled: bool,
    /// Who works on the node.
    reservation: Option<String>,
    last_error: Option<String>,
}

/// Tells where the console of a node is, or switches it.
pub(super) async fn run(context: &Context<'_>, arguments: &ConsoleArguments) -> Result<(), Failures> {
    let node = &arguments.node;
    let Some(switch) = arguments.switch else { return Ok(tell(context, node).await?) };
    let action = CliError::request(format!("switch the console of node `{node}`"));
    let body = json!({"enabled": switch == ConsoleSwitch::On});
    let path = format!("{}/states/console", path(&NODE, node));
    context.client.put(&path, &body).await.map_err(action)?;
    if !arguments.wait {
        let what = "asked to switch its console";
        let done = Done { kind: "node", ident: node.clone(), what, object: None };
        return Ok(context.output.done(&[done])?);
    }
    let limit = arguments.timeout.map_or(TIMEOUT, Duration::from_secs);
    let mut told = Told::default();
    let look = async |change: &mut Change<()>| look(context, change, switch, limit).await;
    told.wait_for(context, vec![Change::new(node, limit)], look, |_, _| Value::Null).await;
    if !told.failed.is_empty() {
        return Err(Failures(told.failed));
    }
    Ok(tell(context, node).await?)
}

/// Looks at the node; `None` while its console is being switched.
async fn look(
    context: &Context<'_>,
    change: &mut Change<()>,
    switch: ConsoleSwitch,
    limit: Duration,
) -> Result<Option<()>, CliError> {
    let node = &change.node;
    let action = || CliError::request(format!("read the console of node `{node}`"));
    let fields = format!("{}?fields=console_enabled,reservation,last_error", path(&NODE, node));
    let answer = context.client.get(&fields).await.map_err(action())?;
    let present = serde_json::from_value(answer)
        .map_err(|_| ClientError::Foreign { url: fields, status: 200 })
        .map_err(action())?;
    if has_switched(node, present, switch)? {
        return Ok(Some(()));
    }
    if change.deadline <= Instant::now() {
        return Err(CliError::ConsoleTimedOut { node: node.clone(), switch: switch.name(), limit });
    }
    if change.shown.is_none() {
        context.progress.show(&format!("{node}: console becoming {}", switch.name()));
        change.shown = Some(());
    }
    Ok(None)
}

/// Whether a console is as it should be; the error tells that nobody works on it any more.
///
/// The answer to the request comes when the node is locked, and what became of it is written before it is unlocked.
fn has_switched(node: &str, present: Present, switch: ConsoleSwitch) -> Result<bool, CliError> {
    if present.console_enabled == (switch == ConsoleSwitch::On) {
        return Ok(true);
    }
    if present.reservation.is_some() {
        return Ok(false);
    }
    let (node, last_error) = (node.to_owned(), present.last_error);
    Err(CliError::ConsoleFailed { node, switch: switch.name(), last_error })
}

/// Tells where the console of a node is.
async fn tell(context: &Context<'_>, node: &str) -> Result<(), CliError> {
    let action = CliError::request(format!("read the console of node `{node}`"));
    let answer =
        context.client.get(&format!("{}/states/console", path(&NODE, node))).await.map_err(action)?;
    if context.output.format().is_complete() {
        return context.output.facts("", &answer);
    }
    let info = answer.get("console_info");
    let row = json!({
        "enabled": answer.get("console_enabled"),
        "type": info.and_then(|info| info.get("type")),
        "url": info.and_then(|info| info.get("url")),
    });
    let columns = [
        Column::new("ENABLED", "enabled", Cell::Text),
        Column::new("TYPE", "type", Cell::Text),
        Column::new("URL", "url", Cell::Text),
    ];
    context.output.list(&columns, &["url"], &[row])
}

impl ConsoleSwitch {
    const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_waited_for_until_nobody_works_on_it() {
        let ended = |enabled: bool, holder: Option<&str>| {
            let reservation = holder.map(str::to_owned);
            let present = Present { console_enabled: enabled, reservation, last_error: None };
            has_switched("n1", present, ConsoleSwitch::On).ok()
        };

        assert_eq!(ended(false, Some("host-1")), Some(false));
        assert_eq!(ended(true, Some("host-1")), Some(true));
        assert_eq!(ended(true, None), Some(true));
        assert_eq!(ended(false, None), None);
    }
}
