//! The rows of the reference, and the tests that prove them.
//!
//! What Farrier promises to do as Ironic does is written down in numbered rows. A test that proves one carries its
//! number in its name: `row_t05_a_busy_node_is_tried_once`, with several numbers if it proves several rows. Where
//! Farrier does something else on purpose, the test shows what, and its comment says why in a paragraph that begins
//! with `Differs:`. From these names and comments a page of the manual is made.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A letter, how many rows it has, and what they are about.
const GROUPS: &[(char, u8, &str)] = &[
    ('D', 13, "Locks in the database"),
    ('T', 53, "Tasks"),
    ('F', 60, "Drivers and their parts"),
    ('S', 8, "The state machine"),
    ('P', 23, "Power synchronization"),
    ('C', 18, "Start and stop of a conductor"),
    ('W', 7, "Workers"),
    // next group above this line
];

/// Folders with tests.
const FOLDERS: [&str; 4] = ["core", "drivers", "plugins", "tests"];

/// The page, from the root of the workspace.
pub const PAGE: &str = "docs/src/reference/rows.md";

const HEAD: &str = "\
# Rows of the reference

What Farrier promises to do as Ironic 39.0 does is counted in rows. Each is proven by at least one test, whose name is
the claim. A row that Farrier differs on has a test of what it does instead, and the reason.

This page is made by `cargo xtask docs` from the names and comments of the tests.
";

/// The number of a row: a letter and where it stands among those of its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowId(char, u8);

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As the rows are numbered: those of long tables with two digits.
        if matches!(self.0, 'T' | 'F') {
            write!(f, "{}{:02}", self.0, self.1)
        } else {
            write!(f, "{}{}", self.0, self.1)
        }
    }
}

impl RowId {
    /// Reads `t05`.
    fn parse(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        let letter = letters.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase();
        let digits = letters.as_str();
        let is_number = matches!(digits.len(), 1 | 2) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !GROUPS.iter().any(|group| group.0 == letter) {
            return None;
        }
        Some(Self(letter, digits.parse().ok()?))
    }

    fn exists(self) -> bool {
        GROUPS.iter().any(|&(letter, count, _)| letter == self.0 && (1..=count).contains(&self.1))
    }
}

/// A test that proves rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The claim: the name of the test without the rows.
    pub claim: String,
    /// Its file, from the root.
    pub file: String,
    /// Why Farrier does something else than the reference.
    pub differs: Option<String>,
}

/// All rows with their tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rows(BTreeMap<RowId, Vec<Proof>>);

impl Rows {
    /// Reads the sources below `root`.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read.
    pub fn find(root: &Path) -> io::Result<Self> {
        let mut rows = Self::default();
        for path in sources(root)? {
            let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            rows.read(&file, &fs::read_to_string(&path)?);
        }
        Ok(rows)
    }

    fn read(&mut self, file: &str, text: &str) {
        // Attributes and comments since the last line that is neither.
        let mut above: Vec<&str> = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with("///") || line.starts_with("#[") {
                above.push(line);
                continue;
            }
            if let Some((ids, name, claim)) = row_test(line)
                && (above.iter().any(|line| line.starts_with("#[") && line.contains("test"))
                    || text.matches(name).count() > 1)
            {
                let proof = Proof { claim, file: file.to_owned(), differs: differs(&above) };
                for id in ids {
                    self.0.entry(id).or_default().push(proof.clone());
                }
            }
            above.clear();
        }
    }

    /// Numbers in names of tests that no row has.
    #[must_use]
    pub fn unknown(&self) -> Vec<RowId> {
        self.0.keys().copied().filter(|id| !id.exists()).collect()
    }

    /// Rows without a test.
    #[must_use]
    pub fn missing(&self) -> Vec<RowId> {
        let all =
            GROUPS.iter().flat_map(|&(letter, count, _)| (1..=count).map(move |row| RowId(letter, row)));
        all.filter(|id| !self.0.contains_key(id)).collect()
    }
}

