//! The contract against recorded exchanges between real clients and the reference.
//!
//! The recordings are in the folder `api/recordings` of the labs; without them these tests fail.

#![expect(clippy::indexing_slicing, reason = "a recording without the member is a failed test")]

use std::collections::BTreeMap;

use farrier_api::boot_device::{BootDevice, BootDeviceRequest, SupportedBootDevices};
use farrier_api::conductor::{CONDUCTOR, Conductor};
use farrier_api::driver::{DRIVER, Driver, DriverProperties};
use farrier_api::error::{ErrorBody, Fault};
use farrier_api::node::{NODE, Node, NodeCreate, NodeStates, PATCH};
use farrier_api::paging::{LIMIT_MAX, ListQuery, selected_fields};
use farrier_api::patch::Patch;
use farrier_api::port::{self, PORT, Port, PortCreate};
use farrier_api::power::PowerRequest;
use farrier_api::provision::ProvisionRequest;
use farrier_api::resource::Resource;
use farrier_api::root::{Root, V1};
use farrier_api::time::is_timestamp;
use farrier_api::validation::Validation;
use farrier_api::version::table::{Kind, Topic};
use farrier_api::version::{MAX, Microversion, Range, SERVICE_VERSION_HEADER, VERSION_HEADER};
use farrier_sim::labs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What the recorded service offered.
const RANGE: Range = Range::up_to(Microversion::new(115));

/// One recorded request and its answer.
struct Exchange {
    /// Where it stands, for messages.
    place: String,
    method: String,
    /// The path below `/v1/`, without a slash at its end.
    path: String,
    arguments: Vec<(String, String)>,
    request_headers: BTreeMap<String, String>,
    request: Value,
    status: u16,
    response_headers: BTreeMap<String, String>,
    response: Value,
}

impl Exchange {
    /// The version in force.
    fn version(&self) -> Microversion {
        let text = self.response_headers.get(&VERSION_HEADER.to_lowercase());
        text.and_then(|text| Microversion::parse(text)).expect("an answer below /v1 says its version")
    }

    /// The elements of the path.
    fn elements(&self) -> Vec<&str> {
        self.path.split('/').collect()
    }

    /// The members that the request selects.
    fn fields(&self) -> Option<Vec<String>> {
        let (_, text) = self.arguments.iter().find(|(name, _)| name == "fields")?;
        Some(text.split(',').map(str::to_owned).collect())
    }

    /// Whether the request asks for whole items.
    fn detail(&self) -> bool {
        self.path.ends_with("/detail")
            || self.arguments.iter().any(|(name, text)| name == "detail" && text.eq_ignore_ascii_case("true"))
    }
}

/// The exchanges of one recording.
fn recording(name: &str) -> Vec<Exchange> {
    let labs =
        labs::directory().map_err(|error| error.to_string()).expect("FARRIER_LABS names the recordings");
    let text =
        std::fs::read_to_string(labs.join("api/recordings").join(name)).expect("the recording can be read");
    let recording: Value = serde_json::from_str(&text).expect("the recording is JSON");
    let steps = recording["steps"].as_array().expect("a recording has steps");
    let mut exchanges = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        for recorded in step["exchanges"].as_array().expect("a step has exchanges") {
            exchanges.push(exchange(format!("{name} step {at}"), recorded));
        }
    }
    assert!(!exchanges.is_empty(), "{name} is empty");
    exchanges
}

/// Reads one exchange.
fn exchange(place: String, recorded: &Value) -> Exchange {
    let (request, response) = (&recorded["request"], &recorded["response"]);
    let address = request["path"].as_str().expect("a request has a path");
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let arguments = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), text.replace("%2C", ","))
    });
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    Exchange {
        method: request["method"].as_str().expect("a request has a method").to_owned(),
        path: path.strip_prefix("/v1").unwrap_or(path).trim_matches('/').to_owned(),
        arguments: arguments.collect(),
        request_headers: headers(request),
        request: request["body"].clone(),
        status: status.expect("an answer has a status"),
        response_headers: headers(response),
        response: response["body"].clone(),
        place,
    }
}

