//! What a BMC says beside its status: messages of the registries, wherever they stand.
//!
//! Source: DSP0266, section 8.6.

use std::fmt;

use serde_json::Value;

/// Longest text shown to people, in characters.
const TEXT_SIZE_MAX: usize = 500;

/// Longest quotation of a body that is not JSON, in characters.
const QUOTE_SIZE_MAX: usize = 200;

/// Most messages read from one body; a settings error can carry one for each attribute.
const MESSAGES_MAX: usize = 256;

const EXTENDED: &str = "@Message.ExtendedInfo";

/// How bad a message is, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Not said, or a word we do not know.
    Unknown,
    /// Informational.
    Ok,
    /// Attention.
    Warning,
    /// Failure.
    Critical,
}

/// One message of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Last part of the message's identifier, such as `PropertyMissing`.
    pub id: String,
    /// First part of the identifier, such as `Base`; versions between are dropped.
    pub registry: String,
    /// The text, shortened and without control characters.
    pub text: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was filled into the text.
    pub args: Vec<String>,
    /// Properties that the message is about.
    pub related: Vec<String>,
}

/// All messages of one answer, and the text that stood beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Messages {
    list: Vec<Message>,
    /// `error.message`, or a quotation of a body that is not JSON.
    text: Option<String>,
}

impl Messages {
    /// Reads a body of any kind; what is not understood is left out.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            let text = clean(&String::from_utf8_lossy(body), QUOTE_SIZE_MAX);
            return Self { list: Vec::new(), text: Some(text).filter(|text| !text.is_empty()) };
        };
        let mut messages = Self::default();
        let error = value.get("error");
        for holder in [error, Some(&value)].into_iter().flatten() {
            messages.collect(holder);
            if let Some(members) = holder.as_object() {
                for (_, list) in members.iter().filter(|(name, _)| is_annotation(name)) {
                    messages.append(list);
                }
            }
        }
        if let Some(code) = error.and_then(|error| error.get("code")).and_then(Value::as_str)
            && messages.list.is_empty()
            && code.contains('.')
        {
            let text = error.and_then(|error| error.get("message")).and_then(Value::as_str);
            messages.list.push(message(code, text.unwrap_or_default()));
        }
        messages.text = error
            .and_then(|error| error.get("message"))
            .and_then(Value::as_str)
            .map(|text| clean(text, TEXT_SIZE_MAX))
            .filter(|text| !text.is_empty());
        messages
    }

    /// Reads a list of messages that stands in a resource, such as a task's.
    #[must_use]
    pub fn of_list(list: &Value) -> Self {
        let mut messages = Self::default();
        messages.append(list);
        messages
    }

    /// The message with the worst severity, the first one of equals.
    #[must_use]
    pub fn worst(&self) -> Option<&Message> {
        let worst = self.list.iter().map(|message| message.severity).max()?;
        let floor = if worst >= Severity::Warning { worst } else { Severity::Unknown };
        self.list.iter().find(|message| message.severity >= floor)
    }

    /// Whether a message has this identifier, whatever its registry and version.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    /// The first message with this identifier.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Message> {
        self.list.iter().find(|message| message.id.eq_ignore_ascii_case(id))
    }

    /// All messages, in order.
    #[must_use]
    pub fn list(&self) -> &[Message] {
        &self.list
    }

    /// Whether any text mentions `words`, without regard to case.
    #[must_use]
    pub fn mentions(&self, words: &str) -> bool {
        let words = words.to_lowercase();
        let texts = self.list.iter().map(|message| &message.text).chain(&self.text);
        texts.map(|text| text.to_lowercase()).any(|text| text.contains(&words))
    }

    /// Whether the BMC said anything at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.text.is_none()
    }

    fn collect(&mut self, holder: &Value) {
        if let Some(list) = holder.get(EXTENDED) {
            self.append(list);
        }
    }

    fn append(&mut self, list: &Value) {
        let one = std::slice::from_ref(list);
        let items = list.as_array().map_or(one, Vec::as_slice);
        let room = MESSAGES_MAX.saturating_sub(self.list.len());
        self.list.extend(items.iter().filter_map(read_message).take(room));
    }
}

/// The most severe message with its identifier, else the text beside the messages; at most 500 characters.
impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.worst(), &self.text) {
            (Some(message), _) if !message.text.is_empty() => {
                let id = format!(" ({})", message.id);
                let room = TEXT_SIZE_MAX.saturating_sub(id.chars().count());
                write!(f, "{}{id}", clean(&message.text, room))
            }
            (Some(message), None) => f.write_str(&message.id),
            (_, Some(text)) => f.write_str(text),
            (None, None) => Ok(()),
        }
    }
}

