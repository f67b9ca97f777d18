//! Nodes: enrolling, listing, showing, changing and deleting them.

use axum::http::Method;
use farrier_api::node::NODE as NODE_RESOURCE;
use serde_json::{Value, json};

use super::{Api, NODE};

const INSTANCE: &str = "5f9b59d2-4afe-4d11-9d0a-5ab1c0de0000";

#[tokio::test]
async fn an_enrolled_node_has_every_default() {
    let api = Api::new().await;

    let answer = api.enroll(json!({"properties": {"cpus": 8}})).await;

    assert_eq!(answer.header("location"), format!("http://127.0.0.1:6385/v1/nodes/{NODE}"));
    assert_eq!(answer.body["provision_state"], "enroll");
    assert_eq!(answer.body["power_interface"], "fake");
    assert_eq!(answer.body["network_interface"], "noop");
    assert_eq!(answer.body["conductor"], "host-1");
    assert_eq!(answer.body["properties"], json!({"cpus": 8}));
    assert_eq!(api.get("/v1/nodes/node-1").await.body, answer.body);
}

#[tokio::test]
async fn a_node_of_an_old_client_is_available_and_called_null() {
    let api = Api::new().await;

    let answer = api.call("1.1", Method::POST, "/v1/nodes", json!({"driver": "fake-hardware"})).await;

    assert_eq!((answer.status, &answer.body["provision_state"]), (201, &Value::Null));
    let uuid = answer.body["uuid"].as_str().unwrap();
    assert_eq!(api.get(&format!("/v1/nodes/{uuid}")).await.body["provision_state"], "available");
}

#[tokio::test]
async fn nodes_that_make_no_sense_are_refused() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let refused = [
        json!({"driver": "nosuch"}),
        json!({"driver": "fake-hardware", "deploy_interface": "nosuch"}),
        json!({"driver": "fake-hardware", "conductor_group": "elsewhere"}),
        json!({"driver": "fake-hardware", "conductor_group": "a b"}),
        json!({"driver": "fake-hardware", "parent_node": "nosuch"}),
        json!({"driver": "fake-hardware", "chassis_uuid": INSTANCE}),
        json!({"driver": "fake-hardware", "uuid": NODE}),
        json!({"driver": "fake-hardware", "name": "node-1"}),
        json!({"driver": "fake-hardware", "name": "bad name!"}),
        json!({"driver": "fake-hardware", "driver_info": "no mapping"}),
        json!({"driver": "fake-hardware", "provision_state": "active"}),
        json!({"name": "x"}),
    ];

    let mut texts = Vec::new();
    for body in refused {
        texts.push(api.post("/v1/nodes", body).await.error());
    }

    insta::assert_snapshot!(texts.join("\n"), @r#"
        400 No valid host was found. Reason: No conductor service registered which supports driver nosuch for conductor group "". Ensure the driver is valid and enabled.
        400 Could not find the following interface in the 'ironic.hardware.interfaces.deploy' entrypoint: nosuch. Valid interfaces are ['fake', 'noop'].
        400 No valid host was found. Reason: No conductor service registered which supports driver fake-hardware for conductor group "elsewhere". Ensure the driver is valid and enabled.
        400 Invalid conductor_group: 'a b' has to be letters, digits, '-', '_' and '.'
        400 Node nosuch could not be found.
        400 Chassis 5f9b59d2-4afe-4d11-9d0a-5ab1c0de0000 could not be found.
        409 A node with UUID a1b2c3d4-0001-4000-8000-000000000001 already exists.
        409 A node with name node-1 already exists.
        400 Cannot create node with invalid name 'bad name!'
        400 Schema error for node: '******' is not of type 'object', 'null'
        400 Schema error for node: Additional properties are not allowed ('provision_state' was unexpected)
        400 Schema error for node: 'driver' is a required property
        "#);
}