/// The headers, with their names in lower case.
fn headers(message: &Value) -> BTreeMap<String, String> {
    let headers = message["headers"].as_object().expect("a message has headers");
    headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// Reads `value` as `T` and writes it again.
fn round<T: DeserializeOwned + Serialize>(place: &str, value: &Value) -> Value {
    let read =
        serde_json::from_value::<T>(value.clone()).map_err(|error| format!("{place}: {error} in {value}"));
    let read = read.expect("what was recorded reads into our type");
    serde_json::to_value(read).expect("a wire type can be written")
}

/// Checks that a resource or a list of them reads into `T` and is shown again as it was recorded.
fn same_view<T: DeserializeOwned + Serialize>(exchange: &Exchange, resource: &Resource, one: bool) {
    let (place, version) = (&exchange.place, exchange.version());
    let fields = exchange.fields();
    let view = |recorded: &Value| {
        let Value::Object(members) = round::<T>(place, recorded) else { return Value::Null };
        let short = !one && fields.is_none() && !exchange.detail();
        let summary: Vec<String> = resource.summary.iter().map(|name| (*name).to_owned()).collect();
        let fields = if short { Some(&summary) } else { fields.as_ref() };
        Value::from(resource.view_members(members, version, fields.map(Vec::as_slice)))
    };
    if one {
        assert_eq!(view(&exchange.response), exchange.response, "{place}");
        return;
    }
    let items = exchange.response[resource.collection].as_array().expect("a list has its items");
    for item in items {
        assert_eq!(view(item), *item, "{place}");
    }
}

/// Checks that the answer reads into our types and is written again as it was recorded.
fn same_answer(exchange: &Exchange) {
    let place = &exchange.place;
    let body = &exchange.response;
    let same = |written: Value| assert_eq!(written, *body, "{place}");
    match exchange.elements().as_slice() {
        [""] if body["id"] == "v1" => same(round::<V1>(place, body)),
        [""] => same(round::<Root>(place, body)),
        ["nodes" | "nodes/"] if exchange.method == "GET" => same_view::<Node>(exchange, &NODE, false),
        ["nodes", "detail"] => same_view::<Node>(exchange, &NODE, false),
        ["nodes"] | ["nodes", _] => same_view::<Node>(exchange, &NODE, true),
        ["nodes", _, "states"] => {
            let states: NodeStates = serde_json::from_value(body.clone()).expect("states are states");
            same(Value::from(states.view(exchange.version())));
        }
        ["nodes", _, "validate"] => same(round::<Validation>(place, body)),
        ["nodes", _, "management", "boot_device"] => same(round::<BootDevice>(place, body)),
        ["nodes", _, "management", "boot_device", "supported"] => {
            same(round::<SupportedBootDevices>(place, body))
        }
        ["ports"] if exchange.method == "GET" => same_view::<Port>(exchange, &PORT, false),
        ["ports", "detail"] => same_view::<Port>(exchange, &PORT, false),
        ["ports"] | ["ports", _] => same_view::<Port>(exchange, &PORT, true),
        ["drivers"] => same_view::<Driver>(exchange, &DRIVER, false),
        ["drivers", _] => same_view::<Driver>(exchange, &DRIVER, true),
        ["drivers", _, "properties"] => same(round::<DriverProperties>(place, body)),
        ["conductors"] => same_view::<Conductor>(exchange, &CONDUCTOR, false),
        ["conductors", _] => same_view::<Conductor>(exchange, &CONDUCTOR, true),
        ["drivers", _, "raid" | "vendor_passthru", _] => {}
        other => assert!(other.is_empty(), "{place}: no type for {other:?}"),
    }
}

/// What this crate makes of a request: the body written again, or its refusal; `None` for requests it does not check.
fn read_request(exchange: &Exchange) -> Option<Result<Value, Fault>> {
    let (version, body) = (exchange.version(), &exchange.request);
    let written = |request: Value| Ok(request);
    Some(match (exchange.method.as_str(), exchange.elements().as_slice()) {
        ("POST", ["nodes"]) => NodeCreate::parse(version, body).and_then(|request| written(json(&request))),
        ("POST", ["ports"]) => PortCreate::parse(version, body).and_then(|request| written(json(&request))),
        ("PATCH", ["nodes", _]) => Patch::parse(&PATCH, version, body).and_then(|patch| {
            if exchange.status < 400 {
                Ok(body.clone())
            } else {
                patch.apply(&stored()).map(|_| body.clone())
            }
        }),
        ("PATCH", ["ports", _]) => Patch::parse(&port::PATCH, version, body).map(|_| body.clone()),
        ("PUT", ["nodes", _, "states", "power"]) => {
            PowerRequest::parse(version, body).and_then(|request| written(json(&request)))
        }
        ("PUT", ["nodes", _, "states", "provision"]) => {
            ProvisionRequest::parse(version, body).and_then(|request| written(json(&request)))
        }
        ("PUT", ["nodes", _, "management", "boot_device"]) => {
            BootDeviceRequest::parse(body).and_then(|request| written(json(&request)))
        }
        ("GET", ["nodes"] | ["nodes", "detail"]) => list(&NODE, exchange),
        ("GET", ["ports"] | ["ports", "detail"]) => list(&PORT, exchange),
        ("GET", ["conductors"]) => list(&CONDUCTOR, exchange),
        ("GET", ["drivers"]) => list(&DRIVER, exchange),
        ("GET", ["nodes", _]) => selected_fields(&NODE, version, &exchange.arguments).map(|_| Value::Null),
        ("GET", ["ports", _]) => selected_fields(&PORT, version, &exchange.arguments).map(|_| Value::Null),
        _ => return None,
    })
}

/// Reads the arguments of a list.
fn list(resource: &Resource, exchange: &Exchange) -> Result<Value, Fault> {
    ListQuery::parse(resource, exchange.version(), LIMIT_MAX, &exchange.arguments).map(|_| Value::Null)
}

/// `value` as JSON.
fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("a wire type can be written")
}

