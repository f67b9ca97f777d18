//! `farrier driver`.

use clap::Subcommand;
use farrier_api::driver::DRIVER;
use serde_json::{Value, json};

use super::{Context, path, with_query};
use crate::error::CliError;
use crate::output::{Cell, Column, Format};

/// What can be asked about drivers.
#[derive(Debug, Subcommand)]
pub(crate) enum DriverCommand {
    /// List the drivers; -o wide also tells what a node of each gets by default
    #[command(visible_alias = "ls")]
    List,
    /// Show one driver with its implementations
    Show {
        /// Name of the driver
        driver: String,
    },
    /// List what a driver wants to know of a node in `driver_info`
    Properties {
        /// Name of the driver
        driver: String,
    },
}

/// Does what the command says.
pub(super) async fn run(command: DriverCommand, context: &Context<'_>) -> Result<(), CliError> {
    match command {
        DriverCommand::List => list(context).await,
        DriverCommand::Show { driver } => {
            let shown = context.client.get(&path(&DRIVER, &driver)).await;
            let shown = shown.map_err(CliError::request(format!("show driver `{driver}`")))?;
            context.output.object(&DRIVER, &["name"], &shown)
        }
        DriverCommand::Properties { driver } => properties(context, &driver).await,
    }
}

/// Lists the drivers, in detail when the format shows that.
async fn list(context: &Context<'_>) -> Result<(), CliError> {
    let columns = [
        Column::new("NAME", "name", Cell::Text),
        Column::new("TYPE", "type", Cell::Text),
        Column::new("CONDUCTORS", "hosts", Cell::Text),
        Column::wide("POWER", "default_power_interface", Cell::Text),
        Column::wide("MANAGEMENT", "default_management_interface", Cell::Text),
        Column::wide("BOOT", "default_boot_interface", Cell::Text),
        Column::wide("DEPLOY", "default_deploy_interface", Cell::Text),
        Column::wide("INSPECT", "default_inspect_interface", Cell::Text),
    ];
    let format = context.output.format();
    let detail = format.is_complete() || format == Format::Wide;
    let query = if detail { vec![("detail", "True".to_owned())] } else { Vec::new() };
    let items = context.client.list(DRIVER.collection, &with_query(DRIVER.collection, &query), None).await;
    context.output.list(&columns, &["name"], &items.map_err(CliError::request("list drivers"))?)
}

/// Lists the properties of a driver; for programs it is the API's own mapping.
async fn properties(context: &Context<'_>, driver: &str) -> Result<(), CliError> {
    let properties = context.client.get(&format!("{}/properties", path(&DRIVER, driver))).await;
    let properties =
        properties.map_err(CliError::request(format!("list the properties of driver `{driver}`")))?;
    if context.output.format().is_complete() {
        return context.output.facts("", &properties);
    }
    let rows: Vec<Value> = properties
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, description)| json!({"property": name, "description": description}))
        .collect();
    let columns = [
        Column::new("PROPERTY", "property", Cell::Text),
        Column::new("DESCRIPTION", "description", Cell::Text),
    ];
    context.output.list(&columns, &["property"], &rows)
}
