//! Secrets inside texts: `password=x`, `"token": "x"`, `--admin_pass x`, `<secret>x</secret>`, `http://user:x@host`.

use crate::secret::MASK;

/// Characters of a word that may name a secret.
fn is_of_a_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.')
}

/// A copy of `text` with the mask in the place of every value whose name is secret.
///
/// Guesses in favor of hiding: a text that looks as if it had a secret loses what stands there.
pub(super) fn masked(text: &str, is_secret: &dyn Fn(&str) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_a_word) {
        let (before, from_word) = rest.split_at(start);
        shown.push_str(before);
        let end = from_word.find(|character| !is_of_a_word(character)).unwrap_or(from_word.len());
        let (word, after) = from_word.split_at(end);
        shown.push_str(word);
        rest = after;
        let found = match after.strip_prefix("://") {
            Some(address) => password_of_address(address).map(|skipped| ("://".len() + skipped.0, skipped.1)),
            None if is_secret(word) => value_of(word, after),
            None => None,
        };
        if let Some((open, length)) = found
            && let (Some(kept), Some(left)) = (after.get(..open), after.get(open + length..))
        {
            shown.push_str(kept);
            shown.push_str(MASK);
            rest = left;
        }
    }
    shown.push_str(rest);
    shown
}

/// Where the password of `user:password@host` begins, and how long it is.
fn password_of_address(address: &str) -> Option<(usize, usize)> {
    let stop = |character: char| {
        character.is_whitespace() || matches!(character, '/' | '?' | '#' | '"' | '\'' | '<' | '>')
    };
    let authority = address.split(stop).next()?;
    let (account, _) = authority.rsplit_once('@')?;
    let (user, password) = account.split_once(':')?;
    (!password.is_empty()).then_some((user.len() + 1, password.len()))
}

/// Where the value behind the secret's name begins in `after`, and how long it is.
fn value_of(word: &str, after: &str) -> Option<(usize, usize)> {
    // The quote that closes the name, perhaps with the backslash of a text within a text.
    let name_closed = after.trim_start_matches(['\\', '"', '\'']);
    let spaced = name_closed.trim_start();
    let value = spaced.trim_start_matches(['=', ':', '>']);
    let is_tag = spaced.starts_with('>');
    let is_option = word.starts_with("--") && spaced.len() < name_closed.len();
    if value.len() == spaced.len() && !is_option {
        return None;
    }
    let value = value.trim_start();
    let (value, length) = match (value.get(..2), value.chars().next()?) {
        // A quote within a text within a text is closed by one of its kind.
        (Some(quote @ (r#"\""# | r"\'")), _) => {
            let inner = value.get(2..)?;
            (inner, inner.find(quote).unwrap_or(inner.len()))
        }
        (_, quote @ ('"' | '\'')) => {
            let inner = value.get(1..)?;
            (inner, quoted(inner, quote))
        }
        (_, '[' | '{' | '(') => (value, value.len()),
        _ if is_tag => (value, value.find('<').unwrap_or(value.len())),
        _ => (value, bare(value)),
    };
    (length != 0).then_some((after.len() - value.len(), length))
}

/// How long a value is up to the quote that closes it, with any backslashes before that.
fn quoted(inner: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in inner.char_indices() {
        if character == quote && !escaped {
            return at;
        }
        escaped = character == '\\' && !escaped;
    }
    inner.len()
}

/// How long a value without quotes is; a scheme of HTTP and what follows it are one value.
fn bare(value: &str) -> usize {
    let end = |text: &str| {
        let stop = |character: char| {
            character.is_whitespace()
                || matches!(character, ',' | ';' | '&' | '"' | '\'' | '<' | '>' | ')' | ']' | '}')
        };
        text.find(stop).unwrap_or(text.len())
    };
    let length = end(value);
    let (first, rest) = value.split_at(length);
    if !["bearer", "basic", "digest"].iter().any(|scheme| first.eq_ignore_ascii_case(scheme)) {
        return length;
    }
    let credentials = rest.trim_start();
    length + (rest.len() - credentials.len()) + end(credentials)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        masked(text, &crate::secret::is_secret_key)
    }

    #[test]
    fn what_stands_behind_the_name_of_a_secret_is_hidden() {
        let cases = [
            ("password=hunter2 user=root", "password=****** user=root"),
            ("login with ADMIN_PASS: hunter2, then go", "login with ADMIN_PASS: ******, then go"),
            ("{'auth_token': 'hunter2', 'a': 1}", "{'auth_token': '******', 'a': 1}"),
            (r#"{"auth_token": "hun\"ter2""#, r#"{"auth_token": "******""#),
            (r#"said {\"token\": \"hunter2\"}"#, r#"said {\"token\": \"******\"}"#),
            ("curl --password hunter2 -v", "curl --password ****** -v"),
            ("<secret>hun ter2</secret>", "<secret>******</secret>"),
            ("?token=hunter2&x=1", "?token=******&x=1"),
            ("token: Bearer hunter2\nnext", "token: ******\nnext"),
            ("http://root:hunt:er2@host/a", "http://root:******@host/a"),
            ("password = [hunter2, b]", "password = ******"),
            ("password = \\ünter2", "password = ******"),
        ];

        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_names_no_secret_is_shown() {
        for text in [
            "",
            "The password is wrong",
            "http://host:80/a@b",
            "user=root, host=10.0.0.1",
            "a token",
            "password=",
            "größe: 5 µs",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            shown(&text);
        }

        #[test]
        fn no_secret_passes(
            before in "[a-zé =:,\"']{0,8}",
            name in prop::sample::select(vec!["password", "ipmi_PASSWORD", "auth_token", "x-secret"]),
            between in prop::sample::select(vec!["=", ": ", " = ", "\": \"", "': '", "\\\": \\\"", ">", ": Basic "]),
            after in "[a-zé =:,\"'}]{0,8}",
        ) {
            let text = format!("{before} {name}{between}CANARY{after}");

            prop_assert!(!shown(&text).contains("CANARY"), "{text} became {}", shown(&text));
        }
    }
}