/// Removes control characters and cuts to `limit` characters.
#[must_use]
pub fn clean(text: &str, limit: usize) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = visible.take(limit).collect();
    short.truncate(short.trim_end().len());
    short.trim_start().to_owned()
}

/// `Property@Message.ExtendedInfo` annotates one property of a resource.
fn is_annotation(name: &str) -> bool {
    name.ends_with(EXTENDED) && name != EXTENDED
}

fn read_message(value: &Value) -> Option<Message> {
    let member = |name: &str| value.get(name).and_then(Value::as_str);
    let id = member("MessageId").or_else(|| member("MessageID")).unwrap_or_default();
    let text = member("Message").unwrap_or_default();
    if id.is_empty() && text.is_empty() {
        return None;
    }
    let mut read = message(id, text);
    let severity = member("MessageSeverity").or_else(|| member("Severity")).unwrap_or_default();
    read.severity = match severity.to_ascii_lowercase().as_str() {
        "critical" => Severity::Critical,
        "warning" => Severity::Warning,
        "ok" => Severity::Ok,
        _ => Severity::Unknown,
    };
    read.args = texts(value.get("MessageArgs"));
    read.related = texts(value.get("RelatedProperties"));
    Some(read)
}

fn message(id: &str, text: &str) -> Message {
    Message {
        id: clean(id.rsplit('.').next().unwrap_or_default(), QUOTE_SIZE_MAX),
        registry: clean(id.split('.').next().unwrap_or_default(), QUOTE_SIZE_MAX),
        text: clean(text, TEXT_SIZE_MAX),
        severity: Severity::Unknown,
        args: Vec::new(),
        related: Vec::new(),
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |item: &Value| match item.as_str() {
        Some(text) => clean(text, TEXT_SIZE_MAX),
        None => clean(&item.to_string(), TEXT_SIZE_MAX),
    };
    items.iter().take(MESSAGES_MAX).map(text).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Messages {
        Messages::read(value.to_string().as_bytes())
    }

    #[test]
    fn the_most_severe_message_is_shown() {
        let messages = read(&json!({"error": {"code": "Base.1.8.GeneralError", "message": "See below.",
            "@Message.ExtendedInfo": [
                {"MessageId": "Base.1.8.Success", "Message": "Fine.", "Severity": "OK"},
                {"MessageId": "IDRAC.2.8.SYS518", "Message": "Not\nready.", "Severity": "Critical",
                 "MessageArgs": ["a", 3], "RelatedProperties": ["#/X"]},
                {"MessageId": "Base.1.8.Other", "Message": "Odd.", "MessageSeverity": "Warning"}]}}));

        assert_snapshot!(messages, @"Not ready. (SYS518)");
        let worst = messages.worst().unwrap();
        assert_eq!((worst.registry.as_str(), worst.args.len()), ("IDRAC", 2));
        assert!(messages.has("sys518") && messages.mentions("ODD"));
    }

    #[test]
    fn messages_are_found_wherever_they_stand() {
        let item = json!({"MessageId": "SMC.1.0.OemLicenseNotPassed", "Message": "No license."});
        let shapes = [
            json!({"error": {"@Message.ExtendedInfo": [item]}}),
            json!({"error": {"@Message.ExtendedInfo": item}}),
            json!({"@Message.ExtendedInfo": [item]}),
            json!({"Boot": {}, "Boot@Message.ExtendedInfo": [item]}),
        ];
        for shape in shapes {
            assert!(read(&shape).has("OemLicenseNotPassed"), "{shape}");
        }
    }

    #[test]
    fn a_code_stands_in_for_missing_messages() {
        let messages = read(&json!({"error": {"code": "iLO.0.10.ExtendedInfo", "message": "See there."}}));

        assert_snapshot!(messages, @"See there. (ExtendedInfo)");
    }

    #[test]
    fn a_page_of_a_proxy_is_quoted() {
        let page = format!("<html>\u{7}{}</html>", "x".repeat(1000));

        let messages = Messages::read(page.as_bytes());

        let shown = messages.to_string();
        assert!(shown.starts_with("<html> xxx") && shown.chars().count() <= QUOTE_SIZE_MAX, "{shown}");
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _shown = Messages::read(&body).to_string();
        }

        #[test]
        fn no_text_is_longer_than_allowed(text in proptest::collection::vec(any::<char>(), 1..900)) {
            let text = format!("x{}", String::from_iter(text));
            let messages = read(&json!({"error": {"@Message.ExtendedInfo": [{"MessageId": "A.B", "Message": text}]}}));
            prop_assert!(messages.worst().unwrap().text.chars().count() <= TEXT_SIZE_MAX);
            prop_assert!(messages.to_string().chars().count() <= TEXT_SIZE_MAX);
        }
    }
}