/// Members of a stored node that the recorded patches change.
fn stored() -> Map<String, Value> {
    let mut members = Map::new();
    for name in ["properties", "extra", "driver_info", "instance_info"] {
        members.insert(name.to_owned(), Value::Object(Map::new()));
    }
    members
}

/// Whether two values of a member mean the same; clients send booleans as text.
fn same_meaning(sent: &Value, written: &Value) -> bool {
    let text_of_flag = written.as_bool().map(|flag| flag.to_string());
    sent == written
        || sent.as_str().map(str::to_lowercase) == text_of_flag.or(written.as_str().map(str::to_lowercase))
}

#[test]
fn answers_read_into_the_types_and_back() {
    for name in [
        "01-discovery-drivers-conductors.json",
        "02-node-crud.json",
        "03-port-crud.json",
        "04-power-boot.json",
        "07-maintenance.json",
        "08-errors-common.json",
        "09-openstacksdk-basic.json",
    ] {
        for exchange in recording(name) {
            if exchange.status < 400 && !exchange.response.is_null() {
                same_answer(&exchange);
            }
        }
    }
}

#[test]
fn requests_read_into_the_types_and_back() {
    for name in ["02-node-crud.json", "03-port-crud.json", "04-power-boot.json"] {
        for exchange in recording(name) {
            if exchange.status >= 400 || exchange.request.is_null() {
                continue;
            }
            let Some(read) = read_request(&exchange) else { continue };
            let written =
                read.map_err(|fault| format!("{}: {fault}", exchange.place)).expect("it was accepted");
            if let (Value::Object(sent), Value::Object(written)) = (&exchange.request, &written) {
                assert_eq!(
                    sent.keys().collect::<Vec<_>>(),
                    written.keys().collect::<Vec<_>>(),
                    "{}",
                    exchange.place
                );
                for (name, value) in sent {
                    let written = written.get(name).expect("the members are the same");
                    assert!(same_meaning(value, written), "{} {name}: {value} {written}", exchange.place);
                }
            } else {
                assert_eq!(written, exchange.request, "{}", exchange.place);
            }
        }
    }
}

