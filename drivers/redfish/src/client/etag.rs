//! Which `If-Match` a write carries, and which one it carries after a refusal.
//!
//! Source: DSP0266, section 6.5; answers of several makers' BMCs to tags they gave out themselves.

use reqwest::StatusCode;

/// Most often one write is sent for the sake of its tag.
const SENDS_MAX: usize = 4;

/// The forms in which a tag is tried, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// As the BMC gave it.
    #[default]
    Given,
    /// Without the mark of a weak tag and with single quotes.
    Strong,
    /// `*`: whatever the state is.
    Any,
    /// No header at all.
    Absent,
}

const LADDER: [Form; 4] = [Form::Given, Form::Strong, Form::Any, Form::Absent];

/// What to do after a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// The answer stands.
    Done,
    /// Read the resource's tag and call [`Tagging::refreshed`].
    Refresh,
}

/// The course of one write.
#[derive(Debug)]
pub(super) struct Tagging {
    tag: Option<String>,
    form: Form,
    tried: Vec<Option<String>>,
}

impl Tagging {
    /// Starts with the tag of the last read and the form that worked before.
    pub(super) fn new(tag: Option<String>, form: Form) -> Self {
        let form = if tag.is_some() || form == Form::Any { form } else { Form::Absent };
        Self { tag, form, tried: Vec::new() }
    }

    /// The header of the next send.
    pub(super) fn header(&mut self) -> Option<String> {
        let header = value(self.tag.as_deref(), self.form);
        self.tried.push(header.clone());
        header
    }

    /// Judges the answer to the last send.
    pub(super) fn judge(&self, status: StatusCode) -> Next {
        let about_tags =
            matches!(status, StatusCode::PRECONDITION_FAILED | StatusCode::PRECONDITION_REQUIRED);
        if about_tags && self.tried.len() < SENDS_MAX { Next::Refresh } else { Next::Done }
    }

    /// Takes the tag that the resource has now; `false` when nothing is left to try.
    pub(super) fn refreshed(&mut self, status: StatusCode, tag: Option<String>) -> bool {
        let changed = tag.is_some() && tag != self.tag;
        self.tag = tag;
        if changed && self.untried(Form::Given) {
            self.form = Form::Given;
            return true;
        }
        let required = status == StatusCode::PRECONDITION_REQUIRED;
        let next = LADDER.into_iter().filter(|form| !(required && *form == Form::Absent));
        match next.into_iter().find(|form| self.untried(*form)) {
            Some(form) => {
                self.form = form;
                true
            }
            None => false,
        }
    }

    /// The form of the last send.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Whether more than one send was needed.
    pub(super) fn was_refused(&self) -> bool {
        self.tried.len() > 1
    }

    fn untried(&self, form: Form) -> bool {
        let header = value(self.tag.as_deref(), form);
        let possible = header.is_some() || form == Form::Absent;
        possible && !self.tried.contains(&header)
    }
}

fn value(tag: Option<&str>, form: Form) -> Option<String> {
    match form {
        Form::Given => tag.map(str::to_owned),
        Form::Strong => tag.map(strong),
        Form::Any => Some("*".to_owned()),
        Form::Absent => None,
    }
}

/// `W/"x"` and `""x""` become `"x"`.
fn strong(tag: &str) -> String {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag);
    format!("\"{}\"", tag.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: StatusCode = StatusCode::PRECONDITION_FAILED;
    const REQUIRED: StatusCode = StatusCode::PRECONDITION_REQUIRED;

    /// Plays a write against a BMC that accepts one header only; returns what was sent.
    fn play(
        first: Option<&str>,
        fresh: Option<&str>,
        accepts: Option<&str>,
        refusal: StatusCode,
    ) -> Vec<String> {
        let mut tagging = Tagging::new(first.map(str::to_owned), Form::Given);
        let mut sent = Vec::new();
        loop {
            let header = tagging.header();
            sent.push(header.clone().unwrap_or_else(|| "-".to_owned()));
            let status = if header.as_deref() == accepts { StatusCode::OK } else { refusal };
            if tagging.judge(status) == Next::Done || !tagging.refreshed(status, fresh.map(str::to_owned)) {
                return sent;
            }
        }
    }

    #[test]
    fn a_tag_goes_as_it_was_given() {
        assert_eq!(play(Some("W/\"a\""), None, Some("W/\"a\""), FAILED), ["W/\"a\""]);
        assert_eq!(play(None, None, None, FAILED), ["-"]);
    }

    #[test]
    fn a_required_tag_is_fetched_or_any() {
        assert_eq!(play(None, Some("\"a\""), Some("\"a\""), REQUIRED), ["-", "\"a\""]);
        assert_eq!(play(None, None, Some("*"), REQUIRED), ["-", "*"]);
    }

    #[test]
    fn a_changed_tag_is_used_before_other_forms() {
        assert_eq!(play(Some("\"a\""), Some("\"b\""), Some("\"b\""), FAILED), ["\"a\"", "\"b\""]);
    }

    #[test]
    fn an_unchanged_tag_is_tried_strong_then_any_then_absent() {
        let all = ["W/\"a\"", "\"a\"", "*", "-"];

        assert_eq!(play(Some("W/\"a\""), Some("W/\"a\""), Some("\"a\""), FAILED), all[..2]);
        assert_eq!(play(Some("W/\"a\""), Some("W/\"a\""), Some("*"), FAILED), all[..3]);
        assert_eq!(play(Some("W/\"a\""), Some("W/\"a\""), None, FAILED), all);
        assert_eq!(play(Some("\"\"a\"\""), Some("\"\"a\"\""), Some("\"a\""), FAILED), ["\"\"a\"\"", "\"a\""]);
    }

    #[test]
    fn no_write_is_sent_more_than_four_times() {
        let nothing = Some("never");

        assert_eq!(play(Some("W/\"a\""), Some("W/\"b\""), nothing, FAILED).len(), SENDS_MAX);
        assert_eq!(play(None, Some("W/\"b\""), nothing, REQUIRED), ["-", "W/\"b\"", "\"b\"", "*"]);
    }
}
