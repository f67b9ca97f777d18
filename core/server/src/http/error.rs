//! Errors as clients see them: the one match from what went wrong to a status and a text.
//!
//! Statuses and names are Ironic's. Texts are those of the contract where clients depend on them. What is a defect of
//! ours, or of the database, is told to the log in full and to the client in a sentence.
//!
//! A machine that fails is neither a defect of ours, which is 500, nor the client's fault: it is 502, because the
//! daemon asked somebody else and got no good answer. Only what passes by itself in seconds is 503: clients repeat
//! that several times, and a driver that found no BMC has repeated enough.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use farrier_api::error::{ERROR_NAME_HEADER, ErrorName, Fault, Refusal};
use farrier_conductor::error::ConductorError;
use farrier_conductor::registry::{RefusedLibrary, RegistryError};
use farrier_model::power::PowerRefusal;
use farrier_sdk::error::{Chain, DriverError, ErrorKind};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use farrier_store::{DuplicateField, RecordKind, StoreError};
use tracing::{error, warn};
use uuid::Uuid;

/// What the client reads of a defect.
const DEFECT: &str = "The service failed to do this; its log has the reason under the id of the request.";

/// The operation that is a vendor's own.
const VENDOR_CALL: &str = "vendor_call";

/// The media type of the body of an error.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A request that is answered with an error.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The resource refuses.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There is no such resource, or not in this form.
    #[error("{}", .0.title)]
    Refusal(Refusal),
}

impl HttpError {
    /// The same error about what a body names: a node in there that does not exist is 400, not 404.
    pub(super) fn in_body(self) -> Self {
        match self {
            Self::Fault(fault) if fault.code() == 404 => Self::Fault(fault.with_code(400)),
            Self::Fault(_) | Self::Refusal(_) => self,
        }
    }
}

impl HttpError {
    /// The same error about what a path names: without a conductor for it, it is not found.
    pub(super) fn in_path(self) -> Self {
        match self {
            Self::Fault(fault) if fault.name() == ErrorName::NoValidHost => Self::Fault(fault.with_code(404)),
            Self::Fault(_) | Self::Refusal(_) => self,
        }
    }