#[test]
fn versions_are_negotiated_as_recorded() {
    for name in
        ["01-discovery-drivers-conductors.json", "08-errors-common.json", "09-openstacksdk-basic.json"]
    {
        for exchange in recording(name) {
            let header = |name: &str| exchange.request_headers.get(&name.to_lowercase()).map(String::as_str);
            let negotiated = RANGE.negotiate(header(SERVICE_VERSION_HEADER), header(VERSION_HEADER));
            match negotiated {
                Ok(version) => {
                    let recorded = exchange.response_headers.get(&VERSION_HEADER.to_lowercase());
                    // A path that leads nowhere is answered without a version.
                    let recorded = recorded.and_then(|text| Microversion::parse(text)).unwrap_or(version);
                    assert_eq!(version, recorded, "{}", exchange.place);
                }
                Err(refused) => {
                    assert_eq!(exchange.status, refused.refusal().code, "{}", exchange.place);
                    let ours: Value =
                        serde_json::from_str(&refused.refusal().body()).expect("our bodies are JSON");
                    same_error(&exchange, &ours);
                }
            }
        }
    }
}

/// Checks that two bodies of errors hold the same, and that clients read ours as the recorded one.
fn same_error(exchange: &Exchange, ours: &Value) {
    let inner = |body: &Value| -> Value {
        let text = body["error_message"].as_str().expect("an error has a message");
        serde_json::from_str(text).expect("the message is JSON")
    };
    assert_eq!(inner(ours), inner(&exchange.response), "{}", exchange.place);
    assert_eq!(ErrorBody::parse(&ours.to_string()), ErrorBody::parse(&exchange.response.to_string()));
}

#[test]
fn every_recorded_error_is_understood() {
    for name in ["01-discovery-drivers-conductors.json", "03-port-crud.json", "08-errors-common.json"] {
        for exchange in recording(name).iter().filter(|exchange| exchange.status >= 400) {
            let body = exchange.response.to_string();
            let error = ErrorBody::parse(&body);
            assert!(error.is_some_and(|error| !error.message().is_empty()), "{}: {body}", exchange.place);
        }
    }
}

#[test]
fn what_this_crate_refuses_was_refused_in_the_same_words() {
    let mut compared = 0;
    for name in ["01-discovery-drivers-conductors.json", "04-power-boot.json", "08-errors-common.json"] {
        for exchange in recording(name) {
            if !exchange.response_headers.contains_key(&VERSION_HEADER.to_lowercase()) {
                continue;
            }
            let Some(Err(fault)) = read_request(&exchange) else { continue };
            if exchange.status == 500 {
                // Defects of the reference; ours is a refusal.
                assert_eq!(fault.code(), 400, "{}: {fault}", exchange.place);
            } else {
                assert_eq!(fault.code(), exchange.status, "{}: {fault}", exchange.place);
                same_error(&exchange, &serde_json::from_str(&fault.body()).expect("our bodies are JSON"));
            }
            compared += 1;
        }
    }
    assert!(30 <= compared, "{compared} refusals compared");
}

#[test]
fn what_was_refused_without_a_look_at_records_this_crate_refuses() {
    /// What only the server can know: which records and drivers there are, and their states.
    const OF_THE_SERVER: [&str; 6] = [
        "could not be found.",
        "already exists.",
        "No valid host was found.",
        "Could not find the following",
        "can not be performed on node",
        "Cannot change name to invalid name",
    ];
    let recordings = ["01-discovery-drivers-conductors.json", "08-errors-common.json"];
    for exchange in recordings.into_iter().flat_map(recording) {
        let body = exchange.response.to_string();
        let Some(ErrorBody::Fault { faultstring, .. }) = ErrorBody::parse(&body) else { continue };
        if OF_THE_SERVER.iter().any(|text| faultstring.contains(text))
            || exchange.request.get("__raw__").is_some()
        {
            continue;
        }
        let elements = exchange.elements();
        // The routes of these belong to the server: a node's body under a node's path, and a list that is deleted.
        if matches!(
            (exchange.method.as_str(), elements.as_slice()),
            ("POST", ["nodes", _]) | ("DELETE", ["nodes"])
        ) {
            continue;
        }
        // Unknown provision states are known to the model.
        if faultstring.starts_with("Provision state") {
            continue;
        }
        let refused = read_request(&exchange).is_some_and(|read| read.is_err());
        assert!(refused, "{}: {faultstring}", exchange.place);
    }
}

