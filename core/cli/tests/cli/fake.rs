//! A server that has a few nodes and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use farrier_api::conductor::{CONDUCTOR, Conductor};
use farrier_api::driver::{DRIVER, Driver, DriverInterface, DriverInterfaces};
use farrier_api::error::{ERROR_NAME_HEADER, ErrorName, Fault};
use farrier_api::link::address;
use farrier_api::node::{NODE, Node, NodeCreate, NodeStates, PATCH};
use farrier_api::paging::{ListQuery, selected_fields};
use farrier_api::patch::Patch;
use farrier_api::port::{PORT, Port, PortCreate};
use farrier_api::power::{PowerRequest, PowerTarget};
use farrier_api::provision::ProvisionRequest;
use farrier_api::resource::Resource;
use farrier_api::version::{MAX_VERSION_HEADER, MIN_VERSION_HEADER, Microversion, Range, VERSION_HEADER};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The most items of one page.
const PAGE: usize = 2;

/// The most bytes of a request.
const BODY_MAX: usize = 1 << 20;

/// The UUID of the first node; it has the name `n1`.
pub(crate) const N1: &str = "a1b2c3d4-0001-4000-8000-000000000001";

/// A running server; it ends when this is dropped.
pub(crate) struct Fake {
    /// Its address.
    pub(crate) url: String,
    shared: Arc<Mutex<World>>,
    _runtime: Runtime,
}

/// What the server has and what it was asked.
pub(crate) struct World {
    base: String,
    range: Range,
    nodes: Vec<Node>,
    ports: Vec<Port>,
    requests: Vec<Asked>,
    faults: VecDeque<Fault>,
    looks: u32,
    /// How many looks at a node's states a change of power takes; without it, the change never ends.
    pub(crate) looks_until_changed: Option<u32>,
    /// Why changes of power fail, if they do.
    pub(crate) power_error: Option<String>,
    /// What the console is being switched to.
    console: Option<bool>,
    /// Why switches of consoles fail, if they do.
    pub(crate) console_error: Option<String>,
    /// Where nodes end that are sent on, if not where they were sent.
    pub(crate) provision_ends: Option<String>,
    /// Why they do.
    pub(crate) provision_error: Option<String>,
    /// Whether errors are told by name, as only our server does.
    pub(crate) names: bool,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method, path and query: `GET /v1/nodes?limit=1`.
    pub(crate) line: String,
    /// The version it names.
    pub(crate) version: String,
    /// Its credentials; empty without any.
    pub(crate) authorization: String,
    /// Its body; null without one.
    pub(crate) body: Value,
}

/// An answer that is not an error: status and body.
type Answer = (u16, Value);

impl Fake {
    /// Starts a server with three nodes and the newest version.
    pub(crate) fn start() -> Self {
        Self::start_with(Range::up_to(farrier_api::version::MAX))
    }

    /// Starts a server that speaks HTTP but not this API.
    pub(crate) fn start_foreign() -> Self {
        Self::serve(Range::up_to(farrier_api::version::MAX), |_| {
            Router::new().fallback(|| async { "<html></html>" })
        })
    }

    /// Starts a server that offers `range`.
    pub(crate) fn start_with(range: Range) -> Self {
        Self::serve(range, |shared| Router::new().fallback(answer).with_state(shared))
    }

    /// Starts a server that answers as `router` does.
    fn serve(range: Range, router: impl FnOnce(Arc<Mutex<World>>) -> Router) -> Self {
        let runtime = Runtime::new().expect("the runtime starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a free port");
        let url = format!("http://{}", listener.local_addr().expect("the listener has an address"));
        let shared = Arc::new(Mutex::new(World::new(url.clone(), range)));
        let router = router(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, shared, _runtime: runtime }
    }

    /// What the server has.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.lock().expect("no request panicked")
    }

    /// Lets the next requests fail, one after another.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.world().faults.extend(faults);
    }

    /// What the server was asked so far.
    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.world().requests.clone()
    }

    /// The lines of the requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|asked| asked.line).collect()
    }
}

