//! What the manual says of the product, held against its sources and its programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::page_text;
use crate::architecture::root;
use crate::harness::program;

/// Texts that no source has in one piece: those of the system, and those made of parts.
const ELSEWHERE: &[&str] = &[
    "Address already in use",
    "refused Send Message",
    "the file belongs to user",
    "which is no system library",
    "the library has relocations in its code",
    "hardware type or interface",
    // next text from elsewhere above this line
];

/// Rows of tables whose first cell begins with ``NAME``: all cells, without the code marks.
fn rows(page: &str) -> Vec<Vec<String>> {
    let table = |line: &&str| line.starts_with('|') && !line.starts_with("|---");
    let cells = |line: &str| {
        let cells: Vec<String> =
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        cells
    };
    page_text(page).lines().filter(table).map(cells).collect()
}

/// The words in backticks of a text.
fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// All sources below a folder that are not tests.
fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "tests" && name != "target" {
                    folders.push(path);
                }
            } else if Path::new(&name).extension().is_some_and(|extension| extension == "rs")
                && name != "tests.rs"
            {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    texts
}

/// Which methods a path has, in the text of a router: `get(show).patch(change)`.
fn methods(handlers: &str) -> BTreeSet<String> {
    let has = |name: &&str| {
        handlers.match_indices(&format!("{name}(")).any(|(at, _)| {
            !handlers
                .get(..at)
                .unwrap_or_default()
                .ends_with(|before: char| before.is_alphanumeric() || before == '_')
        })
    };
    let shown = |name: &&str| if *name == "any" { "any".to_owned() } else { name.to_uppercase() };
    ["get", "post", "put", "patch", "delete", "any"].iter().filter(|name| has(name)).map(shown).collect()
}

/// A path whatever its parts in braces are called.
fn plain(path: &str) -> String {
    let end = |part: &str| part.split_once('}').map_or(String::new(), |(_, rest)| format!("{{}}{rest}"));
    let mut parts = path.split('{');
    parts.next().unwrap_or_default().to_owned() + &parts.map(end).collect::<String>()
}

#[test]
fn the_manual_lists_every_route_of_the_api() {
    let mut routes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in sources("core/server/src/http") {
        for route in text.split(".route(").skip(1) {
            let Some((path, handlers)) = route.split_once(',') else { continue };
            let path = match path.trim() {
                "CONTINUE_INSPECTION" => "/v1/continue_inspection",
                path => path.trim_matches('"'),
            };
            // The rest of the call, up to the parenthesis that ends it.
            let mut open = 1;
            let call = handlers.chars().take_while(|character| {
                open += i32::from(*character == '(') - i32::from(*character == ')');
                open > 0
            });
            routes.entry(plain(path)).or_default().extend(methods(&call.collect::<String>()));
        }
    }

    let mut listed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows("docs/src/operate/clients.md") {
        for path in code(&row[0]).iter().filter(|path| path.starts_with('/')) {
            listed.insert(plain(path), row[1].split(", ").map(str::to_owned).collect());
        }
    }

    assert!(routes.len() > 40, "{routes:#?}");
    assert_eq!(listed, routes);
}

/// The commands below `program words...`, by its help; none if it is one itself.
fn commands(name: &str, words: &[String]) -> Vec<Vec<String>> {
    let output = Command::new(program(name)).args(words).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words:?}");
    let Some((_, list)) = help.split_once("Commands:\n") else { return vec![words.to_vec()] };
    let names = list.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let mut all = Vec::new();
    for verb in names.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help") {
        let mut words = words.to_vec();
        words.push(verb.to_owned());
        all.extend(commands(name, &words));
    }
    all
}

/// A row names `farrier node power on N...`, and after that others of the same noun, as `off`.
#[test]
fn the_manual_lists_every_command_of_the_command_line() {
    let rows: Vec<Vec<String>> = rows("docs/src/operate/cli.md");
    let listed: Vec<(Vec<String>, String)> = rows
        .iter()
        .filter_map(|row| {
            let first = code(&row[0]).into_iter().next()?;
            let words = first.strip_prefix("farrier ")?.split_whitespace();
            let plain = |word: &&str| word.starts_with(|first: char| first.is_ascii_lowercase());
            Some((words.take_while(plain).map(str::to_owned).collect(), row.join(" ")))
        })
        .collect();
    let all = commands("farrier", &[]);

    let missing: Vec<String> = all
        .iter()
        .filter(|command| {
            let (verb, nouns) = command.split_last().unwrap();
            !listed.iter().any(|(words, row)| {
                words == *command
                    || (words.starts_with(nouns)
                        && code(row).iter().any(|code| code.split_whitespace().next() == Some(verb)))
            })
        })
        .map(|command| command.join(" "))
        .collect();
    assert!(missing.is_empty(), "not in the manual: {missing:?}");
    for (words, _) in listed.iter().filter(|(words, _)| !words.is_empty()) {
        assert!(all.iter().any(|command| command.starts_with(words)), "no such command: {words:?}");
    }
}

