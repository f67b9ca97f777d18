//! The commands: nouns first, then what to do.

mod conductor;
mod driver;
mod node;
mod pair;
pub(crate) mod plugin;
mod port;

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use farrier_api::link::encoded;
use farrier_api::resource::Resource;
use farrier_api::version::{MAX, MIN};
use serde_json::json;

use crate::client::{Client, Credentials};
use crate::error::{CliError, Failures};
use crate::output::{Column, Done, Format, Output, Progress};

/// Where the server is when nothing says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:6385";

/// Power, enroll and look at bare metal nodes
#[derive(Debug, Parser)]
#[command(name = "farrier", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Address of the server [default: FARRIER_URL, OS_ENDPOINT, else http://127.0.0.1:6385]
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// How results are written
    #[arg(short, long, visible_alias = "format", global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// How often a request is sent again that met a busy node, two seconds apart
    #[arg(long, global = true, default_value_t = 5, value_name = "TIMES")]
    retries: u32,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Nodes: the machines
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Ports: the network cards of nodes
    #[command(subcommand)]
    Port(port::PortCommand),
    /// Drivers: the hardware types that conductors have enabled
    #[command(subcommand)]
    Driver(driver::DriverCommand),
    /// Conductors: the processes that work on nodes
    #[command(subcommand)]
    Conductor(conductor::ConductorCommand),
    /// Driver plugins: write, look at and try one; asks no server
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Write a completion script for a shell
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Tell the version of this program and, with --verbose, of the server
    Version {
        /// Ask the server too
        #[arg(short, long)]
        verbose: bool,
    },
}

/// What every command works with.
struct Context<'a> {
    client: Client,
    output: &'a Output,
    progress: Progress,
}

/// Which items of a list.
#[derive(Debug, Args)]
struct ListArguments {
    /// Members of each item, instead of the usual ones
    #[arg(long, value_name = "MEMBER", value_delimiter = ',')]
    fields: Vec<String>,
    /// At most so many items
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

/// Does what the command line says.
pub(crate) async fn run(cli: Cli, output: &Output) -> Result<(), Failures> {
    let progress = Progress::new();
    let given = cli.url.clone().or_else(|| std::env::var("FARRIER_URL").ok());
    let of_others = || std::env::var("OS_ENDPOINT").ok();
    let set = |url: &String| !url.is_empty();
    let url = given.filter(set).or_else(|| of_others().filter(set)).unwrap_or_else(|| DEFAULT_URL.to_owned());
    let context = || -> Result<Context<'_>, CliError> {
        let client = Client::new(&url, cli.retries, progress.clone(), Credentials::from_environment())
            .map_err(CliError::request("reach the server"))?;
        Ok(Context { client, output, progress: progress.clone() })
    };
    match cli.noun {
        Noun::Node(command) => node::run(command, &context()?).await,
        Noun::Port(command) => port::run(command, &context()?).await,
        Noun::Driver(command) => Ok(driver::run(command, &context()?).await?),
        Noun::Conductor(command) => Ok(conductor::run(command, &context()?).await?),
        Noun::Plugin(command) => Ok(plugin::run(command, output).await?),
        Noun::Completion { shell } => Ok(completion(shell, output)?),
        Noun::Version { verbose } => {
            let context = if verbose { Some(context()?) } else { None };
            Ok(version(context.as_ref(), output).await?)
        }
    }
}

/// Whether a command line that could not be read asks for JSON.
pub(crate) fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<String> = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    arguments.windows(2).any(|pair| matches!(pair, [flag, value] if is_output(flag) && value == "json"))
        || arguments.iter().any(|argument| {
            matches!(argument.as_str(), "-ojson" | "-o=json" | "--output=json" | "--format=json")
        })
}

/// Whether an argument is the one that names the format.
fn is_output(argument: &str) -> bool {
    matches!(argument, "-o" | "--output" | "--format")
}

/// Writes a completion script.
fn completion(shell: Shell, output: &Output) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "farrier", &mut script);
    output.text(&String::from_utf8_lossy(&script))
}

/// Tells the versions of this program and, with a context, of the server.
async fn version(context: Option<&Context<'_>>, output: &Output) -> Result<(), CliError> {
    let program = env!("CARGO_PKG_VERSION");
    let mut lines = vec![format!("farrier {program} (API {MIN} to {MAX})")];
    let mut facts = json!({"version": program, "api": {"min": MIN.to_string(), "max": MAX.to_string()}});
    if let Some(context) = context {
        let url = context.client.url();
        let versions =
            context.client.versions().await.map_err(CliError::request("ask the server for its version"))?;
        let (min, max) = (versions.min.unwrap_or_default(), versions.max.unwrap_or_default());
        lines.push(format!("server {url} (API {min} to {max})"));
        if let Some(members) = facts.as_object_mut() {
            members.insert("server".to_owned(), json!({"url": url, "min": min, "max": max}));
        }
    }
    output.facts(&(lines.join("\n") + "\n"), &facts)
}

