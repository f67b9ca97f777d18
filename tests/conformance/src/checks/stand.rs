//! A machine, and what one interface type can do with it.

use std::time::{Duration, Instant};

use farrier_host::Interface;
use farrier_sdk::descriptor::InterfaceDescriptor;
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::step::StepOutcome;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, Session, note_switched};
use crate::check::{Finding, Judgement, failed, not_applicable};
use crate::node::Node;
use crate::residue::pause;
use crate::target::{self, Peer};

/// How much of the time of a check one long operation may take.
const OPERATION_SHARE: (u32, u32) = (3, 4);

/// One implementation with a machine, on a node of its own.
pub(super) struct Stand<'a> {
    pub(super) bench: &'a Bench,
    pub(super) session: &'a Session,
    pub(super) peer: &'a Peer,
    pub(super) described: &'a InterfaceDescriptor,
    pub(super) node: Node,
    interface: &'a Interface,
}

/// Looks at every implementation of a type with the profile's machine.
pub(super) fn each(bench: &Bench, kind: InterfaceType, look: impl Fn(&Stand) -> Judgement) -> Judgement {
    each_with(bench, kind, target::start, look)
}

/// Looks at every implementation of a type without a machine.
pub(super) fn each_absent(
    bench: &Bench,
    kind: InterfaceType,
    look: impl Fn(&Stand) -> Judgement,
) -> Judgement {
    each_with(bench, kind, |_| Ok(Peer::absent()), look)
}

fn each_with(
    bench: &Bench,
    kind: InterfaceType,
    start: impl Fn(&Bench) -> Result<Peer, Finding>,
    look: impl Fn(&Stand) -> Judgement,
) -> Judgement {
    let session = bench.load()?;
    let described: Vec<_> =
        session.interfaces().filter(|interface| interface.kind == kind).cloned().collect();
    if described.is_empty() {
        return not_applicable(format!("it has no {kind} implementation"));
    }
    let peer = start(bench)?;
    let mut looks = Looks::default();
    for described in &described {
        let interface = session.open(kind, &described.name)?;
        let node = session.node(bench.profile(), &peer);
        let stand = Stand { bench, session: &session, peer: &peer, described, node, interface: &interface };
        let found = match look(&stand) {
            Err(Finding::Failed(reason)) => failed(format!("{kind} `{}`: {reason}", described.name)),
            found => found,
        };
        looks.take(found)?;
    }
    looks.judgement()
}

/// What several looks at one requirement come to.
#[derive(Default)]
pub(super) struct Looks {
    looked: bool,
    /// What nobody knows; that it is so elsewhere says nothing of here.
    open: Option<Finding>,
    /// What is declared and was not seen, though nobody is to blame; not even if it was seen elsewhere.
    absent: Option<Finding>,
    /// What there was not to look at.
    nothing: Option<Finding>,
}

impl Looks {
    /// Takes one more; a failure is the end of it.
    pub(super) fn take(&mut self, found: Judgement) -> Judgement {
        match found {
            Ok(()) => self.looked = true,
            Err(Finding::Failed(reason)) => return failed(reason),
            Err(finding @ (Finding::Lacking(_) | Finding::NotRun(_))) => self.open = Some(finding),
            Err(finding @ Finding::Absent(_)) => self.absent = Some(finding),
            Err(finding @ Finding::NotApplicable(_)) => self.nothing = Some(finding),
        }
        Ok(())
    }

    /// All of them.
    pub(super) fn judgement(self) -> Judgement {
        self.open.or(self.absent).or(self.nothing.filter(|_| !self.looked)).map_or(Ok(()), Err)
    }

    /// The same; `nothing` says why there was nothing to look at.
    pub(super) fn judgement_or(self, nothing: &str) -> Judgement {
        let looked = self.looked;
        match self.judgement() {
            Err(Finding::NotApplicable(_)) => not_applicable(nothing),
            Ok(()) if !looked => not_applicable(nothing),
            judgement => judgement,
        }
    }
}

