//! What is refused, over everything that changes something: with which status and name, and that nothing has changed
//! and no lock is left.
//!
//! Verbs of provisioning have a table of their own beside their tests.

use axum::body::Body;
use axum::http::{Method, Request};
use farrier_model::node::Node;
use farrier_model::port::Port;
use farrier_store::{NodeFilter, Page, PortFilter};
use serde_json::{Value, json};

use super::{Answer, Api, NODE, VERSION_HEADER};

const PORT: &str = "a1b2c3d4-0002-4000-8000-000000000002";
const ADDRESS: &str = "52:54:00:12:34:56";
const OTHER: &str = "a1b2c3d4-0003-4000-8000-000000000003";
const NOBODY: &str = "a1b2c3d4-ffff-4000-8000-00000000000f";

/// A request that is refused.
struct Row {
    method: Method,
    path: String,
    body: Sent,
    state: &'static str,
    version: &'static str,
    change: fn(&mut Node),
    /// Status and name; without a name the request reaches no resource.
    refusal: &'static str,
}

enum Sent {
    Json(Value),
    Raw(&'static str, &'static str),
}

impl Row {
    fn new(method: Method, path: &str, body: Value, refusal: &'static str) -> Self {
        let (path, body) = (format!("/v1/{path}"), Sent::Json(body));
        Self { method, path, body, state: "manageable", version: "latest", change: |_| (), refusal }
    }

    fn on(method: Method, rest: &str, body: Value, refusal: &'static str) -> Self {
        Self::new(method, &format!("nodes/{NODE}{rest}"), body, refusal)
    }

    fn within(self, state: &'static str) -> Self {
        Self { state, ..self }
    }

