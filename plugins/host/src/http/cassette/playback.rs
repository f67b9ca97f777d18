//! A cassette that answers.
//!
//! What was recorded of one machine is a book. A chapter begins with a change, by the driver or by somebody else, and
//! holds what was read until the next one: so a driver that leaves a change out does not see what came of it.

use std::collections::HashMap;

use farrier_sdk::error::DriverError;
use serde_json::Value;

use super::super::request::{Answer, Request};
use super::super::secrets::Masked;
use super::Event;
use super::mask::without_logins;

/// How much of a body is told of a request that does not fit, in characters.
const BODY_SHOWN_MAX: usize = 200;

/// Methods of HTTP that only read.
const READS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// Everything on a cassette, by machine.
#[derive(Default)]
pub(super) struct Playback {
    books: HashMap<Option<String>, Book>,
    /// How many exchanges there are.
    pub(super) exchanges: usize,
}

/// One machine.
struct Book {
    chapters: Vec<Chapter>,
    /// The one that is open.
    open: usize,
}

/// What follows a change, up to the next one.
#[derive(Default)]
struct Chapter {
    /// The change; none for the first chapter.
    change: Option<(Key, Recorded)>,
    reads: HashMap<Key, Track>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(super) enum Recorded {
    /// From the machine.
    Answer(Answer),
    /// Instead of an answer.
    Error(DriverError),
    /// From whoever recorded it, by other ways than requests.
    Seen(Value),
}

/// What requests have in common that have the same answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    method: String,
    path: String,
    /// Query and body, as JSON; headers may differ from day to day.
    rest: String,
}

/// Answers to one question, in their order.
#[derive(Debug, Default)]
struct Track {
    recorded: Vec<Recorded>,
    next: usize,
}

impl Playback {
    pub(super) fn add(&mut self, machine: Option<String>, event: Event) {
        let book = self.books.entry(machine).or_insert_with(Book::new);
        match event {
            Event::Exchange(request, recorded) => {
                self.exchanges += 1;
                let key = Key::of(&request, request.url.clone());
                if key.changes() { book.begin(key, recorded) } else { book.note(key, recorded) }
            }
            Event::Look(what, value) => book.note(Key::look(&what), Recorded::Seen(value)),
            Event::Change(what, value) => book.begin(Key::change(&what), Recorded::Seen(value)),
        }
    }

    /// The next answer to a question; none, with the reason, when it does not belong here.
    pub(super) fn answer(&mut self, machine: Option<&str>, key: &Key) -> Result<Recorded, String> {
        let Some(book) = self.books.get_mut(&machine.map(str::to_owned)) else {
            return Err(format!("{key} was not recorded, nor anything else of this machine"));
        };
        book.answer(key)
    }

    /// Changes that were recorded and not asked for.
    pub(super) fn unused(&self) -> Vec<String> {
        let mut books: Vec<_> = self.books.iter().collect();
        books.sort_by_key(|(machine, _)| *machine);
        books.into_iter().flat_map(|(_, book)| book.left()).map(Key::to_string).collect()
    }
}

impl Book {
    fn new() -> Self {
        Self { chapters: vec![Chapter::default()], open: 0 }
    }

    fn begin(&mut self, key: Key, recorded: Recorded) {
        self.chapters.push(Chapter { change: Some((key, recorded)), reads: HashMap::new() });
    }

    fn note(&mut self, key: Key, recorded: Recorded) {
        if let Some(chapter) = self.chapters.last_mut() {
            chapter.reads.entry(key).or_default().recorded.push(recorded);
        }
    }

    fn answer(&mut self, key: &Key) -> Result<Recorded, String> {
        if key.changes() {
            let next = self.chapters.get(self.open + 1).and_then(|chapter| chapter.change.as_ref());
            return match next {
                Some((expected, recorded)) if expected == key => {
                    self.open += 1;
                    Ok(recorded.clone())
                }
                Some((expected, _)) => {
                    Err(format!("{key} was not recorded here, the next change was {expected}"))
                }
                None => Err(format!("{key} was not recorded{}", self.place())),
            };
        }
        let found = self.chapters.get_mut(self.open).and_then(|chapter| chapter.reads.get_mut(key)?.next());
        found.ok_or_else(|| format!("{key} was not recorded{}", self.place()))
    }

    /// Where in the book it is open, for people.
    fn place(&self) -> String {
        match self.chapters.get(self.open).and_then(|chapter| chapter.change.as_ref()) {
            Some((change, _)) => format!(" after {change}"),
            None => String::new(),
        }
    }

    /// Changes that did not come yet.
    fn left(&self) -> impl Iterator<Item = &Key> {
        let rest = self.chapters.iter().skip(self.open + 1);
        rest.filter_map(|chapter| chapter.change.as_ref()).map(|(key, _)| key)
    }
}

impl Track {
    /// The next one; the last one stays, so that a driver may ask once more.
    fn next(&mut self) -> Option<Recorded> {
        let last = self.recorded.len().checked_sub(1)?;
        let recorded = self.recorded.get(self.next.min(last)).cloned();
        self.next = self.next.saturating_add(1);
        recorded
    }
}

impl Key {
    /// What the driver wrote itself may hold what it was told: on the cassette that is masked.
    pub(super) fn asked(request: &Request, known: &Masked) -> Self {
        let Self { method, path, rest } = Self::of(&without_logins(request), request.path_and_query());
        Self { method, path: known.text(&path), rest: known.text(&rest) }
    }

    /// A look at the machine by other ways.
    pub(super) fn look(what: &str) -> Self {
        Self { method: "look".to_owned(), path: what.to_owned(), rest: String::new() }
    }

    /// A change of the machine by other ways.
    pub(super) fn change(what: &str) -> Self {
        Self { method: "change".to_owned(), path: what.to_owned(), rest: String::new() }
    }

    fn of(request: &Request, path: String) -> Self {
        let Request { query, json, form, text, .. } = request.clone();
        let rest = Request { query, json, form, text, ..Request::default() };
        let rest = serde_json::to_string(&rest).unwrap_or_default();
        Self { method: request.method.clone(), path, rest }
    }

    fn changes(&self) -> bool {
        self.method != "look" && !READS.contains(&self.method.to_ascii_uppercase().as_str())
    }
}

/// For people: method, path and what was sent, without secrets.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{} {}`", self.method, self.path)?;
        let rest: Value = serde_json::from_str(&self.rest).unwrap_or_default();
        for name in ["query", "json", "form", "text"] {
            if let Some(sent) = rest.get(name) {
                let sent: String = sent.to_string().chars().take(BODY_SHOWN_MAX).collect();
                write!(f, " with {sent}")?;
            }
        }
        Ok(())
    }
}
