//! What every answer has.

use axum::body::Body;
use axum::http::{Method, Request};
use axum::middleware;
use axum::routing::get;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

use super::super::{BODY_SIZE_MAX, frame};
use super::{Api, NODE};

const VERSION: &str = "x-openstack-ironic-api-version";
const MAXIMUM: &str = "x-openstack-ironic-api-maximum-version";
const MINIMUM: &str = "x-openstack-ironic-api-minimum-version";

#[tokio::test]
async fn every_answer_says_versions_and_request_id() {
    let api = Api::new().await;
    for (method, path, status) in [
        (Method::GET, "/", 200),
        (Method::GET, "/v1/nodes/", 200),
        (Method::GET, "/v1/nodes/nosuch", 404),
        (Method::GET, "/v1/nosuch", 404),
        (Method::GET, "/v2", 404),
        (Method::PUT, "/v1/nodes", 405),
        (Method::GET, "/v1/nodes?bogus=1", 400),
    ] {
        let answer = api.call("1.72", method, path, Value::Null).await;

        assert_eq!(answer.status, status, "{path}");
        let said = [MINIMUM, MAXIMUM, VERSION].map(|name| answer.header(name));
        assert_eq!(said, ["1.1", "1.115", "1.72"], "{path}");
        let id = answer.header("x-openstack-request-id");
        assert!(id.starts_with("req-") && id.len() == 40, "{id}");
        assert_eq!(answer.header("openstack-request-id"), id);
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
    }
}

#[tokio::test]
async fn a_request_without_a_version_gets_the_oldest() {
    let api = Api::new().await;

    let answer = api.send(Request::get("/v1/nodes").body(Body::empty()).unwrap()).await;

    assert_eq!((answer.status, answer.header(VERSION)), (200, "1.1"));
}

#[tokio::test]
async fn a_version_that_is_not_offered_is_406_with_the_range_and_without_a_version() {
    let api = Api::new().await;
    for (version, text) in [
        ("1.999", "The supported version range is: [1.1, 1.115]."),
        ("2.1", "the major version is not supported"),
        ("junk", "Invalid value for X-OpenStack-Ironic-API-Version header"),
    ] {
        let answer = api.call(version, Method::GET, "/v1/nodes", Value::Null).await;

        assert_eq!(answer.status, 406, "{version}");
        assert!(answer.error().contains(text), "{}", answer.error());
        assert_eq!((answer.header(MINIMUM), answer.header(MAXIMUM)), ("1.1", "1.115"));
        assert!(!answer.headers.contains_key(VERSION));
        assert!(answer.headers.contains_key("x-openstack-request-id"));
    }
}

#[tokio::test]
async fn the_root_needs_no_version() {
    let api = Api::new().await;

    let answer = api.call("junk", Method::GET, "/", Value::Null).await;

    assert_eq!((answer.status, &answer.body["default_version"]["version"]), (200, &json!("1.115")));
}

#[tokio::test]
async fn the_service_neutral_header_is_understood() {
    let api = Api::new().await;
    let request = Request::get("/v1/nodes").header("OpenStack-API-Version", "compute 2.1, baremetal 1.50");

    let answer = api.send(request.body(Body::empty()).unwrap()).await;

    assert_eq!((answer.status, answer.header(VERSION)), (200, "1.50"));
}

#[tokio::test]
async fn a_path_newer_than_the_version_leads_nowhere() {
    let api = Api::new().await;

    let (older, newer) = (
        api.call("1.48", Method::GET, "/v1/conductors", Value::Null).await,
        api.call("1.49", Method::GET, "/v1/conductors", Value::Null).await,
    );

    assert_eq!((older.status, newer.status), (404, 200));
    assert_eq!(older.error(), "404 Not Found");
}

#[tokio::test]
async fn a_wrong_method_is_405_with_the_right_ones() {
    let api = Api::new().await;

    let answer = api.delete("/v1/drivers/fake-hardware").await;

    assert_eq!(answer.error(), "405 Method Not Allowed");
    assert!(answer.header("allow").contains("GET"));
}