#[test]
fn the_manual_lists_every_verb_of_xtask() {
    let listed: BTreeSet<String> = rows("docs/src/contribute/testing.md")
        .iter()
        .flat_map(|row| code(&row[0]))
        .filter_map(|command| command.strip_prefix("cargo xtask ")?.split(' ').next().map(str::to_owned))
        .collect();

    let all: BTreeSet<String> =
        commands("farrier-xtask", &[]).into_iter().filter_map(|words| words.into_iter().next()).collect();

    assert_eq!(listed, all);
}

/// All our sources as one text, in which a literal that goes on in the next line is on one.
fn literals() -> String {
    let mut all = String::new();
    for text in ["core", "plugins", "drivers"].into_iter().flat_map(sources) {
        let mut goes_on = false;
        for line in text.lines() {
            let line = if goes_on { line.trim_start() } else { line };
            goes_on = line.ends_with('\\');
            all.push_str(line.trim_end_matches('\\'));
            if !goes_on {
                all.push('\n');
            }
        }
    }
    all
}

/// The parts of a message that are the same in all cases, if they are long enough to be looked for.
///
/// Left out are what `...`, `N` and numbers stand for, what is in backticks, the status of an answer, and a word in bold
/// that says of which driver the message is.
fn parts(message: &str) -> Vec<String> {
    let message = message.rsplit_once("** ").map_or(message, |(_, rest)| rest);
    let words = message
        .replace("...", " ... ")
        .replace(['`', '(', ')', '[', ']', '"', '*', ':', ','], " ... ")
        .replace(" / ", " ... ");
    let mut parts = vec![Vec::new()];
    for word in words.split_whitespace() {
        let number = word.trim_end_matches('.').parse::<f64>().is_ok();
        if number || ["...", "N", "X", "Y", "SIGNAL"].contains(&word) {
            parts.push(Vec::new());
        } else {
            parts.last_mut().unwrap().push(word);
        }
    }
    parts
        .iter()
        .filter(|words| 2 < words.len())
        .map(|words| words.join(" ").trim_end_matches('.').to_owned())
        .collect()
}

/// The messages in a column of the tables of a page below a heading, or of all of them.
fn messages(page: &str, heading: &str, column: usize) -> Vec<String> {
    let text = page_text(page);
    let (_, section) = text.split_once(heading).unwrap_or_else(|| panic!("{page} has no `{heading}`"));
    // A heading of the second order has what comes before the next one.
    let section = if heading.starts_with("## ") { section.split("\n## ").next() } else { Some(section) };
    let lines: Vec<&str> = section.unwrap_or_default().lines().collect();
    // The line above the rule is the head of the table.
    let is_head = |at: usize| lines.get(at + 1).is_some_and(|line| line.starts_with("|---"));
    let rows = lines.iter().enumerate().filter(|(at, line)| line.starts_with("| ") && !is_head(*at));
    rows.filter_map(|(_, line)| line.trim_matches('|').split(" | ").nth(column))
        .map(|cell| cell.trim().to_owned())
        .collect()
}

#[test]
fn every_message_that_is_explained_is_one_of_ours() {
    let sources = literals();
    let tables = [
        ("docs/src/operate/troubleshoot.md", "# Troubleshoot", 0),
        ("docs/src/operate/ipmi.md", "## Troubleshooting", 0),
        ("docs/src/operate/redfish.md", "## When something does not work", 0),
        ("docs/src/operate/plugins.md", "## Refusals", 2),
    ];

    let mut unknown = Vec::new();
    let mut looked = BTreeSet::new();
    for (page, heading, column) in tables {
        for message in messages(page, heading, column) {
            for part in parts(&message) {
                if !sources.contains(&part) && !ELSEWHERE.contains(&part.as_str()) {
                    unknown.push(format!("{page}: `{part}` of `{message}`"));
                }
                looked.insert(part);
            }
        }
    }

    assert!(looked.len() > 90, "{} parts of messages", looked.len());
    assert!(unknown.is_empty(), "no source says\n{}", unknown.join("\n"));
    for text in ELSEWHERE {
        assert!(looked.contains(*text) && !sources.contains(text), "`{text}` needs no exception");
    }
}