/// The page of the manual.
impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for &(letter, count, title) in GROUPS {
            write!(f, "\n## {title}\n\n| row | what the test shows | test in |\n|---|---|---|\n")?;
            for id in (1..=count).map(|row| RowId(letter, row)) {
                let Some(proofs) = self.0.get(&id) else {
                    writeln!(f, "| {id} | **no test** | |")?;
                    continue;
                };
                for (index, proof) in proofs.iter().enumerate() {
                    let mut row = String::new();
                    if index == 0 {
                        write!(row, "{id}")?;
                    }
                    let differs =
                        proof.differs.as_ref().map(|why| format!("<br>*Differs: {why}*")).unwrap_or_default();
                    writeln!(f, "| {row} | {}{differs} | `{}` |", proof.claim.replace('_', " "), proof.file)?;
                }
            }
        }
        Ok(())
    }
}

/// Every file with tests, in the order of their names.
fn sources(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The rows, the name and the claim in `async fn row_t01_t02_claim(`.
fn row_test(line: &str) -> Option<(Vec<RowId>, &str, String)> {
    let line = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    let (name, _) = line.split_once('(')?;
    let words = name.strip_prefix("row_")?.split('_');
    let ids: Vec<RowId> = words.clone().map_while(RowId::parse).collect();
    let claim = words.skip(ids.len()).collect::<Vec<_>>().join("_");
    (!ids.is_empty()).then_some((ids, name, claim))
}

/// The paragraph of a comment that begins with `Differs:`.
fn differs(above: &[&str]) -> Option<String> {
    let comment = above.iter().filter_map(|line| line.strip_prefix("///").map(str::trim));
    let mut paragraph = comment.skip_while(|line| !line.starts_with("Differs:"));
    let first = paragraph.next()?.trim_start_matches("Differs:").trim();
    let rest = paragraph.take_while(|line| !line.is_empty());
    Some(std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Rows {
        let mut rows = Rows::default();
        rows.read("core/a.rs", text);
        rows
    }

    fn id(text: &str) -> RowId {
        RowId::parse(text).unwrap()
    }

    #[test]
    fn a_test_proves_the_rows_in_its_name() {
        let rows = read("#[tokio::test]\nasync fn row_t38_t39_it_p_passes() {}\n");

        let proof = Proof { claim: "it_p_passes".to_owned(), file: "core/a.rs".to_owned(), differs: None };
        assert_eq!(rows.0, BTreeMap::from([(id("t38"), vec![proof.clone()]), (id("t39"), vec![proof])]));
    }

    #[test]
    fn a_test_of_a_suite_is_named_twice() {
        let suite = "store_suite! {\n    row_d01_it_holds,\n}\nasync fn row_d01_it_holds(x: &X) {}\n";

        assert_eq!(read(suite).0.keys().copied().collect::<Vec<_>>(), [id("d1")]);
    }

    #[test]
    fn a_function_that_is_no_test_proves_nothing() {
        assert_eq!(read("fn row_d01_it_holds() {}\n"), Rows::default());
        assert_eq!(read("#[test]\nfn row_of_a_table() {}\n"), Rows::default());
    }

    #[test]
    fn the_reason_to_differ_is_one_paragraph() {
        let rows = read(
            "/// Shows it.\n///\n/// Differs: the reference does not,\n/// and should.\n///\n/// More.\n\
             #[test]\nfn row_s1_it_does() {}\n",
        );

        let why = rows.0.get(&id("s1")).unwrap()[0].differs.clone();
        assert_eq!(why.as_deref(), Some("the reference does not, and should."));
        assert!(
            rows.to_string().contains("| S1 | it does<br>*Differs: the reference does not, and should.*")
        );
    }

    #[test]
    fn numbers_that_no_row_has_are_noticed_and_rows_without_a_test_too() {
        let rows = read("#[test]\nfn row_w7_w8_it_works() {}\n");

        assert_eq!(rows.unknown(), [id("w8")]);
        assert!(rows.missing().contains(&id("w1")));
        assert!(!rows.missing().contains(&id("w7")));
        assert!(rows.to_string().contains("| W1 | **no test** | |"));
    }
}