    /// The same error with another status if it says that the driver lacks something: where every driver could have
    /// it, the path itself is what does not exist.
    pub(super) fn where_unsupported(self, code: u16) -> Self {
        match self {
            Self::Fault(fault) if fault.name() == ErrorName::UnsupportedDriverExtension => {
                Self::Fault(fault.with_code(code))
            }
            Self::Fault(_) | Self::Refusal(_) => self,
        }
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<ConductorError> for HttpError {
    fn from(error: ConductorError) -> Self {
        let fault = fault(&error);
        match fault.code() {
            500 => error!(error = %Chain(&error), name = %fault.name(), "a request met a defect"),
            501.. => warn!(error = %Chain(&error), name = %fault.name(), "a request could not be met"),
            _ => {}
        }
        Self::Fault(fault)
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let (code, body, name) = match self {
            Self::Fault(fault) => (fault.code(), fault.body(), Some(fault.name())),
            Self::Refusal(refusal) => (refusal.code, refusal.body(), None),
        };
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, [(CONTENT_TYPE, JSON)], body).into_response();
        if let Some(name) = name {
            response.headers_mut().insert(ERROR_NAME_HEADER, HeaderValue::from_static(name.as_str()));
        }
        response
    }
}

/// What a client is told about an error of the conductor.
fn fault(error: &ConductorError) -> Fault {
    let text = error.to_string();
    match error {
        ConductorError::Store(error) => of_store(error),
        ConductorError::Registry(error) => of_registry(error),
        ConductorError::InvalidIdentity(_) => Fault::new(ErrorName::InvalidIdentity, text),
        ConductorError::InvalidState(_) => Fault::new(ErrorName::InvalidState, text),
        ConductorError::PowerRefused { node, source } => of_power(*node, *source),
        ConductorError::NoValidHost { driver, group, refused } => {
            with_refused(Fault::no_valid_host(driver, group), refused.as_deref()).with_code(400)
        }
        ConductorError::NoConductors => Fault::new(ErrorName::TemporaryFailure, text),
        ConductorError::NoFreeConductorWorker { .. } => Fault::no_free_worker(),
        ConductorError::Driver { hardware_type, operation, source, .. } => {
            of_driver(&text, hardware_type, operation, source)
        }
        ConductorError::HardwareType { hardware_type, operation, source } => {
            of_driver(&text, hardware_type, operation, source)
        }
        ConductorError::ExclusiveLockRequired { .. } => Fault::new(ErrorName::ExclusiveLockRequired, text),
        ConductorError::PowerStateUnsupported { .. } | ConductorError::InvalidParameter { .. } => {
            Fault::invalid(text)
        }
        ConductorError::WrongState { node, what, state } => {
            Fault::invalid_state_requested(what, &node.to_string(), state.as_str())
        }
        ConductorError::InvalidStateRequested { node, verb, state } => {
            Fault::invalid_state_requested(verb.as_str(), &node.to_string(), state.as_str())
        }
        ConductorError::NodeInMaintenance { .. } => {
            Fault::new(ErrorName::NodeInMaintenance, capitalized(&text))
        }
        ConductorError::AbortInMaintenance { .. } => Fault::new(ErrorName::InvalidState, capitalized(&text)),
        ConductorError::NodeIsRetired { .. } => Fault::new(ErrorName::NodeIsRetired, capitalized(&text)),
        ConductorError::ConcurrentActionLimit { .. } => {
            Fault::new(ErrorName::ConcurrentActionLimit, capitalized(&text))
        }
        ConductorError::BootModeNotAllowed { .. } => {
            Fault::new(ErrorName::BootModeNotAllowed, capitalized(&text))
        }
        ConductorError::StepNotAllowed { .. } => Fault::new(ErrorName::StepNotAllowed, capitalized(&text)),
        ConductorError::InstanceDeployFailure { source, .. } => {
            because(ErrorName::InstanceDeployFailure, &text, source)
        }
        ConductorError::InstanceRescueFailure { source, .. } => {
            because(ErrorName::InstanceRescueFailure, &text, source)
        }
        ConductorError::InstanceUnrescueFailure { source, .. } => {
            because(ErrorName::InstanceUnrescueFailure, &text, source)
        }
        ConductorError::InTransition { node } => Fault::node_in_transition(&node.to_string()),
        ConductorError::NodeAssociated { node, instance } => {
            Fault::node_associated(&node.to_string(), &instance.to_string())
        }
        ConductorError::NodeProtected { .. } => Fault::new(ErrorName::NodeProtected, text),
        ConductorError::NotProtectable { node, state } => {
            Fault::protect_in_wrong_state(&node.to_string(), state.as_str())
        }
        ConductorError::Conflict { .. } => Fault::new(ErrorName::Conflict, text),
        ConductorError::TraitNotFound { node, name } => Fault::node_trait_not_found(&node.to_string(), name),
        ConductorError::NodeNotFound { name } => Fault::node_not_found(&name.to_string()),
        ConductorError::NoNodeForAgent => Fault::new(ErrorName::NotFound, capitalized(&text)),
        ConductorError::Released { .. } | ConductorError::IncorrectConfiguration { .. } => {
            Fault::new(ErrorName::InternalError, DEFECT)
        }
    }
}

/// A refusal with its cause: named after what was attempted, with the status of the cause.
fn because(name: ErrorName, text: &str, source: &ConductorError) -> Fault {
    let cause = fault(source);
    Fault::new(name, capitalized(&format!("{text}: {}", cause.message()))).with_code(cause.code())
}

/// Errors of the store. A database that is busy is never a defect.
fn of_store(error: &StoreError) -> Fault {
    let text = error.to_string();
    match error {
        StoreError::NodeNotFound { node } => Fault::node_not_found(node),
        StoreError::NodeLocked { node, holder } => Fault::node_locked(&node.to_string(), holder),
        // The lock was lost while the request worked under it: whoever has it now goes first.
        StoreError::NodeNotLocked { .. } => Fault::new(ErrorName::NodeNotLocked, text).with_code(409),
        StoreError::LimitReached { .. } => Fault::new(ErrorName::ConcurrentActionLimit, text),
        StoreError::InternalInfoConflict { .. } => Fault::new(ErrorName::Conflict, text),
        StoreError::ConductorNotFound { hostname } => Fault::conductor_not_found(hostname),
        StoreError::NotFound { record: RecordKind::Port, ident } => Fault::port_not_found(ident),
        StoreError::NotFound { record, ident } => {
            let record = capitalized(&record.to_string());
            Fault::new(ErrorName::NotFound, format!("{record} {ident} could not be found."))
        }
        StoreError::Duplicate { record, field, value } => of_duplicate(*record, *field, value, text),
        StoreError::PortgroupNotEmpty { .. } | StoreError::InvalidSortKey { .. } => Fault::invalid(text),
        StoreError::Busy { .. } | StoreError::ShuttingDown { .. } => {
            let text = "The service is busy, please retry a moment later.";
            Fault::new(ErrorName::TemporaryFailure, text)
        }
        StoreError::ConductorAlreadyRegistered { .. }
        | StoreError::ConductorHardwareInterfacesAlreadyRegistered { .. }
        | StoreError::Database { .. }
        | StoreError::Corrupt { .. }
        | StoreError::Open { .. }
        | StoreError::InvalidUrl { .. }
        | StoreError::Migration { .. } => Fault::new(ErrorName::InternalError, DEFECT),
    }
}

/// A value that another record has already.
fn of_duplicate(record: RecordKind, field: DuplicateField, value: &str, text: String) -> Fault {
    match (record, field) {
        (RecordKind::Node, DuplicateField::Uuid) => Fault::node_uuid_exists(value),
        (RecordKind::Node, DuplicateField::Name) => Fault::node_name_exists(value),
        (RecordKind::Node, DuplicateField::InstanceUuid) => {
            let text = format!("Instance {value} is already associated with another node.");
            Fault::new(ErrorName::InstanceAssociated, text)
        }
        (RecordKind::Port, DuplicateField::Uuid) => Fault::port_uuid_exists(value),
        (RecordKind::Port, DuplicateField::Address) => Fault::mac_exists(value),
        (_, _) => Fault::new(ErrorName::Conflict, capitalized(&text)),
    }
}

/// Errors of the registry.
fn of_registry(error: &RegistryError) -> Fault {
    let text = error.to_string();
    match error {
        RegistryError::DriverNotFound { name, refused, .. } => {
            with_refused(Fault::driver_not_found(name), refused.as_deref())
        }
        RegistryError::InterfaceNotFound { kind, name, valid, refused } => {
            let valid: Vec<&str> = valid.0.iter().map(String::as_str).collect();
            with_refused(Fault::interface_not_found(kind.as_str(), name, &valid), refused.as_deref())
        }
        RegistryError::IncompatibleInterface { .. } => Fault::new(ErrorName::IncompatibleInterface, text),
        RegistryError::NoValidDefault { .. } => Fault::new(ErrorName::NoValidDefaultForInterface, text),
        RegistryError::DriverLoad { .. } => Fault::new(ErrorName::DriverLoadError, text),
        // Of a hardware type that is enabled here: this conductor does not count as alive, or not yet.
        RegistryError::NoDriversLoaded => Fault::new(ErrorName::TemporaryFailure, text),
        RegistryError::DriverNotFoundInEntrypoint { .. }
        | RegistryError::Builtin(_)
        | RegistryError::Duplicate { .. }
        | RegistryError::NothingSupported { .. } => Fault::new(ErrorName::InternalError, DEFECT),
    }
}

/// A power request that the node does not allow.
fn of_power(node: Uuid, refusal: PowerRefusal) -> Fault {
    let node = node.to_string();
    match refusal {
        PowerRefusal::NotARequest { request } => not_a_power_request(request.as_str(), &node, None),
        PowerRefusal::InvalidState { request, state } => {
            Fault::invalid_state_requested(request.as_str(), &node, state.as_str())
        }
        PowerRefusal::PowerOffDisabled { .. } => {
            Fault::new(ErrorName::PowerStateFailure, format!("Node {node}: {refusal}"))
        }
    }
}

/// 400 for a power target that is none; the text names the power state, not the provision state.
pub(super) fn not_a_power_request(target: &str, node: &str, state: Option<PowerState>) -> Fault {
    Fault::invalid_state_requested(target, node, state.map_or("None", |state| state.as_str()))
}

/// A driver that was asked and failed. `text` says what it was asked for.
fn of_driver(text: &str, hardware_type: &str, operation: &str, source: &DriverError) -> Fault {
    let chain = || format!("{text}: {source}");
    match source.kind() {
        ErrorKind::Unsupported => Fault::unsupported(hardware_type, unsupported(operation, source)),
        ErrorKind::MissingParameter => {
            Fault::new(ErrorName::MissingParameterValue, capitalized(&source.to_string()))
        }
        ErrorKind::InvalidParameter => Fault::invalid(capitalized(&source.to_string())),
        ErrorKind::Conflict => Fault::new(ErrorName::Conflict, chain()),
        ErrorKind::Busy | ErrorKind::Cancelled | ErrorKind::PluginCrashed | ErrorKind::PluginStalled => {
            Fault::new(ErrorName::TemporaryFailure, chain())
        }
        ErrorKind::AuthFailed
        | ErrorKind::Unreachable
        | ErrorKind::Timeout
        | ErrorKind::Protocol
        | ErrorKind::Hardware => Fault::new(ErrorName::HardwareFailure, chain()).with_code(502),
        // What went wrong there is for the vendor, as clients know from the name.
        ErrorKind::BadPayload | ErrorKind::PluginPanicked | ErrorKind::Internal
            if operation == VENDOR_CALL =>
        {
            Fault::new(ErrorName::VendorPassthruException, chain())
        }
        ErrorKind::TaskClosed
        | ErrorKind::BadPayload
        | ErrorKind::PluginPanicked
        | ErrorKind::Internal
        | _ => Fault::new(ErrorName::InternalError, chain()),
    }
}

/// What a driver lacks: the method, unless the whole interface is one that refuses everything.
fn unsupported<'a>(operation: &'a str, source: &'a DriverError) -> &'a str {
    let kind = InterfaceType::ALL.into_iter().find(|kind| kind.as_str() == source.message());
    kind.map_or(operation, |kind| kind.as_str())
}

/// Adds to a fault that a library would have helped, had it not been refused.
fn with_refused(fault: Fault, refused: Option<&RefusedLibrary>) -> Fault {
    let Some(RefusedLibrary { file, reason, .. }) = refused else { return fault };
    let text = format!("{} The library '{file}' offers it but was refused: {reason}", fault.message());
    Fault::new(fault.name(), text).with_code(fault.code())
}

/// `text` as it begins a sentence.
fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use farrier_model::provision::ProvisionState;

