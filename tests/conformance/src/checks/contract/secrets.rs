//! Whether secrets are kept.

use crate::bench::{Answer, Bench, sample};
use crate::check::{Judgement, none_of, not_applicable};
use crate::journal::Mark;
use crate::node::Node;
use crate::peer::http::HttpFault;
use crate::profile::Protocol;
use crate::target::Peer;

use super::filled;

/// Where a secret of `node` has got to, since `mark` or in `answer`.
pub(in crate::checks) fn told(bench: &Bench, node: &Node, mark: Mark, answer: &Answer) -> Vec<String> {
    let said = match answer {
        Ok(value) => value.to_string(),
        Err(error) => format!("{error} {}", error.details()),
    };
    let log: String = bench.journal().since(mark).into_iter().map(|record| record.text + "\n").collect();
    let mut places = Vec::new();
    for (place, text) in [("its answer", said), ("the log", log), ("the node's data", node.left())] {
        if node.secrets().any(|secret| text.contains(secret)) {
            places.push(place.to_owned());
        }
    }
    places
}

pub(super) fn keeps_secrets(bench: &Bench) -> Judgement {
    let session = bench.load()?;
    let mut peers = vec![("without a machine", Peer::absent())];
    if bench.profile().protocol == Protocol::Http {
        // Machines that complain, in ways that end up in messages.
        let body = r#"{"error": {"message": "no"}}"#.to_owned();
        peers.push((
            "whose machine refuses it",
            Peer::http(HttpFault::Status(401, Vec::new(), body.clone()))?,
        ));
        peers.push(("whose machine fails", Peer::http(HttpFault::Status(500, Vec::new(), body))?));
    }
    let (mut faults, mut looked) = (Vec::new(), false);
    for interface in session.descriptor().interfaces.clone() {
        let opened = session.open(interface.kind, &interface.name)?;
        for (which, peer) in &peers {
            for method in &interface.methods {
                let node = session.node_with(filled(bench, &interface, peer)?);
                looked |= node.secrets().next().is_some();
                let mark = bench.journal().mark();
                let answer = session.call(&opened, method, &sample(method), &node);
                for place in told(bench, &node, mark, &answer) {
                    faults.push(format!(
                        "{} `{}.{method}` on a node {which}: a secret is in {place}",
                        interface.kind, interface.name
                    ));
                }
            }
        }
    }
    if looked { none_of(&faults) } else { not_applicable("the profile's node has no secret") }
}
