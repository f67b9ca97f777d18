//! Forgetting what is known of the deploy agent on a node.
//!
//! Source: Ironic's conductor utilities.

use farrier_model::node::Node;

/// Where the agent is reached, in `driver_internal_info`.
pub(crate) const URL: &str = "agent_url";
/// What proves that a caller is the agent.
pub(crate) const TOKEN: &str = "agent_secret_token";
/// Whether the token was put into the boot medium, so that it outlives a reboot.
pub(crate) const TOKEN_PREGENERATED: &str = "agent_secret_token_pregenerated";

/// What an agent said of itself, and what it can do.
const FOUND: [&str; 5] = [
    URL,
    "agent_verify_ca",
    "agent_cached_clean_steps",
    "agent_cached_deploy_steps",
    "agent_cached_service_steps",
];

/// Forgets what the agent said: its machine is, or will be, cut off. A token that its boot medium holds stays.
pub(crate) fn forget(node: &mut Node) {
    remove(node, &FOUND);
    forget_token(node);
}

/// Forgets how the agent proves itself, unless its boot medium holds that.
pub(crate) fn forget_token(node: &mut Node) {
    let pregenerated = node.driver_internal_info.get(TOKEN_PREGENERATED).is_some_and(|value| value == true);
    if !pregenerated {
        remove(node, &[TOKEN, TOKEN_PREGENERATED]);
    }
}

/// Forgets where the agent was: it will call again before it is wanted.
pub(crate) fn forget_url(node: &mut Node) {
    remove(node, &[URL, "agent_verify_ca"]);
}

/// Forgets where the agent was and how it proves itself: the next one is another.
pub(crate) fn forget_token_and_url(node: &mut Node) {
    remove(node, &[URL, TOKEN, TOKEN_PREGENERATED, "agent_verify_ca"]);
}

/// Whether an agent has called and was not cut off since.
pub(crate) fn is_known(node: &Node) -> bool {
    node.driver_internal_info.get(URL).is_some_and(|url| !url.is_null())
}

/// Removes members of `driver_internal_info`.
pub(crate) fn remove(node: &mut Node, keys: &[&str]) {
    for key in keys {
        node.driver_internal_info.remove(*key);
    }
}
