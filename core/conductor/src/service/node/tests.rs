use farrier_model::provision::ProvisionState as S;
use serde_json::json;

use super::*;
use crate::script::stage::{Stage, node};
use crate::task::tests::quick;

/// The key that says which deploy interface is put back.
const ORIGINAL: &str = "original_deploy_interface";

async fn update(
    stage: &Stage,
    node: &Node,
    reset_interfaces: ResetInterfaces,
    edit: impl Fn(&mut Node) + Send + Sync,
) -> Node {
    let edit = move |node: &Node| {
        let mut edited = node.clone();
        edit(&mut edited);
        Ok(edited)
    };
    let update = NodeUpdate { edit: &edit, reset_interfaces };
    stage.conductor.node_update(RequestContext::default(), &node.uuid.into(), update).await.unwrap()
}

/// A node whose deploy interface stands in for another one.
async fn switched(stage: &Stage) -> Node {
    let mut node = node(S::Manageable);
    node.interfaces.set(InterfaceType::Deploy, Some("fake".to_owned()));
    node.driver_internal_info.insert(ORIGINAL.to_owned(), json!("script"));
    stage.enrol(node).await
}

#[tokio::test]
async fn a_deploy_interface_that_is_chosen_is_not_replaced_by_the_one_of_before() {
    let stage = Stage::new(quick()).await;
    let node = switched(&stage).await;

    let node = update(&stage, &node, ResetInterfaces::No, |node| {
        node.interfaces.set(InterfaceType::Deploy, Some("noop".to_owned()));
    })
    .await;

    assert!(!node.driver_internal_info.contains_key(ORIGINAL));
}

#[tokio::test]
async fn interfaces_that_are_chosen_anew_are_not_replaced_by_the_one_of_before() {
    let stage = Stage::new(quick()).await;
    let node = switched(&stage).await;

    let node =
        update(&stage, &node, ResetInterfaces::Yes, |node| node.description = Some("new".to_owned())).await;

    assert!(!node.driver_internal_info.contains_key(ORIGINAL));
}

#[tokio::test]
async fn another_change_leaves_the_interface_to_be_put_back() {
    let stage = Stage::new(quick()).await;
    let node = switched(&stage).await;

    let node = update(&stage, &node, ResetInterfaces::No, |node| {
        node.interfaces.set(InterfaceType::Power, Some("fake".to_owned()));
    })
    .await;

    assert_eq!(node.driver_internal_info.get(ORIGINAL), Some(&json!("script")));
}
