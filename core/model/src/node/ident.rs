//! How clients and conductors name a node.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{Node, NodeId};

/// A node's number or UUID: what a task is taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeIdent {
    /// The store's number.
    Id(NodeId),
    /// The UUID.
    Uuid(Uuid),
}

/// Digits only name a number, anything shaped like a UUID a UUID.
impl FromStr for NodeIdent {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidIdentity(text.to_owned());
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(|id| Self::Id(NodeId(id))).map_err(|_| invalid());
        }
        Uuid::try_parse(text).map(Self::Uuid).map_err(|_| invalid())
    }
}

impl From<NodeId> for NodeIdent {
    fn from(id: NodeId) -> Self {
        Self::Id(id)
    }
}

impl From<Uuid> for NodeIdent {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

impl From<&Node> for NodeIdent {
    fn from(node: &Node) -> Self {
        Self::Id(node.id)
    }
}

impl fmt::Display for NodeIdent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
        }
    }
}

/// The text is neither a number nor a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a UUID or an integer id, but received `{0}`")]
pub struct InvalidIdentity(pub String);

/// How an API client names a node: by UUID or by the name people gave it, never by number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NodeName {
    /// The UUID.
    Uuid(Uuid),
    /// The name.
    Name(String),
}

impl From<&str> for NodeName {
    fn from(text: &str) -> Self {
        Uuid::try_parse(text).map_or_else(|_| Self::Name(text.to_owned()), Self::Uuid)
    }
}

impl From<Uuid> for NodeName {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_number() {
        assert_eq!("12".parse(), Ok(NodeIdent::Id(NodeId(12))));
    }

    #[test]
    fn what_looks_like_a_uuid_is_one() {
        let uuid = Uuid::from_u128(7);

        assert_eq!(uuid.to_string().parse(), Ok(NodeIdent::Uuid(uuid)));
        assert_eq!(uuid.to_string().to_uppercase().parse(), Ok(NodeIdent::Uuid(uuid)));
    }

    #[test]
    fn a_name_is_no_identity_of_a_task() {
        for text in ["", "node-1", "-1", "1.0", "99999999999999999999"] {
            assert_eq!(text.parse::<NodeIdent>(), Err(InvalidIdentity(text.to_owned())));
        }
    }

    #[test]
    fn a_client_may_use_a_name_made_of_digits() {
        assert_eq!(NodeName::from("12"), NodeName::Name("12".to_owned()));
    }
}
