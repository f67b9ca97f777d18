use farrier_model::node::Node;
use farrier_model::provision::{ProvisionState as S, Verb};
use farrier_sdk::interface::InterfaceType;

use crate::service::ProvisionRequest;
use crate::stage::Stage;
use crate::task::RequestContext;
use crate::task::tests::quick;

async fn provide(stage: &Stage, node: &Node) {
    let request = ProvisionRequest::new(Verb::Provide);
    stage.conductor.provision(RequestContext::default(), &node.uuid.into(), request).await.unwrap();
}

#[tokio::test]
async fn provide_runs_the_steps_with_a_priority_by_priority() {
    let stage = Stage::new(quick()).await;
    let node = stage.node_in(S::Manageable).await;

    provide(&stage, &node).await;

    let node = stage.settled(&node, S::Available).await;
    assert_eq!((node.target_provision_state, node.last_error.as_deref()), (None, None));
    assert_eq!(
        stage.script.calls(),
        [
            "deploy.prepare_cleaning",
            "management.first",
            "vendor.equal",
            "management.second",
            "deploy.tear_down_cleaning"
        ]
    );
    assert!(node.clean_step.is_empty());
    let _ = InterfaceType::Deploy;
}