#[tokio::test]
async fn secrets_are_masked_wherever_a_node_is_shown() {
    let api = Api::new().await;
    let created = api
        .enroll(json!({
            "driver_info": {"fake_password": "hunter2", "fake_user": "admin"},
            "instance_info": {"configdrive": "hunter2", "list": [{"auth_token": "hunter2"}]},
        }))
        .await;

    let answers = [
        created,
        api.get("/v1/nodes/node-1").await,
        api.get("/v1/nodes/detail").await,
        api.get("/v1/nodes?fields=driver_info,instance_info").await,
        api.patch("/v1/nodes/node-1", json!([{"op": "add", "path": "/extra/a", "value": 1}])).await,
        api.patch("/v1/nodes/node-1", json!([{"op": "add", "path": "/driver_info/x/y", "value": 1}])).await,
    ];

    for answer in answers {
        assert!(!answer.body.to_string().contains("hunter2"), "{answer:?}");
    }
    let shown = api.get("/v1/nodes/node-1").await.body;
    assert_eq!(shown["driver_info"], json!({"fake_password": "******", "fake_user": "admin"}));
    assert_eq!(shown["instance_info"], json!({"configdrive": "******", "list": [{"auth_token": "******"}]}));
}

#[tokio::test]
async fn secrets_among_the_arguments_of_a_step_are_masked() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let step = json!({"interface": "management", "step": "add_account", "args": {"user": "root", "password": "hunter2"}});
    let before = api.store.node_get_by_name("node-1").await.unwrap();
    let mut after = before.clone();
    for fields in [&mut after.clean_step, &mut after.deploy_step, &mut after.service_step] {
        *fields = step.as_object().cloned().unwrap();
    }
    after.driver_internal_info.insert("clean_steps".to_owned(), json!([step]));
    api.store.node_update(&before, &after).await.unwrap();

    let shown = api.get("/v1/nodes/node-1").await.body;

    assert!(!shown.to_string().contains("hunter2"), "{shown}");
    for member in ["clean_step", "deploy_step", "service_step"] {
        assert_eq!(shown[member]["args"], json!({"user": "root", "password": "******"}));
    }
}

#[tokio::test]
async fn a_mask_that_is_written_back_keeps_the_secret() {
    let api = Api::new().await;
    api.enroll(json!({"driver_info": {"fake_password": "hunter2", "fake_user": "admin"}})).await;
    let mut shown = api.get("/v1/nodes/node-1").await.body["driver_info"].clone();
    shown["fake_user"] = json!("root");

    let answer = api
        .patch("/v1/nodes/node-1", json!([{"op": "replace", "path": "/driver_info", "value": shown}]))
        .await;

    assert_eq!(answer.status, 200, "{answer:?}");
    let stored = api.store.node_get_by_name("node-1").await.unwrap().driver_info;
    assert_eq!(Value::Object(stored), json!({"fake_password": "hunter2", "fake_user": "root"}));
}

#[tokio::test]
async fn a_node_is_shown_as_its_version_knows_it() {
    let api = Api::new().await;
    api.enroll(json!({"owner": "alice"})).await;
    let show = |version| api.call(version, Method::GET, "/v1/nodes/node-1", Value::Null);

    assert!(!show("1.49").await.names().contains(&"owner"));
    assert!(show("1.50").await.names().contains(&"owner"));
    assert_eq!(show("1.115").await.names().len(), farrier_api::node::NODE.fields.len());
    let fields = api.call("1.49", Method::GET, "/v1/nodes/node-1?fields=owner", Value::Null).await;
    assert_eq!(fields.error(), "406 Request not acceptable.");
    let fields = api.get("/v1/nodes/node-1?fields=uuid,name").await;
    assert_eq!(fields.names(), ["links", "name", "uuid"]);
    assert_eq!(api.get("/v1/nodes/node-1?fields=bogus").await.status, 400);
}

#[tokio::test]
async fn a_node_has_no_name_before_names_were() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let by_name = |version| api.call(version, Method::GET, "/v1/nodes/node-1", Value::Null);

    assert_eq!(by_name("1.4").await.error(), "400 Expected UUID for node_ident: node-1");
    assert_eq!(by_name("1.5").await.status, 200);
    let by_uuid = api.call("1.4", Method::GET, &format!("/v1/nodes/{NODE}"), Value::Null).await;
    assert_eq!(by_uuid.status, 200);
}

