//! The stages of a verb, with their results and times.

use std::fmt;
use std::time::{Duration, Instant};

use crate::error::TaskError;

/// What became of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped(String),
}

/// What ran so far. A failed stage does not keep the next from running.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    rows: Vec<(String, Outcome, Duration)>,
}

impl Stages {
    /// Runs one stage; its error is shown at once and counted. Whether it passed.
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce() -> Result<(), TaskError>) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let result = work();
        let passed = result.is_ok();
        if let Err(error) = result {
            println!("{name}: {error}");
        }
        let outcome = if passed { Outcome::Passed } else { Outcome::Failed };
        self.rows.push((name.to_owned(), outcome, start.elapsed()));
        passed
    }

    /// Notes a stage that is not run, and why.
    pub(crate) fn skip(&mut self, name: &str, why: impl Into<String>) {
        self.rows.push((name.to_owned(), Outcome::Skipped(why.into()), Duration::ZERO));
    }

    /// Notes a failure that is not a stage of its own.
    pub(crate) fn fail(&mut self, name: &str) {
        self.rows.push((name.to_owned(), Outcome::Failed, Duration::ZERO));
    }

    /// Prints the summary; an error when a stage failed.
    pub(crate) fn finish(self) -> Result<(), TaskError> {
        println!("\n{self}");
        let failed: Vec<String> = self
            .rows
            .into_iter()
            .filter(|(_, outcome, _)| *outcome == Outcome::Failed)
            .map(|(name, ..)| name)
            .collect();
        if failed.is_empty() { Ok(()) } else { Err(TaskError::Stages(failed)) }
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(name, ..)| name.len()).max().unwrap_or_default().max(5);
        write!(f, "{:width$}  {:>8}  result", "stage", "time")?;
        for (name, outcome, time) in &self.rows {
            write!(f, "\n{name:width$}  {:>6.1} s  ", time.as_secs_f64())?;
            match outcome {
                Outcome::Passed => write!(f, "passed")?,
                Outcome::Failed => write!(f, "FAILED")?,
                Outcome::Skipped(why) => write!(f, "skipped: {why}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_stage_is_named_and_the_next_still_runs() {
        let mut stages = Stages::default();
        let mut ran = false;

        assert!(!stages.run("first", || Err(TaskError::Metadata("x"))));
        assert!(stages.run("second", || {
            ran = true;
            Ok(())
        }));
        stages.skip("third", "nobody asked");

        assert!(ran);
        assert!(stages.to_string().ends_with("third      0.0 s  skipped: nobody asked"), "{stages}");
        assert_eq!(stages.finish().unwrap_err().to_string(), "failed: first");
    }
}
