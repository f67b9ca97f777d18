//! Text for people, of what a stranger's library says: nothing of it reaches a terminal unescaped.

use farrier_loader::tame;

/// A page with headings and indented lines.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a section.
    pub(super) fn heading(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&tame(text));
        self.0.push('\n');
    }

    /// Adds a line below the heading.
    pub(super) fn line(&mut self, text: &str) {
        self.0.push_str("  ");
        self.0.push_str(&tame(text));
        self.0.push('\n');
    }

    /// Adds lines of a name and a text each, texts below each other; those without a text are left out.
    pub(super) fn pairs<'a>(&mut self, pairs: impl IntoIterator<Item = (&'a str, String)>) {
        let pairs: Vec<(String, String)> = pairs
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (tame(name), tame(&text)))
            .collect();
        let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, text) in pairs {
            self.0.push_str(&format!("  {name:width$}  {text}\n"));
        }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}
