use farrier_model::provision::ProvisionState as S;

use crate::error::ConductorError;
use crate::operation::{adopt, inspect, rescue, verify};
use crate::script::stage::Stage;
use crate::task::tests::quick;
use crate::task::{Acquire, ExclusiveTask, JobError, JobFuture};

/// Work with a defect.
fn panics(_: &mut ExclusiveTask) -> JobFuture<'_> {
    Box::pin(async { panic!("a defect") })
}

/// Work that moves the node on, and fails then.
fn moves_on_and_fails(task: &mut ExclusiveTask) -> JobFuture<'_> {
    Box::pin(async move {
        task.node_mut().provision_state = S::Manageable;
        task.save().await?;
        Err(ConductorError::invalid_parameter("too late").into())
    })
}

/// Work whose changes are not saved when it fails.
fn changes_and_fails(task: &mut ExclusiveTask) -> JobFuture<'_> {
    Box::pin(async move {
        task.node_mut().name = Some("not saved".to_owned());
        task.node_mut().provision_state = S::Manageable;
        Err(ConductorError::invalid_parameter("between two saves").into())
    })
}

/// Whose job has the defect.
#[derive(Clone, Copy)]
enum Operation {
    Verify,
    Inspect,
    Adopt,
    Rescue,
    Unrescue,
}

/// Runs `work` as the job of an operation.
async fn contain(
    operation: Operation,
    task: &mut ExclusiveTask,
    work: impl for<'a> FnOnce(&'a mut ExclusiveTask) -> JobFuture<'a> + Send,
) -> Result<(), JobError> {
    match operation {
        Operation::Verify => verify::contain(task, work).await,
        Operation::Inspect => inspect::contain(task, work).await,
        Operation::Adopt => adopt::contain(task, work).await,
        Operation::Rescue => rescue::contain(task, work).await,
        Operation::Unrescue => rescue::contain_unrescue(task, work).await,
    }
}

/// Operations, their passing states, and where a node goes whose job has a defect.
const PASSING: [(Operation, S, S); 7] = [
    (Operation::Verify, S::Verifying, S::Enroll),
    (Operation::Inspect, S::Inspecting, S::InspectFail),
    (Operation::Inspect, S::InspectWait, S::InspectFail),
    (Operation::Adopt, S::Adopting, S::AdoptFail),
    (Operation::Rescue, S::Rescuing, S::RescueFail),
    (Operation::Rescue, S::RescueWait, S::RescueFail),
    (Operation::Unrescue, S::Unrescuing, S::UnrescueFail),
];

#[tokio::test]
async fn a_panic_fails_the_operation() {
    for (operation, state, failed) in PASSING {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(state).await;
        let mut task = stage.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

        contain(operation, &mut task, panics).await.unwrap();
        drop(task);

        let node = stage.settled(&node, failed).await;
        let error = node.last_error.unwrap_or_default();
        assert!(error.contains("a defect"), "{state}: {error}");
    }
}

#[tokio::test]
async fn what_was_not_saved_is_forgotten_before_the_operation_fails() {
    for (operation, state, failed) in PASSING {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(state).await;
        let mut task = stage.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

        contain(operation, &mut task, changes_and_fails).await.unwrap();
        drop(task);

        let after = stage.settled(&node, failed).await;
        assert_eq!(after.name, node.name, "{state}");
        let error = after.last_error.unwrap_or_default();
        assert!(error.contains("between two saves"), "{state}: {error}");
    }
}

#[tokio::test]
async fn a_node_that_has_moved_on_stays_there() {
    for (operation, state, _) in PASSING {
        let stage = Stage::new(quick()).await;
        let node = stage.node_in(state).await;
        let mut task = stage.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();

        let error = contain(operation, &mut task, moves_on_and_fails).await.unwrap_err();
        drop(task);

        assert!(error.to_string().contains("too late"), "{state}: {error}");
        stage.settled(&node, S::Manageable).await;
    }
}