    use super::*;

    fn shown(error: impl Into<ConductorError>) -> String {
        let fault = fault(&error.into());
        format!("{} {} {fault}", fault.code(), fault.name())
    }

    fn driver(source: DriverError) -> ConductorError {
        let (kind, name) = (InterfaceType::Management, "acme".to_owned());
        ConductorError::Driver {
            node: Uuid::nil(),
            hardware_type: "acme-server".to_owned(),
            kind,
            name,
            operation: "get_boot_device",
            source: Box::new(source),
        }
    }

    fn refused() -> Option<Box<RefusedLibrary>> {
        Some(Box::new(RefusedLibrary {
            file: "libacme.so".to_owned(),
            reason: "it was built for ABI 9".to_owned(),
            hardware_types: Vec::new(),
            interfaces: Vec::new(),
        }))
    }

    #[test]
    fn a_driver_s_error_is_sorted_by_whose_fault_it_is() {
        let shown = [
            shown(driver(DriverError::unsupported("no"))),
            shown(driver(DriverError::missing_parameter("missing `acme_address`"))),
            shown(driver(DriverError::invalid_parameter("`acme_port` is 0"))),
            shown(driver(DriverError::unreachable("no answer from `192.0.2.1`"))),
            shown(driver(DriverError::new(ErrorKind::Busy, "busy"))),
            shown(driver(DriverError::internal("index out of bounds"))),
            shown(driver(DriverError::auth_failed("password refused"))),
            shown(driver(DriverError::hardware("fan is on fire"))),
        ];

        insta::assert_snapshot!(shown.join("\n"), @r"
        400 UnsupportedDriverExtension Driver acme-server does not support get_boot_device (disabled or not implemented).
        400 MissingParameterValue Missing `acme_address`
        400 InvalidParameterValue `acme_port` is 0
        502 HardwareFailure get_boot_device failed on node 00000000-0000-0000-0000-000000000000 through management interface `acme`: no answer from `192.0.2.1`
        503 TemporaryFailure get_boot_device failed on node 00000000-0000-0000-0000-000000000000 through management interface `acme`: busy
        500 InternalError get_boot_device failed on node 00000000-0000-0000-0000-000000000000 through management interface `acme`: index out of bounds
        502 HardwareFailure get_boot_device failed on node 00000000-0000-0000-0000-000000000000 through management interface `acme`: password refused
        502 HardwareFailure get_boot_device failed on node 00000000-0000-0000-0000-000000000000 through management interface `acme`: fan is on fire
        ");
    }

    #[test]
    fn what_a_vendor_method_meets_unexpectedly_is_the_vendor_s() {
        let called = |source: DriverError| ConductorError::Driver {
            node: Uuid::nil(),
            hardware_type: "acme-server".to_owned(),
            kind: InterfaceType::Vendor,
            name: "acme".to_owned(),
            operation: VENDOR_CALL,
            source: Box::new(source),
        };
        let names = [
            DriverError::internal("index out of bounds"),
            DriverError::new(ErrorKind::PluginPanicked, "it panicked"),
            DriverError::invalid_parameter("`bar` is 0"),
            DriverError::hardware("fan is on fire"),
        ]
        .map(|source| shown(called(source)).splitn(3, ' ').take(2).collect::<Vec<_>>().join(" "));

        assert_eq!(
            names,
            [
                "500 VendorPassthruException",
                "500 VendorPassthruException",
                "400 InvalidParameterValue",
                "502 HardwareFailure"
            ]
        );
    }

    #[test]
    fn what_another_holds_or_has_is_a_conflict() {
        let value = "x".to_owned();
        let duplicate = |record, field| StoreError::Duplicate { record, field, value: value.clone() };
        let shown = [
            shown(StoreError::NodeLocked { node: Uuid::nil(), holder: "host-2".to_owned() }),
            shown(StoreError::NodeNotLocked { node: Uuid::nil() }),
            shown(duplicate(RecordKind::Node, DuplicateField::Name)),
            shown(duplicate(RecordKind::Node, DuplicateField::InstanceUuid)),
            shown(duplicate(RecordKind::Port, DuplicateField::Address)),
            shown(duplicate(RecordKind::Portgroup, DuplicateField::Name)),
            shown(ConductorError::InTransition { node: Uuid::nil() }),
            shown(ConductorError::NodeAssociated { node: Uuid::nil(), instance: Uuid::nil() }),
        ];

        assert!(shown.iter().all(|text| text.starts_with("409 ")), "{shown:#?}");
    }

    #[test]
    fn what_can_be_tried_again_is_503() {
        let shown = [
            shown(StoreError::Busy { operation: "node_get", source: None }),
            shown(StoreError::ShuttingDown { operation: "node_get" }),
            shown(ConductorError::NoFreeConductorWorker { size: 3 }),
        ];

        assert!(shown.iter().all(|text| text.starts_with("503 ")), "{shown:#?}");
    }

    #[test]
    fn a_refused_library_is_named_where_it_would_have_helped() {
        let (driver, group) = ("acme".to_owned(), String::new());

        let shown = shown(ConductorError::NoValidHost { driver, group, refused: refused() });

        assert!(shown.starts_with("400 NoValidHost No valid host was found."), "{shown}");
        assert!(shown.ends_with("'libacme.so' offers it but was refused: it was built for ABI 9"), "{shown}");
    }

    #[test]
    fn defects_keep_their_secrets() {
        let reason = "a password of ours".to_owned();

        let shown = shown(StoreError::Corrupt { column: "driver_info", reason });

        assert_eq!(shown, format!("500 InternalError {DEFECT}"));
    }

    #[test]
    fn what_a_state_forbids_is_named_as_clients_know_it() {
        let state = ProvisionState::Active;
        let deleting = ConductorError::WrongState { node: Uuid::nil(), what: "be deleted", state };
        let cleaning = ProvisionState::Cleaning;
        let source = PowerRefusal::InvalidState { request: PowerState::On, state: cleaning };
        let shown = [shown(deleting), shown(ConductorError::PowerRefused { node: Uuid::nil(), source })];

        insta::assert_snapshot!(shown.join("\n"), @r#"
        400 InvalidStateRequested The requested action "be deleted" can not be performed on node "00000000-0000-0000-0000-000000000000" while it is in state "active".
        400 InvalidStateRequested The requested action "power on" can not be performed on node "00000000-0000-0000-0000-000000000000" while it is in state "cleaning".
        "#);
    }

    #[test]
    fn a_missing_node_in_a_body_is_400() {
        let error = HttpError::from(Fault::node_not_found("n1")).in_body();

        let HttpError::Fault(fault) = error else { panic!("{error}") };
        assert_eq!((fault.code(), fault.name()), (400, ErrorName::NodeNotFound));
    }
}