#[tokio::test]
async fn a_path_that_is_no_text_is_refused_in_our_shape() {
    assert!(Api::new().await.get("/v1/nodes/%ff").await.error().starts_with("400 "));
}

#[tokio::test]
async fn names_with_a_tilde_are_names() {
    let api = Api::new().await;
    api.post("/v1/nodes", json!({"driver": "fake-hardware", "name": "space~node.1"})).await;

    assert_eq!(api.get("/v1/nodes/space~node.1").await.status, 200);
    assert_eq!(api.get("/v1/nodes/space%7Enode.1").await.status, 200);
}

#[tokio::test]
async fn lists_are_cut_into_pages_that_lead_on() {
    let api = Api::new().await;
    for name in ["c", "a", "b"] {
        let node = json!({"driver": "fake-hardware", "name": name});
        assert_eq!(api.post("/v1/nodes", node).await.status, 201);
    }

    let mut path = "/v1/nodes?limit=2&sort_key=name&sort_dir=desc".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = api.get(&path).await;
        pages.push(page.column("nodes", "name").join(" "));
        match page.body["next"].as_str() {
            Some(next) => path = next.strip_prefix("http://127.0.0.1:6385").unwrap().to_owned(),
            None => break,
        }
    }

    assert_eq!(pages, ["c b", "a"]);
    assert_eq!(api.get("/v1/nodes").await.column("nodes", "name"), ["c", "a", "b"]);
}

#[tokio::test]
async fn no_page_is_larger_than_the_server_allows() {
    let api = Api::with(|state| state.max_limit = 2).await;
    for name in ["a", "b", "c"] {
        api.post("/v1/nodes", json!({"driver": "fake-hardware", "name": name})).await;
    }

    for path in ["/v1/nodes", "/v1/nodes?limit=100", "/v1/nodes/detail"] {
        let page = api.get(path).await;
        assert_eq!(page.column("nodes", "name"), ["a", "b"], "{path}");
        assert!(page.body["next"].as_str().unwrap().contains("limit=2"), "{path}");
    }
}

#[tokio::test]
async fn lists_show_as_much_as_they_are_asked_for() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let names = |answer: super::Answer| {
        let item = answer.body["nodes"][0].as_object().unwrap().clone();
        item.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let whole = farrier_api::node::NODE.fields.len();

    assert_eq!(
        names(api.get("/v1/nodes").await),
        "instance_uuid links maintenance name power_state provision_state uuid"
    );
    assert_eq!(names(api.get("/v1/nodes?fields=uuid,driver").await), "driver links uuid");
    assert_eq!(names(api.get("/v1/nodes?detail=True").await).split(' ').count(), whole);
    assert_eq!(names(api.get("/v1/nodes/detail").await).split(' ').count(), whole);
    assert_eq!(api.get("/v1/nodes/detail?fields=uuid").await.status, 400);
}