/// Answers one request.
async fn answer(State(shared): State<Arc<Mutex<World>>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_MAX).await.expect("the request is complete");
    let body: Value =
        if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("it is JSON") };
    let version = head.headers.get(VERSION_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let authorization = head.headers.get("authorization").and_then(|value| value.to_str().ok());
    let authorization = authorization.unwrap_or_default().to_owned();
    let line = format!("{} {}", head.method, head.uri);
    let mut world = shared.lock().expect("no request panicked");
    world.requests.push(Asked {
        line: line.clone(),
        version: version.clone().unwrap_or_default(),
        authorization,
        body: body.clone(),
    });
    let builder = Response::builder()
        .header(MIN_VERSION_HEADER, world.range.min.to_string())
        .header(MAX_VERSION_HEADER, world.range.max.to_string())
        .header("x-openstack-request-id", "req-1");
    let version = match world.range.negotiate([], version.as_deref()) {
        Ok(version) => version,
        Err(refused) => {
            let refusal = refused.refusal();
            return builder.status(refusal.code).body(Body::from(refusal.body())).expect("it is an answer");
        }
    };
    let result = match world.faults.pop_front() {
        Some(fault) => Err(fault),
        None => world.answer(&line, version, &body),
    };
    let answer = match result {
        Ok((status, Value::Null)) => builder.status(status).body(Body::empty()),
        Ok((status, value)) => builder.status(status).body(Body::from(value.to_string())),
        Err(fault) if world.names => builder
            .status(fault.code())
            .header(ERROR_NAME_HEADER, fault.name().as_str())
            .body(Body::from(fault.body())),
        Err(fault) => builder.status(fault.code()).body(Body::from(fault.body())),
    };
    answer.expect("it is an answer")
}

impl World {
    /// Three nodes: one on, one off and nameless, one failed.
    fn new(base: String, range: Range) -> Self {
        let node = |number: u32, name: Option<&str>, power: &str, provision: &str| {
            Node {
                uuid: format!("a1b2c3d4-000{number}-4000-8000-00000000000{number}"),
                name: name.map(str::to_owned),
                driver: "ipmi".to_owned(),
                power_state: Some(power.to_owned()),
                provision_state: Some(provision.to_owned()),
                maintenance: number == 3,
                ..Node::default()
            }
            .with_links(&base)
        };
        Self {
            nodes: vec![
                node(1, Some("n1"), "power on", "active"),
                node(2, None, "power off", "available"),
                node(3, Some("n3"), "error", "deploy failed"),
            ],
            ports: Vec::new(),
            base,
            range,
            requests: Vec::new(),
            faults: VecDeque::new(),
            looks: 0,
            looks_until_changed: Some(2),
            power_error: None,
            console: None,
            console_error: None,
            provision_ends: None,
            provision_error: None,
            names: true,
        }
    }

    /// The node with this UUID or name.
    fn node(&mut self, ident: &str) -> Result<&mut Node, Fault> {
        let found =
            self.nodes.iter_mut().find(|node| node.uuid == ident || node.name.as_deref() == Some(ident));
        found.ok_or_else(|| Fault::node_not_found(ident))
    }