#[test]
fn the_texts_that_the_server_chooses_are_the_recorded_ones() {
    let n1 = "a1b2c3d4-0001-4000-8000-000000000001";
    let valid = ["custom-agent", "direct", "fake", "noop", "ramdisk"];
    let mut faults = vec![
        Fault::node_not_found("nosuch"),
        Fault::port_not_found("11111111-2222-4333-8444-555555555555"),
        Fault::node_not_found("11111111-2222-4333-8444-555555555555").with_code(400),
        Fault::conductor_not_found("nosuch"),
        Fault::driver_not_found("nosuch"),
        Fault::no_valid_host("nosuch", ""),
        Fault::interface_not_found("deploy", "nosuch", &valid),
        Fault::node_locked(n1, "127.0.0.1"),
        Fault::node_uuid_exists(n1),
        Fault::node_name_exists("node-1"),
        Fault::mac_exists("52:54:00:00:00:01"),
        Fault::invalid_state_requested("sideways", n1, "power on"),
        Fault::unsupported("fake-hardware", "inject_nmi"),
        Fault::node_associated(n1, "5f9b59d2-4afe-4d11-9d0a-5ab1c0de0001"),
        Fault::protect_in_wrong_state(n1, "enroll"),
        Fault::invalid_boot_device("disk"),
        Fault::invalid_provision_state("bogus"),
        Fault::invalid_new_name(n1, "bad name!"),
        Fault::missing_parameter("node_ident"),
    ];

    for name in [
        "01-discovery-drivers-conductors.json",
        "02-node-crud.json",
        "03-port-crud.json",
        "04-power-boot.json",
        "05-provision.json",
        "08-errors-common.json",
        "10-agent-inspect-clean-deploy.json",
    ] {
        for exchange in recording(name) {
            let recorded = ErrorBody::parse(&exchange.response.to_string());
            faults.retain(|fault| {
                recorded != ErrorBody::parse(&fault.body()) || fault.code() != exchange.status
            });
        }
    }

    assert!(faults.is_empty(), "nobody recorded {faults:#?}");
}

#[test]
fn recorded_times_have_the_format() {
    for exchange in recording("02-node-crud.json") {
        let Some(members) = exchange.response.as_object() else { continue };
        for (name, value) in members {
            if let Some(text) = value.as_str().filter(|_| name.ends_with("_at")) {
                assert!(is_timestamp(text), "{}: {name} is {text}", exchange.place);
            }
        }
    }
}

#[test]
fn recorded_collections_are_those_of_the_version() {
    for exchange in recording("01-discovery-drivers-conductors.json") {
        let Ok(v1) = serde_json::from_value::<V1>(exchange.response.clone()) else { continue };
        for name in v1.collections.keys() {
            assert!(exchange.version().has(Topic::Root, Kind::Endpoint, name), "{}: {name}", exchange.place);
        }
        let ours = V1::new(
            "http://127.0.0.1:6385",
            RANGE,
            exchange.version(),
            &[
                "allocations",
                "chassis",
                "conductors",
                "deploy_templates",
                "drivers",
                "events",
                "heartbeat",
                "lookup",
                "nodes",
                "portgroups",
                "ports",
                "runbooks",
                "shards",
                "volume",
            ],
        );
        assert_eq!(ours.collections, v1.collections, "{}", exchange.place);
        assert_eq!(ours.version, v1.version);
        assert!(exchange.version() <= MAX);
    }
}

#[test]
fn the_link_to_the_next_page_is_the_recorded_one() {
    let exchanges = recording("02-node-crud.json");
    let page =
        exchanges.iter().find(|exchange| exchange.response.get("next").is_some()).expect("there is a page");
    let query = ListQuery::parse(&NODE, page.version(), LIMIT_MAX, &page.arguments).expect("it was accepted");
    let last = page.response["nodes"].as_array().and_then(|nodes| nodes.last()).expect("the page has items");

    let next =
        query.next("http://127.0.0.1:6385", "nodes", &NODE, last["uuid"].as_str().expect("nodes have UUIDs"));

    assert_eq!(Value::from(next), page.response["next"]);
}