#[tokio::test]
async fn slashes_at_the_end_of_a_path_do_not_matter() {
    let api = Api::new().await;
    api.enroll(json!({})).await;

    for path in ["/v1/nodes/", "/v1/nodes/?limit=1", "/v1/nodes/node-1/", "/v1/nodes/node-1/states/"] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn bodies_have_to_be_json() {
    let api = Api::new().await;
    let post = |media_type: &'static str, body: &'static str| {
        let request = Request::post("/v1/nodes").header("content-type", media_type);
        api.send(request.body(Body::from(body)).unwrap())
    };

    let malformed = post("application/json", "{not json").await;
    let form = post("application/x-www-form-urlencoded", "x=1").await;
    let text = post("text/plain", "{\"driver\": \"fake-hardware\"}").await;
    let charset = post("application/json; charset=utf-8", "{\"driver\": \"fake-hardware\"}").await;

    assert!(malformed.error().starts_with("400 The body of the request is not JSON"), "{malformed:?}");
    assert_eq!((form.status, text.status, charset.status), (400, 406, 201));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let api = Api::new().await;
    let request = Request::post("/v1/nodes").header("content-type", "application/json");

    let answer = api.send(request.body(Body::from(vec![b' '; BODY_SIZE_MAX + 1])).unwrap()).await;

    assert_eq!(answer.status, 413);
    assert!(answer.error().contains("larger than"), "{}", answer.error());
}

#[tokio::test]
async fn a_body_that_is_nested_too_deep_is_refused() {
    let api = Api::new().await;
    let deep = "[".repeat(100_000);
    let request = Request::post("/v1/nodes").header("content-type", "application/json");

    let answer = api.send(request.body(Body::from(deep)).unwrap()).await;

    assert_eq!(answer.status, 400);
}

/// Of that depth serde_json still reads it, and drivers would not.
#[tokio::test]
async fn a_node_gets_no_value_that_drivers_would_refuse() {
    let api = Api::new().await;
    let deep = (0..40).fold(serde_json::json!(1), |value, _| serde_json::json!([value]));
    let body = serde_json::json!({"driver": "fake-hardware", "name": "n1", "extra": {"deep": deep}});
    let request = Request::post("/v1/nodes").header("content-type", "application/json");

    let answer = api.send(request.body(Body::from(body.to_string())).unwrap()).await;

    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("more than 32 levels"), "{}", answer.error());
}

#[tokio::test]
async fn a_handler_that_panics_is_500_and_the_next_request_is_served() {
    let routes = axum::Router::new()
        .route("/v1/bad", get(|| async { panic!("out of luck") as String }))
        .route("/v1/good", get(|| async { "good" }));
    let service = middleware::from_fn_with_state(super::Auth::None, frame::frame).layer(routes);
    let get = |path: &str| service.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());

    let (bad, good) = (get("/v1/bad").await.unwrap(), get("/v1/good").await.unwrap());

    assert_eq!((bad.status().as_u16(), good.status().as_u16()), (500, 200));
    assert!(bad.headers().contains_key("x-openstack-request-id"));
    let body = axum::body::to_bytes(bad.into_body(), 10_000).await.unwrap();
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("Server") && !body.contains("luck"), "{body}");
}

#[tokio::test]
async fn errors_are_named_in_a_header() {
    let api = Api::new().await;

    assert_eq!(api.get("/v1/nodes/nosuch").await.header("x-farrier-error"), "NodeNotFound");
    assert!(!api.get("/v1/nosuch").await.headers.contains_key("x-farrier-error"));
}

#[tokio::test]
async fn links_begin_with_what_the_client_asked_for_or_with_what_is_configured() {
    let asked = Api::new().await;
    let configured =
        Api::with(|state| state.public_endpoint = Some("https://farrier.example.org/".to_owned())).await;

    let (asked, configured) = (asked.enroll(json!({})).await, configured.enroll(json!({})).await);

    assert_eq!(asked.header("location"), format!("http://127.0.0.1:6385/v1/nodes/{NODE}"));
    assert_eq!(configured.header("location"), format!("https://farrier.example.org/v1/nodes/{NODE}"));
    assert_eq!(configured.body["links"][1]["href"], format!("https://farrier.example.org/nodes/{NODE}"));
}

#[tokio::test]
async fn who_does_not_say_who_he_is_gets_in_nowhere_but_the_door() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("users");
    std::fs::write(&file, format!("alice:{}", bcrypt::hash("secret", 4).unwrap())).unwrap();
    let config = crate::config::ApiConfig {
        auth_strategy: crate::config::AuthStrategy::HttpBasic,
        http_basic_auth_user_file: Some(file),
        ..crate::config::ApiConfig::default()
    };
    let api = Api::with(|state| state.auth = crate::http::Auth::new(&config).unwrap()).await;

    let refused = api.get("/v1/nodes").await;

    assert_eq!(refused.body, json!({"error": {"message": "Authorization required", "code": 401}}));
    assert_eq!(refused.header("www-authenticate"), "Basic realm=\"Baremetal API\"");
    assert!(refused.header("x-openstack-request-id").starts_with("req-"));
    assert_eq!(api.get("/v1/").await.status, 200);
    let request = Request::builder().uri("/v1/nodes").header("authorization", "Basic YWxpY2U6c2VjcmV0");
    assert_eq!(api.send(request.body(Body::empty()).unwrap()).await.status, 200);
}
