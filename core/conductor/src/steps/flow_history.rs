//! The beginning and the end of a list of steps, in the history of the node.

use farrier_model::node::Node;
use farrier_model::provision::ProvisionState;
use farrier_model::secret::masked;
use farrier_model::step::Step;
use serde_json::Value;

use super::Flow;
use crate::operation::{record_error, record_info};
use crate::task::ExclusiveTask;

/// What the flow is called in event types.
fn name(flow: Flow, node: &Node) -> &'static str {
    match flow {
        Flow::Clean if node.target_provision_state == Some(ProvisionState::Manageable) => "manual_cleaning",
        Flow::Clean => "automated_cleaning",
        Flow::Deploy => "deployment",
        Flow::Service => "servicing",
    }
}

/// Records that the steps of a flow begin.
pub(super) async fn started(task: &ExclusiveTask, flow: Flow, steps: &[Step]) {
    if !task.shared().config.record_step_flows_in_history {
        return;
    }
    let name = name(flow, task.node());
    let secret_keys = task.shared().registry.secret_keys();
    let shown: Vec<_> = steps.iter().map(|step| shown(step, &secret_keys)).collect();
    let what = name.replace('_', " ");
    let event = match &shown[..] {
        [] => format!("{what} began without steps"),
        steps => format!("{what} began with steps {}", steps.join(", ")),
    };
    record_info(task, event, &format!("{name}_start")).await;
}

/// Records that the last step of a flow is over.
pub(super) async fn finished(task: &ExclusiveTask, flow: Flow) {
    if !task.shared().config.record_step_flows_in_history {
        return;
    }
    let name = name(flow, task.node());
    record_info(task, format!("{} ended", name.replace('_', " ")), &format!("{name}_end")).await;
}

/// Records that a flow ends in the middle; also as the last error of the node.
pub(super) async fn aborted(task: &mut ExclusiveTask, flow: Flow, step: &Step, why: &str) {
    if !task.shared().config.record_step_flows_in_history {
        return;
    }
    let name = name(flow, task.node());
    let event = format!("{} was aborted in step {}: {why}", name.replace('_', " "), step.id());
    record_error(task, event, &format!("{name}_end")).await;
}

/// A step with its arguments, secrets masked.
fn shown(step: &Step, secret_keys: &[&str]) -> String {
    match &step.args {
        args if args.is_empty() => step.id().to_string(),
        args => format!("{} {}", step.id(), Value::Object(masked(args, secret_keys))),
    }
}