#[tokio::test]
async fn the_short_form_shows_what_the_whole_node_does() {
    let api = Api::new().await;
    for state in ["available", "inspect wait", "active"] {
        let name = state.replace(' ', "-");
        let body = json!({"driver": "fake-hardware", "name": name, "instance_info": {"a": 1}});
        assert_eq!(api.post("/v1/nodes", body).await.status, 201);
        api.put_into(&name, state, None).await;
    }
    let before = api.store.node_get_by_name("active").await.unwrap();
    let mut after = before.clone();
    after.power_state = Some(farrier_sdk::interface::power::PowerState::On);
    after.maintenance = true;
    after.instance_uuid = Some(INSTANCE.parse().unwrap());
    api.store.node_update(&before, &after).await.unwrap();

    for (version, short, whole, names) in [
        ("1.1", "", "", NODE_RESOURCE.summary),
        ("1.2", "", "", NODE_RESOURCE.summary),
        ("1.5", "", "", NODE_RESOURCE.summary),
        ("1.39", "?limit=2&sort_key=name", "?limit=2&sort_key=name", NODE_RESOURCE.summary),
        ("latest", "", "", NODE_RESOURCE.summary),
        ("latest", "?fields=power_state,name", "", &["power_state", "name"]),
        ("latest", "?fields=provision_state,uuid,links", "", &["provision_state", "uuid"]),
    ] {
        let path = format!("/v1/nodes{short}");
        let short = api.call(version, Method::GET, &path, Value::Null).await.body;
        let whole = format!("/v1/nodes/detail{whole}");
        let mut whole = api.call(version, Method::GET, &whole, Value::Null).await.body;

        for node in whole["nodes"].as_array_mut().unwrap() {
            node.as_object_mut().unwrap().retain(|name, _| name == "links" || names.contains(&name.as_str()));
        }
        assert_eq!(short["nodes"], whole["nodes"], "{version} {path}");
        assert_eq!(short["next"].is_null(), whole["next"].is_null(), "{version} {path}");
    }
}

#[tokio::test]
async fn the_short_form_reads_no_whole_node() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let body = json!({"node_uuid": NODE, "address": "52:54:00:aa:00:02"});
    assert_eq!(api.post("/v1/ports", body).await.status, 201);
    let (nodes, ports) = (api.store.probe().count("node_list"), api.store.probe().count("port_list"));

    for path in ["/v1/nodes", "/v1/nodes?fields=uuid,name", "/v1/ports", "/v1/ports?fields=address"] {
        assert_eq!(api.get(path).await.status, 200);
    }

    assert_eq!((api.store.probe().count("node_list"), api.store.probe().count("port_list")), (nodes, ports));
}