    /// Answers a request by its line.
    fn answer(&mut self, line: &str, version: Microversion, body: &Value) -> Result<Answer, Fault> {
        let (method, address) = line.split_once(' ').expect("a line has two words");
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let query: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, text)| (name.to_owned(), text.replace("%20", " ")))
            .collect();
        let elements: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
        match (method, elements.as_slice()) {
            ("GET", []) => Ok((200, json!({"id": "v1"}))),
            ("GET", ["nodes"]) => list(&self.base, &NODE, &self.nodes, version, &query),
            ("GET", ["ports"]) => list(&self.base, &PORT, &self.ports, version, &query),
            ("GET", ["ports", "detail"]) => {
                let address = query.first().map(|(_, text)| text.as_str());
                let found: Vec<&Port> =
                    self.ports.iter().filter(|port| Some(port.address.as_str()) == address).collect();
                Ok((200, json!({"ports": found})))
            }
            ("GET", ["conductors"]) => {
                list(&self.base, &CONDUCTOR, &[conductor(&self.base)], version, &query)
            }
            ("GET", ["conductors", "c1"]) => Ok((200, json!(conductor(&self.base)))),
            ("GET", ["conductors", other]) => Err(Fault::conductor_not_found(other)),
            ("GET", ["drivers"]) => list(&self.base, &DRIVER, &[driver(&self.base)], version, &query),
            ("GET", ["drivers", "ipmi"]) => Ok((200, json!(driver(&self.base)))),
            ("GET", ["drivers", "ipmi", "properties"]) => {
                Ok((200, json!({"ipmi_address": "Where the BMC is. Required.", "ipmi_port": "Its port."})))
            }
            ("GET", ["drivers", other, ..]) => Err(Fault::driver_not_found(other)),
            ("POST", ["nodes"]) => self.create_node(version, body),
            ("POST", ["ports"]) => self.create_port(version, body),
            ("GET", ["ports", ident]) => Err(Fault::port_not_found(ident)),
            (_, ["nodes", ident, rest @ ..]) => self.answer_node(method, ident, rest, version, &query, body),
            _ => Err(Fault::new(ErrorName::NotFound, format!("the fake server has no {line}"))),
        }
    }

    /// Answers a request about one node.
    fn answer_node(
        &mut self,
        method: &str,
        ident: &str,
        rest: &[&str],
        version: Microversion,
        query: &[(String, String)],
        body: &Value,
    ) -> Result<Answer, Fault> {
        let node = self.node(ident)?.clone();
        match (method, rest) {
            ("GET", []) => {
                let fields = selected_fields(&NODE, version, query)?;
                self.look_at_console(ident)?;
                let node = self.node(ident)?;
                Ok((200, Value::from(NODE.view(node, version, fields.as_deref()))))
            }
            ("PATCH", []) => {
                let members = NODE.view(&node, version, None);
                let patched = Patch::parse(&PATCH, version, body)?.apply(&members)?;
                *self.node(ident)? =
                    serde_json::from_value(Value::from(patched.members)).expect("it is a node");
                // It may have another name now.
                Ok((200, json!(self.node(&node.uuid)?)))
            }
            ("DELETE", []) => {
                self.nodes.retain(|other| other.uuid != node.uuid);
                Ok((204, Value::Null))
            }
            ("GET", ["states"]) => {
                self.look(ident)?;
                Ok((200, Value::from(NodeStates::from(&*self.node(ident)?).view(version))))
            }
            ("PUT", ["states", "power"]) => {
                let request = PowerRequest::parse(version, body)?;
                let target = PowerTarget::parse(&request.target).expect("the program knows the targets");
                self.node(ident)?.target_power_state = Some(target.final_state().to_owned());
                self.looks = 0;
                Ok((202, Value::Null))
            }
            ("PUT", ["states", "console"]) => {
                self.node(ident)?.reservation = Some("c1".to_owned());
                self.console = body["enabled"].as_bool();
                self.looks = 0;
                Ok((202, Value::Null))
            }
            ("PUT", ["states", "provision"]) => {
                let request = ProvisionRequest::parse(version, body)?;
                let (during, target) = way(&request.target);
                let node = self.node(ident)?;
                node.provision_state = Some(during.to_owned());
                node.target_provision_state = Some(target.to_owned());
                self.looks = 0;
                Ok((202, Value::Null))
            }
            ("GET", ["validate"]) => Ok((
                200,
                json!({
                    "power": {"result": true}, "boot": {"result": false, "reason": "no image"},
                    "console": {"result": null, "reason": "not supported"},
                }),
            )),
            ("GET", ["management", "boot_device"]) => {
                Ok((200, json!({"boot_device": "pxe", "persistent": false})))
            }
            ("GET", ["management", "boot_device", "supported"]) => {
                Ok((200, json!({"supported_boot_devices": ["pxe", "disk"]})))
            }
            ("PUT", ["management", "boot_device"]) => Ok((204, Value::Null)),
            _ => facts(method, rest, body),
        }
    }

    /// Lets the switch of a console come a little nearer to its end.
    fn look_at_console(&mut self, ident: &str) -> Result<(), Fault> {
        let Some(wanted) = self.console else { return Ok(()) };
        let (looks, until, error) = (self.looks, self.looks_until_changed, self.console_error.clone());
        self.looks += 1;
        if until.is_some_and(|until| until <= looks) {
            self.console = None;
            let node = self.node(ident)?;
            node.reservation = None;
            match error {
                None => node.console_enabled = wanted,
                Some(error) => node.last_error = Some(error),
            }
        }
        Ok(())
    }

    /// Lets a change of power come a little nearer to its end.
    fn look(&mut self, ident: &str) -> Result<(), Fault> {
        let (looks, until, error) = (self.looks, self.looks_until_changed, self.power_error.clone());
        self.looks += 1;
        let node = self.node(ident)?;
        if until.is_some_and(|until| until <= looks)
            && let Some(target) = node.target_power_state.take()
        {
            match error {
                None => node.power_state = Some(target),
                Some(error) => node.last_error = Some(error),
            }
        }
        let (ends, failure) = (self.provision_ends.clone(), self.provision_error.clone());
        let node = self.node(ident)?;
        if until.is_some_and(|until| until <= looks)
            && let Some(target) = node.target_provision_state.take()
        {
            node.provision_state = Some(ends.unwrap_or(target));
            node.last_error = failure;
        }
        Ok(())
    }

    /// Takes in a new node.
    fn create_node(&mut self, version: Microversion, body: &Value) -> Result<Answer, Fault> {
        let create = NodeCreate::parse(version, body)?;
        if let Some(name) = create.name.as_deref()
            && self.node(name).is_ok()
        {
            return Err(Fault::node_name_exists(name));
        }
        let node = Node {
            uuid: create.uuid.unwrap_or_else(|| N1.replace("0001", "0009")),
            name: create.name,
            driver: create.driver,
            driver_info: create.driver_info.unwrap_or_default(),
            provision_state: Some("enroll".to_owned()),
            ..Node::default()
        };
        self.nodes.push(node.clone());
        Ok((201, json!(node.with_links(&self.base))))
    }

    /// Takes in a new port.
    fn create_port(&mut self, version: Microversion, body: &Value) -> Result<Answer, Fault> {
        let create = PortCreate::parse(version, body)?;
        let port = Port {
            uuid: "b1b2c3d4-0001-4000-8000-000000000001".to_owned(),
            address: create.address,
            node_uuid: create.node_uuid,
            pxe_enabled: create.pxe_enabled.unwrap_or(true),
            ..Port::default()
        };
        self.ports.push(port.clone());
        Ok((201, json!(port.with_links(&self.base))))
    }
}

