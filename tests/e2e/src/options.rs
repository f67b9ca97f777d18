//! All options, as the sources have them.
//!
//! An option is a field of a configuration struct: its doc comment is what operators read, `Default` or an attribute
//! says its default. From these a page of the manual is made; nothing of it is written twice.

use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::Path;

/// The page, from the root of the workspace.
pub const PAGE: &str = "docs/src/reference/options.md";

/// A table of the configuration and the struct that reads it.
struct Source {
    /// What stands above the table.
    title: &'static str,
    file: &'static str,
    name: &'static str,
}

const fn source(title: &'static str, file: &'static str, name: &'static str) -> Source {
    Source { title, file, name }
}

/// Where tables are read, in the order of the page.
const SOURCES: &[Source] = &[
    source("`[api]`", "core/server/src/config.rs", "ApiConfig"),
    source("`[conductor]`", "core/conductor/src/config.rs", "ConductorConfig"),
    source("`[database]`", "core/store/src/config.rs", "StoreConfig"),
    source("`[drivers]`", "core/conductor/src/config.rs", "DriverConfig"),
    source("`[image_server]`", "core/server/src/config.rs", "ImageServerConfig"),
    source("`[json_rpc]`", "core/server/src/config.rs", "JsonRpcConfig"),
    source("`[log]`", "core/server/src/config.rs", "LogConfig"),
    source("`[notifications]`", "core/conductor/src/config/notification.rs", "NotificationConfig"),
    source("`[notifications.webhook]`", "core/conductor/src/config/notification.rs", "WebhookConfig"),
    source("`[plugins]`", "core/server/src/config.rs", "PluginConfig"),
    source("`[sensor_data]`", "core/conductor/src/config/sensor_data.rs", "SensorDataConfig"),
    source("`[fake]`", "drivers/fake/src/delay.rs", "FakeOptions"),
    source("`[ipmi]`", "drivers/ipmi/src/options.rs", "IpmiOptions"),
    source("`[redfish]`", "drivers/redfish/src/options.rs", "RedfishOptions"),
    source("`driver_info` of `ipmi`", "drivers/ipmi/src/driver_info.rs", "IpmiInfo"),
    source("`driver_info` of `redfish`", "drivers/redfish/src/driver_info.rs", "RedfishInfo"),
    // next table above this line
];

const HEAD: &str = "\
# Options

Every option with its default, as the sources have them; [Configure](../operate/configure.md) says how they are set and
which matter first. Numbers are seconds where the text speaks of time, unless the name ends in another unit.

This page is made by `cargo xtask docs` from the doc comments of the options.
";

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionRow {
    /// What it is called in the configuration.
    pub name: String,
    /// What it holds.
    pub kind: String,
    /// What it is when absent.
    pub default: String,
    /// Its doc comment.
    pub meaning: String,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What stands above it.
    pub title: &'static str,
    /// Its options, in the order of the source.
    pub rows: Vec<OptionRow>,
}

/// The tables of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options(pub Vec<Table>);

