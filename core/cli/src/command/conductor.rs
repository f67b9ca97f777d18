//! `farrier conductor`.

use clap::Subcommand;
use farrier_api::conductor::CONDUCTOR;

use super::{Context, ListArguments, Listing, path};
use crate::error::CliError;
use crate::output::{Cell, Column};

/// What can be asked about conductors.
#[derive(Debug, Subcommand)]
pub(crate) enum ConductorCommand {
    /// List the conductors
    #[command(visible_alias = "ls")]
    List(#[command(flatten)] ListArguments),
    /// Show one conductor
    Show {
        /// Host name of the conductor
        hostname: String,
    },
}

/// Does what the command says.
pub(super) async fn run(command: ConductorCommand, context: &Context<'_>) -> Result<(), CliError> {
    match command {
        ConductorCommand::List(arguments) => listing().run(context, &arguments, Vec::new()).await,
        ConductorCommand::Show { hostname } => {
            let shown = context.client.get(&path(&CONDUCTOR, &hostname)).await;
            let shown = shown.map_err(CliError::request(format!("show conductor `{hostname}`")))?;
            context.output.object(&CONDUCTOR, &["hostname"], &shown)
        }
    }
}

/// How conductors are listed.
fn listing() -> Listing {
    Listing {
        resource: &CONDUCTOR,
        columns: vec![
            Column::new("HOSTNAME", "hostname", Cell::Text),
            Column::new("GROUP", "conductor_group", Cell::Text),
            Column::new("ALIVE", "alive", Cell::Good),
            Column::new("SEEN", "updated_at", Cell::Age),
            Column::wide("AGE", "created_at", Cell::Age),
            Column::wide("DRIVERS", "drivers", Cell::Text),
        ],
        names: &["hostname"],
    }
}