/// Answers about what belongs to a node.
fn facts(method: &str, rest: &[&str], body: &Value) -> Result<Answer, Fault> {
    match (method, rest) {
        ("PUT" | "DELETE", ["maintenance"]) => Ok((202, Value::Null)),
        ("GET", ["states", "console"]) => Ok((
            200,
            json!({"console_enabled": true, "console_info": {"type": "socat", "url": "tcp://192.0.2.1:9000"}}),
        )),
        ("GET", ["history"]) => Ok((200, json!({"history": [{"event": "it broke", "severity": "ERROR"}]}))),
        ("GET", ["traits"]) => Ok((200, json!({"traits": ["CUSTOM_A", "CUSTOM_B"]}))),
        ("PUT" | "DELETE", ["traits", ..]) => Ok((204, Value::Null)),
        ("GET", ["bios"]) => Ok((200, json!({"bios": [{"name": "turbo", "value": "on"}]}))),
        ("GET", ["firmware"]) => Ok((
            200,
            json!({"firmware": [{"component": "bmc", "initial_version": "1", "current_version": "2"}]}),
        )),
        ("GET", ["inventory"]) => Ok((200, json!({"inventory": {"cpu": {"count": 4}}, "plugin_data": {}}))),
        ("GET", ["vendor_passthru", "methods"]) => {
            Ok((200, json!({"blink": {"async": true, "description": "Blink"}})))
        }
        ("POST", ["vendor_passthru", "blink"]) => Ok((202, Value::Null)),
        ("POST", ["vendor_passthru", "say"]) => Ok((200, json!({"said": body}))),
        _ => Err(Fault::new(ErrorName::NotFound, format!("the fake server has no {rest:?}"))),
    }
}