impl Stand<'_> {
    /// Whether the machine ends with the check, so that nobody minds how it is left: one that can be looked at by
    /// others than the plugin is simulated.
    pub(super) fn is_thrown_away(&self) -> bool {
        self.peer.is_on().is_some()
    }

    /// Whether the implementation has this method.
    pub(super) fn has(&self, method: &str) -> bool {
        self.described.methods.contains(method)
    }

    /// Nothing to look at without these methods.
    pub(super) fn needs(&self, methods: &[&str]) -> Judgement {
        match methods.iter().find(|method| !self.has(method)) {
            None => Ok(()),
            Some(lacking) => not_applicable(format!("it has no `{lacking}`")),
        }
    }

    pub(super) fn call(&self, method: &str, arguments: &Value) -> Answer {
        self.session.call(self.interface, method, arguments, &self.node)
    }

    /// Calls what has to succeed.
    pub(super) fn ask(&self, method: &str, arguments: &Value) -> Result<Value, Finding> {
        let answer = self.call(method, arguments);
        answer.map_err(|error| self.refused(method, &format!("`{method}` {arguments}"), &error))
    }

    /// What an error comes to where there should be none: nothing bad, if the machine has nothing of the sort.
    ///
    /// That is the plugin's word, and an easy one to give. Unless the profile says so of its machine too, nothing was
    /// seen of what the plugin declares, and it reaches no level that would say it was.
    pub(super) fn refused(&self, method: &str, what: &str, error: &DriverError) -> Finding {
        let kind = error.kind();
        let told = format!("{what}: {kind:?}: {error}");
        let absence = self.bench.profile().absence(self.described.kind, method);
        match absence.filter(|_| matches!(kind, ErrorKind::Unsupported | ErrorKind::Hardware)) {
            Some(reason) => Finding::Absent(format!("not applicable: {reason}; the plugin says: {told}")),
            None if kind == ErrorKind::Unsupported => Finding::Lacking(format!(
                "not applicable: the plugin says that this machine lacks it: {told}"
            )),
            None => Finding::Failed(told),
        }
    }

    /// Begins a long operation, or goes on with it.
    pub(super) fn begin(&self, method: &str, arguments: &Value) -> Answer {
        // It may restart the machine whatever it is called.
        note_switched();
        self.ask_again(method, arguments)
    }

    /// Asks how a long operation stands: as a step, where it is one.
    fn ask_again(&self, method: &str, arguments: &Value) -> Answer {
        match self.described.steps.iter().find(|step| step.step == method) {
            None => self.call(method, arguments),
            Some(step) => {
                let call = json!({"kind": step.kinds.first(), "step": method, "args": arguments});
                self.call("execute_step", &call)
            }
        }
    }

    /// Makes a long operation as a conductor does: asks again and again while it waits. Its error is an answer too.
    pub(super) fn finish(&self, method: &str, arguments: &Value) -> Result<Answer, Finding> {
        let limit = self.bench.profile().check_limit() * OPERATION_SHARE.0 / OPERATION_SHARE.1;
        let deadline = Instant::now() + limit;
        let mut answer = self.begin(method, arguments);
        loop {
            let outcome = match answer {
                Ok(outcome) => outcome,
                Err(error) => return Ok(Err(error)),
            };
            let Some(interval) = interval(method, &outcome)? else { return Ok(Ok(outcome)) };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return failed(format!("`{method}` still waits after {} s", limit.as_secs()));
            }
            pause(interval.min(left));
            answer = self.ask_again(method, arguments);
        }
    }

    /// Makes a long operation that has to end well.
    pub(super) fn make(&self, method: &str, arguments: &Value) -> Judgement {
        match self.finish(method, arguments)? {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refused(method, &format!("`{method}` {arguments}"), &error)),
        }
    }

    /// Looks whether a call of `method` was refused for what it was given, and with these words.
    pub(super) fn is_refusal(&self, method: &str, what: &str, answer: Answer, words: &[&str]) -> Judgement {
        match answer {
            Ok(_) => failed(format!("{what} was accepted")),
            Err(error)
                if !matches!(error.kind(), ErrorKind::InvalidParameter | ErrorKind::MissingParameter) =>
            {
                Err(self.refused(method, what, &error))
            }
            Err(error) => match words.iter().find(|word| !error.to_string().contains(**word)) {
                None => Ok(()),
                Some(word) => failed(format!("{what} is refused without naming `{word}`: {error}")),
            },
        }
    }

    /// Looks at the same node from another conductor: one with a copy of the plugin that knows nothing yet.
    pub(super) fn elsewhere(&self, look: impl FnOnce(&Stand) -> Judgement) -> Judgement {
        let session = self.bench.load()?;
        let interface = session.open(self.described.kind, &self.described.name)?;
        look(&Stand { session: &session, interface: &interface, node: self.node.clone(), ..*self })
    }

    /// Asks another interface of the same node, if the plugin has it.
    pub(super) fn sibling(&self, kind: InterfaceType, method: &str, arguments: &Value) -> Option<Answer> {
        let has = |one: &&InterfaceDescriptor| one.kind == kind && one.methods.contains(method);
        let name = &self.session.interfaces().find(has)?.name;
        let opened = self.session.open(kind, name).ok()?;
        Some(self.session.call(&opened, method, arguments, &self.node))
    }
}