impl Options {
    /// Reads the sources below `root`.
    ///
    /// # Errors
    ///
    /// A source cannot be read, or has no such struct any more.
    pub fn find(root: &Path) -> io::Result<Self> {
        let tables = SOURCES.iter().map(|source| {
            let text = fs::read_to_string(root.join(source.file))?;
            let rows = rows(&text, source.name);
            if rows.is_empty() {
                return Err(io::Error::other(format!("`{}` has no struct `{}`", source.file, source.name)));
            }
            Ok(Table { title: source.title, rows })
        });
        Ok(Self(tables.collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for table in &self.0 {
            write!(f, "\n## {}\n\n| option | type | default | meaning |\n|---|---|---|---|\n", table.title)?;
            for row in &table.rows {
                let default =
                    if row.default.is_empty() { String::new() } else { format!("`{}`", row.default) };
                writeln!(
                    f,
                    "| `{}` | {} | {default} | {} |",
                    row.name,
                    row.kind,
                    row.meaning.replace('|', "\\|")
                )?;
            }
        }
        Ok(())
    }
}

/// The options that struct `name` reads.
fn rows(text: &str, name: &str) -> Vec<OptionRow> {
    let head = [format!("struct {name} {{"), format!("struct {name}<")];
    let mut lines =
        text.lines().skip_while(|line| !head.iter().any(|head| line.contains(head.as_str()))).skip(1);
    let (mut rows, mut doc, mut attributes) = (Vec::new(), String::new(), String::new());
    while let Some(line) = lines.next().map(str::trim).filter(|line| *line != "}") {
        if let Some(comment) = line.strip_prefix("///") {
            let _written = write!(doc, "{}{}", if doc.is_empty() { "" } else { " " }, comment.trim());
        } else if line.starts_with("#[") {
            attributes.push_str(line);
            // An attribute may go on.
            while attributes.matches('(').count() != attributes.matches(')').count() {
                let Some(more) = lines.next() else { break };
                attributes.push_str(more.trim());
            }
        } else if let Some((field, kind)) = line.trim_end_matches(',').split_once(": ") {
            let field = field.rsplit(' ').next().unwrap_or(field);
            if !attributes.contains("serde(skip") {
                rows.push(row(text, name, (field, kind), &attributes, &doc));
            }
            doc.clear();
            attributes.clear();
        }
    }
    rows
}

fn row(text: &str, name: &str, (field, kind): (&str, &str), attributes: &str, doc: &str) -> OptionRow {
    let shown = argument(attributes, "rename").map(|name| name.trim_matches('"').to_owned());
    let attribute = argument(attributes, "default");
    let named = attribute.as_deref().filter(|_| attributes.contains("serde("));
    let own = named
        .map(|path| function(text, path.trim_matches('"')))
        .or_else(|| attribute.clone().filter(|_| !attributes.contains("serde(")))
        .or_else(|| member(text, name, field));
    let optional = kind.starts_with("Option<");
    let implied = attributes.contains("default") && !optional;
    let default = match own {
        Some(value) => plain(&value),
        None if optional => "none".to_owned(),
        None if kind == "VerifyCa" => "true".to_owned(),
        None if implied => "empty".to_owned(),
        None => "required".to_owned(),
    };
    let kind = argument(attributes, "kind")
        .map_or_else(|| kind_name(kind), |kind| kind.trim_matches('"').to_owned());
    let secret = attributes.contains("(secret") || attributes.contains(", secret");
    let meaning = doc.trim_end_matches('.').to_owned() + if secret { "; secret" } else { "" };
    OptionRow { name: shown.unwrap_or_else(|| field.to_owned()), kind, default, meaning }
}

/// The value of `key = VALUE` among attributes.
fn argument(attributes: &str, key: &str) -> Option<String> {
    let start = attributes.find(&format!("{key} = "))? + key.len() + 3;
    let rest = attributes.get(start..)?;
    let (mut depth, mut quoted) = (0, false);
    let end = rest.find(|character| {
        match character {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        !quoted && (depth < 0 || (depth == 0 && character == ','))
    });
    Some(rest.get(..end.unwrap_or(rest.len()))?.to_owned())
}

/// What the function of this path answers, if it is one line.
fn function(text: &str, path: &str) -> String {
    let head = format!("fn {}()", path.rsplit("::").next().unwrap_or(path));
    let mut lines = text.lines().skip_while(|line| !line.contains(&head)).skip(1);
    lines.next().unwrap_or_default().trim().to_owned()
}

/// What `impl Default for NAME` says of a field.
fn member(text: &str, name: &str, field: &str) -> Option<String> {
    let body = text.split_once(&format!("impl Default for {name} {{"))?.1;
    let body = body.split("\n}").next()?;
    let head = format!("{field}: ");
    let at = body.match_indices(&head).find(|(at, _)| {
        body.get(..*at).is_some_and(|before| before.ends_with(|end: char| end.is_whitespace()))
    });
    if let Some((at, _)) = at {
        return argument(&format!("x = {}", body.get(at + head.len()..)?.replace('\n', " ")), "x")
            .map(|value| value.trim().to_owned());
    }
    // `let field = ...; Self { field, .. }`.
    let head = format!("let {field} = ");
    Some(body.split_once(&head)?.1.split(';').next()?.to_owned())
}

/// A value as it is written in the configuration.
fn plain(value: &str) -> String {
    let value = value.trim();
    for (start, end) in [("Duration::from_secs(", ")"), ("Some(", ")"), ("Secret::new(", ")")] {
        if let Some(inner) = value.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)) {
            return plain(inner);
        }
    }
    if let Some(name) = value.strip_prefix("list(").and_then(|rest| rest.strip_suffix(')')) {
        return format!("[{name}]");
    }
    if let Some(items) = value.strip_prefix("vec![").and_then(|rest| rest.strip_suffix(']')) {
        let items: Vec<String> = items.split(", ").map(plain).collect();
        return format!("[{}]", items.join(", "));
    }
    if let Some(text) = value.strip_suffix(".to_owned()").or_else(|| value.strip_suffix(".into()")) {
        return text.to_owned();
    }
    match value {
        "None" => "none".to_owned(),
        "Vec::new()" => "[]".to_owned(),
        "String::new()" => "\"\"".to_owned(),
        "BTreeMap::new()" => "{}".to_owned(),
        "IpAddr::V4(Ipv4Addr::LOCALHOST)" => "\"127.0.0.1\"".to_owned(),
        "JSON_RPC_PORT" => "8089".to_owned(),
        "Verify::System" => "true".to_owned(),
        "TlsVersion::V1_2" => "\"1.2\"".to_owned(),
        "Privilege::Administrator" => "\"ADMINISTRATOR\"".to_owned(),
        "Version::V2_0" => "\"2.0\"".to_owned(),
        "LOCAL_ADDRESS" => "\"0x20\"".to_owned(),
        product if product.contains(" * ") => {
            let factors = product.split(" * ").map(|factor| factor.parse::<u64>().unwrap_or_default());
            factors.product::<u64>().to_string()
        }
        number if number.starts_with(|digit: char| digit.is_ascii_digit()) => number.replace('_', ""),
        // A variant of an enum, in the spelling of the configuration.
        path => match path.split_once("::") {
            Some((_, variant)) => format!("\"{}\"", kebab(variant)),
            None => path.to_owned(),
        },
    }
}

fn kebab(variant: &str) -> String {
    let mut text = String::new();
    for character in variant.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

/// What a type holds, for people.
fn kind_name(kind: &str) -> String {
    let inner = |start: &str| kind.strip_prefix(start).and_then(|rest| rest.strip_suffix('>'));
    if let Some(kind) = inner("Option<").or_else(|| inner("Secret<")) {
        return kind_name(kind);
    }
    if inner("Vec<").is_some() {
        return "list".to_owned();
    }
    match kind {
        "bool" => "boolean",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "integer",
        "f64" | "Duration" => "number",
        "IpAddr" => "address",
        "PathBuf" => "path",
        "VerifyCa" => "boolean or path",
        "SecretRef" | "String" => "text",
        other if other.starts_with("BTreeMap") || other.ends_with("Config") => "table",
        _ => "word",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_their_comments_attributes_and_defaults() {
        let text = r#"
pub struct XConfig {
    /// Address to
    /// listen on.
    pub(crate) host_ip: IpAddr,
    /// How long.
    #[serde(rename = "pool_timeout", deserialize_with = "seconds")]
    pub time: Duration,
    #[serde(skip)]
    pub hidden: u8,
    /// Kept.
    pub names: Vec<String>,
    /// Maybe.
    pub maybe: Option<u16>,
    /// Batch.
    #[serde(default = "defaults::batch")]
    pub batch: usize,
}
impl Default for XConfig {
    fn default() -> Self {
        let names = vec!["a".into(), "b".into()];
        Self { host_ip: IpAddr::V4(Ipv4Addr::LOCALHOST), time: Duration::from_secs(1_000), names, maybe: None }
    }
}
mod defaults {
    pub(super) fn batch() -> usize {
        100
    }
}
"#;

        let shown: Vec<String> = rows(text, "XConfig")
            .iter()
            .map(|row| format!("{} {} {}: {}", row.name, row.kind, row.default, row.meaning))
            .collect();

        assert_eq!(
            shown,
            [
                "host_ip address \"127.0.0.1\": Address to listen on",
                "pool_timeout number 1000: How long",
                "names list [\"a\", \"b\"]: Kept",
                "maybe integer none: Maybe",
                "batch integer 100: Batch",
            ]
        );
    }

    #[test]
    fn options_and_properties_of_plugins_are_read_too() {
        let text = r#"
struct YOptions {
    /// How to log in
    #[option(default = "auto", parse = auth)]
    pub auth_type: String,
    /// Whom
    #[property(secret)]
    pub password: Option<SecretRef>,
    /// What
    pub address: String,
}
"#;

        let shown: Vec<String> =
            rows(text, "YOptions").iter().map(|row| format!("{} {}", row.default, row.meaning)).collect();

        assert_eq!(shown, ["\"auto\" How to log in", "none Whom; secret", "required What"]);
    }
}
