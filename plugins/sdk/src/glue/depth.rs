//! How deep a JSON document may be nested.

/// More levels are an attack or a mistake: whoever reads them needs a stack for each.
pub(super) const DOCUMENT_DEPTH_MAX: usize = 64;

/// Whether `document` has more levels than allowed.
///
/// Counts brackets that are not in texts; what is no JSON is found out by whoever parses it.
pub(super) fn is_too_deep(document: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in document {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if DOCUMENT_DEPTH_MAX < depth {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::glue::decode;
    use serde_json::Value;

    fn nested(depth: usize) -> Vec<u8> {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!("{open}{close}").into_bytes()
    }

    #[test]
    fn a_document_has_as_many_levels_as_allowed_and_no_more() {
        assert!(decode::<Value>(&nested(DOCUMENT_DEPTH_MAX)).is_ok());
        let error = decode::<Value>(&nested(DOCUMENT_DEPTH_MAX + 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadPayload);
        assert!(error.to_string().contains("64 levels"), "{error}");
    }

    #[test]
    fn brackets_in_texts_and_side_by_side_are_no_levels() {
        let text = format!(r#"{{"a \" b": "{}", "c\\": "{}"}}"#, "[".repeat(100), "{".repeat(100));
        let wide = format!("[{}[]]", "[],".repeat(100));

        assert!(decode::<Value>(text.as_bytes()).is_ok(), "{text}");
        assert!(decode::<Value>(wide.as_bytes()).is_ok());
    }
}
