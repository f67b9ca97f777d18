//! What this program writes: results on standard output, errors and progress on standard error.
//!
//! **Invariant:** no other module writes anything, and no other module knows tables.

mod table;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use farrier_api::resource::Resource;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{CliError, Failures};
pub(crate) use table::{Cell, Column};

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people
    Table,
    /// More columns
    Wide,
    /// The API's own objects as JSON
    Json,
    /// The API's own objects as YAML
    Yaml,
    /// Names alone, one a line
    Name,
}

impl Format {
    /// Whether results are for programs, with every member.
    pub(crate) fn is_complete(self) -> bool {
        match self {
            Self::Json | Self::Yaml => true,
            Self::Table | Self::Wide | Self::Name => false,
        }
    }
}

/// Where results go and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    color: bool,
}

/// What a command has done to one thing.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// What kind of thing: `node`.
    pub(crate) kind: &'static str,
    /// As the operator named it.
    pub(crate) ident: String,
    /// What was done: `deleted`.
    pub(crate) what: &'static str,
    /// The thing afterwards, if the server told.
    pub(crate) object: Option<Value>,
}

impl Output {
    /// Output in `format`, with color when people look at it and want it.
    pub(crate) fn new(format: Format) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb");
        Self { format, color: wanted && io::stdout().is_terminal() }
    }

    /// How results are written.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes a list of objects; `names` are the members that name one, the best first.
    pub(crate) fn list(&self, columns: &[Column], names: &[&str], items: &[Value]) -> Result<(), CliError> {
        let text = match self.format {
            Format::Table | Format::Wide => self.table(columns, items),
            Format::Json => json(&items),
            Format::Yaml => yaml(&items)?,
            Format::Name => lines(items.iter().map(|item| name(item, names))),
        };
        print(&text)
    }

    /// Writes one object, its members in the order of the wire.
    pub(crate) fn object(&self, resource: &Resource, names: &[&str], object: &Value) -> Result<(), CliError> {
        let text = match self.format {
            Format::Table | Format::Wide => {
                let members = object.as_object().cloned().unwrap_or_default();
                self.table(&FIELD_COLUMNS, &rows(resource, &members, self.format == Format::Wide))
            }
            Format::Json => json(object),
            Format::Yaml => yaml(object)?,
            Format::Name => lines(std::iter::once(name(object, names))),
        };
        print(&text)
    }

    /// Writes what was done.
    pub(crate) fn done(&self, done: &[Done]) -> Result<(), CliError> {
        let objects = || -> Vec<Value> { done.iter().map(Done::value).collect() };
        let text = match self.format {
            Format::Table | Format::Wide => {
                lines(done.iter().map(|done| format!("{} {} {}", done.kind, done.ident, done.what)))
            }
            Format::Json => json(&objects()),
            Format::Yaml => yaml(&objects())?,
            Format::Name => lines(done.iter().map(|done| done.ident.clone())),
        };
        print(&text)
    }

    /// Writes a few facts that people read as text and programs as an object.
    pub(crate) fn facts(&self, text: &str, facts: &Value) -> Result<(), CliError> {
        match self.format {
            Format::Table | Format::Wide | Format::Name => print(text),
            Format::Json => print(&json(facts)),
            Format::Yaml => print(&yaml(facts)?),
        }
    }

    /// Shows what plugins log, down to `level`, on standard error.
    pub(crate) fn log(&self, level: tracing::Level) {
        let ansi = self.color && io::stderr().is_terminal();
        let subscriber = tracing_subscriber::fmt().with_max_level(level).with_ansi(ansi).without_time();
        // Fails when there is one already, which is as good.
        subscriber.with_writer(io::stderr).try_init().unwrap_or_default();
    }

    /// Writes text that has one form only, as a completion script.
    pub(crate) fn text(&self, text: &str) -> Result<(), CliError> {
        print(text)
    }

    /// Writes errors, for people or for programs.
    #[expect(clippy::print_stderr, reason = "errors are this function's purpose")]
    pub(crate) fn failures(&self, failures: &Failures) {
        for error in &failures.0 {
            match self.format {
                Format::Json => eprintln!("{}", error.json()),
                Format::Table | Format::Wide | Format::Yaml | Format::Name => eprintln!("{}", error.text()),
            }
        }
    }

    /// Asks a question on a terminal; without one the answer is yes.
    pub(crate) fn confirm(&self, question: &str) -> Result<bool, CliError> {
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Ok(true);
        }
        let output = |source| CliError::Output { source };
        let mut stderr = io::stderr();
        write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).map_err(output)?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(output)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// The table of a list.
    fn table(&self, columns: &[Column], items: &[Value]) -> String {
        let shown: Vec<&Column> =
            columns.iter().filter(|column| !column.wide || self.format == Format::Wide).collect();
        table::render(&shown, items, self.color)
    }
}

impl Done {
    /// What was done, for programs.
    fn value(&self) -> Value {
        self.object.clone().unwrap_or_else(|| {
            let members = [(self.kind, self.ident.as_str()), ("result", self.what)];
            members
                .into_iter()
                .map(|(name, text)| (name.to_owned(), Value::from(text)))
                .collect::<Map<_, _>>()
                .into()
        })
    }
}