/// When to ask again; nothing when it is over.
pub(super) fn interval(method: &str, answer: &Value) -> Result<Option<Duration>, Finding> {
    match serde_json::from_value(answer.clone()) {
        Ok(StepOutcome::Done) => Ok(None),
        Ok(StepOutcome::Wait { poll_after_ms: Some(interval) }) => Ok(Some(Duration::from_millis(interval))),
        Ok(StepOutcome::Wait { poll_after_ms: None }) => {
            not_applicable(format!("`{method}` waits for a deploy agent, and there is none"))
        }
        Err(_) => failed(format!("`{method}` answered {answer}, which is no outcome")),
    }
}

/// Whether an error is the plugin's own, and no machine's.
pub(super) fn is_broken(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::PluginPanicked | ErrorKind::PluginStalled | ErrorKind::BadPayload | ErrorKind::TaskClosed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> Judgement {
        Err(Finding::Absent("this model has none".to_owned()))
    }

    /// What looks that found these come to.
    fn judged(found: impl IntoIterator<Item = Judgement>) -> Judgement {
        let mut looks = Looks::default();
        for found in found {
            looks.take(found)?;
        }
        looks.judgement()
    }

    #[test]
    fn what_was_not_seen_of_one_is_not_made_up_for_by_another() {
        let lacking = || Err(Finding::Lacking("the plugin says so".to_owned()));

        assert_eq!(judged([absent(), Ok(())]), absent());
        assert_eq!(judged([Ok(()), absent(), not_applicable("it has none")]), absent());
        assert_eq!(judged([absent(), lacking(), Ok(())]), lacking());
    }

    #[test]
    fn what_does_not_apply_to_one_leaves_the_other_looks_as_they_are() {
        let none = || not_applicable("it has none");

        assert_eq!(judged([none(), Ok(())]), Ok(()));
        assert_eq!(judged([none(), none()]), none());
        assert_eq!(judged([]), Ok(()));
    }

    #[test]
    fn a_failure_is_what_all_looks_come_to() {
        assert_eq!(judged([Ok(()), absent(), failed("it is broken"), Ok(())]), failed("it is broken"));
    }

    #[test]
    fn where_there_was_nothing_to_look_at_somebody_says_why() {
        let judged = |found: Option<Judgement>| -> Judgement {
            let mut looks = Looks::default();
            found.map_or(Ok(()), |found| looks.take(found))?;
            looks.judgement_or("there is nothing")
        };

        assert_eq!(judged(None), not_applicable("there is nothing"));
        assert_eq!(judged(Some(not_applicable("it has none"))), not_applicable("there is nothing"));
        assert_eq!(judged(Some(Ok(()))), Ok(()));
        assert_eq!(judged(Some(absent())), absent());
    }
}