    fn since(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    fn of(self, change: fn(&mut Node)) -> Self {
        Self { change, ..self }
    }
}

fn put(rest: &str, body: Value, refusal: &'static str) -> Row {
    Row::on(Method::PUT, rest, body, refusal)
}

fn post(path: &str, body: Value, refusal: &'static str) -> Row {
    Row::new(Method::POST, path, body, refusal)
}

fn remove(rest: &str, refusal: &'static str) -> Row {
    Row::on(Method::DELETE, rest, Value::Null, refusal)
}

fn patch(body: Value, refusal: &'static str) -> Row {
    Row::on(Method::PATCH, "", body, refusal)
}

/// A patch of one operation.
fn operation(op: &str, path: &str, value: Value, refusal: &'static str) -> Row {
    patch(json!([{"op": op, "path": path, "value": value}]), refusal)
}

fn raw(
    method: Method,
    path: &str,
    media_type: &'static str,
    body: &'static str,
    refusal: &'static str,
) -> Row {
    Row { body: Sent::Raw(media_type, body), ..Row::new(method, path, Value::Null, refusal) }
}

fn bodies() -> Vec<Row> {
    const JSON: &str = "application/json";
    let node = format!("nodes/{NODE}");
    let provision = format!("{node}/states/provision");
    vec![
        raw(Method::POST, "nodes", JSON, "{", "400 InvalidParameterValue"),
        raw(Method::POST, "nodes", JSON, "[]", "400 InvalidParameterValue"),
        raw(Method::POST, "nodes", JSON, "null", "400 InvalidParameterValue"),
        raw(Method::POST, "nodes", JSON, "\"x\"", "400 InvalidParameterValue"),
        raw(Method::POST, "nodes", JSON, "", "400 InvalidParameterValue"),
        raw(Method::POST, "nodes", "text/plain", "{\"driver\": \"fake-hardware\"}", "406 NotAcceptable"),
        raw(
            Method::POST,
            "nodes",
            JSON,
            "{\"driver\": \"a\", \"driver\": \"b\"",
            "400 InvalidParameterValue",
        ),
        raw(Method::PATCH, &node, JSON, "{", "400 InvalidParameterValue"),
        raw(Method::PATCH, &node, JSON, "{}", "400 InvalidParameterValue"),
        raw(Method::PATCH, &node, JSON, "1", "400 InvalidParameterValue"),
        raw(Method::PATCH, &node, "text/plain", "[]", "406 NotAcceptable"),
        raw(Method::PUT, &provision, JSON, "{", "400 InvalidParameterValue"),
        raw(Method::PUT, &provision, JSON, "[1]", "400 InvalidParameterValue"),
        raw(Method::PUT, &provision, "text/plain", "{\"target\": \"manage\"}", "406 NotAcceptable"),
        raw(Method::POST, "ports", JSON, "[]", "400 InvalidParameterValue"),
        raw(Method::POST, "ports", JSON, "", "400 InvalidParameterValue"),
    ]
}

fn nodes() -> Vec<Row> {
    let node = |members: Value| {
        let mut body = json!({"driver": "fake-hardware"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    vec![
        post("nodes", json!({}), "400 InvalidParameterValue"),
        post("nodes", json!({"driver": null}), "400 InvalidParameterValue"),
        post("nodes", json!({"driver": 1}), "400 InvalidParameterValue"),
        post("nodes", json!({"driver": "nosuch"}), "400 NoValidHost"),
        post("nodes", node(json!({"bogus": 1})), "400 InvalidParameterValue"),
        post("nodes", node(json!({"provision_state": "active"})), "400 InvalidParameterValue"),
        post("nodes", node(json!({"reservation": "me"})), "400 InvalidParameterValue"),
        post("nodes", node(json!({"uuid": "x"})), "400 InvalidUUID"),
        post("nodes", node(json!({"uuid": NODE})), "409 NodeAlreadyExists"),
        post("nodes", node(json!({"name": "node-1"})), "409 NodeAlreadyExists"),
        post("nodes", node(json!({"name": "a b"})), "400 InvalidName"),
        post("nodes", node(json!({"name": "detail"})), "400 InvalidName"),
        post("nodes", node(json!({"name": OTHER})), "400 InvalidName"),
        post("nodes", node(json!({"power_interface": "nosuch"})), "400 InterfaceNotFoundInEntrypoint"),
        post("nodes", node(json!({"conductor_group": "nowhere"})), "400 NoValidHost"),
        post("nodes", node(json!({"conductor_group": "a/b"})), "400 InvalidParameterValue"),
        post("nodes", node(json!({"automated_clean": "maybe"})), "400 InvalidParameterValue"),
        post("nodes", node(json!({"driver_info": []})), "400 InvalidParameterValue"),
        post("nodes", node(json!({"parent_node": NOBODY})), "400 NodeNotFound"),
        post("nodes", node(json!({"name": "x"})), "406 NotAcceptable").since("1.4"),
        post("nodes", node(json!({"owner": "x"})), "406 NotAcceptable").since("1.49"),
        post("nodes?bogus=1", node(json!({})), "400 ClientSideError"),
        Row::new(Method::DELETE, &format!("nodes/{NOBODY}"), Value::Null, "404 NodeNotFound"),
        Row::new(Method::DELETE, "nodes/nobody", Value::Null, "404 NodeNotFound"),
        Row::new(Method::DELETE, "nodes/node-1", Value::Null, "400 InvalidUUID").since("1.4"),
        remove("?bogus=1", "400 ClientSideError"),
        remove("", "400 InvalidStateRequested").within("active"),
        remove("", "400 InvalidStateRequested").within("clean wait"),
        remove("", "400 InvalidStateRequested").within("deploy failed"),
        remove("", "403 NodeProtected").within("active").of(|node| node.protected = true),
        remove("", "409 NodeAssociated").of(|node| node.instance_uuid = Some(NOBODY.parse().unwrap())),
        remove("", "409 NodeLocked").of(|node| node.reservation = Some("host-2".to_owned())),
        Row::new(Method::PUT, "nodes", json!({}), "405"),
        Row::new(Method::POST, &format!("nodes/{NODE}"), json!({}), "405"),
        Row::new(Method::POST, "nosuch", json!({}), "404"),
    ]
}

fn patches() -> Vec<Row> {
    let set = |path: &str, value: Value, refusal| operation("add", path, value, refusal);
    vec![
        patch(json!([1]), "400 InvalidParameterValue"),
        patch(json!([{"op": "add", "path": "/owner"}]), "400 InvalidParameterValue"),
        patch(json!([{"op": "add", "value": 1}]), "400 InvalidParameterValue"),
        patch(json!([{"path": "/owner", "value": "x"}]), "400 InvalidParameterValue"),
        patch(
            json!([{"op": "add", "path": "/owner", "value": "x", "bogus": 1}]),
            "400 InvalidParameterValue",
        ),
        operation("test", "/owner", json!("x"), "400 InvalidParameterValue"),
        operation("move", "/owner", json!("x"), "400 InvalidParameterValue"),
        set("owner", json!("x"), "400 InvalidParameterValue"),
        set("", json!("x"), "400 InvalidParameterValue"),
        set("/", json!("x"), "400 InvalidParameterValue"),
        set("/owner/", json!("x"), "400 InvalidParameterValue"),
        set("/bogus", json!("x"), "400 InvalidParameterValue"),
        set("/uuid", json!(OTHER), "400 InvalidParameterValue"),
        set("/reservation", json!("x"), "400 InvalidParameterValue"),
        set("/provision_state", json!("active"), "400 InvalidParameterValue"),
        set("/power_state", json!("power on"), "400 InvalidParameterValue"),
        set("/driver_internal_info/a", json!(1), "400 InvalidParameterValue"),
        set("/traits", json!([]), "400 InvalidParameterValue"),
        set("/extra/a/b", json!(1), "400 InvalidParameterValue"),
        set("/extra/~2", json!(1), "400 InvalidParameterValue"),
        set("/extra/~1", json!(1), "400 InvalidParameterValue").since("1.97"),
        operation("replace", "/extra/nosuch", json!(1), "400 InvalidParameterValue"),
        patch(json!([{"op": "remove", "path": "/extra/nosuch"}]), "400 InvalidParameterValue"),
        patch(json!([{"op": "remove", "path": "/driver"}]), "400 InvalidParameterValue"),
        set("/driver_info", json!("x"), "400 InvalidParameterValue"),
        set("/extra", json!([]), "400 InvalidParameterValue"),
        set("/owner", json!(1), "400 InvalidParameterValue"),
        set("/automated_clean", json!("maybe"), "400 InvalidParameterValue"),
        set("/maintenance", json!("maybe"), "400 InvalidParameterValue"),
        set("/name", json!("a b"), "400 InvalidParameterValue"),
        set("/name", json!("states"), "400 InvalidParameterValue"),
        set("/name", json!("other"), "409 NodeAlreadyExists"),
        set("/instance_uuid", json!("x"), "400 InvalidParameterValue"),
        set("/instance_uuid", json!(NOBODY), "409 NodeAssociated")
            .of(|node| node.instance_uuid = Some(OTHER.parse().unwrap())),
        set("/driver", json!("nosuch"), "400 NoValidHost"),
        set("/driver", json!(""), "400 NoValidHost"),
        set("/power_interface", json!("nosuch"), "400 InterfaceNotFoundInEntrypoint"),
        set("/deploy_interface", json!("noop"), "400 InvalidStateRequested").within("active"),
        set("/conductor_group", json!("a/b"), "400 InvalidParameterValue"),
        set("/conductor_group", json!("nowhere"), "400 NoValidHost"),
        set("/parent_node", json!(NOBODY), "400 NodeNotFound"),
        set("/protected", json!(true), "409 InvalidState"),
        set("/owner", json!("x"), "409 Conflict").within("cleaning"),
        set("/owner", json!("x"), "409 Conflict").within("deploying"),
        set("/owner", json!("x"), "409 NodeLocked").of(|node| node.reservation = Some("host-2".to_owned())),
        set("/owner", json!("x"), "406 NotAcceptable").since("1.49"),
        patch(
            json!([{"op": "add", "path": "/owner", "value": "x"}, {"op": "add", "path": "/bogus", "value": 1}]),
            "400 InvalidParameterValue",
        ),
        patch(
            json!([{"op": "add", "path": "/extra/a", "value": 1}, {"op": "remove", "path": "/extra/b"}]),
            "400 InvalidParameterValue",
        ),
        Row::on(
            Method::PATCH,
            "?reset_interfaces=true",
            json!([{"op": "add", "path": "/owner", "value": "x"}]),
            "400 InvalidParameterValue",
        ),
        Row::on(Method::PATCH, "?reset_interfaces=maybe", json!([]), "400 InvalidParameterValue"),
        Row::on(Method::PATCH, "?bogus=1", json!([]), "400 ClientSideError"),
        Row::new(Method::PATCH, &format!("nodes/{NOBODY}"), json!([]), "404 NodeNotFound"),
    ]
}

fn states() -> Vec<Row> {
    let power = |body: Value, refusal| put("/states/power", body, refusal);
    vec![
        power(json!({}), "400 MissingParameterValue"),
        power(json!({"target": null}), "400 MissingParameterValue"),
        power(json!({"target": 1}), "400 InvalidParameterValue"),
        power(json!({"target": "bogus"}), "400 InvalidStateRequested"),
        power(json!({"target": "error"}), "400 InvalidStateRequested"),
        power(json!({"target": "power on", "bogus": 1}), "400 ClientSideError"),
        power(json!({"target": "power on", "timeout": 0}), "400 InvalidParameterValue"),
        power(json!({"target": "power on", "timeout": -1}), "400 InvalidParameterValue"),
        power(json!({"target": "power on", "timeout": "soon"}), "400 InvalidParameterValue"),
        power(json!({"target": "power on", "timeout": 604_801}), "400 InvalidParameterValue"),
        power(json!({"target": "power on", "timeout": 5}), "406 NotAcceptable").since("1.26"),
        power(json!({"target": "soft power off"}), "406 NotAcceptable").since("1.26"),
        power(json!({"target": "power on"}), "400 InvalidStateRequested").within("cleaning"),
        power(json!({"target": "power off"}), "400 InvalidStateRequested").within("clean wait"),
        power(json!({"target": "power off"}), "409 PowerStateFailure")
            .of(|node| node.disable_power_off = true),
        power(json!({"target": "soft power off"}), "409 PowerStateFailure")
            .of(|node| node.disable_power_off = true),
        power(json!({"target": "power on"}), "409 NodeLocked")
            .of(|node| node.reservation = Some("host-2".to_owned())),
        Row::new(Method::PUT, "nodes/nobody/states/power", json!({"target": "power on"}), "404 NodeNotFound"),
        put("/states/boot_mode", json!({"target": "bogus"}), "400 InvalidParameterValue"),
        put("/states/boot_mode", json!({}), "400 MissingParameterValue"),
        put("/states/boot_mode", json!({"target": "uefi"}), "404").since("1.75"),
        put("/states/secure_boot", json!({"target": "maybe"}), "400 InvalidParameterValue"),
        put("/states/secure_boot", json!({}), "400 MissingParameterValue"),
        put("/states/secure_boot", json!({"target": true}), "404").since("1.75"),
        put("/states/raid", json!([]), "400 InvalidParameterValue"),
        put("/states/raid", json!({"bogus": 1}), "400 InvalidParameterValue"),
        put(
            "/states/raid",
            json!({"logical_disks": [{"size_gb": 0, "raid_level": "1"}]}),
            "400 InvalidParameterValue",
        ),
        put("/states/console", json!({}), "400 MissingParameterValue"),
        put("/states/console", json!({"enabled": "maybe"}), "400 InvalidParameterValue"),
        put("/states/nosuch", json!({}), "404"),
        put("/maintenance", json!({"bogus": 1}), "400 ClientSideError"),
        put("/maintenance", json!({"reason": 1}), "400 InvalidParameterValue"),
        put("/maintenance", json!({}), "409 NodeLocked")
            .of(|node| node.reservation = Some("host-2".to_owned())),
        remove("/maintenance?bogus=1", "400 ClientSideError"),
        Row::new(Method::PUT, "nodes/nobody/maintenance", json!({}), "404 NodeNotFound"),
    ]
}

fn belongings() -> Vec<Row> {
    vec![
        put("/traits", json!({}), "400 MissingParameterValue"),
        put("/traits", json!({"traits": "CUSTOM_A"}), "400 InvalidParameterValue"),
        put("/traits", json!({"traits": ["bogus"]}), "400 InvalidParameterValue"),
        put("/traits", json!({"traits": ["CUSTOM_a"]}), "400 InvalidParameterValue"),
        put("/traits", json!({"traits": ["CUSTOM_A"], "bogus": 1}), "400 ClientSideError"),
        put("/traits/CUSTOM_B-C", Value::Null, "400 InvalidParameterValue"),
        put("/traits/CUSTOM_B", json!({"traits": ["CUSTOM_C"]}), "400 ClientSideError"),
        put("/traits/CUSTOM_B", Value::Null, "404").since("1.36"),
        put("/traits/CUSTOM_B", Value::Null, "409 NodeLocked")
            .of(|node| node.reservation = Some("host-2".to_owned())),
        remove("/traits/CUSTOM_B", "404 NodeTraitNotFound"),
        Row::new(Method::DELETE, "nodes/nobody/traits", Value::Null, "404 NodeNotFound"),
        put("/management/boot_device", json!({}), "400 MissingParameterValue"),
        put("/management/boot_device", json!({"boot_device": "bogus"}), "400 InvalidParameterValue"),
        put(
            "/management/boot_device",
            json!({"boot_device": "pxe", "persistent": "maybe"}),
            "400 InvalidParameterValue",
        ),
        put("/management/boot_device", json!({"boot_device": "pxe", "bogus": 1}), "400 ClientSideError"),
        put("/management/inject_nmi", json!({"a": 1}), "400 ClientSideError"),
        put("/management/indicators/nosuch@system", json!({"state": "ON"}), "400 InvalidParameterValue"),
        Row::on(Method::POST, "/vifs", json!({}), "400 InvalidParameterValue"),
        Row::on(Method::POST, "/vifs", json!({"id": "x"}), "404").since("1.27"),
        Row::on(Method::POST, "/vmedia", json!({}), "400 MissingParameterValue"),
        Row::on(
            Method::POST,
            "/vmedia",
            json!({"device_type": "bogus", "image_url": "http://x/y"}),
            "400 InvalidParameterValue",
        ),
        Row::on(Method::POST, "/vmedia", json!({"device_type": "cdrom", "image_url": "http://x/y"}), "404")
            .since("1.88"),
        Row::on(Method::POST, "/vendor_passthru/nosuch", json!({}), "400 InvalidParameterValue"),
        Row::on(Method::POST, "/vendor_passthru", json!({}), "400 ClientSideError"),
        Row::on(Method::GET, "/bios/nosuch", Value::Null, "404 BIOSSettingNotFound"),
        Row::on(Method::GET, "/inventory", Value::Null, "404 NotFound"),
        Row::on(Method::GET, &format!("/history/{NOBODY}"), Value::Null, "404 NotFound"),
    ]
}

fn ports() -> Vec<Row> {
    let port = |members: Value| {
        let mut body = json!({"node_uuid": NODE, "address": "52:54:00:00:00:01"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    };
    let change = |op: &str, path: &str, value: Value, refusal| {
        let body = json!([{"op": op, "path": path, "value": value}]);
        Row::new(Method::PATCH, &format!("ports/{PORT}"), body, refusal)
    };
    vec![
        post("ports", json!({"node_uuid": NODE}), "400 InvalidParameterValue"),
        post("ports", json!({"address": ADDRESS}), "400 InvalidParameterValue"),
        post("ports", port(json!({"address": "bogus"})), "400 InvalidMAC"),
        post("ports", port(json!({"address": ADDRESS})), "409 MACAlreadyExists"),
        post("ports", port(json!({"address": ADDRESS.to_uppercase()})), "409 MACAlreadyExists"),
        post("ports", port(json!({"uuid": PORT})), "409 PortAlreadyExists"),
        post("ports", port(json!({"uuid": "x"})), "400 InvalidUUID"),
        post("ports", port(json!({"node_uuid": NOBODY})), "400 NodeNotFound"),
        post("ports", port(json!({"bogus": 1})), "400 InvalidParameterValue"),
        post("ports", port(json!({"pxe_enabled": "maybe"})), "400 InvalidParameterValue"),
        post("ports", port(json!({"name": "x"})), "406 NotAcceptable").since("1.87"),
        change("add", "/address", json!("bogus"), "400 InvalidParameterValue"),
        change("add", "/uuid", json!(OTHER), "400 InvalidParameterValue"),
        change("add", "/node_uuid", json!(NOBODY), "400 NodeNotFound"),
        change("remove", "/address", Value::Null, "400 InvalidParameterValue"),
        change("add", "/bogus", json!(1), "400 InvalidParameterValue"),
        change("add", "/extra/a/b", json!(1), "400 InvalidParameterValue"),
        change("add", "/extra/a", json!(1), "409 NodeLocked")
            .of(|node| node.reservation = Some("host-2".to_owned())),
        Row::new(Method::PATCH, &format!("ports/{NOBODY}"), json!([]), "404 PortNotFound"),
        Row::new(Method::DELETE, &format!("ports/{NOBODY}"), Value::Null, "404 PortNotFound"),
        Row::new(Method::DELETE, &format!("ports/{PORT}"), Value::Null, "409 NodeLocked")
            .of(|node| node.reservation = Some("host-2".to_owned())),
        Row::new(Method::DELETE, "ports", Value::Null, "405"),
    ]
}

/// Everything there is.
async fn everything(api: &Api) -> (Vec<Node>, Vec<Port>) {
    let nodes = api.store.node_list(&NodeFilter::default(), &Page::default()).await.unwrap();
    let ports = api.store.port_list(&PortFilter::default(), &Page::default()).await.unwrap();
    (nodes, ports)
}

/// The same without what taking and giving back a lock changes.
fn lasting((mut nodes, ports): (Vec<Node>, Vec<Port>)) -> (Vec<Node>, Vec<Port>) {
    for node in &mut nodes {
        node.updated_at = None;
        node.driver_internal_info_revision = 0;
    }
    (nodes, ports)
}

async fn ask(api: &Api, row: &Row) -> Answer {
    let (media_type, body) = match &row.body {
        Sent::Json(body) => {
            ("application/json", if body.is_null() { String::new() } else { body.to_string() })
        }
        Sent::Raw(media_type, body) => (*media_type, (*body).to_owned()),
    };
    let request = Request::builder()
        .method(row.method.clone())
        .uri(&row.path)
        .header("host", super::HOST)
        .header("content-type", media_type)
        .header(VERSION_HEADER, row.version);
    api.send(request.body(Body::from(body)).unwrap()).await
}

/// A world with a node in the state that the row wants, held by somebody else if it wants that.
async fn prepare(api: &Api, row: &Row, fresh: &Node) {
    let now = api.store.node_get_by_name(NODE).await.unwrap();
    let mut wanted = Node { provision_state: row.state.parse().unwrap(), ..fresh.clone() };
    wanted.target_provision_state = wanted.provision_state.default_target();
    (row.change)(&mut wanted);
    api.store.node_update(&now, &wanted).await.unwrap();
    if let Some(holder) = &wanted.reservation {
        api.store.node_reserve(now.id, holder, "testing").await.unwrap();
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name_changes_nothing_and_leaves_no_lock() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let other = json!({"driver": "fake-hardware", "uuid": OTHER, "name": "other"});
    assert_eq!(api.post("/v1/nodes", other).await.status, 201);
    let port = json!({"node_uuid": NODE, "address": ADDRESS, "uuid": PORT});
    assert_eq!(api.post("/v1/ports", port).await.status, 201);
    let fresh = api.store.node_get_by_name(NODE).await.unwrap();
    let rows: Vec<Row> =
        [bodies(), nodes(), patches(), states(), belongings(), ports()].into_iter().flatten().collect();
    let mut wrong = Vec::new();

    for (number, row) in rows.iter().enumerate() {
        prepare(&api, row, &fresh).await;
        let before = everything(&api).await;

        let answer = ask(&api, row).await;

        let body = match &row.body {
            Sent::Json(body) => body.to_string(),
            Sent::Raw(_, body) => (*body).to_owned(),
        };
        let at = format!("{number}: {} {} {body} in {} as {}", row.method, row.path, row.state, row.version);
        let name = answer.headers.get("x-farrier-error").map(|name| name.to_str().unwrap());
        let refusal = [Some(answer.status.to_string().as_str()), name]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ");
        if refusal != row.refusal {
            wrong.push(format!("{at}: {refusal} instead of {}: {:?}", row.refusal, answer.body));
        }
        let after = everything(&api).await;
        if lasting(after.clone()) != lasting(before.clone()) {
            wrong.push(format!("{at}: something has changed"));
        }
        if let Some(holder) =
            after.0.iter().find(|node| node.uuid == fresh.uuid).and_then(|node| node.reservation.clone())
        {
            api.store.node_release(fresh.id, &holder).await.unwrap();
        }
    }

    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
