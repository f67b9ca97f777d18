//! Links from one resource to another.
//!
//! A base is the public address of the API without a slash at its end, as `http://127.0.0.1:6385`.

use serde::{Deserialize, Serialize};

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The address.
    pub href: String,
    /// `self`, `bookmark` or `describedby`.
    pub rel: String,
    /// Media type of what is there, when it is not JSON.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

impl Link {
    /// A link to `href` in the role `rel`.
    pub fn new(rel: &str, href: impl Into<String>) -> Self {
        Self { href: href.into(), rel: rel.to_owned(), media_type: None }
    }
}

/// The two links of a resource: with the version in the path, and without.
///
/// `path` starts without a slash: `nodes/UUID`, `nodes/UUID/ports`.
pub fn pair(base: &str, path: &str) -> Vec<Link> {
    vec![Link::new("self", address(base, path)), Link::new("bookmark", format!("{base}/{path}"))]
}

/// The address of `path` below `/v1`, as in `Location` headers.
pub fn address(base: &str, path: &str) -> String {
    format!("{base}/v1/{path}")
}

/// Writes text so that it can stand as one segment of a path or as one value of a query.
pub fn encoded(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' | b':' => {
                written.push(char::from(byte));
            }
            _ => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_has_two_links() {
        let links = pair("http://127.0.0.1:6385", "nodes/n1/ports");

        assert_eq!(
            serde_json::to_string(&links).unwrap(),
            r#"[{"href":"http://127.0.0.1:6385/v1/nodes/n1/ports","rel":"self"},{"href":"http://127.0.0.1:6385/nodes/n1/ports","rel":"bookmark"}]"#
        );
    }

    #[test]
    fn what_would_end_a_segment_or_a_value_is_encoded() {
        assert_eq!(encoded("a b&c=d/é~1,2:3"), "a%20b%26c%3Dd%2F%C3%A9~1,2:3");
    }
}
