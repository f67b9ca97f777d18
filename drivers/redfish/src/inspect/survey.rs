//! Reading many parts of one machine: two at a time, not too many, and not for too long.

use std::time::Duration;

use farrier_sdk::prelude::warn;

use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::resource::raw::Raw;

/// Most requests of one inspection; the parts after them are left out.
const REQUESTS_MAX: usize = 300;

/// Resources asked for at a time; a BMC is asked for no more than it is configured to bear anyway.
const AT_A_TIME: usize = 2;

/// Longest time spent on one part: a quarter of what an inspection has.
const PART_TIME_MAX: Duration = Duration::from_secs(30);

/// Reads the parts of one machine, as many as may be. What cannot be read is left out.
pub(super) struct Survey<'a> {
    operation: &'a Operation,
    expand: bool,
    /// Requests that may still be made.
    left: usize,
    /// Why the last part is missing that the BMC did not answer for.
    trouble: Option<RedfishError>,
}

impl<'a> Survey<'a> {
    pub(super) fn new(operation: &'a Operation, expand: bool) -> Self {
        Self { operation, expand, left: REQUESTS_MAX, trouble: None }
    }

    /// Why parts are missing, if that is not for the BMC's answers.
    pub(super) fn into_trouble(self) -> Option<RedfishError> {
        self.trouble
    }

    /// Members of a collection that a resource names.
    pub(super) async fn members(&mut self, holder: &Raw, name: &str) -> Result<Vec<(String, Raw)>> {
        let Some(path) = holder.link(name).and_then(|link| self.operation.link(link)) else {
            return Ok(Vec::new());
        };
        if !self.take(&path) {
            return Ok(Vec::new());
        }
        let listed = self.part().listed::<Raw>(&path, self.expand).await;
        let Some(listed) = self.unless_hopeless(&path, listed)? else { return Ok(Vec::new()) };
        let missing = listed.iter().filter(|(_, member)| member.is_none()).map(|(path, _)| path.clone());
        let mut read = self.read_all(missing.collect()).await?.into_iter().peekable();
        let member = |(path, member): (String, Option<Raw>)| match member {
            Some(member) => Some((path, member)),
            None => read.next_if(|(known, _)| *known == path),
        };
        Ok(listed.into_iter().filter_map(member).collect())
    }

    /// Resources that a resource links to.
    pub(super) async fn linked(&mut self, holder: &Raw, name: &str) -> Result<Vec<(String, Raw)>> {
        let links = holder.links(name).into_iter().filter_map(|link| self.operation.link(link)).collect();
        self.read_all(links).await
    }

    /// Resources at these paths.
    pub(super) async fn read_all(&mut self, paths: Vec<String>) -> Result<Vec<(String, Raw)>> {
        let mut read = Vec::new();
        for pair in paths.chunks(AT_A_TIME) {
            let may: Vec<&String> = pair.iter().filter(|path| self.take(path)).collect();
            let (first, second) = tokio::join!(self.read(may.first()), self.read(may.get(1)));
            for (path, answer) in may.into_iter().zip([first, second]) {
                let Some(answer) = answer else { continue };
                if let Some(resource) = self.unless_hopeless(path, answer)? {
                    read.push((path.clone(), resource));
                }
            }
        }
        Ok(read)
    }

    async fn read(&self, path: Option<&&String>) -> Option<Result<Raw>> {
        Some(self.part().read(path?).await)
    }

    /// One request less; `false` when there was none left.
    fn take(&mut self, path: &str) -> bool {
        if self.left == 0 {
            warn!(resource = path, "the machine has too many parts; this one is left out");
            return false;
        }
        self.left -= 1;
        true
    }

    /// An operation for one request.
    fn part(&self) -> Operation {
        self.operation.part(PART_TIME_MAX.min(self.operation.time_left()))
    }

    /// Leaves out what cannot be read, unless nothing else could be read either.
    fn unless_hopeless<T>(&mut self, path: &str, answer: Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if matches!(error.failure, Failure::Authentication { .. }) => Err(error),
            Err(error) => {
                if !error.is_missing() {
                    warn!(resource = path, %error, "a part of the machine is left out");
                }
                if !error.is_answer() {
                    self.trouble = Some(error);
                }
                Ok(None)
            }
        }
    }
}
