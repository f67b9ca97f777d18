//! What can go wrong in the conductor.

use farrier_model::node::{InvalidIdentity, NodeName};
use farrier_model::power::PowerRefusal;
use farrier_model::provision::machine::InvalidState;
use farrier_model::provision::{ProvisionState, Verb};
use farrier_model::step::{StepId, StepKind};
use farrier_sdk::error::DriverError;
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use farrier_store::StoreError;
use uuid::Uuid;

use crate::registry::{RefusedLibrary, RegistryError};

/// A request could not be met, or work on a node failed.
#[derive(Debug, thiserror::Error)]
pub enum ConductorError {
    /// The store refused: `NodeNotFound`, `NodeLocked`, duplicates and the rest.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The driver could not be had.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The text names no node.
    #[error(transparent)]
    InvalidIdentity(#[from] InvalidIdentity),
    /// The state machine has no such move. Ironic's `InvalidState`.
    #[error(transparent)]
    InvalidState(#[from] InvalidState),
    /// The node does not allow the power request.
    #[error("node {node}: {source}")]
    PowerRefused {
        /// The node.
        node: Uuid,
        /// Why not.
        source: PowerRefusal,
    },
    /// No live conductor offers the hardware type to the node's group. Ironic's `NoValidHost`.
    #[error("no conductor offers driver `{driver}` to nodes of group `{group}`")]
    NoValidHost {
        /// The hardware type.
        driver: String,
        /// The conductor group.
        group: String,
        /// A library that offers it but was refused here.
        refused: Option<Box<RefusedLibrary>>,
    },
    /// No conductor is alive, not even this one: its heartbeat may not get through. Ironic's `TemporaryFailure`.
    #[error("no conductor is alive, try again later")]
    NoConductors,
    /// Every worker is busy. Ironic's `NoFreeConductorWorker`.
    #[error("all {size} workers of this conductor are busy, try again later")]
    NoFreeConductorWorker {
        /// How many there are.
        size: usize,
    },
    /// The driver was asked and failed.
    #[error("{operation} failed on node {node} through {kind} interface `{name}`")]
    Driver {
        /// The node.
        node: Uuid,
        /// The node's hardware type.
        hardware_type: String,
        /// The interface type.
        kind: InterfaceType,
        /// The implementation.
        name: String,
        /// Ironic's name of the method.
        operation: &'static str,
        /// What the driver said.
        #[source]
        source: Box<DriverError>,
    },
    /// The driver was asked about a hardware type and failed.
    #[error("{operation} failed for hardware type `{hardware_type}`")]
    HardwareType {
        /// The hardware type.
        hardware_type: String,
        /// Ironic's name of the method.
        operation: &'static str,
        /// What the driver said.
        #[source]
        source: Box<DriverError>,
    },
    /// The driver wanted to change the node, or something on it, under a task that only looks. Ironic's
    /// `ExclusiveLockRequired`.
    #[error("{operation} through {kind} interface `{name}` needs the exclusive lock of node {node}")]
    ExclusiveLockRequired {
        /// The node.
        node: Uuid,
        /// The interface type.
        kind: InterfaceType,
        /// The implementation.
        name: String,
        /// Ironic's name of the method.
        operation: &'static str,
    },
    /// The machine cannot be asked for this. Ironic's `InvalidParameterValue`.
    #[error("node {node} does not support `{request}`, supported are {supported}")]
    PowerStateUnsupported {
        /// The node.
        node: Uuid,
        /// What was asked for.
        request: PowerState,
        /// What the implementation supports.
        supported: String,
    },
    /// The node is in the wrong state for the request. Ironic's `InvalidState`.
    #[error("node {node} can not {what} in state `{state}`")]
    WrongState {
        /// The node.
        node: Uuid,
        /// What was asked for, as in `be deleted`.
        what: &'static str,
        /// The state it is in.
        state: ProvisionState,
    },
    /// Something else is going on with the node, so it cannot be changed. Ironic answers 409.
    #[error("node {node} can not be updated while a state transition is in progress")]
    InTransition {
        /// The node.
        node: Uuid,
    },
    /// The node carries an instance. Ironic's `NodeAssociated`.
    #[error("node {node} is associated with instance {instance}")]
    NodeAssociated {
        /// The node.
        node: Uuid,
        /// The instance.
        instance: Uuid,
    },
    /// The node is protected. Ironic's `NodeProtected`.
    #[error("node {node} is protected: it can not be {what}")]
    NodeProtected {
        /// The node.
        node: Uuid,
        /// What was asked for, as in `deleted`.
        what: &'static str,
    },
    /// Only a node in use can be made protected. Ironic's `InvalidState`.
    #[error("node {node} can only be made protected in state `active` or `rescue`, it is in `{state}`")]
    NotProtectable {
        /// The node.
        node: Uuid,
        /// The state it is in.
        state: ProvisionState,
    },
    /// The verb leads nowhere from the state the node is in. Ironic's `InvalidStateRequested`.
    #[error("node {node} can not `{verb}` in state `{state}`")]
    InvalidStateRequested {
        /// The node.
        node: Uuid,
        /// What was asked for.
        verb: Verb,
        /// The state it is in.
        state: ProvisionState,
    },
    /// The conductor leaves nodes in maintenance alone. Ironic's `NodeInMaintenance`.
    #[error("node {node} can not be {what} while it is in maintenance")]
    NodeInMaintenance {
        /// The node.
        node: Uuid,
        /// What was asked for, as in `cleaned`.
        what: &'static str,
    },
    /// A failed service is not given up while the node is in maintenance. Ironic's `InvalidState`.
    #[error("the failed service of node {node} can not be aborted while it is in maintenance")]
    AbortInMaintenance {
        /// The node.
        node: Uuid,
    },
    /// The node is not to be used any more. Ironic's `NodeIsRetired`.
    #[error("node {node} is retired, it can not be made available")]
    NodeIsRetired {
        /// The node.
        node: Uuid,
    },
    /// As many nodes as allowed are being worked on. Ironic's `ConcurrentActionLimit`.
    #[error("{running} nodes are being {what}, at most {limit} may be at once, try again later")]
    ConcurrentActionLimit {
        /// What is limited, as in `deployed`.
        what: &'static str,
        /// How many there are.
        running: i64,
        /// How many may be.
        limit: u32,
    },
    /// The operator does not allow machines in this boot mode to be deployed. Ironic's `BootModeNotAllowed`.
    #[error(
        "node {node} can not be deployed in boot mode `{mode}`, which the configuration of this conductor forbids"
    )]
    BootModeNotAllowed {
        /// The node.
        node: Uuid,
        /// How it would boot.
        mode: String,
    },
    /// The operator does not allow a step of the request. Ironic's `StepNotAllowed`.
    #[error("{kind} step `{step}` is not allowed by the configuration of this conductor")]
    StepNotAllowed {
        /// What the step is for.
        kind: StepKind,
        /// The step.
        step: StepId,
    },
    /// The node cannot be deployed or its instance not be removed. Ironic's `InstanceDeployFailure`, with the code
    /// of the cause.
    #[error("{message}")]
    InstanceDeployFailure {
        /// What was attempted, on which node.
        message: String,
        /// Why it cannot be.
        #[source]
        source: Box<ConductorError>,
    },
    /// The node cannot be rescued. Ironic's `InstanceRescueFailure`.
    #[error("{message}")]
    InstanceRescueFailure {
        /// What was attempted, on which node.
        message: String,
        /// Why it cannot be.
        #[source]
        source: Box<ConductorError>,
    },
    /// The node cannot come back from rescue. Ironic's `InstanceUnrescueFailure`.
    #[error("{message}")]
    InstanceUnrescueFailure {
        /// What was attempted, on which node.
        message: String,
        /// Why it cannot be.
        #[source]
        source: Box<ConductorError>,
    },
    /// A value of the request is not acceptable. Ironic's `InvalidParameterValue`.
    #[error("{message}")]
    InvalidParameter {
        /// Which, and what is allowed.
        message: String,
    },
    /// What is asked for would contradict what is there. Ironic's `Conflict`.
    #[error("{message}")]
    Conflict {
        /// What contradicts what.
        message: String,
    },
    /// The node does not have the trait. Ironic's `NodeTraitNotFound`.
    #[error("node {node} does not have trait `{name}`")]
    TraitNotFound {
        /// The node.
        node: Uuid,
        /// The trait.
        name: String,
    },
    /// There is no such node; by what a client called it.
    #[error("node `{name}` could not be found")]
    NodeNotFound {
        /// How it was named.
        name: NodeName,
    },
    /// No node expects the agent that asks. Ironic's `NotFound`.
    #[error("no node that expects an agent could be found")]
    NoNodeForAgent,
    /// The task was released before: a lazy load failed, or its scope ended.
    #[error("the task on node {node} has been released")]
    Released {
        /// The node.
        node: Uuid,
    },
    /// The options contradict each other. Ironic's `IncorrectConfiguration`.
    #[error("configuration of the conductor is not valid: {reason}")]
    IncorrectConfiguration {
        /// Which option, and why.
        reason: String,
    },
}

impl ConductorError {
    /// Whether somebody else holds the node's lock.
    #[must_use]
    pub fn is_node_locked(&self) -> bool {
        matches!(self, Self::Store(StoreError::NodeLocked { .. }))
    }

    /// Whether the node is gone.
    #[must_use]
    pub fn is_node_not_found(&self) -> bool {
        matches!(self, Self::Store(StoreError::NodeNotFound { .. }) | Self::NodeNotFound { .. })
    }

    /// A value of a request that is not acceptable.
    pub fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::InvalidParameter { message: message.into() }
    }
}