#[tokio::test]
async fn filters_let_the_right_nodes_through() {
    let api = Api::new().await;
    api.enroll(
        json!({"resource_class": "gold", "owner": "alice", "description": "The First", "shard": "s1"}),
    )
    .await;
    api.post("/v1/nodes", json!({"driver": "fake-hardware", "name": "child", "parent_node": "node-1"})).await;
    api.post("/v1/nodes", json!({"driver": "fake-hardware", "name": "other", "lessee": "alice"})).await;
    api.put("/v1/nodes/other/maintenance", json!({"reason": "fan"})).await;

    for (query, names) in [
        ("", "node-1 other"),
        ("include_children=true", "node-1 child other"),
        ("parent_node=node-1", "child"),
        ("parent_node=nosuch", ""),
        ("resource_class=gold", "node-1"),
        ("owner=alice", "node-1"),
        ("lessee=alice", "other"),
        ("project=alice", "node-1 other"),
        ("description_contains=first", "node-1"),
        ("shard=s1,s2", "node-1"),
        ("sharded=false", "other"),
        ("maintenance=YES", "other"),
        ("driver=fake-hardware", "node-1 other"),
        ("driver=nosuch", ""),
        ("conductor=host-1", "node-1 other"),
        ("conductor=host-1&driver=nosuch", ""),
        ("conductor=host-2", ""),
        ("conductor_group=", "node-1 other"),
        ("conductor_group=nosuch", ""),
        ("provision_state=enroll", "node-1 other"),
        ("provision_state=active", ""),
        ("associated=true", ""),
        ("retired=false", "node-1 other"),
        ("fault=power%20failure", ""),
        ("instance_uuid=5f9b59d2-4afe-4d11-9d0a-5ab1c0de0000", ""),
    ] {
        let answer = api.get(&format!("/v1/nodes?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(answer.column("nodes", "name").join(" "), names, "{query}");
    }
}

#[tokio::test]
async fn the_node_of_an_instance_is_a_list_without_a_second_page() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    api.patch("/v1/nodes/node-1", json!([{"op": "add", "path": "/instance_uuid", "value": INSTANCE}])).await;

    let answer = api.get(&format!("/v1/nodes/detail?instance_uuid={INSTANCE}&limit=1")).await;

    assert_eq!(answer.column("nodes", "name"), ["node-1"]);
    assert_eq!(answer.names(), ["nodes"]);
}

#[tokio::test]
async fn wrong_questions_about_lists_are_refused() {
    let api = Api::new().await;

    let mut texts = Vec::new();
    for query in [
        "provision_state=bogus",
        "fault=bogus",
        "instance_uuid=bogus",
        "maintenance=maybe",
        "limit=-1",
        "marker=bogus",
        "marker=11111111-2222-4333-8444-555555555555",
        "sort_key=properties",
        "fields=uuid,bogus",
        "bogus=1&more=2",
    ] {
        texts.push(api.get(&format!("/v1/nodes?{query}")).await.error());
    }

    insta::assert_snapshot!(texts.join("\n"), @r#"
        400 Provision state "bogus" is not valid
        400 Fault "bogus" is not valid
        400 Expected UUID for instance_uuid: bogus
        400 Invalid maintenance: Unrecognized value 'maybe', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'
        400 Limit must be positive
        400 Expected UUID for marker: bogus
        404 Node 11111111-2222-4333-8444-555555555555 could not be found.
        400 The sort_key value properties is an invalid field for sorting
        400 Field(s) "bogus" are not valid
        400 Unexpected arguments: bogus, more
        "#);
}

#[tokio::test]
async fn a_patch_changes_a_node_at_once_or_not_at_all() {
    let api = Api::new().await;
    api.enroll(json!({"extra": {"a": 1}})).await;

    let changed = api
        .patch(
            "/v1/nodes/node-1",
            json!([
                {"op": "add", "path": "/name", "value": "node-2"},
                {"op": "remove", "path": "/extra/a"},
                {"op": "add", "path": "/properties/cpus", "value": 4},
                {"op": "add", "path": "/automated_clean", "value": "True"},
            ]),
        )
        .await;
    let refused = api
        .patch(
            "/v1/nodes/node-2",
            json!([
                {"op": "add", "path": "/name", "value": "node-3"},
                {"op": "remove", "path": "/extra/nosuch"},
            ]),
        )
        .await;

    assert_eq!((changed.status, refused.status), (200, 400), "{changed:?} {refused:?}");
    let node = api.get("/v1/nodes/node-2").await.body;
    assert_eq!(node["extra"], json!({}));
    assert_eq!(node["properties"], json!({"cpus": 4}));
    assert_eq!(node["automated_clean"], true);
}

#[tokio::test]
async fn removed_members_have_their_defaults_again() {
    let api = Api::new().await;
    api.enroll(
        json!({"automated_clean": true, "owner": "alice", "bios_interface": "no-bios", "extra": {"a": 1}}),
    )
    .await;
    let remove = |name: &str| json!([{"op": "remove", "path": format!("/{name}")}]);

    for (name, value) in [
        ("automated_clean", Value::Null),
        ("owner", Value::Null),
        ("name", Value::Null),
        ("bios_interface", json!("fake")),
        ("extra", json!({})),
    ] {
        let answer = api.patch(&format!("/v1/nodes/{NODE}"), remove(name)).await;
        assert_eq!((answer.status, &answer.body[name]), (200, &value), "{name}: {answer:?}");
    }
    assert_eq!(api.patch(&format!("/v1/nodes/{NODE}"), remove("driver")).await.status, 400);
}

#[tokio::test]
async fn what_a_node_does_not_allow_now_is_refused() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let set = |name: &str, value: Value| json!([{"op": "add", "path": format!("/{name}"), "value": value}]);
    let patch = |body| api.patch("/v1/nodes/node-1", body);

    let protected = patch(set("protected", json!(true))).await;
    assert!(protected.error().starts_with("409 "), "{protected:?}");
    assert_eq!(patch(set("driver", json!("nosuch"))).await.status, 400);
    assert_eq!(patch(set("power_interface", json!("nosuch"))).await.status, 400);
    assert_eq!(patch(set("instance_uuid", json!("no uuid"))).await.status, 400);
    assert_eq!(patch(set("instance_uuid", json!(INSTANCE))).await.status, 200);
    assert_eq!(patch(set("instance_uuid", json!(NODE))).await.status, 409);
    api.put_into("node-1", "cleaning", Some("available")).await;
    let changing = patch(set("extra/a", json!(1))).await;
    assert_eq!(
        changing.error(),
        format!("409 Node {NODE} can not be updated while a state transition is in progress.")
    );
    api.put_into("node-1", "active", None).await;
    assert_eq!(patch(set("deploy_interface", json!("noop"))).await.status, 400);
}

#[tokio::test]
async fn interfaces_are_reset_with_the_driver_alone() {
    let api = Api::new().await;
    api.enroll(json!({"bios_interface": "no-bios"})).await;
    let driver = json!([{"op": "add", "path": "/driver", "value": "fake-hardware"}]);

    let kept = api.patch("/v1/nodes/node-1", driver.clone()).await;
    let reset = api.patch("/v1/nodes/node-1?reset_interfaces=True", driver.clone()).await;

    assert_eq!(kept.body["bios_interface"], "no-bios");
    assert_eq!(reset.body["bios_interface"], "fake");
    let path = "/v1/nodes/node-1?reset_interfaces=True";
    let other = json!([{"op": "add", "path": "/extra/a", "value": 1}]);
    assert_eq!(api.patch(path, other).await.status, 400);
    assert_eq!(api.call("1.44", Method::PATCH, path, driver).await.status, 406);
}

#[tokio::test]
async fn maintenance_has_a_reason_until_it_ends() {
    let api = Api::new().await;
    api.enroll(json!({})).await;

    let set = api.put("/v1/nodes/node-1/maintenance", json!({"reason": "bad fan"})).await;
    let during = api.get("/v1/nodes/node-1").await.body;
    let unset = api.delete("/v1/nodes/node-1/maintenance").await;
    let after = api.get("/v1/nodes/node-1").await.body;

    assert_eq!((set.status, unset.status), (202, 202));
    assert_eq!((&set.body, &unset.body), (&Value::Null, &Value::Null));
    assert_eq!((&during["maintenance"], &during["maintenance_reason"]), (&json!(true), &json!("bad fan")));
    assert_eq!((&after["maintenance"], &after["maintenance_reason"]), (&json!(false), &Value::Null));
    assert_eq!(api.put("/v1/nodes/node-1/maintenance", Value::Null).await.status, 202);
    assert_eq!(api.put("/v1/nodes/nosuch/maintenance", json!({"reason": null})).await.status, 404);
}

#[tokio::test]
async fn a_node_is_deleted_where_its_state_allows_it() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    let port = json!({"address": "52:54:00:00:00:01", "node_uuid": NODE});
    assert_eq!(api.post("/v1/ports", port).await.status, 201);

    api.put_into("node-1", "active", None).await;
    let refused = api.delete("/v1/nodes/node-1").await;
    api.put_into("node-1", "manageable", None).await;
    let deleted = api.delete("/v1/nodes/node-1").await;

    assert_eq!((refused.status, deleted.status, &deleted.body), (400, 204, &Value::Null), "{refused:?}");
    assert_eq!(api.delete("/v1/nodes/node-1").await.error(), "404 Node node-1 could not be found.");
    assert_eq!(api.get("/v1/ports").await.body, json!({"ports": []}));
}

#[tokio::test]
async fn a_node_in_use_is_not_deleted() {
    let api = Api::new().await;
    api.enroll(json!({})).await;
    api.patch("/v1/nodes/node-1", json!([{"op": "add", "path": "/instance_uuid", "value": INSTANCE}])).await;

    let refused = api.delete("/v1/nodes/node-1").await;

    assert_eq!(refused.error(), format!("409 Node {NODE} is associated with instance {INSTANCE}."));
    assert_eq!(api.conductor.node(&NODE.into()).await.unwrap().reservation, None);
}