/// How a kind of resource is listed.
struct Listing {
    resource: &'static Resource,
    columns: Vec<Column>,
    /// The members that name an item, the best first.
    names: &'static [&'static str],
}

impl Listing {
    /// Reads a list and writes it.
    async fn run(
        &self,
        context: &Context<'_>,
        arguments: &ListArguments,
        filters: Vec<(&'static str, String)>,
    ) -> Result<(), CliError> {
        let collection = self.resource.collection;
        let mut query = filters;
        let chosen: Vec<Column> = arguments.fields.iter().map(|name| Column::chosen(name)).collect();
        let columns = if chosen.is_empty() { &self.columns } else { &chosen };
        if chosen.is_empty() && context.output.format().is_complete() {
            query.push(("detail", "True".to_owned()));
        } else {
            query.push(("fields", self.fields(columns, context.output.format())));
        }
        if let Some(limit) = arguments.limit {
            query.push(("limit", limit.to_string()));
        }
        let items = context
            .client
            .list(collection, &with_query(collection, &query), arguments.limit)
            .await
            .map_err(CliError::request(format!("list {collection}")))?;
        context.output.list(columns, self.names, &items)
    }

    /// The members that the server must send for the columns shown.
    fn fields(&self, columns: &[Column], format: Format) -> String {
        let shown = columns.iter().filter(|column| format == Format::Wide || !column.wide);
        let mut fields: Vec<&str> = match format {
            Format::Name => self.names.to_vec(),
            Format::Table | Format::Wide | Format::Json | Format::Yaml => {
                shown.flat_map(Column::members).collect()
            }
        };
        let mut seen = BTreeSet::new();
        fields.retain(|name| seen.insert(*name));
        fields.join(",")
    }
}

/// A path with a query behind it.
fn with_query(path: &str, query: &[(&str, String)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(name, text)| format!("{name}={}", encoded(text))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The path of one thing.
fn path(resource: &Resource, ident: &str) -> String {
    format!("{}/{}", resource.collection, encoded(ident))
}

/// The pair of a filter that was given.
fn filter(name: &'static str, text: Option<&String>) -> Option<(&'static str, String)> {
    text.map(|text| (name, text.clone()))
}

/// Deletes things one after another, after a question on a terminal.
async fn delete(
    context: &Context<'_>,
    resource: &Resource,
    kind: &'static str,
    idents: &[String],
    yes: bool,
) -> Result<(), Failures> {
    let question = format!("Delete {kind} {}?", idents.join(", "));
    if !yes && !context.output.confirm(&question)? {
        return Err(CliError::Declined.into());
    }
    let mut outcome = Outcome::default();
    for ident in idents {
        let deleted = context.client.delete(&path(resource, ident)).await;
        let done = Done { kind, ident: ident.clone(), what: "deleted", object: None };
        outcome.add(deleted.map(|()| done).map_err(CliError::request(format!("delete {kind} `{ident}`"))));
    }
    outcome.end(context.output)
}

/// What became of several things.
#[derive(Default)]
struct Outcome {
    done: Vec<Done>,
    failed: Vec<CliError>,
}

impl Outcome {
    /// Takes in what became of one.
    fn add(&mut self, result: Result<Done, CliError>) {
        match result {
            Ok(done) => self.done.push(done),
            Err(error) => self.failed.push(error),
        }
    }

    /// Writes what was done; the rest is the error.
    fn end(self, output: &Output) -> Result<(), Failures> {
        if !self.done.is_empty() {
            output.done(&self.done)?;
        }
        if self.failed.is_empty() { Ok(()) } else { Err(Failures(self.failed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_is_wanted_in_every_spelling() {
        let wants = |arguments: &[&str]| wants_json(arguments.iter().map(OsString::from));

        assert!(wants(&["farrier", "node", "-o", "json"]));
        assert!(wants(&["farrier", "--output", "json"]));
        assert!(wants(&["farrier", "-ojson"]));
        assert!(wants(&["farrier", "--output=json"]));
        assert!(!wants(&["farrier", "-o", "table", "json"]));
    }

    #[test]
    fn completions_know_every_noun() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "farrier", &mut script);
            let script = String::from_utf8(script).unwrap();
            for noun in ["node", "port", "driver", "conductor", "power", "plugin"] {
                assert!(script.contains(noun), "{noun} in {shell}");
            }
        }
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(
            with_query("nodes", &[("owner", "a b&c".to_owned()), ("limit", "1".to_owned())]),
            "nodes?owner=a%20b%26c&limit=1"
        );
        assert_eq!(with_query("nodes", &[]), "nodes");
        assert_eq!(path(&farrier_api::node::NODE, "a/b"), "nodes/a%2Fb");
    }
}
