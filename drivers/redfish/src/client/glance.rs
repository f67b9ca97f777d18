//! A System that was read for the first of several questions of one pass.

use std::time::Duration;

use tokio::time::Instant;

use super::Client;
use crate::discovery::Found;

/// How long a System that was read answers other questions of the same pass.
const GLANCE_TIME_MAX: Duration = Duration::from_secs(30);

/// The last System that was read for several questions, as long as nothing was changed since.
#[derive(Debug, Default)]
pub(super) struct Glances {
    changes: u64,
    kept: Option<Glance>,
}

#[derive(Debug)]
struct Glance {
    pass: String,
    configured: Option<String>,
    found: Found,
    at: Instant,
}

impl Glances {
    /// How many changes were begun or ended; what is read is of the time before the next.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Notes that a change begins or ends.
    pub(super) fn change(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        self.kept = None;
    }

    /// The System as this pass has read it.
    pub(super) fn find(&self, pass: &str, configured: Option<&str>) -> Option<Found> {
        let glance = self.kept.as_ref()?;
        let fits = glance.pass == pass && glance.configured.as_deref() == configured;
        (fits && glance.at.elapsed() < GLANCE_TIME_MAX).then(|| glance.found.clone())
    }

    /// Keeps a System whose reading began after so many changes, if there was no other meanwhile.
    pub(super) fn keep(&mut self, changes: u64, pass: &str, configured: Option<&str>, found: &Found) {
        if changes == self.changes {
            let (pass, configured) = (pass.to_owned(), configured.map(str::to_owned));
            self.kept = Some(Glance { pass, configured, found: found.clone(), at: Instant::now() });
        }
    }
}

/// A change under way: what was read before its end, even if it is dropped, is not believed after it.
pub(super) struct Change<'a>(&'a Client);

impl<'a> Change<'a> {
    pub(super) fn begin(client: &'a Client) -> Self {
        client.known().glances.change();
        Self(client)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.known().glances.change();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::system::System;

    fn found(path: &str) -> Found {
        Found { path: path.to_owned(), system: System::default() }
    }

    #[test]
    fn what_was_read_answers_its_pass_until_something_changes() {
        let mut glances = Glances::default();
        glances.keep(glances.changes(), "1", None, &found("/a"));

        assert_eq!(glances.find("1", None).map(|found| found.path).as_deref(), Some("/a"));
        assert!(glances.find("2", None).is_none() && glances.find("1", Some("/a")).is_none());

        glances.change();
        assert!(glances.find("1", None).is_none());
    }

    #[test]
    fn what_was_asked_for_before_a_change_and_came_after_it_is_not_kept() {
        let mut glances = Glances::default();
        let before = glances.changes();
        glances.change();
        glances.keep(before, "1", None, &found("/a"));
        assert!(glances.find("1", None).is_none());

        let during = glances.changes();
        glances.change();
        glances.keep(during, "1", None, &found("/a"));
        assert!(glances.find("1", None).is_none());
    }
}
