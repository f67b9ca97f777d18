//! Text of strangers, made fit to be shown.

/// Longest text of a library that goes into a message, in characters: a line of a log.
const LENGTH_MAX: usize = 300;

/// `text` on one line, without control characters, cut to a line's length.
///
/// What a library says, and what other programs say about it, reaches terminals and logs through this.
#[must_use]
pub fn tame(text: &str) -> String {
    let mut tamed = String::new();
    for (index, character) in text.trim().chars().enumerate() {
        if index == LENGTH_MAX {
            tamed.push_str("...");
            break;
        }
        if character == '\n' || character == '\t' {
            tamed.push(' ');
        } else if character.is_control() {
            tamed.extend(character.escape_default());
        } else {
            tamed.push(character);
        }
    }
    tamed
}

/// Names between backticks, with commas.
pub(crate) fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{}`", tame(name.as_ref()))).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(tame("red\u{1b}[31m\nline"), "red\\u{1b}[31m line");
    }

    #[test]
    fn long_text_is_cut() {
        let text = tame(&"x".repeat(LENGTH_MAX + 1));

        assert_eq!(text.len(), LENGTH_MAX + 3);
    }
}