/// What a node is in on the way to a target, and where that leads.
fn way(target: &str) -> (&'static str, &'static str) {
    match target {
        "manage" => ("verifying", "manageable"),
        "provide" => ("cleaning", "available"),
        "inspect" => ("inspecting", "manageable"),
        "clean" => ("cleaning", "manageable"),
        "deleted" => ("deleting", "available"),
        "rescue" => ("rescuing", "rescue"),
        "service" => ("servicing", "active"),
        "adopt" => ("adopting", "active"),
        _ => ("deploying", "active"),
    }
}

/// Answers a list, a page at a time.
fn list<T: Serialize>(
    base: &str,
    resource: &Resource,
    items: &[T],
    version: Microversion,
    arguments: &[(String, String)],
) -> Result<Answer, Fault> {
    let query = ListQuery::parse(resource, version, PAGE, arguments)?;
    let views: Vec<Map<String, Value>> =
        items.iter().map(|item| resource.view(item, version, None)).collect();
    let key = |view: &Map<String, Value>| view.get(resource.key).and_then(Value::as_str).map(str::to_owned);
    let start = views.iter().position(|view| query.marker.is_some() && key(view) == query.marker);
    let page: Vec<&Map<String, Value>> =
        views.iter().skip(start.map_or(0, |at| at + 1)).take(query.limit).collect();
    let mut answer = Map::new();
    if page.len() == query.limit {
        let last = page.last().and_then(|view| key(view)).unwrap_or_default();
        // As if a proxy stood before the server: the link does not name the address the client knows.
        let next = query.next(base, resource.collection, resource, &last).replace(base, "http://elsewhere");
        answer.insert("next".to_owned(), Value::from(next));
    }
    let fields = query.fields.clone().or_else(|| {
        (!query.detail).then(|| resource.summary.iter().map(|name| (*name).to_owned()).collect())
    });
    let page: Vec<Map<String, Value>> = page
        .into_iter()
        .map(|view| resource.view_members(view.clone(), version, fields.as_deref()))
        .collect();
    answer.insert(resource.collection.to_owned(), Value::from(page));
    Ok((200, Value::from(answer)))
}

/// The only conductor.
fn conductor(base: &str) -> Conductor {
    Conductor {
        hostname: "c1".to_owned(),
        drivers: vec!["ipmi".to_owned()],
        alive: false,
        ..Conductor::default()
    }
    .with_links(base)
}

/// The only driver.
fn driver(base: &str) -> Driver {
    let power =
        DriverInterface { default: Some("ipmitool".to_owned()), enabled: vec!["ipmitool".to_owned()] };
    Driver {
        name: "ipmi".to_owned(),
        hosts: vec!["c1".to_owned()],
        driver_type: "dynamic".to_owned(),
        interfaces: DriverInterfaces([("power".to_owned(), power)].into()),
        ..Driver::default()
    }
    .with_links(base)
}

/// Used by tests to speak of addresses below the fake server.
pub(crate) fn below(fake: &Fake, path: &str) -> String {
    address(&fake.url, path)
}