/// What goes on, for an operator who waits: one line that is written over on a terminal, a line per change elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    to: Audience,
}

/// Who reads the progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Terminal,
    Log,
    #[cfg(test)]
    Nobody,
}

impl Progress {
    /// Progress on standard error.
    pub(crate) fn new() -> Self {
        Self { to: if io::stderr().is_terminal() { Audience::Terminal } else { Audience::Log } }
    }

    /// No progress.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self { to: Audience::Nobody }
    }

    /// Shows what goes on now.
    #[expect(clippy::print_stderr, reason = "progress is this function's purpose")]
    pub(crate) fn show(&self, text: &str) {
        match self.to {
            Audience::Terminal => eprint!("\r\u{1b}[K{text}"),
            Audience::Log => eprintln!("{text}"),
            #[cfg(test)]
            Audience::Nobody => {}
        }
    }

    /// Says something that stays.
    #[expect(clippy::print_stderr, reason = "progress is this type's purpose")]
    pub(crate) fn note(&self, text: &str) {
        match self.to {
            Audience::Terminal => eprintln!("\r\u{1b}[K{text}"),
            Audience::Log => eprintln!("{text}"),
            #[cfg(test)]
            Audience::Nobody => {}
        }
    }

    /// Removes the line from a terminal.
    #[expect(clippy::print_stderr, reason = "progress is this function's purpose")]
    pub(crate) fn clear(&self) {
        if self.to == Audience::Terminal {
            eprint!("\r\u{1b}[K");
        }
    }
}

/// The columns that show one object.
static FIELD_COLUMNS: [Column; 2] =
    [Column::new("FIELD", "field", Cell::Text), Column::new("VALUE", "value", Cell::Text)];

/// The members of an object as rows, in the order of the wire; links only when `links` says so.
fn rows(resource: &Resource, members: &Map<String, Value>, links: bool) -> Vec<Value> {
    let known = resource.fields.iter().copied().filter(|name| members.contains_key(*name));
    let unknown = members.keys().map(String::as_str).filter(|name| !resource.fields.contains(name));
    let is_link = |value: &Value| {
        value.as_array().is_some_and(|items| items.iter().any(|item| item.get("href").is_some()))
    };
    known
        .chain(unknown)
        .filter_map(|name| members.get(name).map(|value| (name, value)))
        .filter(|(_, value)| links || !is_link(value))
        .map(|(name, value)| serde_json::json!({"field": name, "value": value}))
        .collect()
}

/// What an object is called: the first of `names` that it has.
fn name(item: &Value, names: &[&str]) -> String {
    names.iter().find_map(|name| item.get(name).and_then(Value::as_str)).unwrap_or_default().to_owned()
}

/// Texts as lines.
fn lines(texts: impl Iterator<Item = String>) -> String {
    texts.map(|text| text + "\n").collect()
}

/// JSON for programs that people also read.
fn json(value: &(impl Serialize + ?Sized)) -> String {
    let text = serde_json::to_string_pretty(value).expect("JSON values can be written");
    text + "\n"
}

/// YAML.
fn yaml(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_saphyr::to_string(value).map_err(|source| CliError::Yaml { source })?;
    Ok(if text.ends_with('\n') { text } else { text + "\n" })
}

/// Writes to standard output; a reader that has enough is no error.
fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output { source }),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use farrier_api::node::NODE;
    use serde_json::json;

    use super::*;

    #[test]
    fn members_stand_in_the_order_of_the_wire_without_links() {
        let object = json!({
            "name": "n1", "uuid": "u", "driver_info": {"a": 1}, "later_field": 1, "links": [{"href": "x", "rel": "self"}],
        });

        let names: Vec<Value> =
            rows(&NODE, object.as_object().unwrap(), false).iter().map(|row| row["field"].clone()).collect();

        assert_eq!(Value::from(names), json!(["uuid", "driver_info", "name", "later_field"]));
        assert_eq!(rows(&NODE, object.as_object().unwrap(), true).len(), 5);
    }

    #[test]
    fn the_best_name_is_the_first_that_is_set() {
        let names = ["name", "uuid"];

        assert_eq!(name(&json!({"name": "n1", "uuid": "u"}), &names), "n1");
        assert_eq!(name(&json!({"name": null, "uuid": "u"}), &names), "u");
    }

    #[test]
    fn yaml_is_yaml() {
        let text = yaml(&json!([{"a": null, "b": "yes", "c": {"d": [1, true]}}])).unwrap();

        insta::assert_snapshot!(text, @r#"
        - a: null
          b: "yes"
          c:
            d:
            - 1
            - true
        "#);
    }

    #[test]
    fn what_has_no_object_is_told_in_a_word() {
        let done = Done { kind: "node", ident: "n1".to_owned(), what: "deleted", object: None };

        assert_eq!(done.value(), json!({"node": "n1", "result": "deleted"}));
    }
}
